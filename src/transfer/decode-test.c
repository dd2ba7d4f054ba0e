#include "transfer/decode.h"

#include <bzlib.h>
#include <endian.h>
#include <errno.h>
#include <lz4frame.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "kernel/fixture.h"

#define PLAIN_SIZE 30000
#define ROOM 100000

static unsigned char plain[PLAIN_SIZE], packed[ROOM], made[ROOM];

static void make_plain(void)
{
	uint32_t state = 1;

	for (size_t i = 0; i < PLAIN_SIZE; i++) {
		state = state * 1103515245 + 12345;
		plain[i] = (unsigned char)("abcdefgh"[state >> 29] + (i / 1000));
	}
}

static size_t pack_gz(unsigned char *to, size_t room)
{
	z_stream stream = { 0 };

	ck_assert_int_eq(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
			 Z_OK);
	stream.next_in = plain;
	stream.avail_in = PLAIN_SIZE;
	stream.next_out = to;
	stream.avail_out = (uInt)room;
	ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
	deflateEnd(&stream);
	return room - stream.avail_out;
}

static size_t pack_bz2(unsigned char *to, size_t room)
{
	unsigned int size = (unsigned int)room;

	ck_assert_int_eq(BZ2_bzBuffToBuffCompress((char *)to, &size, (char *)plain, PLAIN_SIZE, 1,
						  0, 0),
			 BZ_OK);
	return size;
}

static size_t pack(enum compression compression, unsigned char *to, size_t room)
{
	LZ4F_preferences_t sums = { .frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled };
	size_t size = 0;

	switch (compression) {
	case COMPRESSION_GZ: return pack_gz(to, room);
	case COMPRESSION_BZ2: return pack_bz2(to, room);
	case COMPRESSION_XZ:
		ck_assert_int_eq(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, plain,
							 PLAIN_SIZE, to, &size, room),
				 LZMA_OK);
		return size;
	case COMPRESSION_ZST: {
		ZSTD_CCtx *context = ZSTD_createCCtx();

		ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
		size = ZSTD_compress2(context, to, room, plain, PLAIN_SIZE);
		ZSTD_freeCCtx(context);
		ck_assert(!ZSTD_isError(size));
		return size;
	}
	default:
		size = LZ4F_compressFrame(to, room, plain, PLAIN_SIZE, &sums);
		ck_assert(!LZ4F_isError(size));
		return size;
	}
}

/* STEP bytes in, and at most as many out, at a time. What decoder_run() ended with. */
static int unpack(enum compression compression, const unsigned char *from, size_t size, size_t step,
		  size_t *ret)
{
	struct decode_piece piece = { .in = from };
	const unsigned char *end = from + size;
	struct decoder *decoder;
	size_t used = 0;
	int r = 1;

	ck_assert_int_eq(decoder_new(&decoder, compression), 0);
	for (size_t rounds = 0; r > 0; rounds++) {
		size_t room = step < ROOM - used ? step : ROOM - used;

		ck_assert_uint_lt(rounds, 20 * ROOM);
		if (piece.in_size == 0)
			piece.in_size = (size_t)(end - piece.in) < step ? (size_t)(end - piece.in)
									: step;
		piece.last = piece.in_size == 0;
		piece.out = made + used;
		piece.out_room = room;
		r = decoder_run(decoder, &piece);
		used += room - piece.out_room;
	}
	decoder_free(decoder);
	*ret = used;
	return r;
}

START_TEST(all_forms_are_known_and_read)
{
	enum compression compression = (enum compression)_i;
	static const size_t steps[] = { 1, 7, 4096, ROOM };
	size_t size = pack(compression, packed, ROOM), n;

	ck_assert_int_eq(compression_detect(packed, size), compression);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		ck_assert_int_eq(unpack(compression, packed, size, steps[i], &n), 0);
		ck_assert_uint_eq(n, PLAIN_SIZE);
		ck_assert_mem_eq(made, plain, PLAIN_SIZE);
	}
}
END_TEST

START_TEST(two_streams_are_one)
{
	enum compression compression = (enum compression)_i;
	size_t size = pack(compression, packed, ROOM), n;

	size += pack(compression, packed + size, ROOM - size);
	ck_assert_int_eq(unpack(compression, packed, size, 1000, &n), 0);
	ck_assert_uint_eq(n, 2 * PLAIN_SIZE);
	ck_assert_mem_eq(made + PLAIN_SIZE, plain, PLAIN_SIZE);
}
END_TEST

START_TEST(what_ends_too_early_is_refused)
{
	enum compression compression = (enum compression)_i;
	size_t size = pack(compression, packed, ROOM), n;

	for (size_t cut = 1; cut < size; cut += 1 + size / 50)
		ck_assert_int_eq(unpack(compression, packed, size - cut, 4096, &n), -ENODATA);
}
END_TEST

