#include "engine/network-watch.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/text.h"
#include "engine/container.h"
#include "engine/network-resume.h"
#include "engine/network-rules.h"
#include "io/clock.h"
#include "io/dir.h"
#include "io/fd.h"
#include "machine/hosts-file.h"
#include "machine/network-file.h"
#include "net/choice.h"

#define SOON_MS 100
#define LATER_MS 1000
#define RESTLESS_US (10 * UINT64_C(1000000)) /* since the last change: then it is done later */
#define DRAIN_MAX 4096

/* ---- when to look ---- */

static bool is_watched(const struct facts *part)
{
	return part->chosen && part->link != 0;
}

static bool is_wanted(const struct facts *facts)
{
	bool wanted = is_watched(facts);

	for (size_t i = 0; i < facts->part_count; i++)
		wanted = wanted || is_watched(&facts->parts[i]);
	return wanted;
}

/* Until the timer has fired nobody wakes us again, whatever the guest does. */
static void set_timer(struct network_watch *watch)
{
	bool restless = watch->changed_us != 0 &&
			clock_monotonic_us() - watch->changed_us < RESTLESS_US;
	long ms = restless ? LATER_MS : SOON_MS;
	struct itimerspec when = { .it_value = { .tv_sec = ms / 1000,
						 .tv_nsec = ms % 1000 * 1000000 } };

	(void)timerfd_settime(watch->timer_fd, 0, &when, NULL);
}

static int listen_to(struct network_watch *watch, int fd, bool first)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.fd = fd };

	return epoll_ctl(watch->poll_fd, first ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) < 0
		       ? -errno
		       : 0;
}

static int join(struct network_watch *watch, struct netlink *netlink)
{
	int r = netlink_join(netlink, RTNLGRP_IPV4_IFADDR);

	if (r >= 0)
		r = netlink_join(netlink, RTNLGRP_IPV6_IFADDR);
	return r < 0 ? r : listen_to(watch, netlink->fd, true);
}

static int open_watch(struct network_watch *watch, int netns_fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int r;

	watch->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	watch->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	event.data.fd = watch->timer_fd;
	if (watch->poll_fd < 0 || watch->timer_fd < 0 ||
	    epoll_ctl(watch->poll_fd, EPOLL_CTL_ADD, watch->timer_fd, &event) < 0)
		return -errno;
	r = netlink_open_in(&watch->guest, NETLINK_ROUTE, netns_fd);
	if (r >= 0)
		r = netlink_open(&watch->host, NETLINK_ROUTE);
	if (r >= 0)
		r = join(watch, &watch->guest);
	return r < 0 ? r : join(watch, &watch->host);
}

void network_watch_follow(struct network *network)
{
	struct network_watch *watch = &network->watch;
	int r;

	if (!is_wanted(&network->facts)) {
		network_watch_done(watch);
		return;
	}
	if (watch->poll_fd >= 0)
		return;
	r = open_watch(watch, network->netns_fd);
	if (r < 0) {
		log_warning("cannot watch the addresses of machine '%s': %s, going on without",
			    network->container->spec->machine, strerror(-r));
		network_watch_done(watch);
		return;
	}
	watch->told = true;
	set_timer(watch);
}

void network_watch_done(struct network_watch *watch)
{
	fd_close(&watch->poll_fd);
	fd_close(&watch->timer_fd);
	netlink_close(&watch->guest);
	netlink_close(&watch->host);
	*watch = (struct network_watch)NETWORK_WATCH_EMPTY;
}

int network_watch_fd(const struct network *network)
{
	return network->watch.poll_fd;
}

/* ---- what others have ---- */

struct others {
	const struct network *network;
	const struct facts *part; /* what is its own already needs no look */
	int dir_fd;
	const struct ip *ip;
	bool found;
};

static bool has(const struct ip_prefix *list, size_t count, const struct ip *ip)
{
	for (size_t i = 0; i < count; i++)
		if (ip_equal(&list[i].ip, ip))
			return true;
	return false;
}

static bool part_has(const struct facts *part, const struct ip *ip)
{
	return has(part->addresses, part->address_count, ip) ||
	       has(part->gateways, part->gateway_count, ip);
}

static int look_at_machine(int dir_fd, const char *file, unsigned char type, void *context)
{
	autoarena struct arena scratch = { 0 };
	struct others *others = context;
	char name[NETWORK_FILE_ROOM];
	struct facts facts;

	(void)type;
	if (network_file_machine(name, file) < 0 ||
	    network_file_read(&scratch, &facts, dir_fd, name) < 0 ||
	    text_equal(facts.tag, others->network->facts.tag) ||
	    facts.namespace != others->network->facts.namespace ||
	    (kill((pid_t)facts.leader, 0) < 0 && errno == ESRCH))
		return 0;
	others->found = part_has(&facts, others->ip);
	for (size_t i = 0; i < facts.part_count && !others->found; i++)
		others->found = part_has(&facts.parts[i], others->ip);
	return others->found;
}

static bool is_taken(void *context, const struct ip *ip)
{
	struct others *others = context;

	others->ip = ip;
	others->found = false;
	if (has(others->part->addresses, others->part->address_count, ip))
		return false;
	(void)dir_walk(others->dir_fd, look_at_machine, others);
	return others->found;
}

/* ---- what has changed ---- */

