#include "net/resolver-forward.h"

#include <sys/syscall.h>

#include "net/resolver-fixture.h"

#define CONF1 "nameserver 127.0.0.53\n"
#define CONF2 CONF1 "nameserver 127.0.0.54\n"

static const struct resolver_config plain = { .domain = NULL };
static const struct resolver_config impatient = { .timeout_us = SHORT_US };
static struct message asked, reply, answer;
static struct sockaddr_in from;

START_TEST(the_hosts_resolvers_are_asked)
{
	autoclose int guest = -EBADF, server = -EBADF;

	world_enter(CONF1);
	world_open(&plain);
	guest = world_guest();
	server = world_server("127.0.0.53");
	message_ask(&asked, 0xabcd, "WWW.Example", DNS_A, 0);
	world_send(guest, &asked);

	/* The question as it was put, with another id, from a port of its own. */
	world_receive(server, &reply, &from);
	ck_assert_uint_eq(reply.size, asked.size);
	ck_assert_mem_eq(reply.data + 2, asked.data + 2, asked.size - 2);
	ck_assert_uint_ge(ntohs(from.sin_port), 1024);
	message_reply(&answer, &reply, DNS_NOERROR);
	/* A server that writes in lower case. */
	for (size_t i = DNS_HEADER_SIZE; i < answer.size - 4; i++)
		answer.data[i] = dns_name_lower(answer.data[i]);
	message_address(&answer, NULL, "192.0.2.1");
	world_send_to(server, &from, &answer);

	world_receive(guest, &answer, NULL);
	ck_assert_str_eq(message_show(&answer), "NOERROR 192.0.2.1");
	ck_assert_uint_eq(dns_get16(answer.data), 0xabcd);
	ck_assert_mem_eq(answer.data + DNS_HEADER_SIZE, asked.data + DNS_HEADER_SIZE,
			 asked.size - DNS_HEADER_SIZE);
	ck_assert_uint_eq(resolver_counts(resolver).forwarded, 1);
	ck_assert_uint_eq(resolver->outstanding, 0);
}
END_TEST

START_TEST(ports_and_ids_are_not_guessed)
{
	autoclose int guest = -EBADF, server = -EBADF;
	unsigned int ports = 0, ids = 0;
	struct sockaddr_in before = { 0 };
	uint16_t id = 0;

	world_enter(CONF1);
	world_open(&plain);
	guest = world_guest();
	server = world_server("127.0.0.53");
	for (int i = 0; i < 50; i++) {
		world_ask(guest, 1, "www.example", DNS_A);
		world_receive(server, &asked, &from);
		ports += from.sin_port != before.sin_port;
		ids += dns_get16(asked.data) != id;
		id = dns_get16(asked.data);
		before = from;
		message_reply(&reply, &asked, DNS_NXDOMAIN);
		world_send_to(server, &from, &reply);
		ck_assert_str_eq(world_answer(guest), "NXDOMAIN");
	}
	ck_assert_uint_ge(ports, 45);
	ck_assert_uint_ge(ids, 45);
}
END_TEST

START_TEST(what_does_not_answer_the_question_is_no_answer)
{
	autoclose int guest = -EBADF, server = -EBADF, other = -EBADF;

	world_enter(CONF1);
	world_open(&plain);
	guest = world_guest();
	server = world_server("127.0.0.53");
	other = world_server("127.0.0.54");
	world_ask(guest, 1, "www.example", DNS_A);
	world_receive(server, &asked, &from);

	/* Another id. */
	message_reply(&reply, &asked, DNS_NOERROR);
	message_address(&reply, NULL, "198.51.100.1");
	reply.data[0] ^= 1;
	world_send_to(server, &from, &reply);
	/* Another name, another type. */
	reply.data[0] ^= 1;
	reply.data[DNS_HEADER_SIZE + 1] = 'x';
	world_send_to(server, &from, &reply);
	reply.data[DNS_HEADER_SIZE + 1] = 'w';
	reply.data[DNS_HEADER_SIZE + 14] = 28;
	world_send_to(server, &from, &reply);
	/* Right, but from somebody else; the kernel does not even give us that one. */
	reply.data[DNS_HEADER_SIZE + 14] = 1;
	world_send_to(other, &from, &reply);
	/* The question itself, nothing, and half of a header. */
	world_send_to(server, &from, &asked);
	reply.size = 0;
	world_send_to(server, &from, &reply);
	reply.size = 7;
	world_send_to(server, &from, &reply);
	ck_assert(!world_serve(guest, 30));
	ck_assert_uint_eq(resolver->slots[0].strange, 6);

	message_reply(&reply, &asked, DNS_NOERROR);
	message_address(&reply, NULL, "192.0.2.1");
	world_send_to(server, &from, &reply);
	ck_assert_str_eq(world_answer(guest), "NOERROR 192.0.2.1");
}
END_TEST

