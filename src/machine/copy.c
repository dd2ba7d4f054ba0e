#include "machine/copy.h"

#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "io/clock.h"
#include "io/fd.h"
#include "kernel/capability.h"
#include "kernel/process.h"
#include "machine/copy-side.h"
#include "machine/find.h"
#include "machine/join.h"

#define PROGRESS_MS 200
#define PATIENCE_US 2000000 /* for a side that hangs in a file system of the guest's */

/* What the machine's root may do to files, whatever this process was. */
#define CAPABILITIES                                                        \
	(CAPABILITY_BIT(CAP_CHOWN) | CAPABILITY_BIT(CAP_DAC_OVERRIDE) |     \
	 CAPABILITY_BIT(CAP_DAC_READ_SEARCH) | CAPABILITY_BIT(CAP_FOWNER) | \
	 CAPABILITY_BIT(CAP_FSETID) | CAPABILITY_BIT(CAP_SETFCAP) | CAPABILITY_BIT(CAP_MKNOD))

struct copy {
	const struct copy_request *request;
	struct copy_shared *shared;
	struct join join;
	int pidfds[2], channels[2];
	int signals;
	sigset_t mask; /* before */
};

/* ---- the sides ---- */

static int become_guest(const struct copy *copy)
{
	uint64_t has;
	int r = join_become_root(&copy->join);

	if (r < 0)
		return r;
	r = capability_get(NULL, &has, NULL);
	if (r >= 0)
		r = capability_set(has & CAPABILITIES, has & CAPABILITIES, 0);
	return r < 0 ? fail(r, "cannot drop capabilities") : 0;
}

static _Noreturn void run_side(const struct copy *copy, const struct copy_side *side, bool reads)
{
	const int keep[] = { side->channel, side->root_fd, copy->join.leader };
	int r = 0;

	fd_close_all(3, keep, side->root_fd < 0 ? 1 : 3);
	umask(0);
	if (side->root_fd >= 0)
		r = become_guest(copy);
	if (r >= 0)
		r = reads ? copy_read(side) : copy_write(side);
	if (r < 0)
		side->shared->failures[reads] = *fail_recorded();
	_exit(r < 0);
}

/* ---- the caller ---- */

static int open_signals(struct copy *copy)
{
	sigset_t stop;

	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGHUP);
	sigprocmask(SIG_BLOCK, &stop, &copy->mask);
	copy->signals = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	return copy->signals < 0 ? -errno : 0;
}

static int prepare(struct copy *copy)
{
	int r;

	r = join_open(&copy->join, copy->request->machine);
	if (r < 0)
		return r;
	copy->shared = mmap(NULL, sizeof(*copy->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (copy->shared == MAP_FAILED) {
		copy->shared = NULL;
		return fail(-errno, "cannot get memory");
	}
	r = open_signals(copy);
	if (r >= 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, copy->channels) < 0)
		r = -errno;
	return r < 0 ? fail(r, "cannot prepare the copy") : 0;
}

static int start_side(struct arena *arena, struct copy *copy, bool reads)
{
	const struct copy_request *request = copy->request;
	bool host = reads != request->out;
	struct copy_side side = {
		.shared = copy->shared,
		.channel = copy->channels[reads],
		.root_fd = host ? -EBADF : copy->join.root_fd,
		.caller = getpid(),
		.path = host ? request->host : request->guest,
		.where = host ? "on the host"
			      : arena_format(arena, "in machine '%s'", request->machine->name),
		.force = request->force,
		.strip = request->out && !request->keep_privileges,
	};
	pid_t pid = process_clone(0, -EBADF, &copy->pidfds[reads]);

	if (pid == 0)
		run_side(copy, &side, reads);
	fd_close(&copy->channels[reads]);
	return pid < 0 ? fail(pid, "cannot make a process") : 0;
}

static void report(const struct copy *copy)
{
	const struct copy_request *request = copy->request;
	struct copy_progress progress = {
		.bytes = copy->shared->bytes,
		.total = copy->shared->total,
		.files = copy->shared->files,
	};

	if (request->progress != NULL)
		request->progress(request->context, &progress);
}

static bool both_have_ended(const struct copy *copy)
{
	return copy->pidfds[0] < 0 && copy->pidfds[1] < 0;
}

/* Until both have ended. One that does not stop when it is told to is killed; one that not even
 * this ends, because it waits for a file system that the guest serves, is left behind. */
static void wait_for_sides(struct copy *copy)
{
	const int timeout = copy->request->progress != NULL ? PROGRESS_MS : -1;
	uint64_t deadline = 0;

	while (!both_have_ended(copy) &&
	       (deadline == 0 || clock_monotonic_us() < deadline + PATIENCE_US)) {
		struct pollfd watched[] = {
			{ .fd = copy->pidfds[0], .events = POLLIN },
			{ .fd = copy->pidfds[1], .events = POLLIN },
			{ .fd = deadline == 0 ? copy->signals : -1, .events = POLLIN },
		};
		struct signalfd_siginfo taken;
		siginfo_t info;

		(void)poll(watched, 3, deadline == 0 ? timeout : PROGRESS_MS);
		for (int i = 0; i < 2; i++)
			if (watched[i].revents != 0) {
				(void)process_wait(copy->pidfds[i], &info, 0);
				fd_close(&copy->pidfds[i]);
			}
		if (watched[2].revents != 0) {
			/* Taken, or it would end us before anything is said. */
			(void)!read(copy->signals, &taken, sizeof(taken));
			copy->shared->stop = 1;
			deadline = clock_monotonic_us() + PATIENCE_US;
		}
		for (int i = 0; deadline != 0 && clock_monotonic_us() > deadline && i < 2; i++)
			if (copy->pidfds[i] >= 0)
				(void)process_signal(copy->pidfds[i], SIGKILL);
		report(copy);
	}
}

/* Who failed first says why; the other only saw its end. */
static int judge(const struct copy *copy)
{
	for (int i = 0; i < 2; i++)
		if (copy->shared->failures[i].code < 0) {
			copy->shared->failures[i].text[FAIL_TEXT_MAX - 1] = '\0';
			fail_adopt(&copy->shared->failures[i]);
			return copy->shared->failures[i].code;
		}
	if (copy->shared->finished)
		return 0;
	if (!both_have_ended(copy))
		return fail_plain(-EINTR,
				  "stopped, but a process of it hangs in a file system of "
				  "machine '%s' until that is gone",
				  copy->request->machine->name);
	if (copy->shared->stop)
		return fail_plain(-EINTR, "stopped; what was complete until then is there");
	return fail_plain(-EIO, "cannot copy: a process of it was killed");
}

static void done(struct copy *copy)
{
	for (int i = 0; i < 2; i++) {
		fd_close(&copy->pidfds[i]);
		fd_close(&copy->channels[i]);
	}
	if (copy->signals >= 0) {
		fd_close(&copy->signals);
		sigprocmask(SIG_SETMASK, &copy->mask, NULL);
	}
	join_done(&copy->join);
	if (copy->shared != NULL)
		munmap(copy->shared, sizeof(*copy->shared));
}

int copy_run(struct arena *arena, const struct copy_request *request)
{
	struct copy copy = {
		.request = request,
		.join = JOIN_EMPTY,
		.pidfds = { -EBADF, -EBADF },
		.channels = { -EBADF, -EBADF },
		.signals = -EBADF,
	};
	int r = prepare(&copy);

	for (int i = 0; i < 2 && r >= 0; i++)
		r = start_side(arena, &copy, i == 1);
	if (r >= 0) {
		wait_for_sides(&copy);
		r = judge(&copy);
	}
	done(&copy);
	return r;
}