static bool is_as_before(const struct facts *part, const struct ip_prefix *chosen, size_t count)
{
	bool same = part->address_count == count;

	for (size_t i = 0; i < count && same; i++)
		same = ip_equal(&part->addresses[i].ip, &chosen[i].ip);
	return same;
}

/* 1: PART's addresses are others now. */
static int choose(struct arena *arena, struct others *others, struct netlink *host,
		  struct facts *part)
{
	autonetlink struct netlink guest = NETLINK_EMPTY;
	struct choice_request request = {
		.host = host,
		.guest = &guest,
		.link = (int)(part->bridge != 0 ? part->bridge : part->link),
		.is_taken = is_taken,
		.context = others,
	};
	struct ip_prefix *chosen = arena_take_array(arena, CHOICE_MAX, sizeof(*chosen));
	int r = netlink_open_in(&guest, NETLINK_ROUTE, others->network->netns_fd);

	others->part = part;
	if (r >= 0)
		r = choice_make(chosen, &request);
	if (r < 0 || is_as_before(part, chosen, (size_t)r))
		return MIN(r, 0);
	part->addresses = chosen;
	part->address_count = (size_t)r;
	return 1;
}

static void say(const struct network *network, const struct facts *part)
{
	const char *machine = network->container->spec->machine;
	char text[IP_TEXT_ROOM];

	for (size_t i = 0; i < part->address_count; i++)
		log_debug("machine '%s' has the address %s now", machine,
			  ip_text(text, &part->addresses[i].ip));
	if (part->address_count == 0)
		log_debug("machine '%s' has no address that leads to it now", machine);
}

static void warn(const struct network *network, int r)
{
	const char *why = fail_recorded()->code == 0 ? strerror(-r) : fail_recorded()->text;

	log_warning("%s machine '%s'%s: %s, going on without",
		    r == -EADDRINUSE ? "not all ports lead to" : "cannot follow",
		    network->container->spec->machine,
		    r == -EADDRINUSE ? "" : " to other addresses", why);
	fail_forget();
}

/* Noted first: so what is there is undone at the end, whatever happens in between. */
static int look_at_part(struct arena *arena, struct others *others, struct netlink *host,
			struct facts *facts, struct facts *part)
{
	struct network *network = (struct network *)others->network;
	const struct facts before = *part;
	int r, done;

	if (!is_watched(part))
		return 0;
	r = choose(arena, others, host, part);
	if (r <= 0)
		return r;
	done = network_file_write(arena, others->dir_fd, network->container->spec->machine, facts);
	if (done >= 0)
		done = network_rules_move(network, &before, part);
	if (done < 0)
		warn(network, done);
	say(network, part);
	return r;
}

/* 1: something has changed. -EAGAIN: it does while we look. */
static int look(struct network *network)
{
	const struct record *record = &network->container->resources.record;
	const char *machine = network->container->spec->machine;
	autoclose int directory = record_open_runtime(record->runtime, "machines");
	struct others others = { .network = network, .dir_fd = directory };
	autonetlink struct netlink host = NETLINK_EMPTY;
	autoarena struct arena scratch = { 0 };
	struct facts facts;
	int r = directory, changed = 0;

	if (r >= 0)
		r = network_file_read_of(&scratch, &facts, directory, machine, record->tag);
	if (r >= 0)
		r = netlink_open(&host, NETLINK_ROUTE);
	if (r >= 0)
		changed = r = look_at_part(&scratch, &others, &host, &facts, &facts);
	for (size_t i = 0; r >= 0 && i < facts.part_count; i++) {
		r = look_at_part(&scratch, &others, &host, &facts, &facts.parts[i]);
		changed = changed > 0 ? changed : r;
	}
	if (changed > 0 && hosts_file_publish(record->runtime, machine, &facts) < 0)
		log_warning("cannot tell the host the addresses of machine '%s', going on without",
			    machine);
	return changed > 0 ? changed : r;
}

/* ---- when it is time ---- */

static bool is_time(struct network_watch *watch)
{
	struct epoll_event events[3];
	int count = epoll_wait(watch->poll_fd, events, ARRAY_SIZE(events), 0);
	bool fired = false, told;
	uint64_t times;

	for (int i = 0; i < count; i++)
		fired = fired || events[i].data.fd == watch->timer_fd;
	if (!fired) {
		set_timer(watch);
		return false;
	}
	if (read(watch->timer_fd, &times, sizeof(times)) < 0)
		return false;
	told = netlink_drain(&watch->guest, DRAIN_MAX) > 0;
	told = netlink_drain(&watch->host, DRAIN_MAX) > 0 || told || watch->told;
	watch->told = false;
	(void)listen_to(watch, watch->guest.fd, false);
	(void)listen_to(watch, watch->host.fd, false);
	return told;
}

/* Who changes the network by a command has the lock for some milliseconds, and tells us too. */
void network_watch_serve(struct network *network)
{
	struct network_watch *watch = &network->watch;
	int record = network->container->resources.record.fd, r;

	if (!is_time(watch))
		return;
	r = network_file_try_lock(record);
	if (r >= 0) {
		r = look(network);
		network_file_unlock(record);
	}
	if (r == -EBUSY || r == -EAGAIN) {
		watch->told = true;
		set_timer(watch);
	}
	if (r <= 0)
		return;
	watch->changed_us = clock_monotonic_us();
	network_renew(network->container);
}
