#include "machine/hosts-file.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/macros.h"
#include "format/hosts.h"
#include "io/file.h"
#include "io/scratch.h"

static struct arena arena;

static const struct hosts sample = {
	.pid = 4711,
	.start = 5,
	.tag = "0123456789abcdef",
	.addresses = { { AF_INET, { 10, 213, 0, 2 } } },
	.count = 1,
};

static const char *path(void)
{
	return hosts_file_path(&arena, scratch_path, "web");
}

static bool is_there(const char *name)
{
	struct stat st;

	return fstatat(scratch_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

START_TEST(everybody_may_read_it)
{
	struct stat st;
	size_t size;
	char *text;

	umask(077);
	ck_assert_int_eq(hosts_file_write(scratch_path, "web", &sample), 0);
	ck_assert_int_eq(stat(path(), &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0644);
	ck_assert_int_eq(fstatat(scratch_fd, "hosts", &st, 0), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0755);
	ck_assert_int_eq(file_read(&arena, &text, &size, AT_FDCWD, path(), 4096), 0);
	ck_assert_str_eq(text, "pid 4711 5\ntag 0123456789abcdef\naddress 10.213.0.2\n");
	ck_assert(!is_there("hosts/.web"));
}
END_TEST

START_TEST(only_who_carries_the_tag_goes)
{
	ck_assert_int_eq(hosts_file_write(scratch_path, "web", &sample), 0);
	scratch_put("hosts/.web", "torn and longer than what will be written to it, by some bytes");
	ck_assert_int_eq(hosts_file_write(scratch_path, "web", &sample), 0);
	ck_assert_int_eq(hosts_file_remove(path(), "fedcba9876543210"), 0);
	ck_assert(is_there("hosts/web"));
	scratch_put("hosts/.web", "torn");
	ck_assert_int_eq(hosts_file_remove(path(), sample.tag), 0);
	ck_assert(!is_there("hosts/web") && !is_there("hosts/.web"));
	ck_assert_int_eq(hosts_file_remove(path(), sample.tag), 0);
	/* What is no such file is not ours, and links are not followed. */
	scratch_put("hosts/web", "0123456789abcdef");
	ck_assert_int_eq(hosts_file_remove(path(), sample.tag), 0);
	ck_assert(is_there("hosts/web"));
	ck_assert_int_eq(unlinkat(scratch_fd, "hosts/web", 0), 0);
	ck_assert_int_eq(symlinkat("other", scratch_fd, "hosts/web"), 0);
	ck_assert_int_eq(hosts_file_write(scratch_path, "other", &sample), 0);
	ck_assert_int_eq(hosts_file_remove(path(), sample.tag), 0);
	ck_assert(is_there("hosts/web") && is_there("hosts/other"));
}
END_TEST

START_TEST(names_are_no_paths)
{
	static const char *const bad[] = { "", "..", "../x", "a/b", ".web" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ck_assert_int_eq(hosts_file_write(scratch_path, bad[i], &sample), -EINVAL);
		ck_assert_int_eq(hosts_file_remove(hosts_file_path(&arena, scratch_path, bad[i]),
						   "01"),
				 -EBADMSG);
	}
	ck_assert_int_eq(hosts_file_remove("hosts/web", "01"), -EBADMSG);
	ck_assert_int_eq(hosts_file_remove("/etc/passwd", "01"), -EBADMSG);
	ck_assert_int_eq(hosts_file_remove("/none/hosts/web", "01"), 0);
}
END_TEST

START_TEST(a_directory_of_others_is_not_used)
{
	ck_assert_int_eq(mkdirat(scratch_fd, "r", 0755), 0);
	ck_assert_int_eq(mkdirat(scratch_fd, "r/hosts", 0755), 0);
	ck_assert_int_eq(fchmodat(scratch_fd, "r/hosts", 0777, 0), 0);
	ck_assert_int_eq(chdir(scratch_path), 0);
	ck_assert_int_eq(hosts_file_write("r", "web", &sample), -EPERM);
	ck_assert_int_eq(unlinkat(scratch_fd, "r/hosts", AT_REMOVEDIR), 0);
	ck_assert_int_eq(symlinkat("..", scratch_fd, "r/hosts"), 0);
	ck_assert_int_lt(hosts_file_write("r", "web", &sample), 0);
}
END_TEST

START_TEST(a_reader_never_finds_a_part)
{
	struct hosts other = sample, read;
	pid_t writer;
	size_t size;
	char *text;

	other.count = 8;
	for (size_t i = 1; i < 8; i++)
		other.addresses[i] = sample.addresses[0];
	ck_assert_int_eq(hosts_file_write(scratch_path, "web", &sample), 0);
	writer = fork();
	if (writer == 0) {
		for (int i = 0; i < 2000; i++)
			(void)hosts_file_write(scratch_path, "web", i % 2 ? &sample : &other);
		_exit(0);
	}
	while (waitpid(writer, NULL, WNOHANG) == 0) {
		ck_assert_int_eq(file_read(&arena, &text, &size, AT_FDCWD, path(), 4096), 0);
		ck_assert_int_eq(hosts_parse(&read, text, size), 0);
		ck_assert(read.count == 1 || read.count == 8);
	}
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("machine/hosts-file", everybody_may_read_it,
			   only_who_carries_the_tag_goes, names_are_no_paths,
			   a_directory_of_others_is_not_used, a_reader_never_finds_a_part);
}
