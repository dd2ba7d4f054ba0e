#include "net/lease-answer.h"

#include "base/unit.h"
#include "net/lease-sample.h"
#include "format/link-names.h"

/* What a client got, taken apart. */
struct got {
	uint8_t room[LEASE_FRAME_MAX];
	struct frame frame;
	const uint8_t *message;
	int type;
};

static bool ask(struct got *got, const struct lease_config *config, const uint8_t *data,
		size_t size)
{
	size_t answer = lease_answer(got->room, config, data, size);
	const uint8_t *type;

	if (answer == 0)
		return false;
	ck_assert_uint_le(answer, LEASE_FRAME_MAX);
	ck_assert_int_eq(frame_read(&got->frame, got->room, answer), 0);
	ck_assert_mem_eq(got->frame.to_mac, config->guest_mac, FRAME_MAC);
	ck_assert_mem_eq(got->frame.from_mac, config->gateway_mac, FRAME_MAC);
	got->message = got->frame.payload;
	if (got->frame.kind == FRAME_UDP4) {
		type = dhcp_sample_find(got->message, got->frame.payload_size, 53);
		ck_assert_ptr_nonnull(type);
		got->type = type[1];
		ck_assert_uint_eq(got->frame.to_port, DHCP_CLIENT_PORT);
		ck_assert_uint_eq(got->frame.from_port, DHCP_SERVER_PORT);
		ck_assert_mem_eq(&got->frame.from4, LEASE_SAMPLE_GATEWAY, 4);
	}
	return true;
}

/* The type of the answer to a DHCP message; 0: none. */
static int ask_dhcp(struct got *got, uint8_t type, const void *requested, const void *server)
{
	struct lease_config config = lease_sample();
	uint8_t room[LEASE_SAMPLE_ROOM];
	size_t size = lease_sample_dhcp(room, lease_sample_udp(), type, requested, server);

	return ask(got, &config, room, size) ? got->type : 0;
}

START_TEST(a_client_gets_the_one_address)
{
	struct got got;

	ck_assert_int_eq(ask_dhcp(&got, DHCP_DISCOVER, NULL, NULL), DHCP_OFFER);
	ck_assert_mem_eq(got.message + 16, LEASE_SAMPLE_ADDRESS, 4);
	ck_assert_mem_eq(&got.frame.to4, LEASE_SAMPLE_ADDRESS, 4);
	ck_assert_int_eq(ask_dhcp(&got, DHCP_DISCOVER, "\12\0\0\7", NULL), DHCP_OFFER);
	ck_assert_mem_eq(got.message + 16, LEASE_SAMPLE_ADDRESS, 4);
	ck_assert_int_eq(ask_dhcp(&got, DHCP_REQUEST, LEASE_SAMPLE_ADDRESS, LEASE_SAMPLE_GATEWAY),
			 DHCP_ACK);
	ck_assert_mem_eq(got.message + 16, LEASE_SAMPLE_ADDRESS, 4);
	/* After a reboot it asks everybody. */
	ck_assert_int_eq(ask_dhcp(&got, DHCP_REQUEST, LEASE_SAMPLE_ADDRESS, NULL), DHCP_ACK);
}
END_TEST

START_TEST(another_address_is_refused)
{
	struct got got;

	ck_assert_int_eq(ask_dhcp(&got, DHCP_REQUEST, "\12\325\0\3", LEASE_SAMPLE_GATEWAY),
			 DHCP_NAK);
	ck_assert_uint_eq(got.frame.to4.s_addr, INADDR_BROADCAST);
	ck_assert_int_eq(ask_dhcp(&got, DHCP_REQUEST, "\300\250\1\2", NULL), DHCP_NAK);
}
END_TEST

START_TEST(what_needs_no_answer_gets_none)
{
	struct got got;

	ck_assert_int_eq(ask_dhcp(&got, DHCP_DECLINE, LEASE_SAMPLE_ADDRESS, LEASE_SAMPLE_GATEWAY),
			 0);
	ck_assert_int_eq(ask_dhcp(&got, DHCP_RELEASE, NULL, LEASE_SAMPLE_GATEWAY), 0);
	/* Another server was chosen; nothing is asked for. */
	ck_assert_int_eq(ask_dhcp(&got, DHCP_REQUEST, LEASE_SAMPLE_ADDRESS, "\12\325\0\7"), 0);
	ck_assert_int_eq(ask_dhcp(&got, DHCP_REQUEST, NULL, LEASE_SAMPLE_GATEWAY), 0);
}
END_TEST

