#include "format/disk-find.h"

#include "base/unit.h"
#include "format/disk-sample.h"

#define ARM "b921b045-1df0-41c3-af44-4c6f280d3fae"
#define I686 "44479540-f297-41b2-9af7-d131d5f0458a"
#define USR "8484680c-9521-48c6-9c11-b0720656f69e"
#define ESP "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"

static struct disk disk;

/* A table with these partitions, one after the other, each with a file system. */
static enum disk_problem find(const char *const *types, uint64_t attributes)
{
	sample_gpt();
	for (int i = 0; types[i]; i++) {
		uint64_t at = 256 + 64 * (uint64_t)i;

		sample_entry(i, types[i], at, at + 63, attributes);
		sample_system(at, 64 * 512);
	}
	sample_sums();
	disk = (struct disk){ 0 };
	return sample_find(&disk);
}

#define FIND(attributes, ...) find((const char *const[]){ __VA_ARGS__, NULL }, attributes)

START_TEST(partitions_get_their_roles)
{
	ck_assert_int_eq(FIND(0, ESP, SAMPLE_HOME, USR, SAMPLE_ROOT), DISK_FINE);
	ck_assert_uint_eq(disk.parts[DISK_ESP].offset, 256 * 512);
	ck_assert_uint_eq(disk.parts[DISK_HOME].offset, 320 * 512);
	ck_assert_uint_eq(disk.parts[DISK_USR].offset, 384 * 512);
	ck_assert_uint_eq(disk.parts[DISK_ROOT].offset, 448 * 512);
	ck_assert_uint_eq(disk.parts[DISK_ROOT].size, 64 * 512);
	ck_assert_int_eq(disk.parts[DISK_ROOT].type, SUPERBLOCK_SQUASHFS);
	ck_assert(!disk.parts[DISK_ROOT].read_only);
	ck_assert_int_eq(disk.parts[DISK_SRV].type, SUPERBLOCK_NONE);
}
END_TEST

START_TEST(the_own_kind_of_processor_comes_first)
{
	ck_assert_int_eq(FIND(0, I686, SAMPLE_ROOT, ARM), DISK_FINE);
	ck_assert_uint_eq(disk.parts[DISK_ROOT].offset, 320 * 512);
	ck_assert_int_eq(FIND(0, I686, ARM), DISK_FINE);
	ck_assert_uint_eq(disk.parts[DISK_ROOT].offset, 256 * 512);
	ck_assert_int_eq(FIND(0, ARM), DISK_FOREIGN);
	ck_assert_int_eq(FIND(0, ARM, SAMPLE_LINUX), DISK_FINE);
	ck_assert_uint_eq(disk.parts[DISK_ROOT].offset, 320 * 512);
}
END_TEST

START_TEST(what_is_not_clear_is_refused)
{
	ck_assert_int_eq(FIND(0, SAMPLE_ROOT, SAMPLE_ROOT), DISK_SEVERAL);
	ck_assert_int_eq(FIND(0, SAMPLE_ROOT, USR, USR), DISK_SEVERAL);
	ck_assert_int_eq(FIND(0, SAMPLE_LINUX, SAMPLE_LINUX), DISK_SEVERAL);
	ck_assert_int_eq(FIND(0, SAMPLE_HOME), DISK_NO_ROOT);
	ck_assert_int_eq(FIND(0, SAMPLE_ROOT, SAMPLE_LINUX, SAMPLE_LINUX), DISK_FINE);
}
END_TEST

START_TEST(attributes_are_followed)
{
	ck_assert_int_eq(FIND(GPT_READ_ONLY, SAMPLE_ROOT), DISK_FINE);
	ck_assert(disk.parts[DISK_ROOT].read_only);
	ck_assert_int_eq(FIND(GPT_NO_AUTO, SAMPLE_ROOT), DISK_NO_ROOT);
}
END_TEST

START_TEST(a_partition_without_a_file_system_is_refused_unless_it_is_for_firmware)
{
	sample_gpt();
	sample_entry(0, ESP, 100, 200, 0);
	sample_entry(1, SAMPLE_ROOT, 256, 511, 0);
	sample_sums();
	ck_assert_int_eq(sample_find(&disk), DISK_NO_SYSTEM);
	sample_system(256, 256 * 512);
	ck_assert_int_eq(sample_find(&disk), DISK_FINE);
	sample_system(256, 256 * 512 + 1);
	ck_assert_int_eq(sample_find(&disk), DISK_TRUNCATED);
	memcpy(sample + 256 * 512, "LUKS\xba\xbe", 6);
	ck_assert_int_eq(sample_find(&disk), DISK_ENCRYPTED);
}
END_TEST

START_TEST(a_damaged_table_is_no_reason_to_look_for_another)
{
	sample_gpt();
	sample_entry(0, SAMPLE_ROOT, 256, 511, 0);
	sample_system(0, 4096);
	sample_put(510, 0xaa55, 2);
	ck_assert_int_eq(sample_find(&disk), DISK_DAMAGED);
}
END_TEST

START_TEST(an_mbr_has_one_for_linux_or_one_that_is_bootable)
{
	memset(sample, 0, sizeof(sample));
	sample_put(510, 0xaa55, 2);
	ck_assert_int_eq(sample_find(&disk), DISK_NO_ROOT);
	for (int i = 0; i < 2; i++) {
		sample[446 + 16 * i + 4] = 0x83;
		sample_put(446 + 16 * (size_t)i + 8, 256 + 256 * (uint64_t)i, 4);
		sample_put(446 + 16 * (size_t)i + 12, 256, 4);
		sample_system(256 + 256 * (uint64_t)i, 4096);
		ck_assert_int_eq(sample_find(&disk), i == 0 ? DISK_FINE : DISK_SEVERAL);
	}
	sample[446 + 16] = 0x80;
	ck_assert_int_eq(sample_find(&disk), DISK_FINE);
	ck_assert_uint_eq(disk.parts[DISK_ROOT].offset, 512 * 512);
	sample_put(446 + 16 + 12, SAMPLE_SIZE / 512, 4);
	ck_assert_int_eq(sample_find(&disk), DISK_OUTSIDE);
	sample[446 + 4] = 0xee;
	ck_assert_int_eq(sample_find(&disk), DISK_DAMAGED);
}
END_TEST

static int broken(void *context, void *to, size_t size, uint64_t offset)
{
	(void)context;
	(void)to;
	(void)size;
	(void)offset;
	return -EIO;
}

START_TEST(a_disk_that_cannot_be_read_is_told_as_such)
{
	const struct disk_source source = { .read = broken, .size = 4096, .machine = "x86_64" };
	const struct disk_source none = { .read = broken, .size = 511, .machine = "x86_64" };

	ck_assert_int_eq(disk_find(&disk, &source), DISK_UNREADABLE);
	ck_assert_int_eq(disk_find(&disk, &none), DISK_UNKNOWN);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/disk-find", partitions_get_their_roles,
			the_own_kind_of_processor_comes_first, what_is_not_clear_is_refused,
			attributes_are_followed,
			a_partition_without_a_file_system_is_refused_unless_it_is_for_firmware,
			a_damaged_table_is_no_reason_to_look_for_another,
			an_mbr_has_one_for_linux_or_one_that_is_bootable,
			a_disk_that_cannot_be_read_is_told_as_such);
}
