#include "transfer/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/text.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/capability.h"
#include "kernel/mount.h"
#include "kernel/namespace.h"
#include "kernel/process.h"
#include "kernel/uapi.h"
#include "transfer/worker-side.h"

/* Host ids that are nobody's: above those of users and containers, which are below 2^31
 * (engine/ids; directories of users have some of 2*10^9). On a file system that can map ids, the
 * worker's ids, all below 2^31, are on disk what they are inside: a tree may be one that a
 * container's range owns.
 */
#define IDS_FIRST UINT32_C(0x80000000)
#define OWNERS "0 2147483648 1879048192\n1879048192 4026531840 268435455"
#define NOBODY "0 2147483648 1"
#define ALL_IDS "0 0 4294967295"
#define MAP_MAX 4096
#define DESCRIPTORS_ROOM 8 /* what one message may bring, so that all of them can be closed */

/* ---- the worker's ids ---- */

/* Those that the caller has, each as itself: for who is root of a user namespace only. */
static int own_ids(struct arena *arena, char **ret, const char *path)
{
	char *text, *map = arena_text(arena, "");
	size_t size;
	int r = file_read(arena, &text, &size, AT_FDCWD, path, MAP_MAX);

	if (r < 0)
		return r;
	for (char *line = text; *line;) {
		unsigned int inside, count;
		char *end = strchr(line, '\n');

		if (sscanf(line, "%u %*u %u", &inside, &count) != 2)
			return -EBADMSG;
		map = arena_format(arena, "%s%u %u %u\n", map, inside, inside, count);
		if (end == NULL)
			break;
		line = end + 1;
	}
	*ret = map;
	return 0;
}

static int make_own(struct arena *arena)
{
	char *users, *groups;
	int r = own_ids(arena, &users, "/proc/self/uid_map");

	if (r >= 0)
		r = own_ids(arena, &groups, "/proc/self/gid_map");
	return r < 0 ? r : namespace_make_user(users, groups);
}

/* A mount of the tree for the worker alone, whose owners are the worker's ids. */
static int make_tree(struct arena *arena, struct worker_side *side)
{
	const struct worker_request *request = side->request;
	uint64_t closed = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
			  MOUNT_ATTR_NOSYMFOLLOW;
	int r;

	side->mount = mount_clone(request->tree_fd, "", false);
	if (side->mount < 0)
		return side->mount;
	r = mount_restrict(side->mount, closed | (request->read_only ? MOUNT_ATTR_RDONLY : 0), 0,
			   false);
	if (r < 0)
		return r;
	if (!namespace_is_initial_user()) {
		side->userns = make_own(arena);
		return side->userns < 0 ? side->userns : 0;
	}
	side->userns = namespace_make_user(OWNERS, OWNERS);
	if (side->userns < 0)
		return side->userns;
	if (mount_map_ids(side->mount, side->userns, false) >= 0)
		return 0;
	/* This file system has no such mounts: then the worker's ids are the host's, but all that
	 * it can reach is the tree. */
	fd_close(&side->userns);
	side->userns = namespace_make_user(ALL_IDS, ALL_IDS);
	return side->userns < 0 ? side->userns : 0;
}

static int make_nobody(struct arena *arena, struct worker_side *side)
{
	side->userns = namespace_is_initial_user() ? namespace_make_user(NOBODY, NOBODY)
						   : make_own(arena);
	return side->userns < 0 ? side->userns : 0;
}

/* ---- starting ---- */

static int spawn(struct worker *worker, struct worker_side *side, int theirs)
{
	pid_t pid = process_clone(CLONE_NEWPID, -1, &worker->pidfd);

	if (pid < 0)
		return fail(pid, "cannot make a process for '%s'", side->request->name);
	if (pid == 0) {
		side->channel = theirs;
		worker_inside(side);
	}
	worker->pid = pid;
	return 0;
}

