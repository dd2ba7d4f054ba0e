#include "engine/network-uplink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/container.h"
#include "engine/network-rules.h"
#include "engine/network-user.h"
#include "engine/outer.h"
#include "engine/run.h"
#include "format/uplink.h"
#include "io/fd.h"
#include "kernel/capability.h"
#include "kernel/link.h"
#include "kernel/namespace.h"
#include "kernel/netlink.h"
#include "kernel/process.h"
#include "machine/middle.h"
#include "net/uplink.h"
#include "plan/plan.h"

/* ---- into it ---- */

static int enter_user(struct resources *resources, struct middle *middle)
{
	int r;

	if (middle->pid == 0) {
		r = outer_enter(resources->arena, &resources->ids);
		return r < 0 ? r : middle_make(middle);
	}
	r = outer_check(resources->arena, &resources->ids, middle->process_fd);
	return r < 0 ? r : outer_join(middle->user_fd);
}

/* The lock is held until we are in the list: two that come first must not make two. */
int network_uplink_join(struct resources *resources, const struct host *host)
{
	automiddle struct middle middle = MIDDLE_EMPTY;
	struct arena *arena = resources->arena;
	int r = middle_open(arena, &middle, host->runtime_directory);

	if (r >= 0)
		r = enter_user(resources, &middle);
	if (r >= 0)
		r = middle_note(arena, &middle, getpid(), middle.net_fd);
	if (r < 0)
		return r;
	resources->middle = middle.id;
	resources->taken.uplink_slot = middle.slot;
	resources->middle_fd = take_fd(&middle.net_fd);
	return 0;
}

void network_uplink_note(struct container *container, pid_t pid, int net_fd, int fd)
{
	const struct resources *resources = &container->resources;
	const struct middle middle = { .net_fd = net_fd,
				       .id = resources->middle,
				       .slot = resources->taken.uplink_slot };
	autoclose int directory = network_rules_records(container);

	if (middle_add(&container->scratch, directory, &middle, pid, fd) >= 0)
		return;
	log_warning("machines that are started later may not reach machine '%s': %s, going on "
		    "without",
		    container->spec->machine, fail_recorded()->text);
	fail_forget();
}

void network_uplink_resume(struct network *network)
{
	struct container *container = network->container;
	autoclose int self = -EBADF, net = -EBADF;

	if (network->facts.middle == 0)
		return;
	container->resources.middle = network->facts.middle;
	container->resources.taken.uplink_slot = network->facts.slot;
	self = namespace_open_process(getpid());
	net = self < 0 ? self : namespace_open(self, "net");
	network_uplink_note(container, getpid(), net, 0);
}

/* ---- out of it ---- */

static const struct link_plan *planned(const struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->steps[i].kind == STEP_LINK && plan->steps[i].link->kind == LINK_UPLINK)
			return plan->steps[i].link;
	return NULL;
}

/* In the middle the same numbers: rules lead on to the machine's. */
static const struct port *ports_of(struct container *container)
{
	const struct port_list *list = &container->spec->ports;
	struct port *ports = arena_take_array(&container->scratch, list->count, sizeof(*ports));

	for (size_t i = 0; i < list->count; i++) {
		ports[i] = list->items[i];
		ports[i].container = ports[i].host;
	}
	return ports;
}

/* Somebody in the middle by whose number the program finds it: it gives up most of its capabilities
 * first, and then the kernel lets it look only at who has no more than it. */
struct door {
	pid_t pid;
	int pidfd;
};

