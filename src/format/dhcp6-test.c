#include "format/dhcp6.h"

#include <errno.h>
#include <string.h>

#include "base/unit.h"
#include "format/octets.h"

static const uint8_t mac[DHCP6_MAC] = { 2, 0xee, 0, 0, 0, 1 };

#define CLIENT "\0\1\0\4\0\3\0\1"
#define SERVER "\0\2\0\x0a\0\3\0\1\2\xee\0\0\0\1"
#define OTHER_SERVER "\0\2\0\x0a\0\3\0\1\2\xee\0\0\0\2"
#define ASSOCIATION "\0\3\0\x0c\1\2\3\4\0\0\0\0\0\0\0\0"
#define ADDRESS "\xfd\0\0\xed\0\0\0\0\0\0\0\0\0\0\0\7"
#define ASSOCIATION_WITH_ADDRESS \
	"\0\3\0\x28\1\2\3\4\0\0\0\0\0\0\0\0\0\5\0\x18" ADDRESS "\0\0\0\1\0\0\0\1"

#define READ(query, text) dhcp6_read(query, (const uint8_t *)(text), sizeof(text) - 1)

START_TEST(a_solicitation_is_read)
{
	struct dhcp6_query query;

	ck_assert_int_eq(READ(&query,
			      "\1\x12\x34\x56" CLIENT "\0\6\0\4\0\x17\0\x18\0\x0e\0\0" ASSOCIATION),
			 0);
	ck_assert_int_eq(query.type, DHCP6_SOLICIT);
	ck_assert_uint_eq(query.xid, 0x123456);
	ck_assert(query.rapid_commit && query.wants_address);
	ck_assert_uint_eq(query.association, 0x01020304);
	ck_assert(IN6_IS_ADDR_UNSPECIFIED(&query.address));
	ck_assert_uint_eq(query.client_size, 4);
	ck_assert_mem_eq(query.client, "\0\3\0\1", 4);
	ck_assert(dhcp6_is_for(&query, mac));
}
END_TEST

START_TEST(a_request_is_read)
{
	struct dhcp6_query query;

	/* A second association does not count. */
	ck_assert_int_eq(READ(&query, "\3\1\2\3" CLIENT SERVER ASSOCIATION_WITH_ADDRESS
				      "\0\3\0\x0c\7\7\7\7\0\0\0\0\0\0\0\0"),
			 0);
	ck_assert_int_eq(query.type, DHCP6_REQUEST);
	ck_assert_uint_eq(query.association, 0x01020304);
	ck_assert_mem_eq(&query.address, ADDRESS, 16);
	ck_assert(dhcp6_is_for(&query, mac));
	ck_assert_int_eq(READ(&query, "\3\1\2\3" CLIENT OTHER_SERVER), 0);
	ck_assert(!dhcp6_is_for(&query, mac));
	ck_assert_int_eq(READ(&query, "\3\1\2\3" CLIENT "\0\2\0\3\0\3\0"), 0);
	ck_assert(!dhcp6_is_for(&query, mac));
}
END_TEST

#define BAD(text)                       \
	{                               \
		text, sizeof(text) - 1, \
	}