int worker_start(struct worker *ret, const struct worker_request *request)
{
	autoarena struct arena arena = { 0 };
	struct worker_side side = {
		.request = request,
		.channel = -EBADF,
		.tree = -EBADF,
		.userns = -EBADF,
		.mount = -EBADF,
	};
	struct worker worker = WORKER_EMPTY;
	autoclose int theirs = -EBADF;
	int ends[2], r;

	if (request->fd_count > WORKER_FDS_MAX)
		return fail(-E2BIG, "cannot pass on %zu descriptors", request->fd_count);
	r = request->view == WORKER_SEES_TREE ? make_tree(&arena, &side)
					      : make_nobody(&arena, &side);
	if (r < 0) {
		fail(r, "cannot make a user namespace for '%s'", request->name);
	} else if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		r = fail(-errno, "cannot talk to '%s'", request->name);
	} else {
		worker.channel = ends[0];
		theirs = ends[1];
		worker.tree_fd = request->tree_fd;
		if (side.mount >= 0 && mount_id(side.mount, &worker.mount) < 0)
			worker.mount = -1;
		r = spawn(&worker, &side, theirs);
	}
	fd_close(&side.userns);
	fd_close(&side.mount);
	if (r < 0) {
		worker_done(&worker);
		return r;
	}
	*ret = worker;
	return 0;
}

/* ---- listening ---- */

int worker_fd(const struct worker *worker)
{
	return worker->channel;
}

/* As the owner that the worker's root is on disk, with the right to make nodes. */
static int make_node_as(uid_t id, int directory, const char *name, mode_t mode, dev_t device)
{
	uint64_t effective, permitted, inheritable;
	int r = capability_get(&effective, &permitted, &inheritable);

	if (r < 0)
		return r;
	setfsgid(id);
	setfsuid(id);
	r = capability_set(effective, permitted, inheritable);
	if (r >= 0 && mknodat(directory, name, mode, device) < 0)
		r = -errno;
	setfsuid(geteuid());
	setfsgid(getegid());
	capability_set(effective, permitted, inheritable);
	return r;
}

/* The worker's word is not taken for anything: which directory, name and kind are looked at. */
static int make_node(const struct worker *worker, const struct worker_message *message,
		     const char *name, size_t size, int directory)
{
	mode_t mode = message->what;
	struct stat st;
	int mount, r;

	if (directory < 0 || worker->mount < 0 || fstat(directory, &st) < 0 || !S_ISDIR(st.st_mode))
		return -EBADF;
	r = mount_id(directory, &mount);
	if (r < 0 || mount != worker->mount)
		return -EXDEV;
	if (size == 0 || size > NAME_MAX || strlen(name) != size || strchr(name, '/') != NULL)
		return -EINVAL;
	if ((!S_ISCHR(mode) && !S_ISBLK(mode)) || (mode & ~(mode_t)(S_IFMT | 07777)) != 0)
		return -EINVAL;
	r = mknodat(directory, name, mode, (dev_t)message->a) < 0 ? -errno : 0;
	return r == -EOVERFLOW ? make_node_as(IDS_FIRST, directory, name, mode, (dev_t)message->a)
			       : r;
}

static int answer_node(struct worker *worker, const struct worker_message *message,
		       const char *name, size_t size, int directory)
{
	int32_t answer = make_node(worker, message, name, size, directory);

	if (send(worker->channel, &answer, sizeof(answer), MSG_NOSIGNAL) < 0 && errno != EPIPE)
		return fail(-errno, "cannot answer a worker");
	return 1;
}

/* It has said nothing more: how did it end? */
static int ended(struct worker *worker)
{
	siginfo_t info = { 0 };
	int r = process_wait(worker->pidfd, &info, 0);

	worker->pid = 0;
	if (r < 0)
		return fail(r, "cannot wait for a worker");
	if (info.si_code != CLD_EXITED)
		return fail_plain(-ECHILD, "a worker was ended by signal %d (%s)", info.si_status,
				  strsignal(info.si_status));
	return fail_plain(-ECHILD, "a worker ended without a result");
}

/* It quotes names from outside, and is itself no more to be trusted: nothing of it may reach a
 * terminal as it is (class S24). */
