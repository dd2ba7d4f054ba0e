#include "format/qcow2.h"

#include <errno.h>
#include <string.h>

#include "base/unit.h"
#include "format/octets.h"

#define FILE_SIZE (UINT64_C(64) << 10)
#define MIB (UINT64_C(1) << 20)

static void put32(uint8_t *data, uint32_t number)
{
	struct octets octets = { .data = data, .room = sizeof(number) };

	octets_put32(&octets, number);
}

static void put64(uint8_t *data, uint64_t number)
{
	put32(data, (uint32_t)(number >> 32));
	put32(data + 4, (uint32_t)number);
}

/* Version 3, a disk of 1 MiB in clusters of 4 KiB. */
static void sample(uint8_t *data)
{
	memset(data, 0, QCOW2_HEADER_SIZE);
	memcpy(data, "QFI\xfb", 4);
	put32(data + 4, 3);
	put32(data + 20, 12);
	put64(data + 24, MIB);
	put32(data + 36, 1);
	put64(data + 40, 4096);
	put32(data + 96, 4);
	put32(data + 100, QCOW2_HEADER_SIZE);
}

static int parse(struct qcow2 *ret, const uint8_t *data, const char **ret_why)
{
	*ret_why = NULL;
	return qcow2_header(ret, data, QCOW2_HEADER_SIZE, FILE_SIZE, MIB, ret_why);
}

static void refused(const uint8_t *data, int code, const char *words)
{
	struct qcow2 image = { .size = 77 };
	const char *why;

	ck_assert_int_eq(parse(&image, data, &why), code);
	ck_assert_ptr_nonnull(why);
	ck_assert_msg(strstr(why, words) != NULL, "'%s' does not say '%s'", why, words);
	ck_assert_uint_eq(image.size, 77);
}

START_TEST(a_header_says_where_the_tables_are)
{
	uint8_t data[QCOW2_HEADER_SIZE];
	struct qcow2 image;
	const char *why;

	sample(data);
	ck_assert_int_eq(parse(&image, data, &why), 0);
	ck_assert_uint_eq(image.version, 3);
	ck_assert_uint_eq(image.size, MIB);
	ck_assert_uint_eq(image.cluster_bits, 12);
	ck_assert_uint_eq(image.l1_offset, 4096);
	ck_assert_uint_eq(image.l1_count, 1);
	ck_assert_uint_eq(image.l2_bits, 9);
	ck_assert_uint_eq(image.l2_entry, 8);
	ck_assert(!image.zstd && !image.extended);

	/* The rest of version 3's header is no matter of version 2. */
	put32(data + 4, 2);
	memset(data + 72, 0xff, QCOW2_HEADER_SIZE - 72);
	ck_assert_int_eq(parse(&image, data, &why), 0);
	ck_assert_int_eq(qcow2_header(&image, data, 72, FILE_SIZE, MIB, &why), 0);
	ck_assert_uint_eq(image.version, 2);
}
END_TEST

START_TEST(features_are_known_or_refused)
{
	uint8_t data[QCOW2_HEADER_SIZE];
	struct qcow2 image;
	const char *why;

	sample(data);
	put64(data + 72, 1); /* dirty */
	put64(data + 80, UINT64_MAX);
	put64(data + 88, UINT64_MAX);
	ck_assert_int_eq(parse(&image, data, &why), 0);

	put64(data + 72, 1 << 3);
	refused(data, -EBADMSG, "contradicts itself");
	data[104] = 1;
	ck_assert_int_eq(parse(&image, data, &why), 0);
	ck_assert(image.zstd);
	data[104] = 2;
	refused(data, -EOPNOTSUPP, "neither zlib nor zstd");
	put64(data + 72, 0);
	refused(data, -EBADMSG, "contradicts itself");
	data[104] = 0;

	put64(data + 72, 1 << 4);
	refused(data, -EBADMSG, "too small");
	put32(data + 20, 14);
	put64(data + 40, 16384);
	ck_assert_int_eq(parse(&image, data, &why), 0);
	ck_assert(image.extended);
	ck_assert_uint_eq(image.l2_entry, 16);
	ck_assert_uint_eq(image.l2_bits, 10);

	put64(data + 72, 1 << 1);
	refused(data, -EBADMSG, "corrupt");
	put64(data + 72, 1 << 2);
	refused(data, -EOPNOTSUPP, "another file");
	put64(data + 72, 1 << 5);
	refused(data, -EOPNOTSUPP, "not known");
	put64(data + 72, UINT64_C(1) << 63);
	refused(data, -EOPNOTSUPP, "not known");
}
END_TEST

START_TEST(what_another_program_must_read_is_refused)
{
	uint8_t data[QCOW2_HEADER_SIZE];

	sample(data);
	put64(data + 8, 4096);
	refused(data, -EOPNOTSUPP, "backing file");
	sample(data);
	put32(data + 32, 2);
	refused(data, -EOPNOTSUPP, "encrypted");
	sample(data);
	put32(data + 4, 1);
	refused(data, -EOPNOTSUPP, "version");
}
END_TEST

