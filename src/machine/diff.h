/* machine/diff - what a machine changed in its root, against the image below it.
 *
 * For roots that began as an image and keep it untouched: overlays, snapshots and copies of
 * --ephemeral, and --volatile=overlay, and layered
 * images, whose layers nobody changes. Both trees are walked side by side. In an overlay or a
 * snapshot a file has the image's time of change until it is touched, which nobody can set; a copy
 * has size, mode and time of modification. What is mounted in the machine is left out. The
 * machine's tree is read below its root, and nothing in it is opened but directories. Speaking.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct machine;

#define DIFF_ENTRIES_MAX 4000000u /* that are looked at */

enum diff_change { DIFF_ADDED = 'A', DIFF_MODIFIED = 'M', DIFF_DELETED = 'D' };

struct diff_entry {
	enum diff_change change;
	const char *path; /* "/etc/hostname"; of the guest's making */
};

/* Opens the image at PATH, with what was CHANGED in a layered one, or as its layers are. */
typedef int diff_open_fn(struct arena *arena, const char *path, bool changed);

/* Sorted by path. Of a directory that was deleted only itself is listed. */
int diff_list(struct arena *arena, struct diff_entry **ret, size_t *ret_count,
	      const struct machine *machine, diff_open_fn *open_image);