static void adopt(struct failure *failure)
{
	autoarena struct arena arena = { 0 };

	failure->text[sizeof(failure->text) - 1] = '\0';
	if (failure->code >= 0 || failure->text[0] == '\0')
		return;
	snprintf(failure->text, sizeof(failure->text), "%s", text_printable(&arena, failure->text));
	fail_adopt(failure);
}

static int result(struct worker *worker, const struct worker_message *message, const void *data,
		  size_t size)
{
	int64_t code = (int64_t)message->a;
	struct failure failure;
	siginfo_t info;

	/* It has nothing more to do, and might not end by itself. */
	process_signal(worker->pidfd, SIGKILL);
	process_wait(worker->pidfd, &info, 0);
	worker->pid = 0;
	if (code >= 0)
		return 0;
	if (code < -4095)
		return fail_plain(-EBADMSG, "a worker gave no proper result");
	if (size == sizeof(failure)) {
		memcpy(&failure, data, sizeof(failure));
		adopt(&failure);
	}
	return fail_recorded()->code < 0 ? (int)code : fail((int)code, "a worker failed");
}

/* The one that came along. Of more none is kept, nor stays open. */
static int take_descriptor(struct msghdr *header)
{
	int fds[DESCRIPTORS_ROOM];
	size_t count = 0;

	for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at != NULL; at = CMSG_NXTHDR(header, at)) {
		size_t here = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS)
			continue;
		here = MIN(here, DESCRIPTORS_ROOM - count);
		memcpy(fds + count, CMSG_DATA(at), here * sizeof(int));
		count += here;
	}
	if (count == 1)
		return fds[0];
	for (size_t i = 0; i < count; i++)
		fd_close(&fds[i]);
	return -EBADF;
}

int worker_hear(struct worker *worker, const struct worker_listener *listener)
{
	static const struct worker_listener deaf;
	struct worker_message message;
	char data[WORKER_TOLD_MAX + 1], room[CMSG_SPACE(DESCRIPTORS_ROOM * sizeof(int))];
	struct iovec parts[] = { { &message, sizeof(message) }, { data, WORKER_TOLD_MAX } };
	struct msghdr header = {
		.msg_iov = parts,
		.msg_iovlen = 2,
		.msg_control = room,
		.msg_controllen = sizeof(room),
	};
	autoclose int fd = -EBADF;
	ssize_t n;
	size_t size;

	if (listener == NULL)
		listener = &deaf;
	do
		n = recvmsg(worker->channel, &header, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return ended(worker);
	fd = take_descriptor(&header);
	if ((size_t)n < sizeof(message) || header.msg_flags & MSG_TRUNC)
		return fail_plain(-EBADMSG, "a worker said something that it cannot mean");
	size = (size_t)n - sizeof(message);
	data[size] = '\0';
	switch (message.kind) {
	case WORKER_PROGRESS:
		if (listener->progress != NULL)
			listener->progress(listener->context, message.a, message.b);
		return 1;
	case WORKER_TOLD:
		n = listener->told == NULL
			    ? 0
			    : listener->told(listener->context, message.what, data, size);
		return n < 0 ? (int)n : 1;
	case WORKER_NODE: return answer_node(worker, &message, data, size, fd);
	case WORKER_RESULT: return result(worker, &message, data, size);
	default: return fail_plain(-EBADMSG, "a worker said something that it cannot mean");
	}
}

int worker_finish(struct worker *worker, const struct worker_listener *listener)
{
	int r;

	do
		r = worker_hear(worker, listener);
	while (r > 0);
	worker_done(worker);
	return r;
}

void worker_done(struct worker *worker)
{
	siginfo_t info;

	if (worker->pid > 0) {
		process_signal(worker->pidfd, SIGKILL);
		process_wait(worker->pidfd, &info, 0);
	}
	worker->pid = 0;
	fd_close(&worker->pidfd);
	fd_close(&worker->channel);
}

int worker_run(const struct worker_request *request, const struct worker_listener *listener)
{
	struct worker worker = WORKER_EMPTY;
	int r = worker_start(&worker, request);

	return r < 0 ? r : worker_finish(&worker, listener);
}