/* With an address of its own, as bytes 12 to 15 of the message. */
static size_t with_address(uint8_t *room, uint8_t type, const void *address)
{
	struct frame frame = lease_sample_udp();
	size_t headers = frame_headers(FRAME_UDP4);

	memcpy(&frame.from4, address, 4);
	memcpy(&frame.to4, LEASE_SAMPLE_GATEWAY, 4);
	frame.payload_size = dhcp_sample(room + headers, LEASE_SAMPLE_ROOM - headers, type, NULL,
					 NULL);
	memcpy(room + headers + 12, address, 4);
	return frame_write(room, &frame);
}

START_TEST(a_lease_is_renewed)
{
	struct lease_config config = lease_sample();
	uint8_t room[LEASE_SAMPLE_ROOM];
	struct got got;

	ck_assert(ask(&got, &config, room, with_address(room, DHCP_REQUEST, LEASE_SAMPLE_ADDRESS)));
	ck_assert_int_eq(got.type, DHCP_ACK);
	ck_assert_mem_eq(&got.frame.to4, LEASE_SAMPLE_ADDRESS, 4);
	ck_assert(ask(&got, &config, room, with_address(room, DHCP_REQUEST, "\12\325\0\3")));
	ck_assert_int_eq(got.type, DHCP_NAK);
	ck_assert_uint_eq(got.frame.to4.s_addr, INADDR_BROADCAST);
}
END_TEST

START_TEST(who_has_an_address_is_informed)
{
	struct lease_config config = lease_sample();
	uint8_t room[LEASE_SAMPLE_ROOM];
	struct got got;

	ck_assert(ask(&got, &config, room, with_address(room, DHCP_INFORM, "\12\325\0\3")));
	ck_assert_int_eq(got.type, DHCP_ACK);
	ck_assert_mem_eq(&got.frame.to4, "\12\325\0\3", 4);
	ck_assert_mem_eq(got.message + 16, "\0\0\0\0", 4);
	ck_assert_ptr_null(dhcp_sample_find(got.message, got.frame.payload_size, 51));
	ck_assert_ptr_nonnull(dhcp_sample_find(got.message, got.frame.payload_size, 3));
	ck_assert_int_eq(ask_dhcp(&got, DHCP_INFORM, NULL, NULL), DHCP_ACK);
	ck_assert_uint_eq(got.frame.to4.s_addr, INADDR_BROADCAST);
}
END_TEST

START_TEST(a_client_may_want_a_broadcast_or_no_second_round)
{
	struct lease_config config = lease_sample();
	uint8_t room[LEASE_SAMPLE_ROOM];
	struct frame frame = lease_sample_udp();
	uint8_t *message = room + frame_headers(FRAME_UDP4);
	struct octets out;
	struct got got;

	lease_sample_dhcp(room, frame, DHCP_DISCOVER, NULL, NULL);
	message[10] = 0x80;
	out = (struct octets){ message, 300, DHCP_SAMPLE_OPTIONS + 3, false };
	dhcp_sample_option(&out, 80, NULL, 0);
	frame.payload_size = dhcp_sample_end(&out);
	ck_assert(ask(&got, &config, room, frame_write(room, &frame)));
	ck_assert_int_eq(got.type, DHCP_ACK);
	ck_assert_ptr_nonnull(dhcp_sample_find(got.message, got.frame.payload_size, 80));
	ck_assert_uint_eq(got.frame.to4.s_addr, INADDR_BROADCAST);
	ck_assert_mem_eq(got.message + 16, LEASE_SAMPLE_ADDRESS, 4);
}
END_TEST

START_TEST(somebody_else_gets_nothing)
{
	struct lease_config config = lease_sample();
	struct frame frame = lease_sample_udp();
	uint8_t room[LEASE_SAMPLE_ROOM];
	struct got got;
	size_t size;

	/* A bridge of the guest's, behind which somebody else asks. */
	size = lease_sample_dhcp(room, frame, DHCP_DISCOVER, NULL, NULL);
	room[frame_headers(FRAME_UDP4) + 28 + 5] ^= 1;
	ck_assert(!ask(&got, &config, room, size));
	room[frame_headers(FRAME_UDP4) + 28 + 5] ^= 1;
	ck_assert(ask(&got, &config, room, size));
	room[FRAME_MAC] ^= 4;
	ck_assert(!ask(&got, &config, room, size));
	/* Not for us. */
	frame.to4.s_addr = htonl(0x0ad50007);
	size = lease_sample_dhcp(room, frame, DHCP_DISCOVER, NULL, NULL);
	ck_assert(!ask(&got, &config, room, size));
	frame.to4.s_addr = INADDR_BROADCAST;
	frame.to_port = 69;
	size = lease_sample_dhcp(room, frame, DHCP_DISCOVER, NULL, NULL);
	ck_assert(!ask(&got, &config, room, size));
}
END_TEST

