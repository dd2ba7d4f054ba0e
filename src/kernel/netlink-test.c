#include "kernel/netlink.h"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/unit.h"
#include "io/fd.h"
#include "kernel/fixture.h"
#include "kernel/namespace.h"

/* ---- requests ---- */

static const unsigned char sample[] = {
	/* length, type, flags, sequence, port */
	48, 0, 0, 0, 7, 0, NLM_F_REQUEST | NLM_F_ACK, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	/* the body */
	1, 2, 0, 0,
	/* a nest of two */
	20, 0, 3, 0x80, 5, 0, 4, 0, 9, 0, 0, 0, 6, 0, 5, 0, 1, 2, 0, 0,
	/* a text with its NUL */
	5, 0, 6, 0, 0, 0, 0, 0
};

static void build_sample(struct netlink_request *request)
{
	size_t nest;

	netlink_begin(request, 7, NLM_F_ACK, "\1\2", 2);
	nest = netlink_nest(request, 3);
	netlink_put_u8(request, 4, 9);
	netlink_put_be16(request, 5, 0x0102);
	netlink_nest_end(request, nest);
	netlink_put_text(request, 6, "");
}

START_TEST(a_request_is_made_of_filled_up_pieces)
{
	unsigned char room[64];
	struct netlink_request request = netlink_request(room, sizeof(room));

	build_sample(&request);
	ck_assert(!request.overflow);
	ck_assert_uint_eq(request.count, 1);
	ck_assert_uint_eq(request.used, sizeof(sample));
	ck_assert_mem_eq(room, sample, sizeof(sample));
}
END_TEST

START_TEST(what_does_not_fit_is_told_when_it_is_sent)
{
	struct netlink netlink = NETLINK_EMPTY;
	unsigned char room[sizeof(sample) + 1];

	for (size_t size = 0; size < sizeof(sample); size++) {
		struct netlink_request request = netlink_request(room, size);

		room[size] = 0xee;
		build_sample(&request);
		ck_assert(request.overflow);
		ck_assert_uint_le(request.used, size);
		ck_assert_uint_eq(room[size], 0xee);
		ck_assert_int_eq(netlink_call(&netlink, &request, NULL, NULL), -EMSGSIZE);
		ck_assert_int_eq(netlink_dump(&netlink, &request, NULL, NULL), -EMSGSIZE);
	}
}
END_TEST

START_TEST(no_attribute_is_longer_than_its_length_can_tell)
{
	static unsigned char room[4 * 65536], data[65536];
	struct netlink_request request = netlink_request(room, sizeof(room));
	size_t nest;

	netlink_begin(&request, 7, 0, NULL, 0);
	netlink_put(&request, 1, data, 65535 - 4);
	ck_assert(!request.overflow);
	netlink_put(&request, 1, data, 65535 - 3);
	ck_assert(request.overflow);

	request = netlink_request(room, sizeof(room));
	netlink_begin(&request, 7, 0, NULL, 0);
	nest = netlink_nest(&request, 1);
	netlink_put(&request, 2, data, 40000);
	netlink_put(&request, 2, data, 40000);
	netlink_nest_end(&request, nest);
	ck_assert(request.overflow);
}
END_TEST

/* ---- reading ---- */

START_TEST(what_is_cut_off_is_not_read)
{
	unsigned char bytes[] = { 8, 0, 1, 0, 1, 2, 3, 4, 6, 0, 2, 0x80, 5, 6 };
	struct netlink_reader reader = { bytes, sizeof(bytes) };
	struct netlink_attribute attribute;

	ck_assert(netlink_next(&reader, &attribute));
	ck_assert_uint_eq(attribute.type, 1);
	ck_assert_uint_eq(netlink_be32(&attribute), 0x01020304);
	ck_assert_uint_eq(netlink_u64(&attribute), 0);
	ck_assert(netlink_next(&reader, &attribute)); /* the last one need not be filled up */
	ck_assert_uint_eq(attribute.type, 2);
	ck_assert_uint_eq(netlink_be16(&attribute), 0x0506);
	ck_assert(!netlink_next(&reader, &attribute));

	reader = (struct netlink_reader){ bytes, 7 };
	ck_assert(!netlink_next(&reader, &attribute));
	bytes[0] = 3; /* less than its own header */
	reader = (struct netlink_reader){ bytes, sizeof(bytes) };
	ck_assert(!netlink_next(&reader, &attribute));
}
END_TEST

