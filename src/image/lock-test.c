#include "image/lock.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/fail.h"
#include "io/fd.h"
#include "kernel/fixture.h"

static struct arena arena;

static int tree(void)
{
	ck_assert(fixture_enter_as_root());
	ck_assert_int_eq(mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"), 0);
	ck_assert_int_eq(mkdir("/mnt/web", 0755), 0);
	return fixture_open("/mnt/web");
}

START_TEST(two_cannot_write_one_tree)
{
	struct lock first = LOCK_EMPTY, second = LOCK_EMPTY;
	autoclose int fd = tree();

	ck_assert_int_eq(lock_take(&arena, &first, "/mnt/web", fd, true, true), 0);
	ck_assert_int_eq(access("/mnt/.#web.lck", F_OK), 0);
	ck_assert_int_eq(lock_take(&arena, &second, "/mnt/web", fd, true, true), -EBUSY);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "/mnt/web"));
	ck_assert_int_eq(lock_take(&arena, &second, "/mnt/web", fd, false, true), -EBUSY);
	lock_release(&first);
	ck_assert_int_lt(access("/mnt/.#web.lck", F_OK), 0);
	ck_assert_int_eq(lock_take(&arena, &second, "/mnt/web", fd, true, true), 0);
	lock_release(&second);
}
END_TEST

START_TEST(a_tree_that_was_renamed_before_it_was_locked_is_not_what_is_there)
{
	autoclose int fd = tree();

	ck_assert_int_eq(lock_check("/mnt/web", fd), 0);
	ck_assert_int_eq(symlink("web", "/mnt/link"), 0);
	ck_assert_int_eq(lock_check("/mnt/link", fd), 0);
	ck_assert_int_eq(rename("/mnt/web", "/mnt/site"), 0);
	ck_assert_int_eq(lock_check("/mnt/web", fd), -ESTALE);
	ck_assert_int_eq(mkdir("/mnt/web", 0755), 0);
	ck_assert_int_eq(lock_check("/mnt/web", fd), -ESTALE);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "try again"));
}
END_TEST

START_TEST(many_may_read_one_tree)
{
	struct lock first = LOCK_EMPTY, second = LOCK_EMPTY, writer = LOCK_EMPTY;
	autoclose int fd = tree();

	ck_assert_int_eq(lock_take(&arena, &first, "/mnt/web", fd, false, true), 0);
	ck_assert_int_eq(lock_take(&arena, &second, "/mnt/web", fd, false, true), 0);
	ck_assert_int_eq(lock_take(&arena, &writer, "/mnt/web", fd, true, true), -EBUSY);
	lock_release(&first);
	ck_assert_int_eq(lock_take(&arena, &writer, "/mnt/web", fd, true, true), -EBUSY);
	ck_assert_int_eq(access("/mnt/.#web.lck", F_OK), 0);
	lock_release(&second);
	ck_assert_int_lt(access("/mnt/.#web.lck", F_OK), 0);
	ck_assert_int_eq(lock_take(&arena, &writer, "/mnt/web", fd, true, true), 0);
	lock_release(&writer);
}
END_TEST

static int held_fd = -EBADF;

static void let_go(int number)
{
	(void)number;
	close(held_fd);
}

START_TEST(who_has_it_alone_to_let_go_is_waited_for)
{
	const struct itimerval soon = { .it_value = { .tv_usec = 10000 } };
	struct lock lock = LOCK_EMPTY;
	autoclose int fd = tree();

	held_fd = lock_file(AT_FDCWD, "/mnt/.#web.lck", true);
	ck_assert_int_ge(held_fd, 0);
	ck_assert(signal(SIGALRM, let_go) != SIG_ERR);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &soon, NULL), 0);
	ck_assert_int_eq(lock_take(&arena, &lock, "/mnt/web", fd, false, true), 0);
	lock_release(&lock);
}
END_TEST

#define ROUNDS 1000

/* Both are here as often: one of them waits for the other. */
static void meet(atomic_int *arrived, int times)
{
	atomic_fetch_add(arrived, 1);
	while (atomic_load(arrived) < 2 * times)
		sched_yield();
}

