#include "engine/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/log.h"
#include "engine/container.h"
#include "engine/handover.h"
#include "engine/network-uplink.h"
#include "engine/notify.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/memory.h"
#include "kernel/namespace.h"
#include "kernel/process.h"
#include "kernel/syscall.h"
#include "machine/reap.h"

#define SOCKET "socket"
#define CONFIRM_MS 10000
#define ANSWER_SECONDS 10
#define HOLDERS_MAX 16 /* of one supervisor: something kills them */
#define FDS_MAX (1 + STATE_FDS)

/* All that the holder has. */
struct holder {
	int supervisor, listener, directory, state;
	int fds[STATE_FDS];
	off_t written;
	const char *runtime, *name;
};

/* ---- the holder's side ---- */

static void log_console(struct holder *holder)
{
	char data[4096];
	ssize_t n = read(holder->fds[STATE_CONSOLE], data, sizeof(data));
	autoclose int log = -EBADF;

	if (n <= 0)
		return;
	if (holder->written > KEEP_CONSOLE_MAX) {
		(void)renameat(holder->directory, KEEP_CONSOLE, holder->directory,
			       KEEP_CONSOLE ".old");
		holder->written = 0;
	}
	log = openat(holder->directory, KEEP_CONSOLE,
		     O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (log >= 0 && fd_write_all(log, data, (size_t)n) >= 0)
		holder->written += n;
}

static int send_all(int connection, const struct holder *holder)
{
	int fds[FDS_MAX];
	size_t count = 0;

	fds[count++] = holder->state;
	for (int i = 0; i < STATE_FDS; i++)
		if (holder->fds[i] >= 0)
			fds[count++] = holder->fds[i];
	return fd_send(connection, fds, count);
}

/* Nothing is read from the guest meanwhile, or two would read it. */
static void serve(const struct holder *holder)
{
	autoclose int connection = -EBADF;
	struct ucred peer;
	socklen_t size = sizeof(peer);
	struct pollfd answer;
	char byte;

	connection = accept4(holder->listener, NULL, NULL, SOCK_CLOEXEC);
	if (connection < 0 || getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
	    peer.uid != geteuid() || send_all(connection, holder) < 0)
		return;
	answer = (struct pollfd){ .fd = connection, .events = POLLIN };
	if (poll(&answer, 1, CONFIRM_MS) > 0 && recv(connection, &byte, 1, MSG_DONTWAIT) == 1)
		_exit(0);
}

/* The locks must be free for who cleans up, which is us. */
static _Noreturn void clean_up(struct holder *holder)
{
	(void)fd_close_all(3, NULL, 0);
	(void)reap_one(holder->runtime, holder->name);
	_exit(0);
}

static _Noreturn void hold(struct holder *holder)
{
	struct pollfd polls[] = {
		{ .fd = holder->supervisor, .events = POLLIN },
		{ .fd = holder->fds[STATE_PIDFD], .events = POLLIN },
		{ .fd = holder->listener, .events = POLLIN },
		{ .fd = holder->fds[STATE_CONSOLE], .events = POLLIN },
		{ .fd = holder->fds[STATE_NOTIFY], .events = POLLIN },
	};
	struct notify_message ignored;

	while (poll(polls, 1, -1) <= 0)
		;
	for (;;) {
		if (poll(polls + 1, ARRAY_SIZE(polls) - 1, -1) < 0)
			continue;
		if (polls[3].revents != 0)
			log_console(holder);
		else if (polls[1].revents != 0)
			clean_up(holder);
		if (polls[2].revents != 0)
			serve(holder);
		if (polls[4].revents != 0)
			(void)notify_receive(holder->fds[STATE_NOTIFY], 0, &ignored);
	}
}

/* Out of the private mount namespace, in which the tree covers the records; of the session and its
 * terminal; and of what the supervisor's caller reads from. */
static void withdraw(struct holder *holder, int host_mounts_fd)
{
	int keep[4 + STATE_FDS] = { holder->supervisor, holder->listener, holder->directory,
				    holder->state };
	autoclose int null = -EBADF;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "redd-holder", 0, 0, 0);
	if (host_mounts_fd >= 0)
		(void)namespace_join(host_mounts_fd, CLONE_NEWNS);
	(void)!chdir("/");
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3; fd++)
		(void)dup2(null, fd);
	memcpy(keep + 4, holder->fds, sizeof(holder->fds));
	(void)fd_close_all(3, keep, ARRAY_SIZE(keep));
	null = -EBADF;
	memory_shrink();
}

