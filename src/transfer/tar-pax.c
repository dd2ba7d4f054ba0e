/* Extended headers of pax, and the four ways of GNU to tell where a sparse file has bytes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/macros.h"
#include "transfer/stream.h"
#include "transfer/tar-inside.h"

struct old_piece {
	char offset[12], size[12];
};

/* The end of a header of kind 'S'. */
struct old_sparse {
	char before[386];
	struct old_piece pieces[4];
	char more, real_size[12], pad[17];
};

struct old_sparse_more {
	struct old_piece pieces[21];
	char more, pad[7];
};

/* ---- numbers ---- */

/* Decimal digits up to END, or to TAR_SIZE_MAX. */
static bool decimal(uint64_t *ret, const char **at, const char *end)
{
	const char *from = *at;
	uint64_t value = 0;

	for (; *at < end && **at >= '0' && **at <= '9'; ++*at) {
		value = value * 10 + (uint64_t)(**at - '0');
		if (value > TAR_SIZE_MAX)
			return false;
	}
	*ret = value;
	return *at > from;
}

static bool whole(uint64_t *ret, const char *value, size_t size)
{
	const char *at = value;

	return decimal(ret, &at, value + size) && at == value + size;
}

/* Seconds since 1970, perhaps negative, with a fraction. */
static bool moment(struct timespec *ret, const char *value, size_t size)
{
	const char *at = value, *end = value + size;
	bool negative = size > 0 && *at == '-';
	uint64_t seconds;
	long nanoseconds = 0, digit = 100 * 1000 * 1000;

	at += negative;
	if (!decimal(&seconds, &at, end))
		return false;
	if (at < end && *at == '.')
		for (at++; at < end && *at >= '0' && *at <= '9'; at++, digit /= 10)
			nanoseconds += digit * (*at - '0');
	if (at != end)
		return false;
	ret->tv_sec = negative ? -(time_t)seconds : (time_t)seconds;
	ret->tv_nsec = nanoseconds;
	if (negative && nanoseconds > 0) {
		ret->tv_sec--;
		ret->tv_nsec = 1000 * 1000 * 1000 - nanoseconds;
	}
	return true;
}

/* ---- where there are bytes ---- */

static int add_piece(struct tar *tar, uint64_t offset, uint64_t size)
{
	struct tar_sparse *sparse = &tar->sparse;

	if (sparse->count == TAR_SPARSE_MAX)
		return tar_refuse(tar, "a sparse file has more than 524288 pieces");
	if (sparse->count == sparse->room) {
		size_t room = MAX(sparse->room * 2, (size_t)64);
		struct tar_piece *map = realloc(sparse->map, room * sizeof(*map));

		if (map == NULL)
			return fail(-ENOMEM, "cannot read '%s'", stream_name(tar->stream));
		sparse->map = map;
		sparse->room = room;
	}
	sparse->map[sparse->count++] = (struct tar_piece){ offset, size };
	return 0;
}

/* Ascending, inside the file, and as many bytes as are stored. */
static int check_map(struct tar *tar)
{
	struct tar_sparse *sparse = &tar->sparse;
	uint64_t end = 0, sum = 0;

	for (size_t i = 0; i < sparse->count; i++) {
		const struct tar_piece *piece = &sparse->map[i];

		if (piece->offset < end || piece->size > TAR_SIZE_MAX ||
		    piece->offset > TAR_SIZE_MAX || piece->offset + piece->size > tar->entry.size)
			return tar_refuse(tar, "the map of a sparse file contradicts itself");
		end = piece->offset + piece->size;
		sum += piece->size;
	}
	if (sum != tar->stored)
		return tar_refuse(tar, "the map of a sparse file contradicts its size");
	return 0;
}

/* 0.1: "OFFSET,SIZE,OFFSET,SIZE". */
static int take_map(struct tar *tar, const char *value, size_t size)
{
	const char *at = value, *end = value + size;
	int r = 0;

	tar->sparse.count = 0;
	while (at < end && r >= 0) {
		uint64_t offset, bytes;

		if (!decimal(&offset, &at, end) || at == end || *at++ != ',' ||
		    !decimal(&bytes, &at, end) || (at < end && *at++ != ','))
			return tar_refuse(tar, "the map of a sparse file is not as it should be");
		r = add_piece(tar, offset, bytes);
	}
	return r;
}

static int old_pieces(struct tar *tar, const struct old_piece *pieces, size_t count)
{
	uint64_t offset, size;
	int r = 0;

	for (size_t i = 0; i < count && r >= 0 && pieces[i].size[0] != '\0'; i++) {
		if (!tar_number(&offset, pieces[i].offset, sizeof(pieces[i].offset)) ||
		    !tar_number(&size, pieces[i].size, sizeof(pieces[i].size)))
			return tar_refuse(tar, "the map of a sparse file is not as it should be");
		r = add_piece(tar, offset, size);
	}
	return r;
}

