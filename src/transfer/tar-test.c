/* What headers mean; what trees they become is in tests/system/test_archives.py. */
#include "transfer/tar.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fail.h"
#include "io/fd.h"
#include "kernel/fixture.h"
#include "transfer/stream.h"
#include "transfer/tar-inside.h"

static int archive;
static struct stream *stream;
static struct tar *tar;
static const struct tar_entry *entry;

static void begin(void)
{
	archive = memfd_create("archive", MFD_CLOEXEC);
	ck_assert_int_ge(archive, 0);
}

static void end(void)
{
	tar_close(tar);
	stream_close(stream);
	close(archive);
}

static void put(const void *data, size_t size)
{
	static const char zeros[TAR_BLOCK];

	ck_assert_int_eq(fd_write_all(archive, data, size), 0);
	ck_assert_int_eq(fd_write_all(archive, zeros, -size % TAR_BLOCK), 0);
}

static struct tar_header header_of(char kind, const char *name, size_t size)
{
	struct tar_header header = { .kind = kind, .magic = "ustar", .version = { '0', '0' } };

	memcpy(header.name, name, strnlen(name, sizeof(header.name)));
	memcpy(header.mode, "0000644", 8);
	memcpy(header.uid, "0001750", 8);
	memcpy(header.gid, "0000144", 8);
	snprintf(header.size, sizeof(header.size), "%011o", (unsigned int)size);
	memcpy(header.mtime, "07346545000", 12);
	memcpy(header.major, "0000001", 8);
	memcpy(header.minor, "0000003", 8);
	return header;
}

static void put_header(struct tar_header *header)
{
	unsigned int sum = 0;

	memset(header->sum, ' ', sizeof(header->sum));
	for (size_t i = 0; i < sizeof(*header); i++)
		sum += ((unsigned char *)header)[i];
	snprintf(header->sum, sizeof(header->sum), "%06o", sum);
	put(header, sizeof(*header));
}

static void put_entry(char kind, const char *name, const char *data, size_t size)
{
	struct tar_header header = header_of(kind, name, size);

	put_header(&header);
	put(data, size);
}

static void put_text(char kind, const char *name, const char *text)
{
	put_entry(kind, name, text, strlen(text));
}

/* "KEY=VALUE", one after the other, the last one NULL. */
static void put_pax(const char *first, ...)
{
	char text[8192];
	size_t used = 0;
	va_list list;

	va_start(list, first);
	for (const char *record = first; record; record = va_arg(list, const char *)) {
		size_t length = strlen(record) + 2, digits = 1;

		while (snprintf(NULL, 0, "%zu", length + digits) != (int)digits)
			digits++;
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%zu %s\n",
					 length + digits, record);
		ck_assert_uint_lt(used, sizeof(text));
	}
	va_end(list);
	put_entry('x', "x", text, used);
}

static int next(void)
{
	if (tar == NULL) {
		const struct stream_wish wish = { .name = "test" };

		ck_assert_int_eq(lseek(archive, 0, SEEK_SET), 0);
		ck_assert_int_eq(stream_open(&stream, archive, &wish), 0);
		ck_assert_int_eq(tar_open(&tar, stream), 0);
	}
	fail_forget();
	return tar_next(tar, &entry);
}

static void is_refused(const char *why)
{
	ck_assert_int_lt(next(), 0);
	ck_assert_msg(strstr(fail_recorded()->text, why) != NULL, "%s", fail_recorded()->text);
}

static void is_next(enum tar_kind kind, const char *path)
{
	int r = next();

	ck_assert_msg(r == 1, "%d: %s", r, fail_recorded()->text);
	ck_assert_int_eq(entry->kind, kind);
	ck_assert_str_eq(entry->path, path);
}

static void has_data(const char *text)
{
	const void *data;
	uint64_t offset;

	ck_assert_int_eq(tar_data(tar, &offset, &data), (ssize_t)strlen(text));
	ck_assert_mem_eq(data, text, strlen(text));
	ck_assert_uint_eq(offset, 0);
	ck_assert_int_eq(tar_data(tar, &offset, &data), 0);
}

