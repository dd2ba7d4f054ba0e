#include "io/loop.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "io/fd.h"

#define EVENTS_AT_ONCE 8

int loop_init(struct loop *loop)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return -errno;
	*loop = (struct loop){ .epoll_fd = fd };
	return 0;
}

void loop_done(struct loop *loop)
{
	fd_close(&loop->epoll_fd);
}

static struct loop_source *find(struct loop *loop, int fd)
{
	for (size_t i = 0; i < LOOP_SOURCES_MAX; i++)
		if (loop->sources[i].callback != NULL && loop->sources[i].fd == fd)
			return &loop->sources[i];
	return NULL;
}

static int control(struct loop *loop, int operation, const struct loop_source *source,
		   uint32_t events)
{
	struct epoll_event event = {
		.events = events,
		.data.u64 = (uint64_t)source->serial << 32 | (uint64_t)(source - loop->sources),
	};

	return epoll_ctl(loop->epoll_fd, operation, source->fd, &event) < 0 ? -errno : 0;
}

int loop_add(struct loop *loop, int fd, uint32_t events, loop_fn *callback, void *context)
{
	struct loop_source *source = NULL;
	int r;

	assert(callback != NULL);
	if (find(loop, fd) != NULL)
		return -EEXIST;
	for (size_t i = 0; i < LOOP_SOURCES_MAX && source == NULL; i++)
		if (loop->sources[i].callback == NULL)
			source = &loop->sources[i];
	if (source == NULL)
		return -ENOSPC;

	source->fd = fd;
	source->context = context;
	source->serial = ++loop->serial;
	r = control(loop, EPOLL_CTL_ADD, source, events);
	if (r == 0)
		source->callback = callback;
	return r;
}

int loop_change(struct loop *loop, int fd, uint32_t events)
{
	const struct loop_source *source = find(loop, fd);

	return source == NULL ? -ENOENT : control(loop, EPOLL_CTL_MOD, source, events);
}

void loop_remove(struct loop *loop, int fd)
{
	struct loop_source *source = find(loop, fd);

	if (source == NULL)
		return;
	control(loop, EPOLL_CTL_DEL, source, 0);
	source->callback = NULL;
}

int loop_run_once(struct loop *loop, int timeout_ms)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int n, calls = 0;

	n = epoll_wait(loop->epoll_fd, events, EVENTS_AT_ONCE, timeout_ms);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;

	for (int i = 0; i < n && !loop->exiting; i++) {
		const struct loop_source *source = &loop->sources[events[i].data.u64 & UINT32_MAX];
		int r;

		if (source->callback == NULL || source->serial != events[i].data.u64 >> 32)
			continue;
		calls++;
		r = source->callback(source->context, source->fd, events[i].events);
		if (r < 0)
			return r;
	}
	return calls;
}

int loop_run(struct loop *loop)
{
	while (!loop->exiting) {
		int r = loop_run_once(loop, -1);

		if (r < 0)
			return r;
	}
	return 0;
}

void loop_exit(struct loop *loop)
{
	loop->exiting = true;
}

int loop_open_signals(const int *signals, size_t count)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < count; i++)
		if (sigaddset(&set, signals[i]) < 0)
			return -errno;
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int loop_read_signal(struct signalfd_siginfo *ret, int fd)
{
	struct signalfd_siginfo info;
	ssize_t n = read(fd, &info, sizeof(info));

	if (n < 0)
		return -errno;
	if (n != sizeof(info))
		return -EIO;
	*ret = info;
	return 0;
}