START_TEST(who_guesses_has_to_begin_again)
{
	autoclose int guest = -EBADF, server = -EBADF;
	struct sockaddr_in second;
	uint16_t id;

	world_enter(CONF1);
	world_open(&plain);
	guest = world_guest();
	server = world_server("127.0.0.53");
	world_ask(guest, 1, "www.example", DNS_A);
	world_receive(server, &asked, &from);
	id = dns_get16(asked.data);
	message_reply(&reply, &asked, DNS_NOERROR);
	for (unsigned int i = 1; i <= 8; i++) {
		dns_put16(reply.data, id + i);
		world_send_to(server, &from, &reply);
	}
	world_receive(server, &asked, &second);
	ck_assert(second.sin_port != from.sin_port);
	message_reply(&reply, &asked, DNS_NOERROR);
	message_address(&reply, NULL, "192.0.2.1");
	world_send_to(server, &second, &reply);
	ck_assert_str_eq(world_answer(guest), "NOERROR 192.0.2.1");
}
END_TEST

START_TEST(the_next_server_is_tried)
{
	autoclose int guest = -EBADF, first = -EBADF, second = -EBADF;

	world_enter(CONF2);
	world_open(&impatient);
	guest = world_guest();
	first = world_server("127.0.0.53");
	second = world_server("127.0.0.54");
	world_ask(guest, 1, "www.example", DNS_A);
	world_receive(first, &asked, NULL);
	world_serve_address(second, "192.0.2.1");
	ck_assert_str_eq(world_answer(guest), "NOERROR 192.0.2.1");
	/* Which is asked first from now on. */
	world_ask(guest, 2, "www.example", DNS_A);
	world_serve_address(second, "192.0.2.2");
	ck_assert_str_eq(world_answer(guest), "NOERROR 192.0.2.2");
	ck_assert(!world_serve(first, 20));
}
END_TEST

START_TEST(a_server_that_is_not_there_costs_no_time)
{
	autoclose int guest = -EBADF, second = -EBADF;
	uint64_t begin;

	world_enter(CONF2);
	world_open(&plain);
	guest = world_guest();
	second = world_server("127.0.0.54");
	begin = clock_monotonic_us();
	world_ask(guest, 1, "www.example", DNS_A);
	world_serve_address(second, "192.0.2.1");
	ck_assert_str_eq(world_answer(guest), "NOERROR 192.0.2.1");
	fd_close(&second);
	ck_assert_str_eq(world_ask_and_answer(guest, "www.example", DNS_A), "SERVFAIL");
	ck_assert_uint_lt(clock_monotonic_us() - begin, 2000000);
}
END_TEST

START_TEST(a_server_that_cannot_answer_is_not_the_last)
{
	autoclose int guest = -EBADF, first = -EBADF, second = -EBADF;

	world_enter(CONF2);
	world_open(&plain);
	guest = world_guest();
	first = world_server("127.0.0.53");
	second = world_server("127.0.0.54");
	world_ask(guest, 1, "www.example", DNS_A);
	world_serve_code(first, DNS_SERVFAIL);
	world_serve_address(second, "192.0.2.1");
	ck_assert_str_eq(world_answer(guest), "NOERROR 192.0.2.1");
	world_ask(guest, 1, "www.example", DNS_A);
	world_serve_code(first, DNS_REFUSED);
	world_serve_code(second, DNS_SERVFAIL);
	ck_assert_str_eq(world_answer(guest), "SERVFAIL");
	/* One that does not even repeat the question. */
	world_ask(guest, 1, "www.example", DNS_A);
	world_receive(first, &asked, &from);
	message_reply(&reply, &asked, DNS_FORMERR);
	reply.size = DNS_HEADER_SIZE;
	reply.data[5] = 0;
	world_send_to(first, &from, &reply);
	world_receive(second, &asked, &from);
	message_reply(&reply, &asked, DNS_NOTIMP);
	reply.size = DNS_HEADER_SIZE;
	reply.data[5] = 0;
	world_send_to(second, &from, &reply);
	ck_assert_str_eq(world_answer(guest), "NOTIMP");
	/* That a name does not exist is an answer. */
	world_ask(guest, 1, "www.example", DNS_A);
	world_serve_code(first, DNS_NXDOMAIN);
	ck_assert_str_eq(world_answer(guest), "NXDOMAIN");
}
END_TEST

