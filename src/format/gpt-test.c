#include "format/gpt.h"

#include "base/unit.h"
#include "format/disk-sample.h"

static struct gpt gpt;

static int header(void)
{
	sample_sums();
	return gpt_read_header(&gpt, sample + 512, 512, SAMPLE_SIZE);
}

static int entries(void)
{
	int r = header();

	return r < 0 ? r : gpt_read_entries(&gpt, sample + gpt.table, SAMPLE_SIZE);
}

START_TEST(the_sum_is_that_of_others)
{
	ck_assert_uint_eq(gpt_checksum((const uint8_t *)"123456789", 9), 0xcbf43926);
}
END_TEST

START_TEST(entries_are_told_in_bytes)
{
	sample_gpt();
	sample_entry(3, SAMPLE_ROOT, 2048, 2049, GPT_READ_ONLY);
	ck_assert_int_eq(entries(), 0);
	ck_assert_uint_eq(gpt.count, 1);
	ck_assert_uint_eq(gpt.entries[0].number, 4);
	ck_assert_str_eq(gpt.entries[0].type, SAMPLE_ROOT);
	ck_assert_uint_eq(gpt.entries[0].offset, 2048 * 512);
	ck_assert_uint_eq(gpt.entries[0].size, 1024);
	ck_assert_uint_eq(gpt.entries[0].attributes, GPT_READ_ONLY);
}
END_TEST

START_TEST(a_wrong_sum_is_damage)
{
	sample_gpt();
	ck_assert_int_eq(header(), 0);
	sample[512 + 57] ^= 1;
	ck_assert_int_eq(gpt_read_header(&gpt, sample + 512, 512, SAMPLE_SIZE), -EBADMSG);
	sample_gpt();
	ck_assert_int_eq(header(), 0);
	sample[1024] ^= 1;
	ck_assert_int_eq(gpt_read_entries(&gpt, sample + 1024, SAMPLE_SIZE), -EBADMSG);
}
END_TEST

START_TEST(no_mark_is_no_table)
{
	sample_gpt();
	sample[512] = 'e';
	ck_assert_int_eq(header(), -ENOENT);
}
END_TEST

START_TEST(a_table_that_is_too_large_or_elsewhere_is_refused)
{
	static const struct {
		size_t at;
		uint64_t value;
		int bytes, r;
	} cases[] = {
		{ 80, 0, 4, -EBADMSG },
		{ 80, UINT32_MAX, 4, -EBADMSG },
		{ 80, 1025, 4, -EBADMSG },
		{ 84, 64, 4, -EBADMSG },
		{ 84, 192, 4, -EBADMSG },
		{ 84, 1024, 4, -EBADMSG },
		{ 72, 1, 8, -EBADMSG },
		{ 72, UINT64_MAX, 8, -ERANGE },
		{ 72, SAMPLE_SIZE / 512 - 1, 8, -ERANGE },
		{ 48, UINT64_MAX, 8, -ERANGE },
		{ 48, 33, 8, -EBADMSG },
		{ 24, 2, 8, -EBADMSG },
		{ 8, 0x20000, 4, -EBADMSG },
		{ 12, 91, 4, -EBADMSG },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sample_gpt();
		sample_put(512 + cases[i].at, cases[i].value, cases[i].bytes);
		ck_assert_msg(header() == cases[i].r, "case %zu", i);
	}
	/* A header that claims to be longer than its sector is not read to its end. */
	sample_gpt();
	sample_put(512 + 12, 513, 4);
	ck_assert_int_eq(header(), -EBADMSG);
}
END_TEST

START_TEST(partitions_that_cannot_be_are_refused)
{
	static const struct {
		uint64_t first, last;
		int r;
	} cases[] = {
		{ 2049, 2048, -EBADMSG },
		{ 33, 2048, -EBADMSG },
		{ 2048, SAMPLE_SIZE / 512, -ERANGE },
		{ UINT64_MAX - 1, UINT64_MAX, -ERANGE },
		{ 100, 150, -EEXIST },
		{ 150, 300, -EEXIST },
		{ 50, 1000, -EEXIST },
		{ 201, 300, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sample_gpt();
		sample_entry(0, SAMPLE_ROOT, 100, 200, 0);
		sample_entry(1, SAMPLE_HOME, cases[i].first, cases[i].last, 0);
		ck_assert_msg(entries() == cases[i].r, "case %zu", i);
	}
}
END_TEST

START_TEST(an_mbr_is_read)
{
	struct mbr mbr;

	memset(sample, 0, sizeof(sample));
	ck_assert_int_eq(mbr_read(&mbr, sample), -ENOENT);
	sample_put(510, 0xaa55, 2);
	sample[446 + 16] = 0x80;
	sample[446 + 16 + 4] = 0x83;
	sample_put(446 + 16 + 8, 2048, 4);
	sample_put(446 + 16 + 12, UINT32_MAX, 4);
	ck_assert_int_eq(mbr_read(&mbr, sample), 0);
	ck_assert(!mbr.protective && mbr.entries[1].bootable);
	ck_assert_uint_eq(mbr.entries[0].size, 0);
	ck_assert_uint_eq(mbr.entries[1].offset, 1024 * 1024);
	ck_assert_uint_eq(mbr.entries[1].size, UINT64_C(512) * UINT32_MAX);
	sample[446] = 7; /* code of a boot sector */
	ck_assert_int_eq(mbr_read(&mbr, sample), -ENOENT);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/gpt", the_sum_is_that_of_others, entries_are_told_in_bytes,
			a_wrong_sum_is_damage, no_mark_is_no_table,
			a_table_that_is_too_large_or_elsewhere_is_refused,
			partitions_that_cannot_be_are_refused, an_mbr_is_read);
}
