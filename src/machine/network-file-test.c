#include "machine/network-file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/macros.h"
#include "io/fd.h"
#include "io/scratch.h"

static struct arena arena;

START_TEST(what_is_written_is_read)
{
	struct facts facts = { .tag = "0123456789abcdef", .leader = 7 }, read = { 0 };

	ck_assert_int_eq(network_file_read(&arena, &read, scratch_fd, "web"), -ENOENT);
	ck_assert_int_eq(network_file_write(&arena, scratch_fd, "web", &facts), 0);
	ck_assert_int_eq(network_file_read(&arena, &read, scratch_fd, "web"), 0);
	ck_assert_uint_eq(read.leader, 7);
	ck_assert_int_eq(faccessat(scratch_fd, ".web.network", F_OK, 0), 0);
	network_file_remove(scratch_fd, "web");
	ck_assert_int_eq(network_file_read(&arena, &read, scratch_fd, "web"), -ENOENT);
}
END_TEST

START_TEST(facts_of_an_earlier_machine_are_none)
{
	struct facts facts = { .tag = "0123456789abcdef" }, read = { .leader = 9 };

	ck_assert_int_eq(network_file_write(&arena, scratch_fd, "old", &facts), 0);
	ck_assert_int_eq(network_file_read_of(&arena, &read, scratch_fd, "old", "fedcba9876543210"),
			 -ENOENT);
	ck_assert_uint_eq(read.leader, 9);
	ck_assert_int_eq(network_file_read_of(&arena, &read, scratch_fd, "old", facts.tag), 0);
}
END_TEST

static void make_record(const char *name)
{
	autoclose int fd = openat(scratch_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
}

START_TEST(who_holds_it_is_waited_for)
{
	int status, fd, r;

	make_record("busy");
	fd = network_file_hold(scratch_fd, "busy");
	ck_assert_int_ge(fd, 0);
	if (fork() == 0) {
		/* A lock is the open file's, so the parent's must not be shared. */
		fd_close(&fd);
		r = network_file_hold(scratch_fd, "busy");
		_exit(r >= 0 ? 0 : 1);
	}
	usleep(50 * 1000);
	ck_assert_int_eq(waitpid(-1, &status, WNOHANG), 0);
	fd_close(&fd);
	ck_assert_int_gt(wait(&status), 0);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(a_record_that_is_removed_meanwhile_is_none)
{
	int status, fd;

	make_record("gone");
	ck_assert_int_eq(network_file_hold(scratch_fd, "none"), -ENOENT);
	fd = network_file_hold(scratch_fd, "gone");
	if (fork() == 0) {
		fd_close(&fd);
		_exit(network_file_hold(scratch_fd, "gone") == -ENOENT ? 0 : 1);
	}
	usleep(50 * 1000);
	ck_assert_int_eq(unlinkat(scratch_fd, "gone", 0), 0);
	fd_close(&fd);
	ck_assert_int_gt(wait(&status), 0);
	ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("machine/network-file", what_is_written_is_read,
			   facts_of_an_earlier_machine_are_none, who_holds_it_is_waited_for,
			   a_record_that_is_removed_meanwhile_is_none);
}