START_TEST(a_text_ends_where_it_says_or_where_it_is_cut_off)
{
	struct netlink_attribute attribute = { 1, { (const unsigned char *)"four\0x", 6 } };
	char text[5] = "";

	ck_assert(netlink_text(&attribute, text, sizeof(text)));
	ck_assert_str_eq(text, "four");
	attribute.value.size = 3;
	ck_assert(netlink_text(&attribute, text, sizeof(text)));
	ck_assert_str_eq(text, "fou");
	attribute.value.size = 4;
	ck_assert(!netlink_text(&attribute, text, 4));
	ck_assert_str_eq(text, "fou");
}
END_TEST

START_TEST(a_body_is_taken_whole_or_not_at_all)
{
	struct netlink_reader reader = { (const unsigned char *)"\1\2\3\4\5", 5 };
	unsigned char bytes[6] = {};

	ck_assert_int_eq(netlink_take(&reader, bytes, 6), -EBADMSG);
	ck_assert_int_eq(netlink_take(&reader, bytes, 3), 0);
	ck_assert_uint_eq(reader.size, 1);
	ck_assert_int_eq(netlink_take(&reader, bytes, 1), 0);
	ck_assert_uint_eq(bytes[0], 5);
	ck_assert_uint_eq(reader.size, 0);
}
END_TEST

/* ---- talking ---- */

static void open_route(struct netlink *netlink)
{
	fixture_enter(CLONE_NEWNET);
	ck_assert_int_eq(netlink_open(netlink, NETLINK_ROUTE), 0);
}

static void begin_link(struct netlink_request *request, const char *name, const char *kind,
		       unsigned int flags)
{
	struct ifinfomsg body = {};
	size_t nest;

	netlink_begin(request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | flags, &body, sizeof(body));
	netlink_put_text(request, IFLA_IFNAME, name);
	nest = netlink_nest(request, IFLA_LINKINFO);
	netlink_put_text(request, IFLA_INFO_KIND, kind);
	netlink_nest_end(request, nest);
}

START_TEST(all_messages_are_done_and_the_last_is_acknowledged)
{
	struct netlink netlink = NETLINK_EMPTY;
	unsigned char room[512];
	struct netlink_request request = netlink_request(room, sizeof(room));

	open_route(&netlink);
	begin_link(&request, "one", "bridge", 0);
	begin_link(&request, "two", "bridge", NLM_F_ACK);
	ck_assert_int_eq(netlink_call(&netlink, &request, NULL, NULL), 0);
	ck_assert_uint_ne(if_nametoindex("one"), 0);
	ck_assert_uint_ne(if_nametoindex("two"), 0);
	netlink_close(&netlink);
}
END_TEST

START_TEST(the_first_failure_is_told_with_the_kernels_words)
{
	struct netlink netlink = NETLINK_EMPTY;
	unsigned char room[1024];
	struct netlink_request request = netlink_request(room, sizeof(room));

	open_route(&netlink);
	begin_link(&request, "one", "bridge", NLM_F_ACK);
	begin_link(&request, "two", "no-such-kind", 0);
	begin_link(&request, "one", "bridge", 0);
	begin_link(&request, "four", "bridge", NLM_F_ACK);
	ck_assert_int_eq(netlink_call(&netlink, &request, NULL, NULL), -EOPNOTSUPP);
	ck_assert_uint_eq(netlink.failed, 1);
	ck_assert_str_eq(netlink.reason, "Unknown device type");
	ck_assert_uint_ne(if_nametoindex("four"), 0);

	/* What the others were answered does not count for the next. */
	request = netlink_request(room, sizeof(room));
	begin_link(&request, "five", "bridge", NLM_F_ACK);
	ck_assert_int_eq(netlink_call(&netlink, &request, NULL, NULL), 0);
	ck_assert_str_eq(netlink.reason, "");
	ck_assert_int_eq(netlink_call(&netlink, &request, NULL, NULL), -EEXIST);
	ck_assert_uint_eq(netlink.failed, 0);
	netlink_close(&netlink);
}
END_TEST

static int count(const struct netlink_answer *answer, void *context)
{
	ck_assert_uint_eq(answer->type, RTM_NEWLINK);
	++*(int *)context;
	return 0;
}

static int stop(const struct netlink_answer *answer, void *context)
{
	return count(answer, context) + *(int *)context;
}

static int refuse(const struct netlink_answer *answer, void *context)
{
	(void)answer;
	(void)context;
	return -EXDEV;
}

