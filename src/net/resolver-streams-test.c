#include "net/resolver-streams.h"

#include "net/resolver-fixture.h"
#include "net/resolver-loop.h"

static const struct resolver_config plain = { .domain = NULL };
static struct message asked, reply, answer;
static struct sockaddr_in from;

static int connect_guest(void)
{
	return world_socket(NULL, 0, SOCK_STREAM);
}

/* With the size in front. */
static void send_part(int fd, const struct message *message, size_t first, size_t count)
{
	static uint8_t data[2 + DNS_MESSAGE_MAX];

	dns_put16(data, (unsigned int)message->size);
	memcpy(data + 2, message->data, message->size);
	ck_assert_int_eq(send(fd, data + first, count, MSG_NOSIGNAL), (ssize_t)count);
}

static void send_all(int fd, const struct message *message)
{
	send_part(fd, message, 0, 2 + message->size);
}

static void read_part(int fd, uint8_t *data, size_t size)
{
	while (size > 0) {
		ssize_t n;

		ck_assert_msg(world_serve(fd, 5000), "nothing came");
		n = recv(fd, data, size, 0);
		ck_assert_msg(n > 0, "closed, %zu are missing", size);
		data += n;
		size -= (size_t)n;
	}
}

static void read_all(int fd, struct message *ret)
{
	uint8_t size[2];

	read_part(fd, size, 2);
	ret->size = dns_get16(size);
	read_part(fd, ret->data, ret->size);
}

static const char *answer_of(int fd)
{
	read_all(fd, &answer);
	return message_show(&answer);
}

static void ask(int fd, const char *name, uint16_t type)
{
	message_ask(&asked, 7, name, type, 0);
	send_all(fd, &asked);
}

static bool is_closed(int fd)
{
	uint8_t byte;

	return world_serve(fd, 200) && recv(fd, &byte, 1, MSG_DONTWAIT) <= 0;
}

static int accept_server(int listener)
{
	int fd;

	ck_assert(world_serve(listener, 5000));
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

START_TEST(one_connection_has_many_questions)
{
	autoclose int guest = -EBADF;

	world_enter("");
	world_open(&plain);
	guest = connect_guest();
	for (int i = 0; i < 20; i++) {
		ask(guest, "localhost", DNS_A);
		ck_assert_str_eq(answer_of(guest), "NOERROR 127.0.0.1");
	}
	/* At once. */
	for (int i = 0; i < 20; i++)
		ask(guest, i % 2 ? "localhost" : "nobody", DNS_A);
	for (int i = 0; i < 20; i++)
		ck_assert_str_eq(answer_of(guest), i % 2 ? "NOERROR 127.0.0.1" : "NXDOMAIN");
}
END_TEST

START_TEST(a_question_may_come_in_pieces)
{
	autoclose int guest = -EBADF;

	world_enter("");
	world_open(&plain);
	guest = connect_guest();
	message_ask(&asked, 7, "localhost", DNS_A, 0);
	for (size_t i = 0; i < 2 + asked.size; i++) {
		ck_assert(!world_serve(guest, 1));
		send_part(guest, &asked, i, 1);
	}
	ck_assert_str_eq(answer_of(guest), "NOERROR 127.0.0.1");
	/* Nothing more comes, but the answer is still awaited. */
	ask(guest, "localhost", DNS_A);
	ck_assert_int_eq(shutdown(guest, SHUT_WR), 0);
	ck_assert_str_eq(answer_of(guest), "NOERROR 127.0.0.1");
	ck_assert(is_closed(guest));
}
END_TEST

START_TEST(garbage_ends_the_connection)
{
	static const struct {
		const char *data;
		size_t size;
	} cases[] = {
		{ "\0\0", 2 },
		{ "\xff\xff", 2 },
		{ "\x10\x01", 2 },
		{ "\0\3abc", 5 },
		{ "\0\14\0\0\x80\0\0\0\0\0\0\0\0\0", 14 }, /* a reply */
	};

	world_enter("");
	world_open(&plain);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoclose int guest = connect_guest();

		ck_assert_int_eq(send(guest, cases[i].data, cases[i].size, 0),
				 (ssize_t)cases[i].size);
		ck_assert_msg(is_closed(guest), "%zu", i);
	}
	for (size_t i = 0; i < RESOLVER_STREAMS; i++)
		ck_assert_int_eq(resolver->streams[i].state, STREAM_FREE);
}
END_TEST

