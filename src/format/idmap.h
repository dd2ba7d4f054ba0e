/* format/idmap - id maps and subordinate ids as text. Pure, quiet.
 *
 * Numbers are strict: decimal, no sign, no wrap; a range that would pass 2^32-2 is malformed.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

#define IDMAP_LINES_MAX 340 /* the kernel's limit, user_namespaces(7) */

struct idmap_extent {
	uint32_t inside, outside, count;
};

struct idmap {
	struct idmap_extent *items;
	size_t count;
};

/* The text of /proc/PID/uid_map, or of what will be written there: "inside outside count" lines.
 * -EINVAL: malformed; -E2BIG: too many lines. */
int idmap_parse(struct arena *arena, struct idmap *ret, const char *text);

/* "0 524288 65536\n…" */
char *idmap_format(struct arena *arena, const struct idmap *map);

bool idmap_to_outside(uint32_t *ret, const struct idmap *map, uint32_t inside);
bool idmap_to_inside(uint32_t *ret, const struct idmap *map, uint32_t outside);

/* All ranges of the user in the text of /etc/subuid or /etc/subgid ("NAME-OR-UID:FIRST:COUNT"), in
 * the file's order, as extents with inside 0. NAME may be NULL. Malformed lines are skipped.
 * -ENOENT: there is none; -E2BIG: the text has more than IDMAP_SUBID_LINES_MAX lines. */
#define IDMAP_SUBID_LINES_MAX 65536
int idmap_find_subids(struct arena *arena, struct idmap *ret, const char *text, size_t size,
		      const char *name, uint32_t uid);
