#include <string.h>
#include <sys/mount.h>

#include "base/text.h"
#include "base/unit.h"
#include "plan/sample.h"

START_TEST(an_empty_plan_is_an_empty_text)
{
	struct plan plan = { 0 };
	autoarena struct arena arena = { 0 };

	ck_assert_str_eq(plan_print(&arena, &plan, false), "");
	ck_assert_str_eq(plan_print(&arena, &plan, true), "");
}
END_TEST

START_TEST(columns_are_aligned)
{
	struct step steps[] = {
		{ .kind = STEP_MOUNT,
		  .side = SIDE_HOST,
		  .source = "tmpfs",
		  .target = "/run",
		  .reason = "API file systems",
		  .flags = STEP_LOCKED },
		{ .kind = STEP_HOSTNAME, .side = SIDE_PAYLOAD, .data = "web", .reason = "x" },
	};
	struct plan plan = { steps, 2 };
	autoarena struct arena arena = { 0 };

	ck_assert_str_eq(plan_print(&arena, &plan, false),
			 "host     mount     tmpfs -> /run  (API file systems)  [locked]\n"
			 "payload  hostname  web            (x)\n");
}
END_TEST

START_TEST(names_from_outside_do_not_reach_the_terminal)
{
	struct step step = { .kind = STEP_HOSTNAME, .data = "\x1b[2J", .reason = "x" };
	struct plan plan = { &step, 1 };
	autoarena struct arena arena = { 0 };

	ck_assert_ptr_null(strchr(plan_print(&arena, &plan, false), 0x1b));
	ck_assert_ptr_null(strchr(plan_print_json(&arena, &plan, false), 0x1b));
}
END_TEST

START_TEST(every_line_ends)
{
	struct sample sample;
	size_t lines = 0;

	sample_init(&sample);
	ck_assert_int_eq(sample_build(&sample), 0);
	for (const char *c = plan_print(&sample.arena, &sample.plan, true); *c; c++)
		lines += *c == '\n';
	ck_assert_uint_eq(lines, sample.plan.count);
	sample_done(&sample);
}
END_TEST

int main(void)
{
	return UNIT_RUN("plan/print", an_empty_plan_is_an_empty_text, columns_are_aligned,
			names_from_outside_do_not_reach_the_terminal, every_line_ends);
}
