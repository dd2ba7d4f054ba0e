#include "format/verity.h"

#include <errno.h>
#include <string.h>

#include "base/unit.h"

#define SIZE (UINT64_C(1) << 20)

static uint8_t block[VERITY_SUPERBLOCK];
static struct verity verity;

static void put(size_t at, uint64_t number, int bytes)
{
	for (int i = 0; i < bytes; i++)
		block[at + (size_t)i] = (uint8_t)(number >> 8 * i);
}

/* As 'veritysetup format' writes it. */
static void make(void)
{
	memset(block, 0, sizeof(block));
	memcpy(block, "verity\0\0", 8);
	put(8, 1, 4);
	put(12, 1, 4);
	memcpy(block + 32, "sha256", 6);
	put(64, 4096, 4);
	put(68, 1024, 4);
	put(72, 6144, 8);
	put(80, 2, 2);
	put(88, 0x0fa0, 2);
}

static int read_with(size_t at, uint64_t number, int bytes)
{
	make();
	put(at, number, bytes);
	return verity_read(&verity, block, 8192, SIZE);
}

START_TEST(a_superblock_is_read_and_told_as_the_same)
{
	char text[VERITY_TEXT_MAX], again[VERITY_TEXT_MAX];

	ck_assert_int_eq(read_with(0, 'v', 1), 0);
	ck_assert_uint_eq(verity_size(&verity), 6144 * 4096);
	ck_assert_uint_eq(verity_print(text, &verity), strlen(text));
	ck_assert_str_eq(text, "8192 1048576 sha256 1 4096 1024 6144 a00f");
	ck_assert_int_eq(verity_parse(&verity, text, 8192 + SIZE), 0);
	verity_print(again, &verity);
	ck_assert_str_eq(text, again);
}
END_TEST

START_TEST(without_salt_a_line_is_the_word_for_none)
{
	char text[VERITY_TEXT_MAX];

	ck_assert_int_eq(read_with(80, 0, 2), 0);
	verity_print(text, &verity);
	ck_assert_str_eq(text, "8192 1048576 sha256 1 4096 1024 6144 -");
	ck_assert_int_eq(verity_parse(&verity, text, 8192 + SIZE), 0);
	ck_assert_str_eq(verity.salt, "");
}
END_TEST

START_TEST(the_longest_of_all_has_room)
{
	char text[VERITY_TEXT_MAX], table[VERITY_TABLE_MAX], hash[128 + 1];

	make();
	memcpy(block + 32, "sha512", 6);
	put(72, INT64_MAX / 4096, 8);
	put(80, VERITY_SALT_MAX, 2);
	memset(block + 88, 0xff, VERITY_SALT_MAX);
	ck_assert_int_eq(verity_read(&verity, block, UINT64_MAX - 511, UINT64_MAX), 0);
	ck_assert_uint_lt(verity_print(text, &verity), sizeof(text) - 1);
	memset(hash, 'a', 128);
	hash[128] = '\0';
	ck_assert_int_eq(verity_table(table, &verity, "4095:1048575", "4095:1048575", hash), 0);
	ck_assert_uint_lt(strlen(table), sizeof(table) - 1);
	ck_assert_str_eq(table + strlen(table) - 4, "ffff");
}
END_TEST

START_TEST(what_is_damaged_is_refused)
{
	ck_assert_int_eq(read_with(0, 'V', 1), -ENOENT);
	ck_assert_int_eq(read_with(7, 1, 1), -ENOENT);
	ck_assert_int_eq(read_with(8, 2, 4), -EOPNOTSUPP);
	ck_assert_int_eq(read_with(12, 2, 4), -EBADMSG);
	ck_assert_int_eq(read_with(64, 0, 4), -EBADMSG);
	ck_assert_int_eq(read_with(64, 256, 4), -EBADMSG);
	ck_assert_int_eq(read_with(64, 4097, 4), -EBADMSG);
	ck_assert_int_eq(read_with(68, 2 * VERITY_BLOCK_MAX, 4), -EBADMSG);
	ck_assert_int_eq(read_with(72, 0, 8), -EBADMSG);
	ck_assert_int_eq(read_with(72, UINT64_MAX, 8), -EBADMSG);
	ck_assert_int_eq(read_with(80, VERITY_SALT_MAX + 1, 2), -EBADMSG);
	make();
	ck_assert_int_eq(verity_read(&verity, block, 0, 1024), -EBADMSG);
}
END_TEST

START_TEST(only_algorithms_that_are_known_to_be_safe_are_taken)
{
	static const char *const wrong[] = { "", "md5", "sha1", "sha2560", "SHA256", "crc32c" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		make();
		memset(block + 32, 0, 32);
		memcpy(block + 32, wrong[i], strlen(wrong[i]));
		ck_assert_msg(verity_read(&verity, block, 0, SIZE) == -EOPNOTSUPP, "%s", wrong[i]);
	}
	make();
	memset(block + 32, 'a', 32);
	ck_assert_int_eq(verity_read(&verity, block, 0, SIZE), -EOPNOTSUPP);
}
END_TEST

START_TEST(no_other_line_is_taken)
{
	static const char *const lines[] = {
		"",
		"0 8192 sha256 1 4096 4096 1",
		"0 8192 sha256 1 4096 4096 1 ",
		"0 8192 sha256 1 4096 4096 1 - ",
		"0 8192 sha256 1 4096 4096 1 - 1",
		"0 8192 sha256 1 4096 4096 1 a",
		"0 8192 sha256 1 4096 4096 1 AA",
		"0 8192 sha256 1 4096 4096 1 a- ",
		"0 8192 sha1 1 4096 4096 1 -",
		"0 8192 sha256 2 4096 4096 1 -",
		"0 8192 sha256 1 4000 4096 1 -",
		"0 8192 sha256 1 4096 4096 0 -",
		"0 8192 sha256 1 4096 4096 18446744073709551615 -",
		"1 8192 sha256 1 4096 4096 1 -",
		"0 4096 sha256 1 4096 4096 1 -",
		"0 10241 sha256 1 4096 4096 1 -",
		"18446744073709551104 8192 sha256 1 4096 4096 1 -",
		"0 8192  sha256 1 4096 4096 1 -",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		ck_assert_msg(verity_parse(&verity, lines[i], 10240) == -EBADMSG, "case %zu", i);
	ck_assert_int_eq(verity_parse(&verity, "2048 8192 sha256 1 4096 4096 1 ab", 10240), 0);
}
END_TEST

START_TEST(the_kernel_is_told_what_and_with_which_hash)
{
	char table[VERITY_TABLE_MAX];
	static const char hash[] =
		"0011223344556677889900112233445566778899001122334455667788990011";

	ck_assert_int_eq(read_with(0, 'v', 1), 0);
	ck_assert_int_eq(verity_table(table, &verity, "7:0", "7:1", hash), 0);
	ck_assert_str_eq(table,
			 "1 7:0 7:1 4096 1024 6144 1 sha256 "
			 "0011223344556677889900112233445566778899001122334455667788990011 a00f");
	ck_assert_int_eq(verity_table(table, &verity, "7:0", "7:1", hash + 2), -EINVAL);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/verity", a_superblock_is_read_and_told_as_the_same,
			without_salt_a_line_is_the_word_for_none, the_longest_of_all_has_room,
			what_is_damaged_is_refused,
			only_algorithms_that_are_known_to_be_safe_are_taken, no_other_line_is_taken,
			the_kernel_is_told_what_and_with_which_hash);
}
