#include "machine/enter-child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "io/fd.h"
#include "io/file.h"
#include "kernel/capability.h"
#include "kernel/keyring.h"
#include "kernel/namespace.h"
#include "kernel/process.h"
#include "machine/enter.h"
#include "machine/find.h"

extern char **environ;

struct child {
	const struct enter *enter;
	const struct enter_program *program;
	const char *name;
	int channel;
};

/* ---- joiner ---- */

/* The machine's, not those of who enters. What cannot be raised stays as it is. */
static int take_scheduling(const struct child *child)
{
	cpu_set_t cpus[16];
	char score[16];

	if (file_read_line(score, sizeof(score), child->enter->proc_fd, "oom_score_adj") >= 0)
		(void)file_write(AT_FDCWD, "/proc/self/oom_score_adj", score);
	if (sched_getaffinity(child->enter->machine->leader, sizeof(cpus), cpus) == 0)
		(void)sched_setaffinity(0, sizeof(cpus), cpus);
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit limit = child->enter->limits[i], now;

		if (setrlimit((enum __rlimit_resource)i, &limit) == 0)
			continue;
		if (errno != EPERM || getrlimit((enum __rlimit_resource)i, &now) < 0)
			return fail(-errno, "cannot take over the limits of machine '%s'",
				    child->name);
		limit.rlim_max = MIN(limit.rlim_max, now.rlim_max);
		limit.rlim_cur = MIN(limit.rlim_cur, limit.rlim_max);
		if (setrlimit((enum __rlimit_resource)i, &limit) < 0)
			return fail(-errno, "cannot take over the limits of machine '%s'",
				    child->name);
	}
	return 0;
}

static int take_label(const struct child *child)
{
	const char *label = child->enter->confine.selinux;
	int r;

	if (label == NULL)
		return 0;
	r = file_write(AT_FDCWD, "/proc/thread-self/attr/exec", label);
	return r < 0 ? fail(r, "cannot take over the SELinux label of machine '%s'", child->name)
		     : 0;
}

