#include "kernel/seccomp-emit.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "kernel/fixture.h"
#include "kernel/seccomp-simulate.h"
#include "kernel/seccomp.h"

#define BIT 0x40000000u
#define SHARED 512

static uint32_t answer_to(const struct seccomp_program *program, uint32_t architecture,
			  uint32_t number)
{
	const struct seccomp_data data = { .nr = (int)number, .arch = architecture };
	uint32_t answer;

	ck_assert_int_eq(seccomp_simulate(&answer, program, &data), 0);
	return answer;
}

/* All arguments are 0 here: no family matches, descriptors are good, no flag is set. */
static uint32_t expected(uint32_t action)
{
	switch (action) {
	case SECCOMP_UNKNOWN: return SECCOMP_RET_ERRNO | ENOSYS;
	case SECCOMP_REFUSE:
	case SECCOMP_DENY: return SECCOMP_RET_ERRNO | EPERM;
	case SECCOMP_SUCCEED:
	case SECCOMP_SUCCEED_FD: return SECCOMP_RET_ERRNO;
	default: return SECCOMP_RET_ALLOW;
	}
}

START_TEST(without_rules_everything_is_unknown)
{
	autoarena struct arena arena = { 0 };
	const struct seccomp_emit_table table = { .architecture = AUDIT_ARCH_X86_64 };
	struct seccomp_program program;

	ck_assert_int_eq(seccomp_emit(&arena, &program, &table, 1, NULL), 0);
	ck_assert_uint_eq(answer_to(&program, AUDIT_ARCH_X86_64, 0), expected(SECCOMP_UNKNOWN));
	ck_assert_uint_eq(answer_to(&program, AUDIT_ARCH_I386, 0), expected(SECCOMP_UNKNOWN));
}
END_TEST

START_TEST(the_ends_of_the_numbers_are_served)
{
	autoarena struct arena arena = { 0 };
	struct seccomp_emit_rule rules[] = { { UINT32_MAX, SECCOMP_ALLOW }, { 0, SECCOMP_ALLOW } };
	const struct seccomp_emit_table table = { .architecture = AUDIT_ARCH_I386,
						  .rules = rules,
						  .count = ARRAY_SIZE(rules) };
	struct seccomp_program program;

	ck_assert_int_eq(seccomp_emit(&arena, &program, &table, 1, NULL), 0);
	ck_assert_uint_eq(answer_to(&program, AUDIT_ARCH_I386, 0), SECCOMP_RET_ALLOW);
	ck_assert_uint_eq(answer_to(&program, AUDIT_ARCH_I386, 1), expected(SECCOMP_UNKNOWN));
	ck_assert_uint_eq(answer_to(&program, AUDIT_ARCH_I386, UINT32_MAX), SECCOMP_RET_ALLOW);
}
END_TEST

START_TEST(the_higher_action_of_a_number_holds)
{
	autoarena struct arena arena = { 0 };
	struct seccomp_emit_rule rules[] = { { 7, SECCOMP_REFUSE },
					     { 7, SECCOMP_ALLOW },
					     { 8, SECCOMP_DENY },
					     { 8, SECCOMP_ALLOW } };
	const struct seccomp_emit_table table = { .architecture = AUDIT_ARCH_I386,
						  .rules = rules,
						  .count = ARRAY_SIZE(rules) };
	struct seccomp_program program;

	ck_assert_int_eq(seccomp_emit(&arena, &program, &table, 1, NULL), 0);
	ck_assert_uint_eq(answer_to(&program, AUDIT_ARCH_I386, 7), expected(SECCOMP_ALLOW));
	ck_assert_uint_eq(answer_to(&program, AUDIT_ARCH_I386, 8), expected(SECCOMP_DENY));
}
END_TEST

