#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/macros.h"
#include "io/clock.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/capability.h"
#include "kernel/landlock.h"
#include "kernel/namespace.h"
#include "kernel/process.h"
#include "kernel/small-root.h"
#include "transfer/worker-side.h"

#define MEMORY_DEFAULT (UINT64_C(512) << 20)
#define DESCRIPTORS_MAX 1024
#define PROGRESS_US (100 * 1000)

/* What belongs to the files in a tree; over anything else they mean nothing in its user namespace.
 */
#define FILE_CAPABILITIES                                                   \
	(CAPABILITY_BIT(CAP_CHOWN) | CAPABILITY_BIT(CAP_DAC_OVERRIDE) |     \
	 CAPABILITY_BIT(CAP_DAC_READ_SEARCH) | CAPABILITY_BIT(CAP_FOWNER) | \
	 CAPABILITY_BIT(CAP_FSETID) | CAPABILITY_BIT(CAP_SETFCAP))

/* Of names and certificates, what distributions have. */
static const char *const network_paths[] = {
	"/etc/resolv.conf",
	"/etc/hosts",
	"/etc/nsswitch.conf",
	"/etc/gai.conf",
	"/etc/host.conf",
	"/etc/services",
	"/etc/ssl",
	"/etc/pki",
	"/etc/ca-certificates",
	"/etc/crypto-policies",
	"/run/systemd/resolve",
	NULL,
};

/* ---- closing in ---- */

static int take_identity(int userns)
{
	int r = namespace_join(userns, CLONE_NEWUSER);

	if (r < 0)
		return fail(r, "cannot enter the worker's user namespace");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return fail(-errno, "cannot take the worker's identity");
	return 0;
}

static int show_all(int root, const char *const *paths)
{
	const char *which;
	int r = small_root_show(&which, root, paths);

	return r < 0 ? fail(r, "cannot show '%s' to the worker", which) : 0;
}

static int fill_view(const struct worker_side *side, int root)
{
	enum worker_view view = side->request->view;
	int r = 0;

	if (view == WORKER_SEES_TREE)
		return 0;
	if (view != WORKER_SEES_NOTHING)
		r = show_all(root, small_root_programs);
	if (r >= 0 && view == WORKER_SEES_NETWORK)
		r = show_all(root, network_paths);
	if (r < 0 || view == WORKER_SEES_PROGRAMS)
		return r;
	r = small_root_close(root);
	return r < 0 ? fail(r, "cannot make the worker's root read-only") : 0;
}

static int enter_view(struct worker_side *side)
{
	bool has_tree = side->request->view == WORKER_SEES_TREE;
	autoclose int root = has_tree ? take_fd(&side->mount) : small_root_make();
	int r;

	if (root < 0)
		return fail(root, "cannot make the worker's root");
	r = small_root_attach(root);
	if (r < 0)
		return fail(r, "cannot attach the worker's root");
	r = fill_view(side, root);
	if (r < 0)
		return r;
	r = small_root_enter(root);
	if (r < 0)
		return fail(r, "cannot enter the worker's root");
	if (has_tree) {
		side->tree = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (side->tree < 0)
			return fail(-errno, "cannot open the worker's root");
	}
	return 0;
}

static int limit(int resource, rlim_t value)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)resource, &limit) < 0)
		return -errno;
	limit.rlim_max = MIN(limit.rlim_max, value);
	limit.rlim_cur = limit.rlim_max;
	return setrlimit((__rlimit_resource_t)resource, &limit) < 0 ? -errno : 0;
}

/* What is there already, of which sanitizers have terabytes, does not count. While /proc is there.
 */
