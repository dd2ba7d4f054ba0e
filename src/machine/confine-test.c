#include "machine/confine.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/unit.h"
#include "kernel/seccomp.h"

static struct arena arena;

START_TEST(what_was_decided_is_read_again)
{
	struct confine confine = {
		.capabilities = UINT64_C(0x1fffffdecaf),
		.no_new_privileges = true,
		.families_set = true,
		.personality_set = true,
		.personality = 8,
		.selinux = "system_u:object_r:with blanks",
	};
	struct confine again;

	text_list_add(&arena, &confine.allow, arena_text(&arena, "@mount"));
	text_list_add(&arena, &confine.deny, arena_text(&arena, "ptrace"));
	text_list_add(&arena, &confine.families, arena_text(&arena, "AF_UNIX"));
	ck_assert_int_eq(confine_parse(&arena, &again, confine_print(&arena, &confine)), 0);
	ck_assert(again.capabilities == confine.capabilities && again.no_new_privileges);
	ck_assert(!again.no_seccomp && !again.nesting && !again.families_deny);
	ck_assert_str_eq(again.allow.items[0], "@mount");
	ck_assert_str_eq(again.deny.items[0], "ptrace");
	ck_assert_str_eq(again.families.items[0], "AF_UNIX");
	ck_assert(again.personality_set && again.personality == 8);
	ck_assert_str_eq(again.selinux, confine.selinux);
}
END_TEST

START_TEST(what_is_not_understood_is_refused)
{
	static const char *const bad[] = {
		"",
		" ",
		"zz",
		"-1",
		"0x1",
		"1 unknown",
		"1 personality:",
		"1 personality:zz",
		"11111111111111111",
		"no-filter",
	};
	struct confine confine;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(confine_parse(&arena, &confine, bad[i]) == -EBADMSG, "'%s'", bad[i]);
}
END_TEST

START_TEST(no_filter_is_none)
{
	struct confine confine = { .no_seccomp = true };
	struct seccomp_filter filter;
	const char *unknown;

	ck_assert_int_eq(confine_filter(&arena, &filter, &confine, &unknown), 0);
	ck_assert_uint_eq(filter.count, 0);
	confine.no_seccomp = false;
	ck_assert_int_ge(confine_filter(&arena, &filter, &confine, &unknown), 0);
	ck_assert_uint_gt(filter.count, 0);
}
END_TEST

int main(void)
{
	return UNIT_RUN("machine/confine", what_was_decided_is_read_again,
			what_is_not_understood_is_refused, no_filter_is_none);
}
