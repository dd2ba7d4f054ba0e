#include "image/raw-serve.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/text.h"
#include "io/child.h"
#include "io/clock.h"
#include "io/fd.h"
#include "kernel/cgroup.h"
#include "kernel/fuse.h"
#include "kernel/process.h"

#define PLACES "/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin" /* redd-dissect shows no others */
#define SECOND UINT64_C(1000000)
#define START_US (60 * SECOND) /* a journal may have to be replayed */
#define WRITE_US (90 * SECOND) /* longer than redd-dissect waits for the end of one */
#define MARK_US (2 * SECOND)   /* it has heard by then that it ends */
#define NOTICE_US SECOND
#define STEP_US (20 * 1000)
#define WORDS_MAX 300

/* ---- the lock ---- */

/* Who has the lock is a server that ends (redd-dissect marks it). */
static bool is_ending(int fd)
{
	struct flock mark = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };

	return fcntl(fd, F_OFD_GETLK, &mark) == 0 && mark.l_type == F_RDLCK;
}

/* The kernel tells of no lock that becomes free but by waiting without an end. */
static int lock_soon(int fd, bool read_only)
{
	const uint64_t since_us = clock_monotonic_us();
	bool said = false;

	while (flock(fd, (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0) {
		uint64_t waited_us = clock_monotonic_us() - since_us;
		bool ends;

		if (errno != EWOULDBLOCK)
			return -errno;
		ends = is_ending(fd);
		if (waited_us >= (ends ? WRITE_US : MARK_US))
			return -EBUSY;
		if (ends && !said && waited_us >= NOTICE_US) {
			log_notice("what has just ended still writes to the disk image, waiting");
			said = true;
		}
		usleep(STEP_US);
	}
	return 0;
}

static int lock_image(int image_fd, bool read_only, const char *path)
{
	autoclose int fd = fd_reopen(image_fd, read_only ? O_RDONLY : O_RDWR);
	int r = fd < 0 ? fd : lock_soon(fd, read_only);

	if (r == -EBUSY)
		return fail_plain(r,
				  "cannot use the disk image '%s': a file system of it is in use "
				  "(stop the machine, or try --ephemeral)",
				  path);
	return r < 0 ? fail(r, "cannot open the disk image '%s'", path) : take_fd(&fd);
}

int raw_serve_await(int image_fd)
{
	autoclose int fd = fd_reopen(image_fd, O_RDONLY);

	return fd < 0 ? fd : lock_soon(fd, true);
}

/* ---- all of one start ---- */

/* Negative: there are no cgroups here, or they are not ours. */
static int open_home(void)
{
	autoclose int group = -EBADF;
	char path[PATH_MAX];
	int fd;

	if (cgroup_process_path(path, sizeof(path), 0) < 0)
		return -EBADF;
	group = cgroup_open(path);
	fd = group < 0 ? group : openat(group, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -EBADF : fd;
}

int raw_servers_begin(struct raw_servers *ret, int image_fd, bool read_only, bool plan,
		      const char *path)
{
	autoclose int locked = -EBADF;
	int ends[2];

	raw_servers_end(ret);
	locked = plan ? fd_duplicate(image_fd) : lock_image(image_fd, read_only, path);
	if (locked < 0)
		return locked;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return fail(-errno, "cannot make a line to what serves '%s'", path);
	ret->line_fd = ends[0];
	ret->far_fd = ends[1];
	ret->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (ret->timer_fd < 0)
		return fail(-errno, "cannot make a timer for what serves '%s'", path);
	ret->locked_fd = take_fd(&locked);
	ret->home_fd = open_home();
	ret->process_count = 0;
	return 0;
}

void raw_servers_limit(const struct raw_servers *servers, uint64_t limit_us)
{
	const struct itimerspec when = { .it_value.tv_sec = (time_t)(limit_us / SECOND) };

	(void)timerfd_settime(servers->timer_fd, 0, &when, NULL);
}

void raw_servers_rest(struct raw_servers *servers)
{
	fd_close(&servers->locked_fd);
	fd_close(&servers->far_fd);
	fd_close(&servers->home_fd);
}

size_t raw_servers_processes(const struct raw_servers *servers, pid_t ret[RAW_SERVERS_PROCESSES])
{
	size_t count = 0;

	for (size_t i = 0; i < servers->process_count; i++) {
		const struct raw_server_process *process = &servers->processes[i];
		uint64_t start;

		if (process_start_time(process->pid, &start) >= 0 && start == process->start)
			ret[count++] = process->pid;
	}
	return count;
}

int raw_servers_move(const struct raw_servers *servers, int group_fd)
{
	pid_t processes[RAW_SERVERS_PROCESSES];
	size_t count = raw_servers_processes(servers, processes);
	int r = 0;

	for (size_t i = 0; i < count && r >= 0; i++)
		r = cgroup_attach(group_fd, processes[i]);
	return r;
}

/* What the guest met as I/O errors. */
static void hear_of_end(const struct raw_servers *servers)
{
	char text[256];
	ssize_t n;

	while ((n = recv(servers->line_fd, text, sizeof(text) - 1, MSG_DONTWAIT)) > 0) {
		text[n] = '\0';
		log_warning("%s, and what was still to be written to the disk image is lost", text);
	}
}

void raw_servers_end(struct raw_servers *servers)
{
	hear_of_end(servers);
	raw_servers_rest(servers);
	fd_close(&servers->line_fd);
	fd_close(&servers->timer_fd);
}

/* ---- one of them ---- */

bool raw_serve_can(struct arena *arena, enum superblock_type type)
{
	const struct superblock_server *server = superblock_server(type);

	return server != NULL && child_find(arena, PLACES, server->program) != NULL;
}

static int find_program(struct arena *arena, const char **ret, enum superblock_type type,
			const char *role, const char *path)
{
	const struct superblock_server *server = superblock_server(type);

	if (server == NULL)
		return fail_plain(-EPERM,
				  "cannot use the disk image '%s' without root: its %s file system "
				  "is %s, which no program shows (run as root, or try to make a "
				  "tree of it: virt-tar-out, then importctl import-tar)",
				  path, role, superblock_name(type));
	*ret = child_find(arena, PLACES, server->program);
	if (*ret == NULL)
		return fail_plain(-ENOENT,
				  "cannot use the disk image '%s' without root: its %s file system "
				  "is %s, which '%s' shows, and that is not installed (install the "
				  "package '%s')",
				  path, role, superblock_name(type), server->program,
				  server->package);
	return 0;
}

static int refuse_mount(int r, const char *path)
{
	switch (r) {
	case -ENOENT:
	case -ENXIO:
	case -ENODEV:
		return fail_plain(r,
				  "cannot use the disk image '%s' without root: this host has no "
				  "'/dev/fuse' (try 'modprobe fuse' as root)",
				  path);
	case -EACCES:
		return fail_plain(r,
				  "cannot use the disk image '%s' without root: '/dev/fuse' may "
				  "not be opened (try 'chmod 666 /dev/fuse' as root)",
				  path);
	default: return fail(r, "cannot mount the disk image '%s' without root", path);
	}
}

/* What the program said, which comes from the image. */
static const char *words_of(struct arena *arena, int said_fd)
{
	char text[WORDS_MAX + 1];
	ssize_t n = read(said_fd, text, WORDS_MAX);

	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	if (n <= 0)
		return "it says nothing more";
	text[n] = '\0';
	for (char *at = text; *at; at++)
		if (*at == '\n')
			*at = ' ';
	return text_printable(arena, text);
}

/* The descriptors wait in the line until redd-dissect reads them. */
static int send_descriptors(const struct raw_serve_request *request, int device_fd)
{
	const struct raw_servers *servers = request->servers;
	autoclose int image = fd_reopen(servers->locked_fd, request->read_only ? O_RDONLY : O_RDWR);
	const int fds[] = { servers->locked_fd, image, device_fd, servers->timer_fd,
			    servers->home_fd };
	size_t count = ARRAY_SIZE(fds) - (servers->home_fd < 0);

	return image < 0 ? image : fd_send(servers->line_fd, fds, count);
}

static void note_process(struct raw_servers *servers, int pid)
{
	struct raw_server_process *process = &servers->processes[servers->process_count];

	if (servers->process_count == RAW_SERVERS_PROCESSES ||
	    process_start_time(pid, &process->start) < 0)
		return;
	process->pid = pid;
	servers->process_count++;
}

/* Who waits for the program, and the program: two numbers. */
static void note_processes(struct raw_servers *servers, int told_fd)
{
	char text[32], *at = text;
	ssize_t n = read(told_fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	for (int i = 0; i < 2; i++) {
		long pid = strtol(at, &at, 10);

		if (pid > 0)
			note_process(servers, (int)pid);
	}
}

/* redd-dissect ends when the program serves, or has failed. */
static int start(struct arena *arena, const struct raw_serve_request *request, const char *program,
		 int device_fd)
{
	char *arguments[] = {
		(char *)"redd-dissect",
		(char *)"serve",
		(char *)program,
		(char *)superblock_name(request->part->type),
		(char *)(request->read_only ? "ro" : "rw"),
		arena_format(arena, "%" PRIu64, request->part->offset),
		NULL,
	};
	autoclose int ours = -EBADF, theirs = -EBADF, told = -EBADF, tells = -EBADF;
	struct child_request child = {
		.path = request->dissect,
		.arguments = arguments,
		.stdio = { request->servers->far_fd, -EBADF, -EBADF },
		.timeout_us = CHILD_FOREVER, /* it keeps to the timer itself */
	};
	int ends[2], status, r = send_descriptors(request, device_fd);

	if (r < 0)
		return fail(r, "cannot hand over the disk image '%s'", request->path);
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return fail(-errno, "cannot make a pipe");
	ours = ends[0];
	theirs = child.stdio[2] = ends[1];
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return fail(-errno, "cannot make a pipe");
	told = ends[0];
	tells = child.stdio[1] = ends[1];
	raw_servers_limit(request->servers, START_US);
	r = child_run(&status, &child);
	if (r < 0)
		return fail(r, "cannot mount the disk image '%s': cannot run '%s'", request->path,
			    request->dissect);
	if (status != 0)
		return fail_plain(-EIO,
				  "cannot mount the %s file system of the disk image '%s': '%s' "
				  "failed: %s",
				  request->role, request->path, program, words_of(arena, ours));
	note_processes(request->servers, told);
	return 0;
}

int raw_serve(struct arena *arena, const struct raw_serve_request *request)
{
	enum superblock_type type = request->part->type;
	autoclose int tree = -EBADF, device = -EBADF;
	const char *program;
	int r = find_program(arena, &program, type, request->role, request->path);

	if (r < 0)
		return r;
	/* The source is shown inside, whom it does not concern where the image lies. */
	tree = fuse_mount(&device, superblock_name(type), path_name(request->path),
			  request->read_only, request->attributes);
	if (tree < 0)
		return refuse_mount(tree, request->path);
	r = start(arena, request, program, device);
	return r < 0 ? r : take_fd(&tree);
}
