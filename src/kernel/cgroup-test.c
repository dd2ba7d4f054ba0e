#include "kernel/cgroup.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "io/fd.h"
#include "io/file.h"
#include "kernel/fixture.h"
#include "kernel/process.h"

static char name[64];

/* A cgroup of this case's own, or -1: this user or machine has none to write to. */
static int enter(int *ret_root)
{
	const char *path;
	int fd;

	if (cgroup_open_root(ret_root, &path) < 0)
		return -1;
	snprintf(name, sizeof(name), "redd-test-%d", (int)getpid());
	fd = cgroup_make(*ret_root, name, true);
	return fd == -EACCES || fd == -EROFS || fd == -EPERM ? -1 : fd;
}

static bool is_populated(int fd)
{
	char text[256];

	ck_assert_int_ge(file_read_line(text, sizeof(text), fd, "cgroup.events"), 0);
	return strstr(text, "populated 1") != NULL;
}

static pid_t sleeper(int fd)
{
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	ck_assert_int_eq(cgroup_attach(fd, pid), 0);
	return pid;
}

START_TEST(a_cgroup_is_made_and_removed)
{
	autoclose int root = -EBADF, top = -EBADF, again = -EBADF, child = -EBADF;

	top = enter(&root);
	if (top < 0)
		return;
	ck_assert_int_eq(cgroup_make(root, name, true), -EEXIST);
	again = cgroup_make(root, name, false);
	ck_assert_uint_eq(cgroup_inode(again), cgroup_inode(top));
	ck_assert_uint_ne(cgroup_inode(top), 0);
	ck_assert(!is_populated(top));
	ck_assert_int_eq(cgroup_enable_all(top), 0);
	child = cgroup_make(top, "payload", true);
	ck_assert_int_ge(child, 0);
	ck_assert_int_eq(cgroup_delegate(child, geteuid(), getegid()), 0);
	ck_assert_int_eq(cgroup_remove(root, name, 1000), 0);
	ck_assert_int_eq(cgroup_remove(root, name, 1000), 0);
	ck_assert_int_lt(faccessat(root, name, F_OK, 0), 0);
}
END_TEST

START_TEST(a_frozen_cgroup_stands_still_until_it_is_thawed)
{
	autoclose int root = -EBADF, top = -EBADF;
	uint64_t frozen;
	pid_t pid;

	top = enter(&root);
	if (top < 0)
		return;
	pid = sleeper(top);
	ck_assert_int_eq(cgroup_freeze(top, true, 5000), 0);
	ck_assert_int_eq(cgroup_read_key(&frozen, top, "cgroup.events", "frozen"), 0);
	ck_assert_uint_eq(frozen, 1);
	ck_assert_int_eq(cgroup_freeze(top, false, 5000), 0);
	ck_assert_int_eq(cgroup_read_key(&frozen, top, "cgroup.events", "frozen"), 0);
	ck_assert_uint_eq(frozen, 0);
	ck_assert_int_eq(cgroup_read_key(&frozen, top, "cgroup.events", "froze"), -ENOENT);
	ck_assert_int_eq(cgroup_kill(top), 0);
	waitpid(pid, NULL, 0);
	ck_assert_int_eq(cgroup_remove(root, name, 1000), 0);
}
END_TEST

START_TEST(a_cgroup_is_opened_by_its_path)
{
	autoclose int root = -EBADF, top = -EBADF, again = -EBADF, slash = -EBADF;
	char path[80];

	top = enter(&root);
	if (top < 0)
		return;
	snprintf(path, sizeof(path), "/%s", name);
	again = cgroup_open(path);
	ck_assert_uint_eq(cgroup_inode(again), cgroup_inode(top));
	slash = cgroup_open("/");
	ck_assert_uint_eq(cgroup_inode(slash), cgroup_inode(root));
	ck_assert_int_eq(cgroup_open("/none-such"), -ENOENT);
	ck_assert(!cgroup_has_controller(top, "none-such"));
	ck_assert_int_lt(cgroup_enable(top, "none-such"), 0);
	ck_assert_int_eq(cgroup_remove(root, name, 1000), 0);
}
END_TEST

