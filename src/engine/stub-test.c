#include "engine/stub.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "io/fd.h"
#include "kernel/fixture.h"
#include "kernel/process.h"

START_TEST(nobody_can_write_to_it)
{
	autoclose int fd = stub_open(), again = -EBADF;
	char path[32];
	struct stat st;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(fd, F_GET_SEALS) &
				 (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE),
			 F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_gt(st.st_size, 0);
	ck_assert_int_eq(st.st_mode & 0222, 0);

	/* As root too, and opened once more as /proc/1/exe is. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 2; i++) {
		int to = i ? again : fd;

		if (to < 0)
			continue;
		ck_assert_int_lt(pwrite(to, "x", 1, 0), 0);
		ck_assert_int_lt(pwrite(to, "x", 1, st.st_size), 0);
		ck_assert_int_lt(ftruncate(to, 0), 0);
		ck_assert_int_lt(ftruncate(to, st.st_size + 1), 0);
		ck_assert_int_lt(fallocate(to, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1),
				 0);
		ck_assert_ptr_eq(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, to, 0),
				 MAP_FAILED);
		ck_assert_int_lt(fcntl(to, F_ADD_SEALS, F_SEAL_SEAL), 0);
	}
}
END_TEST

START_TEST(each_is_a_file_of_its_own)
{
	autoclose int one = stub_open(), two = stub_open();
	struct stat a, b;

	ck_assert_int_eq(fstat(one, &a), 0);
	ck_assert_int_eq(fstat(two, &b), 0);
	ck_assert_uint_ne(a.st_ino, b.st_ino);
	ck_assert_int_eq(a.st_size, b.st_size);
}
END_TEST

/* PID 1 of a new namespace becomes the stub; PID 2 is PAYLOAD, once the stub is ready. */
static pid_t start(void (*payload)(void))
{
	int fd = stub_open(), pidfd, ready[2];
	pid_t pid;

	ck_assert_int_ge(fd, 0);
	pid = process_clone(CLONE_NEWPID, -EBADF, &pidfd);
	ck_assert_int_ge(pid, 0);
	if (pid != 0)
		return pid;
	if (pipe(ready) == 0 && fork() == 0) {
		char byte;

		close(ready[1]);
		if (read(ready[0], &byte, 1) == 0)
			payload();
		_exit(1);
	}
	fexecve(fd, (char *[]){ (char[]){ "stub" }, NULL }, (char *[]){ NULL });
	_exit(2);
}

static int ending_of(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void ends_with_nine(void)
{
	/* Orphans of the payload are reaped, and are not taken for it. */
	for (int i = 0; i < 3; i++)
		if (fork() == 0) {
			if (fork() == 0)
				_exit(0);
			_exit(0);
		}
	_exit(9);
}

static void is_killed(void)
{
	raise(SIGKILL);
}

static void stop_with_four(int number)
{
	(void)number;
	_exit(4);
}

static void asks_init_to(int signal_number)
{
	signal(SIGTERM, stop_with_four);
	kill(1, signal_number);
	for (;;)
		pause();
}

static void powers_off(void)
{
	asks_init_to(SIGRTMIN + 4);
}

static void reboots(void)
{
	asks_init_to(SIGINT);
}

START_TEST(it_ends_as_the_payload_does)
{
	int status = ending_of(start(ends_with_nine));

	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 9, "%x", status);
}
END_TEST

START_TEST(a_killed_payload_is_a_failure)
{
	int status = ending_of(start(is_killed));

	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 255, "%x", status);
}
END_TEST

/* reboot(2) in a pid namespace kills its PID 1 with a signal that tells which (pid_namespaces(7)).
 */
START_TEST(it_powers_off_and_reboots)
{
	int status = ending_of(start(_i ? reboots : powers_off));

	ck_assert_msg(WIFSIGNALED(status), "%x", status);
	ck_assert_int_eq(WTERMSIG(status), _i ? SIGHUP : SIGINT);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("stub");

	tcase_set_timeout(cases, 20);
	tcase_add_test(cases, nobody_can_write_to_it);
	tcase_add_test(cases, each_is_a_file_of_its_own);
	if (geteuid() == 0) {
		tcase_add_test(cases, it_ends_as_the_payload_does);
		tcase_add_test(cases, a_killed_payload_is_a_failure);
		tcase_add_loop_test(cases, it_powers_off_and_reboots, 0, 2);
	} else {
		puts("skipped: only root can make a PID 1 to run it as");
	}
	return fixture_run(cases, "engine/stub");
}
