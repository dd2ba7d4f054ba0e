#include "transfer/qcow2.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "format/octets.h"
#include "io/scratch.h"

/* An image in memory, clusters of 512 bytes: header, first table, second table, data. */
enum {
	CLUSTER = 512,
	L1 = 1 * CLUSTER,
	L2 = 2 * CLUSTER,
	DATA = 3 * CLUSTER,
	FILE_MAX = 64 * CLUSTER,
	DISK_MAX = 1 << 20,
};

struct memory {
	uint8_t file[FILE_MAX], disk[DISK_MAX];
	struct qcow2_ends ends;
	size_t written;
	bool disk_full;
};

static int read_memory(void *context, void *data, size_t size, uint64_t offset)
{
	struct memory *memory = context;

	ck_assert_uint_le(offset, memory->ends.file_size);
	ck_assert_uint_le(size, memory->ends.file_size - offset);
	memcpy(data, memory->file + offset, size);
	return 0;
}

static int write_memory(void *context, const void *data, size_t size, uint64_t offset)
{
	struct memory *memory = context;

	ck_assert_uint_le(offset, DISK_MAX);
	ck_assert_uint_le(size, DISK_MAX - offset);
	memcpy(memory->disk + offset, data, size);
	memory->written += size;
	return memory->disk_full ? -ENOSPC : 0;
}

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

/* All holes. */
static struct memory *memory_of(unsigned version, uint64_t size)
{
	static struct memory memory;
	uint8_t *header = memory.file;

	memset(&memory, 0, sizeof(memory));
	memory.ends = (struct qcow2_ends){
		.file_size = FILE_MAX,
		.read = read_memory,
		.write = write_memory,
		.context = &memory,
	};
	memcpy(header, "QFI\xfb", 4);
	put32(header + 4, version);
	put32(header + 20, 9);
	put64(header + 24, size);
	put32(header + 36, CLUSTER / 8);
	put64(header + 40, L1);
	if (version == 3)
		put32(header + 100, 112);
	put64(memory.file + L1, L2);
	return &memory;
}

static void put_entry(struct memory *memory, unsigned cluster, uint64_t entry)
{
	put64(memory->file + L2 + cluster * 8, entry);
}

static int convert(struct memory *memory, const char **ret_why)
{
	const struct qcow2_job job = { .size_max = DISK_MAX, .threads = 1 };
	uint64_t size;

	return qcow2_convert(&job, &memory->ends, &size, ret_why);
}

static void refused(struct memory *memory, const char *words)
{
	const char *why;

	ck_assert_int_eq(convert(memory, &why), -EBADMSG);
	ck_assert_ptr_nonnull(why);
	ck_assert_msg(strstr(why, words) != NULL, "'%s' does not say '%s'", why, words);
}

static void check_cluster(const struct memory *memory, unsigned cluster, int byte)
{
	for (unsigned i = 0; i < CLUSTER; i++)
		ck_assert_int_eq(memory->disk[cluster * CLUSTER + i], byte);
}

START_TEST(clusters_come_to_their_place)
{
	struct memory *memory = memory_of(3, 5 * CLUSTER + 100);
	const char *why;

	memset(memory->file + DATA, 'a', CLUSTER);
	memset(memory->file + DATA + CLUSTER, 'b', CLUSTER);
	memset(memory->file + DATA + 2 * CLUSTER, 'c', CLUSTER);
	put_entry(memory, 1, DATA + CLUSTER);
	put_entry(memory, 2, (DATA + 2 * CLUSTER) | 1); /* zeros, whatever is there */
	put_entry(memory, 3, UINT64_C(1) << 63 | DATA);
	put_entry(memory, 5, DATA + 2 * CLUSTER); /* 100 bytes of it are on the disk */
	put_entry(memory, 6, DATA + 3);		  /* behind it: not looked at */
	ck_assert_int_eq(convert(memory, &why), 0);
	check_cluster(memory, 0, 0);
	check_cluster(memory, 1, 'b');
	check_cluster(memory, 2, 0);
	check_cluster(memory, 3, 'a');
	check_cluster(memory, 4, 0);
	ck_assert_int_eq(memory->disk[5 * CLUSTER + 99], 'c');
	ck_assert_int_eq(memory->disk[5 * CLUSTER + 100], 0);
	ck_assert_uint_eq(memory->written, 2 * CLUSTER + 100);
}
END_TEST

