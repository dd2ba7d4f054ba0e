#include "net/links.h"

#include <linux/netlink.h>
#include <net/if.h>

#include "base/macros.h"
#include "base/unit.h"
#include "io/fd.h"
#include "kernel/fixture.h"
#include "kernel/later.h"
#include "kernel/link.h"
#include "kernel/netlink.h"
#include "net/facts.h"

#define TAG "redd-0123456789abcdef-0"

struct world {
	struct netlink host, guest;
	int netns; /* of the guest */
};

/* Only as root: the lock of zones is in /run. */
static bool enter(struct world *ret)
{
	autoclose int home = -EBADF;

	ret->host = ret->guest = (struct netlink)NETLINK_EMPTY;
	if (!fixture_enter_as_root())
		return false;
	ck_assert_int_eq(mount("tmpfs", "/run", "tmpfs", 0, NULL), 0);
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ret->netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(setns(home, CLONE_NEWNET), 0);
	ck_assert_int_eq(netlink_open(&ret->host, NETLINK_ROUTE), 0);
	ck_assert_int_eq(netlink_open_in(&ret->guest, NETLINK_ROUTE, ret->netns), 0);
	return true;
}

static void leave(struct world *world)
{
	netlink_close(&world->host);
	netlink_close(&world->guest);
	fd_close(&world->netns);
}

/* Its other end is the guest's. */
static struct facts_made make(struct world *world, const char *name, const char *tag, int master)
{
	struct link_want here = { .name = name, .altname = tag, .master = master, .up = LINK_ON };
	struct link_want there = { .name = "host0", .netns_fd = world->netns };
	int index, peer;

	ck_assert_int_eq(link_make_veth(&world->host, &index, &peer, &here, &there), 0);
	return (struct facts_made){ .kind = FACTS_VETH,
				    .inside = (uint32_t)peer,
				    .outside = (uint32_t)index,
				    .name = tag };
}

static const struct facts *facts_of(struct facts_made *made, size_t count)
{
	static struct facts facts;

	facts = (struct facts){ .made = made, .made_count = count };
	return &facts;
}

static bool is_there(struct netlink *netlink, const char *name)
{
	return link_is_free(netlink, name) == 0;
}

START_TEST(what_is_let_go_has_neither_names_nor_a_bridge)
{
	struct link_want bridge = { .name = "vz-web", .up = LINK_ON };
	struct facts_made made;
	struct later later = { 0 };
	struct link_facts facts;
	struct world world;
	int master;

	if (!enter(&world))
		return;
	ck_assert_int_eq(link_make_bridge(&world.host, &master, &bridge), 0);
	made = make(&world, "vb-web", TAG, master);
	ck_assert_int_eq(link_add_altname(&world.host, (int)made.outside, "vb-web-long"), 0);
	made.zone = "vz-web";
	links_let_all_go(&world.host, facts_of(&made, 1), &later);
	ck_assert(!is_there(&world.host, "vb-web") && !is_there(&world.host, "vb-web-long"));
	ck_assert(!is_there(&world.host, TAG) && !is_there(&world.host, "vz-web"));
	ck_assert_int_eq(link_read(&world.host, &facts, (int)made.outside), 0);
	ck_assert_int_eq(facts.master, 0);
	ck_assert_uint_eq(facts.flags & IFF_UP, 0);
	ck_assert_int_eq(later.link_count, 1);
	later_go(&later);
	links_let_all_go(&world.host, facts_of(&made, 1), NULL);
	leave(&world);
}
END_TEST

START_TEST(a_zone_stays_for_who_else_is_in_it)
{
	struct link_want bridge = { .name = "vz-web", .up = LINK_ON };
	struct link_want other = { .name = "other" }, end = { .name = "end" };
	struct facts_made made;
	struct world world;
	int index;

	if (!enter(&world))
		return;
	ck_assert_int_eq(link_make_bridge(&world.host, &other.master, &bridge), 0);
	made = make(&world, "vb-web", TAG, other.master);
	made.zone = "vz-web";
	ck_assert_int_eq(link_make_veth(&world.host, &index, NULL, &other, &end), 0);
	links_let_all_go(&world.host, facts_of(&made, 1), NULL);
	ck_assert(is_there(&world.host, "vz-web"));
	leave(&world);
}
END_TEST

