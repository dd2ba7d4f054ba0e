#include <signal.h>
#include <string.h>

#include "base/arena.h"
#include "base/unit.h"
#include "format/json-out.h"

static void write_sample(struct json_out *json)
{
	json_out_begin_object(json, NULL);
	json_out_text(json, "name", "web");
	json_out_begin_array(json, "steps");
	json_out_unsigned(json, NULL, UINT64_MAX);
	json_out_signed(json, NULL, INT64_MIN);
	json_out_begin_object(json, NULL);
	json_out_end_object(json);
	json_out_end_array(json);
	json_out_bool(json, "locked", true);
	json_out_bool(json, "open", false);
	json_out_text(json, "none", NULL);
	json_out_begin_array(json, "empty");
	json_out_end_array(json);
	json_out_end_object(json);
}

START_TEST(the_short_form_has_no_blanks)
{
	autoarena struct arena arena = {};
	struct json_out json;

	json_out_init(&json, &arena, false);
	write_sample(&json);
	ck_assert_str_eq(json_out_done(&json),
			 "{\"name\":\"web\",\"steps\":[18446744073709551615,"
			 "-9223372036854775808,{}],\"locked\":true,\"open\":false,"
			 "\"none\":null,\"empty\":[]}\n");
}
END_TEST

START_TEST(the_pretty_form_is_indented)
{
	autoarena struct arena arena = {};
	struct json_out json;

	json_out_init(&json, &arena, true);
	write_sample(&json);
	ck_assert_str_eq(json_out_done(&json),
			 "{\n\t\"name\": \"web\",\n\t\"steps\": [\n\t\t18446744073709551615,\n"
			 "\t\t-9223372036854775808,\n\t\t{}\n\t],\n\t\"locked\": true,\n"
			 "\t\"open\": false,\n\t\"none\": null,\n\t\"empty\": []\n}\n");
}
END_TEST

START_TEST(strings_may_hold_anything)
{
	static const char text[] = "a\"\\/\b\f\n\r\t\x01\x7f\xc2\x9b\xc3\xa9\xff\xe2\x80\xae\0z";
	autoarena struct arena arena = {};
	struct json_out json;

	json_out_init(&json, &arena, false);
	json_out_text_n(&json, NULL, text, sizeof(text) - 1);
	ck_assert_str_eq(json_out_done(&json),
			 "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u007f\\u009b\xc3\xa9\\ufffd"
			 "\\u202e\\u0000z\"\n");
}
END_TEST

START_TEST(long_texts_grow)
{
	autoarena struct arena arena = {};
	struct json_out json;

	json_out_init(&json, &arena, false);
	json_out_begin_array(&json, NULL);
	for (int i = 0; i < 10000; i++)
		json_out_text(&json, NULL, "0123456789");
	json_out_end_array(&json);
	ck_assert_uint_eq(strlen(json_out_done(&json)), 10000 * 13 + 2);
}
END_TEST

START_TEST(a_key_in_an_array_is_a_programming_error)
{
	autoarena struct arena arena = {};
	struct json_out json;

	json_out_init(&json, &arena, false);
	json_out_begin_array(&json, NULL);
	json_out_null(&json, "key");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("format/json-out");
	TCase *cases = tcase_create("json-out");
	SRunner *runner = srunner_create(suite);
	int failures;

	tcase_add_test(cases, the_short_form_has_no_blanks);
	tcase_add_test(cases, the_pretty_form_is_indented);
	tcase_add_test(cases, strings_may_hold_anything);
	tcase_add_test(cases, long_texts_grow);
	tcase_add_test_raise_signal(cases, a_key_in_an_array_is_a_programming_error, SIGABRT);
	suite_add_tcase(suite, cases);
	srunner_run_all(runner, CK_ENV);
	failures = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failures != 0;
}