START_TEST(numbers_that_cannot_be_are_refused)
{
	uint8_t data[QCOW2_HEADER_SIZE];

	sample(data);
	data[3] = 0;
	refused(data, -EBADMSG, "no qcow2");
	sample(data);
	put32(data + 20, 8);
	refused(data, -EBADMSG, "clusters");
	put32(data + 20, 22);
	refused(data, -EBADMSG, "clusters");
	put32(data + 20, UINT32_MAX);
	refused(data, -EBADMSG, "clusters");
	sample(data);
	put32(data + 100, 96);
	refused(data, -EBADMSG, "size of its header");
	put32(data + 100, 8192);
	refused(data, -EBADMSG, "size of its header");
}
END_TEST

START_TEST(the_first_table_fits_to_the_disk_and_into_the_file)
{
	uint8_t data[QCOW2_HEADER_SIZE];
	struct qcow2 image;
	const char *why;

	sample(data);
	put32(data + 36, 0);
	refused(data, -EBADMSG, "first table");
	put32(data + 36, QCOW2_L1_COUNT_MAX);
	ck_assert_int_eq(parse(&image, data, &why), 0);
	ck_assert_uint_eq(image.l1_count, 1);
	put32(data + 36, QCOW2_L1_COUNT_MAX + 1);
	refused(data, -EBADMSG, "first table");

	sample(data);
	for (unsigned i = 0; i < 3; i++) {
		static const uint64_t wrong[] = { 0, 4097, UINT64_MAX };

		put64(data + 40, wrong[i]);
		refused(data, -EBADMSG, "first table");
	}
	put64(data + 40, FILE_SIZE);
	refused(data, -EBADMSG, "cut short");
	put64(data + 40, UINT64_MAX - 4095);
	refused(data, -EBADMSG, "cut short");

	/* A disk of nothing needs none. */
	put64(data + 24, 0);
	put32(data + 36, 0);
	ck_assert_int_eq(parse(&image, data, &why), 0);
	ck_assert_uint_eq(image.l1_count, 0);
}
END_TEST

START_TEST(the_disk_may_not_be_larger_than_allowed)
{
	uint8_t data[QCOW2_HEADER_SIZE];
	struct qcow2 image;
	const char *why;

	sample(data);
	put64(data + 24, MIB + 1);
	refused(data, -EFBIG, "larger");
	put64(data + 24, UINT64_MAX);
	ck_assert_int_eq(qcow2_header(&image, data, sizeof(data), FILE_SIZE, UINT64_MAX, &why),
			 -EFBIG);
}
END_TEST

START_TEST(a_header_that_is_cut_short_is_refused)
{
	uint8_t data[QCOW2_HEADER_SIZE];
	struct qcow2 image;
	const char *why;

	sample(data);
	for (size_t size = 0; size < 104; size++) {
		why = NULL;
		ck_assert_int_eq(qcow2_header(&image, data, size, size, MIB, &why), -EBADMSG);
		ck_assert_ptr_nonnull(why);
	}
	ck_assert(qcow2_is(data, 4));
	ck_assert(!qcow2_is(data, 3));
}
END_TEST

static struct qcow2 image_of(unsigned version, unsigned cluster_bits)
{
	return (struct qcow2){
		.file_size = UINT64_C(1) << 30,
		.size = UINT64_C(1) << 40,
		.version = version,
		.cluster_bits = cluster_bits,
		.l2_entry = 8,
	};
}

static int decode(const struct qcow2 *image, struct qcow2_cluster *ret, uint64_t first,
		  uint64_t second)
{
	uint8_t entry[16];
	const char *why = NULL;
	int r;

	put64(entry, first);
	put64(entry + 8, second);
	r = qcow2_l2_entry(image, ret, entry, &why);
	ck_assert((r < 0) == (why != NULL));
	return r;
}

START_TEST(entries_are_holes_or_clusters)
{
	struct qcow2 image = image_of(3, 16);
	struct qcow2_cluster cluster;

	ck_assert_int_eq(decode(&image, &cluster, 0, 0), 0);
	ck_assert_int_eq(cluster.kind, QCOW2_HOLE);
	ck_assert_int_eq(decode(&image, &cluster, UINT64_C(1) << 63 | 5 << 16, 0), 0);
	ck_assert_int_eq(cluster.kind, QCOW2_DATA);
	ck_assert_uint_eq(cluster.offset, 5 << 16);
	ck_assert_uint_eq(cluster.parts, UINT32_MAX);

	/* Zeros, with a place of their own or without one. */
	ck_assert_int_eq(decode(&image, &cluster, 1, 0), 0);
	ck_assert_int_eq(cluster.kind, QCOW2_HOLE);
	ck_assert_int_eq(decode(&image, &cluster, UINT64_C(1) << 40 | 1, 0), 0);
	ck_assert_int_eq(cluster.kind, QCOW2_HOLE);
	image.version = 2;
	ck_assert_int_eq(decode(&image, &cluster, 1, 0), -EBADMSG);
}
END_TEST

