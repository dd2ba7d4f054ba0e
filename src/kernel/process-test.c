#include "kernel/process.h"

#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/vfs.h>

#include "io/fd.h"
#include "kernel/fixture.h"
#include "kernel/syscall.h"

#define PIDFS 0x50494446 /* linux/magic.h PID_FS_MAGIC, since 6.9 */

static pid_t sleeper(int *ret_pidfd)
{
	pid_t pid = process_clone(0, -1, ret_pidfd);

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		pause();
		_exit(1);
	}
	return pid;
}

START_TEST(a_clone_is_signalled_and_reaped_by_its_pidfd)
{
	autoclose int pidfd = -EBADF;
	siginfo_t info;
	pid_t pid;

	if (_i)
		fixture_deny(SYS_clone3, ENOSYS);
	pid = sleeper(&pidfd);
	ck_assert_int_ge(pidfd, 0);
	ck_assert_int_ne(fcntl(pidfd, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(process_wait(pidfd, &info, WNOHANG), -EAGAIN);
	ck_assert_int_eq(process_signal(pidfd, SIGKILL), 0);
	ck_assert_int_eq(process_wait(pidfd, &info, 0), 0);
	ck_assert_int_eq(info.si_pid, pid);
	ck_assert_int_eq(info.si_code, CLD_KILLED);
	ck_assert_int_eq(info.si_status, SIGKILL);
	ck_assert_int_eq(process_signal(pidfd, SIGKILL), -ESRCH);
	ck_assert_int_eq(process_wait(pidfd, &info, WNOHANG), -ECHILD);
}
END_TEST

START_TEST(a_clone_begins_in_new_namespaces)
{
	autoclose int pidfd = -EBADF;
	siginfo_t info;
	pid_t pid;

	if (_i)
		fixture_deny(SYS_clone3, ENOSYS);
	pid = process_clone(CLONE_NEWUSER | CLONE_NEWPID, -1, &pidfd);
	ck_assert_msg(pid >= 0, "%s", strerror(-pid));
	if (pid == 0)
		_exit(getpid() == 1 ? 7 : 8);
	ck_assert_int_eq(process_wait(pidfd, &info, 0), 0);
	ck_assert_int_eq(info.si_code, CLD_EXITED);
	ck_assert_int_eq(info.si_status, 7);
}
END_TEST

START_TEST(a_missing_cgroup_clone_is_an_outcome)
{
	int pidfd;

	fixture_deny(SYS_clone3, ENOSYS);
	ck_assert_int_eq(process_clone(0, 0, &pidfd), -EOPNOTSUPP);
}
END_TEST

START_TEST(the_start_time_identifies_a_process)
{
	autoclose int pidfd = -EBADF;
	uint64_t one = 0, again = 0;
	siginfo_t info;
	pid_t pid;

	ck_assert_int_eq(prctl(PR_SET_NAME, ") 1 2 (", 0, 0, 0), 0);
	ck_assert_int_eq(process_start_time(getpid(), &one), 0);
	ck_assert_int_eq(process_start_time(getpid(), &again), 0);
	ck_assert_uint_eq(one, again);
	ck_assert_uint_gt(one, 0);
	pid = sleeper(&pidfd);
	ck_assert_int_eq(process_start_time(pid, &again), 0);
	ck_assert_uint_ge(again, one);
	process_signal(pidfd, SIGKILL);
	ck_assert_int_eq(process_wait(pidfd, &info, 0), 0);
	ck_assert_int_eq(process_start_time(pid, &again), -ESRCH);
}
END_TEST

START_TEST(a_number_of_the_kernel_is_of_one_process)
{
	autoclose int one = -EBADF, other = -EBADF;
	struct statfs fs;
	uint64_t id;

	sleeper(&one);
	sleeper(&other);
	id = process_id(one);
	ck_assert_int_eq(fstatfs(one, &fs), 0);
	ck_assert_int_eq(fs.f_type == PIDFS, id > 0);
	if (id > 0) {
		ck_assert(process_is(one, id));
		ck_assert(!process_is(other, id));
		ck_assert_uint_ne(process_id(other), id);
	}
	process_signal(one, SIGKILL);
	process_signal(other, SIGKILL);
	ck_assert_uint_eq(process_id(STDIN_FILENO), 0);
	ck_assert_uint_eq(process_id(-EBADF), 0);
	ck_assert(!process_is(-EBADF, 1));
}
END_TEST

START_TEST(a_strangers_end_is_known_before_it_is_reaped)
{
	autoclose int pidfd = -EBADF;
	siginfo_t info;
	int status;
	pid_t pid = sleeper(&pidfd);

	ck_assert(!process_has_ended(pidfd));
	process_signal(pidfd, SIGUSR1);
	ck_assert_int_eq(process_wait(pidfd, &info, WNOWAIT), 0);
	ck_assert(process_has_ended(pidfd));
	ck_assert_int_eq(process_exit_status(pidfd, pid, &status), 0);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
	ck_assert_int_eq(process_wait(pidfd, &info, 0), 0);
	ck_assert(process_has_ended(pidfd));
	/* Afterwards only newer kernels know, and then the same. */
	if (process_exit_status(pidfd, pid, &status) >= 0)
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
}
END_TEST

START_TEST(a_tracer_that_keeps_what_has_ended_is_not_waited_for)
{
	autoclose int pidfd = -EBADF, tracer_fd = -EBADF;
	siginfo_t info;
	int pair[2];
	char byte;
	pid_t pid = sleeper(&pidfd), tracer;

	ck_assert_int_eq(pipe(pair), 0);
	tracer = process_clone(0, -1, &tracer_fd);
	if (tracer == 0) {
		(void)!write(pair[1], ptrace(PTRACE_SEIZE, pid, 0, 0) == 0 ? "y" : "n", 1);
		pause();
		_exit(1);
	}
	ck_assert_int_eq(read(pair[0], &byte, 1), 1);
	ck_assert_int_eq(byte, 'y');
	process_signal(pidfd, SIGKILL);
	while (!process_has_ended(pidfd))
		;
	ck_assert_int_eq(process_reap(pidfd, &info, 20), -EBUSY);
	process_signal(tracer_fd, SIGKILL);
	ck_assert_int_eq(process_reap(tracer_fd, &info, 5000), 0);
	ck_assert_int_eq(process_reap(pidfd, &info, 5000), 0);
	ck_assert_int_eq(info.si_status, SIGKILL);
}
END_TEST

START_TEST(signals_are_as_a_program_expects_them)
{
	sigset_t all, now;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGRTMIN + 3, SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	process_reset_signals();
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, NULL, &now), 0);
	for (int i = 1; i < NSIG; i++) {
		struct sigaction action;

		ck_assert_int_ne(sigismember(&now, i), 1);
		if (sigaction(i, NULL, &action) == 0)
			ck_assert(action.sa_handler == SIG_DFL);
	}
}
END_TEST