START_TEST(the_only_server_may_be_slow)
{
	autoclose int guest = -EBADF, server = -EBADF;
	struct sockaddr_in second;

	world_enter(CONF1);
	world_open(&impatient);
	guest = world_guest();
	server = world_server("127.0.0.53");
	world_ask(guest, 1, "www.example", DNS_A);
	world_receive(server, &asked, &from);
	/* Asked again in the same words, so that each of the answers will do. */
	world_receive(server, &reply, &second);
	ck_assert_uint_eq(from.sin_port, second.sin_port);
	ck_assert_mem_eq(asked.data, reply.data, asked.size);
	ck_assert(!world_serve(guest, SHORT_US / 1000 * 2));
	message_reply(&reply, &asked, DNS_NOERROR);
	message_address(&reply, NULL, "192.0.2.1");
	world_send_to(server, &from, &reply);
	ck_assert_str_eq(world_answer(guest), "NOERROR 192.0.2.1");
}
END_TEST

START_TEST(patience_has_an_end)
{
	autoclose int guest = -EBADF, server = -EBADF;
	uint64_t begin;

	world_enter(CONF1);
	world_open(&impatient);
	guest = world_guest();
	server = world_server("127.0.0.53");
	begin = clock_monotonic_us();
	ck_assert_str_eq(world_ask_and_answer(guest, "www.example", DNS_A), "SERVFAIL");
	ck_assert_uint_ge(clock_monotonic_us() - begin, 5 * SHORT_US);
	ck_assert_uint_eq(resolver->outstanding, 0);
	ck_assert_uint_eq(resolver_counts(resolver).failed, 1);
}
END_TEST

START_TEST(a_question_that_is_repeated_is_asked_once)
{
	autoclose int guest = -EBADF, server = -EBADF;

	world_enter(CONF1);
	world_open(&plain);
	guest = world_guest();
	server = world_server("127.0.0.53");
	for (int i = 0; i < 5; i++)
		world_ask(guest, 1, "www.example", DNS_A);
	world_receive(server, &asked, &from);
	ck_assert(!world_serve(server, 20));
	ck_assert_uint_eq(resolver->outstanding, 1);
	message_reply(&reply, &asked, DNS_NXDOMAIN);
	world_send_to(server, &from, &reply);
	ck_assert_str_eq(world_answer(guest), "NXDOMAIN");
	ck_assert(!world_serve(guest, 20));
}
END_TEST

START_TEST(a_question_of_many_is_asked_once)
{
	autoclose int guest = -EBADF, server = -EBADF;

	world_enter(CONF1);
	world_open(&plain);
	guest = world_guest();
	server = world_server("127.0.0.53");
	for (uint16_t id = 1; id <= 10; id++)
		world_ask(guest, id, id % 2 ? "www.example" : "WWW.example", DNS_A);
	world_ask(guest, 11, "www.example", DNS_AAAA);
	world_receive(server, &asked, &from);
	message_reply(&reply, &asked, DNS_NOERROR);
	message_address(&reply, NULL, "192.0.2.1");
	world_receive(server, &asked, NULL); /* the other type */
	ck_assert(!world_serve(server, 20));
	ck_assert_uint_eq(resolver->outstanding, 11);
	world_send_to(server, &from, &reply);
	for (uint16_t id = 1; id <= 10; id++) {
		world_receive(guest, &answer, NULL);
		ck_assert_str_eq(message_show(&answer), "NOERROR 192.0.2.1");
		ck_assert_uint_eq(answer.data[DNS_HEADER_SIZE + 1],
				  dns_get16(answer.data) % 2 ? 'w' : 'W');
	}
	ck_assert_uint_eq(resolver->outstanding, 1);
}
END_TEST

