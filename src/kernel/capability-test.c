#include "kernel/capability.h"

#include <linux/capability.h>
#include <stdlib.h>

#include "kernel/fixture.h"

START_TEST(names_are_found_both_ways)
{
	int number = -1;

	ck_assert_int_eq(capability_parse(&number, "CAP_SYS_ADMIN"), 0);
	ck_assert_int_eq(number, CAP_SYS_ADMIN);
	ck_assert_int_eq(capability_parse(&number, "chown"), 0);
	ck_assert_int_eq(number, CAP_CHOWN);
	ck_assert_int_eq(capability_parse(&number, "cap_checkpoint_restore"), 0);
	ck_assert_int_eq(number, CAP_CHECKPOINT_RESTORE);
	ck_assert_int_eq(capability_parse(&number, "0"), 0);
	ck_assert_int_eq(number, 0);
	ck_assert_int_eq(capability_parse(&number, "63"), 0);
	ck_assert_int_eq(number, 63);
	ck_assert_int_eq(capability_parse(&number, "64"), -EINVAL);
	ck_assert_int_eq(capability_parse(&number, "cap_"), -EINVAL);
	ck_assert_int_eq(capability_parse(&number, ""), -EINVAL);
	ck_assert_int_eq(capability_parse(&number, "CAP_CAP_CHOWN"), -EINVAL);
	ck_assert_int_eq(number, 63);
	ck_assert_str_eq(capability_name(CAP_MKNOD), "cap_mknod");
	ck_assert_ptr_null(capability_name(-1));
	ck_assert_ptr_null(capability_name(63));
	for (int i = 0; i <= CAP_LAST_CAP; i++) {
		ck_assert_int_eq(capability_parse(&number, capability_name(i)), 0);
		ck_assert_int_eq(number, i);
	}
}
END_TEST

START_TEST(the_default_is_26_without_net_admin)
{
	ck_assert_int_eq(__builtin_popcountll(capability_default), 26);
	ck_assert_uint_eq(capability_default & CAPABILITY_BIT(CAP_NET_ADMIN), 0);
	ck_assert_uint_eq(capability_default & CAPABILITY_BIT(CAP_SYS_MODULE), 0);
}
END_TEST

START_TEST(the_kernels_last_one_is_found)
{
	char text[16] = "";
	int fd = open("/proc/sys/kernel/cap_last_cap", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_gt(read(fd, text, sizeof(text) - 1), 0);
	ck_assert_uint_eq(capability_all(), CAPABILITY_BIT(atoi(text) + 1) - 1);
	close(fd);
}
END_TEST

START_TEST(sets_are_dropped_in_order)
{
	const uint64_t keep = CAPABILITY_BIT(CAP_CHOWN) | CAPABILITY_BIT(CAP_KILL);
	const uint64_t ambient = CAPABILITY_BIT(CAP_KILL);
	uint64_t effective = 0, permitted = 0, inheritable = 0;

	fixture_enter(0);
	ck_assert_int_eq(capability_drop_bounding(keep), 0);
	for (int i = 0; i < 64; i++)
		ck_assert_int_eq(prctl(PR_CAPBSET_READ, (unsigned long)i, 0, 0, 0) == 1,
				 (keep & CAPABILITY_BIT(i)) != 0);
	ck_assert_int_eq(capability_set(keep, keep, keep), 0);
	ck_assert_int_eq(capability_set_ambient(ambient), 0);
	ck_assert_int_eq(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0), 1);
	ck_assert_int_eq(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0), 0);
	ck_assert_int_eq(capability_get(&effective, &permitted, &inheritable), 0);
	ck_assert_uint_eq(effective, keep);
	ck_assert_uint_eq(permitted, keep);
	ck_assert_uint_eq(inheritable, keep);
	ck_assert_int_eq(capability_set_ambient(CAPABILITY_BIT(CAP_SYS_ADMIN)), -EPERM);
	ck_assert_int_eq(capability_set(UINT64_MAX, UINT64_MAX, 0), -EPERM);
	ck_assert_int_eq(capability_drop_bounding(0), -EPERM);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("capability");

	tcase_add_test(cases, names_are_found_both_ways);
	tcase_add_test(cases, the_default_is_26_without_net_admin);
	tcase_add_test(cases, the_kernels_last_one_is_found);
	tcase_add_test(cases, sets_are_dropped_in_order);
	return fixture_run(cases, "kernel/capability");
}
