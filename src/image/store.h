/* image/store - what machines share: blobs and unpacked layers, each under its digest.
 *
 * "/var/lib/redd" for root, "~/.local/state/redd" for others: state that stays, beside the pool
 * ~/.local/state/machines, whose place is the same whatever $XDG_STATE_HOME says. In it
 *
 *	blobs/sha256/HEX	bytes as they were fetched
 *	layers/sha256/HEX	a layer, unpacked once: the directory is its top
 *	images/HEX		what is known of an image by reference (image/references)
 *	places/HEX		which directories have images made of layers (image/places)
 *	trees/HEX…		what declared machines are made of, as any image: "HEX.mstack"
 *	roots/NAME/HEX…		the root of one of them, when it was made of that
 *
 * All directories are 0700: setuid files and the like in layers are out of reach (class S39). A
 * name appears by a rename, after what it names was written to disk, and only where its maker has
 * verified the digest (class S44); until then it is ".#" and random.
 *
 * Leases: whoever uses a thing of the store holds a shared flock(2) of it, from before it has its
 * name until something else (a layered image, a record of a reference) refers to it. Whoever
 * collects (image/collect) has to have it alone. A lease ends with its descriptor, so that a crash
 * leaves none behind.
 *
 * A user's layers have files of his subordinate ids: he enters his user namespace (image/own-ids)
 * before he makes or removes them. Quiet, but for store_open() and store_keep(). Any process.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "io/fd.h"

struct arena;
struct find_scope;

#define STORE_BLOBS "blobs/sha256"
#define STORE_LAYERS "layers/sha256"
#define STORE_IMAGES "images"
#define STORE_TREES "trees"
#define STORE_ROOTS "roots"
#define STORE_OUTGOING ".#old." /* before the name of a layer that image/collect removes */
#define STORE_SYSTEM_SUFFIX \
	".system" /* in trees: how a system of NixOS is shown, see io/settings */

struct store {
	const char *path;
	int fd;
};

#define STORE_EMPTY          \
	{                    \
		.fd = -EBADF \
	}

/* NULL: a user without a home. */
char *store_path(struct arena *arena, const struct find_scope *scope);

/* MAKE: where there is none yet; else that is -ENOENT, with nothing recorded. */
int store_open(struct arena *arena, struct store *ret, const struct find_scope *scope, bool make);
void store_done(struct store *store);

/* 64 lower-case digits. */
bool store_is_name(const char *name);

/* Those of "sha256:…"; NULL: it is no such digest. */
const char *store_digest_name(const char *digest);

/* The thing NAME in ROOM, with a lease on it: a descriptor to read (a directory where ROOM is that
 * of layers). -ENOENT: it is not there. May wait a moment for a collector. */
int store_hold(const struct store *store, const char *room, const char *name);

/* Nothing is collected (image/collect) until this descriptor is closed: for who gives another name
 * to what holds layers, which would be missed under both. -ENOENT: there is no store. */
int store_keep(struct arena *arena, const struct find_scope *scope);

/* ---- making ---- */

struct store_part {
	int room_fd, fd; /* the directory it lies in; the thing, with a lease */
	char name[24];	 /* ".#…"; "": it is there under its own name, only the lease is left */
	bool is_directory;
};

#define STORE_PART_EMPTY                        \
	{                                       \
		.room_fd = -EBADF, .fd = -EBADF \
	}

/* An empty file (0600; FD: to read and write) or directory (0755) in ROOM. */
int store_begin(const struct store *store, struct store_part *ret, const char *room,
		bool is_directory);

/* Give it its NAME; it has been written to disk. 1: another one was there already, which is held
 * now instead (FD is to read only). The lease stays. */
int store_publish(struct store_part *part, const char *name);

/* Remove it, if it has no name of its own yet; let go. Accepts the empty one. */
void store_part_done(struct store_part *part);

/* Remove what killed ones were making. Layers on their way out are left to image/collect. */
int store_sweep(const struct store *store);