START_TEST(other_flags_have_to_wait)
{
	autoclose int guest = -EBADF, server = -EBADF;

	world_enter(CONF1);
	world_open(&plain);
	guest = world_guest();
	server = world_server("127.0.0.53");
	world_ask(guest, 1, "www.example", DNS_A);
	for (uint16_t id = 2; id <= 4; id++) {
		message_ask(&asked, id, "www.example", DNS_A, id < 4 ? 1232 : 0);
		if (id == 4)
			asked.data[3] |= DNS_FLAG_UNCHECKED;
		world_send(guest, &asked);
	}
	world_serve_address(server, "192.0.2.1");
	ck_assert_str_eq(world_answer(guest), "NOERROR 192.0.2.1");
	/* Of the two with EDNS one is asked, and the last waits. */
	world_receive(server, &asked, &from);
	ck_assert_uint_eq(asked.data[11], 1);
	ck_assert(!world_serve(server, 20));
	message_reply(&reply, &asked, DNS_NXDOMAIN);
	world_send_to(server, &from, &reply);
	ck_assert_str_eq(world_answer(guest), "NXDOMAIN");
	ck_assert_str_eq(world_answer(guest), "NXDOMAIN");
	world_receive(server, &asked, &from);
	ck_assert_uint_ne(asked.data[3] & DNS_FLAG_UNCHECKED, 0);
	message_reply(&reply, &asked, DNS_REFUSED);
	world_send_to(server, &from, &reply);
	ck_assert_str_eq(world_answer(guest), "REFUSED");
	ck_assert_uint_eq(resolver->outstanding, 0);
}
END_TEST

START_TEST(those_who_wait_hear_of_the_failure)
{
	autoclose int guest = -EBADF, server = -EBADF;

	world_enter(CONF1);
	world_open(&impatient);
	guest = world_guest();
	server = world_server("127.0.0.53");
	world_ask(guest, 1, "www.example", DNS_A);
	world_ask(guest, 2, "www.example", DNS_A);
	message_ask(&asked, 3, "www.example", DNS_A, 1232);
	world_send(guest, &asked);
	for (int i = 0; i < 3; i++)
		ck_assert_str_eq(world_answer(guest), "SERVFAIL");
	ck_assert_uint_eq(resolver->outstanding, 0);
}
END_TEST

START_TEST(too_many_questions_fail_at_once)
{
	autoclose int guest = -EBADF, server = -EBADF;
	char name[32];
	unsigned int failed = 0;

	world_enter(CONF1);
	world_open(&plain);
	guest = world_guest();
	server = world_server("127.0.0.53");
	for (uint16_t i = 0; i < RESOLVER_OUTSTANDING + 10; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		world_ask(guest, i, name, DNS_A);
		resolver_serve(resolver);
	}
	for (int i = 0; i < 10; i++)
		failed += strcmp(world_answer(guest), "SERVFAIL") == 0;
	ck_assert_uint_eq(failed, 10);
	ck_assert_uint_eq(resolver->outstanding, RESOLVER_OUTSTANDING);
	/* Each that is answered makes room for another. */
	for (int i = 0; i < RESOLVER_OUTSTANDING; i++) {
		world_serve_address(server, "192.0.2.1");
		ck_assert_str_eq(world_answer(guest), "NOERROR 192.0.2.1");
	}
	ck_assert_uint_eq(resolver->outstanding, 0);
	world_ask(guest, 1, "www.example", DNS_A);
	world_serve_address(server, "192.0.2.1");
	ck_assert_str_eq(world_answer(guest), "NOERROR 192.0.2.1");
}
END_TEST

START_TEST(the_size_that_the_guest_takes_counts)
{
	static const struct {
		uint16_t takes, wanted;
	} cases[] = { { 0, 0 }, { 100, 512 }, { 700, 700 }, { 1232, 1232 }, { 4000, 1232 } };
	autoclose int guest = -EBADF, server = -EBADF;
	static struct message question;

	world_enter(CONF1);
	world_open(&plain);
	guest = world_guest();
	server = world_server("127.0.0.53");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t takes = MAX(cases[i].takes, DNS_UDP_MIN);

		message_ask(&question, 1, "www.example", DNS_A, cases[i].takes);
		world_send(guest, &question);
		world_receive(server, &asked, &from);
		ck_assert_uint_eq(asked.data[11], cases[i].takes > 0);
		if (cases[i].takes > 0)
			ck_assert_uint_eq(dns_get16(asked.data + asked.size - 8), cases[i].wanted);
		/* One byte more than goes in is not told at all. */
		message_reply(&reply, &asked, DNS_NOERROR);
		message_record(&reply, DNS_ANSWER, NULL, 16, 1, asked.data,
			       takes - reply.size - 12 + 1);
		world_send_to(server, &from, &reply);
		world_receive(guest, &answer, NULL);
		ck_assert_str_eq(message_show(&answer), "NOERROR+tc");
		ck_assert_uint_eq(answer.size, asked.size);

		world_send(guest, &question);
		world_receive(server, &asked, &from);
		message_reply(&reply, &asked, DNS_NOERROR);
		message_record(&reply, DNS_ANSWER, NULL, 16, 1, asked.data,
			       takes - reply.size - 12);
		world_send_to(server, &from, &reply);
		world_receive(guest, &answer, NULL);
		ck_assert_str_eq(message_show(&answer), "NOERROR");
		ck_assert_uint_eq(answer.size, takes);
	}
}
END_TEST

