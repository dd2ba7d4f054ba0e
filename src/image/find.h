/* image/find - where a machine's tree is, by its name.
 *
 * The search path of systemd's tools (machinectl catalogue, 2.1), so that
 * images of theirs and ours are found by the same name. Symbolic links among
 * the images are the administrator's and are followed. Quiet. Any process.
 */
#pragma once
#include <stdbool.h>

struct arena;
struct text_list;

enum find_kind { FIND_DIRECTORY, FIND_RAW, FIND_BLOCK };

struct find_scope {
	unsigned int uid;
	const char *runtime; /* $XDG_RUNTIME_DIR, NULL: none; normal users only */
	const char *home;
};

struct find_scope find_scope_of(unsigned int uid, const char *const *environment);

struct found {
	char *path;
	enum find_kind kind;
	bool read_only; /* a vendor's, below /usr; on such a medium; or marked so */
};

/* "web", "web.raw", "web.v/…" in each directory. -ENOENT: nowhere. -EINVAL: no image name. */
int find_image(struct arena *arena, struct found *ret, const char *name,
	       const struct find_scope *scope);

/* Where a new image of this name is made: "/var/lib/machines/NAME" or
 * "~/.local/state/machines/NAME"; NULL: a user without a home. */
char *find_pool_path(struct arena *arena, const char *name, const struct find_scope *scope);

/* Where the administrator keeps settings of machines: "/etc/systemd/nspawn" and so on, the first
 * that has a file wins. None for a user without a home and a runtime directory. */
void find_settings(struct arena *arena, struct text_list *ret, const struct find_scope *scope);
