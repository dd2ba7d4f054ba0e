#include "kernel/probe.h"

#include "kernel/fixture.h"

START_TEST(no_question_crashes)
{
	for (int operation = 0; operation < PROBE_OPERATIONS; operation++) {
		for (int error = 0; error < 134; error++) {
			const char *text = probe_cause((enum probe_operation)operation, -error);

			ck_assert(!text || strlen(text) > 10);
		}
	}
	probe_selinux();
	probe_apparmor();
}
END_TEST

START_TEST(a_sysctl_that_forbids_is_named)
{
	const char *text;

	fixture_enter(0);
	fixture_write("/proc/sys/user/max_user_namespaces", "0");
	ck_assert_int_lt(unshare(CLONE_NEWUSER), 0);
	ck_assert_int_eq(errno, ENOSPC);
	text = probe_cause(PROBE_NAMESPACES, -ENOSPC);
	ck_assert_ptr_nonnull(text);
	ck_assert_msg(strstr(text, "user.max_user_namespaces"), "%s", text);
}
END_TEST

START_TEST(a_chroot_is_named)
{
	const char *text;

	fixture_enter(0);
	ck_assert_int_eq(mkdir("/mnt/root", 0755), 0);
	ck_assert_int_eq(mount("/", "/mnt/root", NULL, MS_BIND | MS_REC, NULL), 0);
	ck_assert_int_eq(chroot("/mnt/root"), 0); /* where the leak checker finds a /proc */
	ck_assert_int_lt(unshare(CLONE_NEWUSER), 0);
	ck_assert_int_eq(errno, EPERM);
	text = probe_cause(PROBE_NAMESPACES, -EPERM);
	ck_assert_ptr_nonnull(text);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("probe");

	tcase_add_test(cases, no_question_crashes);
	tcase_add_test(cases, a_sysctl_that_forbids_is_named);
	tcase_add_test(cases, a_chroot_is_named);
	return fixture_run(cases, "kernel/probe");
}