START_TEST(what_clients_do_not_send_is_refused)
{
	static const struct {
		const char *bytes;
		size_t size;
	} bad[] = {
		BAD("\0\1\2\3" CLIENT),
		BAD("\2\1\2\3" CLIENT SERVER), /* what servers and relays send */
		BAD("\7\1\2\3" CLIENT SERVER),
		BAD("\x0a\1\2\3" CLIENT SERVER),
		BAD("\x0c\1\2\3" CLIENT),
		BAD("\1\1\2\3"),	       /* from whom? */
		BAD("\3\1\2\3" CLIENT),	       /* for whom? */
		BAD("\1\1\2\3" CLIENT SERVER), /* it cannot know a server */
		BAD("\6\1\2\3" CLIENT SERVER),
		BAD("\x0b\1\2\3" ASSOCIATION),
		BAD("\1\1\2\3" CLIENT "\0\x0e\0\1\0"), /* sizes */
		BAD("\1\1\2\3" CLIENT "\0\3\0\x0b\1\2\3\4\5\6\7\x08\x09\x0a\x0b"),
		BAD("\1\1\2\3\0\1\0\2\0\3"),
		BAD("\1\1\2\3" CLIENT "\0"),
		BAD("\1\1\2\3" CLIENT "\0\6\0\3\1\2"),
		BAD("\1\1\2\3" CLIENT "\0\3\0\x0d\1\2\3\4\0\0\0\0\0\0\0\0\0"),
		BAD("\1\1\2\3" CLIENT "\0\3\0\x14\1\2\3\4\0\0\0\0\0\0\0\0\0\5\0\4\0\0\0\0"),
		BAD("\1\1\2\3" CLIENT "\0\3\0\x10\1\2\3\4\0\0\0\0\0\0\0\0\0\5\0\4" CLIENT),
	};
	struct dhcp6_query query = { .xid = 77 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(dhcp6_read(&query, (const uint8_t *)bad[i].bytes, bad[i].size) ==
				      -EBADMSG,
			      "case %zu", i);
	ck_assert_uint_eq(query.xid, 77);
}
END_TEST

START_TEST(sizes_are_limited)
{
	uint8_t room[DHCP6_QUERY_MAX + 4] = { DHCP6_SOLICIT };
	struct dhcp6_query query;

	for (size_t id = DHCP6_ID_MAX; id <= DHCP6_ID_MAX + 1; id++) {
		struct octets out = { .data = room, .room = sizeof(room), .used = 4 };

		octets_put16(&out, 1);
		octets_put16(&out, (uint16_t)id);
		octets_put_zeros(&out, id);
		ck_assert_int_eq(dhcp6_read(&query, room, out.used),
				 id == DHCP6_ID_MAX ? 0 : -EBADMSG);
	}
	for (size_t cut = 0; cut < 4; cut++)
		ck_assert_int_eq(dhcp6_read(&query, room, cut), -EBADMSG);
	memset(room, 0, sizeof(room));
	room[0] = DHCP6_INFORMATION_REQUEST;
	ck_assert_int_eq(dhcp6_read(&query, room, DHCP6_QUERY_MAX), 0);
	ck_assert_int_eq(dhcp6_read(&query, room, DHCP6_QUERY_MAX + 4), -EBADMSG);
}
END_TEST

static const struct in6_addr dns[DHCP6_DNS_MAX] = { { .s6_addr = { 0xfd, [15] = 1 } } };

static struct dhcp6_answer sample(void)
{
	struct dhcp6_answer answer = {
		.type = DHCP6_REPLY,
		.lease_s = 1000,
		.dns = dns,
		.dns_count = 1,
		.domain = "machine",
	};

	memcpy(answer.mac, mac, DHCP6_MAC);
	memcpy(&answer.address, ADDRESS, 16);
	return answer;
}

#define DNS "\0\x17\0\x10\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
#define DOMAIN "\0\x18\0\x09\7machine\0"

#define CHECK_ANSWER(query, answer, expected)                     \
	do {                                                      \
		uint8_t room_[DHCP6_ANSWER_MAX];                  \
		size_t size_ = dhcp6_write(room_, query, answer); \
		ck_assert_uint_eq(size_, sizeof(expected) - 1);   \
		ck_assert_mem_eq(room_, expected, size_);         \
	} while (0)

START_TEST(an_answer_tells_all)
{
	struct dhcp6_answer answer = sample();
	struct dhcp6_query query;

	ck_assert_int_eq(READ(&query, "\1\1\2\3" CLIENT ASSOCIATION), 0);
	answer.rapid_commit = true;
	CHECK_ANSWER(&query, &answer,
		     "\7\1\2\3" SERVER CLIENT "\0\x0e\0\0"
		     "\0\3\0\x28\1\2\3\4\0\0\1\xf4\0\0\3\x20\0\5\0\x18" ADDRESS
		     "\0\0\3\xe8\0\0\3\xe8" DNS DOMAIN);
}
END_TEST

START_TEST(what_was_not_asked_for_or_is_not_known_is_not_told)
{
	struct dhcp6_answer answer = sample();
	struct dhcp6_query query;

	ck_assert_int_eq(READ(&query, "\x0b\1\2\3"), 0);
	CHECK_ANSWER(&query, &answer, "\7\1\2\3" SERVER DNS DOMAIN);
	answer.dns_count = 0;
	answer.domain = "no..name";
	CHECK_ANSWER(&query, &answer, "\7\1\2\3" SERVER);
	answer.only_status = true;
	answer.status = DHCP6_NOT_ON_LINK;
	answer.domain = "machine";
	CHECK_ANSWER(&query, &answer, "\7\1\2\3" SERVER "\0\x0d\0\2\0\4");
}
END_TEST

START_TEST(the_longest_answer_fits)
{
	struct dhcp6_answer answer = sample();
	uint8_t id[DHCP6_ID_MAX] = { 0 }, room[DHCP6_ANSWER_MAX];
	struct dhcp6_query query = {
		.client = id,
		.client_size = sizeof(id),
		.wants_address = true,
	};
	char name[255] = "";

	for (int i = 0; i < 63; i++)
		strncat(name, "abc.", sizeof(name) - strlen(name) - 1);
	answer.rapid_commit = true;
	answer.dns_count = DHCP6_DNS_MAX;
	answer.domain = NULL;
	ck_assert_uint_eq(dhcp6_write(room, &query, &answer), 4 + 14 + 134 + 4 + 44 + 52);
	answer.domain = name;
	dhcp6_write(room, &query, &answer);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/dhcp6", a_solicitation_is_read, a_request_is_read,
			what_clients_do_not_send_is_refused, sizes_are_limited, an_answer_tells_all,
			what_was_not_asked_for_or_is_not_known_is_not_told,
			the_longest_answer_fits);
}
