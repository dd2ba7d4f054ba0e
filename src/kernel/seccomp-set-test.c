#include "kernel/seccomp-set.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "kernel/fixture.h"
#include "kernel/seccomp-list.h"

static enum seccomp_action action_of(const struct seccomp_set *set, const char *name)
{
	const struct seccomp_set_entry *entry = seccomp_set_find(set, name);

	return entry ? entry->action : SECCOMP_UNKNOWN;
}

START_TEST(all_known_names_begin_refused)
{
	autoarena struct arena arena = { 0 };
	struct seccomp_set set;

	seccomp_set_init(&arena, &set);
	ck_assert_uint_gt(set.count, 490);
	for (size_t i = 0; i < set.count; i++) {
		ck_assert_int_eq(set.entries[i].action, SECCOMP_REFUSE);
		ck_assert_int_ne(set.entries[i].name[0], '@');
	}
	for (size_t i = 0; i < seccomp_list_newer_count; i++)
		ck_assert_ptr_nonnull(seccomp_set_find(&set, seccomp_list_newer[i].name));
}
END_TEST

START_TEST(an_action_is_only_raised)
{
	autoarena struct arena arena = { 0 };
	struct seccomp_set set;

	seccomp_set_init(&arena, &set);
	ck_assert_int_eq(seccomp_set_add(&arena, &set, "read", SECCOMP_ALLOW), 0);
	ck_assert_int_eq(seccomp_set_add(&arena, &set, "read", SECCOMP_REFUSE), 0);
	ck_assert_int_eq(action_of(&set, "read"), SECCOMP_ALLOW);
	ck_assert_int_eq(action_of(&set, "rea"), SECCOMP_UNKNOWN);
	ck_assert_int_eq(action_of(&set, "readx"), SECCOMP_UNKNOWN);
}
END_TEST

START_TEST(a_group_brings_its_groups)
{
	autoarena struct arena arena = { 0 };
	struct seccomp_set set;

	seccomp_set_init(&arena, &set);
	seccomp_set_raise(&arena, &set, "@privileged  chmod", SECCOMP_ALLOW);
	ck_assert_int_eq(action_of(&set, "chown"), SECCOMP_ALLOW);
	ck_assert_int_eq(action_of(&set, "kexec_load"), SECCOMP_ALLOW);
	ck_assert_int_eq(action_of(&set, "vhangup"), SECCOMP_ALLOW);
	ck_assert_int_eq(action_of(&set, "chmod"), SECCOMP_ALLOW);
	ck_assert_int_eq(action_of(&set, "read"), SECCOMP_REFUSE);
}
END_TEST

START_TEST(a_full_set_says_so)
{
	autoarena struct arena arena = { 0 };
	struct seccomp_set set;
	int r = 0;

	seccomp_set_init(&arena, &set);
	for (int i = 0; i <= SECCOMP_SET_MAX && r == 0; i++)
		r = seccomp_set_add(&arena, &set, arena_format(&arena, "a%d", i), SECCOMP_ALLOW);
	ck_assert_int_eq(r, -E2BIG);
	ck_assert_ptr_null(seccomp_set_find(&set, "no_such_call"));
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("set");

	tcase_add_test(cases, all_known_names_begin_refused);
	tcase_add_test(cases, an_action_is_only_raised);
	tcase_add_test(cases, a_group_brings_its_groups);
	tcase_add_test(cases, a_full_set_says_so);
	return fixture_run(cases, "kernel/seccomp-set");
}
