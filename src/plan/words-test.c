#include <string.h>

#include "base/unit.h"
#include "plan/sample.h"
#include "plan/words.h"

START_TEST(errors_quote_a_step_as_a_sentence)
{
	static const struct {
		struct step step;
		const char *text;
	} rows[] = {
		{ { .kind = STEP_BIND, .source = "/srv", .target = "/data", .reason = "--bind=" },
		  "bind '/srv' to '/data' (--bind=)" },
		{ { .kind = STEP_MOUNT, .source = "tmpfs", .target = "/run", .reason = "API" },
		  "mount tmpfs at '/run' (API)" },
		{ { .kind = STEP_MKDIR, .target = "/dev/net", .reason = "nodes" },
		  "make the directory '/dev/net' (nodes)" },
		{ { .kind = STEP_HOSTNAME, .data = "web", .reason = "machine name" },
		  "set the host name 'web' (machine name)" },
		{ { .kind = STEP_KEYRING, .reason = "keys" }, "make a session keyring (keys)" },
		{ { .kind = STEP_BIND_USER, .target = "/run/host", .data = "alice", .reason = "x" },
		  "bring in the user 'alice' (x)" },
		{ { .kind = STEP_BIND, .target = "/data", .reason = "--bind=" },
		  "bind '/data' (--bind=)" },
	};
	autoarena struct arena arena = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_str_eq(plan_describe(&arena, &rows[i].step), rows[i].text);
}
END_TEST

START_TEST(every_kind_has_a_verb)
{
	autoarena struct arena arena = { 0 };

	for (int i = 0; i < STEP_KINDS; i++) {
		struct step step = { .kind = (enum step_kind)i,
				     .target = "t",
				     .source = "s",
				     .data = "d",
				     .reason = "r" };

		ck_assert_ptr_null(strstr(plan_describe(&arena, &step), "(null)"));
		ck_assert_ptr_null(strstr(words_what(&arena, &step), "(null)"));
	}
}
END_TEST

int main(void)
{
	return UNIT_RUN("plan/words", errors_quote_a_step_as_a_sentence, every_kind_has_a_verb);
}
