#include "machine/hosts-file.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/macros.h"
#include "format/hosts.h"
#include "io/file.h"
#include "io/scratch.h"
#include "kernel/fixture.h"
#include "machine/network-file.h"

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

static const char tag[] = "0123456789abcdef", other_tag[] = "fedcba9876543210";

static void run_machine(const char *name, const char *of, pid_t leader)
{
	const struct facts facts = { .tag = of, .leader = (uint32_t)leader };

	ck_assert_int_eq(network_file_write(&arena, scratch_fd, name, &facts), 0);
}

static int claim(const char *machine, const char *of, const char *name)
{
	return hosts_file_claim(scratch_path, scratch_fd, machine, of, name);
}

START_TEST(a_further_name_is_one_machines)
{
	struct hosts_claim found;

	ck_assert_int_eq(hosts_file_claimed(&found, scratch_path, "www"), -ENOENT);
	run_machine("web", tag, getpid());
	run_machine("db", other_tag, getpid());
	ck_assert_int_eq(claim("web", tag, "www"), 0);
	ck_assert_int_eq(claim("web", tag, "WWW"), 0);
	ck_assert_int_eq(claim("db", other_tag, "www"), -EEXIST);
	hosts_file_disclaim(scratch_path, other_tag, "www");
	ck_assert_int_eq(hosts_file_claimed(&found, scratch_path, "www"), 0);
	ck_assert_str_eq(found.machine, "web");
	ck_assert_str_eq(found.tag, tag);
	hosts_file_disclaim(scratch_path, tag, "www");
	ck_assert(!is_there("hosts/=www"));
	ck_assert_int_eq(claim("db", other_tag, "www"), 0);
}
END_TEST

START_TEST(a_further_name_of_who_has_ended_is_free)
{
	struct hosts_claim found;
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	run_machine("web", tag, child);
	ck_assert_int_eq(claim("web", tag, "www"), 0);
	ck_assert_int_eq(claim("web", tag, "mail"), 0);
	run_machine("db", other_tag, getpid());
	ck_assert_int_eq(claim("db", other_tag, "www"), 0);
	/* Or runs again. */
	run_machine("web", "0123", getpid());
	ck_assert_int_eq(claim("db", other_tag, "mail"), 0);
	ck_assert_int_eq(hosts_file_claimed(&found, scratch_path, "mail"), 0);
	ck_assert_str_eq(found.machine, "db");
}
END_TEST

START_TEST(a_further_name_of_whom_nothing_can_be_said_is_not_free)
{
	struct hosts_claim found;

	run_machine("web", tag, getpid());
	run_machine("db", other_tag, getpid());
	ck_assert_int_eq(claim("web", tag, "shop"), 0);
	ck_assert_int_eq(hosts_file_claim(scratch_path, -EMFILE, "db", other_tag, "shop"), -EMFILE);
	ck_assert_int_eq(hosts_file_claim(scratch_path, -EMFILE, "db", other_tag, "fresh"),
			 -EMFILE);
	ck_assert(!is_there("hosts/=fresh"));
	/* As a newer program may write it. */
	scratch_put(".web.network", "tag=0123456789abcdef\nlink=twelve\n");
	ck_assert_int_eq(claim("db", other_tag, "shop"), -EEXIST);
	ck_assert_int_eq(hosts_file_claimed(&found, scratch_path, "shop"), 0);
	ck_assert_str_eq(found.machine, "web");
}
END_TEST

/* Two who find that nobody has it any more. */
START_TEST(one_of_many_gets_a_name_that_is_free_again)
{
	static const char *const names[] = { "a", "b", "c", "d" };
	static const char *const tags[] = { "a1", "b1", "c1", "d1" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		run_machine(names[i], tags[i], getpid());
	for (int round = 0; round < 200; round++) {
		pid_t children[ARRAY_SIZE(names)];
		int gate[2], won = 0, status;

		(void)unlinkat(scratch_fd, "hosts/=www", 0);
		ck_assert_int_eq(claim("gone", tag, "www"), 0);
		ck_assert_int_eq(pipe(gate), 0);
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			children[i] = fork();
			if (children[i] == 0) {
				char byte;

				(void)close(gate[1]);
				(void)!read(gate[0], &byte, 1);
				_exit(claim(names[i], tags[i], "www") < 0);
			}
		}
		(void)close(gate[0]);
		(void)close(gate[1]);
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
			won += status == 0;
		}
		ck_assert_int_eq(won, 1);
	}
}
END_TEST

START_TEST(nobody_gets_the_hosts_own_name_or_a_path)
{
	run_machine("web", tag, getpid());
	ck_assert_int_eq(claim("web", tag, "localhost"), -EINVAL);
	ck_assert_int_eq(claim("web", tag, "../web"), -EINVAL);
	ck_assert_int_eq(claim("web", tag, "_host"), -EINVAL);
	ck_assert_int_eq(claim("../web", tag, "fresh"), -EINVAL);
	fixture_enter(CLONE_NEWUTS);
	ck_assert_int_eq(sethostname("Vm.example.org", 14), 0);
	ck_assert_int_eq(claim("web", tag, "vm.example.org"), -EINVAL);
	ck_assert_int_eq(claim("web", tag, "vm"), -EINVAL);
	ck_assert_int_eq(sethostname("vm", 2), 0);
	ck_assert_int_eq(claim("web", tag, "vm.example.org"), -EINVAL);
	ck_assert(!is_there("hosts/=fresh") && !is_there("hosts/=localhost"));
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("machine/hosts-file", everybody_may_read_it,
			   only_who_carries_the_tag_goes, names_are_no_paths,
			   a_directory_of_others_is_not_used, a_reader_never_finds_a_part,
			   a_further_name_is_one_machines, a_further_name_of_who_has_ended_is_free,
			   a_further_name_of_whom_nothing_can_be_said_is_not_free,
			   one_of_many_gets_a_name_that_is_free_again,
			   nobody_gets_the_hosts_own_name_or_a_path);
}