static int take_old(struct tar *tar, const struct tar_header *header)
{
	const struct old_sparse *old = (const struct old_sparse *)header;
	struct old_sparse_more more = { .more = old->more };
	int r = old_pieces(tar, old->pieces, ARRAY_SIZE(old->pieces));
	ssize_t n;

	if (!tar_number(&tar->entry.size, old->real_size, sizeof(old->real_size)))
		return tar_refuse(tar, "a size is negative or no number");
	while (r >= 0 && more.more != '\0') {
		n = stream_read(tar->stream, &more, sizeof(more));
		if (n < 0)
			return (int)n;
		if (n < TAR_BLOCK)
			return tar_refuse(tar, "it ends too early");
		r = old_pieces(tar, more.pieces, ARRAY_SIZE(more.pieces));
	}
	return r;
}

/* 1.0: the map is in front of the data, a number a line, and fills blocks. */
struct lines {
	struct tar *tar;
	unsigned char block[TAR_BLOCK];
	size_t at;
};

static int next_line(struct lines *lines, uint64_t *ret)
{
	struct tar *tar = lines->tar;
	uint64_t value = 0;
	bool any = false;

	for (;; lines->at++) {
		if (lines->at == TAR_BLOCK) {
			ssize_t n;

			if (tar->stored < TAR_BLOCK)
				return tar_refuse(tar, "the map of a sparse file has no end");
			n = stream_read(tar->stream, lines->block, TAR_BLOCK);
			if (n < 0)
				return (int)n;
			if (n < TAR_BLOCK)
				return tar_refuse(tar, "it ends too early");
			tar->stored -= TAR_BLOCK;
			lines->at = 0;
		}
		if (lines->block[lines->at] == '\n' && any)
			break;
		if (lines->block[lines->at] < '0' || lines->block[lines->at] > '9' ||
		    value > TAR_SIZE_MAX / 16)
			return tar_refuse(tar, "the map of a sparse file is not as it should be");
		value = value * 10 + (uint64_t)(lines->block[lines->at] - '0');
		any = true;
	}
	lines->at++;
	*ret = value;
	return 0;
}

static int take_lines(struct tar *tar)
{
	struct lines lines = { .tar = tar, .at = TAR_BLOCK };
	uint64_t count, offset, size;
	int r = next_line(&lines, &count);

	if (r >= 0 && count > TAR_SPARSE_MAX)
		return tar_refuse(tar, "a sparse file has more than 524288 pieces");
	tar->sparse.count = 0;
	for (uint64_t i = 0; r >= 0 && i < count; i++) {
		r = next_line(&lines, &offset);
		if (r >= 0)
			r = next_line(&lines, &size);
		if (r >= 0)
			r = add_piece(tar, offset, size);
	}
	return r;
}

int tar_take_sparse(struct tar *tar, const struct tar_header *header)
{
	struct tar_sparse *sparse = &tar->sparse;
	int r = 0;

	if (tar->entry.kind != TAR_FILE)
		return 0;
	if (header->kind == 'S') {
		r = take_old(tar, header);
	} else if (sparse->has_version || sparse->is) {
		if (!sparse->has_size)
			return tar_refuse(tar, "a sparse file does not tell its size");
		tar->entry.size = sparse->real_size;
		if (sparse->has_version && (sparse->major != 1 || sparse->minor != 0) &&
		    sparse->major != 0)
			return tar_refuse(tar, "a sparse file is of no known kind");
		if (sparse->major == 1)
			r = take_lines(tar);
	} else {
		return 0;
	}
	sparse->is = true;
	return r < 0 ? r : check_map(tar);
}

/* ---- records ---- */

static int take_name(struct tar *tar, const char *value, size_t size, char *ret, bool *have)
{
	if (size > TAR_PATH_MAX)
		return tar_refuse(tar, "a name is longer than 4095 bytes");
	if (memchr(value, '\0', size) != NULL)
		return tar_refuse(tar, "a name has a NUL in it");
	memcpy(ret, value, size);
	ret[size] = '\0';
	*have = true;
	return 0;
}

/* As GNU tar writes names with an equals sign. */
static void decode_name(char *name)
{
	char *to = name;

	for (const char *at = name; *at; at++, to++) {
		*to = *at;
		if (strncmp(at, "%3D", 3) == 0 || strncmp(at, "%25", 3) == 0) {
			*to = at[1] == '3' ? '=' : '%';
			at += 2;
		}
	}
	*to = '\0';
}