START_TEST(a_plain_header_says_all)
{
	struct tar_header link = header_of('2', "l", 0), device = header_of('4', "disk", 0);

	memcpy(link.link, "target", 6);
	put_text('0', "file", "hello");
	put_text('5', "d/", "");
	put_header(&link);
	put_header(&device);
	is_next(TAR_FILE, "file");
	ck_assert_uint_eq(entry->mode, 0644);
	ck_assert_uint_eq(entry->uid, 1000);
	ck_assert_uint_eq(entry->gid, 100);
	ck_assert_uint_eq(entry->size, 5);
	ck_assert_int_eq(entry->mtime.tv_sec, 1000000000);
	ck_assert(tar_is_dense(tar));
	has_data("hello");
	is_next(TAR_DIRECTORY, "d/");
	is_next(TAR_SYMLINK, "l");
	ck_assert_str_eq(entry->link, "target");
	is_next(TAR_BLOCK_DEVICE, "disk");
	ck_assert_uint_eq(entry->major, 1);
	ck_assert_uint_eq(entry->minor, 3);
	ck_assert_int_eq(next(), 0);
	ck_assert_int_eq(next(), 0);
}
END_TEST

START_TEST(what_is_not_read_is_passed_over)
{
	static const char large[3 * TAR_BLOCK + 5];

	put_entry('0', "large", large, sizeof(large));
	put_text('0', "next", "x");
	is_next(TAR_FILE, "large");
	is_next(TAR_FILE, "next");
	has_data("x");
}
END_TEST

START_TEST(a_prefix_is_of_ustar_only)
{
	struct tar_header header = header_of('0', "name", 0), old = header;

	memcpy(header.prefix, "a/b", 3);
	put_header(&header);
	memcpy(old.prefix, "a/b", 3);
	memcpy(old.magic, "ustar ", 6);
	memcpy(old.version, " ", 2);
	put_header(&old);
	is_next(TAR_FILE, "a/b/name");
	is_next(TAR_FILE, "name");
}
END_TEST

START_TEST(a_name_may_fill_its_field)
{
	char name[101] = "", prefix[156] = "", whole[300];
	struct tar_header header;

	memset(name, 'n', 100);
	memset(prefix, 'p', 155);
	header = header_of('0', name, 0);
	memcpy(header.prefix, prefix, 155);
	put_header(&header);
	snprintf(whole, sizeof(whole), "%s/%s", prefix, name);
	is_next(TAR_FILE, whole);
}
END_TEST

