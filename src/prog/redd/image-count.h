/* prog/redd/image-count - how much two images of the store differ: files, and packages, as dpkg and
 * apk have noted them.
 *
 * A file is another one if its kind, mode, owner or bytes are. Of a directory that is only in one
 * of them everything counts. Disk images are not looked into. Speaking. Any process, as the store's
 * owner.
 */
#pragma once

struct arena;

/* "files: 3 added, 1 changed; packages: 1 changed", for people. PATH is the store's, the digests
 * those of trees in it. NULL: they cannot be compared. */
int image_count(struct arena *arena, const char *const *environment, const char **ret,
		const char *path, const char *old, const char *new);

/* "12 files (3.4M)": what a machine has changed in its root ROOT. NULL: nothing, or it cannot be
 * told from the image, as of a copy. */
int image_count_changes(struct arena *arena, const char *const *environment, const char **ret,
			const char *root);
