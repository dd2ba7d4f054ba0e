#include "net/resolver-loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/macros.h"
#include "io/fd.h"
#include "net/resolver-state.h"

#define SECOND_US 1000000
#define TOKEN 1000000 /* so that a microsecond brings RESOLVER_QUERIES_PER_S */
#define TOKENS_MAX ((uint64_t)RESOLVER_QUERIES_PER_S * TOKEN)
#define PAUSE_US 20000

int resolver_loop_open(struct resolver *resolver)
{
	resolver->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (resolver->epoll < 0)
		return -errno;
	resolver->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (resolver->timer < 0)
		return -errno;
	return resolver_loop_add(resolver, resolver->timer, EVENT_TIMER, 0, EPOLLIN);
}

void resolver_loop_done(struct resolver *resolver)
{
	fd_close(&resolver->timer);
	fd_close(&resolver->epoll);
}

static struct epoll_event event_of(enum resolver_event event, unsigned int index, uint32_t watched)
{
	return (struct epoll_event){
		.events = watched,
		.data.u64 = (uint64_t)event << 32 | index,
	};
}

int resolver_loop_add(struct resolver *resolver, int fd, enum resolver_event event,
		      unsigned int index, uint32_t watched)
{
	struct epoll_event what = event_of(event, index, watched);

	return epoll_ctl(resolver->epoll, EPOLL_CTL_ADD, fd, &what) < 0 ? -errno : 0;
}

void resolver_loop_change(struct resolver *resolver, int fd, enum resolver_event event,
			  unsigned int index, uint32_t watched)
{
	struct epoll_event what = event_of(event, index, watched);

	/* Fails only for what is not watched at all. */
	epoll_ctl(resolver->epoll, EPOLL_CTL_MOD, fd, &what);
}

int resolver_loop_ready(struct resolver *resolver, struct resolver_ready ret[RESOLVER_READY_MAX])
{
	struct epoll_event ready[RESOLVER_READY_MAX];
	int n = epoll_wait(resolver->epoll, ready, RESOLVER_READY_MAX, 0);

	for (int i = 0; i < n; i++)
		ret[i] = (struct resolver_ready){
			.event = (enum resolver_event)(ready[i].data.u64 >> 32),
			.index = (unsigned int)ready[i].data.u64,
			.hung_up = ready[i].events & (EPOLLHUP | EPOLLERR),
		};
	return MAX(n, 0);
}

static void set_timer(struct resolver *resolver, uint64_t deadline)
{
	struct itimerspec when = {
		.it_value.tv_sec = (time_t)(deadline / SECOND_US),
		.it_value.tv_nsec = (long)(deadline % SECOND_US) * 1000,
	};

	resolver->armed = deadline;
	timerfd_settime(resolver->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

void resolver_loop_arm(struct resolver *resolver, uint64_t deadline)
{
	if (resolver->armed == 0 || deadline < resolver->armed)
		set_timer(resolver, deadline);
}

bool resolver_loop_spend(struct resolver *resolver, uint64_t now)
{
	uint64_t passed = MIN(now - resolver->refilled, SECOND_US);

	resolver->refilled = now;
	resolver->tokens = MIN(resolver->tokens + passed * RESOLVER_QUERIES_PER_S, TOKENS_MAX);
	resolver->tokens -= MIN(resolver->tokens, TOKEN);
	if (resolver->tokens >= TOKEN)
		return false;
	resolver->resume = now + PAUSE_US;
	resolver_loop_arm(resolver, resolver->resume);
	return true;
}