START_TEST(answers_are_given_to_the_callback_until_it_has_enough)
{
	struct netlink netlink = NETLINK_EMPTY;
	struct ifinfomsg body = {};
	unsigned char room[16384];
	struct netlink_request request = netlink_request(room, sizeof(room));
	char name[16];
	int seen = 0;

	open_route(&netlink);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		begin_link(&request, name, "bridge", i == 99 ? NLM_F_ACK : 0);
	}
	ck_assert_int_eq(netlink_call(&netlink, &request, NULL, NULL), 0);

	request = netlink_request(room, sizeof(room));
	netlink_begin(&request, RTM_GETLINK, 0, &body, sizeof(body));
	ck_assert_int_eq(netlink_dump(&netlink, &request, count, &seen), 0);
	ck_assert_int_ge(seen, 101);
	seen = 0;
	ck_assert_int_eq(netlink_dump(&netlink, &request, stop, &seen), 0);
	ck_assert_int_eq(seen, 1);

	/* The rest of the list is in the way of nothing, of another list neither. */
	seen = 0;
	ck_assert_int_eq(netlink_dump(&netlink, &request, stop, &seen), 0);
	ck_assert_int_eq(netlink_dump(&netlink, &request, refuse, NULL), -EXDEV);
	ck_assert_int_eq(seen, 1);
	ck_assert_int_eq(netlink_dump(&netlink, &request, count, &seen), 0);
	ck_assert_int_ge(seen, 102);
	seen = 0;
	request = netlink_request(room, sizeof(room));
	netlink_begin(&request, RTM_GETLINK, NLM_F_ACK, &body, sizeof(body));
	netlink_put_text(&request, IFLA_IFNAME, "d7");
	ck_assert_int_eq(netlink_call(&netlink, &request, count, &seen), 0);
	ck_assert_int_eq(seen, 1);
	ck_assert_int_eq(netlink_call(&netlink, &request, refuse, NULL), -EXDEV);
	ck_assert_int_eq(netlink_call(&netlink, &request, stop, &seen), 0);
	ck_assert_int_eq(netlink_call(&netlink, &request, count, &seen), 0);
	netlink_close(&netlink);
}
END_TEST

START_TEST(only_the_kernel_answers)
{
	struct netlink netlink = NETLINK_EMPTY, other = NETLINK_EMPTY;
	struct sockaddr_nl to = {};
	socklen_t length = sizeof(to);
	struct {
		struct nlmsghdr header;
		struct nlmsgerr body;
	} forged = { { sizeof(forged), NLMSG_ERROR, 0, 0, 0 }, { .error = -ENOTUNIQ } };
	unsigned char room[512];
	struct netlink_request request = netlink_request(room, sizeof(room));

	open_route(&netlink);
	ck_assert_int_eq(netlink_open(&other, NETLINK_ROUTE), 0);
	begin_link(&request, "one", "bridge", NLM_F_ACK);
	ck_assert_int_eq(netlink_call(&netlink, &request, NULL, NULL), 0);

	ck_assert_int_eq(getsockname(netlink.fd, (struct sockaddr *)&to, &length), 0);
	forged.header.nlmsg_seq = netlink.sequence + 1;
	ck_assert_int_ge(sendto(other.fd, &forged, sizeof(forged), 0, (struct sockaddr *)&to,
				sizeof(to)),
			 0);
	request = netlink_request(room, sizeof(room));
	begin_link(&request, "two", "bridge", NLM_F_ACK);
	ck_assert_int_eq(netlink_call(&netlink, &request, NULL, NULL), 0);
	netlink_close(&netlink);
	netlink_close(&other);
}
END_TEST

static void make_bridge(struct netlink *netlink, const char *name)
{
	unsigned char room[512];
	struct netlink_request request = netlink_request(room, sizeof(room));

	begin_link(&request, name, "bridge", NLM_F_ACK);
	ck_assert_int_eq(netlink_call(netlink, &request, NULL, NULL), 0);
}

START_TEST(who_joined_a_group_is_told)
{
	struct netlink netlink = NETLINK_EMPTY, told = NETLINK_EMPTY;

	open_route(&netlink);
	ck_assert_int_eq(netlink_open(&told, NETLINK_ROUTE), 0);
	make_bridge(&netlink, "one");
	ck_assert_int_eq(netlink_drain(&told, 4096), 0);
	ck_assert_int_eq(netlink_join(&told, RTNLGRP_IPV4_IFADDR), 0);
	ck_assert_int_eq(netlink_join(&told, RTNLGRP_LINK), 0);
	ck_assert_int_eq(netlink_drain(&told, 4096), 0);
	make_bridge(&netlink, "two");
	ck_assert_int_eq(netlink_drain(&told, 4096), 1);
	ck_assert_int_eq(netlink_drain(&told, 4096), 0);
	ck_assert_int_lt(netlink_join(&told, 100000), 0);
	netlink_close(&told);
	ck_assert_int_eq(netlink_join(&told, RTNLGRP_LINK), -EBADF);
	ck_assert_int_eq(netlink_drain(&told, 4096), 0);
	netlink_close(&netlink);
}
END_TEST

