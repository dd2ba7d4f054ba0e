#include "machine/session.h"

#include <errno.h>
#include <sys/wait.h>

#include "base/fail.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/fixture.h"
#include "kernel/syscall.h"
#include "machine/enter.h"

static struct session session = SESSION_EMPTY;

/* Our standard streams: a file to read from, and one to write to. */
static void use_files(const char *text)
{
	int in, out;

	fixture_enter(0);
	fixture_write("/mnt/in", text);
	fixture_write("/mnt/out", "");
	in = open("/mnt/in", O_RDONLY | O_CLOEXEC);
	out = open("/mnt/out", O_WRONLY | O_CLOEXEC);
	ck_assert(in >= 0 && out >= 0);
	ck_assert(dup2(in, 0) == 0 && dup2(out, 1) == 1);
	fd_close(&in);
	fd_close(&out);
}

static void expect(const char *text)
{
	char line[64];

	ck_assert_int_ge(file_read_line(line, sizeof(line), AT_FDCWD, "/mnt/out"), 0);
	ck_assert_str_eq(line, text);
}

/* A program with the session's streams. */
static int start(const char *script)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		for (int i = 0; i < 2; i++)
			if (dup2(session.stdio[i], i) < 0)
				_exit(99);
		fd_close_all(3, NULL, 0);
		execl("/bin/sh", "sh", "-c", script, (char *)NULL);
		_exit(98);
	}
	return sys_pidfd_open(pid, 0);
}

static int run(const char *script)
{
	autoclose int pidfd = start(script);
	siginfo_t info;

	ck_assert_int_ge(pidfd, 0);
	ck_assert_int_eq(session_run(&session, pidfd, &info), 0);
	session_done(&session);
	return info.si_status;
}

START_TEST(a_file_is_given_as_it_is_where_nobody_can_open_it_anew)
{
	struct enter enter = ENTER_EMPTY;

	use_files("text\n");
	ck_assert_int_eq(session_open(&session, &enter, true), 0);
	ck_assert(!session_has_pty(&session));
	ck_assert(session.stdio[0] == 0 && session.stdio[1] == 1);
	ck_assert_int_eq(run("cat; exit 3"), 3);
	expect("text");
}
END_TEST

START_TEST(else_its_bytes_go_through_a_pipe)
{
	struct enter enter = ENTER_EMPTY;

	enter.shares_ids = true;
	use_files("text\n");
	ck_assert_int_eq(session_open(&session, &enter, true), 0);
	ck_assert(session.stdio[0] > 2 && session.stdio[1] > 2);
	ck_assert_int_eq(run("test -p /dev/stdin && test -p /dev/stdout && cat && exit 4"), 4);
	expect("text");
}
END_TEST

START_TEST(a_program_that_does_not_read_stops_nobody)
{
	struct enter enter = ENTER_EMPTY;

	enter.shares_ids = true;
	use_files("text\n");
	ck_assert_int_eq(session_open(&session, &enter, true), 0);
	ck_assert_int_eq(run("exec <&-; echo out; exit 5"), 5);
	expect("out");
}
END_TEST

START_TEST(a_directory_is_refused_and_nothing_is_filled)
{
	autoclose int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int copy = dup(0);

	close(0);
	ck_assert_int_eq(session_check(), 0);
	ck_assert_int_ge(fcntl(0, F_GETFL), 0);
	ck_assert_int_eq(dup2(directory, 0), 0);
	ck_assert_int_lt(session_check(), 0);
	ck_assert_int_ne(fail_recorded()->code, 0);
	dup2(copy, 0);
	close(copy);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("session");

	tcase_add_test(cases, a_file_is_given_as_it_is_where_nobody_can_open_it_anew);
	tcase_add_test(cases, else_its_bytes_go_through_a_pipe);
	tcase_add_test(cases, a_program_that_does_not_read_stops_nobody);
	tcase_add_test(cases, a_directory_is_refused_and_nothing_is_filled);
	return fixture_run(cases, "machine/session");
}
