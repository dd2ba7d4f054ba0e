#include "transfer/between.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "base/fail.h"
#include "io/fd.h"
#include "kernel/fixture.h"

#undef fail /* an old macro of Check */

#define SIZE ((size_t)3 << 20) /* more than pipes hold */

/* Of SIZE times 'x'. */
static const unsigned char sum_of_x[] = { 0x3b, 0xea, 0x8a, 0x9a, 0x07, 0xc1, 0xe8, 0xdc,
					  0xaa, 0x4c, 0x1b, 0x81, 0x68, 0x15, 0xc3, 0x5a,
					  0x29, 0xb4, 0xfb, 0x58, 0x5b, 0xa6, 0xec, 0xc7,
					  0x0e, 0xa4, 0x48, 0x40, 0xa7, 0x94, 0xcf, 0xb3 };

static int input_of(const void *data, size_t size)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	ck_assert_int_eq(fd_write_all(fd, data, size), 0);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static const char *make_x(void)
{
	static char data[SIZE];

	memset(data, 'x', SIZE);
	return data;
}

static size_t read_all(int fd)
{
	char data[65536];
	size_t size = 0;
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0) {
		ck_assert(data[0] == 'x' && memcmp(data, data + 1, (size_t)n - 1) == 0);
		size += (size_t)n;
	}
	return size;
}

static void pack(unsigned char *ret, unsigned long *size, const char *data)
{
	z_stream stream = { 0 };

	ck_assert_int_eq(deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, 0), Z_OK);
	stream.next_in = (unsigned char *)data;
	stream.avail_in = SIZE;
	stream.next_out = ret;
	stream.avail_out = (unsigned int)*size;
	ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
	*size = stream.total_out;
	deflateEnd(&stream);
}

static void start(struct between *between, int input, bool decompress)
{
	const struct between_wish wish = { .input = input, .decompress = decompress };
	int r = between_start(between, &wish);

	ck_assert_msg(r == 0, "%s", fail_recorded()->text);
}

static void note_progress(void *context, uint64_t done, uint64_t total)
{
	ck_assert_uint_eq(total, SIZE);
	*(uint64_t *)context = done;
}

START_TEST(what_passes_is_summed)
{
	autoclose int input = input_of(make_x(), SIZE);
	struct stream_result result;
	struct between between;
	uint64_t done = 0;
	const struct worker_listener listener = { .progress = note_progress, .context = &done };

	start(&between, input, false);
	ck_assert_int_ge(between_fd(&between), 0);
	ck_assert_int_eq(between_hear(&between, &listener), 1);
	ck_assert_uint_gt(done, 0);
	ck_assert_uint_eq(read_all(between.output), SIZE);
	ck_assert_int_eq(between_finish(&between, &result), 0);
	between_done(&between);
	ck_assert_uint_eq(result.in, SIZE);
	ck_assert_mem_eq(result.digest_out, sum_of_x, STREAM_DIGEST);
	ck_assert_mem_eq(result.digest_in, sum_of_x, STREAM_DIGEST);
}
END_TEST

START_TEST(what_was_compressed_is_summed_as_it_was_before)
{
	static unsigned char packed[SIZE];
	struct stream_result result;
	struct between between;
	autoclose int input = -EBADF;
	unsigned long size = sizeof(packed);

	pack(packed, &size, make_x());
	input = input_of(packed, size);
	start(&between, input, true);
	ck_assert_uint_eq(read_all(between.output), SIZE);
	ck_assert_int_eq(between_finish(&between, &result), 0);
	between_done(&between);
	ck_assert_int_lt(between_fd(&between), 0);
	ck_assert_uint_eq(result.in, size);
	ck_assert_uint_eq(result.out, SIZE);
	ck_assert_mem_eq(result.digest_out, sum_of_x, STREAM_DIGEST);
}
END_TEST

START_TEST(what_was_not_taken_has_no_sum)
{
	autoclose int input = input_of(make_x(), SIZE);
	struct stream_result result;
	struct between between;
	char byte;

	start(&between, input, false);
	ck_assert_int_eq(read(between.output, &byte, 1), 1);
	ck_assert_int_eq(between_finish(&between, &result), -EPIPE);
	between_done(&between);
}
END_TEST

START_TEST(what_came_to_who_parses_may_be_the_cause)
{
	static unsigned char packed[SIZE];
	unsigned long size = sizeof(packed);
	struct between between;
	autoclose int input = -EBADF;

	pack(packed, &size, make_x());
	input = input_of(packed, size / 2);
	start(&between, input, true);
	ck_assert_uint_lt(read_all(between.output), SIZE);
	fail(-EINVAL, "cannot understand it");
	ck_assert_int_eq(between_cause(&between), -ENODATA);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "too early"));
	between_done(&between);

	input = input_of(make_x(), SIZE);
	start(&between, input, true);
	fail_forget();
	fail(-EINVAL, "cannot understand it");
	ck_assert_int_eq(between_cause(&between), 0); /* it waits for us */
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "understand"));
	between_done(&between);
}
END_TEST

START_TEST(a_file_is_summed_wherever_it_stands)
{
	autoclose int fd = input_of(make_x(), SIZE);
	unsigned char sum[STREAM_DIGEST];

	ck_assert_int_eq(lseek(fd, 5, SEEK_SET), 5);
	ck_assert_int_eq(between_sum(sum, fd), 0);
	ck_assert_mem_eq(sum, sum_of_x, STREAM_DIGEST);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("between");

	if (geteuid() != 0)
		return 77;
	tcase_add_test(cases, what_passes_is_summed);
	tcase_add_test(cases, what_was_compressed_is_summed_as_it_was_before);
	tcase_add_test(cases, what_was_not_taken_has_no_sum);
	tcase_add_test(cases, what_came_to_who_parses_may_be_the_cause);
	tcase_add_test(cases, a_file_is_summed_wherever_it_stands);
	return fixture_run(cases, "transfer/between");
}
