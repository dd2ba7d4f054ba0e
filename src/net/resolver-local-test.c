#include "net/resolver-local.h"

#include "net/resolver-fixture.h"

static char looked_up[1024];
static int lookups;

static int lookup(void *context, struct resolver_address *ret, size_t room, const char *name,
		  int family)
{
	static const struct {
		const char *name, *address;
	} known[] = {
		{ "web", "10.213.0.2" },   { "web", "10.213.0.6" }, { "web", "fd00::2" },
		{ "_host", "10.213.0.1" }, { "a.b", "10.213.0.3" }, { "Big", "10.213.0.4" },
		{ "six", "fd00::6" },	   { "none", NULL },	    { "com", "10.213.0.5" },
	};
	int count = 0, result = -ENOENT;

	ck_assert_ptr_eq(context, &lookups);
	lookups++;
	snprintf(looked_up + strlen(looked_up), sizeof(looked_up) - strlen(looked_up), "%s ", name);
	if (strcmp(name, "gone") == 0)
		return -ENXIO;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(known[i].name, name) != 0)
			continue;
		result = 0;
		if (known[i].address == NULL || (size_t)count == room ||
		    inet_pton(family, known[i].address, ret[count].bytes) != 1)
			continue;
		ret[count++].family = family;
	}
	return result < 0 ? result : count;
}

/* "web" claims what it must not have. */
static int further(void *context, struct resolver_address *ret, size_t room, const char *name,
		   int family)
{
	static const char *const names[] = { "www", "shop.example", "a.b.machine", "big", "web" };

	ck_assert_ptr_eq(context, &lookups);
	ck_assert_uint_gt(room, 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0) {
			ret->family = family;
			return inet_pton(family, "10.213.0.99", ret->bytes) == 1;
		}
	return -ENOENT;
}

static int reverse(void *context, char *ret, size_t room, int family, const uint8_t *bytes)
{
	(void)context;
	if (family == AF_INET && bytes[0] == 10 && bytes[3] == 2)
		return snprintf(ret, room, "web.machine") < 0;
	if (family == AF_INET6 && bytes[0] == 0xfd)
		return snprintf(ret, room, "not a name") < 0;
	return family == AF_INET && bytes[0] == 10 ? -ENXIO : -ENOENT;
}

static bool allowed(void *context, const char *name)
{
	(void)context;
	return strcmp(name, "allowed.example") == 0;
}

static struct resolver_config config = {
	.domain = "blue",
	.context = &lookups,
	.lookup = lookup,
	.further = further,
	.reverse = reverse,
};

static struct message answer;

/* "forward", or the answer; "refused" is told apart from a code. */
static const char *decide_class(const char *name, uint16_t type, uint16_t class)
{
	struct dns_query query;

	message_ask(&answer, 1, name, type, 0);
	dns_put16(answer.data + answer.size - 2, class);
	ck_assert_int_eq(dns_read_query(&query, answer.data, answer.size), 0);
	switch (resolver_local_answer(&config, &answer.size, answer.data, 512, &query)) {
	case RESOLVER_FORWARD: return "forward";
	case RESOLVER_REFUSED: ck_assert_str_eq(message_show(&answer), "REFUSED"); return "refused";
	case RESOLVER_LOCAL: return message_show(&answer);
	}
	return NULL;
}

static const char *decide(const char *name, uint16_t type)
{
	return decide_class(name, type, DNS_IN);
}

#define MX 15
#define DS 43
#define HTTPS 65

START_TEST(machines_have_addresses)
{
	ck_assert_str_eq(decide("web", DNS_A), "NOERROR 10.213.0.2 10.213.0.6");
	ck_assert_str_eq(decide("web", DNS_AAAA), "NOERROR fd00::2");
	ck_assert_str_eq(decide("WEB", DNS_A), "NOERROR 10.213.0.2 10.213.0.6");
	ck_assert_str_eq(decide("web.machine", DNS_A), "NOERROR 10.213.0.2 10.213.0.6");
	ck_assert_str_eq(decide("Web.Machine", DNS_AAAA), "NOERROR fd00::2");
	ck_assert_str_eq(decide("web.blue", DNS_A), "NOERROR 10.213.0.2 10.213.0.6");
	ck_assert_str_eq(decide("a.b", DNS_A), "NOERROR 10.213.0.3");
	ck_assert_str_eq(decide("a.b.machine", DNS_A), "NOERROR 10.213.0.3");
	ck_assert_str_eq(decide("_host", DNS_A), "NOERROR 10.213.0.1");
}
END_TEST

START_TEST(a_name_with_upper_case_is_found_as_it_is_spelled)
{
	ck_assert_str_eq(decide("Big", DNS_A), "NOERROR 10.213.0.4");
	ck_assert_str_eq(decide("Big.machine", DNS_A), "NOERROR 10.213.0.4");
	ck_assert_str_eq(decide("small", DNS_A), "NXDOMAIN");
}
END_TEST