static int open_door(struct door *ret, int middle_fd)
{
	struct door door = { .pidfd = -EBADF };
	pid_t self = getpid();
	char byte = 0;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail(-errno, "cannot make a pipe");
	door.pid = process_clone(0, -EBADF, &door.pidfd);
	if (door.pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != self ||
		    namespace_join(middle_fd, CLONE_NEWNET) < 0 || capability_set(0, 0, 0) < 0 ||
		    write(ends[1], "o", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ends[1]);
	if (door.pid > 0 && read(ends[0], &byte, 1) != 1)
		byte = 0;
	close(ends[0]);
	*ret = door;
	if (door.pid < 0)
		return fail(door.pid, "cannot fork");
	return byte == 'o' ? 0
			   : fail_plain(-EIO, "cannot enter the network of this user's machines");
}

static void close_door(struct door *door)
{
	siginfo_t info;

	if (door->pidfd < 0)
		return;
	(void)process_signal(door->pidfd, SIGKILL);
	(void)process_wait(door->pidfd, &info, 0);
	fd_close(&door->pidfd);
}

/* The program's process is made while we are where it shall lead to. */
static int start_by(struct network *network, const struct link_plan *link, const struct door *door)
{
	struct container *container = network->container;
	struct userspace_wish wish = network_user_wish(network, link);
	int r;

	wish.pid = door->pid;
	wish.same_user = true;
	wish.ports = ports_of(container);
	r = network_user_start(network, &wish);
	if (r < 0)
		return r;
	r = namespace_join(container->resources.middle_fd, CLONE_NEWNET);
	if (r < 0)
		return fail(r, "cannot enter the network of this user's machines");
	fd_close(&container->resources.middle_fd);
	return network_user_go(network);
}

static int start(struct network *network, const struct link_plan *link)
{
	struct door door = { .pidfd = -EBADF };
	int r = open_door(&door, network->container->resources.middle_fd);

	if (r >= 0)
		r = start_by(network, link, &door);
	close_door(&door);
	return r;
}

static int set_up(const struct link_plan *link)
{
	autonetlink struct netlink netlink = NETLINK_EMPTY;
	struct uplink uplink = { .name = link->name };
	int r = netlink_open(&netlink, NETLINK_ROUTE);

	memcpy(uplink.guest, link->guest, sizeof(uplink.guest));
	memcpy(uplink.gateway, link->gateway, sizeof(uplink.gateway));
	if (r >= 0)
		r = uplink_set_up(&netlink, &uplink);
	if (r < 0) {
		fail(r, "cannot set up the interface '%s' in the network of this user's machines",
		     link->name);
		if (*netlink.reason)
			fail_hint("%s", netlink.reason);
		return r;
	}
	return 0;
}

/* By the protocols that the host reaches others by. */
static int make(struct network *network, const struct link_plan *planned)
{
	struct link_plan link = *planned;
	bool leads[2];
	int r = network_user_leads(leads);

	for (int i = 0; r >= 0 && i < 2; i++) {
		if (leads[i])
			continue;
		link.guest[i] = (struct ip_prefix){ 0 };
		link.gateway[i] = link.dns[i] = (struct ip){ 0 };
	}
	if (r >= 0)
		r = start(network, &link);
	return r < 0 ? r : set_up(&link);
}

/* Such sockets are of a network namespace. */
static void warn_unheard(const struct container *container)
{
	const char *notify = text_variable(container->request->environment, "NOTIFY_SOCKET");

	if (notify != NULL && *notify == '@')
		log_warning("the service manager will not be told how machine '%s' does: its "
			    "socket '%s' cannot be reached from the network of this user's "
			    "machines, going on without",
			    container->spec->machine, notify);
}

int network_uplink_make(struct network *network)
{
	struct container *container = network->container;
	const struct link_plan *link = planned(&container->plan);

	if (link == NULL)
		return 0;
	network->facts.middle = container->resources.middle;
	network->facts.slot = container->resources.taken.uplink_slot;
	if (container->resources.middle_fd < 0) {
		network->userspace = container->uplink;
		container->uplink = (struct userspace)USERSPACE_EMPTY;
		return network_user_note(network);
	}
	warn_unheard(container);
	return make(network, link);
}

void network_uplink_turn(const struct facts *facts, struct port *port)
{
	bool six = port->address.family == AF_INET6;

	if (ip_is_loopback(&port->address))
		port->address = six ? (struct ip){ AF_INET6, { [15] = 1 } }
				    : (struct ip){ AF_INET, { 127, 0, 0, 1 } };
	else if (port->address.family != 0)
		port->address = uplink_address(facts->slot, six, UPLINK_GUEST).ip;
}

int network_uplink_route(struct network *network)
{
	const struct link_plan *link = planned(&network->container->plan);
	autonetlink struct netlink netlink = NETLINK_EMPTY;
	struct link_facts uplink;
	int r;

	if (link == NULL)
		return 0;
	r = netlink_open(&netlink, NETLINK_ROUTE);
	if (r >= 0)
		r = link_find(&netlink, &uplink, link->name);
	/* Its end was told. */
	if (r == -ENODEV)
		return 0;
	if (r >= 0)
		r = uplink_route(&netlink, uplink.index, &network->facts);
	return r < 0 ? fail(r, "cannot make routing rules for machine '%s'",
			    network->container->spec->machine)
		     : 0;
}

void network_uplink_forget(const struct facts *facts)
{
	autonetlink struct netlink netlink = NETLINK_EMPTY;
	int r = facts->middle == 0 ? 0 : netlink_open(&netlink, NETLINK_ROUTE);

	if (r >= 0 && facts->middle != 0)
		r = uplink_forget(&netlink, facts);
	if (r < 0)
		log_warning("cannot remove routing rules: %s, going on without", strerror(-r));
}

bool network_uplink_is(const struct network *network)
{
	return network != NULL && network->facts.middle != 0;
}

void network_uplink_keep(struct network *network)
{
	struct container *container = network->container;

	container->uplink = network->userspace;
	network->userspace = (struct userspace)USERSPACE_EMPTY;
}

void network_uplink_done(struct container *container)
{
	struct resources *resources = &container->resources;

	userspace_end(&container->uplink, &container->leaving_fd);
	fd_close(&resources->middle_fd);
	if (resources->middle != 0)
		middle_leave(&container->scratch, container->host.runtime_directory, getpid());
	resources->middle = 0;
}
