#include "format/disk.h"

#include <errno.h>
#include <string.h>

#include "base/unit.h"

static struct disk disk;

static int parse(const char *text)
{
	return disk_parse(&disk, NULL, text, strlen(text), 1000 * 512);
}

START_TEST(what_is_printed_is_parsed_as_the_same)
{
	struct disk out = { 0 };
	char text[DISK_TEXT_MAX], again[DISK_TEXT_MAX];

	for (int i = 0; i < DISK_ROLES; i++)
		out.parts[i] = (struct disk_part){ SUPERBLOCK_EXT4 + (unsigned int)i % 7,
						   i % 2 != 0, 512 * (uint64_t)i, 512 };
	disk_print(text, &out, NULL, DISK_FINE);
	ck_assert_int_eq(parse(text), DISK_FINE);
	disk_print(again, &disk, NULL, DISK_FINE);
	ck_assert_str_eq(text, again);
	ck_assert_ptr_nonnull(strstr(text, "root ext4 rw 0 512\nusr btrfs ro 512 512\n"));
}
END_TEST

START_TEST(problems_are_told_alone)
{
	char text[DISK_TEXT_MAX];

	for (int i = DISK_FINE + 1; i < DISK_PROBLEMS; i++) {
		disk_print(text, &disk, NULL, (enum disk_problem)i);
		ck_assert_int_eq(parse(text), i);
	}
	ck_assert_int_eq(parse("overlap\nroot ext4 rw 0 512\n"), -EBADMSG);
}
END_TEST

START_TEST(nothing_else_is_taken)
{
	static const char *const texts[] = {
		"",
		"fine",
		"fine\n",
		"good\n",
		"fine\nhome ext4 rw 0 512\n",
		"fine\nroot ext4 rw 0 512",
		"fine\nroot ext4 rw 0 512 \n",
		"fine\nroot ext4 rw 0 -512\n",
		"fine\nroot ext4 rx 0 512\n",
		"fine\nroot proc rw 0 512\n",
		"fine\nroot crypto rw 0 512\n",
		"fine\netc ext4 rw 0 512\n",
		"fine\nroot ext4 rw 0 0\n",
		"fine\nroot ext4 rw 1 512\n",
		"fine\nroot ext4 rw 512000 512\n",
		"fine\nroot ext4 rw 511488 1024\n",
		"fine\nroot ext4 rw 18446744073709551104 1024\n",
		"fine\nroot ext4 rw 512 18446744073709551104\n",
		"fine\nroot ext4 rw 0 512\nroot ext4 rw 512 512\n",
		"fine\nroot ext4 rw 0 1024\nhome ext4 rw 512 512\n",
		"fine\nroot ext4 rw 0 512\n\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_msg(parse(texts[i]) == -EBADMSG, "case %zu", i);
	ck_assert_int_eq(disk_parse(&disk, NULL, "fine\nroot ext4 rw 0 512\n\0", 25, 512),
			 -EBADMSG);
	ck_assert_int_eq(disk_parse(&disk, NULL, "fine\nroot ext4 rw 0 512\n", 24, 512), DISK_FINE);
}
END_TEST

START_TEST(a_hash_tree_is_told_with_the_rest_or_alone)
{
#define HASHES "hashes 51200 8192 sha256 1 4096 4096 1 ab\n"
	static const char *const wrong[] = {
		"fine\nroot ext4 rw 0 512\n" HASHES HASHES,
		"fine\nroot ext4 rw 0 51712\n" HASHES,
		"fine\nroot ext4 rw 58880 512\n" HASHES,
		"fine\nhashes 512000 8192 sha256 1 4096 4096 1 ab\n",
		"fine\nhashes \n",
		"fine\n"
		"hashes 51200 8192 sha256 1 4096 4096 1 ab",
	};
	static const char with[] = "fine\nroot ext4 ro 0 512\n" HASHES, alone[] = "fine\n" HASHES;
	struct verity verity;
	char text[DISK_TEXT_MAX];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(disk_parse(&disk, &verity, wrong[i], strlen(wrong[i]), 1000 * 512) ==
				      -EBADMSG,
			      "case %zu", i);
	ck_assert_int_eq(parse(with), -EBADMSG);
	ck_assert_int_eq(disk_parse(&disk, &verity, with, strlen(with), 1000 * 512), DISK_FINE);
	ck_assert_uint_eq(verity.offset, 51200);
	disk_print(text, &disk, &verity, DISK_FINE);
	ck_assert_str_eq(text, with);
	ck_assert_int_eq(disk_parse(&disk, &verity, alone, strlen(alone), 1000 * 512), DISK_FINE);
	ck_assert_int_eq(disk.parts[DISK_ROOT].type, SUPERBLOCK_NONE);
#undef HASHES
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/disk", what_is_printed_is_parsed_as_the_same,
			problems_are_told_alone, nothing_else_is_taken,
			a_hash_tree_is_told_with_the_rest_or_alone);
}
