#include "format/dhcp.h"

#include <errno.h>
#include <string.h>

#include "base/unit.h"
#include "format/dhcp-sample.h"

static const struct in_addr dns[] = { { 0x0100000a }, { 0x0200000a }, { 0x0300000a } };

/* As systemd-networkd asks. */
START_TEST(a_discover_is_read)
{
	static const uint8_t wanted[] = { 1, 3, 6, 12, 15, 26, 28, 33, 42, 51, 119, 120, 121 };
	static const uint8_t id[19] = { 255, 1, 2, 3, 4, 0, 2 };
	uint8_t room[600], type = DHCP_DISCOVER;
	struct octets out = dhcp_sample_begin(room, sizeof(room));
	struct dhcp_query query;

	room[10] = 0x80;
	dhcp_sample_option(&out, 53, &type, 1);
	dhcp_sample_option(&out, 61, id, sizeof(id));
	dhcp_sample_option(&out, 55, wanted, sizeof(wanted));
	dhcp_sample_option(&out, 57, "\5\xc0", 2);
	octets_put_zeros(&out, 3);
	dhcp_sample_option(&out, 12, "web", 3);
	dhcp_sample_option(&out, 80, NULL, 0);
	dhcp_sample_end(&out);
	octets_put_zeros(&out, 20);
	ck_assert_int_eq(dhcp_read(&query, room, out.used), 0);
	ck_assert_int_eq(query.type, DHCP_DISCOVER);
	ck_assert_uint_eq(query.xid, DHCP_SAMPLE_XID);
	ck_assert(query.broadcast && query.rapid_commit);
	ck_assert_mem_eq(query.mac, dhcp_sample_mac, DHCP_MAC);
	ck_assert_uint_eq(query.id_size, sizeof(id));
	ck_assert_mem_eq(query.id, id, sizeof(id));
	ck_assert_uint_eq(query.client.s_addr | query.requested.s_addr | query.server.s_addr, 0);
}
END_TEST

START_TEST(a_request_is_read)
{
	struct dhcp_query query;
	uint8_t room[300];
	size_t size;

	size = dhcp_sample(room, sizeof(room), DHCP_REQUEST, "\12\0\0\2", "\12\0\0\1");
	memcpy(room + 12, "\12\0\0\3", 4);
	ck_assert_int_eq(dhcp_read(&query, room, size), 0);
	ck_assert_int_eq(query.type, DHCP_REQUEST);
	ck_assert(!query.broadcast && !query.rapid_commit && query.id_size == 0);
	ck_assert_uint_eq(query.requested.s_addr, htonl(0x0a000002));
	ck_assert_uint_eq(query.server.s_addr, htonl(0x0a000001));
	ck_assert_uint_eq(query.client.s_addr, htonl(0x0a000003));
}
END_TEST

START_TEST(a_wrong_header_is_refused)
{
	/* An answer; no Ethernet; its address's size; a relay; no DHCP */
	static const size_t places[] = { 0, 1, 2, 24, 27, 236, 239 };
	struct dhcp_query query = { .xid = 77 };
	uint8_t room[300];

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		size_t size = dhcp_sample(room, sizeof(room), DHCP_DISCOVER, NULL, NULL);

		ck_assert_int_eq(dhcp_read(&(struct dhcp_query){ 0 }, room, size), 0);
		room[places[i]] ^= 3;
		ck_assert_int_eq(dhcp_read(&query, room, size), -EBADMSG);
	}
	ck_assert_uint_eq(query.xid, 77);
}
END_TEST

START_TEST(a_message_is_refused_wherever_it_is_cut)
{
	struct dhcp_query query;
	uint8_t room[DHCP_QUERY_MAX + 1] = { 0 };
	size_t size;

	size = dhcp_sample(room, sizeof(room), DHCP_REQUEST, "\12\0\0\2", "\12\0\0\1");
	for (size_t cut = 0; cut < size; cut++)
		ck_assert_int_eq(dhcp_read(&query, room, cut), -EBADMSG);
	ck_assert_int_eq(dhcp_read(&query, room, DHCP_QUERY_MAX), 0);
	ck_assert_int_eq(dhcp_read(&query, room, DHCP_QUERY_MAX + 1), -EBADMSG);
}
END_TEST