static int take_xattr(struct tar *tar, char *name, const char *value, size_t size)
{
	if (tar->xattr_count == TAR_XATTRS_MAX)
		return tar_refuse(tar, "a file has more than 256 extended attributes");
	decode_name(name);
	tar->xattrs[tar->xattr_count++] = (struct tar_xattr){ name, value, size };
	return 0;
}

static int take_sparse_record(struct tar *tar, const char *key, const char *value, size_t size)
{
	struct tar_sparse *sparse = &tar->sparse;
	uint64_t number = 0;

	if (strcmp(key, "name") == 0)
		return take_name(tar, value, size, tar->entry.path, &tar->have_path);
	if (strcmp(key, "map") == 0) {
		sparse->is = true;
		return take_map(tar, value, size);
	}
	if (!whole(&number, value, size))
		return tar_refuse(tar, "the map of a sparse file is not as it should be");
	if (strcmp(key, "major") == 0) {
		sparse->major = number;
		sparse->has_version = true;
	} else if (strcmp(key, "minor") == 0) {
		sparse->minor = number;
		sparse->has_version = true;
	} else if (strcmp(key, "realsize") == 0 || strcmp(key, "size") == 0) {
		sparse->real_size = number;
		sparse->is = sparse->has_size = true;
	} else if (strcmp(key, "offset") == 0) {
		sparse->offset = number;
		sparse->has_offset = true;
	} else if (strcmp(key, "numbytes") == 0) {
		if (!sparse->has_offset)
			return tar_refuse(tar, "the map of a sparse file is not as it should be");
		sparse->has_offset = false;
		return add_piece(tar, sparse->offset, number);
	}
	return 0;
}

static int take_number(struct tar *tar, const char *value, size_t size, uint64_t *ret, bool *have)
{
	if (!whole(ret, value, size))
		return tar_refuse(tar, "an extended header has a number that is none");
	*have = true;
	return 0;
}

/* KEY and VALUE end in a NUL each. */
static int take_record(struct tar *tar, char *key, const char *value, size_t size)
{
	struct tar_entry *entry = &tar->entry;
	bool named = tar->sparse.has_version || tar->sparse.is; /* its name is another record's */

	if (strcmp(key, "path") == 0)
		return named && tar->have_path
			       ? 0
			       : take_name(tar, value, size, entry->path, &tar->have_path);
	if (strcmp(key, "linkpath") == 0)
		return take_name(tar, value, size, entry->link, &tar->have_link);
	if (strcmp(key, "size") == 0)
		return take_number(tar, value, size, &tar->stored, &tar->have_size);
	if (strcmp(key, "uid") == 0)
		return take_number(tar, value, size, &entry->uid, &tar->have_uid);
	if (strcmp(key, "gid") == 0)
		return take_number(tar, value, size, &entry->gid, &tar->have_gid);
	if (strcmp(key, "mtime") == 0) {
		tar->have_mtime = moment(&entry->mtime, value, size);
		return tar->have_mtime ? 0 : tar_refuse(tar, "a time is no number");
	}
	if (strncmp(key, "SCHILY.xattr.", 13) == 0)
		return take_xattr(tar, key + 13, value, size);
	if (strncmp(key, "GNU.sparse.", 11) == 0)
		return take_sparse_record(tar, key + 11, value, size);
	if (strcmp(key, "SCHILY.acl.access") == 0)
		entry->acl_access = value;
	else if (strcmp(key, "SCHILY.acl.default") == 0)
		entry->acl_default = value;
	return 0;
}

/* "LENGTH KEY=VALUE\n", where LENGTH counts all of it. */
int tar_take_pax(struct tar *tar)
{
	char *at = tar->pax, *end = tar->pax + tar->pax_size;
	int r = 0;

	while (at < end && r >= 0) {
		const char *digits = at;
		char *key, *value, *last;
		uint64_t length;

		if (*at == '\0') /* some fill the block with them */
			break;
		if (!decimal(&length, &digits, end) || digits == end || *digits != ' ' ||
		    length > (uint64_t)(end - at) || length <= (uint64_t)(digits - at) + 3)
			return tar_refuse(tar, "an extended header is not as it should be");
		key = at + (digits - at) + 1;
		last = at + length - 1;
		value = memchr(key, '=', (size_t)(last - key));
		if (value == NULL || value == key || *last != '\n')
			return tar_refuse(tar, "an extended header is not as it should be");
		*value++ = '\0';
		*last = '\0';
		/* No value: as if the record were not there; but attributes may be empty. */
		if (value < last || strncmp(key, "SCHILY.xattr.", 13) == 0)
			r = take_record(tar, key, value, (size_t)(last - value));
		at = last + 1;
	}
	return r;
}
