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

enum find_kind { FIND_DIRECTORY, FIND_RAW, FIND_BLOCK, FIND_MSTACK };

/* The root file system that is running, as an image. */
#define FIND_HOST ".host"

/* Below the store: images of declared machines, which change with what is applied
 * (declare/generation). They are found first. */
#define FIND_DECLARED "current/images"

struct find_scope {
	unsigned int uid;
	const char *runtime; /* $XDG_RUNTIME_DIR, NULL: none; normal users only */
	const char *home;
};

struct find_scope find_scope_of(unsigned int uid, const char *const *environment);

struct found {
	char *path;
	enum find_kind kind;
	bool vendor;	/* below /usr */
	bool declared;	/* in FIND_DECLARED: its definition says what it is */
	bool shared;	/* that, and what others have too: a machine only reads it, and writes
			   elsewhere */
	bool read_only; /* that; hidden; on such a medium; or marked so, as its kind can be */
	bool version;	/* one of several, in "NAME.v/" or "NAME.raw.v/" */
};

/* A file name in UTF-8 without control characters that no temporary file has (".#…"). */
bool find_is_name(const char *name);

/* What ends the names of files that belong to the image NAME, and are not its form: "NAME.nspawn".
 * Up to NULL; the first is for settings, which also lie elsewhere (find_settings()). */
extern const char *const find_companions[];

/* One that an image may get: that, but none that says what form something has ("web.raw",
 * "web.mstack", "web.v"), or that it belongs to another one. Who made an archive also chose its
 * file name; links in the tree would be taken for layers or versions, which are any directories of
 * the host (class S6). */
#define FIND_TRY_NAME \
	"try one that neither begins with '.#' nor ends like '.raw', '.v' or '.nspawn'"
bool find_is_new_name(const char *name);

/* The directories with images, the first wins. */
void find_directories(struct arena *arena, struct text_list *ret, const struct find_scope *scope);

/* "web", "web.raw", "web.mstack", "web.v/…", "web.raw.v/…" in one directory. -ENOENT. */
int find_in(struct arena *arena, struct found *ret, const char *directory, const char *name);

/* In each directory. -ENOENT: nowhere. -EINVAL: no image name. */
int find_image(struct arena *arena, struct found *ret, const char *name,
	       const struct find_scope *scope);

/* Where a new image of this name is made: "/var/lib/machines/NAME" or
 * "~/.local/state/machines/NAME"; NULL: a user without a home. */
char *find_pool_path(struct arena *arena, const char *name, const struct find_scope *scope);

/* Where the administrator keeps settings of machines: "/etc/systemd/nspawn" and so on, the first
 * that has a file wins. None for a user without a home and a runtime directory. */
void find_settings(struct arena *arena, struct text_list *ret, const struct find_scope *scope);
