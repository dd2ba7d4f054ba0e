/* What tests/spec/options.case cannot show: what is handed back beside the spec. */
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/text.h"
#include "base/unit.h"
#include "spec/readers.h"
#include "spec/settings.h"

static struct arena arena;
static struct spec spec;
static const struct setting *words_of;

#define WORDS 12

static int parse(const char *const words[WORDS])
{
	const struct reader_facts facts = { .working_directory = "/" };
	char *argv[WORDS + 1] = { (char *)"nspawn" };
	int argc = 1;

	for (; words[argc - 1]; argc++)
		argv[argc] = arena_text(&arena, words[argc - 1]);
	words_of = NULL;
	fail_forget();
	spec_init(&spec);
	return args_parse(&arena, &spec, &facts, argc, argv, &words_of);
}
#define PARSE(...) parse((const char *const[WORDS]){ __VA_ARGS__ })

START_TEST(no_words_ask_for_nothing)
{
	static struct spec untouched;

	spec_init(&untouched);
	ck_assert_int_eq(PARSE(NULL), 0);
	ck_assert(memcmp(&spec, &untouched, sizeof(spec)) == 0);
}
END_TEST

START_TEST(the_command_keeps_its_own_options)
{
	ck_assert_int_eq(PARSE("-q", "ls", "-b", "--", "--help"), 0);
	ck_assert(spec.quiet && !spec.help);
	ck_assert_int_eq(spec.boot, TRISTATE_UNSET);
	ck_assert_uint_eq(spec.parameters.count, 4);
	ck_assert_str_eq(spec.parameters.items[3], "--help");
	ck_assert_int_eq(spec.group_origin[GROUP_START_MODE], BY_OPTION);

	/* Two dashes belong to nobody, a second pair to the command. */
	ck_assert_int_eq(PARSE("--", "--", "-b"), 0);
	ck_assert_uint_eq(spec.parameters.count, 2);
	ck_assert_int_eq(PARSE("-bq", "--"), 0);
	ck_assert_uint_eq(spec.parameters.count, 0);
	ck_assert_int_eq(PARSE("", "-b"), 0);
	ck_assert_uint_eq(spec.parameters.count, 2);
}
END_TEST

START_TEST(a_value_may_look_like_an_option)
{
	ck_assert_int_eq(PARSE("--uuid", "0123456789abcdef0123456789abcdef", "-D", "-b"), 0);
	ck_assert_str_eq(spec.directory, "/-b");
	ck_assert_int_eq(spec.boot, TRISTATE_UNSET);
	ck_assert_int_eq(PARSE("-D", "--"), 0);
	ck_assert_str_eq(spec.directory, "/--");
}
END_TEST

START_TEST(help_stops_the_reading)
{
	ck_assert_int_eq(PARSE("--help", "--nonsense"), 0);
	ck_assert(spec.help);
	ck_assert_int_eq(PARSE("-qh", "-w"), 0);
	ck_assert(spec.help);
	ck_assert_int_eq(PARSE("--vers", "--nonsense"), 0);
	ck_assert(spec.version);
	ck_assert_int_lt(PARSE("--nonsense", "--help"), 0);
}
END_TEST

START_TEST(the_value_help_hands_back_the_row)
{
	static const char *const options[] = {
		"volatile",   "kill-signal",	 "resolv-conf",
		"timezone",   "console",	 "private-users-ownership",
		"capability", "drop-capability", "ambient-capability",
		"rlimit",
	};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		ck_assert_int_eq(PARSE(arena_format(&arena, "--%s=help", options[i]), "--bad"), 1);
		ck_assert_str_eq(words_of->option, options[i]);
		ck_assert_ptr_nonnull(words_of->words[0]);
	}
	/* Elsewhere it is a value like others. */
	ck_assert_int_eq(PARSE("-M", "help"), 0);
	ck_assert_str_eq(spec.machine, "help");
}
END_TEST

START_TEST(every_row_refuses_its_missing_value)
{
	for (size_t i = 0; i < spec_settings_count; i++) {
		const struct setting *row = &spec_settings[i];

		if (!row->option || !row->value || row->flags & SETTING_OPTIONAL_VALUE)
			continue;
		ck_assert_int_lt(PARSE(arena_format(&arena, "--%s", row->option)), 0);
		ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "needs a value"));
	}
}
END_TEST

START_TEST(every_row_without_value_refuses_one)
{
	for (size_t i = 0; i < spec_settings_count; i++) {
		const struct setting *row = &spec_settings[i];

		if (!row->option || row->value)
			continue;
		ck_assert_int_lt(PARSE(arena_format(&arena, "--%s=x", row->option)), 0);
		ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "takes no value"));
	}
}
END_TEST

/* A value of any shape is read or refused; what is refused leaves a sentence. */
START_TEST(every_row_survives_odd_values)
{
	static const char *const values[] = {
		"",	      ":",	  "::", "\\",	"a\\",
		"/",	      "=",	  "~",	"-",	"+",
		",",	      "-1",	  "0",	"@",	"18446744073709551616",
		"4294967295", "infinity", "\n", "\xff", "a:b:c:d:e",
		"%s%n",
	};

	for (size_t i = 0; i < spec_settings_count; i++)
		for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
			const struct setting *row = &spec_settings[i];

			if (!row->option || !row->value)
				continue;
			if (PARSE(arena_format(&arena, "--%s=%s", row->option, values[v])) == 0)
				ck_assert(!row->print || row->print(&arena, row, &spec) || true);
			else
				ck_assert_ptr_nonnull(strstr(fail_recorded()->text, row->option));
		}
}
END_TEST

START_TEST(a_bare_scope_takes_no_option_for_a_name)
{
	ck_assert_int_eq(PARSE("--user", "-b"), 0);
	ck_assert(spec.scope_user && spec.boot == TRISTATE_YES && !spec.user);
	ck_assert_int_eq(PARSE("--user"), 0);
	ck_assert(spec.scope_user);
	ck_assert_int_eq(PARSE("--user", "--", "joe"), 0);
	ck_assert(spec.scope_user && !spec.user);
	ck_assert_int_eq(PARSE("--user", "joe", "ls"), 0);
	ck_assert(!spec.scope_user);
	ck_assert_str_eq(spec.user, "joe");
}
END_TEST

int main(void)
{
	return UNIT_RUN("spec/args", no_words_ask_for_nothing, the_command_keeps_its_own_options,
			a_value_may_look_like_an_option, help_stops_the_reading,
			the_value_help_hands_back_the_row, every_row_refuses_its_missing_value,
			every_row_without_value_refuses_one, every_row_survives_odd_values,
			a_bare_scope_takes_no_option_for_a_name);
}