START_TEST(wrong_options_are_refused)
{
	static const struct {
		const char *bytes;
		size_t size;
	} bad[] = {
		{ "\65\1\2\xff", 4 }, /* what servers send */
		{ "\65\1\5\xff", 4 },
		{ "\65\1\6\xff", 4 },
		{ "\65\1\0\xff", 4 },
		{ "\65\1\x9\xff", 4 },
		{ "\65\0\xff", 3 }, /* no type in it */
		{ "\65\2\1\1\xff", 5 },
		{ "\xff", 1 },	  /* no type */
		{ "\65\1\1", 3 }, /* no end */
		{ "\65\1\1\0\0", 5 },
		{ "\65\1\1\14", 4 },	     /* no length */
		{ "\65\1\1\14\xff\xff", 6 }, /* longer than what is left */
		{ "\65\1\1\14\1", 5 },
		{ "\65\1\1\62\3\1\2\3\xff", 9 }, /* addresses */
		{ "\65\1\1\66\5\1\2\3\4\5\xff", 11 },
		{ "\65\1\1\75\1\1\xff", 7 },  /* an identifier */
		{ "\65\1\1\120\1\1\xff", 7 }, /* rapid commit */
	};
	struct dhcp_query query;
	uint8_t room[300];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct octets out = dhcp_sample_begin(room, sizeof(room));

		octets_put(&out, bad[i].bytes, bad[i].size);
		ck_assert_msg(dhcp_read(&query, room, out.used) == -EBADMSG, "case %zu", i);
	}
}
END_TEST

START_TEST(the_size_of_an_identifier_is_limited)
{
	for (uint8_t size = DHCP_ID_MAX; size <= DHCP_ID_MAX + 1; size++) {
		uint8_t room[600], id[DHCP_ID_MAX + 1] = { 0 }, type = DHCP_DISCOVER;
		struct octets out = dhcp_sample_begin(room, sizeof(room));
		struct dhcp_query query;

		dhcp_sample_option(&out, 53, &type, 1);
		dhcp_sample_option(&out, 61, id, size);
		dhcp_sample_end(&out);
		ck_assert_int_eq(dhcp_read(&query, room, out.used),
				 size <= DHCP_ID_MAX ? 0 : -EBADMSG);
	}
}
END_TEST

static struct dhcp_query sample_query(void)
{
	struct dhcp_query query = { .type = DHCP_REQUEST, .xid = DHCP_SAMPLE_XID };

	memcpy(query.mac, dhcp_sample_mac, DHCP_MAC);
	return query;
}

static struct dhcp_answer sample_answer(void)
{
	return (struct dhcp_answer){
		.type = DHCP_ACK,
		.server.s_addr = htonl(0x0a000001),
		.address.s_addr = htonl(0x0a000002),
		.lease_s = 43200,
		.prefix_length = 30,
		.gateway.s_addr = htonl(0x0a000001),
		.dns = dns,
		.dns_count = 2,
		.mtu = 1400,
		.host_name = "web",
		.domain = "machine",
	};
}

static size_t write_answer(uint8_t *ret, const struct dhcp_query *query,
			   const struct dhcp_answer *answer)
{
	size_t size = dhcp_write(ret, query, answer);

	ck_assert_uint_ge(size, 300);
	ck_assert_uint_le(size, DHCP_ANSWER_MAX);
	ck_assert_uint_eq(ret[0], 2);
	ck_assert_uint_eq(octets_get32(ret + 4), query->xid);
	return size;
}

#define OPTION(option, expected)                                              \
	do {                                                                  \
		const uint8_t *found_ = dhcp_sample_find(room, size, option); \
		ck_assert_msg(found_ != NULL, "option %d", option);           \
		ck_assert_uint_eq(found_[0], sizeof(expected) - 1);           \
		ck_assert_mem_eq(found_ + 1, expected, sizeof(expected) - 1); \
	} while (0)
#define NO_OPTION(option) ck_assert_ptr_null(dhcp_sample_find(room, size, option))

START_TEST(an_answer_tells_all)
{
	struct dhcp_query query = sample_query();
	struct dhcp_answer answer = sample_answer();
	uint8_t room[DHCP_ANSWER_MAX];
	size_t size;

	query.broadcast = true;
	query.id = (const uint8_t *)"\1\2\3";
	query.id_size = 3;
	size = write_answer(room, &query, &answer);
	ck_assert_uint_eq(octets_get16(room + 10), 0x8000);
	ck_assert_mem_eq(room + 16, "\12\0\0\2", 4);
	ck_assert_mem_eq(room + 28, dhcp_sample_mac, DHCP_MAC);
	OPTION(53, "\5");
	OPTION(54, "\12\0\0\1");
	OPTION(61, "\1\2\3");
	OPTION(51, "\0\0\xa8\xc0");
	OPTION(58, "\0\0\x54\x60");
	OPTION(59, "\0\0\x93\xa8");
	OPTION(1, "\xff\xff\xff\xfc");
	OPTION(28, "\12\0\0\3");
	OPTION(3, "\12\0\0\1");
	OPTION(6, "\12\0\0\1\12\0\0\2");
	OPTION(26, "\5\x78");
	OPTION(15, "machine");
	OPTION(12, "web");
	NO_OPTION(80);
	NO_OPTION(121);
}
END_TEST

