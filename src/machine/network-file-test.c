#include "machine/network-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/names.h"
#include "io/fd.h"
#include "io/scratch.h"

static struct arena arena;

static struct facts sample(const char *tag)
{
	struct facts facts = { .tag = tag,
			       .leader = 4711,
			       .link = 12,
			       .mac = { 2, 0, 0, 0, 0, 2 },
			       .gateway_mac = { 2, 0, 0, 0, 0, 1 },
			       .fixed = true,
			       .nat = true };
	struct ip_prefix guest, host;

	ck_assert_int_eq(ip_parse_prefix(&guest, "10.213.0.2/30"), 0);
	ck_assert_int_eq(ip_parse_prefix(&host, "10.213.0.1/30"), 0);
	facts_add_prefix(&arena, &facts.addresses, &facts.address_count, &guest);
	facts_add_prefix(&arena, &facts.gateways, &facts.gateway_count, &host);
	return facts;
}

START_TEST(what_is_written_is_read)
{
	struct facts facts = sample("0123456789abcdef"), read;

	ck_assert_int_eq(network_file_read(&arena, &read, scratch_fd, "web"), -ENOENT);
	ck_assert_int_eq(network_file_write(&arena, scratch_fd, "web", &facts), 0);
	ck_assert_int_eq(network_file_read(&arena, &read, scratch_fd, "web"), 0);
	ck_assert_str_eq(facts_print(&arena, &read), facts_print(&arena, &facts));
	facts.leader = 4712;
	ck_assert_int_eq(network_file_write(&arena, scratch_fd, "web", &facts), 0);
	ck_assert_int_eq(network_file_read(&arena, &read, scratch_fd, "web"), 0);
	ck_assert_uint_eq(read.leader, 4712);
}
END_TEST

START_TEST(nobody_else_reads_it_and_it_is_no_machine)
{
	char name[NETWORK_FILE_ROOM], longest[NAME_MAX_LENGTH + 1];
	struct facts facts = sample("tag");
	struct stat st;

	ck_assert_int_eq(network_file_write(&arena, scratch_fd, "web", &facts), 0);
	network_file_name(name, "web");
	ck_assert_int_eq(fstatat(scratch_fd, name, &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert(!name_is_machine(name));
	memset(longest, 'a', NAME_MAX_LENGTH);
	longest[NAME_MAX_LENGTH] = '\0';
	network_file_name(name, longest);
	ck_assert_ptr_nonnull(strstr(name, "a.network"));
}
END_TEST

START_TEST(what_cannot_be_understood_is_no_network)
{
	struct facts read = { .leader = 77 };

	scratch_put(".torn.network", "link=12\naddre");
	ck_assert_int_eq(network_file_read(&arena, &read, scratch_fd, "torn"), -EBADMSG);
	ck_assert_uint_eq(read.leader, 77);
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
			   nobody_else_reads_it_and_it_is_no_machine,
			   what_cannot_be_understood_is_no_network,
			   facts_of_an_earlier_machine_are_none, who_holds_it_is_waited_for,
			   a_record_that_is_removed_meanwhile_is_none);
}