START_TEST(numbers_may_be_large_or_old)
{
	struct tar_header header = header_of('0', "f", 0);

	memcpy(header.uid, "\x80\0\0\0\0\x01\x02\x03", 8);
	memcpy(header.gid, "   12 \0", 8);
	memcpy(header.mtime, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", 12);
	put_header(&header);
	is_next(TAR_FILE, "f");
	ck_assert_uint_eq(entry->uid, 0x10203);
	ck_assert_uint_eq(entry->gid, 10);
	ck_assert_int_eq(entry->mtime.tv_sec, -2);
}
END_TEST

START_TEST(numbers_that_cannot_be_are_refused)
{
	uint64_t value;

	ck_assert(!tar_number(&value, "\xff\xff\xff\xff\xff\xff\xff\xff", 8));
	ck_assert(!tar_number(&value, "\x80\x01\0\0\0\0\0\0\0\0\0\0", 12));
	ck_assert(!tar_number(&value, "12x", 3));
	ck_assert(!tar_number(&value, "-1", 2));
	ck_assert(!tar_number(&value, "8", 1));
	ck_assert(tar_number(&value, "77777777777\0", 12));
	ck_assert_uint_eq(value, 077777777777);
	ck_assert(tar_number(&value, "\0\0\0\0", 4));
	ck_assert_uint_eq(value, 0);
}
END_TEST

START_TEST(an_extended_header_counts_for_the_next_entry_only)
{
	put_pax("path=a name", "uid=70000", "mtime=-1.5", "SCHILY.xattr.user.a=b=c", "unknown=1",
		"SCHILY.acl.access=user::rw-", "SCHILY.xattr.user.empty=", NULL);
	put_text('0', "f", "");
	put_text('0', "g", "");
	is_next(TAR_FILE, "a name");
	ck_assert_uint_eq(entry->uid, 70000);
	ck_assert_uint_eq(entry->gid, 100);
	ck_assert_int_eq(entry->mtime.tv_sec, -2);
	ck_assert_int_eq(entry->mtime.tv_nsec, 500000000);
	ck_assert_uint_eq(entry->xattr_count, 2);
	ck_assert_str_eq(entry->xattrs[0].name, "user.a");
	ck_assert_uint_eq(entry->xattrs[0].size, 3);
	ck_assert_mem_eq(entry->xattrs[0].value, "b=c", 3);
	ck_assert_uint_eq(entry->xattrs[1].size, 0);
	ck_assert_str_eq(entry->acl_access, "user::rw-");
	is_next(TAR_FILE, "g");
	ck_assert_uint_eq(entry->uid, 1000);
	ck_assert_uint_eq(entry->xattr_count, 0);
	ck_assert_ptr_null(entry->acl_access);
}
END_TEST

START_TEST(a_size_in_an_extended_header_is_the_one_that_counts)
{
	struct tar_header header = header_of('0', "f", 0);

	put_pax("size=5", NULL);
	put_header(&header);
	put("hello", 5);
	put_text('0', "g", "");
	is_next(TAR_FILE, "f");
	ck_assert_uint_eq(entry->size, 5);
	has_data("hello");
	is_next(TAR_FILE, "g");
}
END_TEST

START_TEST(long_names_of_gnu_are_read_and_limited)
{
	static char name[TAR_PATH_MAX + 2];

	memset(name, 'n', TAR_PATH_MAX);
	put_entry('L', "././@LongLink", name, TAR_PATH_MAX + 1);
	put_entry('K', "././@LongLink", "target", 7);
	put_text('2', "x", "");
	put_text('0', "y", "");
	name[TAR_PATH_MAX] = 'n';
	put_entry('L', "././@LongLink", name, TAR_PATH_MAX + 2);
	put_text('0', "x", "");
	name[TAR_PATH_MAX] = '\0';
	is_next(TAR_SYMLINK, name);
	ck_assert_str_eq(entry->link, "target");
	is_next(TAR_FILE, "y");
	is_refused("longer than 4095");
}
END_TEST

static void has_piece(uint64_t offset, const char *text)
{
	const void *data;
	uint64_t at;

	ck_assert_int_eq(tar_data(tar, &at, &data), (ssize_t)strlen(text));
	ck_assert_mem_eq(data, text, strlen(text));
	ck_assert_uint_eq(at, offset);
}

static void has_two_pieces(void)
{
	const void *data;
	uint64_t at;

	is_next(TAR_FILE, "sparse");
	ck_assert_uint_eq(entry->size, 3000);
	ck_assert(!tar_is_dense(tar));
	has_piece(1000, "hello");
	has_piece(2000, "world");
	ck_assert_int_eq(tar_data(tar, &at, &data), 0);
}

START_TEST(sparse_files_tell_where_their_bytes_are)
{
	char block[TAR_BLOCK + 10] = "3\n1000\n5\n2000\n5\n3000\n0\n";

	memcpy(block + TAR_BLOCK, "helloworld", 10);
	put_pax("GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=sparse",
		"GNU.sparse.realsize=3000", NULL);
	put_entry('0', "x", block, sizeof(block));
	put_pax("GNU.sparse.size=3000", "GNU.sparse.name=sparse", "GNU.sparse.map=1000,5,2000,5",
		NULL);
	put_text('0', "x", "helloworld");
	put_pax("GNU.sparse.size=3000", "GNU.sparse.offset=1000", "GNU.sparse.numbytes=5",
		"GNU.sparse.offset=2000", "GNU.sparse.numbytes=5", NULL);
	put_text('0', "sparse", "helloworld");
	put_text('0', "last", "x");
	has_two_pieces();
	has_two_pieces();
	has_two_pieces();
	is_next(TAR_FILE, "last");
	ck_assert(tar_is_dense(tar));
	has_data("x");
}
END_TEST

START_TEST(a_map_that_contradicts_itself_is_refused)
{
	static const char *const maps[] = { "0,5,3,5", "2995,10", "0,4,10,5", "10,5,0,5", "0,11" };
	char record[64];

	snprintf(record, sizeof(record), "GNU.sparse.map=%s", maps[_i]);
	put_pax("GNU.sparse.size=3000", record, NULL);
	put_text('0', "x", "helloworld");
	is_refused("contradicts");
}
END_TEST

START_TEST(what_ends_too_early_is_refused)
{
	const void *data;
	uint64_t offset;

	put_text('0', "f", "hello");
	ck_assert_int_eq(ftruncate(archive, TAR_BLOCK + 3), 0);
	is_next(TAR_FILE, "f");
	ck_assert_int_eq(tar_data(tar, &offset, &data), 3);
	ck_assert_int_eq(tar_data(tar, &offset, &data), -ENODATA);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "in the middle of 'f'"));
}
END_TEST