START_TEST(a_further_name_is_an_answer_where_no_machine_is_called_so)
{
	static const char *const forms[] = { "www",	 "WWW",		 "www.machine",
					     "www.blue", "shop.example", "Shop.Example.machine" };

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		ck_assert_str_eq(decide(forms[i], DNS_A), "NOERROR 10.213.0.99");
	ck_assert_str_eq(decide("www", DNS_AAAA), "NOERROR");
	ck_assert_str_eq(decide("web", DNS_A), "NOERROR 10.213.0.2 10.213.0.6");
	ck_assert_str_eq(decide("a.b.machine", DNS_A), "NOERROR 10.213.0.3");
	ck_assert_str_eq(decide("Big", DNS_A), "NOERROR 10.213.0.4");
	ck_assert_str_eq(decide("big", DNS_A), "NOERROR 10.213.0.99");
	ck_assert_str_eq(decide("none", DNS_A), "NOERROR");
	ck_assert_str_eq(decide("gone", DNS_A), "NXDOMAIN");
	ck_assert_str_eq(decide("_host", DNS_AAAA), "NOERROR");
	ck_assert_str_eq(decide("localhost", DNS_A), "NOERROR 127.0.0.1");
}
END_TEST

START_TEST(a_name_without_such_a_record_exists)
{
	ck_assert_str_eq(decide("six", DNS_A), "NOERROR");
	ck_assert_str_eq(decide("_host", DNS_AAAA), "NOERROR");
	ck_assert_str_eq(decide("none", DNS_A), "NOERROR");
	ck_assert_str_eq(decide("web", MX), "NOERROR");
	ck_assert_str_eq(decide("six.machine", HTTPS), "NOERROR");
}
END_TEST

START_TEST(local_answers_are_short_lived)
{
	decide("_host", DNS_A);
	/* Authoritative; the record's time. */
	ck_assert_uint_eq(dns_get16(answer.data + 2), 0x8580);
	ck_assert_uint_eq(dns_get32(answer.data + answer.size - 10), RESOLVER_LOCAL_TTL_S);
}
END_TEST

START_TEST(unknown_names_of_ours_do_not_exist)
{
	ck_assert_str_eq(decide("other.machine", DNS_A), "NXDOMAIN");
	ck_assert_str_eq(decide("other.machine", MX), "NXDOMAIN");
	ck_assert_str_eq(decide("x.web.machine", DNS_A), "NXDOMAIN");
	ck_assert_str_eq(decide("other", DNS_A), "NXDOMAIN");
	ck_assert_str_eq(decide("other", DNS_AAAA), "NXDOMAIN");
	ck_assert_str_eq(decide("gone", DNS_A), "NXDOMAIN");
	ck_assert_str_eq(decide("gone.blue", DNS_A), "NXDOMAIN");
	/* But something is below these. */
	ck_assert_str_eq(decide("machine", DNS_A), "NOERROR");
	ck_assert_str_eq(decide("machine", DS), "NOERROR");
	ck_assert_str_eq(decide("blue", DNS_A), "NOERROR");
}
END_TEST

START_TEST(the_rest_is_of_the_world)
{
	ck_assert_str_eq(decide("www.example", DNS_A), "forward");
	ck_assert_str_eq(decide("other.blue", DNS_A), "forward");
	ck_assert_str_eq(decide("notmachine.example", DNS_A), "forward");
	ck_assert_str_eq(decide("web.machine.example", DNS_A), "forward");
	ck_assert_str_eq(decide("other", DS), "forward");
	ck_assert_str_eq(decide("blue", DS), "forward");
	ck_assert_str_eq(decide(".", 6), "forward");
	ck_assert_str_eq(decide(".", DNS_A), "forward");
	looked_up[0] = '\0';
	decide("Other.blue", DNS_A);
	ck_assert_str_eq(looked_up, "other.blue Other.blue other Other ");
}
END_TEST

START_TEST(names_with_a_meaning_of_their_own)
{
	ck_assert_str_eq(decide("localhost", DNS_A), "NOERROR 127.0.0.1");
	ck_assert_str_eq(decide("LocalHost", DNS_AAAA), "NOERROR ::1");
	ck_assert_str_eq(decide("a.b.localhost", DNS_A), "NOERROR 127.0.0.1");
	ck_assert_str_eq(decide("localhost", MX), "NOERROR");
	ck_assert_str_eq(decide("notlocalhost", DNS_A), "NXDOMAIN");
	ck_assert_str_eq(decide("localhost.example", DNS_A), "forward");
	ck_assert_str_eq(decide("a.invalid", DNS_A), "NXDOMAIN");
	ck_assert_str_eq(decide("a.onion", DNS_A), "NXDOMAIN");
	ck_assert_str_eq(decide("_dns.resolver.arpa", 64), "NOERROR");
}
END_TEST

