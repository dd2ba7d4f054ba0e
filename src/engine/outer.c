#include "engine/outer.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/text.h"
#include "engine/ids.h"
#include "io/child.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/namespace.h"
#include "kernel/probe.h"

#define MAP_LIMIT 4096
#define HELPER_TIMEOUT_US (10 * 1000 * 1000)

static int run_helper(struct arena *arena, const char *helper, pid_t of,
		      const struct ids_extent *extents, size_t count)
{
	char *words[2 + IDS_EXTENTS * 3 + 1];
	struct child_request request = {
		.path = helper,
		.arguments = words,
		.stdio = { -EBADF, -EBADF, STDERR_FILENO },
		.timeout_us = HELPER_TIMEOUT_US,
	};
	size_t n = 0;
	int status, r;

	words[n++] = (char *)helper;
	words[n++] = arena_format(arena, "%d", of);
	for (size_t i = 0; i < count; i++) {
		words[n++] = arena_format(arena, "%u", extents[i].inside);
		words[n++] = arena_format(arena, "%u", extents[i].outside);
		words[n++] = arena_format(arena, "%u", extents[i].count);
	}
	words[n] = NULL;
	r = child_run(&status, &request);
	if (r < 0)
		return r;
	return status == 0 ? 0 : -EPERM;
}

/* Root of a container: its own CAP_SETUID is enough. */
static int write_maps(struct arena *arena, const struct ids *ids, pid_t of)
{
	autoclose int process = namespace_open_process(of);

	if (process < 0)
		return process;
	return namespace_write_maps(process, ids_map_text(arena, ids->uids, ids->uid_count),
				    ids_map_text(arena, ids->gids, ids->gid_count), false);
}

/* The child is outside: in the namespace where newuidmap's privileges count. */
static _Noreturn void map_from_outside(struct arena *arena, const struct ids *ids, int channel,
				       pid_t parent)
{
	char byte;
	int r;

	if (read(channel, &byte, 1) != 1)
		_exit(1);
	if (ids->newuidmap == NULL)
		_exit(write_maps(arena, ids, parent) < 0);
	r = run_helper(arena, ids->newuidmap, parent, ids->uids, ids->uid_count);
	if (r >= 0)
		r = run_helper(arena, ids->newgidmap, parent, ids->gids, ids->gid_count);
	_exit(r < 0 ? 1 : 0);
}

static int refuse(int r)
{
	const char *cause = probe_cause(PROBE_NAMESPACES, r);

	fail(r, "cannot make a user namespace");
	if (cause != NULL)
		fail_hint("%s", cause);
	return r;
}

static int enter_mapped(struct arena *arena, const struct ids *ids)
{
	autoclose int ours = -EBADF;
	autoclose int theirs = -EBADF;
	pid_t parent = getpid(), child;
	int pair[2], status, r = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return fail(-errno, "cannot talk to a child");
	ours = pair[0];
	theirs = pair[1];
	child = fork();
	if (child < 0)
		return fail(-errno, "cannot fork");
	if (child == 0) {
		fd_close(&ours);
		map_from_outside(arena, ids, theirs, parent);
	}
	fd_close(&theirs);
	if (unshare(CLONE_NEWUSER) < 0)
		r = refuse(-errno);
	/* Else the kernel gives /proc/PID of us to the host's root, whom a container does not have.
	 */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (r >= 0 && write(ours, "u", 1) != 1)
		r = fail(-errno, "cannot talk to a child");
	fd_close(&ours);
	if (waitpid(child, &status, 0) < 0)
		return fail(-errno, "cannot wait for a child");
	if (r < 0)
		return r;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		if (ids->newuidmap == NULL)
			return fail_plain(-EPERM, "cannot map this container's ids into a user "
						  "namespace (CAP_SETUID is missing)");
		return fail_plain(-EPERM,
				  "cannot map subordinate ids: '%s' or '%s' refused (are they "
				  "setuid root, and do "
				  "/etc/subuid and /etc/subgid have an entry for this user?)",
				  ids->newuidmap, ids->newgidmap);
	}
	return 0;
}

static int enter_single(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char users[32], groups[32];
	autoclose int self = -EBADF;
	int r;

	if (unshare(CLONE_NEWUSER) < 0)
		return refuse(-errno);
	self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (self < 0)
		return fail(-errno, "cannot open '/proc/self'");
	snprintf(users, sizeof(users), "0 %u 1", (unsigned int)uid);
	snprintf(groups, sizeof(groups), "0 %u 1", (unsigned int)gid);
	r = namespace_write_maps(self, users, groups, true);
	return r < 0 ? refuse(r) : 0;
}

static int become_root(void)
{
	/* Else the kernel gives /proc/PID of us and of the payload to the host's root, and no map
	 * could be written. Whoever may look at us now is the user himself, who is root over this
	 * namespace anyway. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return fail(-errno, "cannot become root of the supervisor's user namespace");
	return 0;
}

int outer_enter(struct arena *arena, const struct ids *ids)
{
	int r = ids->rung == RUNG_SINGLE ? enter_single() : enter_mapped(arena, ids);

	return r < 0 ? r : become_root();
}

int outer_join(int user_fd)
{
	int r = namespace_join(user_fd, CLONE_NEWUSER);

	return r < 0 ? fail(r, "cannot enter the user namespace of another supervisor")
		     : become_root();
}

/* The kernel's text has more spaces. */
static int has_map(struct arena *arena, int process_fd, const char *file, const char *map)
{
	struct text_list ours = { 0 }, theirs = { 0 };
	char *text;
	size_t size;
	int r = file_read(arena, &text, &size, process_fd, file, MAP_LIMIT);

	if (r < 0)
		return fail(r, "cannot read the ids of another supervisor of this user");
	text_split(arena, &ours, map, " \n");
	text_split(arena, &theirs, text, " \n");
	if (ours.count != theirs.count)
		return false;
	for (size_t i = 0; i < ours.count; i++)
		if (!text_equal(ours.items[i], theirs.items[i]))
			return false;
	return true;
}

int outer_check(struct arena *arena, const struct ids *ids, int process_fd)
{
	int r = has_map(arena, process_fd, "uid_map",
			ids_map_text(arena, ids->uids, ids->uid_count));

	if (r > 0)
		r = has_map(arena, process_fd, "gid_map",
			    ids_map_text(arena, ids->gids, ids->gid_count));
	if (r != 0)
		return MIN(r, 0);
	return fail_plain(-EPERM, "cannot join the network of this user's other machines: their "
				  "ids are others (stop them first, or say the same with "
				  "--private-users=)");
}
