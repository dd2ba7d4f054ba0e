#include "machine/network-undo.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "io/fd.h"
#include "kernel/namespace.h"
#include "kernel/netlink.h"
#include "machine/hosts-file.h"
#include "machine/middle.h"
#include "machine/network-file.h"
#include "net/firewall.h"
#include "net/links.h"
#include "net/pin.h"
#include "net/pool.h"
#include "net/uplink.h"
#include "net/userspace.h"

static void warn(const char *what, const struct network_undo *undo, int r)
{
	if (r < 0)
		log_warning("cannot %s machine '%s': %s, going on without", what, undo->machine,
			    strerror(-r));
}

/* It ends with its supervisor, unless the machine was to outlive that. */
static void end_helper(const struct facts *facts)
{
	struct userspace userspace = USERSPACE_EMPTY;

	userspace_take_over(&userspace, (pid_t)facts->helper, facts->helper_start);
	userspace_end(&userspace, NULL);
}

static void bring_home(const struct network_undo *undo, const struct facts *facts)
{
	autoclose int held = -EBADF;

	if (undo->netns_fd < 0)
		held = pin_open(undo->runtime, undo->tag);
	if (held >= 0 || undo->netns_fd >= 0)
		links_bring_all_home(facts, held >= 0 ? held : undo->netns_fd);
	warn("let go of the network namespace of", undo, pin_remove(undo->runtime, undo->tag));
}

static void release(const struct network_undo *undo, const struct facts *part)
{
	for (size_t i = 0; i < part->leases.count; i++)
		warn("give back an address of", undo,
		     pool_release(part->leases.items[i], undo->tag));
}

void network_undo_links(const struct network_undo *undo, const struct facts *facts)
{
	autonetlink struct netlink host = NETLINK_EMPTY;
	int r;

	end_helper(facts);
	bring_home(undo, facts);
	if (facts->made_count == 0 && facts->zone == NULL)
		return;
	r = netlink_open(&host, NETLINK_ROUTE);
	if (r >= 0)
		links_let_all_go(&host, facts, undo->later);
	warn("remove the links of", undo, r);
}

void network_undo_names(const struct network_undo *undo, const struct facts *facts)
{
	autoarena struct arena scratch = { 0 };

	release(undo, facts);
	for (size_t i = 0; i < facts->part_count; i++)
		release(undo, &facts->parts[i]);
	for (size_t i = 0; i < facts->further.count; i++)
		hosts_file_disclaim(undo->runtime, undo->tag, facts->further.items[i]);
	warn("forget the names of", undo,
	     hosts_file_remove(hosts_file_path(&scratch, undo->runtime, undo->machine), undo->tag));
}

/* One part that cannot be taken out does not keep the others from it. */
static int remove_rules(const struct firewall_machine *machines, size_t count)
{
	autofirewall struct firewall firewall = FIREWALL_EMPTY;
	int r, first = 0;

	if (count == 0)
		return 0;
	r = firewall_open(&firewall);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		r = firewall_remove(&firewall, &machines[i], false);
		if (first == 0)
			first = MIN(r, 0);
	}
	r = firewall_drop_if_empty(&firewall);
	return first < 0 ? first : MIN(r, 0);
}

/* 1: found. What cannot be understood is of a newer program; the packet filter is looked at as a
 * whole now and then. */
static int read_facts(struct arena *arena, struct facts *ret, const struct network_undo *undo,
		      int dir_fd)
{
	int r = network_file_read_of(arena, ret, dir_fd, undo->machine, undo->tag);

	if (r == -EBADMSG)
		warn("understand the network of", undo, r);
	return r == -ENOENT || r == -EBADMSG ? 0 : r < 0 ? r : 1;
}

/* Indexes are of the namespace that they were noted in, and mean others here. */
static bool is_here(const struct facts *facts)
{
	uint32_t here;

	return facts->namespace == 0 ||
	       (namespace_own_number(&here, "net") >= 0 && here == facts->namespace);
}

struct there {
	struct arena *arena;
	struct facts *facts;
};

/* Links and rules, where they are. */
static int undo_there(void *context)
{
	const struct there *there = context;
	autonetlink struct netlink netlink = NETLINK_EMPTY;
	struct firewall_machine *machines;
	size_t count;
	int r = facts_traces(there->arena, &machines, &count, there->facts);

	if (r >= 0)
		r = netlink_open(&netlink, NETLINK_ROUTE);
	if (r < 0)
		return r;
	links_let_all_go(&netlink, there->facts, NULL);
	r = remove_rules(machines, count);
	return r < 0 ? r : uplink_forget(&netlink, there->facts);
}

/* Nothing of it is there any more, if nobody is who could be asked. -EPERM: it cannot be entered
 * from here. */
static int undo_middle(struct arena *arena, const struct network_undo *undo, struct facts *facts)
{
	struct there there = { arena, facts };
	int r = middle_run(arena, undo->runtime, facts->middle, undo_there, &there);

	if (r < 0 && r != -ENOENT)
		return r;
	*facts = (struct facts){
		.tag = facts->tag,
		.helper = facts->helper,
		.helper_start = facts->helper_start,
		.leases = facts->leases,
		.further = facts->further,
	};
	return 0;
}

void network_undo_middle(struct arena *arena, const struct network_undo *undo, int dir_fd)
{
	struct facts facts = { 0 };
	int r = read_facts(arena, &facts, undo, dir_fd);

	if (r <= 0 || facts.middle == 0)
		return;
	r = undo_middle(arena, undo, &facts);
	if (r >= 0)
		r = network_file_write(arena, dir_fd, undo->machine, &facts);
	warn("take away the rules of", undo, r);
}

static int undo_rules(struct arena *arena, const struct facts *facts)
{
	struct firewall_machine *machines;
	size_t count;
	int r = facts_traces(arena, &machines, &count, facts);

	return r < 0 ? r : remove_rules(machines, count);
}

static void warn_of_rules(const struct network_undo *undo, int r)
{
	log_warning("cannot take the rules of machine '%s' away: %s, going on without",
		    undo->machine,
		    fail_recorded()->code < 0 ? fail_recorded()->text : strerror(-r));
	fail_forget();
}

/* Links first: what the dead set up in the kernel may send for minutes, and so long there are
 * rules. And addresses last, or they would be another's while there are. */
int network_undo_all(struct arena *arena, const struct network_undo *undo, int dir_fd)
{
	struct facts facts = { 0 };
	int found = read_facts(arena, &facts, undo, dir_fd), r = MIN(found, 0);
	bool here;

	if (found > 0 && facts.middle != 0)
		r = undo_middle(arena, undo, &facts);
	/* Somebody who can go there must find all that is noted. */
	if (r == -EPERM && facts.middle != 0)
		return r;
	here = is_here(&facts);
	if (!here && facts.middle == 0) {
		log_debug("the network of machine '%s' was another one", undo->machine);
		facts.made_count = 0;
	}
	network_undo_links(undo, &facts);
	if (r >= 0 && here && facts.middle == 0)
		r = undo_rules(arena, &facts);
	if (r < 0)
		warn_of_rules(undo, r);
	network_undo_names(undo, &facts);
	if (r >= 0 && found > 0)
		network_file_remove(dir_fd, undo->machine);
	return r;
}