START_TEST(zeros_are_not_written)
{
	struct memory *memory = memory_of(2, 64 * CLUSTER);
	const char *why;

	for (unsigned i = 0; i < 32; i++)
		put_entry(memory, i, DATA + i * CLUSTER);
	ck_assert_int_eq(convert(memory, &why), 0);
	ck_assert_uint_eq(memory->written, 0);
	memory->file[DATA + 9 * CLUSTER] = 1;
	ck_assert_int_eq(convert(memory, &why), 0);
	ck_assert_uint_eq(memory->written, 4096);
	ck_assert_int_eq(memory->disk[9 * CLUSTER], 1);
}
END_TEST

/* A cluster of BYTEs as one stored block, at AT of the file. */
static void put_stored(struct memory *memory, size_t at, int byte)
{
	static const uint8_t head[] = { 1, 0x00, 0x02, 0xff, 0xfd };

	memcpy(memory->file + at, head, sizeof(head));
	memset(memory->file + at + sizeof(head), byte, CLUSTER);
}

#define PACKED(at) (UINT64_C(1) << 62 | UINT64_C(1) << 61 | (uint64_t)(at))

START_TEST(deflated_clusters_are_unpacked)
{
	struct memory *memory = memory_of(2, 3 * CLUSTER);
	const char *why;

	/* The second begins in a sector of the first; behind it the file ends. */
	put_stored(memory, DATA, 'x');
	put_stored(memory, DATA + CLUSTER + 5, 'y');
	put_entry(memory, 0, PACKED(DATA));
	put_entry(memory, 2, PACKED(DATA + CLUSTER + 5));
	memory->ends.file_size = DATA + 2 * (CLUSTER + 5);
	ck_assert_int_eq(convert(memory, &why), 0);
	check_cluster(memory, 0, 'x');
	check_cluster(memory, 1, 0);
	check_cluster(memory, 2, 'y');

	memory->ends.file_size--;
	refused(memory, "unpacked");
	memory->ends.file_size++;
	memory->file[DATA] = 7; /* there is no such block */
	refused(memory, "unpacked");
}
END_TEST

START_TEST(zstd_clusters_are_unpacked)
{
	struct memory *memory = memory_of(3, 2 * CLUSTER);
	uint8_t plain[CLUSTER + 1];
	const char *why;
	size_t size;

	put64(memory->file + 72, 1 << 3);
	memory->file[104] = 1;
	memset(plain, 'z', sizeof(plain));
	size = ZSTD_compress(memory->file + DATA, CLUSTER, plain, CLUSTER, 3);
	ck_assert(!ZSTD_isError(size));
	memset(memory->file + DATA + size, 0xff, CLUSTER);
	put_entry(memory, 1, PACKED(DATA));
	ck_assert_int_eq(convert(memory, &why), 0);
	check_cluster(memory, 1, 'z');

	/* More or less than a cluster is none. */
	ZSTD_compress(memory->file + DATA, CLUSTER, plain, CLUSTER + 1, 3);
	refused(memory, "unpacked");
	ZSTD_compress(memory->file + DATA, CLUSTER, plain, CLUSTER - 1, 3);
	refused(memory, "unpacked");
	memset(memory->file + DATA, 0, CLUSTER);
	refused(memory, "unpacked");
}
END_TEST

START_TEST(an_image_that_was_cut_short_is_refused)
{
	struct memory *memory = memory_of(3, 64 * CLUSTER);
	const char *why;

	put_entry(memory, 63, DATA);
	memory->ends.file_size = DATA + CLUSTER;
	ck_assert_int_eq(convert(memory, &why), 0);
	while (memory->ends.file_size-- > 0)
		refused(memory, memory->ends.file_size < 4 ? "no qcow2" : "cut short");
}
END_TEST

START_TEST(the_same_data_twice_is_refused)
{
	struct memory *memory = memory_of(3, DISK_MAX);

	/* Each second table is the same one, and each of its clusters. */
	for (unsigned i = 0; i < 32; i++)
		put64(memory->file + L1 + i * 8, L2);
	for (unsigned i = 0; i < 64; i++)
		put_entry(memory, i, DATA);
	memory->file[DATA] = 1;
	refused(memory, "more than once");
	ck_assert_uint_le(memory->written, 2 * FILE_MAX);
	for (unsigned i = 0; i < 64; i++)
		put_entry(memory, i, PACKED(DATA));
	put_stored(memory, DATA, 'x');
	refused(memory, "more than once");
}
END_TEST

START_TEST(tables_in_a_loop_do_no_harm)
{
	struct memory *memory = memory_of(3, DISK_MAX);

	for (unsigned i = 0; i < 32; i++)
		put64(memory->file + L1 + i * 8, L1);
	refused(memory, "more than once");
}
END_TEST

