#include "machine/join.h"

#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fail.h"
#include "io/fd.h"
#include "kernel/namespace.h"
#include "machine/find.h"

static int open_user(struct join *join)
{
	autoclose int proc = machine_open_proc(join->machine);
	int r;

	if (proc < 0)
		return proc;
	r = join->user_fd = namespace_open(proc, "user");
	if (r >= 0)
		r = namespace_is_shared(proc, "user");
	if (r < 0)
		return fail(r, "cannot look at the user namespace of machine '%s'",
			    join->machine->name);
	join->user = r == 0;
	return 0;
}

int join_open(struct join *ret, const struct machine *machine)
{
	struct join join = JOIN_EMPTY;
	int r;

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return fail(-errno, "cannot protect this process");
	join.machine = machine;
	r = join.leader = machine_open_leader(machine);
	if (r >= 0)
		r = join.root_fd = machine_open_root(machine);
	if (r >= 0)
		r = open_user(&join);
	if (r < 0) {
		join_done(&join);
		return r;
	}
	*ret = join;
	return 0;
}

void join_done(struct join *join)
{
	fd_close(&join->leader);
	fd_close(&join->root_fd);
	fd_close(&join->user_fd);
}

int join_become_root(const struct join *join)
{
	int r = join->user ? namespace_join(join->leader, CLONE_NEWUSER) : 0;

	if (r < 0)
		return fail(r, "cannot enter the user namespace of machine '%s'",
			    join->machine->name);
	if (!join->user)
		return 0;
	/* With one id alone the kernel forbids it, and there are no groups to give up. */
	(void)setgroups(0, NULL);
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return fail(-errno, "cannot become root in machine '%s'", join->machine->name);
	return 0;
}