/* An interface of the host's is the guest's by now, under the name "lan0". */
static struct facts_made lend(struct world *world, const char *name)
{
	struct link_want here = { .name = name }, there = { .name = "cable" };
	struct facts_made made = { .kind = FACTS_INTERFACE, .name = name };
	struct link_facts facts;
	int index;

	ck_assert_int_eq(link_make_veth(&world->host, &index, NULL, &here, &there), 0);
	here = (struct link_want){ .name = "lan0", .netns_fd = world->netns };
	ck_assert_int_eq(link_set(&world->host, index, &here), 0);
	ck_assert_int_eq(link_find(&world->guest, &facts, "lan0"), 0);
	made.inside = (uint32_t)facts.index;
	return made;
}

START_TEST(an_interface_comes_home_under_its_own_name)
{
	struct facts_made made;
	struct world world;

	if (!enter(&world))
		return;
	made = lend(&world, "eth1");
	ck_assert(!is_there(&world.host, "eth1"));
	links_bring_all_home(facts_of(&made, 1), world.netns);
	ck_assert(is_there(&world.host, "eth1") && !is_there(&world.guest, "lan0"));
	/* It is home already. */
	ck_assert_int_eq(links_bring_home(&made, world.netns), 0);
	leave(&world);
}
END_TEST

START_TEST(whose_name_is_taken_comes_home_under_another)
{
	struct link_want taken = { .name = "eth1" };
	struct facts_made made;
	struct world world;
	int index;

	if (!enter(&world))
		return;
	made = lend(&world, "eth1");
	ck_assert_int_eq(link_make_bridge(&world.host, &index, &taken), 0);
	ck_assert_int_eq(links_bring_home(&made, world.netns), 0);
	ck_assert(is_there(&world.host, "lan0"));
	leave(&world);
}
END_TEST

START_TEST(what_the_guest_makes_itself_is_nobody_elses)
{
	char lent[LINKS_IDENTITY_ROOM], forged[LINKS_IDENTITY_ROOM];
	struct link_want here = { .name = "lan1" }, there = { .name = "end" };
	struct facts_made made;
	struct link_facts facts;
	struct world world;
	int index;

	if (!enter(&world))
		return;
	made = lend(&world, "eth1");
	ck_assert_int_eq(link_read(&world.guest, &facts, (int)made.inside), 0);
	ck_assert(links_identity(lent, &facts));
	ck_assert_int_eq(link_make_veth(&world.guest, &index, NULL, &here, &there), 0);
	ck_assert_int_eq(link_read(&world.guest, &facts, index), 0);
	ck_assert(!links_identity(forged, &facts));
	ck_assert_str_ne(lent, forged);
	facts = (struct link_facts){ .parent_nsid = -1 };
	ck_assert(links_identity(lent, &facts));
	ck_assert_str_eq(lent, "-/0/-1");
	leave(&world);
}
END_TEST

START_TEST(what_was_not_moved_yet_stays_where_it_is)
{
	struct facts_made made[2] = { { .kind = FACTS_INTERFACE, .name = "eth1" } };
	struct world world;

	if (!enter(&world))
		return;
	made[1] = make(&world, "ve-web", TAG, 0);
	links_bring_all_home(facts_of(made, 2), world.netns);
	ck_assert(is_there(&world.guest, "host0") && is_there(&world.host, "ve-web"));
	leave(&world);
}
END_TEST

int main(void)
{
	return UNIT_RUN("net/links", what_is_let_go_has_neither_names_nor_a_bridge,
			a_zone_stays_for_who_else_is_in_it,
			an_interface_comes_home_under_its_own_name,
			whose_name_is_taken_comes_home_under_another,
			what_the_guest_makes_itself_is_nobody_elses,
			what_was_not_moved_yet_stays_where_it_is);
}