START_TEST(the_longest_silent_has_to_go)
{
	int guests[RESOLVER_STREAMS + 1];
	autoclose int server = -EBADF;

	world_enter("nameserver 127.0.0.53\n");
	world_open(&plain);
	server = world_server("127.0.0.53");
	for (int i = 0; i < RESOLVER_STREAMS; i++) {
		guests[i] = connect_guest();
		ck_assert(!world_serve(guests[i], 2));
	}
	/* The first two are not silent: one is answered, one waits. */
	ask(guests[0], "localhost", DNS_A);
	ck_assert_str_eq(answer_of(guests[0]), "NOERROR 127.0.0.1");
	ask(guests[1], "www.example", DNS_A);
	world_receive(server, &answer, &from);
	message_reply(&reply, &answer, DNS_NXDOMAIN);
	guests[RESOLVER_STREAMS] = connect_guest();
	ck_assert(is_closed(guests[2]));
	ask(guests[RESOLVER_STREAMS], "localhost", DNS_A);
	ck_assert_str_eq(answer_of(guests[RESOLVER_STREAMS]), "NOERROR 127.0.0.1");
	ask(guests[3], "localhost", DNS_A);
	ck_assert_str_eq(answer_of(guests[3]), "NOERROR 127.0.0.1");
	world_send_to(server, &from, &reply);
	ck_assert_str_eq(answer_of(guests[1]), "NXDOMAIN");
}
END_TEST

START_TEST(when_all_wait_nobody_has_to_go)
{
	int guests[RESOLVER_STREAMS], one_more;
	autoclose int server = -EBADF;
	char name[32];

	world_enter("nameserver 127.0.0.53\n");
	world_open(&plain);
	server = world_server("127.0.0.53");
	for (int i = 0; i < RESOLVER_STREAMS; i++) {
		guests[i] = connect_guest();
		snprintf(name, sizeof(name), "n%d.example", i);
		ask(guests[i], name, DNS_A);
		ck_assert(world_serve(server, 1000));
		world_receive(server, &asked, &from);
	}
	one_more = connect_guest();
	ck_assert(is_closed(one_more));
	message_reply(&reply, &asked, DNS_NXDOMAIN);
	world_send_to(server, &from, &reply);
	ck_assert_str_eq(answer_of(guests[RESOLVER_STREAMS - 1]), "NXDOMAIN");
}
END_TEST

START_TEST(patience_has_an_end)
{
	autoclose int guest = -EBADF;

	world_enter("");
	world_open(&plain);
	guest = connect_guest();
	message_ask(&asked, 7, "localhost", DNS_A, 0);
	send_part(guest, &asked, 0, 5);
	ck_assert(!world_serve(guest, 20));
	/* As if it was longer ago; what trickles does not help. */
	resolver->streams[0].deadline = clock_monotonic_us() + 50000;
	send_part(guest, &asked, 5, 1);
	resolver_loop_arm(resolver, resolver->streams[0].deadline);
	ck_assert(world_serve(guest, 1000));
	ck_assert(is_closed(guest));
	ck_assert_int_eq(resolver->streams[0].state, STREAM_FREE);
	ck_assert_uint_eq(resolver->armed, 0);
}
END_TEST

