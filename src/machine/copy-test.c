/* Both sides on the host, without a machine. */
#include "machine/copy-side.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/log.h"
#include "base/text.h"
#include "io/scratch.h"

struct ends {
	int read, write;
};

static struct copy_shared *shared;

static struct copy_side side(const char *name, int channel)
{
	static char paths[2][256];
	static unsigned int next;
	char *path = paths[next++ % 2];

	snprintf(path, 256, "%s/%s", scratch_path, name);
	return (struct copy_side){
		.shared = shared,
		.channel = channel,
		.root_fd = -EBADF,
		.caller = getppid(),
		.path = path,
		.where = "here",
	};
}

static struct ends copy(const char *from, const char *to, bool force, bool strip)
{
	int pair[2], status;
	struct copy_side reader, writer;
	struct ends ends;
	pid_t pid;

	log_set_level(LOG_LEVEL_ERROR);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	pid = fork();
	if (pid == 0) {
		close(pair[1]);
		reader = side(from, pair[0]);
		reader.strip = strip;
		_exit(-copy_read(&reader));
	}
	close(pair[0]);
	writer = side(to, pair[1]);
	writer.force = force;
	writer.strip = strip;
	ends.write = copy_write(&writer);
	close(pair[1]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ends.read = -WEXITSTATUS(status);
	return ends;
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	ck_assert_int_eq(fstatat(scratch_fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode;
}

START_TEST(a_tree_is_copied_with_its_links_and_modes)
{
	struct stat one, two;
	struct ends ends;

	ck_assert_int_eq(mkdirat(scratch_fd, "tree", 0755), 0);
	ck_assert_int_eq(mkdirat(scratch_fd, "tree/sub", 0710), 0);
	ck_assert_int_eq(fchmodat(scratch_fd, "tree/sub", 01710, 0), 0);
	scratch_put("tree/file", "text");
	ck_assert_int_eq(fchmodat(scratch_fd, "tree/file", 0604, 0), 0);
	ck_assert_int_eq(linkat(scratch_fd, "tree/file", scratch_fd, "tree/sub/again", 0), 0);
	ck_assert_int_eq(symlinkat("/etc/shadow", scratch_fd, "tree/link"), 0);
	ck_assert_int_eq(mkfifoat(scratch_fd, "tree/fifo", 0600), 0);
	ends = copy("tree", "new", false, false);
	ck_assert_int_eq(ends.read, 0);
	ck_assert_int_eq(ends.write, 0);
	ck_assert_int_eq(shared->finished, 1);
	ck_assert_uint_eq(mode_of("new/sub"), S_IFDIR | 01710);
	ck_assert_uint_eq(mode_of("new/file"), S_IFREG | 0604);
	ck_assert_uint_eq(mode_of("new/fifo"), S_IFIFO | 0600);
	ck_assert(S_ISLNK(mode_of("new/link")));
	fstatat(scratch_fd, "new/file", &one, 0);
	fstatat(scratch_fd, "new/sub/again", &two, 0);
	ck_assert_uint_eq(one.st_ino, two.st_ino);
	ck_assert_uint_eq(shared->bytes, 4);
}
END_TEST

START_TEST(what_is_there_is_only_replaced_by_force)
{
	struct ends ends;

	scratch_put("from", "new");
	scratch_put("there", "old!!");
	ends = copy("from", "there", false, false);
	ck_assert_int_eq(ends.write, -EEXIST);
	ends = copy("from", "there", true, false);
	ck_assert_int_eq(ends.write, 0);
	ck_assert_uint_eq(mode_of("there") & S_IFMT, S_IFREG);
	ck_assert_int_eq(mkdirat(scratch_fd, "directory", 0700), 0);
	ends = copy("from", "directory", true, false);
	ck_assert_int_eq(ends.write, -EEXIST);
	ends = copy("directory", "there", true, false);
	ck_assert_int_eq(ends.write, -EEXIST);
}
END_TEST

START_TEST(what_gives_rights_is_stripped)
{
	scratch_put("su", "x");
	ck_assert_int_eq(fchmodat(scratch_fd, "su", 06755, 0), 0);
	ck_assert_int_eq(copy("su", "stripped", false, true).write, 0);
	ck_assert_uint_eq(mode_of("stripped") & 07777, 0755);
	ck_assert_int_eq(copy("su", "kept", false, false).write, 0);
	ck_assert_uint_eq(mode_of("kept") & 07777, 06755);
}
END_TEST

START_TEST(attributes_come_along)
{
	char path[300], value[8];

	scratch_put("tagged", "x");
	snprintf(path, sizeof(path), "%s/tagged", scratch_path);
	if (setxattr(path, "user.colour", "red", 3, 0) < 0)
		return; /* not on this file system */
	ck_assert_int_eq(copy("tagged", "again", false, true).write, 0);
	snprintf(path, sizeof(path), "%s/again", scratch_path);
	ck_assert_int_eq(getxattr(path, "user.colour", value, sizeof(value)), 3);
	ck_assert_mem_eq(value, "red", 3);
}
END_TEST

START_TEST(what_is_not_there_is_the_readers_failure)
{
	struct ends ends = copy("none", "nothing", false, false);

	ck_assert_int_eq(ends.read, -ENOENT);
	ck_assert_int_eq(ends.write, COPY_OTHER_FAILED);
	ck_assert_int_eq(shared->finished, 0);
	ck_assert_int_lt(faccessat(scratch_fd, "nothing", F_OK, 0), 0);
}
END_TEST

START_TEST(a_path_in_a_message_is_bounded)
{
	const struct copy_side top = { .path = "/" }, place = { .path = "/a" };
	struct copy_path path;
	char name[COPY_NAME_ROOM];

	copy_path_begin(&path, &top);
	ck_assert_str_eq(copy_path_end(&path, "x"), "/x");
	copy_path_begin(&path, &place);
	copy_path_enter(&path, "b");
	ck_assert_str_eq(copy_path_end(&path, "x"), "/a/b/x");
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	copy_path_begin(&path, &place);
	for (int i = 0; i < 5000; i++)
		copy_path_enter(&path, i % 2 ? name : "d");
	ck_assert(strstr(copy_path_end(&path, name), "/…/n") != NULL);
	ck_assert(text_ends(path.text, name));
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("machine/copy", a_tree_is_copied_with_its_links_and_modes,
			   what_is_there_is_only_replaced_by_force, what_gives_rights_is_stripped,
			   attributes_come_along, what_is_not_there_is_the_readers_failure,
			   a_path_in_a_message_is_bounded);
}