START_TEST(a_solicitation_is_answered)
{
	struct lease_config config = lease_sample();
	uint8_t room[LEASE_SAMPLE_ROOM];
	struct frame frame = lease_sample_icmp();
	struct got got;

	ck_assert(ask(&got, &config, room, lease_sample_solicitation(room, frame)));
	ck_assert_int_eq(got.frame.kind, FRAME_ICMP6);
	ck_assert_uint_eq(got.frame.hops, NDP_HOPS);
	ck_assert_uint_eq(got.message[0], NDP_ADVERTISEMENT);
	ck_assert_mem_eq(&got.frame.from6, &config.link_local, 16);
	ck_assert_mem_eq(&got.frame.to6, &frame.from6, 16);
	/* It has no address yet, or one that we do not know. */
	frame.from6 = in6addr_any;
	ck_assert(ask(&got, &config, room, lease_sample_solicitation(room, frame)));
	ck_assert_uint_eq(got.frame.to6.s6_addr[0], 0xff);
	frame.from6 = config.dns6[0];
	frame.to6 = config.link_local;
	ck_assert(ask(&got, &config, room, lease_sample_solicitation(room, frame)));
	ck_assert_uint_eq(got.frame.to6.s6_addr[0], 0xff);
}
END_TEST

START_TEST(only_the_router_says_that_it_is_one)
{
	struct lease_config config = lease_sample();
	uint8_t room[LEASE_SAMPLE_ROOM];
	size_t size = lease_sample_solicitation(room, lease_sample_icmp());
	struct got got;

	ck_assert(ask(&got, &config, room, size));
	ck_assert_mem_ne(got.message + 6, "\0\0", 2);
	config.routes6 = false;
	ck_assert(ask(&got, &config, room, size));
	ck_assert_mem_eq(got.message + 6, "\0\0", 2);
	size = lease_sample_dhcp(room, lease_sample_udp(), DHCP_DISCOVER, NULL, NULL);
	memcpy(&config.router, "\12\325\0\3", 4);
	ck_assert(ask(&got, &config, room, size));
	ck_assert_mem_eq(dhcp_sample_find(got.message, got.frame.payload_size, 3), "\4\12\325\0\3",
			 5);
	config.router.s_addr = 0;
	ck_assert(ask(&got, &config, room, size));
	ck_assert_ptr_null(dhcp_sample_find(got.message, got.frame.payload_size, 3));
}
END_TEST

START_TEST(what_only_looks_like_a_solicitation_is_not_answered)
{
	struct lease_config config = lease_sample();
	uint8_t room[LEASE_SAMPLE_ROOM];
	struct frame frame = lease_sample_icmp();
	struct got got;
	size_t size;

	frame.hops = 254;
	ck_assert(!ask(&got, &config, room, lease_sample_solicitation(room, frame)));
	frame = lease_sample_icmp();
	frame.to6.s6_addr[15] = 1;
	ck_assert(!ask(&got, &config, room, lease_sample_solicitation(room, frame)));
	frame = lease_sample_icmp();
	size = lease_sample_solicitation(room, frame);
	room[frame_headers(FRAME_ICMP6)] = NDP_ADVERTISEMENT;
	ck_assert(!ask(&got, &config, room, size));
}
END_TEST

#define CLIENT "\0\1\0\4\0\3\0\1"
#define SERVER "\0\2\0\x0a\0\3\0\1\2\xee\0\0\0\1"
#define OTHER_SERVER "\0\2\0\x0a\0\3\0\1\2\xee\0\0\0\2"
#define ASSOCIATION "\0\3\0\x0c\1\2\3\4\0\0\0\0\0\0\0\0"
#define WITH_ADDRESS(address) \
	"\0\3\0\x28\1\2\3\4\0\0\0\0\0\0\0\0\0\5\0\x18" address "\0\0\0\1\0\0\0\1"
#define OWN6 "\xfd\0\0\xed\0\0\0\0\0\x11\x22\xff\xfe\x33\x44\x55"
#define OTHER6 "\xfd\0\0\xed\0\0\0\0\0\x11\x22\xff\xfe\x33\x44\x56"

