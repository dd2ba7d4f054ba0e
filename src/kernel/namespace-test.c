#include "kernel/namespace.h"

#include <stdlib.h>
#include <sys/wait.h>

#include "io/fd.h"
#include "io/file.h"
#include "kernel/fixture.h"

START_TEST(namespaces_are_compared_and_joined)
{
	autoclose int before = -EBADF, after = -EBADF, again = -EBADF;

	fixture_enter(0);
	before = namespace_open_own("uts");
	ck_assert_int_ge(before, 0);
	ck_assert_int_eq(namespace_unshare(CLONE_NEWUTS), 0);
	after = namespace_open_own("uts");
	ck_assert_int_eq(namespace_is_same(before, after), 0);
	ck_assert_int_eq(namespace_type(after), CLONE_NEWUTS);
	ck_assert_int_eq(namespace_join(after, CLONE_NEWUTS), 0);
	ck_assert_int_eq(namespace_join(after, CLONE_NEWNET), -EINVAL);
	again = namespace_open_own("uts");
	ck_assert_int_eq(namespace_is_same(after, again), 1);
	ck_assert_int_eq(namespace_open_own("none"), -ENOENT);
}
END_TEST

START_TEST(a_new_user_namespace_is_not_the_first)
{
	fixture_enter(0);
	ck_assert(!namespace_is_initial_user());
}
END_TEST

START_TEST(processes_that_are_gone_have_none)
{
	ck_assert_int_eq(namespace_open_process(0x7fffffff), -ESRCH);
}
END_TEST

START_TEST(a_user_namespace_is_made_with_its_maps)
{
	autoclose int userns = -EBADF;
	char text[128];
	unsigned int inside, outside, count;
	pid_t child;

	if (geteuid() != 0)
		return;
	userns = namespace_make_user("0 524288 65536\n2147483646 0 1", "0 524288 65536");
	ck_assert_msg(userns >= 0, "%s", strerror(-userns));
	ck_assert_int_eq(namespace_type(userns), CLONE_NEWUSER);
	ck_assert_int_eq(namespace_join(userns, CLONE_NEWUSER), 0);
	child = fork();
	if (child == 0) {
		ck_assert_int_eq(file_read_line(text, sizeof(text), AT_FDCWD, "/proc/self/uid_map"),
				 0);
		sscanf(text, "%u %u %u", &inside, &outside, &count);
		_exit(inside == 0 && outside == 524288 && count == 65536 ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(child, &(int){ 0 }, 0), child);
	ck_assert_int_eq(file_read_line(text, sizeof(text), AT_FDCWD, "/proc/self/gid_map"), 0);
	ck_assert_int_eq(sscanf(text, "%u %u %u", &inside, &outside, &count), 3);
	ck_assert_uint_eq(inside, 0);
	ck_assert_uint_eq(outside, 524288);
	ck_assert_uint_eq(count, 65536);
}
END_TEST

START_TEST(a_bad_map_is_refused_and_leaves_no_child)
{
	if (geteuid() != 0)
		return;
	ck_assert_int_eq(namespace_make_user("0 0 0", "0 0 1"), -EINVAL);
	ck_assert_int_eq(waitpid(-1, &(int){ 0 }, 0), -1);
	ck_assert_int_eq(errno, ECHILD);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("namespace");

	tcase_add_test(cases, namespaces_are_compared_and_joined);
	tcase_add_test(cases, a_new_user_namespace_is_not_the_first);
	tcase_add_test(cases, processes_that_are_gone_have_none);
	tcase_add_test(cases, a_user_namespace_is_made_with_its_maps);
	tcase_add_test(cases, a_bad_map_is_refused_and_leaves_no_child);
	return fixture_run(cases, "kernel/namespace");
}
