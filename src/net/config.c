#include "net/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"
#include "format/ini.h"
#include "io/file.h"

#define PREFIX_BITS 48

/* Both are of the private ranges' less used parts; the second is for hosts whose network is all of
 * 10.0.0.0/8. */
static const struct config default_config = {
	.ranges = { { (uint32_t)10 << 24 | 213 << 16, 16 },
		    { (uint32_t)172 << 24 | 29 << 16, 16 } },
	.count = 2,
	.ipv6 = CONFIG_IPV6_AUTO,
};

struct config config_default(void)
{
	return default_config;
}

/* "ADDRESS/LENGTH"; nothing is set behind the prefix. */
static int parse_prefix(void *ret, uint32_t *ret_length, int family, struct arena *arena,
			const char *word)
{
	const unsigned int size = family == AF_INET ? 4 : 16;
	const char *slash = strchr(word, '/');
	uint8_t bytes[16] = {};
	uint32_t length;

	if (slash == NULL || parse_u32(&length, slash + 1) < 0 || length > 8 * size ||
	    inet_pton(family, arena_text_n(arena, word, (size_t)(slash - word)), bytes) != 1)
		return -EINVAL;
	for (unsigned int bit = length; bit < 8 * size; bit++)
		if (bytes[bit / 8] & (0x80 >> bit % 8))
			return -EINVAL;
	memcpy(ret, bytes, size);
	*ret_length = length;
	return 0;
}

static bool overlap(const struct config_range *a, const struct config_range *b)
{
	unsigned int shorter = a->length < b->length ? a->length : b->length;

	return (a->address ^ b->address) >> (32 - shorter) == 0;
}

static int add_range(struct arena *arena, struct config *config, const char *word)
{
	struct config_range range;
	uint8_t bytes[4];

	if (parse_prefix(bytes, &range.length, AF_INET, arena, word) < 0)
		return fail_input("'%.80s' is no range (as in 10.213.0.0/16)", word);
	if (range.length < CONFIG_RANGE_SHORTEST || range.length > CONFIG_RANGE_LONGEST)
		return fail_input("'%.80s' is too large or too small a range (/%d to /%d)", word,
				  CONFIG_RANGE_SHORTEST, CONFIG_RANGE_LONGEST);
	range.address = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
			(uint32_t)bytes[2] << 8 | bytes[3];
	if (config->count == CONFIG_RANGES_MAX)
		return fail_input("there are more than %d ranges", CONFIG_RANGES_MAX);
	for (size_t i = 0; i < config->count; i++)
		if (overlap(&range, &config->ranges[i]))
			return fail_input("'%.80s' overlaps a range before it", word);
	config->ranges[config->count++] = range;
	return 0;
}

static int set_ranges(struct arena *arena, struct config *config, const char *value)
{
	struct text_list words = { 0 };
	int r = 0;

	config->count = 0;
	text_split(arena, &words, value, " \t");
	if (words.count == 0)
		return fail_input("there is no range");
	for (size_t i = 0; i < words.count && r >= 0; i++)
		r = add_range(arena, config, words.items[i]);
	return r;
}

static int set_ipv6(struct arena *arena, struct config *config, const char *value)
{
	uint8_t bytes[16];
	uint32_t length;

	if (text_equal(value, "auto") || text_equal(value, "no")) {
		config->ipv6 = text_equal(value, "no") ? CONFIG_IPV6_NONE : CONFIG_IPV6_AUTO;
		return 0;
	}
	if (parse_prefix(bytes, &length, AF_INET6, arena, value) < 0 || length != PREFIX_BITS)
		return fail_input("'%.80s' is no range of /%d, nor 'auto' or 'no'", value,
				  PREFIX_BITS);
	config->ipv6 = CONFIG_IPV6_GIVEN;
	memcpy(config->prefix, bytes, sizeof(config->prefix));
	return 0;
}

static int apply(struct arena *arena, struct config *config, const struct ini_item *item,
		 const char *path)
{
	int r;

	if (item->kind == INI_BAD)
		return fail_input("cannot read %s line %u: %s", path, item->line, item->value);
	if (item->kind != INI_ASSIGNMENT)
		return 0;
	if (text_equal(item->section, "Network") && text_equal(item->key, "Pool"))
		r = set_ranges(arena, config, item->value);
	else if (text_equal(item->section, "Network") && text_equal(item->key, "PoolIPv6"))
		r = set_ipv6(arena, config, item->value);
	else {
		log_warning("%s line %u: there is no setting '%.80s=' in [%.80s], going on without",
			    path, item->line, item->key, item->section ? item->section : "");
		return 0;
	}
	return r < 0 ? fail_in(r, "cannot use %s line %u", path, item->line) : 0;
}

int config_parse(struct arena *arena, struct config *ret, const char *text, size_t size,
		 const char *path)
{
	struct config config = default_config;
	struct ini_item item;
	struct ini ini;
	int r;

	r = ini_start(&ini, arena, text, size);
	if (r < 0)
		return fail_input("cannot read %s: there is a NUL byte in it", path);
	while ((r = ini_next(&ini, &item)) > 0) {
		r = apply(arena, &config, &item, path);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return fail(r, "cannot read %s", path);
	*ret = config;
	return 0;
}

int config_read(struct arena *arena, struct config *ret, const char *path)
{
	size_t size;
	char *text;
	int r;

	r = file_read(arena, &text, &size, AT_FDCWD, path, CONFIG_SIZE_MAX);
	if (r == -ENOENT) {
		*ret = default_config;
		return 0;
	}
	if (r < 0)
		return fail(r, "cannot read %s", path);
	return config_parse(arena, ret, text, size, path);
}

char *config_ranges_text(struct arena *arena, const struct config *config)
{
	char *text = arena_text(arena, "");

	for (size_t i = 0; i < config->count; i++) {
		const struct config_range *range = &config->ranges[i];

		text = arena_format(arena, "%s%s%u.%u.%u.%u/%u", text, i == 0 ? "" : ", ",
				    range->address >> 24, range->address >> 16 & 0xff,
				    range->address >> 8 & 0xff, range->address & 0xff,
				    range->length);
	}
	return text;
}