static int share_and_let_go(int fd, atomic_int *arrived)
{
	int left = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct lock lock = LOCK_EMPTY;

		if (lock_take(&arena, &lock, "/mnt/web", fd, false, false) < 0)
			return -1;
		meet(arrived, 3 * i + 1);
		lock_release(&lock);
		meet(arrived, 3 * i + 2);
		left += access("/mnt/.#web.lck", F_OK) == 0;
		meet(arrived, 3 * i + 3);
	}
	return left;
}

START_TEST(who_let_go_at_the_same_time_leave_nothing)
{
	atomic_int *arrived = mmap(NULL, sizeof(*arrived), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	autoclose int fd = tree();
	int status;
	pid_t pid;

	ck_assert_ptr_ne(arrived, MAP_FAILED);
	pid = fork();
	if (pid == 0)
		_exit(share_and_let_go(fd, arrived) != 0);
	ck_assert_int_eq(share_and_let_go(fd, arrived), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(another_path_to_the_tree_is_the_same_tree)
{
	struct lock first = LOCK_EMPTY, second = LOCK_EMPTY;
	autoclose int fd = tree();

	ck_assert_int_eq(lock_take(&arena, &first, "/mnt/web", fd, true, true), 0);
	ck_assert_int_eq(mkdir("/mnt/other", 0755), 0);
	ck_assert_int_eq(lock_take(&arena, &second, "/mnt/other/web", fd, true, true), -EBUSY);
	lock_release(&first);
}
END_TEST

START_TEST(the_lock_ends_with_its_process)
{
	struct lock lock = LOCK_EMPTY;
	autoclose int fd = tree();
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(lock_take(&arena, &lock, "/mnt/web", fd, true, true) < 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(access("/mnt/.#web.lck", F_OK), 0);
	ck_assert_int_eq(lock_take(&arena, &lock, "/mnt/web", fd, true, true), 0);
	lock_release(&lock);
}
END_TEST

START_TEST(a_link_in_the_place_of_the_lock_file_is_refused)
{
	struct lock lock = LOCK_EMPTY;
	autoclose int fd = tree();

	fixture_write("/mnt/victim", "text");
	ck_assert_int_eq(symlink("/mnt/victim", "/mnt/.#web.lck"), 0);
	ck_assert_int_eq(lock_take(&arena, &lock, "/mnt/web", fd, true, true), -ELOOP);
	lock_release(&lock);
	ck_assert_int_eq(access("/mnt/victim", F_OK), 0);
}
END_TEST

START_TEST(a_read_only_medium_is_locked_globally)
{
	struct lock first = LOCK_EMPTY, second = LOCK_EMPTY;
	autoclose int fd = tree();

	ck_assert_int_eq(mount(NULL, "/mnt", NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	ck_assert_int_eq(lock_take(&arena, &first, "/mnt/web", fd, true, true), 0);
	ck_assert_int_eq(lock_take(&arena, &second, "/mnt/web", fd, false, true), -EBUSY);
	lock_release(&first);
}
END_TEST

START_TEST(the_hosts_root_can_only_be_shared)
{
	struct lock lock = LOCK_EMPTY;
	autoclose int fd = fixture_open("/");

	ck_assert_int_eq(lock_take(&arena, &lock, "/", fd, true, true), -EBUSY);
	ck_assert_int_eq(lock_take(&arena, &lock, "/", fd, false, true), 0);
	lock_release(&lock);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("lock");

	if (geteuid() != 0)
		return 77;
	tcase_add_test(cases, two_cannot_write_one_tree);
	tcase_add_test(cases, a_tree_that_was_renamed_before_it_was_locked_is_not_what_is_there);
	tcase_add_test(cases, many_may_read_one_tree);
	tcase_add_test(cases, who_has_it_alone_to_let_go_is_waited_for);
	tcase_add_test(cases, who_let_go_at_the_same_time_leave_nothing);
	tcase_add_test(cases, another_path_to_the_tree_is_the_same_tree);
	tcase_add_test(cases, the_lock_ends_with_its_process);
	tcase_add_test(cases, a_link_in_the_place_of_the_lock_file_is_refused);
	tcase_add_test(cases, a_read_only_medium_is_locked_globally);
	tcase_add_test(cases, the_hosts_root_can_only_be_shared);
	return fixture_run(cases, "image/lock");
}
