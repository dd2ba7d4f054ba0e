#include "format/verity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/parse.h"
#include "base/text.h"
#include "format/little.h"

#define VERSION 1
#define BLOCK_MIN 512
#define WORDS 8

/* The name is the image's, and the kernel loads a module for any: those whose digests nobody makes
 * twice, as far as is known. */
static const struct {
	const char *name;
	size_t digest;
} algorithms[] = {
	{ "sha256", 32 },
	{ "sha384", 48 },
	{ "sha512", 64 },
};

static bool is_block(uint32_t size)
{
	return size >= BLOCK_MIN && size <= VERITY_BLOCK_MAX && (size & (size - 1)) == 0;
}

static bool is_sound(const struct verity *verity)
{
	return verity->type <= 1 && is_block(verity->data_block) && is_block(verity->hash_block) &&
	       verity->data_blocks > 0 && verity->data_blocks <= INT64_MAX / verity->data_block &&
	       verity->offset % BLOCK_MIN == 0 && verity->size > verity->hash_block;
}

static const char *find_algorithm(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++)
		if (text_equal(algorithms[i].name, name))
			return algorithms[i].name;
	return NULL;
}

int verity_read(struct verity *ret, const uint8_t bytes[VERITY_SUPERBLOCK], uint64_t offset,
		uint64_t size)
{
	struct verity verity = {
		.type = little32(bytes + 12),
		.data_block = little32(bytes + 64),
		.hash_block = little32(bytes + 68),
		.data_blocks = little64(bytes + 72),
		.offset = offset,
		.size = size,
	};
	size_t salt = little16(bytes + 80);
	char algorithm[32 + 1] = "";

	if (memcmp(bytes, "verity\0\0", 8) != 0)
		return -ENOENT;
	if (little32(bytes + 8) != VERSION)
		return -EOPNOTSUPP;
	if (salt > VERITY_SALT_MAX || !is_sound(&verity))
		return -EBADMSG;
	memcpy(algorithm, bytes + 32, 32);
	verity.algorithm = find_algorithm(algorithm);
	if (verity.algorithm == NULL)
		return -EOPNOTSUPP;
	for (size_t i = 0; i < salt; i++)
		snprintf(verity.salt + 2 * i, 3, "%02x", bytes[88 + i]);
	*ret = verity;
	return 0;
}

uint64_t verity_size(const struct verity *verity)
{
	return verity->data_blocks * verity->data_block;
}

static const char *salt_word(const struct verity *verity)
{
	return verity->salt[0] == '\0' ? "-" : verity->salt;
}

size_t verity_print(char text[VERITY_TEXT_MAX], const struct verity *verity)
{
	int n = snprintf(text, VERITY_TEXT_MAX,
			 "%" PRIu64 " %" PRIu64 " %s %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu64
			 " %s",
			 verity->offset, verity->size, verity->algorithm, verity->type,
			 verity->data_block, verity->hash_block, verity->data_blocks,
			 salt_word(verity));

	return (size_t)n;
}

static bool is_hexadecimal(const char *text)
{
	size_t length = strlen(text);

	return length % 2 == 0 && strspn(text, "0123456789abcdef") == length;
}

/* One blank between each two. */
static bool split(char *words[WORDS], char *line)
{
	for (int i = 0; i < WORDS; i++) {
		char *end = strchr(line, ' ');

		words[i] = line;
		if (i == WORDS - 1)
			return end == NULL;
		if (end == NULL)
			return false;
		*end = '\0';
		line = end + 1;
	}
	return false;
}

int verity_parse(struct verity *ret, const char *line, uint64_t limit)
{
	struct verity verity = { 0 };
	char copy[VERITY_TEXT_MAX], *words[WORDS];
	size_t length = strlen(line);

	if (length >= sizeof(copy))
		return -EBADMSG;
	memcpy(copy, line, length + 1);
	if (!split(words, copy) || parse_u64(&verity.offset, words[0]) < 0 ||
	    parse_u64(&verity.size, words[1]) < 0 || parse_u32(&verity.type, words[3]) < 0 ||
	    parse_u32(&verity.data_block, words[4]) < 0 ||
	    parse_u32(&verity.hash_block, words[5]) < 0 ||
	    parse_u64(&verity.data_blocks, words[6]) < 0)
		return -EBADMSG;
	verity.algorithm = find_algorithm(words[2]);
	length = strlen(words[7]);
	if (verity.algorithm == NULL || length == 0 || length >= sizeof(verity.salt))
		return -EBADMSG;
	if (!text_equal(words[7], "-"))
		memcpy(verity.salt, words[7], length + 1);
	if (!is_hexadecimal(verity.salt) || !is_sound(&verity) || verity.size > limit ||
	    verity.offset > limit - verity.size)
		return -EBADMSG;
	*ret = verity;
	return 0;
}

int verity_table(char ret[VERITY_TABLE_MAX], const struct verity *verity, const char *data,
		 const char *hashes, const char *root_hash)
{
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++)
		if (text_equal(algorithms[i].name, verity->algorithm) &&
		    algorithms[i].digest * 2 != strlen(root_hash))
			return -EINVAL;
	/* The tree begins behind the block that has told us of it. */
	snprintf(ret, VERITY_TABLE_MAX,
		 "%" PRIu32 " %s %s %" PRIu32 " %" PRIu32 " %" PRIu64 " 1 %s %s %s", verity->type,
		 data, hashes, verity->data_block, verity->hash_block, verity->data_blocks,
		 verity->algorithm, root_hash, salt_word(verity));
	return 0;
}
