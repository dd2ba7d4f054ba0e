#include "net/choice.h"

#include "net/topology.h"

static struct topology at;
static const char *taken;

static bool is_taken(void *context, const struct ip *ip)
{
	char text[IP_TEXT_ROOM];

	ck_assert_ptr_eq(context, &at);
	return taken != NULL && strcmp(ip_text(text, ip), taken) == 0;
}

/* "10.0.0.2 fd00::2": what is believed of GUEST, whose packets come by LINK. */
static const char *choose_by(struct guest *guest, int link)
{
	static char text[CHOICE_MAX * IP_TEXT_ROOM];
	const struct choice_request request = {
		.host = &at.host.netlink,
		.guest = &guest->place.netlink,
		.link = link,
		.is_taken = is_taken,
		.context = &at,
	};
	struct ip_prefix chosen[CHOICE_MAX];
	char room[IP_TEXT_ROOM];
	int r = choice_make(chosen, &request);
	size_t length = 0;

	ck_assert_int_ge(r, 0);
	text[0] = '\0';
	for (int i = 0; i < r; i++) {
		ck_assert_uint_eq(chosen[i].length, (unsigned)ip_length(chosen[i].ip.family));
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s",
					   i > 0 ? " " : "", ip_text(room, &chosen[i].ip));
	}
	return text;
}

static const char *choose(struct guest *guest)
{
	return choose_by(guest, guest == &at.c ? at.bridge : guest->link);
}

/* Without what topology_build() gave it. */
static void strip(struct guest *guest, int four_length)
{
	for (int i = 0; i < 2; i++) {
		struct route_address gone = {
			.link = guest->inside,
			.local = { .family = guest->addresses[i].family,
				   .length = i > 0 ? 64 : (unsigned)four_length },
		};

		memcpy(gone.local.bytes, guest->addresses[i].bytes, sizeof(gone.local.bytes));
		ck_assert_int_eq(route_delete_address(&guest->place.netlink, &gone), 0);
	}
	ck_assert_str_eq(choose(guest), "");
}

START_TEST(addresses_of_the_machines_own_link_are_believed)
{
	topology_build(&at);
	ck_assert_str_eq(choose(&at.a), GUEST_A " " GUEST_A6);
	ck_assert_str_eq(choose(&at.c), GUEST_C " " GUEST_C6);
	/* On another link they are somebody else's. */
	ck_assert_str_eq(choose_by(&at.a, at.b.link), "");
	ck_assert_str_eq(choose_by(&at.c, at.b.link), "");
	ck_assert_str_eq(choose_by(&at.a, at.bridge), "");
}
END_TEST

START_TEST(what_leads_elsewhere_is_not)
{
	static const char *const lies[] = {
		GATEWAY_A "/30", GATEWAY_A6 "/64", /* the host's own, on this link */
		HOST "/24",	 HOST6 "/64",	   /* and on another */
		OUTSIDE "/24",	 OUTSIDE6 "/64",   /* a neighbour of the host's */
		GUEST_B "/30",	 GUEST_B6 "/64",   /* other machines */
		GUEST_C "/24",	 GUEST_C6 "/64",
		"8.8.8.8/32",	 "2606:4700::1/64",	 /* far away */
		"10.213.0.3/30",			 /* all of the link */
		"127.0.0.5/8",	 "169.254.1.1/16",	 /* for nobody else */
		"fe80::77/64",	 "::ffff:127.0.0.1/128", /* likewise */
	};

	topology_build(&at);
	strip(&at.a, 30);
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		place_address(&at.a.place, at.a.inside, lies[i]);
		ck_assert_msg(*choose(&at.a) == '\0', "%s: %s", lies[i], choose(&at.a));
	}
	/* And they do not hide what is true. */
	place_address(&at.a.place, at.a.inside, GUEST_A "/30");
	place_address(&at.a.place, at.a.inside, "fd00:213::77/64");
	ck_assert_str_eq(choose(&at.a), GUEST_A " fd00:213::77");
}
END_TEST

START_TEST(on_whatever_interface_inside)
{
	topology_build(&at);
	strip(&at.a, 30);
	place_address(&at.a.place, 1, GUEST_A "/32");
	ck_assert_str_eq(choose(&at.a), GUEST_A);
}
END_TEST

START_TEST(nobody_is_a_router_of_the_hosts)
{
	topology_build(&at);
	place_route(&at.host, "198.51.100.0/24", GUEST_C);
	place_route(&at.host, "2001:db8:1::/64", GUEST_C6);
	ck_assert_str_eq(choose(&at.c), "");
	/* Nor is behind one, though it is on the same bridge. */
	place_address(&at.c.place, at.c.inside, "198.51.100.7/32");
	place_address(&at.c.place, at.c.inside, "2001:db8:1::7/128");
	ck_assert_str_eq(choose(&at.c), "");
	place_address(&at.c.place, at.c.inside, "10.213.128.77/24");
	ck_assert_str_eq(choose(&at.c), "10.213.128.77");
}
END_TEST

START_TEST(what_another_machine_has_is_its)
{
	topology_build(&at);
	taken = GUEST_C;
	ck_assert_str_eq(choose(&at.c), GUEST_C6);
	place_address(&at.c.place, at.c.inside, "10.213.128.77/24");
	ck_assert_str_eq(choose(&at.c), "10.213.128.77 " GUEST_C6);
}
END_TEST

START_TEST(what_is_not_certain_yet_is_waited_for)
{
	struct route_address address = { .link = 0 };

	topology_build(&at);
	strip(&at.a, 30);
	place_sysctl(&at.a.place, "/proc/sys/net/ipv6/conf/all/accept_dad", "1");
	address.link = at.a.inside;
	address.local = place_prefix("fd00:213::77/64");
	ck_assert_int_eq(route_add_address(&at.a.place.netlink, &address), 0);
	ck_assert_str_eq(choose(&at.a), "");
}
END_TEST

START_TEST(many_addresses_are_no_matter)
{
	char text[32];

	topology_build(&at);
	strip(&at.c, 24);
	for (int i = 10; i < 10 + 3 * CHOICE_LOOKS_MAX; i++) {
		snprintf(text, sizeof(text), "172.16.0.%d/32", i);
		place_address(&at.c.place, at.c.inside, text);
	}
	place_address(&at.c.place, at.c.inside, GUEST_C "/24");
	ck_assert_str_eq(choose(&at.c), "");
	ck_assert_str_eq(choose(&at.a), GUEST_A " " GUEST_A6);
}
END_TEST

int main(void)
{
	return TOPOLOGY_RUN("net/choice", addresses_of_the_machines_own_link_are_believed,
			    what_leads_elsewhere_is_not, on_whatever_interface_inside,
			    nobody_is_a_router_of_the_hosts, what_another_machine_has_is_its,
			    what_is_not_certain_yet_is_waited_for, many_addresses_are_no_matter);
}
