/* io/scratch - for unit tests only: a directory that is gone when the program ends, also after a
 * case that failed. */
#pragma once
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/dir.h"
#include "io/fd.h"

static char scratch_path[] = "/tmp/redd-test-XXXXXX";
static int scratch_fd = -EBADF;

static inline void scratch_make(void)
{
	if (mkdtemp(scratch_path) != NULL)
		scratch_fd = open(scratch_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static inline void scratch_remove(void)
{
	fd_close(&scratch_fd);
	dir_remove_all(AT_FDCWD, scratch_path);
}

static inline void scratch_put(const char *name, const char *text)
{
	autoclose int fd = openat(scratch_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_int_eq(fd_write_all(fd, text, strlen(text)), 0);
}

static inline int scratch_run(const char *module, const TTest *const *cases, size_t count)
{
	Suite *suite = suite_create(module);
	TCase *group = tcase_create(module);
	SRunner *runner = srunner_create(suite);
	int failures;

	/* Unchecked: both run in the parent, once. */
	tcase_add_unchecked_fixture(group, scratch_make, scratch_remove);
	tcase_set_timeout(group, 60);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(group, cases[i]);
	suite_add_tcase(suite, group);
	srunner_run_all(runner, CK_ENV);
	failures = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* As UNIT_RUN of base/unit. */
#define SCRATCH_RUN(module, ...)                                     \
	scratch_run((module), (const TTest *const[]){ __VA_ARGS__ }, \
		    sizeof((const TTest *const[]){ __VA_ARGS__ }) / sizeof(const TTest *))