/* The type of the answer; 0: none. */
static int ask_dhcp6(struct got *got, const void *message, size_t size)
{
	struct lease_config config = lease_sample();
	uint8_t room[LEASE_SAMPLE_ROOM];

	size = lease_sample_dhcp6(room, message, size);
	if (!ask(got, &config, room, size))
		return 0;
	ck_assert_int_eq(got->frame.kind, FRAME_UDP6);
	ck_assert_uint_eq(got->frame.to_port, DHCP6_CLIENT_PORT);
	ck_assert_uint_eq(got->frame.from_port, DHCP6_SERVER_PORT);
	ck_assert_mem_eq(&got->frame.from6, &config.link_local, 16);
	ck_assert_uint_eq(got->frame.to6.s6_addr[15], 7);
	return got->message[0];
}

#define ASK6(got, message) ask_dhcp6(got, message, sizeof(message) - 1)

static bool tells(const struct got *got, const void *bytes, size_t size)
{
	return memmem(got->message, got->frame.payload_size, bytes, size) != NULL;
}

START_TEST(a_client_of_dhcpv6_gets_the_address_that_it_would_make)
{
	struct got got;

	ck_assert_int_eq(ASK6(&got, "\1\1\2\3" CLIENT ASSOCIATION), DHCP6_ADVERTISE);
	ck_assert(tells(&got, OWN6, 16));
	ck_assert_int_eq(ASK6(&got, "\1\1\2\3" CLIENT "\0\x0e\0\0" ASSOCIATION), DHCP6_REPLY);
	ck_assert(tells(&got, OWN6, 16) && tells(&got, "\0\x0e\0\0", 4));
	ck_assert_int_eq(ASK6(&got, "\3\1\2\3" CLIENT SERVER WITH_ADDRESS(OTHER6)), DHCP6_REPLY);
	ck_assert(tells(&got, OWN6, 16) && !tells(&got, OTHER6, 16));
	ck_assert_int_eq(ASK6(&got, "\5\1\2\3" CLIENT SERVER WITH_ADDRESS(OWN6)), DHCP6_REPLY);
	ck_assert(tells(&got, OWN6, 16));
	ck_assert_int_eq(ASK6(&got, "\6\1\2\3" CLIENT WITH_ADDRESS(OWN6)), DHCP6_REPLY);
	ck_assert(tells(&got, OWN6, 16));
}
END_TEST

START_TEST(a_client_of_dhcpv6_is_told_other_things)
{
	struct got got;

	ck_assert_int_eq(ASK6(&got, "\x0b\1\2\3"), DHCP6_REPLY);
	ck_assert(tells(&got, "\7machine", 9) && !tells(&got, OWN6, 16));
	ck_assert_int_eq(ASK6(&got, "\4\1\2\3" CLIENT WITH_ADDRESS(OWN6)), DHCP6_REPLY);
	ck_assert(tells(&got, "\0\x0d\0\2\0\0", 6));
	ck_assert_int_eq(ASK6(&got, "\4\1\2\3" CLIENT WITH_ADDRESS(OTHER6)), DHCP6_REPLY);
	ck_assert(tells(&got, "\0\x0d\0\2\0\4", 6));
	ck_assert_int_eq(ASK6(&got, "\x08\1\2\3" CLIENT SERVER WITH_ADDRESS(OWN6)), DHCP6_REPLY);
	ck_assert_int_eq(ASK6(&got, "\x09\1\2\3" CLIENT SERVER WITH_ADDRESS(OWN6)), DHCP6_REPLY);
	ck_assert(tells(&got, "\0\x0d\0\2\0\0", 6));
	/* Nothing to answer. */
	ck_assert_int_eq(ASK6(&got, "\1\1\2\3" CLIENT), 0);
	ck_assert_int_eq(ASK6(&got, "\4\1\2\3" CLIENT), 0);
	ck_assert_int_eq(ASK6(&got, "\3\1\2\3" CLIENT OTHER_SERVER ASSOCIATION), 0);
	ck_assert_int_eq(ASK6(&got, "\x0c\1\2\3" CLIENT), 0);
}
END_TEST

START_TEST(dhcpv6_is_answered_on_the_link_only)
{
	struct lease_config config = lease_sample();
	uint8_t room[LEASE_SAMPLE_ROOM];
	struct got got;
	size_t size;

	size = lease_sample_dhcp6(room, "\x0b\1\2\3", 4);
	ck_assert(ask(&got, &config, room, size));
	room[22] = 0xfd; /* from elsewhere */
	ck_assert(!ask(&got, &config, room, size));
	size = lease_sample_dhcp6(room, "\x0b\1\2\3", 4);
	room[53]++; /* to others */
	ck_assert(!ask(&got, &config, room, size));
	size = lease_sample_dhcp6(room, "\x0b\1\2\3", 4);
	room[57]++;
	ck_assert(!ask(&got, &config, room, size));
}
END_TEST