/* ---- the supervisor's side ---- */

static const char *directory_of(struct container *container)
{
	const struct record *record = &container->resources.record;

	return arena_format(&container->scratch, "%s/keep/%s", record->runtime, record->tag);
}

static int make_directory(struct container *container)
{
	const char *path = directory_of(container);
	struct record *record = &container->resources.record;
	int fd, r;

	if (!container->keep_noted) {
		r = record_note(record, RECORD_KEEP, path);
		if (r < 0)
			return r;
		container->keep_noted = true;
	}
	r = dir_make_all(path, 0700);
	if (r < 0)
		return fail(r, "cannot make '%s'", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? fail(-errno, "cannot open '%s'", path) : fd;
}

/* A path's length is bounded; by way of the directory's descriptor it is always short. */
static struct sockaddr_un address_below(int directory)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" SOCKET, directory);
	return address;
}

static int listen_in(int directory)
{
	struct sockaddr_un address = address_below(directory);
	autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	(void)unlinkat(directory, SOCKET, 0); /* of an earlier start's */
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0)
		return -errno;
	return take_fd(&fd);
}

/* A first start has not gone there yet. */
static int open_middle(const struct resources *resources, int self)
{
	int fd = resources->middle_fd < 0 ? namespace_open(self, "net")
					  : fcntl(resources->middle_fd, F_DUPFD_CLOEXEC, 3);

	return fd < 0 ? -EBADF : fd;
}

static int save(struct container *container, struct holder *holder)
{
	struct state state;

	handover_collect(&container->scratch, &state, holder->fds, container);
	/* The record's lock tells whether the supervisor lives. */
	holder->fds[STATE_RECORD] = holder->fds[STATE_HOLDER] = -EBADF;
	if (container->resources.outer) {
		autoclose int self = namespace_open_process(getpid());

		holder->fds[STATE_OUTER] = self < 0 ? self : namespace_open(self, "user");
		if (holder->fds[STATE_OUTER] < 0)
			return holder->fds[STATE_OUTER];
		if (container->resources.middle != 0)
			holder->fds[STATE_MIDDLE] = open_middle(&container->resources, self);
	}
	state_mark(&state, holder->fds);
	return state_save(&state);
}

static int note_holder(struct container *container, pid_t pid)
{
	uint64_t start;
	int r = process_start_time(pid, &start);

	if (r < 0)
		return fail(r, "cannot ask when the holder was started");
	return record_holder(&container->resources.record, pid, start);
}

/* It holds nothing that its record does not know of: it waits until it was noted. */
static int fork_holder(struct container *container, struct holder *holder)
{
	autoclose int go = -EBADF, wait = -EBADF;
	int pair[2], r;
	pid_t pid;
	char byte;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return fail(-errno, "cannot make a pipe");
	wait = pair[0];
	go = pair[1];
	pid = process_clone(0, -EBADF, &container->holder_fd);
	if (pid == 0) {
		fd_close(&go);
		if (read(wait, &byte, 1) != 1)
			_exit(1);
		withdraw(holder, container->resources.host_mounts_fd);
		arena_done(&container->scratch); /* of no use here: the plan */
		hold(holder);
	}
	if (pid < 0)
		return fail(pid, "cannot fork the holder of machine '%s'", holder->name);
	r = note_holder(container, pid);
	if (holder->fds[STATE_MIDDLE] >= 0)
		network_uplink_note(container, pid, holder->fds[STATE_MIDDLE],
				    holder->fds[STATE_MIDDLE]);
	if (r >= 0 && write(go, "g", 1) != 1)
		r = fail(-errno, "cannot start the holder of machine '%s'", holder->name);
	return r;
}

