#include "net/resolver-listen.h"

#include <sys/syscall.h>

#include "kernel/capability.h"
#include "net/resolver-fixture.h"

static const struct resolver_address gateway = { .family = AF_INET, .bytes = { 10, 213, 0, 1 } };
static const struct resolver_address any[] = { { .family = AF_INET }, { .family = AF_INET6 } };

static struct resolver *open_at(const struct resolver_address *addresses, size_t count,
				uint16_t port)
{
	struct resolver_config config = {
		.listen = addresses,
		.listen_count = count,
		.port = port,
	};
	struct resolver *ret = NULL;

	ck_assert_int_eq(resolver_open(&ret, &config), 0);
	return ret;
}

/* For the guest at 10.213.0.LAST. */
static struct resolver *open_for(uint8_t last)
{
	const struct resolver_prefix client = { AF_INET, { 10, 213, 0, last }, 32 };
	struct resolver_config config = {
		.listen = &gateway,
		.listen_count = 1,
		.clients = &client,
		.client_count = 1,
	};
	struct resolver *ret = NULL;

	ck_assert_int_eq(resolver_open(&ret, &config), 0);
	return ret;
}

static int count_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 512; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

START_TEST(one_port_for_all)
{
	int before;

	world_enter("");
	before = count_fds();
	resolver = open_at(any, 2, 0);
	ck_assert_uint_eq(resolver->listener_count, 2);
	for (size_t i = 0; i < 2; i++) {
		const int fds[] = { resolver->listeners[i].udp, resolver->listeners[i].tcp };

		for (size_t k = 0; k < 2; k++) {
			union resolver_socket_address name;
			socklen_t size = sizeof(name);

			ck_assert_int_eq(getsockname(fds[k], &name.any, &size), 0);
			ck_assert_uint_eq(ntohs(name.four.sin_port), resolver_port(resolver));
			ck_assert_int_ne(fcntl(fds[k], F_GETFD) & FD_CLOEXEC, 0);
		}
	}
	/* Not for everybody to take. */
	ck_assert_uint_lt(resolver_port(resolver), 1024);
	resolver_done(&resolver);
	ck_assert_ptr_null(resolver);
	ck_assert_int_eq(count_fds(), before);
	resolver_done(&resolver);
}
END_TEST

START_TEST(addresses_may_come_later)
{
	world_enter("");
	resolver = open_at(&gateway, 1, 0);
	ck_assert_uint_ne(resolver_port(resolver), 0);
}
END_TEST

START_TEST(the_port_of_before_is_kept)
{
	struct resolver *other;
	uint16_t port;

	world_enter("");
	resolver = open_at(&gateway, 1, 0);
	port = resolver_port(resolver);
	/* Taken: another one. */
	other = open_at(&gateway, 1, port);
	ck_assert_uint_ne(resolver_port(other), port);
	resolver_done(&other);
	resolver_done(&resolver);
	resolver = open_at(&gateway, 1, port);
	ck_assert_uint_eq(resolver_port(resolver), port);
}
END_TEST

START_TEST(who_is_back_has_the_port_of_before)
{
	struct resolver *sibling;
	uint16_t port;

	world_enter("");
	resolver = open_for(2);
	port = resolver_port(resolver);
	sibling = open_for(3);
	ck_assert_uint_ne(resolver_port(sibling), port);
	resolver_done(&resolver);
	resolver = open_for(2);
	ck_assert_uint_eq(resolver_port(resolver), port);
	/* whoever else is there meanwhile */
	port = resolver_port(sibling);
	resolver_done(&sibling);
	resolver_done(&resolver);
	resolver = open_for(3);
	ck_assert_uint_eq(resolver_port(resolver), port);
}
END_TEST

START_TEST(there_are_ports_for_many)
{
	struct resolver *all[150];
	unsigned int reserved = 0;

	world_enter("");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		all[i] = open_for((uint8_t)(i + 2));
		reserved += resolver_port(all[i]) < 1024;
	}
	ck_assert_uint_ge(reserved, 100);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		for (size_t k = 0; k < i; k++)
			ck_assert_uint_ne(resolver_port(all[i]), resolver_port(all[k]));
}
END_TEST

