#include "engine/network.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/container.h"
#include "engine/network-links.h"
#include "engine/network-rules.h"
#include "engine/network-uplink.h"
#include "engine/network-user.h"
#include "io/fd.h"
#include "kernel/later.h"
#include "kernel/link.h"
#include "kernel/namespace.h"
#include "kernel/netlink.h"
#include "kernel/network.h"
#include "kernel/process.h"
#include "kernel/route.h"
#include "machine/network-file.h"
#include "machine/network-undo.h"
#include "net/links.h"
#include "net/pin.h"
#include "net/zone.h"
#include "plan/plan.h"

#define REQUEST_ROOM 4096

/* ---- addresses ---- */

static struct route_prefix prefix_of(const struct ip *ip, unsigned int length)
{
	struct route_prefix prefix = { .family = ip->family, .length = length };

	memcpy(prefix.bytes, ip->bytes, sizeof(prefix.bytes));
	return prefix;
}

/* The interface of a step: a bridge, or an end of a link that was just made. */
static int interface_of(struct network_making *m, const struct step *step, int *ret)
{
	struct link_facts facts;
	int r;

	for (size_t i = 0; i < m->count; i++) {
		const struct link_plan *link = m->made[i].link;
		bool inside = step->number == LINK_OF_CONTAINER;

		if (text_equal(inside ? link->name : link->host, step->target)) {
			*ret = inside ? m->made[i].there : m->made[i].here;
			return 0;
		}
	}
	r = link_find(&m->host, &facts, step->target);
	if (r < 0)
		return fail(r, "cannot find the interface '%s'", step->target);
	*ret = facts.index;
	return 0;
}

static int put_address(struct network_making *m, struct netlink_request *request,
		       const struct step *step)
{
	struct route_address address = {
		.local = prefix_of(&step->address.ip, step->address.length),
		/* Nobody else has it: it can be used at once. */
		.flags = step->address.ip.family == AF_INET6 ? IFA_F_NODAD : 0,
	};
	int r = interface_of(m, step, &address.link);

	if (r >= 0)
		route_put_address(request, &address, NLM_F_ACK);
	return r;
}

static int put_route(struct network_making *m, struct netlink_request *request,
		     const struct step *step)
{
	struct route route = {
		.to = prefix_of(&step->route.to.ip, step->route.to.length),
		.gateway = prefix_of(&step->route.via, (unsigned)ip_length(step->route.via.family)),
	};
	int r = interface_of(m, step, &route.link);

	if (r >= 0)
		route_put(request, &route, NLM_F_ACK);
	return r;
}

static int family_of(const struct step *step)
{
	return step->kind == STEP_ADDRESS ? step->address.ip.family : step->route.to.ip.family;
}

/* Without IPv6 on the host or in the kernel, what comes from the pool is of IPv4 alone. */
static bool may_lack(struct network_making *m, int family, int r)
{
	return family == AF_INET6 && m->container->spec->addressing.mode != ADDRESSES_GIVEN &&
	       (r == -EACCES || r == -EPERM || r == -EOPNOTSUPP || r == -EAFNOSUPPORT);
}

static int send_one(struct network_making *m, enum link_end end, const struct step *step)
{
	struct netlink *netlink = end == LINK_OF_HOST ? &m->host : &m->guest;
	unsigned char room[REQUEST_ROOM];
	struct netlink_request request = netlink_request(room, sizeof(room));
	int r;

	r = step->kind == STEP_ADDRESS ? put_address(m, &request, step)
				       : put_route(m, &request, step);
	if (r < 0)
		return r;
	r = netlink_call(netlink, &request, NULL, NULL);
	/* Another machine of the zone has set it. */
	if (r == -EEXIST && end == LINK_OF_HOST)
		return 0;
	if (r < 0 && may_lack(m, family_of(step), r)) {
		log_debug("cannot set '%s' of '%s': %s, going on without", step->data, step->target,
			  strerror(-r));
		return 0;
	}
	if (r < 0) {
		fail(r, "cannot set '%s' of the interface '%s'", step->data, step->target);
		if (*netlink->reason)
			fail_hint("%s", netlink->reason);
	}
	return r < 0 ? r : 0;
}