START_TEST(another_file_is_another_server)
{
	autoclose int guest = -EBADF, first = -EBADF, second = -EBADF;

	world_enter(CONF1);
	world_open(&plain);
	guest = world_guest();
	first = world_server("127.0.0.53");
	second = world_server("127.0.0.54");
	world_ask(guest, 1, "www.example", DNS_A);
	world_serve_address(first, "192.0.2.1");
	world_answer(guest);
	fixture_write(CONF, "nameserver 127.0.0.54\n");
	usleep(1010000);
	world_ask(guest, 1, "www.example", DNS_A);
	world_serve_address(second, "192.0.2.2");
	ck_assert_str_eq(world_answer(guest), "NOERROR 192.0.2.2");
}
END_TEST

START_TEST(servers_take_turns_if_they_shall)
{
	autoclose int guest = -EBADF, first = -EBADF, second = -EBADF;
	int fds[2];

	world_enter(CONF2 "options rotate\n");
	world_open(&plain);
	guest = world_guest();
	fds[1] = first = world_server("127.0.0.53");
	fds[0] = second = world_server("127.0.0.54");
	for (int i = 0; i < 4; i++) {
		world_ask(guest, 1, "www.example", DNS_A);
		world_serve_address(fds[i % 2], "192.0.2.1");
		world_answer(guest);
	}
}
END_TEST

/* A machine that may not reach everything. */

static int learned(void *context, const char *name, struct resolver_address *addresses,
		   size_t count)
{
	int *total = context;

	ck_assert_str_eq(name, "www.example");
	for (size_t i = 0; i < count; i++) {
		addresses[i].refused = addresses[i].bytes[0] == 127;
		*total += !addresses[i].refused;
	}
	return 0;
}

START_TEST(a_restricted_machine_sees_what_is_allowed)
{
	autoclose int guest = -EBADF, server = -EBADF;
	int total = 0;

	world_enter(CONF1);
	world_open(&(struct resolver_config){ .context = &total, .learned = learned });
	guest = world_guest();
	server = world_server("127.0.0.53");
	/* All of it. */
	world_ask(guest, 1, "www.example", DNS_A);
	world_receive(server, &asked, &from);
	message_reply(&reply, &asked, DNS_NOERROR);
	message_alias(&reply, NULL, "cdn.example");
	message_address(&reply, "cdn.example", "192.0.2.1");
	world_send_to(server, &from, &reply);
	ck_assert_str_eq(world_answer(guest), "NOERROR cdn.example 192.0.2.1");
	ck_assert_int_eq(total, 1);
	/* A part of it, and it is the name's own then; once for two who ask. */
	message_ask(&asked, 2, "www.example", DNS_A, 1232);
	world_send(guest, &asked);
	asked.data[1] = 3;
	world_send(guest, &asked);
	world_receive(server, &asked, &from);
	message_reply(&reply, &asked, DNS_NOERROR);
	message_alias(&reply, NULL, "cdn.example");
	message_address(&reply, "cdn.example", "127.0.0.1");
	message_address(&reply, "cdn.example", "192.0.2.1");
	world_send_to(server, &from, &reply);
	for (int i = 0; i < 2; i++) {
		world_receive(guest, &answer, NULL);
		ck_assert_str_eq(message_show(&answer), "NOERROR 192.0.2.1");
		ck_assert_uint_eq(answer.data[11], 1); /* OPT */
	}
	ck_assert_int_eq(total, 2);
	/* Nothing of it. */
	world_ask(guest, 1, "www.example", DNS_A);
	world_serve_address(server, "127.0.0.1");
	ck_assert_str_eq(world_answer(guest), "REFUSED");
	/* Without what is behind the answers. */
	message_ask(&asked, 2, "www.example", 15, 1232);
	world_send(guest, &asked);
	world_receive(server, &asked, &from);
	message_reply(&reply, &asked, DNS_NOERROR);
	message_record(&reply, DNS_ANSWER, NULL, 15, 300, "\0\1\4mail\0", 8);
	message_record(&reply, DNS_ADDITIONAL, "mail", DNS_A, 300, "\x7f\0\0\1", 4);
	world_send_to(server, &from, &reply);
	world_receive(guest, &answer, NULL);
	ck_assert_str_eq(message_show(&answer), "NOERROR");
	ck_assert_uint_eq(answer.size, asked.size + 20);
	ck_assert_int_eq(total, 2);
}
END_TEST

