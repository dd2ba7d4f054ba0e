/* base/unit - for unit tests only: a table of cases as a program. Check runs each in a child. */
#pragma once
#include <check.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>

static inline int unit_run(const char *module, const TTest *const *cases, size_t count)
{
	Suite *suite = suite_create(module);
	TCase *group = tcase_create(module);
	SRunner *runner = srunner_create(suite);
	int failures;

	for (size_t i = 0; i < count; i++)
		tcase_add_test(group, cases[i]);
	suite_add_tcase(suite, group);
	srunner_run_all(runner, CK_ENV);
	failures = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* KiB of memory that the process has had at most. Limits would be in a sanitizer's way. */
static inline long unit_peak(void)
{
	struct rusage usage;

	ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_maxrss;
}

/* UNIT_RUN("base/text", case, case, …): the return value of main(). */
#define UNIT_RUN(module, ...)                                     \
	unit_run((module), (const TTest *const[]){ __VA_ARGS__ }, \
		 sizeof((const TTest *const[]){ __VA_ARGS__ }) / sizeof(const TTest *))