static const char *target(void)
{
	static char text[DNS_NAME_ROOM];
	uint8_t wire[DNS_NAME_WIRE_MAX];
	size_t taken, at = answer.size;

	/* The only record's data ends the message. */
	while (at > 0 && dns_name_read(wire, &taken, answer.data, answer.size, --at) < 0)
		;
	while (at > 2 && dns_get16(answer.data + at - 2) != answer.size - at)
		at--;
	dns_name_read(wire, &taken, answer.data, answer.size, at);
	dns_name_text(text, wire, true);
	return text;
}

START_TEST(addresses_have_names)
{
	ck_assert_str_eq(decide("2.0.213.10.in-addr.arpa", DNS_PTR), "NOERROR");
	ck_assert_uint_eq(dns_get16(answer.data + 6), 1);
	ck_assert_str_eq(target(), "web.machine");
	ck_assert_str_eq(decide("1.0.0.127.in-addr.arpa", DNS_PTR), "NOERROR");
	ck_assert_str_eq(target(), "localhost");
	decide("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa", DNS_PTR);
	ck_assert_str_eq(target(), "localhost");
	ck_assert_str_eq(decide("3.0.213.10.in-addr.arpa", DNS_PTR), "NXDOMAIN");
	ck_assert_str_eq(decide("2.0.0.127.in-addr.arpa", DNS_PTR), "NXDOMAIN");
	ck_assert_str_eq(decide("8.8.8.8.in-addr.arpa", DNS_PTR), "forward");
	ck_assert_str_eq(decide("2.0.213.10.in-addr.arpa", DNS_A), "forward");
	ck_assert_str_eq(decide("213.10.in-addr.arpa", DNS_PTR), "forward");
	/* A callback's mistake. */
	ck_assert_str_eq(decide("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f."
				"ip6.arpa",
				DNS_PTR),
			 "NOERROR");
	ck_assert_uint_eq(dns_get16(answer.data + 6), 0);
}
END_TEST

START_TEST(some_questions_are_refused)
{
	static const uint16_t types[] = { 0, 41, 128, 249, 250, 251, 252, 253, 254, 255 };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		ck_assert_str_eq(decide("www.example", types[i]), "refused");
		ck_assert_str_eq(decide("web", types[i]), "refused");
	}
	ck_assert_str_eq(decide("www.example", 256), "forward");
	ck_assert_str_eq(decide_class("version.bind", 16, 3), "refused");
	ck_assert_str_eq(decide_class("www.example", DNS_A, 255), "refused");
}
END_TEST

START_TEST(what_is_not_allowed_is_refused)
{
	config.allowed = allowed;
	ck_assert_str_eq(decide("allowed.example", DNS_A), "forward");
	ck_assert_str_eq(decide("ALLOWED.example", 16), "forward");
	ck_assert_str_eq(decide("www.example", DNS_A), "refused");
	ck_assert_str_eq(decide("x.allowed.example", DNS_A), "refused");
	ck_assert_str_eq(decide("8.8.8.8.in-addr.arpa", DNS_PTR), "refused");
	ck_assert_str_eq(decide("com", DS), "NOERROR"); /* a machine */
	ck_assert_str_eq(decide("org", DS), "refused");
	/* Names of ours need no permission. */
	ck_assert_str_eq(decide("web", DNS_AAAA), "NOERROR fd00::2");
}
END_TEST

START_TEST(without_callbacks_there_are_no_machines)
{
	config = (struct resolver_config){ .context = NULL };
	ck_assert_str_eq(decide("web", DNS_A), "NXDOMAIN");
	ck_assert_str_eq(decide("web.machine", DNS_A), "NXDOMAIN");
	ck_assert_str_eq(decide("2.0.213.10.in-addr.arpa", DNS_PTR), "forward");
	ck_assert_str_eq(decide("www.example", DNS_A), "forward");
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("resolver-local");

	tcase_add_test(cases, machines_have_addresses);
	tcase_add_test(cases, a_name_with_upper_case_is_found_as_it_is_spelled);
	tcase_add_test(cases, a_further_name_is_an_answer_where_no_machine_is_called_so);
	tcase_add_test(cases, a_name_without_such_a_record_exists);
	tcase_add_test(cases, local_answers_are_short_lived);
	tcase_add_test(cases, unknown_names_of_ours_do_not_exist);
	tcase_add_test(cases, the_rest_is_of_the_world);
	tcase_add_test(cases, names_with_a_meaning_of_their_own);
	tcase_add_test(cases, addresses_have_names);
	tcase_add_test(cases, some_questions_are_refused);
	tcase_add_test(cases, what_is_not_allowed_is_refused);
	tcase_add_test(cases, without_callbacks_there_are_no_machines);
	return fixture_run(cases, "net/resolver-local");
}