static bool none_is_allowed(void *context, const char *name)
{
	(void)context;
	(void)name;
	return false;
}

START_TEST(what_is_not_allowed_leaves_no_trace)
{
	autoclose int guest = -EBADF, server = -EBADF;

	world_enter(CONF1);
	world_open(&(struct resolver_config){ .allowed = none_is_allowed });
	guest = world_guest();
	server = world_server("127.0.0.53");
	ck_assert_str_eq(world_ask_and_answer(guest, "secret.evil.example", DNS_A), "REFUSED");
	ck_assert_str_eq(world_ask_and_answer(guest, "secret.evil.example", 16), "REFUSED");
	ck_assert_str_eq(world_ask_and_answer(guest, ".", 2), "REFUSED");
	ck_assert(!world_serve(server, 20));
}
END_TEST

static int count_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 512; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

START_TEST(nothing_stays_open)
{
	autoclose int guest = -EBADF, server = -EBADF;
	int before;

	world_enter(CONF1);
	before = count_fds();
	world_open(&plain);
	guest = world_guest();
	server = world_server("127.0.0.53");
	for (uint16_t i = 0; i < 10; i++)
		world_ask(guest, i, i % 2 ? "a.example" : "b.example", DNS_A);
	world_receive(server, &asked, NULL);
	resolver_done(&resolver);
	ck_assert_int_eq(count_fds(), before + 2);
}
END_TEST

START_TEST(no_descriptor_is_no_answer)
{
	autoclose int guest = -EBADF;

	world_enter(CONF1);
	world_open(&plain);
	guest = world_guest();
	fixture_deny(SYS_socket, EMFILE);
	ck_assert_str_eq(world_ask_and_answer(guest, "www.example", DNS_A), "SERVFAIL");
	ck_assert_uint_eq(resolver->outstanding, 0);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("resolver-forward");

	tcase_set_timeout(cases, 30);
	tcase_add_test(cases, the_hosts_resolvers_are_asked);
	tcase_add_test(cases, ports_and_ids_are_not_guessed);
	tcase_add_test(cases, what_does_not_answer_the_question_is_no_answer);
	tcase_add_test(cases, who_guesses_has_to_begin_again);
	tcase_add_test(cases, the_next_server_is_tried);
	tcase_add_test(cases, a_server_that_is_not_there_costs_no_time);
	tcase_add_test(cases, a_server_that_cannot_answer_is_not_the_last);
	tcase_add_test(cases, the_only_server_may_be_slow);
	tcase_add_test(cases, patience_has_an_end);
	tcase_add_test(cases, a_question_that_is_repeated_is_asked_once);
	tcase_add_test(cases, a_question_of_many_is_asked_once);
	tcase_add_test(cases, other_flags_have_to_wait);
	tcase_add_test(cases, those_who_wait_hear_of_the_failure);
	tcase_add_test(cases, too_many_questions_fail_at_once);
	tcase_add_test(cases, the_size_that_the_guest_takes_counts);
	tcase_add_test(cases, another_file_is_another_server);
	tcase_add_test(cases, servers_take_turns_if_they_shall);
	tcase_add_test(cases, a_restricted_machine_sees_what_is_allowed);
	tcase_add_test(cases, what_is_not_allowed_leaves_no_trace);
	tcase_add_test(cases, nothing_stays_open);
	tcase_add_test(cases, no_descriptor_is_no_answer);
	return fixture_run(cases, "net/resolver-forward");
}