START_TEST(what_is_not_known_is_not_told)
{
	struct dhcp_query query = sample_query();
	struct dhcp_answer answer = { .type = DHCP_OFFER, .prefix_length = 24, .address = dns[0] };
	uint8_t room[DHCP_ANSWER_MAX];
	size_t size = write_answer(room, &query, &answer);

	OPTION(53, "\2");
	NO_OPTION(3);
	NO_OPTION(6);
	NO_OPTION(12);
	NO_OPTION(15);
	NO_OPTION(26);
	NO_OPTION(61);
	NO_OPTION(80);
}
END_TEST

START_TEST(a_refusal_tells_nothing_else)
{
	struct dhcp_query query = sample_query();
	struct dhcp_answer answer = sample_answer();
	uint8_t room[DHCP_ANSWER_MAX];
	size_t size;

	answer.type = DHCP_NAK;
	size = write_answer(room, &query, &answer);
	OPTION(53, "\6");
	OPTION(54, "\12\0\0\1");
	ck_assert_mem_eq(room + 16, "\0\0\0\0", 4);
	NO_OPTION(1);
	NO_OPTION(3);
	NO_OPTION(51);
}
END_TEST

START_TEST(who_has_an_address_gets_no_lease)
{
	struct dhcp_query query = sample_query();
	struct dhcp_answer answer = sample_answer();
	uint8_t room[DHCP_ANSWER_MAX];
	size_t size;

	answer.address.s_addr = 0;
	query.client.s_addr = htonl(0x0a000007);
	size = write_answer(room, &query, &answer);
	ck_assert_mem_eq(room + 12, "\12\0\0\7\0\0\0\0", 8);
	NO_OPTION(51);
	NO_OPTION(58);
	NO_OPTION(28);
	OPTION(3, "\12\0\0\1");
}
END_TEST

START_TEST(a_gateway_outside_of_the_net_comes_with_routes)
{
	struct dhcp_query query = sample_query();
	struct dhcp_answer answer = sample_answer();
	uint8_t room[DHCP_ANSWER_MAX];
	size_t size;

	answer.prefix_length = 32;
	answer.rapid_commit = true;
	size = write_answer(room, &query, &answer);
	OPTION(1, "\xff\xff\xff\xff");
	OPTION(121, "\40\12\0\0\1\0\0\0\0\0\12\0\0\1");
	OPTION(80, "");
	NO_OPTION(28);
	answer.prefix_length = 31; /* 10.0.0.2 and 10.0.0.3 */
	size = write_answer(room, &query, &answer);
	OPTION(121, "\40\12\0\0\1\0\0\0\0\0\12\0\0\1");
	NO_OPTION(28);
	answer.gateway.s_addr = htonl(0x0a000003);
	size = write_answer(room, &query, &answer);
	NO_OPTION(28);
	NO_OPTION(121);
}
END_TEST

START_TEST(the_longest_answer_fits)
{
	struct dhcp_query query = sample_query();
	struct dhcp_answer answer = sample_answer();
	uint8_t room[DHCP_ANSWER_MAX], id[DHCP_ID_MAX] = { 0 };
	char longest[301];
	size_t size;

	memset(longest, 'a', 300);
	longest[300] = '\0';
	query.id = id;
	query.id_size = sizeof(id);
	answer.prefix_length = 32;
	answer.rapid_commit = true;
	answer.dns_count = DHCP_DNS_MAX;
	answer.domain = longest;
	answer.host_name = "short";
	size = write_answer(room, &query, &answer);
	NO_OPTION(15);
	OPTION(12, "short");
	answer.domain = longest + 46; /* 254: it could be told, but for the room */
	size = write_answer(room, &query, &answer);
	NO_OPTION(15);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/dhcp", a_discover_is_read, a_request_is_read,
			a_wrong_header_is_refused, a_message_is_refused_wherever_it_is_cut,
			wrong_options_are_refused, the_size_of_an_identifier_is_limited,
			an_answer_tells_all, what_is_not_known_is_not_told,
			a_refusal_tells_nothing_else, who_has_an_address_gets_no_lease,
			a_gateway_outside_of_the_net_comes_with_routes, the_longest_answer_fits);
}
