/* io/dir - directories: making, walking, removing. Any process. Quiet. Never follows symbolic links
 * below dir_fd except where said. */
#pragma once
#include <dirent.h>
#include <stdbool.h>
#include <sys/types.h>

struct arena;
struct text_list;

/* mkdir -p of a host path that we trust; existing directories are fine. Parents get MODE too. */
int dir_make_all(const char *path, mode_t mode);

/* Remove NAME below dir_fd with all that is in it; does not cross mounts (-EBUSY), clears the
 * immutable flag, removes btrfs subvolumes. -ENOENT is success. Any depth is fine. -ESTALE: a
 * directory was moved away meanwhile; nothing outside of NAME was touched. */
int dir_remove_all(int dir_fd, const char *name);

/* Call VISIT for every entry but "." and ".."; stops at the first non-zero result and returns it.
 * TYPE is DT_*, never DT_UNKNOWN. Moves dir_fd's file offset. VISIT may remove entries. */
typedef int dir_visit_fn(int dir_fd, const char *name, unsigned char type, void *context);
int dir_walk(int dir_fd, dir_visit_fn *visit, void *context);

/* All names, sorted by their bytes. */
int dir_names(struct arena *arena, struct text_list *ret, int dir_fd);
