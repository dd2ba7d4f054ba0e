#include "image/growing.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "io/dir.h"
#include "io/scratch.h"

static struct arena arena;

static int count_one(int dir_fd, const char *name, unsigned char type, void *context)
{
	(void)dir_fd;
	(void)name;
	(void)type;
	++*(int *)context;
	return 0;
}

/* An empty directory a case, and how much is in it. */
static int enter(const char *name)
{
	ck_assert_int_eq(mkdirat(scratch_fd, name, 0755), 0);
	return openat(scratch_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int entries(int dir_fd)
{
	int count = 0;

	ck_assert_int_eq(dir_walk(dir_fd, count_one, &count), 0);
	return count;
}

START_TEST(what_grows_is_hidden_and_then_has_its_name)
{
	int at = enter("name");
	struct growing file, tree;
	bool replaced;
	struct stat st;

	ck_assert_int_eq(growing_file(&arena, &file, at, "web"), 0);
	ck_assert_int_eq(strncmp(file.name, ".#", 2), 0);
	ck_assert_int_eq(growing_directory(&arena, &tree, at, "web", true), 0);
	ck_assert_int_eq(growing_publish(&file, "web.raw", false, &replaced), 0);
	ck_assert(!replaced);
	growing_done(&file);
	ck_assert_int_eq(growing_publish(&tree, "web", false, &replaced), 0);
	growing_done(&tree);
	ck_assert_int_eq(fstatat(at, "web.raw", &st, 0), 0);
	ck_assert_int_eq(fstatat(at, "web", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0755);
	ck_assert_int_eq(entries(at), 2);
}
END_TEST

START_TEST(a_name_that_is_taken_is_replaced_on_demand_only)
{
	int at = enter("taken");
	struct growing file;
	bool replaced;
	struct stat st;

	ck_assert_int_eq(mkdirat(at, "web", 0755), 0);
	ck_assert_int_eq(growing_file(&arena, &file, at, "web"), 0);
	ck_assert_int_eq(growing_publish(&file, "web", false, &replaced), -EEXIST);
	ck_assert_int_eq(growing_publish(&file, "web", true, &replaced), 0);
	ck_assert(replaced);
	ck_assert_int_eq(fstatat(at, "web", &st, 0), 0);
	ck_assert(S_ISREG(st.st_mode));
	/* The old one has the hidden name now. */
	ck_assert_int_eq(growing_remove(&file), 0);
	ck_assert_int_eq(entries(at), 1);
}
END_TEST

START_TEST(what_somebody_works_on_is_not_swept)
{
	int at = enter("sweep");
	struct growing file, tree;

	ck_assert_int_eq(growing_file(&arena, &file, at, "a"), 0);
	ck_assert_int_eq(growing_directory(&arena, &tree, at, "b", false), 0);
	ck_assert_int_eq(mkdirat(tree.fd, "sub", 0700), 0);
	ck_assert_int_eq(mkdirat(at, ".#another", 0700), 0);
	ck_assert_int_eq(growing_sweep(at, "sweep"), 0);
	ck_assert_int_eq(entries(at), 3);
	fd_close(&file.fd);
	ck_assert_int_eq(growing_sweep(at, "sweep"), 1);
	ck_assert_int_eq(entries(at), 2);
	fd_close(&tree.fd);
	ck_assert_int_eq(growing_sweep(at, "sweep"), 1);
	ck_assert_int_eq(entries(at), 1);
}
END_TEST

START_TEST(what_a_killed_process_left_is_swept)
{
	int at = enter("killed"), ready[2];
	char byte;
	pid_t child;

	ck_assert_int_eq(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		struct growing tree;

		if (growing_directory(&arena, &tree, at, "web", true) == 0 &&
		    write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ck_assert_int_eq(growing_sweep(at, "killed"), 0);
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ck_assert_int_eq(growing_sweep(at, "killed"), 1);
	ck_assert_int_eq(entries(at), 0);
}
END_TEST

START_TEST(a_child_that_still_works_on_it_keeps_it)
{
	int at = enter("child"), go[2];
	struct growing file;
	char byte;
	pid_t child;

	ck_assert_int_eq(pipe(go), 0);
	ck_assert_int_eq(growing_file(&arena, &file, at, "web"), 0);
	child = fork();
	if (child == 0) {
		close(go[1]);
		_exit(read(go[0], &byte, 1) == 0 ? 0 : 1);
	}
	fd_close(&file.fd);
	ck_assert_int_eq(growing_sweep(at, "child"), 0);
	close(go[1]);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ck_assert_int_eq(growing_sweep(at, "child"), 1);
}
END_TEST

START_TEST(where_there_are_no_snapshots_nothing_is_left_of_one)
{
	int at = enter("snapshot");
	struct growing tree;

	ck_assert_int_lt(growing_snapshot(&arena, &tree, at, "web", at), 0);
	ck_assert_int_eq(entries(at), 0);
}
END_TEST

START_TEST(names_as_long_as_they_can_be_grow_too)
{
	int at = enter("long");
	struct growing file;
	char name[256];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(growing_file(&arena, &file, at, name), 0);
	ck_assert_int_eq(growing_remove(&file), 0);
	ck_assert_int_eq(entries(at), 0);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("image/growing", what_grows_is_hidden_and_then_has_its_name,
			   a_name_that_is_taken_is_replaced_on_demand_only,
			   what_somebody_works_on_is_not_swept, what_a_killed_process_left_is_swept,
			   a_child_that_still_works_on_it_keeps_it,
			   where_there_are_no_snapshots_nothing_is_left_of_one,
			   names_as_long_as_they_can_be_grow_too);
}