START_TEST(an_extended_header_alone_is_refused)
{
	put_pax("path=a", NULL);
	is_refused("ends");
}
END_TEST

START_TEST(a_wrong_sum_is_refused)
{
	put_text('0', "f", "hello");
	put_text('0', "g", "hello");
	ck_assert_int_eq(pwrite(archive, "G", 1, 2 * TAR_BLOCK), 1);
	is_next(TAR_FILE, "f");
	is_refused("damaged behind 'f'");
}
END_TEST

START_TEST(what_is_no_archive_is_refused)
{
	char text[TAR_BLOCK];

	memset(text, 'x', sizeof(text));
	put(text, _i ? sizeof(text) : 0);
	is_refused(_i ? "no tar archive" : "is empty");
}
END_TEST

START_TEST(only_zeros_are_an_archive_without_entries)
{
	char zeros[20 * TAR_BLOCK] = { 0 };

	if (_i)
		memcpy(zeros + 2 * TAR_BLOCK + 56, "\x53\xef", 2); /* the magic of an ext4 */
	put(zeros, sizeof(zeros));
	if (_i)
		is_refused("import-raw");
	else
		ck_assert_int_eq(next(), 0);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("tar");

	tcase_add_checked_fixture(cases, begin, end);
	tcase_add_test(cases, a_plain_header_says_all);
	tcase_add_test(cases, what_is_not_read_is_passed_over);
	tcase_add_test(cases, a_prefix_is_of_ustar_only);
	tcase_add_test(cases, a_name_may_fill_its_field);
	tcase_add_test(cases, numbers_may_be_large_or_old);
	tcase_add_test(cases, numbers_that_cannot_be_are_refused);
	tcase_add_test(cases, an_extended_header_counts_for_the_next_entry_only);
	tcase_add_test(cases, a_size_in_an_extended_header_is_the_one_that_counts);
	tcase_add_test(cases, long_names_of_gnu_are_read_and_limited);
	tcase_add_test(cases, sparse_files_tell_where_their_bytes_are);
	tcase_add_loop_test(cases, a_map_that_contradicts_itself_is_refused, 0, 5);
	tcase_add_test(cases, what_ends_too_early_is_refused);
	tcase_add_test(cases, an_extended_header_alone_is_refused);
	tcase_add_test(cases, a_wrong_sum_is_refused);
	tcase_add_loop_test(cases, what_is_no_archive_is_refused, 0, 2);
	tcase_add_loop_test(cases, only_zeros_are_an_archive_without_entries, 0, 2);
	return fixture_run(cases, "transfer/tar");
}