START_TEST(what_is_damaged_is_refused)
{
	enum compression compression = (enum compression)_i;
	size_t size = pack(compression, packed, ROOM), n;
	int r;

	for (size_t at = 32; at < size - 32; at += 1 + size / 50) {
		packed[at] ^= 0x10;
		r = unpack(compression, packed, size, 4096, &n);
		ck_assert_msg(r < 0, "byte %zu: %d", at, r);
		packed[at] ^= 0x10;
	}
}
END_TEST

/* As padding of tapes. */
START_TEST(what_follows_a_gz_stream_is_passed_over)
{
	size_t size = pack(COMPRESSION_GZ, packed, ROOM), n;

	memset(packed + size, 0, 1000);
	ck_assert_int_eq(unpack(COMPRESSION_GZ, packed, size + 1000, 4096, &n), 0);
	ck_assert_uint_eq(n, PLAIN_SIZE);
}
END_TEST

/* The dictionary's size in the header, which is not made as large as that by who packs little. */
static int unpack_xz_of(unsigned char dictionary)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	unsigned char *block = packed + 12;
	uint32_t sum;
	size_t n;

	ck_assert_int_eq(lzma_easy_encoder(&stream, 0, LZMA_CHECK_CRC32), LZMA_OK);
	stream.next_in = plain;
	stream.avail_in = PLAIN_SIZE;
	stream.next_out = packed;
	stream.avail_out = ROOM;
	ck_assert_int_eq(lzma_code(&stream, LZMA_FINISH), LZMA_STREAM_END);
	lzma_end(&stream);
	ck_assert_mem_eq(block, "\2\0\x21\1", 4); /* 12 bytes, LZMA2 only, its size is next */
	block[4] = dictionary;
	sum = htole32(lzma_crc32(block, 8, 0));
	memcpy(block + 8, &sum, sizeof(sum));
	return unpack(COMPRESSION_XZ, packed, ROOM - stream.avail_out, 4096, &n);
}

static int unpack_zst_of(int window)
{
	ZSTD_CCtx *context = ZSTD_createCCtx();
	ZSTD_inBuffer in = { plain, PLAIN_SIZE, 0 };
	ZSTD_outBuffer out = { packed, ROOM, 0 };
	size_t n;

	ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window);
	/* Without a hint how much comes, the window is not made smaller. */
	while (in.pos < in.size)
		ck_assert(!ZSTD_isError(ZSTD_compressStream2(context, &out, &in, ZSTD_e_continue)));
	ck_assert_uint_eq(ZSTD_compressStream2(context, &out, &in, ZSTD_e_end), 0);
	ZSTD_freeCCtx(context);
	return unpack(COMPRESSION_ZST, packed, out.pos, 4096, &n);
}

START_TEST(large_windows_are_read_and_larger_ones_refused)
{
	ck_assert_int_eq(unpack_xz_of(28), 0); /* 64 MiB: xz -9 */
	ck_assert_int_eq(unpack_xz_of(30), 0); /* 128 */
	ck_assert_int_eq(unpack_xz_of(31), -EFBIG);
	ck_assert_int_eq(unpack_zst_of(27), 0); /* zstd --long */
	ck_assert_int_eq(unpack_zst_of(28), -EFBIG);
}
END_TEST

START_TEST(forms_have_names_and_ends)
{
	ck_assert_int_eq(compression_parse("gzip"), COMPRESSION_GZ);
	ck_assert_int_eq(compression_parse("zst"), COMPRESSION_ZST);
	ck_assert_int_eq(compression_parse("uncompressed"), COMPRESSION_NONE);
	ck_assert_int_eq(compression_parse("rar"), -EINVAL);
	ck_assert_str_eq(compression_name(COMPRESSION_LZ4), "lz4");
	ck_assert_int_eq(compression_of_file("a.tar.xz"), COMPRESSION_XZ);
	ck_assert_int_eq(compression_of_file("a.tgz"), COMPRESSION_GZ);
	ck_assert_int_eq(compression_of_file(".gz"), COMPRESSION_NONE);
	ck_assert_int_eq(compression_of_file("a.tar"), COMPRESSION_NONE);
	ck_assert_int_eq(compression_detect("\x1f", 1), COMPRESSION_NONE);
	ck_assert_int_eq(compression_detect("", 0), COMPRESSION_NONE);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("decode");

	tcase_set_timeout(cases, 60);
	tcase_add_checked_fixture(cases, make_plain, NULL);
	tcase_add_loop_test(cases, all_forms_are_known_and_read, COMPRESSION_GZ, COMPRESSIONS);
	tcase_add_loop_test(cases, two_streams_are_one, COMPRESSION_GZ, COMPRESSIONS);
	tcase_add_loop_test(cases, what_ends_too_early_is_refused, COMPRESSION_GZ, COMPRESSIONS);
	tcase_add_loop_test(cases, what_is_damaged_is_refused, COMPRESSION_GZ, COMPRESSIONS);
	tcase_add_test(cases, what_follows_a_gz_stream_is_passed_over);
	tcase_add_test(cases, large_windows_are_read_and_larger_ones_refused);
	tcase_add_test(cases, forms_have_names_and_ends);
	return fixture_run(cases, "transfer/decode");
}
