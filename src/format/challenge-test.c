#include "format/challenge.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "base/unit.h"

START_TEST(a_bearer_says_where_its_token_is)
{
	struct challenge found;

	ck_assert_int_eq(challenge_parse(&found, "Bearer realm=\"https://auth.example.com/token\","
						 "service=\"registry.example.com\","
						 "scope=\"repository:a/b:pull,push\""),
			 0);
	ck_assert(found.bearer && !found.basic);
	ck_assert_str_eq(found.realm, "https://auth.example.com/token");
	ck_assert_str_eq(found.service, "registry.example.com");
	ck_assert_str_eq(found.scope, "repository:a/b:pull,push");
}
END_TEST

START_TEST(case_blanks_quotes_and_order_do_not_matter)
{
	struct challenge found;

	ck_assert_int_eq(challenge_parse(&found, "bearer SCOPE=x , Realm=\"a\\\"b\\\\c\""), 0);
	ck_assert_str_eq(found.realm, "a\"b\\c");
	ck_assert_str_eq(found.scope, "x");
	ck_assert_str_eq(found.service, "");
}
END_TEST

START_TEST(of_several_each_is_known)
{
	struct challenge found;

	ck_assert_int_eq(challenge_parse(&found, "Digest nonce=\"1\", Basic realm=\"basic\", "
						 "Bearer realm=\"one\", Bearer realm=\"two\""),
			 0);
	ck_assert(found.bearer && found.basic);
	ck_assert_str_eq(found.realm, "one");
	ck_assert_int_eq(challenge_parse(&found, "Basic"), 0);
	ck_assert(!found.bearer && found.basic);
}
END_TEST

START_TEST(anything_else_is_refused)
{
	static const char *const bad[] = {
		"",
		",",
		"Digest realm=\"x\"",
		"realm=\"x\"",
		"Bearer realm=\"x",
		"Bearer realm=",
		"Bearer realm=\"x\\",
		"Bearer realm=\"a\nb\"",
		"Bearer realm=\"a\x7f\"",
		"Bearer realm=\"a\xc3\xa4\"",
		"=x",
		"Bearer \"x\"",
		"Bearer =",
	};
	struct challenge found = { .basic = true };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ck_assert_msg(challenge_parse(&found, bad[i]) == -EINVAL, "'%s'", bad[i]);
		ck_assert(found.basic && !found.bearer);
	}
}
END_TEST

START_TEST(what_is_too_long_is_refused)
{
	struct challenge found;
	char text[4000];

	memset(text, 'a', sizeof(text));
	memcpy(text, "Bearer realm=\"", 14);
	memcpy(text + sizeof(text) - 2, "\"", 2);
	ck_assert_int_eq(challenge_parse(&found, text), -EINVAL);
	memcpy(text, "Bearer scope=\"", 14);
	memcpy(text + 700, "\"", 2);
	ck_assert_int_eq(challenge_parse(&found, text), -EINVAL);
	memcpy(text + 500, "\"", 2);
	ck_assert_int_eq(challenge_parse(&found, text), 0);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/challenge", a_bearer_says_where_its_token_is,
			case_blanks_quotes_and_order_do_not_matter, of_several_each_is_known,
			anything_else_is_refused, what_is_too_long_is_refused);
}