START_TEST(a_port_that_is_half_taken_is_not_used)
{
	autoclose int tcp = -EBADF;
	uint16_t port;

	world_enter("");
	resolver = open_at(any, 2, 0);
	port = resolver_port(resolver);
	resolver_done(&resolver);
	tcp = world_socket("127.0.0.1", port, SOCK_STREAM);
	resolver = open_at(any, 2, port);
	ck_assert_uint_ne(resolver_port(resolver), port);
}
END_TEST

START_TEST(users_get_another_port)
{
	world_enter("");
	ck_assert_int_eq(capability_set(0, 0, 0), 0);
	resolver = open_at(any, 2, 0);
	ck_assert_uint_ge(resolver_port(resolver), 1024);
}
END_TEST

START_TEST(what_is_wrong_is_told)
{
	static const struct resolver_address strange = { .family = AF_UNIX };
	struct resolver_config config = { .listen = &gateway };
	char longest[300];
	int before;

	world_enter("");
	before = count_fds();
	ck_assert_int_eq(resolver_open(&resolver, &config), -EINVAL);
	config.listen_count = RESOLVER_LISTEN_MAX + 1;
	ck_assert_int_eq(resolver_open(&resolver, &config), -EINVAL);
	config.listen_count = 1;
	config.client_count = RESOLVER_CLIENTS_MAX + 1;
	ck_assert_int_eq(resolver_open(&resolver, &config), -EINVAL);
	config.client_count = 0;
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	config.domain = longest;
	ck_assert_int_eq(resolver_open(&resolver, &config), -ENAMETOOLONG);
	config.domain = NULL;
	config.resolv_conf = longest;
	ck_assert_int_eq(resolver_open(&resolver, &config), -ENAMETOOLONG);
	config.resolv_conf = NULL;
	config.listen = &strange;
	ck_assert_int_lt(resolver_open(&resolver, &config), 0);
	ck_assert_ptr_null(resolver);
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

/* Two addresses on one interface: the answer comes from the one that was asked. */
START_TEST(the_address_that_was_asked_answers)
{
	static struct message message;
	struct sockaddr_in to = { .sin_family = AF_INET }, from;
	autoclose int guest = -EBADF;

	world_enter("");
	resolver = open_at(any, 2, 0);
	guest = world_socket("127.0.0.1", 0, SOCK_DGRAM);
	to.sin_port = htons(resolver_port(resolver));
	ck_assert_int_eq(inet_pton(AF_INET, "127.0.0.77", &to.sin_addr), 1);
	message_ask(&message, 1, "localhost", DNS_A, 0);
	world_send_to(guest, &to, &message);
	world_receive(guest, &message, &from);
	ck_assert_str_eq(message_show(&message), "NOERROR 127.0.0.1");
	ck_assert_uint_eq(from.sin_addr.s_addr, to.sin_addr.s_addr);
	ck_assert_uint_eq(from.sin_port, to.sin_port);
}
END_TEST

START_TEST(a_family_that_the_kernel_lacks_is_left_out)
{
	world_enter("");
	fixture_deny(SYS_socket, EAFNOSUPPORT);
	ck_assert_int_eq(resolver_open(&resolver,
				       &(struct resolver_config){
					       .listen = any,
					       .listen_count = 2,
				       }),
			 -EAFNOSUPPORT);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("resolver-listen");

	tcase_add_test(cases, one_port_for_all);
	tcase_add_test(cases, addresses_may_come_later);
	tcase_add_test(cases, the_port_of_before_is_kept);
	tcase_add_test(cases, who_is_back_has_the_port_of_before);
	tcase_add_test(cases, there_are_ports_for_many);
	tcase_add_test(cases, a_port_that_is_half_taken_is_not_used);
	tcase_add_test(cases, users_get_another_port);
	tcase_add_test(cases, what_is_wrong_is_told);
	tcase_add_test(cases, the_address_that_was_asked_answers);
	tcase_add_test(cases, a_family_that_the_kernel_lacks_is_left_out);
	return fixture_run(cases, "net/resolver-listen");
}