START_TEST(what_was_too_much_to_be_told_is_something_too)
{
	struct netlink netlink = NETLINK_EMPTY, told = NETLINK_EMPTY;
	int size = 1;
	char name[16];

	open_route(&netlink);
	ck_assert_int_eq(netlink_open(&told, NETLINK_ROUTE), 0);
	ck_assert_int_eq(setsockopt(told.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	ck_assert_int_eq(netlink_join(&told, RTNLGRP_LINK), 0);
	for (int i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "br%d", i);
		make_bridge(&netlink, name);
	}
	ck_assert_int_eq(netlink_drain(&told, 1), 1);
	netlink_close(&told);
	netlink_close(&netlink);
}
END_TEST

START_TEST(without_a_wish_for_an_acknowledgement_nothing_is_waited_for)
{
	struct netlink netlink = NETLINK_EMPTY;
	unsigned char room[512];
	struct netlink_request request = netlink_request(room, sizeof(room));

	open_route(&netlink);
	ck_assert_int_eq(netlink_call(&netlink, &request, NULL, NULL), 0);
	begin_link(&request, "one", "bridge", 0);
	ck_assert_int_eq(netlink_call(&netlink, &request, NULL, NULL), 0);
	ck_assert_uint_ne(if_nametoindex("one"), 0);
	netlink_close(&netlink);
}
END_TEST

START_TEST(a_request_may_be_larger_than_what_sockets_hold)
{
	static unsigned char room[512 * 1024];
	struct netlink_request request = netlink_request(room, sizeof(room));
	struct netlink netlink = NETLINK_EMPTY;
	bool privileged = namespace_is_initial_user() && fixture_enter_as_root();

	if (!privileged)
		fixture_enter(CLONE_NEWNET);
	ck_assert_int_eq(netlink_open(&netlink, NETLINK_ROUTE), 0);
	while (request.used + NLMSG_HDRLEN < sizeof(room))
		netlink_begin(&request, NLMSG_NOOP, 0, NULL, 0);
	netlink_begin(&request, NLMSG_NOOP, NLM_F_ACK, NULL, 0);
	ck_assert(!request.overflow);
	ck_assert_int_eq(netlink_call(&netlink, &request, NULL, NULL), privileged ? 0 : -EMSGSIZE);
	netlink_close(&netlink);
}
END_TEST

START_TEST(a_socket_belongs_to_the_namespace_it_was_asked_for)
{
	struct netlink netlink = NETLINK_EMPTY;
	autoclose int there = -EBADF;
	unsigned char room[512];
	struct netlink_request request = netlink_request(room, sizeof(room));

	fixture_enter(CLONE_NEWNET);
	there = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	ck_assert_int_eq(netlink_open_in(&netlink, NETLINK_ROUTE, there), 0);
	begin_link(&request, "one", "bridge", NLM_F_ACK);
	ck_assert_int_eq(netlink_call(&netlink, &request, NULL, NULL), 0);
	ck_assert_uint_eq(if_nametoindex("one"), 0);
	ck_assert_int_eq(setns(there, CLONE_NEWNET), 0);
	ck_assert_uint_ne(if_nametoindex("one"), 0);
	netlink_close(&netlink);

	ck_assert_int_eq(netlink_open_in(&netlink, NETLINK_ROUTE, -EBADF), -EBADF);
	ck_assert_int_eq(netlink_open_in(&netlink, 31, there), -EPROTONOSUPPORT);
	ck_assert_int_eq(netlink.fd, -EBADF);
}
END_TEST

/* In a network namespace of a further user namespace, until the pipe is closed. */
static int open_below(int *ret_keep)
{
	int ready[2], keep[2], fd;
	char path[64], byte;
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	ck_assert_int_eq(pipe(keep), 0);
	pid = fork();
	if (pid == 0) {
		close(keep[1]);
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 || write(ready[1], "r", 1) != 1)
			_exit(1);
		(void)!read(keep[0], &byte, 1);
		_exit(0);
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	*ret_keep = keep[1];
	return fd;
}

static void make_bridge_there(int there)
{
	struct netlink netlink = NETLINK_EMPTY;
	unsigned char room[512];
	struct netlink_request request = netlink_request(room, sizeof(room));

	ck_assert_int_eq(netlink_open_in(&netlink, NETLINK_ROUTE, there), 0);
	begin_link(&request, "one", "bridge", NLM_F_ACK);
	ck_assert_int_eq(netlink_call(&netlink, &request, NULL, NULL), 0);
	begin_link(&request, "two", "bridge", NLM_F_ACK);
	netlink_close(&netlink);
	ck_assert_int_eq(netlink_open_in(&netlink, 31, there), -EPROTONOSUPPORT);
	ck_assert_int_eq(netlink.fd, -EBADF);
	ck_assert_uint_eq(if_nametoindex("one"), 0);
}

START_TEST(who_could_not_come_back_sends_a_child)
{
	autoclose int there = -EBADF, keep = -EBADF;

	/* The network stays that of a user namespace above. */
	fixture_enter(0);
	there = open_below(&keep);
	make_bridge_there(there);
}
END_TEST

START_TEST(who_may_not_go_there_goes_as_its_owner)
{
	autoclose int there = -EBADF, keep = -EBADF;

	if (geteuid() != 0)
		return;
	ck_assert_int_eq(setresuid(4242, 4242, 4242), 0);
	ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
	there = open_below(&keep);
	make_bridge_there(there);
}
END_TEST

/* ---- batches of nf_tables ---- */

static void begin_batch(struct netlink_request *request, unsigned int type)
{
	struct nfgenmsg body = { .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	netlink_begin(request, type, 0, &body, sizeof(body));
}

static void begin_table(struct netlink_request *request, const char *name, unsigned int flags)
{
	struct nfgenmsg body = { .nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0 };

	netlink_begin(request, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE,
		      NLM_F_CREATE | NLM_F_EXCL | flags, &body, sizeof(body));
	netlink_put_text(request, NFTA_TABLE_NAME, name);
}

static int make_tables(struct netlink *netlink, const char *first, const char *second)
{
	unsigned char room[512];
	struct netlink_request request = netlink_request(room, sizeof(room));

	begin_batch(&request, NFNL_MSG_BATCH_BEGIN);
	begin_table(&request, first, 0);
	begin_table(&request, second, NLM_F_ACK);
	begin_batch(&request, NFNL_MSG_BATCH_END);
	return netlink_call(netlink, &request, NULL, NULL);
}

START_TEST(a_batch_is_done_whole_or_not_at_all)
{
	struct netlink netlink = NETLINK_EMPTY;

	fixture_enter(CLONE_NEWNET);
	if (netlink_open(&netlink, NETLINK_NETFILTER) < 0)
		return;
	ck_assert_int_eq(make_tables(&netlink, "one", "two"), 0);
	ck_assert_int_eq(make_tables(&netlink, "two", "three"), -EEXIST);
	ck_assert_uint_eq(netlink.failed, 1);
	ck_assert_int_eq(make_tables(&netlink, "three", "four"), 0);
	ck_assert_int_eq(make_tables(&netlink, "five", "one"), -EEXIST);
	ck_assert_uint_eq(netlink.failed, 2);
	ck_assert_int_eq(make_tables(&netlink, "five", "six"), 0);
	netlink_close(&netlink);
}
END_TEST

int main(void)
{
	return UNIT_RUN(
		"kernel/netlink", a_request_is_made_of_filled_up_pieces,
		what_does_not_fit_is_told_when_it_is_sent,
		no_attribute_is_longer_than_its_length_can_tell, what_is_cut_off_is_not_read,
		a_text_ends_where_it_says_or_where_it_is_cut_off,
		a_body_is_taken_whole_or_not_at_all,
		all_messages_are_done_and_the_last_is_acknowledged,
		the_first_failure_is_told_with_the_kernels_words,
		answers_are_given_to_the_callback_until_it_has_enough, only_the_kernel_answers,
		who_joined_a_group_is_told, what_was_too_much_to_be_told_is_something_too,
		without_a_wish_for_an_acknowledgement_nothing_is_waited_for,
		a_request_may_be_larger_than_what_sockets_hold,
		a_socket_belongs_to_the_namespace_it_was_asked_for,
		who_could_not_come_back_sends_a_child, who_may_not_go_there_goes_as_its_owner,
		a_batch_is_done_whole_or_not_at_all);
}