static void nothing(int number)
{
	(void)number;
}

START_TEST(what_is_caught_or_blocked_is_heard)
{
	sigset_t set;

	ck_assert(!process_hears(getpid(), SIGUSR1));
	ck_assert(!process_hears(getpid(), SIGRTMIN + 3));
	signal(SIGUSR1, SIG_IGN);
	ck_assert(!process_hears(getpid(), SIGUSR1));
	signal(SIGUSR1, nothing);
	ck_assert_int_eq(process_hears(getpid(), SIGUSR1), 1);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ck_assert_int_eq(process_hears(getpid(), SIGRTMIN + 3), 2);
	ck_assert(!process_hears(getpid(), SIGRTMIN + 4));
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ck_assert_int_eq(process_hears(getpid(), SIGUSR1), 1);
}
END_TEST

static int tell_more(void *context, void *answer)
{
	const int *number = context;
	char *text = answer;

	memset(text, 'x', 100000);
	text[0] = (char)('0' + *number);
	return *number - 1;
}

static int say_nothing(void *context, void *answer)
{
	(void)answer;
	if (context != NULL)
		for (;;)
			pause();
	_exit(0);
}

START_TEST(a_child_is_asked_for_what_only_it_can_tell)
{
	static char answer[100000];
	int number = 3;

	ck_assert_int_eq(process_ask(tell_more, &number, answer, sizeof(answer), -1), 2);
	ck_assert_int_eq(answer[0], '3');
	ck_assert_int_eq(answer[99999], 'x');
	number = -4; /* then there is no answer */
	ck_assert_int_eq(process_ask(tell_more, &number, answer, sizeof(answer), 10000), -5);
	ck_assert_int_eq(answer[0], '3');
	ck_assert_int_eq(process_ask(say_nothing, NULL, answer, 1, 10000), -EIO);
	ck_assert_int_eq(process_ask(say_nothing, &number, answer, 1, 10), -ETIMEDOUT);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("process");

	tcase_add_loop_test(cases, a_clone_is_signalled_and_reaped_by_its_pidfd, 0, 2);
	tcase_add_loop_test(cases, a_clone_begins_in_new_namespaces, 0, 2);
	tcase_add_test(cases, a_missing_cgroup_clone_is_an_outcome);
	tcase_add_test(cases, the_start_time_identifies_a_process);
	tcase_add_test(cases, a_number_of_the_kernel_is_of_one_process);
	tcase_add_test(cases, a_strangers_end_is_known_before_it_is_reaped);
	tcase_add_test(cases, a_tracer_that_keeps_what_has_ended_is_not_waited_for);
	tcase_add_test(cases, signals_are_as_a_program_expects_them);
	tcase_add_test(cases, what_is_caught_or_blocked_is_heard);
	tcase_add_test(cases, a_child_is_asked_for_what_only_it_can_tell);
	return fixture_run(cases, "kernel/process");
}
