#include "kernel/namespace.h"

#include <stdlib.h>
#include <sys/wait.h>

#include "io/fd.h"
#include "io/file.h"
#include "kernel/fixture.h"
#include "kernel/process.h"

START_TEST(namespaces_are_opened_and_joined)
{
	autoclose int self = -EBADF, before = -EBADF;
	char ours[64] = "", now[64] = "";

	fixture_enter(0);
	self = namespace_open_process(getpid());
	ck_assert_int_eq(namespace_open(self, "none"), -ENOENT);
	ck_assert_int_eq(unshare(CLONE_NEWUTS), 0);
	ck_assert_int_gt(readlink("/proc/self/ns/uts", ours, sizeof(ours) - 1), 0);
	before = namespace_open(self, "uts");
	ck_assert_int_ge(before, 0);
	ck_assert_int_eq(unshare(CLONE_NEWUTS), 0);
	ck_assert_int_eq(namespace_join(before, CLONE_NEWNET), -EINVAL);
	ck_assert_int_eq(namespace_join(before, CLONE_NEWUTS), 0);
	ck_assert_int_gt(readlink("/proc/self/ns/uts", now, sizeof(now) - 1), 0);
	ck_assert_str_eq(ours, now);
}
END_TEST

START_TEST(a_process_shares_what_it_did_not_leave)
{
	autoclose int self = namespace_open_process(getpid()), child = -EBADF, pidfd = -EBADF;
	siginfo_t info;
	pid_t pid;

	ck_assert_int_eq(namespace_is_shared(self, "user"), 1);
	pid = process_clone(CLONE_NEWUSER, -1, &pidfd);
	if (pid == 0) {
		pause();
		_exit(0);
	}
	ck_assert_int_gt(pid, 0);
	child = namespace_open_process(pid);
	ck_assert_int_eq(namespace_is_shared(child, "user"), 0);
	ck_assert_int_eq(namespace_is_shared(child, "net"), 1);
	process_signal(pidfd, SIGKILL);
	process_wait(pidfd, &info, 0);
	ck_assert_int_lt(namespace_is_shared(child, "user"), 0);
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

	tcase_add_test(cases, namespaces_are_opened_and_joined);
	tcase_add_test(cases, a_process_shares_what_it_did_not_leave);
	tcase_add_test(cases, a_new_user_namespace_is_not_the_first);
	tcase_add_test(cases, processes_that_are_gone_have_none);
	tcase_add_test(cases, a_user_namespace_is_made_with_its_maps);
	tcase_add_test(cases, a_bad_map_is_refused_and_leaves_no_child);
	return fixture_run(cases, "kernel/namespace");
}
