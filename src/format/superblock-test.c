#include "format/superblock.h"

#include <string.h>

#include "base/unit.h"

static uint8_t data[SUPERBLOCK_WINDOW];
static uint64_t size;

static void put(size_t at, const char *bytes, size_t length)
{
	memcpy(data + at, bytes, length);
}

static void check(enum superblock_type type, uint64_t expected)
{
	ck_assert_int_eq(superblock_find(&size, data, sizeof(data)), type);
	ck_assert_uint_eq(size, expected);
}

START_TEST(nothing_is_no_file_system)
{
	check(SUPERBLOCK_NONE, 0);
	ck_assert_int_eq(superblock_find(&size, data, 0), SUPERBLOCK_NONE);
	ck_assert_ptr_null(superblock_name(SUPERBLOCK_NONE));
	ck_assert_ptr_null(superblock_name(SUPERBLOCK_LUKS));
}
END_TEST

START_TEST(ext4_tells_its_size_in_two_parts)
{
	put(1024 + 56, "\x53\xef", 2);
	put(1024 + 4, "\x00\x10\x00\x00", 4);
	put(1024 + 24, "\x02", 1);
	check(SUPERBLOCK_EXT4, 4096 * 4096);
	put(1024 + 336, "\x01", 1); /* counts only with the feature */
	check(SUPERBLOCK_EXT4, 4096 * 4096);
	put(1024 + 96, "\x80", 1);
	check(SUPERBLOCK_EXT4, 4096 * (UINT64_C(4096) + (UINT64_C(1) << 32)));
	put(1024 + 24, "\xff\xff\xff\xff", 4);
	check(SUPERBLOCK_EXT4, 0);
}
END_TEST

START_TEST(xfs_counts_the_other_way_round)
{
	put(0, "XFSB\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00\x03", 16);
	check(SUPERBLOCK_XFS, 3 * 4096);
	put(8, "\xff\xff\xff\xff", 4); /* more than there can be: not known */
	check(SUPERBLOCK_XFS, 0);
}
END_TEST

START_TEST(each_other_is_found_by_its_mark)
{
	put(0, "hsqs", 4);
	check(SUPERBLOCK_NONE, 0); /* of an old version */
	put(28, "\x04", 1);
	put(40, "\x07", 1);
	check(SUPERBLOCK_SQUASHFS, 7);
	memset(data, 0, sizeof(data));
	put(1024, "\xe2\xe1\xf5\xe0", 4);
	put(1024 + 12, "\x0c", 1);
	put(1024 + 36, "\x02", 1);
	check(SUPERBLOCK_EROFS, 8192);
	memset(data, 0, sizeof(data));
	put(0x10040, "_BHRfS_M", 8);
	put(0x10070, "\x09", 1);
	check(SUPERBLOCK_BTRFS, 9);
	memset(data, 0, sizeof(data));
	put(1024, "\x10\x20\xf5\xf2", 4);
	check(SUPERBLOCK_F2FS, 0);
	memset(data, 0, sizeof(data));
	put(0, "LUKS\xba\xbe", 6);
	check(SUPERBLOCK_LUKS, 0);
}
END_TEST

START_TEST(a_boot_sector_alone_is_no_vfat)
{
	put(510, "\x55\xaa", 2);
	check(SUPERBLOCK_NONE, 0);
	put(82, "FAT32   ", 8);
	put(11, "\x00\x02", 2);
	put(32, "\x10", 1);
	check(SUPERBLOCK_VFAT, 16 * 512);
}
END_TEST

START_TEST(marks_of_two_are_neither)
{
	put(0, "XFSB", 4);
	put(1024 + 56, "\x53\xef", 2);
	check(SUPERBLOCK_SEVERAL, 0);
}
END_TEST

START_TEST(what_is_cut_off_is_not_found)
{
	put(0x10040, "_BHRfS_M", 8);
	ck_assert_int_eq(superblock_find(&size, data, 0x10047), SUPERBLOCK_NONE);
	ck_assert_int_eq(superblock_find(&size, data, 0x10048), SUPERBLOCK_BTRFS);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/superblock", nothing_is_no_file_system,
			ext4_tells_its_size_in_two_parts, xfs_counts_the_other_way_round,
			each_other_is_found_by_its_mark, a_boot_sector_alone_is_no_vfat,
			marks_of_two_are_neither, what_is_cut_off_is_not_found);
}