static uint64_t data_so_far(void)
{
	char line[256];
	unsigned long long pages;

	if (file_read_line(line, sizeof(line), AT_FDCWD, "/proc/self/statm") < 0 ||
	    sscanf(line, "%*u %*u %*u %*u %*u %llu", &pages) != 1)
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int set_limits(const struct worker_request *request)
{
	uint64_t memory = request->memory > 0 ? request->memory : MEMORY_DEFAULT;
	int r = limit(RLIMIT_CORE, 0);

	if (r >= 0)
		r = limit(RLIMIT_NOFILE, DESCRIPTORS_MAX);
	if (r >= 0)
		r = limit(RLIMIT_DATA, data_so_far() + memory);
	return r < 0 ? fail(r, "cannot limit the worker") : 0;
}

/* Where programs may leave files, in memory. */
static int make_scratch(void)
{
	int fd = mkdir("/tmp", 0700) < 0 ? -1 : open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? fail(-errno, "cannot make the worker's '/tmp'") : fd;
}

static int give_up_rights(const struct worker_side *side)
{
	enum worker_view view = side->request->view;
	uint64_t kept = view == WORKER_SEES_TREE ? FILE_CAPABILITIES : 0;
	struct landlock_allowed allowed = {
		.directory = side->tree,
		.connect = view == WORKER_SEES_NETWORK,
	};
	autoclose int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), scratch = -EBADF;
	int r;

	if (view == WORKER_SEES_PROGRAMS) {
		scratch = make_scratch();
		if (scratch < 0)
			return scratch;
		allowed.directory = scratch;
	}
	if (view == WORKER_SEES_PROGRAMS || view == WORKER_SEES_NETWORK) {
		allowed.readable = &top;
		allowed.readable_count = 1;
	}
	r = capability_drop_bounding(kept);
	if (r >= 0)
		r = capability_set(kept, kept, 0);
	if (r < 0)
		return fail(r, "cannot drop the worker's capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail(-errno, "cannot give up new privileges");
	r = landlock_close(&allowed);
	if (r < 0 && r != -ENOSYS && r != -EOPNOTSUPP)
		return fail(r, "cannot restrict the worker by Landlock");
	r = worker_filter(view);
	return r < 0 ? fail(r, "cannot filter the worker's system calls") : 0;
}

static int keep_descriptors(struct worker_side *side)
{
	int keep[WORKER_FDS_MAX + 3];
	size_t count = 0;
	autoclose int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (nothing < 0)
		return fail(-errno, "cannot open '/dev/null'");
	for (int fd = 0; fd < 3; fd++) {
		bool wanted = false;

		for (size_t i = 0; i < side->request->fd_count; i++)
			wanted = wanted || side->request->fds[i] == fd;
		if (!wanted && dup2(nothing, fd) < 0)
			return fail(-errno, "cannot close the worker's terminal");
	}
	for (size_t i = 0; i < side->request->fd_count; i++)
		keep[count++] = side->request->fds[i];
	keep[count++] = side->channel;
	if (side->userns >= 0)
		keep[count++] = side->userns;
	if (side->mount >= 0)
		keep[count++] = side->mount;
	if (nothing < 3) /* they were closed before */
		take_fd(&nothing);
	return fd_close_all(3, keep, count);
}

static int close_in(struct worker_side *side)
{
	int spaces = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
	char byte;
	int r;

	process_reset_signals();
	prctl(PR_SET_NAME, side->request->name, 0, 0, 0);
	r = keep_descriptors(side);
	if (r >= 0)
		r = take_identity(side->userns);
	if (r < 0)
		return r;
	fd_close(&side->userns);
	if (side->request->view != WORKER_SEES_NETWORK)
		spaces |= CLONE_NEWNET;
	if (unshare(spaces) < 0)
		return fail(-errno, "cannot make the worker's namespaces");
	r = set_limits(side->request);
	if (r >= 0)
		r = enter_view(side);
	/* After the last change of identity, which clears it; and the caller must still be there.
	 */
	if (r >= 0 && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		r = fail(-errno, "cannot end with the caller");
	if (recv(side->channel, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		_exit(1);
	umask(0);
	return r < 0 ? r : give_up_rights(side);
}

/* ---- talking ---- */

static int say(struct worker_side *side, const struct worker_message *message, const void *data,
	       size_t size, int fd)
{
	const struct iovec parts[] = {
		{ (void *)message, sizeof(*message) },
		{ (void *)data, size },
	};

	return fd_send_parts(side->channel, parts, 2, &fd, fd >= 0);
}

int worker_tree(const struct worker_side *side)
{
	return side->tree;
}

void worker_progress(struct worker_side *side, uint64_t done, uint64_t total)
{
	struct worker_message message = { .kind = WORKER_PROGRESS, .a = done, .b = total };
	uint64_t now = clock_monotonic_us();

	if (now - side->progress_us < PROGRESS_US)
		return;
	side->progress_us = now;
	say(side, &message, NULL, 0, -EBADF);
}

int worker_tell(struct worker_side *side, unsigned int what, const void *data, size_t size)
{
	struct worker_message message = { .kind = WORKER_TOLD, .what = what };

	if (size > WORKER_TOLD_MAX)
		return -E2BIG;
	return say(side, &message, data, size, -EBADF);
}

int worker_make_node(struct worker_side *side, int directory_fd, const char *name, mode_t mode,
		     dev_t device)
{
	struct worker_message message = { .kind = WORKER_NODE, .what = mode, .a = device };
	int32_t answer;
	int r = say(side, &message, name, strlen(name), directory_fd);
	ssize_t n;

	if (r < 0)
		return r;
	do
		n = recv(side->channel, &answer, sizeof(answer), 0);
	while (n < 0 && errno == EINTR);
	return n == sizeof(answer) ? answer : -EPIPE;
}

void worker_inside(struct worker_side *side)
{
	struct worker_message message = { .kind = WORKER_RESULT };
	int r;

	fail_forget(); /* what the caller has known is not ours */
	r = close_in(side);
	if (r >= 0)
		r = side->request->run(side, side->request->context);
	message.a = (uint64_t)(int64_t)r;
	say(side, &message, fail_recorded(), sizeof(*fail_recorded()), -EBADF);
	_exit(r < 0);
}