static int join(const struct child *child)
{
	uint64_t namespaces = child->enter->namespaces;
	int r = namespaces == 0 ? 0 : namespace_join(child->enter->pidfd, namespaces);

	if (r == -ESRCH)
		return fail_plain(r, "cannot enter machine '%s': it has just ended", child->name);
	if (r < 0)
		return fail(r, "cannot enter the namespaces of machine '%s'", child->name);
	/* Until exec nobody may look at what is still ours: a change of ids makes that undone. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return fail(-errno, "cannot protect this process");
	return 0;
}

/* Descriptors 0 to 2 are the program's, the channel and the terminal stay, the rest is closed. */
static int keep_only_theirs(struct child *child)
{
	const struct enter_program *program = child->program;
	const int keep[] = { child->channel, program->terminal };
	int copies[3];

	for (int i = 0; i < 3; i++) {
		copies[i] = fd_duplicate(program->stdio[i] < 0 ? program->terminal
							       : program->stdio[i]);
		if (copies[i] < 0)
			return fail(copies[i], "cannot copy a descriptor");
	}
	for (int i = 0; i < 3; i++)
		if (dup2(copies[i], i) < 0)
			return fail(-errno, "cannot copy a descriptor");
	fd_close_all(3, keep, program->terminal < 0 ? 1 : 2);
	return 0;
}

static int take_identity(const struct child *child)
{
	const struct guest_user *user = &child->program->user;

	/* The caller itself, on the host: it is that already, with groups that it could not take.
	 */
	if (child->enter->local && geteuid() != 0 && user->uid == geteuid())
		return 0;
	/* With one id alone the kernel forbids to change groups, and there are none to give up. */
	if (setgroups(user->group_count, user->groups) < 0 &&
	    (errno != EPERM || user->group_count > 0))
		return fail(-errno, "cannot take the groups of user '%s'", user->name);
	if (setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0)
		return fail(-errno,
			    "cannot become user '%s' (uid %u) in machine '%s'; is the id inside "
			    "the machine's range?",
			    user->name, (unsigned int)user->uid, child->name);
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? fail(-errno, "cannot protect this process")
						      : 0;
}

/* A process that joins a user namespace has all capabilities there, whoever it was. */
static int become_inside(const struct child *child)
{
	if (!(child->enter->namespaces & CLONE_NEWUSER))
		return 0;
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return fail(-errno, "cannot become root in machine '%s'", child->name);
	return 0;
}

/* What opened it was root. A machine without CAP_CHOWN has to live with that. */
static void give_terminal(const struct child *child)
{
	const struct guest_user *user = &child->program->user;

	if (child->program->terminal >= 0 && user->uid != 0 &&
	    fchown(child->program->terminal, user->uid, (gid_t)-1) < 0)
		return;
}

static int confine(const struct child *child)
{
	const struct confine *confine = &child->enter->confine;
	uint64_t keep = confine->capabilities, has;
	int r;

	(void)keyring_join_new();
	umask(0022);
	if (confine->personality_set && personality(confine->personality) < 0)
		return fail(-errno, "cannot take over the personality of machine '%s'",
			    child->name);
	if (!confine->no_seccomp) {
		r = seccomp_install(&child->enter->filter);
		if (r < 0)
			return fail(r, "cannot install the system call filter of machine '%s'",
				    child->name);
	}
	r = capability_get(NULL, &has, NULL);
	if (r < 0)
		return fail(r, "cannot ask for capabilities");
	keep &= has;
	r = capability_drop_bounding(keep);
	if (r < 0)
		return fail(r, "cannot drop capabilities");
	r = take_identity(child);
	if (r < 0)
		return r;
	/* Nothing inheritable, nothing ambient (class S18). */
	if (child->program->user.uid != 0)
		keep = 0;
	r = capability_set(keep, keep, 0);
	if (r < 0)
		return fail(r, "cannot drop capabilities");
	if (confine->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail(-errno, "cannot forbid new privileges");
	return 0;
}

static int become_guest(struct child *child)
{
	int r = take_scheduling(child);

	if (r >= 0)
		r = take_label(child);
	if (r >= 0)
		r = join(child);
	if (r >= 0)
		r = keep_only_theirs(child);
	if (r >= 0)
		r = become_inside(child);
	if (r < 0)
		return r;
	give_terminal(child);
	return confine(child);
}

static int become_local(struct child *child)
{
	int r = keep_only_theirs(child);

	if (r < 0)
		return r;
	(void)keyring_join_new();
	umask(0022);
	give_terminal(child);
	return take_identity(child);
}

/* ---- the program's process ---- */

static int die_with_caller(const struct child *child)
{
	struct pollfd other = { .fd = child->channel };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return fail(-errno, "cannot tie the program to its caller");
	/* It may have gone before that: then nobody listens any more. */
	if (poll(&other, 1, 0) > 0 && other.revents & (POLLHUP | POLLERR))
		_exit(1);
	return 0;
}

static int take_terminal(struct child *child)
{
	int terminal = child->program->terminal;

	if (setsid() < 0)
		return fail(-errno, "cannot make a session");
	if (terminal < 0)
		return 0;
	if (ioctl(terminal, TIOCSCTTY, 0) < 0)
		return fail(-errno, "cannot take over the terminal");
	close(terminal);
	return 0;
}

static int change_directory(const struct child *child)
{
	const char *directory = child->program->directory;

	if (directory != NULL)
		return chdir(directory) < 0
			       ? fail(-errno, "cannot change to directory '%s' in machine '%s'",
				      directory, child->name)
			       : 0;
	if (chdir(child->program->user.home) == 0)
		return 0;
	return chdir("/") < 0 ? fail(-errno, "cannot change to '/'") : 0;
}

/* The kernel says who sends, in the caller's numbers. Nobody else could tell in time: the joiner
 * waits until the program runs, and may be killed with it. */
static int say_hello(const struct child *child)
{
	struct enter_message message = { .made = true };

	return send(child->channel, &message, sizeof(message), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int exec_program(struct child *child)
{
	const struct enter_program *program = child->program;
	const char *path = program->path == NULL ? program->arguments[0] : program->path;
	int r;

	r = say_hello(child);
	if (r >= 0)
		r = die_with_caller(child);
	if (r >= 0)
		r = take_terminal(child);
	if (r >= 0)
		r = change_directory(child);
	if (r < 0)
		return r;
	environ = (char **)program->environment;
	execvp(path, (char **)program->arguments);
	return fail(-errno, "cannot run '%s' in machine '%s'", path, child->name);
}

static _Noreturn void give_up(const struct child *child)
{
	struct enter_message message = { .failure = *fail_recorded() };

	(void)send(child->channel, &message, sizeof(message), MSG_NOSIGNAL);
	_exit(1);
}

static int come_to_cgroup(const struct child *child, enum enter_way way)
{
	char told;

	if (way == ENTER_GOES)
		return file_write(child->enter->cgroup_fd, "cgroup.procs", "0");
	return way == ENTER_MADE || recv(child->channel, &told, 1, 0) == 1 ? 0 : -ECONNRESET;
}

static int run(void *child)
{
	(void)exec_program(child);
	give_up(child);
}

_Noreturn void enter_child(const struct enter *enter, const struct enter_program *program,
			   int channel, enum enter_way way)
{
	struct child child = { enter, program, enter->machine->name, channel };
	int r;

	process_reset_signals();
	r = come_to_cgroup(&child, way);
	if (r < 0)
		fail(r, "cannot go to the cgroup of machine '%s'", child.name);
	else
		r = enter->local ? become_local(&child) : become_guest(&child);
	if (r < 0)
		give_up(&child);
	/* Its memory is ours, which is confined as it is, and copying it would take a while. */
	r = process_spawn(run, &child, CLONE_PARENT);
	if (r < 0) {
		fail(r, "cannot make a process in machine '%s'", child.name);
		give_up(&child);
	}
	_exit(0);
}
