/* transfer/tar-inside - between the files of transfer/tar. */
#pragma once
#include "transfer/tar.h"

struct tar_header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], kind, link[100];
	char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};

struct tar_piece {
	uint64_t offset, size;
};

struct tar_sparse {
	bool is;
	struct tar_piece *map;
	size_t count, room;
	size_t piece; /* that is being read, and how much of it was */
	uint64_t done;
	/* What an extended header said. */
	uint64_t major, minor, real_size, wanted;
	bool has_version, has_size, has_offset;
	uint64_t offset;
};

struct tar {
	struct stream *stream;
	uint64_t count; /* entries so far */
	bool begun, ended;
	uint64_t stored, padding; /* bytes of the entry that are still to come, and behind them */
	struct tar_entry entry;
	bool have_path, have_link, have_uid, have_gid, have_mtime, have_size;

	/* Of GNU's extra headers, for the next entry. */
	char next_path[TAR_PATH_MAX + 1], next_link[TAR_PATH_MAX + 1];
	bool next_has_path, next_has_link;

	/* The extended header; attributes lie in it. */
	char *pax;
	size_t pax_room, pax_size;
	bool has_pax;
	struct tar_xattr xattrs[TAR_XATTRS_MAX];
	size_t xattr_count;

	struct tar_sparse sparse;
	char *extra;
	size_t extra_room;
};

int tar_refuse(const struct tar *tar, const char *what);
int tar_take_pax(struct tar *tar);
int tar_take_sparse(struct tar *tar, const struct tar_header *header);
bool tar_number(uint64_t *ret, const char *field, size_t size);