START_TEST(entries_that_cannot_be_are_refused)
{
	struct qcow2 image = image_of(3, 16);
	struct qcow2_cluster cluster;
	uint8_t entry[8];
	uint64_t offset;
	const char *why;

	ck_assert_int_eq(decode(&image, &cluster, 5 << 16 | 512, 0), -EBADMSG);
	ck_assert_int_eq(decode(&image, &cluster, 5 << 16 | 2, 0), -EBADMSG);
	ck_assert_int_eq(decode(&image, &cluster, UINT64_C(1) << 56 | 5 << 16, 0), -EBADMSG);
	ck_assert_int_eq(decode(&image, &cluster, image.file_size, 0), -EBADMSG);

	put64(entry, UINT64_C(1) << 63 | 3 << 16);
	ck_assert_int_eq(qcow2_l1_entry(&image, &offset, entry, &why), 0);
	ck_assert_uint_eq(offset, 3 << 16);
	put64(entry, 0);
	ck_assert_int_eq(qcow2_l1_entry(&image, &offset, entry, &why), 0);
	ck_assert_uint_eq(offset, 0);
	put64(entry, 3 << 16 | 1);
	ck_assert_int_eq(qcow2_l1_entry(&image, &offset, entry, &why), -EBADMSG);
	put64(entry, image.file_size);
	ck_assert_int_eq(qcow2_l1_entry(&image, &offset, entry, &why), -EBADMSG);
}
END_TEST

START_TEST(compressed_clusters_have_a_place_and_a_bound)
{
	struct qcow2 image = image_of(3, 16);
	struct qcow2_cluster cluster;
	uint64_t flag = UINT64_C(1) << 62;

	/* 62 - (16 - 8) bits of offset, then the sectors after the first. */
	ck_assert_int_eq(decode(&image, &cluster, flag | UINT64_C(2) << 54 | 70001, 0), 0);
	ck_assert_int_eq(cluster.kind, QCOW2_COMPRESSED);
	ck_assert_uint_eq(cluster.offset, 70001);
	ck_assert_uint_eq(cluster.size, 3 * 512 - 70001 % 512);
	ck_assert_int_eq(decode(&image, &cluster, flag | UINT64_C(255) << 54 | (1 << 20), 0), 0);
	ck_assert_uint_eq(cluster.size, 2 << 16);

	/* The file may end inside of the last sector. */
	image.file_size = 70002;
	ck_assert_int_eq(decode(&image, &cluster, flag | 70001, 0), 0);
	ck_assert_uint_eq(cluster.size, 1);
	ck_assert_int_eq(decode(&image, &cluster, flag | 70002, 0), -EBADMSG);
	ck_assert_int_eq(decode(&image, &cluster, flag, 0), -EBADMSG);
	image = image_of(3, 9);
	ck_assert_int_eq(decode(&image, &cluster, flag | UINT64_C(1) << 61 | 4096, 0), 0);
	ck_assert_uint_eq(cluster.size, 1024);
	ck_assert_int_eq(decode(&image, &cluster, flag | UINT64_C(1) << 56 | 4096, 0), -EBADMSG);
}
END_TEST

START_TEST(extended_entries_tell_which_parts_are_there)
{
	struct qcow2 image = image_of(3, 16);
	struct qcow2_cluster cluster;

	image.extended = true;
	image.l2_entry = 16;
	ck_assert_int_eq(decode(&image, &cluster, 5 << 16, 0x81), 0);
	ck_assert_int_eq(cluster.kind, QCOW2_DATA);
	ck_assert_uint_eq(cluster.parts, 0x81);
	ck_assert_int_eq(decode(&image, &cluster, 5 << 16, UINT64_C(0xff00000000) | 0x8100), 0);
	ck_assert_uint_eq(cluster.parts, 0x8100);
	ck_assert_int_eq(decode(&image, &cluster, 5 << 16, UINT64_C(0xff00000000)), 0);
	ck_assert_int_eq(cluster.kind, QCOW2_HOLE);
	ck_assert_int_eq(decode(&image, &cluster, 0, UINT64_C(1) << 40), 0);
	ck_assert_int_eq(cluster.kind, QCOW2_HOLE);
	ck_assert_int_eq(decode(&image, &cluster, 0, 1), -EBADMSG);
	ck_assert_int_eq(decode(&image, &cluster, 5 << 16, UINT64_C(1) << 32 | 1), -EBADMSG);
	ck_assert_int_eq(decode(&image, &cluster, 5 << 16 | 1, 1), -EBADMSG);
	ck_assert_int_eq(decode(&image, &cluster, UINT64_C(1) << 62 | 4096, UINT64_MAX), 0);
	ck_assert_int_eq(cluster.kind, QCOW2_COMPRESSED);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/qcow2", a_header_says_where_the_tables_are,
			features_are_known_or_refused, what_another_program_must_read_is_refused,
			numbers_that_cannot_be_are_refused,
			the_first_table_fits_to_the_disk_and_into_the_file,
			the_disk_may_not_be_larger_than_allowed,
			a_header_that_is_cut_short_is_refused, entries_are_holes_or_clusters,
			entries_that_cannot_be_are_refused,
			compressed_clusters_have_a_place_and_a_bound,
			extended_entries_tell_which_parts_are_there);
}
