#include "kernel/probe.h"

#include "io/fd.h"
#include "kernel/fixture.h"
#include "kernel/namespace.h"

START_TEST(no_question_crashes)
{
	for (int operation = 0; operation < PROBE_OPERATIONS; operation++) {
		for (int error = 0; error < 134; error++) {
			const char *text = probe_cause((enum probe_operation)operation, -error);

			ck_assert(!text || strlen(text) > 10);
		}
	}
	probe_user_namespaces();
	probe_selinux();
	probe_apparmor();
	probe_lockdown();
}
END_TEST

START_TEST(a_sysctl_that_forbids_is_named)
{
	const char *text;

	fixture_enter(0);
	fixture_write("/proc/sys/user/max_user_namespaces", "0");
	ck_assert_int_eq(namespace_unshare(CLONE_NEWUSER), -ENOSPC);
	ck_assert(!probe_user_namespaces());
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
	ck_assert_int_eq(namespace_unshare(CLONE_NEWUSER), -EPERM);
	text = probe_cause(PROBE_NAMESPACES, -EPERM);
	ck_assert_ptr_nonnull(text);
}
END_TEST

START_TEST(file_systems_that_cannot_map_are_found)
{
	autoclose int tmpfs = -EBADF, proc = -EBADF, userns = -EBADF;

	if (!fixture_enter_as_root())
		return;
	userns = namespace_make_user("0 524288 65536", "0 524288 65536");
	tmpfs = fixture_open("/mnt");
	proc = fixture_open("/proc");
	ck_assert_int_eq(probe_can_map_owners(proc, userns), 0);
	ck_assert_int_eq(probe_can_map_owners(tmpfs, userns), 1);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("probe");

	tcase_add_test(cases, no_question_crashes);
	tcase_add_test(cases, a_sysctl_that_forbids_is_named);
	tcase_add_test(cases, a_chroot_is_named);
	tcase_add_test(cases, file_systems_that_cannot_map_are_found);
	return fixture_run(cases, "kernel/probe");
}