START_TEST(a_guest_that_is_gone_is_not_answered)
{
	autoclose int guest = -EBADF, other = -EBADF, server = -EBADF;
	struct linger now = { .l_onoff = 1 };

	world_enter("nameserver 127.0.0.53\n");
	world_open(&plain);
	server = world_server("127.0.0.53");
	guest = connect_guest();
	ask(guest, "www.example", DNS_A);
	world_receive(server, &asked, &from);
	/* Somebody else has the same question, and comes into its place. */
	other = world_guest();
	world_ask(other, 1, "www.example", DNS_A);
	ck_assert(!world_serve(other, 20));
	ck_assert_uint_eq(resolver->outstanding, 2);
	ck_assert_int_eq(setsockopt(guest, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	fd_close(&guest);
	world_receive(server, &asked, &from);
	ck_assert_uint_eq(resolver->outstanding, 1);
	message_reply(&reply, &asked, DNS_NXDOMAIN);
	world_send_to(server, &from, &reply);
	ck_assert_str_eq(world_answer(other), "NXDOMAIN");
}
END_TEST

/* A reply with TXT records, of SIZE bytes. */
static void make_large(struct message *message, const struct message *question, size_t size)
{
	static uint8_t data[60000];

	message_reply(message, question, DNS_NOERROR);
	while (message->size + 12 < size) {
		size_t part = MIN(size - message->size - 12, sizeof(data));

		memset(data, (int)(message->size % 251), part);
		message_record(message, DNS_ANSWER, NULL, 16, 1, data, part);
	}
	ck_assert_uint_eq(message->size, size);
}

static void serve_truncated(int server)
{
	world_receive(server, &asked, &from);
	message_reply(&reply, &asked, DNS_NOERROR);
	reply.data[2] |= 2;
	world_send_to(server, &from, &reply);
}

START_TEST(large_answers_come_over_tcp)
{
	static const size_t sizes[] = { 600, 4094, 4095, 4096, 20000, DNS_MESSAGE_MAX };
	autoclose int guest = -EBADF, server = -EBADF, listener = -EBADF;

	world_enter("nameserver 127.0.0.53\n");
	world_open(&plain);
	server = world_server("127.0.0.53");
	listener = world_socket("127.0.0.53", 53, SOCK_STREAM);
	guest = connect_guest();
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		autoclose int upstream = -EBADF;

		ask(guest, "Www.example", 16);
		serve_truncated(server);
		upstream = accept_server(listener);
		read_all(upstream, &asked);
		make_large(&reply, &asked, sizes[i]);
		/* In three pieces. */
		send_part(upstream, &reply, 0, 1);
		ck_assert(!world_serve(guest, 5));
		send_part(upstream, &reply, 1, 400);
		ck_assert(!world_serve(guest, 5));
		send_part(upstream, &reply, 401, reply.size + 2 - 401);
		read_all(guest, &answer);
		ck_assert_uint_eq(answer.size, sizes[i]);
		ck_assert_uint_eq(dns_get16(answer.data), 7);
		ck_assert_mem_eq(answer.data + 2, reply.data + 2, reply.size - 2);
	}
	ck_assert_uint_eq(resolver->outstanding, 0);
}
END_TEST

START_TEST(a_large_answer_is_told_to_all_who_asked)
{
	autoclose int one = -EBADF, two = -EBADF, three = -EBADF;
	autoclose int server = -EBADF, listener = -EBADF, upstream = -EBADF;

	world_enter("nameserver 127.0.0.53\n");
	world_open(&plain);
	server = world_server("127.0.0.53");
	listener = world_socket("127.0.0.53", 53, SOCK_STREAM);
	one = connect_guest();
	two = connect_guest();
	three = world_guest();
	ask(one, "www.example", 16);
	ck_assert(world_serve(server, 1000));
	ask(two, "www.example", 16);
	world_ask(three, 9, "www.example", 16);
	ck_assert(!world_serve(two, 20));
	serve_truncated(server);
	upstream = accept_server(listener);
	read_all(upstream, &asked);
	make_large(&reply, &asked, 30000);
	send_all(upstream, &reply);
	read_all(one, &answer);
	ck_assert_uint_eq(answer.size, 30000);
	read_all(two, &answer);
	ck_assert_uint_eq(answer.size, 30000);
	ck_assert_mem_eq(answer.data + 2, reply.data + 2, reply.size - 2);
	ck_assert_str_eq(world_answer(three), "NOERROR+tc");
}
END_TEST

START_TEST(a_datagram_is_enough_where_it_is)
{
	autoclose int guest = -EBADF, server = -EBADF, datagrams = -EBADF;

	world_enter("nameserver 127.0.0.53\n");
	world_open(&plain);
	server = world_server("127.0.0.53");
	guest = connect_guest();
	ask(guest, "www.example", DNS_A);
	world_serve_address(server, "192.0.2.1");
	ck_assert_str_eq(answer_of(guest), "NOERROR 192.0.2.1");
	/* Who asks in datagrams gets the mark, and comes over TCP. */
	datagrams = world_guest();
	world_ask(datagrams, 1, "www.example", DNS_A);
	serve_truncated(server);
	ck_assert_str_eq(world_answer(datagrams), "NOERROR+tc");
}
END_TEST

START_TEST(servers_that_break_off_are_no_answer)
{
	autoclose int guest = -EBADF, server = -EBADF, listener = -EBADF;
	int upstream;

	world_enter("nameserver 127.0.0.53\n");
	world_open(&plain);
	server = world_server("127.0.0.53");
	listener = world_socket("127.0.0.53", 53, SOCK_STREAM);
	guest = connect_guest();
	ask(guest, "www.example", 16);
	serve_truncated(server);
	/* In the middle of it; then with something else. */
	upstream = accept_server(listener);
	read_all(upstream, &asked);
	make_large(&reply, &asked, 1000);
	send_part(upstream, &reply, 0, 900);
	fd_close(&upstream);
	upstream = accept_server(listener);
	read_all(upstream, &asked);
	make_large(&reply, &asked, 1000);
	reply.data[0] ^= 1;
	send_all(upstream, &reply);
	ck_assert_str_eq(answer_of(guest), "SERVFAIL");
	fd_close(&upstream);
	/* Not there at all. */
	fd_close(&listener);
	ask(guest, "www.example", 16);
	serve_truncated(server);
	ck_assert_str_eq(answer_of(guest), "SERVFAIL");
}
END_TEST

START_TEST(a_guest_that_does_not_read_is_not_waited_for)
{
	autoclose int guest = -EBADF, server = -EBADF, listener = -EBADF, upstream = -EBADF;
	autoclose int other = -EBADF;
	int size = 1;

	world_enter("nameserver 127.0.0.53\n");
	world_open(&plain);
	server = world_server("127.0.0.53");
	listener = world_socket("127.0.0.53", 53, SOCK_STREAM);
	guest = connect_guest();
	ck_assert(!world_serve(guest, 5));
	setsockopt(resolver->streams[0].fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(guest, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	ask(guest, "www.example", 16);
	serve_truncated(server);
	upstream = accept_server(listener);
	read_all(upstream, &asked);
	make_large(&reply, &asked, DNS_MESSAGE_MAX);
	send_all(upstream, &reply);
	other = world_guest();
	for (int i = 0; i < 5; i++)
		ck_assert_str_eq(world_ask_and_answer(other, "localhost", DNS_A),
				 "NOERROR 127.0.0.1");
	ck_assert_int_eq(resolver->streams[0].state, STREAM_WRITING);
	/* Later, all of it. */
	read_all(guest, &answer);
	ck_assert_uint_eq(answer.size, DNS_MESSAGE_MAX);
	ck_assert_mem_eq(answer.data + 2, reply.data + 2, reply.size - 2);
	ck_assert_int_eq(resolver->streams[0].state, STREAM_READING);
	ck_assert(!resolver->streams[0].large);
}
END_TEST

/* Connections that are reset while nothing is read do not keep anybody awake. */
START_TEST(resets_in_a_pause_are_cleared)
{
	struct linger now = { .l_onoff = 1 };
	struct pollfd watched;
	int guest;

	world_enter("");
	world_open(&plain);
	guest = connect_guest();
	ck_assert(!world_serve(guest, 5));
	resolver->tokens = 0;
	resolver->refilled = clock_monotonic_us();
	ask(guest, "localhost", DNS_A);
	ck_assert_str_eq(answer_of(guest), "NOERROR 127.0.0.1");
	ck_assert_uint_ne(resolver->resume, 0);
	setsockopt(guest, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	fd_close(&guest);
	watched = (struct pollfd){ resolver_poll_fd(resolver), POLLIN, 0 };
	ck_assert_int_eq(poll(&watched, 1, 10), 1);
	resolver_serve(resolver);
	ck_assert_int_eq(resolver->streams[0].state, STREAM_FREE);
	ck_assert_int_eq(poll(&watched, 1, 3), 0);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("resolver-streams");

	tcase_set_timeout(cases, 30);
	tcase_add_test(cases, one_connection_has_many_questions);
	tcase_add_test(cases, a_question_may_come_in_pieces);
	tcase_add_test(cases, garbage_ends_the_connection);
	tcase_add_test(cases, the_longest_silent_has_to_go);
	tcase_add_test(cases, when_all_wait_nobody_has_to_go);
	tcase_add_test(cases, patience_has_an_end);
	tcase_add_test(cases, a_guest_that_is_gone_is_not_answered);
	tcase_add_test(cases, large_answers_come_over_tcp);
	tcase_add_test(cases, a_large_answer_is_told_to_all_who_asked);
	tcase_add_test(cases, a_datagram_is_enough_where_it_is);
	tcase_add_test(cases, servers_that_break_off_are_no_answer);
	tcase_add_test(cases, a_guest_that_does_not_read_is_not_waited_for);
	tcase_add_test(cases, resets_in_a_pause_are_cleared);
	return fixture_run(cases, "net/resolver-streams");
}
