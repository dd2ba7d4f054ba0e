#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/unit.h"
#include "io/child.h"
#include "io/clock.h"
#include "io/fd.h"

#define SECOND UINT64_C(1000000)

static int run_shell(int *status, const char *script, int output, uint64_t timeout_us)
{
	char *const arguments[] = { (char *)"sh", (char *)"-c", (char *)script, NULL };
	char *const environment[] = { (char *)"A=b", NULL };
	const struct child_request request = {
		.path = "/bin/sh",
		.arguments = arguments,
		.environment = environment,
		.stdio = { -EBADF, output, -EBADF },
		.timeout_us = timeout_us,
	};

	return child_run(status, &request);
}

START_TEST(the_status_is_told)
{
	int status = 77;

	ck_assert_int_eq(run_shell(&status, "exit 3", -EBADF, 10 * SECOND), 0);
	ck_assert_int_eq(status, 3);
	ck_assert_int_eq(run_shell(&status, "kill -9 $$", -EBADF, 10 * SECOND), 0);
	ck_assert_int_eq(status, -SIGKILL);
}
END_TEST

START_TEST(a_missing_program_is_an_error)
{
	char *const arguments[] = { (char *)"none", NULL };
	struct child_request request = {
		.path = "/nonexistent/none",
		.arguments = arguments,
		.stdio = { -EBADF, -EBADF, -EBADF },
		.timeout_us = SECOND,
	};
	int status = 77;

	ck_assert_int_eq(child_run(&status, &request), -ENOENT);
	request.path = "/etc/passwd";
	ck_assert_int_eq(child_run(&status, &request), -EACCES);
	ck_assert_int_eq(status, 77);
}
END_TEST

START_TEST(one_that_hangs_is_killed)
{
	uint64_t before = clock_monotonic_us();
	int status = 77;

	ck_assert_int_eq(run_shell(&status, "exec sleep 60", -EBADF, SECOND / 10), -ETIMEDOUT);
	ck_assert_uint_lt(clock_monotonic_us() - before, 10 * SECOND);
	ck_assert_int_eq(status, 77);
}
END_TEST

START_TEST(one_more_is_kept_if_that_is_asked_for)
{
	char *const arguments[] = { (char *)"sh", (char *)"-c",
				    (char *)"read word <&3 && [ $word = kept ] && "
					    "! [ -e /proc/$$/fd/4 ] && ! [ -e /proc/$$/fd/250 ]",
				    NULL };
	struct child_request request = {
		.path = "/bin/sh",
		.arguments = arguments,
		.stdio = { -EBADF, -EBADF, STDERR_FILENO },
		.timeout_us = 10 * SECOND,
	};
	int both[2], status = 77;

	ck_assert_int_eq(pipe2(both, O_CLOEXEC), 0);
	ck_assert_int_eq(fd_write_all(both[1], "kept\n", 5), 0);
	request.kept = dup3(both[0], 250, O_CLOEXEC);
	ck_assert_int_eq(request.kept, 250);
	ck_assert_int_eq(child_run(&status, &request), 0);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(it_gets_three_descriptors_our_environment_and_no_blocked_signals)
{
	/* Builtins only: while it waits for a child, this shell blocks signals itself. */
	static const char script[] =
		"echo $A $HOME; for fd in 0 1 2 3 4 5 6 7 8 9 251; do "
		"[ ! -e /proc/$$/fd/$fd ] || echo $fd; done; while read key value; do "
		"[ $key != SigBlk: ] || echo $value; done </proc/$$/status; kill -TERM $$";
	char text[256] = {};
	int ends[2], status;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_eq(run_shell(&status, script, ends[1], 10 * SECOND), 0);
	ck_assert_int_eq(status, -SIGTERM);
	ck_assert_int_gt(read(ends[0], text, sizeof(text) - 1), 0);
	ck_assert_str_eq(text, "b\n0\n1\n2\n0000000000000000\n");
}
END_TEST

/* Standard output becomes what fd 0 is, while fd 0 becomes something else. */
START_TEST(low_descriptors_do_not_get_mixed_up)
{
	char text[16] = {};
	int ends[2], status;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_eq(dup2(ends[1], 0), 0);
	ck_assert_int_eq(run_shell(&status, "echo out", 0, 10 * SECOND), 0);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(read(ends[0], text, sizeof(text) - 1), 4);
	ck_assert_str_eq(text, "out\n");
}
END_TEST

START_TEST(a_program_is_found_along_absolute_directories)
{
	autoarena struct arena arena = {};

	ck_assert_str_eq(child_find(&arena, "/nowhere:bin:/bin", "sh"), "/bin/sh");
	ck_assert_str_eq(child_find(&arena, "/nowhere", "/any/thing"), "/any/thing");
	ck_assert_ptr_nonnull(child_find(&arena, NULL, "sh"));
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_ptr_null(child_find(&arena, "bin:", "sh"));
	ck_assert_ptr_null(child_find(&arena, "/bin", "bin/sh"));
	ck_assert_ptr_null(child_find(&arena, "/bin", "no-such-program"));
}
END_TEST

START_TEST(one_may_run_for_ever)
{
	int status = 77;

	ck_assert_int_eq(run_shell(&status, "exit 4", -EBADF, CHILD_FOREVER), 0);
	ck_assert_int_eq(status, 4);
}
END_TEST

int main(void)
{
	return UNIT_RUN("io/child", the_status_is_told, a_missing_program_is_an_error,
			one_that_hangs_is_killed, one_more_is_kept_if_that_is_asked_for,
			it_gets_three_descriptors_our_environment_and_no_blocked_signals,
			low_descriptors_do_not_get_mixed_up,
			a_program_is_found_along_absolute_directories, one_may_run_for_ever);
}
