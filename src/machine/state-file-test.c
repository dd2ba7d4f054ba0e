#include "machine/state-file.h"

#include <sys/stat.h>

#include "base/arena.h"
#include "base/path.h"
#include "io/file.h"
#include "io/scratch.h"

static struct arena arena;

static const struct state_file sample = {
	.name = "web",
	.service = "systemd-nspawn",
	.unit = "web.scope",
	.root = "/srv/a \"b\" $c",
	.id = "0123456789abcdef0123456789abcdef",
	.leader = 4711,
	.supervisor = 4710,
	.leader_fd = -EBADF,
	.realtime = 5,
	.monotonic = 6,
};

static char *below(const char *name)
{
	return path_join(&arena, scratch_path, name);
}

static bool is_there(const char *name)
{
	struct stat st;

	return fstatat(scratch_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

START_TEST(all_keys_are_written_and_quoted)
{
	ck_assert_str_eq(state_file_print(&arena, &sample),
			 "# This is private data. Do not parse.\n"
			 "NAME=web\n"
			 "UID=0\n"
			 "SCOPE=web.scope\n"
			 "SERVICE=systemd-nspawn\n"
			 "ROOT=\"/srv/a \\\"b\\\" \\$c\"\n"
			 "ID=0123456789abcdef0123456789abcdef\n"
			 "LEADER=4711\n"
			 "SUPERVISOR=4710\n"
			 "CLASS=container\n"
			 "REALTIME=5\n"
			 "MONOTONIC=6\n");
}
END_TEST

START_TEST(interfaces_are_told_by_their_indexes)
{
	const uint32_t indexes[] = { 3, 4 };
	struct state_file file = sample;

	file.interfaces = indexes;
	file.interface_count = 1;
	ck_assert_ptr_nonnull(strstr(state_file_print(&arena, &file), "\nNETIF=3\n"));
	file.interface_count = 2;
	ck_assert_ptr_nonnull(strstr(state_file_print(&arena, &file), "\nNETIF=\"3 4\"\n"));
}
END_TEST

START_TEST(a_user_has_a_directory_of_his_own)
{
	const char *const environment[] = { "XDG_RUNTIME_DIR=/run/user/1000", NULL };
	const char *const relative[] = { "XDG_RUNTIME_DIR=here", NULL };

	ck_assert_str_eq(state_file_directory(&arena, 0, environment), "/run/systemd/machines");
	ck_assert_str_eq(state_file_directory(&arena, 1000, environment),
			 "/run/user/1000/systemd/machines");
	ck_assert_ptr_null(state_file_directory(&arena, 1000, relative));
	ck_assert_ptr_null(state_file_directory(&arena, 1000, NULL));
}
END_TEST

START_TEST(file_and_link_come_and_go_together)
{
	char target[16] = "";
	struct stat st;

	ck_assert_int_eq(state_file_write(&arena, below("a/b"), &sample), 0);
	ck_assert_int_eq(fstatat(scratch_fd, "a/b/web", &st, 0), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0644);
	ck_assert_int_eq(readlinkat(scratch_fd, "a/b/unit:web.scope", target, sizeof(target)), 3);
	ck_assert_str_eq(target, "web");
	/* A start after a crash finds both. */
	ck_assert_int_eq(state_file_write(&arena, below("a/b"), &sample), 0);
	ck_assert_int_eq(state_file_remove(&arena, below("a/b/web"), 4711), 0);
	ck_assert(!is_there("a/b/web") && !is_there("a/b/unit:web.scope"));
	ck_assert_int_eq(state_file_remove(&arena, below("a/b/web"), 4711), 0);
}
END_TEST

static char *content(const char *name)
{
	size_t size;
	char *text;

	ck_assert_int_eq(file_read(&arena, &text, &size, scratch_fd, name, 4096), 0);
	return arena_text_n(&arena, text, size);
}

START_TEST(interfaces_come_and_go)
{
	const uint32_t indexes[] = { 3, 4 };
	char *before;
	struct stat st;

	ck_assert_int_eq(state_file_write(&arena, below("f"), &sample), 0);
	before = content("f/web");
	ck_assert_int_eq(state_file_update(&arena, below("f/web"), 4711, indexes, 2), 0);
	ck_assert_str_eq(content("f/web"), arena_format(&arena, "%sNETIF=\"3 4\"\n", before));
	ck_assert_int_eq(state_file_update(&arena, below("f/web"), 4711, indexes, 1), 0);
	ck_assert_str_eq(content("f/web"), arena_format(&arena, "%sNETIF=3\n", before));
	ck_assert_int_eq(fstatat(scratch_fd, "f/web", &st, 0), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0644);
	ck_assert_int_eq(state_file_update(&arena, below("f/web"), 4712, NULL, 0), 0);
	ck_assert_str_eq(content("f/web"), arena_format(&arena, "%sNETIF=3\n", before));
	ck_assert_int_eq(state_file_update(&arena, below("f/web"), 4711, NULL, 0), 0);
	ck_assert_str_eq(content("f/web"), before);
	ck_assert_int_eq(state_file_update(&arena, below("f/none"), 4711, indexes, 1), 0);
	ck_assert(!is_there("f/none"));
}
END_TEST

START_TEST(what_names_another_leader_stays)
{
	ck_assert_int_eq(state_file_write(&arena, below("c"), &sample), 0);
	ck_assert_int_eq(state_file_remove(&arena, below("c/web"), 4712), 0);
	ck_assert(is_there("c/web") && is_there("c/unit:web.scope"));
	scratch_put("c/none", "NAME=none\n");
	ck_assert_int_eq(state_file_remove(&arena, below("c/none"), 4711), 0);
	ck_assert(is_there("c/none"));
}
END_TEST

START_TEST(a_link_that_leads_elsewhere_stays)
{
	ck_assert_int_eq(state_file_write(&arena, below("d"), &sample), 0);
	ck_assert_int_eq(unlinkat(scratch_fd, "d/unit:web.scope", 0), 0);
	ck_assert_int_eq(symlinkat("other", scratch_fd, "d/unit:web.scope"), 0);
	ck_assert_int_eq(state_file_remove(&arena, below("d/web"), 4711), 0);
	ck_assert(!is_there("d/web") && is_there("d/unit:web.scope"));
	/* A file that is a link is never followed. */
	ck_assert_int_eq(symlinkat("/etc/passwd", scratch_fd, "d/web"), 0);
	ck_assert_int_eq(state_file_remove(&arena, below("d/web"), 4711), 0);
	ck_assert(is_there("d/web"));
}
END_TEST

START_TEST(names_are_no_paths)
{
	struct state_file file = sample;

	file.name = "../web";
	ck_assert_int_eq(state_file_write(&arena, below("e"), &file), -EINVAL);
	file = sample;
	file.unit = "../x";
	ck_assert_int_eq(state_file_write(&arena, below("e"), &file), -EINVAL);
	ck_assert_int_eq(state_file_remove(&arena, below("e/unit:web.scope"), 4711), -EBADMSG);
	ck_assert_int_eq(state_file_remove(&arena, "web", 4711), -EBADMSG);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("machine/state-file", all_keys_are_written_and_quoted,
			   interfaces_are_told_by_their_indexes, a_user_has_a_directory_of_his_own,
			   file_and_link_come_and_go_together, interfaces_come_and_go,
			   what_names_another_leader_stays, a_link_that_leads_elsewhere_stays,
			   names_are_no_paths);
}