/* Of its advertisement: flags, and of the prefix (0: there is none) flags as well. */
static void advertises(const struct lease_config *config, uint8_t flags, uint8_t of_prefix)
{
	uint8_t room[LEASE_FRAME_MAX];
	const uint8_t *message = room + frame_headers(FRAME_ICMP6);
	size_t size = lease_advertisement(room, config);

	ck_assert_uint_gt(size, 0);
	ck_assert_uint_eq(message[5], flags);
	/* behind the router's MAC address and the MTU */
	ck_assert_uint_eq(message[32] == 3 ? message[35] : 0, of_prefix);
}

START_TEST(a_machine_with_a_given_address_makes_no_other)
{
	static const struct in6_addr given = { .s6_addr = { 0xfd, 0, 0, 0xed, [15] = 2 } };
	struct lease_config config = lease_sample();
	uint8_t room[LEASE_SAMPLE_ROOM];
	struct got got;
	size_t size;

	advertises(&config, 0, 0xc0);
	config.address6 = given;
	advertises(&config, 0x80, 0x80);
	/* but gets it if it asks */
	size = lease_sample_dhcp6(room, "\1\1\2\3" CLIENT ASSOCIATION,
				  sizeof("\1\1\2\3" CLIENT ASSOCIATION) - 1);
	ck_assert(ask(&got, &config, room, size));
	ck_assert(tells(&got, &given, sizeof(given)) && !tells(&got, OWN6, 16));
	/* nor has it a net */
	config.prefix = in6addr_any;
	advertises(&config, 0x80, 0);
	config = lease_sample();
	config.address6 = config.prefix;
	link_names_eui64(config.address6.s6_addr + 8, config.guest_mac);
	advertises(&config, 0, 0xc0);
}
END_TEST

START_TEST(families_that_the_machine_has_not_are_silent)
{
	struct lease_config config = lease_sample();
	uint8_t room[LEASE_SAMPLE_ROOM];
	struct got got;
	size_t size;

	ck_assert_uint_gt(lease_advertisement(got.room, &config), 0);
	config.prefix = in6addr_any;
	ck_assert_uint_eq(lease_advertisement(got.room, &config), 0);
	ck_assert(!ask(&got, &config, room, lease_sample_solicitation(room, lease_sample_icmp())));
	size = lease_sample_dhcp6(room, "\x0b\1\2\3", 4);
	ck_assert(!ask(&got, &config, room, size));
	size = lease_sample_dhcp(room, lease_sample_udp(), DHCP_DISCOVER, NULL, NULL);
	ck_assert(ask(&got, &config, room, size));
	config = lease_sample();
	config.address.s_addr = 0;
	ck_assert(!ask(&got, &config, room, size));
}
END_TEST

START_TEST(the_longest_names_fit)
{
	struct lease_config config = lease_sample();
	uint8_t room[LEASE_SAMPLE_ROOM];
	struct got got;
	size_t size;

	memset(config.host_name, 'a', LEASE_NAME_ROOM - 1);
	memset(config.domain, 'b', LEASE_NAME_ROOM - 1);
	config.dns_count = config.dns6_count = LEASE_DNS_MAX;
	config.prefix_length = 32;
	size = lease_sample_dhcp(room, lease_sample_udp(), DHCP_DISCOVER, NULL, NULL);
	ck_assert(ask(&got, &config, room, size));
	ck_assert_ptr_nonnull(dhcp_sample_find(got.message, got.frame.payload_size, 12));
	ck_assert_ptr_nonnull(dhcp_sample_find(got.message, got.frame.payload_size, 15));
	ck_assert_uint_le(lease_advertisement(got.room, &config), LEASE_FRAME_MAX);
}
END_TEST

int main(void)
{
	return UNIT_RUN(
		"net/lease-answer", a_client_gets_the_one_address, another_address_is_refused,
		what_needs_no_answer_gets_none, a_lease_is_renewed, who_has_an_address_is_informed,
		a_client_may_want_a_broadcast_or_no_second_round, somebody_else_gets_nothing,
		a_solicitation_is_answered, only_the_router_says_that_it_is_one,
		what_only_looks_like_a_solicitation_is_not_answered,
		a_client_of_dhcpv6_gets_the_address_that_it_would_make,
		a_client_of_dhcpv6_is_told_other_things, dhcpv6_is_answered_on_the_link_only,
		a_machine_with_a_given_address_makes_no_other,
		families_that_the_machine_has_not_are_silent, the_longest_names_fit);
}
