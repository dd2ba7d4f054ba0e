/* transfer/unpack-inside - between the files of transfer/unpack. */
#pragma once
#include <limits.h>
#include <stddef.h>
#include <sys/stat.h>

#include "transfer/behind.h"
#include "transfer/tar.h"
#include "transfer/unpack.h"

enum unpack_kept { /* what is counted, for one notice each */
		   KEPT_NODES,
		   KEPT_OWNERS,
		   KEPT_ATTRIBUTES,
		   KEPT_ACLS,
		   KEPT_KINDS,
		   KEPT_COUNT,
};

#define KEPT_NAME_MAX 255
#define OPAQUE "user.overlay.opaque" /* as image/layers mounts them */
#define LATER_SIZE ((size_t)64 * 1024)

struct unpack {
	const struct unpack_context *context;
	struct unpack_wish wish;
	struct unpack_result result;
	struct stream *stream;
	struct tar *tar;
	const struct tar_entry *entry;
	struct behind behind;
	uint64_t written;
	uint64_t implied; /* directories that were made for what lies in them */

	/* Where the entry belongs. */
	char path[TAR_PATH_MAX + 1]; /* without "." and slashes too many; "": the top */
	const char *name;	     /* its last part */
	int parent;		     /* borrowed: the descriptor below, or the tree's */

	/* Entries that follow each other often lie in one directory. */
	int cached_fd;
	char cached[TAR_PATH_MAX + 1];

	/* Directories get their times when nothing more is put into them. */
	int later_fd;
	unsigned char *later; /* LATER_SIZE */
	size_t later_used;
	uint64_t later_size; /* written */
	bool again;	     /* a directory came twice, or was removed and perhaps came back */

	uint64_t kept[KEPT_COUNT];
	char kept_first[KEPT_COUNT][KEPT_NAME_MAX + 1];
};

/* ---- unpack-place: names and directories ---- */

/* NAME as a path below the tree, into RET; refuses "..", and what is too long or too deep. */
int unpack_clean(struct unpack *unpack, char ret[TAR_PATH_MAX + 1], const char *name);

/* A descriptor of the directory PATH, made if it is not there; borrowed until the next call. */
int unpack_directory(struct unpack *unpack, const char *path, bool make);

/* In a layer: "NAME of the layers below is gone." */
bool unpack_is_whiteout(const struct stat *st);

/* parent and name of path. */
int unpack_find_place(struct unpack *unpack);

/* What was remembered of directories is no longer sure. */
void unpack_forget_places(struct unpack *unpack);

/* -EFBIG, with a sentence: there are more entries, and directories for them, than may be. */
int unpack_check_count(const struct unpack *unpack);

/* Nothing of that name is there any more. A directory that is not empty stays: a sentence. */
int unpack_clear(struct unpack *unpack);

/* ---- unpack-attributes ---- */

/* A regular file or a directory that is open: owner, mode, attributes, time. */
int unpack_finish_file(struct unpack *unpack, int fd);
/* By its name, for what cannot be opened. */
int unpack_finish_name(struct unpack *unpack);
/* Now what nothing below it is troubled by, and the rest later. NEW: it was made just now. */
int unpack_finish_directory(struct unpack *unpack, bool is_new);
int unpack_finish_later(struct unpack *unpack);

void unpack_keep_count(struct unpack *unpack, enum unpack_kept kind);
int unpack_tell_kept(struct unpack *unpack);

/* "cannot unpack 'PATH': ..." */
int unpack_fail(const struct unpack *unpack, int code);
int unpack_refuse(const struct unpack *unpack, const char *why);