/* Large enough that jumps have to go over helpers. */
START_TEST(any_table_is_answered_number_by_number)
{
	static const uint32_t architectures[] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386 };
	struct seccomp_emit_rule rules[2][600];
	uint32_t model[2][1300] = { { 0 } };

	for (unsigned int seed = 1; seed <= 20; seed++) {
		autoarena struct arena arena = { 0 };
		struct seccomp_emit_table tables[2];
		struct seccomp_program program;

		srand(seed);
		for (int t = 0; t < 2; t++) {
			uint32_t number = 0;

			memset(model[t], 0, sizeof(model[t]));
			for (size_t i = 0; i < ARRAY_SIZE(rules[t]); i++) {
				uint32_t action = 1 + (uint32_t)rand() % (SECCOMP_ACTIONS - 1);

				number += 1 + rand() % 8 / 7;
				rules[t][i] = (struct seccomp_emit_rule){ number, action };
				model[t][number] = action;
			}
			tables[t] = (struct seccomp_emit_table){
				.architecture = architectures[t],
				.rules = rules[t],
				.count = ARRAY_SIZE(rules[t]),
			};
		}
		ck_assert_int_eq(seccomp_emit(&arena, &program, tables, 2, NULL), 0);
		ck_assert_uint_gt(program.count, 512);
		for (int t = 0; t < 2; t++)
			for (uint32_t n = 0; n < ARRAY_SIZE(model[t]); n++)
				ck_assert_uint_eq(answer_to(&program, architectures[t], n),
						  expected(model[t][n]));
	}
}
END_TEST

START_TEST(a_second_abi_shares_what_is_below_its_own_numbers)
{
	autoarena struct arena arena = { 0 };
	struct seccomp_emit_rule rules[] = { { 1, SECCOMP_ALLOW },
					     { 2, SECCOMP_REFUSE },
					     { BIT | 3, SECCOMP_ALLOW },
					     { BIT | SHARED, SECCOMP_ALLOW },
					     { BIT | (SHARED + 1), SECCOMP_REFUSE } };
	const struct seccomp_emit_table table = { .architecture = AUDIT_ARCH_X86_64,
						  .rules = rules,
						  .count = ARRAY_SIZE(rules),
						  .shared_bit = BIT,
						  .shared_below = SHARED };
	static const struct {
		uint32_t number, action;
	} cases[] = {
		{ 0, SECCOMP_UNKNOWN },
		{ 1, SECCOMP_ALLOW },
		{ 2, SECCOMP_REFUSE },
		{ 3, SECCOMP_UNKNOWN },
		{ SHARED, SECCOMP_UNKNOWN },
		{ BIT, SECCOMP_UNKNOWN },
		{ BIT | 1, SECCOMP_ALLOW },
		{ BIT | 2, SECCOMP_REFUSE },
		{ BIT | 3, SECCOMP_UNKNOWN },
		{ BIT | SHARED, SECCOMP_ALLOW },
		{ BIT | 513, SECCOMP_REFUSE },
		{ BIT | 514, SECCOMP_UNKNOWN },
		{ BIT << 1 | 1, SECCOMP_UNKNOWN },
		{ BIT * 3 | 1, SECCOMP_UNKNOWN },
		{ UINT32_MAX, SECCOMP_UNKNOWN },
	};
	struct seccomp_program program;

	ck_assert_int_eq(seccomp_emit(&arena, &program, &table, 1, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_uint_eq(answer_to(&program, AUDIT_ARCH_X86_64, cases[i].number),
				  expected(cases[i].action));
}
END_TEST

START_TEST(what_the_kernel_would_not_take_is_refused)
{
	autoarena struct arena arena = { 0 };
	struct seccomp_emit_rule *rules = arena_take_array(&arena, 8192, sizeof(*rules));
	struct seccomp_emit_table table = { .architecture = AUDIT_ARCH_I386, .rules = rules };
	struct seccomp_program program;

	for (; table.count < 8192; table.count++)
		rules[table.count] = (struct seccomp_emit_rule){ 2 * (uint32_t)table.count, 2 };
	ck_assert_int_eq(seccomp_emit(&arena, &program, &table, 1, NULL), -E2BIG);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("emit");

	tcase_add_test(cases, without_rules_everything_is_unknown);
	tcase_add_test(cases, the_ends_of_the_numbers_are_served);
	tcase_add_test(cases, the_higher_action_of_a_number_holds);
	tcase_add_test(cases, any_table_is_answered_number_by_number);
	tcase_add_test(cases, a_second_abi_shares_what_is_below_its_own_numbers);
	tcase_add_test(cases, what_the_kernel_would_not_take_is_refused);
	return fixture_run(cases, "kernel/seccomp-emit");
}