START_TEST(what_writing_says_is_no_fault_of_the_image)
{
	struct memory *memory = memory_of(3, DISK_MAX);
	const char *why;

	put_entry(memory, 0, DATA);
	memory->file[DATA] = 1;
	memory->disk_full = true;
	ck_assert_int_eq(convert(memory, &why), -ENOSPC);
	ck_assert_ptr_null(why);
}
END_TEST

/* ---- files ---- */

#define BIG (UINT64_C(100) << 20) /* of the disk in a file */
#define BIG_BITS 16

/* A file with a table for 512 MiB; one cluster in COUNT is data, whose first bytes tell which. */
static int big_image(unsigned count)
{
	int fd = openat(scratch_fd, "image", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint64_t data = UINT64_C(3) << BIG_BITS;
	uint8_t bytes[112] = "QFI\xfb";

	put32(bytes + 4, 3);
	put32(bytes + 20, BIG_BITS);
	put64(bytes + 24, BIG);
	put32(bytes + 36, 1);
	put64(bytes + 40, UINT64_C(1) << BIG_BITS);
	put32(bytes + 100, 104);
	ck_assert_int_eq(pwrite(fd, bytes, 104, 0), 104);
	put64(bytes, UINT64_C(2) << BIG_BITS);
	ck_assert_int_eq(pwrite(fd, bytes, 8, 1 << BIG_BITS), 8);
	for (unsigned i = 0; i < BIG >> BIG_BITS; i += count) {
		put64(bytes, data);
		ck_assert_int_eq(pwrite(fd, bytes, 8, (2 << BIG_BITS) + i * 8), 8);
		put64(bytes, i + 1);
		ck_assert_int_eq(pwrite(fd, bytes, 8, (off_t)data), 8);
		data += UINT64_C(1) << BIG_BITS;
	}
	ck_assert_int_eq(ftruncate(fd, (off_t)data), 0);
	return fd;
}

struct steps {
	uint64_t sum;
	int answer;
};

static int count_step(void *context, uint64_t bytes)
{
	struct steps *steps = context;

	steps->sum += bytes;
	return steps->answer;
}

START_TEST(a_file_becomes_a_sparse_file)
{
	autoclose int image = big_image(3);
	autoclose int raw = openat(scratch_fd, "raw", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct steps steps = {};
	const struct qcow2_job job = {
		.size_max = BIG,
		.threads = QCOW2_THREADS,
		.step = count_step,
		.context = &steps,
	};
	uint8_t bytes[8];
	struct stat st;
	const char *why;

	ck_assert_int_eq(pwrite(raw, "before", 6, 12345), 6);
	ck_assert_int_eq(qcow2_convert_file(&job, raw, image, &why), 0);
	ck_assert_uint_eq(steps.sum, BIG);
	ck_assert_int_eq(fstat(raw, &st), 0);
	ck_assert_int_eq(st.st_size, BIG);
	ck_assert_int_lt(st.st_blocks, (BIG >> 10) / 4);
	for (unsigned i = 0; i < BIG >> BIG_BITS; i++) {
		ck_assert_int_eq(pread(raw, bytes, 8, (off_t)i << BIG_BITS), 8);
		ck_assert_uint_eq(octets_get64(bytes), i % 3 == 0 ? i + 1 : 0);
	}
	ck_assert_int_eq(pread(raw, bytes, 6, 12345), 6);
	ck_assert_uint_eq(bytes[0], 0);
}
END_TEST

START_TEST(who_watches_can_end_it)
{
	autoclose int image = big_image(1);
	autoclose int raw = openat(scratch_fd, "raw", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct steps steps = { .answer = -ECANCELED };
	const struct qcow2_job job = {
		.size_max = BIG,
		.threads = QCOW2_THREADS,
		.step = count_step,
		.context = &steps,
	};
	const char *why;

	ck_assert_int_eq(qcow2_convert_file(&job, raw, image, &why), -ECANCELED);
	ck_assert_ptr_null(why);
	ck_assert_uint_lt(steps.sum, BIG);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("transfer/qcow2", clusters_come_to_their_place, zeros_are_not_written,
			   deflated_clusters_are_unpacked, zstd_clusters_are_unpacked,
			   an_image_that_was_cut_short_is_refused, the_same_data_twice_is_refused,
			   tables_in_a_loop_do_no_harm, what_writing_says_is_no_fault_of_the_image,
			   a_file_becomes_a_sparse_file, who_watches_can_end_it);
}
