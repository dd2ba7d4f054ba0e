#include "image/own-ids.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "image/ids-files.h"
#include "io/child.h"
#include "io/fd.h"
#include "kernel/namespace.h"
#include "kernel/probe.h"

#define RANGE UINT32_C(65536)
#define HELPER_TIMEOUT_US (10 * 1000 * 1000)

/* ---- which ---- */

static char *find_helper(struct arena *arena, const char *const *environment, const char *name)
{
	const char *path = text_variable(environment, "PATH");
	char *full = path_join(arena, "/usr/bin", name);

	if (access(full, X_OK) == 0)
		return full; /* where it nearly always is */
	return child_find(arena, path ? path : "/bin:/run/wrappers/bin", name);
}

static size_t own_then(struct own_ids_extent *extents, uint32_t own, struct ids_files_range more)
{
	extents[0] = (struct own_ids_extent){ 0, own, 1 };
	if (more.count == 0)
		return 1;
	extents[1] = (struct own_ids_extent){ 1, more.first, MIN(more.count, RANGE - 1) };
	return 2;
}

void own_ids_find(struct arena *arena, struct own_ids *ret, const struct ids_files *files,
		  uint32_t uid, const char *const *environment)
{
	struct ids_files_range uids = { 0 }, gids = { 0 };
	const char *name = ids_files_user_name(arena, files->passwd, uid);

	*ret = (struct own_ids){
		.newuidmap = find_helper(arena, environment, "newuidmap"),
		.newgidmap = find_helper(arena, environment, "newgidmap"),
	};
	if (ret->newuidmap && ret->newgidmap) {
		uids = ids_files_subordinate(files->subuid, name, uid);
		gids = ids_files_subordinate(files->subgid, name, uid);
	}
	if (uids.count == 0 || gids.count == 0)
		uids.count = gids.count = 0;
	ret->uid_count = own_then(ret->uids, uid, uids);
	ret->gid_count = own_then(ret->gids, getegid(), gids);
	ret->single = ret->uid_count == 1;
	if (ret->single)
		log_debug("one id only: %s",
			  !ret->newuidmap || !ret->newgidmap
				  ? "newuidmap and newgidmap are not installed"
				  : "/etc/subuid or /etc/subgid has none for this user");
}

char *own_ids_map_text(struct arena *arena, const struct own_ids_extent *extents, size_t count)
{
	char text[OWN_IDS_EXTENTS * 36 + 1] = "";
	size_t used = 0;

	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%u %u %u\n",
					 extents[i].inside, extents[i].outside, extents[i].count);
	return arena_text(arena, text);
}

/* ---- entering ---- */

static int run_helper(struct arena *arena, const char *helper, pid_t of,
		      const struct own_ids_extent *extents, size_t count)
{
	char *words[2 + OWN_IDS_EXTENTS * 3 + 1];
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
static int write_maps(struct arena *arena, const struct own_ids *ids, pid_t of)
{
	autoclose int process = namespace_open_process(of);

	if (process < 0)
		return process;
	return namespace_write_maps(process, own_ids_map_text(arena, ids->uids, ids->uid_count),
				    own_ids_map_text(arena, ids->gids, ids->gid_count), false);
}

/* The child is outside: in the namespace where newuidmap's privileges count. */
static _Noreturn void map_from_outside(struct arena *arena, const struct own_ids *ids, int channel,
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

static int enter_mapped(struct arena *arena, const struct own_ids *ids)
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

int own_ids_be_root(void)
{
	/* Else the kernel gives /proc/PID of us and of the payload to the host's root, and no map
	 * could be written. Whoever may look at us now is the user himself, who is root over this
	 * namespace anyway. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return fail(-errno, "cannot become root of a user namespace of our own");
	return 0;
}

int own_ids_enter(struct arena *arena, const struct own_ids *ids)
{
	int r = ids->single ? enter_single() : enter_mapped(arena, ids);

	return r < 0 ? r : own_ids_be_root();
}

int own_ids_become_root(struct arena *arena, const char *const *environment)
{
	struct ids_files files;
	struct own_ids ids;

	if (geteuid() == 0)
		return 0;
	ids_files_read(arena, &files);
	own_ids_find(arena, &ids, &files, geteuid(), environment);
	return own_ids_enter(arena, &ids);
}