static int set_all(struct network_making *m, enum step_kind kind)
{
	const struct plan *plan = &m->container->plan;

	for (size_t i = 0; i < plan->count; i++) {
		const struct step *step = &plan->steps[i];
		int r;

		if (step->kind != kind)
			continue;
		r = send_one(m, step->number, step);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- all together ---- */

static int open_sockets(struct network_making *m)
{
	autoclose int process = namespace_open_process(m->container->spawn.pid);
	int r;

	m->netns_fd = process < 0 ? process : namespace_open(process, "net");
	r = m->netns_fd;
	if (r >= 0)
		r = namespace_number_of(&m->network->facts.inside, m->netns_fd);
	if (r < 0)
		return fail(r, "cannot open the container's network namespace");
	r = netlink_open(&m->host, NETLINK_ROUTE);
	if (r >= 0)
		r = netlink_open_in(&m->guest, NETLINK_ROUTE, m->netns_fd);
	return r < 0 ? fail(r, "cannot ask the kernel for interfaces") : 0;
}

int network_make(struct container *container)
{
	struct network_making m = {
		.container = container,
		.host = NETLINK_EMPTY,
		.guest = NETLINK_EMPTY,
		.netns_fd = -EBADF,
		.zone_lock = -EBADF,
	};
	siginfo_t info;
	int r, outcome;

	if (container->leaving_fd >= 0)
		(void)process_wait(container->leaving_fd, &info, 0);
	fd_close(&container->leaving_fd);
	if (!plan_has(&container->plan, STEP_LINK, STEP_LINK))
		return 0;
	r = channel_await(&container->channel);
	if (r < 0)
		return r;
	container->network = m.network = network_new(container);
	r = network_uplink_make(m.network);
	if (r >= 0)
		r = open_sockets(&m);
	/* The payload may have ended since, and knows better why. */
	outcome = r < 0 ? channel_outcome(&container->channel) : 0;
	if (outcome < 0)
		r = outcome;
	if (r >= 0)
		r = network_links_make(&m);
	if (r >= 0)
		r = set_all(&m, STEP_ADDRESS);
	if (r >= 0)
		r = network_links_up(&m);
	if (r >= 0)
		r = set_all(&m, STEP_ROUTE);
	if (r >= 0)
		r = network_rules(m.network);
	if (r >= 0)
		r = network_uplink_route(m.network);
	/* A namespace that somebody holds outlives its last process: until all is home again. And
	 * while the kernel takes one apart, who asks for interfaces waits. */
	m.network->netns_fd = take_fd(&m.netns_fd);
	netlink_close(&m.host);
	netlink_close(&m.guest);
	if (r >= 0)
		network_watch_follow(m.network);
	return r;
}

/* ---- while it runs, and its end ---- */

/* Interfaces of the host are in it. */
static bool lends(const struct network *network)
{
	for (size_t i = 0; i < network->facts.made_count; i++)
		if (network->facts.made[i].kind == FACTS_INTERFACE)
			return true;
	return false;
}

void network_settle(struct container *container)
{
	struct network *network = container->network;
	const struct record *record = &container->resources.record;
	int r = 0;

	if (network == NULL)
		return;
	if (lends(network))
		r = pin_make(record->runtime, record->tag, network->netns_fd);
	if (r < 0)
		log_warning("cannot hold the network namespace of machine '%s': %s, going on "
			    "without (should its supervisor be killed, interfaces may be lost)",
			    container->spec->machine, strerror(-r));
	network_rules_look(network);
}

/* The records' directory. In the private mount namespace the container's tree covers it. */
static int open_directory(const struct container *container)
{
	const struct resources *resources = &container->resources;

	if (resources->record.fd < 0 || resources->host_mounts_fd >= 0)
		return -ENOENT;
	return record_open_runtime(resources->record.runtime, "machines");
}

/* What is noted counts, not what we made: others may have changed it since. */
static int read_facts(struct container *container, struct facts *ret, int dir_fd)
{
	const struct record *record = &container->resources.record;
	int r = dir_fd;

	if (r >= 0)
		r = network_file_read_of(&container->scratch, ret, dir_fd, container->spec->machine,
					 record->tag);
	if (r >= 0 || container->network == NULL)
		return r;
	*ret = container->network->facts;
	return 0;
}

/* Links first: while somebody may send, there are rules. And addresses last: whoever has them next
 * has rules about them. */
static void undo(struct container *container, const struct facts *facts, struct later *later)
{
	const struct network *network = container->network;
	const struct network_undo undo = {
		.runtime = container->resources.record.runtime,
		.machine = container->spec->machine,
		.tag = container->resources.record.tag,
		.netns_fd = network == NULL ? -EBADF : network->netns_fd,
		.later = later,
	};

	network_undo_links(&undo, facts);
	network_uplink_forget(facts);
	network_rules_end(container, facts, later);
	network_undo_names(&undo, facts);
}

void network_end(struct container *container)
{
	const struct record *record = &container->resources.record;
	autoclose int directory = -EBADF;
	struct later later = { 0 };
	struct arena own = { 0 };
	struct facts facts;
	int locked = -EBADF;

	/* Nobody can have added anything. Of a restored spec that is not known. */
	if (container->network == NULL && !container->restored &&
	    !spec_has_private_network(container->spec))
		return;
	if (network_uplink_is(container->network))
		network_uplink_keep(container->network);
	else if (container->network != NULL)
		userspace_end(&container->network->userspace, &container->leaving_fd);
	directory = open_directory(container);
	if (record->fd >= 0)
		locked = network_file_lock(record->fd);
	if (locked == -EBUSY)
		log_warning("somebody changes the network of machine '%s' for too long, going on "
			    "without waiting",
			    container->spec->machine);
	if (read_facts(container, &facts, directory) >= 0) {
		/* That was done, and the kernel's part of it is not waited for. */
		if (container->network != NULL)
			facts.helper = 0;
		undo(container, &facts, &later);
		later_go(&later);
		if (directory >= 0)
			network_file_remove(directory, container->spec->machine);
	}
	if (locked >= 0)
		network_file_unlock(record->fd);
	if (container->network != NULL) {
		fd_close(&container->network->netns_fd);
		fd_close(&container->network->forwarding_fd);
		arena_done(&container->network->renewed);
		arena_done(&container->network->serving);
		network_watch_done(&container->network->watch);
		own = container->network->own;
		arena_done(&own);
	}
	container->network = NULL;
}

size_t network_interfaces(const struct network *network, uint32_t *ret)
{
	return network == NULL ? 0 : facts_interfaces(&network->facts, ret);
}

int network_fd(const struct network *network)
{
	return network == NULL ? -EBADF : network->netns_fd;
}

/* Behind the answers. */
enum { SERVED_FORWARDING = ANSWERS_FDS, SERVED_WATCH, SERVED_USER };

int network_served_fd(const struct network *network, size_t which)
{
	if (network == NULL)
		return -EBADF;
	switch (which) {
	case SERVED_FORWARDING: return network->forwarding_fd;
	case SERVED_WATCH: return network_watch_fd(network);
	case SERVED_USER: return network->userspace.pidfd;
	default: return answers_fd(network->answers, which);
	}
}

void network_serve(struct network *network, size_t which)
{
	switch (which) {
	case SERVED_FORWARDING: network_rules_forward(network); break;
	case SERVED_WATCH: network_watch_serve(network); break;
	case SERVED_USER: network_user_ended(network); break;
	default: answers_serve(network->answers, which);
	}
}
