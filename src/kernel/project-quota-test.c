#include "kernel/project-quota.h"

#include <errno.h>

#include "base/unit.h"
#include "io/fd.h"
#include "kernel/fixture.h"

/* What counts projects is tried by tests/hosts: this kernel need not. */
START_TEST(where_nobody_counts_that_is_told)
{
	autoclose int fd = -EBADF;
	struct project_quota quota;
	uint32_t project;

	fixture_enter(0);
	fd = open("/mnt", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_lt(project_quota_read(fd, 1, &quota), 0);
	ck_assert_int_lt(project_quota_limit(fd, 1, 1 << 20), 0);
	ck_assert_int_lt(project_find_free(fd, 1, &project), 0);
	ck_assert_int_eq(project_of(-EBADF, &project), -EBADF);
	ck_assert_int_eq(project_assign(-EBADF, 1), -EBADF);
}
END_TEST

START_TEST(what_people_number_by_hand_is_not_kept)
{
	ck_assert(!project_is_kept(0));
	ck_assert(!project_is_kept(1000));
	ck_assert(project_is_kept(UINT32_C(0x52000001)));
	ck_assert(!project_is_kept(UINT32_C(0x53000001)));
}
END_TEST

int main(void)
{
	return UNIT_RUN("kernel/project-quota", where_nobody_counts_that_is_told,
			what_people_number_by_hand_is_not_kept);
}
