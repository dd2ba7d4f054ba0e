#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "io/fd.h"
#include "io/file.h"
#include "io/scratch.h"

static int read_back(struct arena *arena, char **text, size_t *size, const char *name)
{
	return file_read(arena, text, size, scratch_fd, name, 1 << 20);
}

START_TEST(a_file_is_read_whole_and_terminated)
{
	autoarena struct arena arena = {};
	size_t size = 0;
	char *text;

	scratch_put("f", "hello\n");
	ck_assert_int_eq(read_back(&arena, &text, &size, "f"), 0);
	ck_assert_uint_eq(size, 6);
	ck_assert_str_eq(text, "hello\n");
	scratch_put("empty", "");
	ck_assert_int_eq(read_back(&arena, &text, &size, "empty"), 0);
	ck_assert_uint_eq(size, 0);
	ck_assert_str_eq(text, "");
	ck_assert_int_eq(read_back(&arena, &text, &size, "none"), -ENOENT);
}
END_TEST

START_TEST(the_limit_holds)
{
	autoarena struct arena arena = {};
	size_t size = 7;
	char *text;

	scratch_put("f", "12345");
	ck_assert_int_eq(file_read(&arena, &text, &size, scratch_fd, "f", 5), 0);
	ck_assert_int_eq(file_read(&arena, &text, &size, scratch_fd, "f", 4), -EFBIG);
	ck_assert_uint_eq(size, 5);
	/* The size of these is not known before. */
	ck_assert_int_eq(file_read(&arena, &text, &size, AT_FDCWD, "/proc/self/stat", 9), -EFBIG);
	ck_assert_int_eq(file_read(&arena, &text, &size, AT_FDCWD, "/proc/kallsyms", 1 << 16),
			 -EFBIG);
	ck_assert_int_eq(file_read(&arena, &text, &size, AT_FDCWD, "/proc/self/stat", 1 << 16), 0);
	ck_assert_uint_gt(size, 20);
	ck_assert_uint_eq(strlen(text), size);
}
END_TEST

