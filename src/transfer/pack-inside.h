/* transfer/pack-inside - between the files of transfer/pack. */
#pragma once
#include <sys/stat.h>

#include "transfer/pack.h"
#include "transfer/tar-inside.h"

enum pack_left { LEFT_SOCKETS, LEFT_CHANGED, LEFT_ATTRIBUTES, LEFT_NAMES, LEFT_COUNT };

struct pack_link {
	dev_t device;
	ino_t inode;
	uint64_t at; /* of its path in the file; 0: this place is free */
};

struct pack {
	const struct unpack_context *context;
	struct sink *sink;
	bool layer;
	struct pack_result result;

	char path[TAR_PATH_MAX + 2]; /* "usr/bin/env", "usr/", "" for the top */
	size_t path_length;

	/* Records of the entry's extended header. */
	char *records; /* TAR_HEADER_MAX */
	size_t records_size;
	bool records_full;
	char *names, *value; /* of extended attributes: ATTRIBUTE_MAX each */

	/* Files with several names that were written once. */
	struct pack_link *links;
	size_t link_room, link_count;
	int names_fd;
	uint64_t names_size;

	struct tar_piece *pieces;
	uint64_t left[LEFT_COUNT];
	char left_first[LEFT_COUNT][256];
};

/* ---- pack-header ---- */

/* What an entry is, besides its name. */
struct pack_entry {
	char kind;
	const struct stat *st;
	const char *link; /* NULL: none */
	uint64_t size;	  /* of what follows */
	uint64_t real;	  /* of a sparse file; 0 and PIECES 0: it is none */
	bool sparse;
	int fd;	    /* open: its attributes; -EBADF: it has none */
	int parent; /* with NAME, for what cannot be opened; -EBADF: it is open or has none */
	const char *name;
};

/* The header and, if need be, an extended one before it. */
int pack_header(struct pack *pack, const struct pack_entry *entry);

void pack_leave(struct pack *pack, enum pack_left kind);
int pack_fail(const struct pack *pack, int code);