START_TEST(a_deep_tree_is_removed)
{
	autoclose int root = -EBADF, top = -EBADF, here = -EBADF;

	top = enter(&root);
	if (top < 0)
		return;
	for (int i = 0; i < 3; i++) {
		here = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		for (int j = 0; j < 20; j++) {
			char text[16];
			int next;

			snprintf(text, sizeof(text), "%d", i);
			next = cgroup_make(here, text, false);
			ck_assert_int_ge(next, 0);
			fd_close(&here);
			here = next;
			snprintf(text, sizeof(text), "s%d", j);
			fd_close(&(int){ cgroup_make(here, text, false) });
		}
		fd_close(&here);
	}
	ck_assert_int_eq(cgroup_remove(root, name, 1000), 0);
	ck_assert_int_lt(faccessat(root, name, F_OK, 0), 0);
}
END_TEST

START_TEST(everything_below_is_killed)
{
	autoclose int root = -EBADF, top = -EBADF, child = -EBADF;
	int status;

	top = enter(&root);
	if (top < 0)
		return;
	child = cgroup_make(top, "payload", true);
	sleeper(child);
	sleeper(child);
	ck_assert(is_populated(top));
	ck_assert_int_eq(cgroup_remove(root, name, 10), -EBUSY);
	ck_assert_int_eq(_i ? cgroup_kill_each(top) : cgroup_kill(top), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_gt(wait(&status), 0);
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	ck_assert_int_eq(cgroup_remove(root, name, 5000), 0);
}
END_TEST

START_TEST(all_processes_are_moved_but_those_below)
{
	autoclose int root = -EBADF, top = -EBADF, child = -EBADF, below = -EBADF;

	top = enter(&root);
	if (top < 0)
		return;
	child = cgroup_make(top, "supervisor", true);
	below = cgroup_make(top, "payload", true);
	sleeper(top);
	sleeper(top);
	ck_assert(!is_populated(child));
	ck_assert_int_eq(cgroup_move_all(top, child), 0);
	ck_assert_int_eq(cgroup_kill(child), 0);
	while (wait(NULL) > 0)
		;
	sleeper(below);
	ck_assert_int_eq(cgroup_move_all(top, child), 0);
	ck_assert(is_populated(below) && !is_populated(child));
	ck_assert_int_eq(cgroup_kill(top), 0);
	ck_assert_int_eq(cgroup_remove(root, name, 5000), 0);
}
END_TEST

START_TEST(the_end_of_the_last_process_is_waited_for)
{
	autoclose int root = -EBADF, top = -EBADF;
	pid_t pid;

	top = enter(&root);
	if (top < 0)
		return;
	pid = fork();
	if (pid == 0) {
		cgroup_attach(top, 0);
		usleep(100000);
		_exit(0);
	}
	while (!is_populated(top))
		usleep(1000);
	ck_assert_int_eq(cgroup_remove(root, name, 5000), 0);
	waitpid(pid, NULL, 0);
}
END_TEST

START_TEST(the_own_path_is_absolute)
{
	autoclose int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char path[4096], again[4096], small[1];
	int r = cgroup_process_path(path, sizeof(path), 0);

	if (r == -ENOENT)
		return;
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(path[0], '/');
	ck_assert_int_eq(cgroup_process_path(small, sizeof(small), 0), -ENAMETOOLONG);
	ck_assert_int_eq(cgroup_process_path_at(again, sizeof(again), self), 0);
	ck_assert_str_eq(again, path);
}
END_TEST

START_TEST(processes_are_born_inside)
{
	autoclose int root = -EBADF, top = -EBADF, pidfd = -EBADF;
	siginfo_t info;
	pid_t pid;

	top = enter(&root);
	if (top < 0)
		return;
	pid = process_clone(0, top, &pidfd);
	if (pid == 0)
		_exit(is_populated(top) ? 0 : 1);
	if (pid > 0) {
		ck_assert_int_eq(process_wait(pidfd, &info, 0), 0);
		ck_assert_int_eq(info.si_status, 0);
	}
	ck_assert_int_eq(cgroup_remove(root, name, 5000), 0);
	ck_assert(pid > 0 || pid == -EOPNOTSUPP);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("cgroup");

	tcase_add_test(cases, a_cgroup_is_made_and_removed);
	tcase_add_test(cases, a_deep_tree_is_removed);
	tcase_add_test(cases, a_frozen_cgroup_stands_still_until_it_is_thawed);
	tcase_add_test(cases, a_cgroup_is_opened_by_its_path);
	tcase_add_loop_test(cases, everything_below_is_killed, 0, 2);
	tcase_add_test(cases, all_processes_are_moved_but_those_below);
	tcase_add_test(cases, the_end_of_the_last_process_is_waited_for);
	tcase_add_test(cases, the_own_path_is_absolute);
	tcase_add_test(cases, processes_are_born_inside);
	return fixture_run(cases, "kernel/cgroup");
}
