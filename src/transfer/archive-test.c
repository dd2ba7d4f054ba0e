/* Archives become trees, by a worker; what archives say is in tests/system/test_archives.py. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fail.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/fixture.h"
#include "transfer/archive.h"

static char place[64];

static int make_place(void)
{
	snprintf(place, sizeof(place), "/var/tmp/redd-archive.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(place));
	return open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void remove_place(void)
{
	if (place[0] != '\0')
		dir_remove_all(AT_FDCWD, place);
	place[0] = '\0';
}

struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], kind, link[100];
	char magic[8], names[64], major[8], minor[8], prefix[155], pad[12];
};

static void add(int fd, char kind, const char *name, const char *link, const char *data)
{
	struct header header = { .kind = kind, .magic = "ustar\00000" };
	unsigned int sum = 0;
	char block[512] = { 0 };

	memcpy(header.magic, "ustar\00000", 8);
	snprintf(header.name, sizeof(header.name), "%s", name);
	snprintf(header.link, sizeof(header.link), "%s", link);
	snprintf(header.mode, sizeof(header.mode), "%07o", kind == '5' ? 0755 : 04755);
	snprintf(header.uid, sizeof(header.uid), "%07o", 1000);
	snprintf(header.gid, sizeof(header.gid), "%07o", 100);
	snprintf(header.size, sizeof(header.size), "%011o", (unsigned int)strlen(data));
	snprintf(header.mtime, sizeof(header.mtime), "%011o", 1000000000);
	snprintf(header.major, sizeof(header.major), "%07o", 1);
	snprintf(header.minor, sizeof(header.minor), "%07o", 3);
	memset(header.sum, ' ', sizeof(header.sum));
	for (size_t i = 0; i < sizeof(header); i++)
		sum += ((unsigned char *)&header)[i];
	snprintf(header.sum, sizeof(header.sum), "%06o", sum);
	ck_assert_int_eq(fd_write_all(fd, &header, sizeof(header)), 0);
	if (*data == '\0')
		return;
	memcpy(block, data, strnlen(data, sizeof(block)));
	ck_assert_int_eq(fd_write_all(fd, block, sizeof(block)), 0);
}

static int import(int archive, int tree, struct archive_result *ret)
{
	const struct archive_wish wish = { .digest_in = true };

	ck_assert_int_eq(lseek(archive, 0, SEEK_SET), 0);
	return archive_import_tar(archive, tree, &wish, ret, NULL);
}

START_TEST(an_archive_becomes_a_tree)
{
	int archive = memfd_create("archive", MFD_CLOEXEC), tree = make_place();
	struct archive_result result;
	struct stat st;
	int r;

	add(archive, '5', "d/", "", "");
	add(archive, '0', "d/file", "", "hello");
	add(archive, '1', "d/hard", "d/file", "");
	add(archive, '2', "soft", "/etc/passwd", "");
	add(archive, '3', "d/null", "", "");
	add(archive, '6', "fifo", "", "");
	r = import(archive, tree, &result);
	ck_assert_msg(r == 0, "%d: %s", r, fail_recorded()->text);
	ck_assert_uint_eq(result.files, 6);
	ck_assert_uint_eq(result.bytes, 5);
	ck_assert_int_eq(fstatat(tree, "d/file", &st, AT_SYMLINK_NOFOLLOW), 0);
	ck_assert_uint_eq(st.st_uid, 1000);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 04755);
	ck_assert_uint_eq(st.st_nlink, 2);
	ck_assert_int_eq(st.st_mtim.tv_sec, 1000000000);
	ck_assert_int_eq(fstatat(tree, "d/null", &st, AT_SYMLINK_NOFOLLOW), 0);
	ck_assert_uint_eq(st.st_rdev, makedev(1, 3));
	ck_assert_int_eq(fstatat(tree, "d", &st, AT_SYMLINK_NOFOLLOW), 0);
	ck_assert_int_eq(st.st_mtim.tv_sec, 1000000000);
	ck_assert_int_eq(fstatat(tree, "soft", &st, AT_SYMLINK_NOFOLLOW), 0);
	ck_assert(S_ISLNK(st.st_mode));
}
END_TEST

/* Also where the blocks could be shared without a look at them. */
START_TEST(who_reads_the_bytes_tells_their_sum)
{
	static const unsigned char abc[] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea };
	const struct archive_wish wish = { .digest_in = true };
	int place_fd = make_place(), input, output;
	struct archive_result result;
	int r;

	input = openat(place_fd, "input", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	output = openat(place_fd, "output", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(fd_write_all(input, "abc", 3), 0);
	ck_assert_int_eq(lseek(input, 0, SEEK_SET), 0);
	r = archive_import_raw(input, output, -EBADF, &wish, &result, NULL);
	ck_assert_msg(r == 0, "%d: %s", r, fail_recorded()->text);
	ck_assert(!result.shared);
	ck_assert_mem_eq(result.stream.digest_in, abc, sizeof(abc));
}
END_TEST

START_TEST(what_leads_out_is_refused_with_its_name)
{
	int archive = memfd_create("archive", MFD_CLOEXEC), tree = make_place();
	struct archive_result result;

	add(archive, '2', "out", "/var/tmp", "");
	add(archive, '0', "out/file", "", "hello");
	ck_assert_int_lt(import(archive, tree, &result), 0);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "'out/file'"));
}
END_TEST

START_TEST(what_is_no_archive_is_refused)
{
	int archive = memfd_create("archive", MFD_CLOEXEC), tree = make_place();
	struct archive_result result;
	char block[1024];

	memset(block, 'x', sizeof(block));
	ck_assert_int_eq(fd_write_all(archive, block, sizeof(block)), 0);
	ck_assert_int_lt(import(archive, tree, &result), 0);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "no tar archive"));
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("archive");

	if (geteuid() != 0)
		return 77;
	tcase_add_checked_fixture(cases, NULL, remove_place);
	tcase_add_test(cases, an_archive_becomes_a_tree);
	tcase_add_test(cases, who_reads_the_bytes_tells_their_sum);
	tcase_add_test(cases, what_leads_out_is_refused_with_its_name);
	tcase_add_test(cases, what_is_no_archive_is_refused);
	return fixture_run(cases, "transfer/archive");
}
