#include "format/disk-find.h"

#include "base/unit.h"
#include "format/disk-sample.h"

#define ARM "b921b045-1df0-41c3-af44-4c6f280d3fae"
#define I686 "44479540-f297-41b2-9af7-d131d5f0458a"
#define USR "8484680c-9521-48c6-9c11-b0720656f69e"
#define ROOT_VERITY "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5"
#define USR_VERITY "77ff5f63-e7b6-4633-acf4-1565b864c0e6"
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

	ck_assert_int_eq(disk_find(&disk, NULL, &source), DISK_UNREADABLE);
	ck_assert_int_eq(disk_find(&disk, NULL, &none), DISK_UNKNOWN);
}
END_TEST

/* ---- root hashes ---- */

#define FIRST "00112233-4455-6677-8899-aabbccddeeff"
#define LAST "fedcba98-7654-3210-0f1e-2d3c4b5a6978"
#define HASH "00112233445566778899aabbccddeefffedcba98765432100f1e2d3c4b5a6978"

#define HASHES_AT ((256 + 64 * 3) * 512)

static struct verity verity;

static enum disk_problem find_hashed(const char *hash, enum disk_role role, bool whole)
{
	const struct disk_source source = {
		.read = sample_read,
		.size = SAMPLE_SIZE,
		.machine = "x86_64",
		.whole = whole,
		.hash = hash,
		.hashed = role,
	};

	disk = (struct disk){ 0 };
	verity = (struct verity){ 0 };
	return disk_find(&disk, &verity, &source);
}

static void put_hashes(size_t at, uint64_t blocks)
{
	memcpy(sample + at, "verity\0\0", 8);
	sample_put(at + 8, 1, 4);
	sample_put(at + 12, 1, 4);
	memcpy(sample + at + 32, "sha256", 6);
	sample_put(at + 64, 4096, 4);
	sample_put(at + 68, 4096, 4);
	sample_put(at + 72, blocks, 8);
}

/* Two roots and two of hashes, of which the second belong to the hash, and one of /usr. */
static void make_hashed(const char *data, const char *hashes)
{
	static const char other[] = "11111111-1111-1111-1111-111111111111";
	const char *const types[] = { data, hashes, data, hashes, USR };
	const char *const ids[] = { other, other, FIRST, LAST, other };

	sample_gpt();
	for (int i = 0; i < 5; i++) {
		uint64_t at = 256 + 64 * (uint64_t)i;

		sample_entry(i, types[i], at, at + 63, 0);
		sample_type(1024 + 128 * (size_t)i + 16, ids[i]);
		sample_system(at, 64 * 512);
	}
	put_hashes(HASHES_AT, 8);
	sample_sums();
}

START_TEST(the_halves_of_a_root_hash_are_the_ids_of_its_partitions)
{
	make_hashed(SAMPLE_ROOT, ROOT_VERITY);
	ck_assert_int_eq(find_hashed(HASH, DISK_ROOT, false), DISK_FINE);
	ck_assert_uint_eq(disk.parts[DISK_ROOT].offset, (256 + 64 * 2) * 512);
	ck_assert(disk.parts[DISK_ROOT].read_only);
	ck_assert_uint_eq(disk.parts[DISK_USR].offset, (256 + 64 * 4) * 512);
	ck_assert_uint_eq(verity.offset, (256 + 64 * 3) * 512);
	ck_assert_uint_eq(verity.size, 64 * 512);
	ck_assert_str_eq(verity.algorithm, "sha256");
	ck_assert_int_eq(find_hashed(NULL, DISK_ROOT, false), DISK_SEVERAL);
}
END_TEST

START_TEST(without_partitions_of_the_root_hash_none_is_taken)
{
	char hash[] = HASH;

	make_hashed(SAMPLE_ROOT, ROOT_VERITY);
	hash[0] = '1';
	ck_assert_int_eq(find_hashed(hash, DISK_ROOT, false), DISK_NO_HASHED);
	hash[0] = '0';
	hash[63] = '9';
	ck_assert_int_eq(find_hashed(hash, DISK_ROOT, false), DISK_NO_HASHED);
	make_hashed(SAMPLE_ROOT, USR_VERITY);
	ck_assert_int_eq(find_hashed(HASH, DISK_ROOT, false), DISK_NO_HASHED);
	make_hashed(SAMPLE_LINUX, ROOT_VERITY);
	ck_assert_int_eq(find_hashed(HASH, DISK_ROOT, false), DISK_NO_HASHED);
	memset(sample, 0, sizeof(sample));
	sample_system(0, 4096);
	ck_assert_int_eq(find_hashed(HASH, DISK_ROOT, false), DISK_NO_HASHED);
}
END_TEST

START_TEST(hashes_that_are_damaged_or_of_more_data_are_refused)
{
	make_hashed(SAMPLE_ROOT, ROOT_VERITY);
	put_hashes(HASHES_AT, 9);
	ck_assert_int_eq(find_hashed(HASH, DISK_ROOT, false), DISK_NO_HASHES);
	make_hashed(SAMPLE_ROOT, ROOT_VERITY);
	sample[HASHES_AT] = 'x';
	ck_assert_int_eq(find_hashed(HASH, DISK_ROOT, false), DISK_NO_HASHES);
	make_hashed(SAMPLE_ROOT, ROOT_VERITY);
	sample[HASHES_AT + 32] = 'x';
	ck_assert_int_eq(find_hashed(HASH, DISK_ROOT, false), DISK_HASHES_UNKNOWN);
}
END_TEST

START_TEST(usr_can_be_what_is_verified)
{
	static const char other[] = "11111111-1111-1111-1111-111111111111";

	make_hashed(USR, USR_VERITY);
	sample_entry(4, SAMPLE_ROOT, 512, 575, 0);
	sample_type(1024 + 128 * 4 + 16, other);
	sample_system(512, 64 * 512);
	sample_sums();
	ck_assert_int_eq(find_hashed(HASH, DISK_USR, false), DISK_FINE);
	ck_assert_uint_eq(disk.parts[DISK_USR].offset, (256 + 64 * 2) * 512);
	ck_assert(disk.parts[DISK_USR].read_only && !disk.parts[DISK_ROOT].read_only);
}
END_TEST

START_TEST(with_hashes_elsewhere_no_table_is_looked_for)
{
	const struct disk_source source = { .read = sample_read, .size = SAMPLE_SIZE };

	make_hashed(SAMPLE_ROOT, ROOT_VERITY);
	ck_assert_int_eq(find_hashed(NULL, DISK_ROOT, true), DISK_NO_SYSTEM);
	sample_system(0, 4096);
	ck_assert_int_eq(find_hashed(NULL, DISK_ROOT, true), DISK_FINE);
	ck_assert_uint_eq(disk.parts[DISK_ROOT].size, SAMPLE_SIZE);
	ck_assert(disk.parts[DISK_ROOT].read_only);
	ck_assert_int_eq(disk_find_hashes(&verity, &source), DISK_NO_HASHES);
	put_hashes(0, 8);
	ck_assert_int_eq(disk_find_hashes(&verity, &source), DISK_FINE);
	ck_assert_uint_eq(verity.size, SAMPLE_SIZE);
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
			a_disk_that_cannot_be_read_is_told_as_such,
			the_halves_of_a_root_hash_are_the_ids_of_its_partitions,
			without_partitions_of_the_root_hash_none_is_taken,
			hashes_that_are_damaged_or_of_more_data_are_refused,
			usr_can_be_what_is_verified, with_hashes_elsewhere_no_table_is_looked_for);
}