int keep_hold(struct container *container)
{
	autoclose int supervisor = -EBADF, directory = -EBADF, listener = -EBADF, state = -EBADF;
	struct holder holder = {
		.runtime = container->resources.record.runtime,
		.name = container->resources.record.name,
	};
	int r;

	supervisor = sys_pidfd_open(getpid(), 0);
	directory = make_directory(container);
	if (directory < 0)
		return directory;
	listener = listen_in(directory);
	if (listener < 0)
		return fail(listener, "cannot make the holder's socket of machine '%s'",
			    holder.name);
	state = save(container, &holder);
	r = supervisor < 0 ? supervisor : state;
	if (r < 0)
		return fail(r, "cannot keep the state of machine '%s'", holder.name);
	holder.supervisor = supervisor;
	holder.directory = directory;
	holder.listener = listener;
	holder.state = state;
	r = fork_holder(container, &holder);
	fd_close(&holder.fds[STATE_OUTER]);
	fd_close(&holder.fds[STATE_MIDDLE]);
	return r;
}

int keep_renew(struct container *container)
{
	int r;

	if (container->holders++ >= HOLDERS_MAX)
		return fail_plain(-EAGAIN, "its holder was killed too often");
	r = keep_hold(container);
	arena_done(&container->scratch);
	return r;
}

void keep_end(struct container *container)
{
	siginfo_t info;

	if (container->holder_fd < 0)
		return;
	process_signal(container->holder_fd, SIGKILL);
	process_wait(container->holder_fd, &info, 0);
	fd_close(&container->holder_fd);
}

void keep_remove(struct container *container)
{
	const char *path;
	int r;

	keep_end(container);
	if (!container->keep_noted)
		return;
	path = directory_of(container);
	r = dir_remove_all(AT_FDCWD, path);
	if (r < 0)
		log_warning("cannot remove '%s': %s, going on without", path, strerror(-r));
}

/* ---- the new supervisor's side ---- */

static int connect_in(int directory)
{
	const struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	struct sockaddr_un address = address_below(directory);
	autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	/* A holder that is stopped holds nobody up. */
	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return take_fd(&fd);
}

int keep_take(struct arena *arena, struct state *ret, int fds[STATE_FDS], const char *path,
	      const char *name)
{
	autoclose int directory = -EBADF, connection = -EBADF;
	int came[FDS_MAX], count, r;

	directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	connection = directory < 0 ? -errno : connect_in(directory);
	count = connection < 0 ? -EPIPE : fd_receive(connection, came, FDS_MAX);
	/* The connection is made before the holder takes it up, who may have been killed since. */
	if (count == -EPIPE || count == -ECONNRESET)
		return fail_plain(-ENOLINK,
				  "cannot adopt machine '%s': nobody holds its console and locks "
				  "any more (end it with 'machinectl poweroff %s' or 'machinectl "
				  "terminate %s')",
				  name, name, name);
	if (count <= 0)
		return fail(count < 0 ? count : -EBADMSG,
			    "cannot get what the holder of machine '%s' has", name);
	r = state_load(arena, ret, came[0]);
	if (r >= 0)
		r = state_spread(fds, ret, came + 1, (size_t)count - 1);
	if (r == -EPROTONOSUPPORT)
		return fail_plain(r,
				  "cannot adopt machine '%s': a program of another version "
				  "started it (use that one)",
				  name);
	if (r < 0)
		return fail(r, "cannot understand what the holder of machine '%s' has", name);
	fd_close(&came[0]);
	return take_fd(&connection);
}

int keep_confirm(int connection)
{
	return send(connection, "k", 1, MSG_NOSIGNAL) < 0 ? -errno : 0;
}
