#include "format/idmap.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/parse.h"

#define NUMBER_ROOM 11 /* "4294967295" */

/* The number in [start, start + length), which need not end in a NUL. */
static int read_number(uint32_t *ret, const char *start, size_t length)
{
	char digits[NUMBER_ROOM];

	if (length >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, start, length);
	digits[length] = '\0';
	return parse_u32(ret, digits) < 0 ? -EINVAL : 0;
}

/* Id 2^32-1 stands for "none" everywhere. */
static bool fits(uint32_t first, uint32_t count)
{
	return count > 0 && count <= UINT32_MAX - first;
}

static int read_extent(struct idmap_extent *ret, const char *line, size_t length)
{
	uint32_t numbers[3];

	for (size_t i = 0; i < 3; i++) {
		size_t digits = 0;

		while (length > 0 && (*line == ' ' || *line == '\t')) {
			line++;
			length--;
		}
		while (digits < length && line[digits] != ' ' && line[digits] != '\t')
			digits++;
		if (read_number(&numbers[i], line, digits) < 0)
			return -EINVAL;
		line += digits;
		length -= digits;
	}
	for (; length > 0; line++, length--)
		if (*line != ' ' && *line != '\t')
			return -EINVAL;
	/* The kernel's own full map is "0 0 4294967295". */
	if (!fits(numbers[0], numbers[2]) || !fits(numbers[1], numbers[2]))
		return -EINVAL;
	*ret = (struct idmap_extent){ numbers[0], numbers[1], numbers[2] };
	return 0;
}

static struct idmap_extent *add(struct arena *arena, struct idmap *map)
{
	void *items = map->items;
	struct idmap_extent *extent = list_grow(arena, &items, &map->count, sizeof(*extent));

	map->items = items;
	return extent;
}

int idmap_parse(struct arena *arena, struct idmap *ret, const char *text)
{
	struct idmap map = {};

	while (*text != '\0') {
		size_t length = strcspn(text, "\n");
		struct idmap_extent extent;

		if (length > 0) {
			if (map.count == IDMAP_LINES_MAX)
				return -E2BIG;
			if (read_extent(&extent, text, length) < 0)
				return -EINVAL;
			*add(arena, &map) = extent;
		}
		text += length;
		text += *text == '\n';
	}
	*ret = map;
	return 0;
}

char *idmap_format(struct arena *arena, const struct idmap *map)
{
	char *text = arena_text(arena, "");

	for (size_t i = 0; i < map->count; i++)
		text = arena_format(arena, "%s%u %u %u\n", text, map->items[i].inside,
				    map->items[i].outside, map->items[i].count);
	return text;
}

bool idmap_to_outside(uint32_t *ret, const struct idmap *map, uint32_t inside)
{
	for (size_t i = 0; i < map->count; i++) {
		const struct idmap_extent *extent = &map->items[i];

		if (inside >= extent->inside && inside - extent->inside < extent->count) {
			*ret = extent->outside + (inside - extent->inside);
			return true;
		}
	}
	return false;
}

bool idmap_to_inside(uint32_t *ret, const struct idmap *map, uint32_t outside)
{
	for (size_t i = 0; i < map->count; i++) {
		const struct idmap_extent *extent = &map->items[i];

		if (outside >= extent->outside && outside - extent->outside < extent->count) {
			*ret = extent->inside + (outside - extent->outside);
			return true;
		}
	}
	return false;
}

/* subuid(5): the owner is a login name or a number. */
static bool is_owner(const char *owner, size_t length, const char *name, uint32_t uid)
{
	uint32_t number;

	if (name != NULL && strlen(name) == length && memcmp(owner, name, length) == 0)
		return length > 0;
	return read_number(&number, owner, length) == 0 && number == uid;
}

static bool read_subid(struct idmap_extent *ret, const char *line, size_t length, const char *name,
		       uint32_t uid)
{
	const char *first, *count;
	struct idmap_extent extent = {};

	first = memchr(line, ':', length);
	if (first == NULL || !is_owner(line, (size_t)(first - line), name, uid))
		return false;
	first++;
	count = memchr(first, ':', length - (size_t)(first - line));
	if (count == NULL || read_number(&extent.outside, first, (size_t)(count - first)) < 0)
		return false;
	count++;
	if (read_number(&extent.count, count, length - (size_t)(count - line)) < 0 ||
	    !fits(extent.outside, extent.count))
		return false;
	*ret = extent;
	return true;
}

int idmap_find_subids(struct arena *arena, struct idmap *ret, const char *text, size_t size,
		      const char *name, uint32_t uid)
{
	struct idmap map = {};

	for (size_t lines = 0; size > 0; lines++) {
		const char *end = memchr(text, '\n', size);
		size_t length = end == NULL ? size : (size_t)(end - text);
		struct idmap_extent extent;

		if (lines == IDMAP_SUBID_LINES_MAX)
			return -E2BIG;
		if (read_subid(&extent, text, length, name, uid))
			*add(arena, &map) = extent;
		length += end != NULL;
		text += length;
		size -= length;
	}
	if (map.count == 0)
		return -ENOENT;
	*ret = map;
	return 0;
}