START_TEST(a_sparse_giant_is_refused_at_once)
{
	autoclose int fd = openat(scratch_fd, "giant", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	autoarena struct arena arena = {};
	size_t size;
	char *text;

	ck_assert_int_eq(ftruncate(fd, INT64_C(10) << 30), 0);
	ck_assert_int_eq(read_back(&arena, &text, &size, "giant"), -EFBIG);
}
END_TEST

START_TEST(what_is_no_file_is_refused_and_does_not_hang)
{
	autoarena struct arena arena = {};
	size_t size;
	char *text;

	ck_assert_int_eq(mkfifoat(scratch_fd, "fifo", 0600), 0);
	ck_assert_int_eq(read_back(&arena, &text, &size, "fifo"), -EBADFD);
	ck_assert_int_eq(read_back(&arena, &text, &size, "."), -EBADFD);
	ck_assert_int_eq(file_read(&arena, &text, &size, AT_FDCWD, "/dev/zero", 10), -EBADFD);
}
END_TEST

START_TEST(a_line_loses_its_end)
{
	char line[64], tiny[4];

	scratch_put("line", "max 100\n");
	ck_assert_int_eq(file_read_line(line, sizeof(line), scratch_fd, "line"), 0);
	ck_assert_str_eq(line, "max 100");
	ck_assert_int_eq(file_read_line(tiny, sizeof(tiny), scratch_fd, "line"), 0);
	ck_assert_str_eq(tiny, "max");
	scratch_put("line", "");
	ck_assert_int_eq(file_read_line(line, sizeof(line), scratch_fd, "line"), 0);
	ck_assert_str_eq(line, "");
	ck_assert_int_eq(file_read_line(line, sizeof(line), scratch_fd, "nowhere"), -ENOENT);
}
END_TEST

START_TEST(writing_follows_no_link_and_makes_nothing)
{
	char line[16];

	scratch_put("value", "old");
	ck_assert_int_eq(symlinkat("value", scratch_fd, "link"), 0);
	ck_assert_int_eq(file_write(scratch_fd, "link", "x"), -ELOOP);
	ck_assert_int_eq(file_write(scratch_fd, "missing", "x"), -ENOENT);
	ck_assert_int_eq(file_write(scratch_fd, "value", "new"), 0);
	ck_assert_int_eq(file_read_line(line, sizeof(line), scratch_fd, "value"), 0);
	ck_assert_str_eq(line, "new");
}
END_TEST

START_TEST(replacing_has_the_exact_mode_and_replaces_links)
{
	char line[16];
	struct stat st;

	umask(077);
	scratch_put("target", "kept");
	ck_assert_int_eq(symlinkat("target", scratch_fd, "name"), 0);
	ck_assert_int_eq(file_replace(scratch_fd, "name", "data", 4, 0644), 0);
	ck_assert_int_eq(fstatat(scratch_fd, "name", &st, AT_SYMLINK_NOFOLLOW), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0644);
	ck_assert_int_eq(file_read_line(line, sizeof(line), scratch_fd, "name"), 0);
	ck_assert_str_eq(line, "data");
	ck_assert_int_eq(file_read_line(line, sizeof(line), scratch_fd, "target"), 0);
	ck_assert_str_eq(line, "kept");
	ck_assert_int_eq(file_replace(scratch_fd, "a/b", "", 0, 0644), -EINVAL);
}
END_TEST

static int count_entry(int dir_fd, const char *name, unsigned char type, void *context)
{
	(void)dir_fd, (void)name, (void)type;
	++*(int *)context;
	return 0;
}

START_TEST(a_failed_replacement_leaves_nothing)
{
	autoclose int dir = -EBADF;
	int entries = 0;

	ck_assert_int_eq(mkdirat(scratch_fd, "d", 0700), 0);
	ck_assert_int_eq(mkdirat(scratch_fd, "d/busy", 0700), 0);
	dir = openat(scratch_fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(file_replace(dir, "busy", "x", 1, 0644), -EISDIR);
	ck_assert_int_eq(dir_walk(dir, count_entry, &entries), 0);
	ck_assert_int_eq(entries, 1);
}
END_TEST

START_TEST(copies_are_equal_and_keep_their_holes)
{
	autoclose int from = openat(scratch_fd, "from", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	autoclose int to = openat(scratch_fd, "to", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	autoclose int memory = memfd_create("copy", MFD_CLOEXEC);
	char block[100] = {};
	struct stat st;

	ck_assert_int_eq(pwrite(from, "begin", 5, 0), 5);
	ck_assert_int_eq(pwrite(from, "middle", 6, 50 << 20), 6);
	ck_assert_int_eq(ftruncate(from, 100 << 20), 0);
	ck_assert_int_eq(file_copy_fd(to, from), 0);
	ck_assert_int_eq(fstat(to, &st), 0);
	ck_assert_int_eq(st.st_size, 100 << 20);
	ck_assert_int_lt(st.st_blocks, 10000);
	ck_assert_int_eq(pread(to, block, 5, 0), 5);
	ck_assert_str_eq(block, "begin");
	ck_assert_int_eq(pread(to, block, 6, 50 << 20), 6);
	ck_assert_str_eq(block, "middle");

	/* To another file system. */
	ck_assert_int_eq(file_copy_fd(memory, from), 0);
	ck_assert_int_eq(pread(memory, block, 6, 50 << 20), 6);
	ck_assert_str_eq(block, "middle");
	ck_assert_int_eq(fstat(memory, &st), 0);
	ck_assert_int_eq(st.st_size, 100 << 20);
	ck_assert_int_eq(file_copy_fd(memory, scratch_fd), -EBADFD);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("io/file", a_file_is_read_whole_and_terminated, the_limit_holds,
			   a_sparse_giant_is_refused_at_once,
			   what_is_no_file_is_refused_and_does_not_hang, a_line_loses_its_end,
			   writing_follows_no_link_and_makes_nothing,
			   replacing_has_the_exact_mode_and_replaces_links,
			   a_failed_replacement_leaves_nothing,
			   copies_are_equal_and_keep_their_holes);
}
