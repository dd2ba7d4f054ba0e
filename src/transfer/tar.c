#include "transfer/tar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/macros.h"
#include "transfer/stream.h"
#include "transfer/tar-inside.h"

#define PIECE_MAX ((size_t)1024 * 1024)
#define ZEROS_MAX ((size_t)128 * 1024) /* looked at of an archive that begins with them */

/* ---- reading blocks ---- */

static int damaged(const struct tar *tar)
{
	if (tar->count == 0)
		return fail_plain(-EBADMSG, "cannot read '%s': it is no tar archive",
				  stream_name(tar->stream));
	return fail_plain(-EBADMSG, "cannot read '%s': it is damaged behind '%.300s'",
			  stream_name(tar->stream), tar->entry.path);
}

int tar_refuse(const struct tar *tar, const char *what)
{
	return fail_plain(-EBADMSG, "cannot read '%s': %s (entry %llu, behind '%.300s')",
			  stream_name(tar->stream), what, (unsigned long long)tar->count + 1,
			  tar->entry.path);
}

static int cut_short(const struct tar *tar)
{
	return fail_plain(-ENODATA, "cannot read '%s': it ends in the middle of '%.300s'",
			  stream_name(tar->stream), tar->entry.path);
}

/* One block; 0: the end. */
static int read_block(struct tar *tar, unsigned char *ret)
{
	ssize_t n = stream_read(tar->stream, ret, TAR_BLOCK);

	if (n < 0)
		return (int)n;
	if (n > 0 && n < TAR_BLOCK)
		return tar->count == 0 ? damaged(tar) : cut_short(tar);
	return n > 0;
}

/* What an extra header holds, with a NUL behind. */
static int read_extra(struct tar *tar, uint64_t size)
{
	ssize_t n;

	if (size > TAR_HEADER_MAX)
		return tar_refuse(tar, "an extended header is larger than 1 MiB");
	if (tar->extra_room < size + 1) {
		free(tar->extra);
		tar->extra_room = 0;
		tar->extra = malloc((size_t)size + 1);
		if (tar->extra == NULL)
			return fail(-ENOMEM, "cannot read '%s'", stream_name(tar->stream));
		tar->extra_room = (size_t)size + 1;
	}
	n = stream_read(tar->stream, tar->extra, (size_t)size);
	if (n < 0)
		return (int)n;
	if ((uint64_t)n < size)
		return cut_short(tar);
	tar->extra[size] = '\0';
	return stream_skip(tar->stream, -size % TAR_BLOCK);
}

/* ---- the header ---- */

/* Octal, or GNU's base 256. False: neither, or negative. */
bool tar_number(uint64_t *ret, const char *field, size_t size)
{
	const unsigned char *at = (const unsigned char *)field;
	uint64_t value = 0;
	size_t i = 0;

	if (at[0] & 0x80) {
		if (at[0] != 0x80)
			return false;
		for (i = 1; i < size; i++) {
			if (value >> 55)
				return false;
			value = value << 8 | at[i];
		}
		*ret = value;
		return true;
	}
	while (i < size && at[i] == ' ')
		i++;
	for (; i < size && at[i] >= '0' && at[i] <= '7'; i++)
		value = value << 3 | (uint64_t)(at[i] - '0');
	for (; i < size && at[i] == ' '; i++)
		;
	if (i < size && at[i] != '\0')
		return false;
	*ret = value;
	return true;
}

/* Times of old may be negative, in base 256. */
static bool time_number(int64_t *ret, const char *field, size_t size)
{
	const unsigned char *at = (const unsigned char *)field;
	uint64_t value = UINT64_MAX;

	if (at[0] != 0xff) {
		if (!tar_number(&value, field, size) || value > INT64_MAX)
			return false;
		*ret = (int64_t)value;
		return true;
	}
	for (size_t i = 1; i < size; i++)
		value = value << 8 | at[i];
	*ret = (int64_t)value;
	return *ret < 0;
}

static bool sum_is_right(const struct tar_header *header)
{
	const unsigned char *bytes = (const unsigned char *)header;
	uint64_t wanted;
	uint32_t sum = 0, old = 0;

	if (!tar_number(&wanted, header->sum, sizeof(header->sum)))
		return false;
	for (size_t i = 0; i < TAR_BLOCK; i++) {
		bool in_sum = i >= offsetof(struct tar_header, sum) &&
			      i < offsetof(struct tar_header, kind);

		sum += in_sum ? ' ' : bytes[i];
		old += in_sum ? ' ' : (uint32_t)(signed char)bytes[i]; /* old programs */
	}
	return wanted == sum || wanted == old;
}

static bool is_zero(const void *block)
{
	static const unsigned char zero[TAR_BLOCK];

	return memcmp(block, zero, TAR_BLOCK) == 0;
}

static bool is_posix(const struct tar_header *header)
{
	return memcmp(header->magic, "ustar", 6) == 0;
}

static size_t field_length(const char *field, size_t size)
{
	return strnlen(field, size);
}

/* The name of a plain header, with the prefix of ustar. */
static void take_names(struct tar *tar, const struct tar_header *header)
{
	size_t prefix = 0, name = field_length(header->name, sizeof(header->name)), link;
	struct tar_entry *entry = &tar->entry;

	if (!tar->have_path) {
		if (is_posix(header))
			prefix = field_length(header->prefix, sizeof(header->prefix));
		memcpy(entry->path, header->prefix, prefix);
		if (prefix > 0)
			entry->path[prefix++] = '/';
		memcpy(entry->path + prefix, header->name, name);
		entry->path[prefix + name] = '\0';
	}
	if (!tar->have_link) {
		link = field_length(header->link, sizeof(header->link));
		memcpy(entry->link, header->link, link);
		entry->link[link] = '\0';
	}
}

static int take_numbers(struct tar *tar, const struct tar_header *header)
{
	struct tar_entry *entry = &tar->entry;
	uint64_t mode;

	if (!tar_number(&mode, header->mode, sizeof(header->mode)))
		return tar_refuse(tar, "a mode is no number");
	entry->mode = (mode_t)mode & 07777;
	if (!tar->have_uid && !tar_number(&entry->uid, header->uid, sizeof(header->uid)))
		return tar_refuse(tar, "an owner is no number");
	if (!tar->have_gid && !tar_number(&entry->gid, header->gid, sizeof(header->gid)))
		return tar_refuse(tar, "a group is no number");
	if (!tar->have_mtime) {
		int64_t seconds;

		if (!time_number(&seconds, header->mtime, sizeof(header->mtime)))
			return tar_refuse(tar, "a time is no number");
		entry->mtime.tv_sec = (time_t)seconds;
		entry->mtime.tv_nsec = 0;
	}
	if (entry->kind != TAR_CHARACTER && entry->kind != TAR_BLOCK_DEVICE)
		return 0;
	if (!tar_number(&entry->major, header->major, sizeof(header->major)) ||
	    !tar_number(&entry->minor, header->minor, sizeof(header->minor)))
		return tar_refuse(tar, "a device is no number");
	return 0;
}

static enum tar_kind kind_of(const struct tar *tar, const struct tar_header *header)
{
	size_t length = strlen(tar->entry.path);

	switch (header->kind) {
	case '\0':
	case '0':
	case '7': /* before ustar, directories were files whose name ends in a slash */
		return length > 0 && tar->entry.path[length - 1] == '/' && header->kind != '7'
			       ? TAR_DIRECTORY
			       : TAR_FILE;
	case 'S': return TAR_FILE;
	case '1': return TAR_HARD_LINK;
	case '2': return TAR_SYMLINK;
	case '3': return TAR_CHARACTER;
	case '4': return TAR_BLOCK_DEVICE;
	case '5':
	case 'D': return TAR_DIRECTORY;
	case '6': return TAR_FIFO;
	default: return TAR_OTHER;
	}
}

/* Some tell a size, of the file that a link is to, say, or how large a directory may become, but
 * its bytes never come: who waits for them reads another archive than everybody else. What a
 * directory had in it comes with those of GNU's own kind. */
static bool is_header_alone(const struct tar *tar, const struct tar_header *header)
{
	return tar->entry.kind != TAR_FILE && tar->entry.kind != TAR_OTHER && header->kind != 'D';
}

/* ---- an entry ---- */

static void forget_entry(struct tar *tar)
{
	tar->have_path = tar->have_link = tar->have_uid = tar->have_gid = false;
	tar->have_mtime = tar->have_size = false;
	tar->xattr_count = 0;
	tar->entry.acl_access = tar->entry.acl_default = NULL;
	tar->sparse = (struct tar_sparse){ .map = tar->sparse.map, .room = tar->sparse.room };
	tar->entry.major = tar->entry.minor = 0;
}

static int long_name(struct tar *tar, uint64_t size, char *ret, bool *have)
{
	int r = read_extra(tar, size);
	size_t length;

	if (r < 0)
		return r;
	length = strlen(tar->extra);
	if (length > TAR_PATH_MAX)
		return tar_refuse(tar, "a name is longer than 4095 bytes");
	memcpy(ret, tar->extra, length + 1);
	*have = true;
	return 0;
}

/* Extra headers come before the entry that they are about. 1: this was one. */
static int take_extra(struct tar *tar, const struct tar_header *header, uint64_t size)
{
	int r;

	switch (header->kind) {
	case 'L': r = long_name(tar, size, tar->next_path, &tar->next_has_path); break;
	case 'K': r = long_name(tar, size, tar->next_link, &tar->next_has_link); break;
	case 'x':
	case 'X':
		if (tar->has_pax)
			return tar_refuse(tar, "two extended headers follow each other");
		r = read_extra(tar, size);
		if (r >= 0) {
			/* Kept apart, since a long name of GNU may follow. */
			char *pax = tar->pax;
			size_t room = tar->pax_room;

			tar->pax = tar->extra;
			tar->pax_room = tar->extra_room;
			tar->pax_size = (size_t)size;
			tar->extra = pax;
			tar->extra_room = room;
			tar->has_pax = true;
		}
		break;
	case 'g':
		if (size > TAR_HEADER_MAX)
			return tar_refuse(tar, "an extended header is larger than 1 MiB");
		r = stream_skip(tar->stream, size + -size % TAR_BLOCK);
		break;
	case 'V': /* a volume's name */
	case 'N':
		if (tar->has_pax)
			return tar_refuse(tar, "an extended header is about no file");
		r = stream_skip(tar->stream, size + -size % TAR_BLOCK);
		break;
	default: return 0;
	}
	return r < 0 ? r : 1;
}

static int take_entry(struct tar *tar, const struct tar_header *header, uint64_t size)
{
	struct tar_entry *entry = &tar->entry;
	int r = 0;

	forget_entry(tar);
	if (tar->next_has_path)
		memcpy(entry->path, tar->next_path, strlen(tar->next_path) + 1);
	if (tar->next_has_link)
		memcpy(entry->link, tar->next_link, strlen(tar->next_link) + 1);
	tar->have_path = tar->next_has_path;
	tar->have_link = tar->next_has_link;
	tar->stored = size;
	if (tar->has_pax)
		r = tar_take_pax(tar);
	tar->has_pax = tar->next_has_path = tar->next_has_link = false;
	if (r < 0)
		return r;
	take_names(tar, header);
	entry->kind = kind_of(tar, header);
	r = take_numbers(tar, header);
	if (r < 0)
		return r;
	if (is_header_alone(tar, header))
		tar->stored = 0;
	tar->padding = -tar->stored % TAR_BLOCK;
	entry->size = tar->stored;
	entry->xattrs = tar->xattrs;
	entry->xattr_count = tar->xattr_count;
	r = tar_take_sparse(tar, header);
	if (r < 0)
		return r;
	if (entry->size > TAR_SIZE_MAX)
		return tar_refuse(tar, "a size cannot be");
	tar->count++;
	return 1;
}

/* An archive without entries is nothing but zeros; a file system has its own description behind
 * some (btrfs at 64 KiB). */
static int empty_archive(struct tar *tar)
{
	unsigned char block[TAR_BLOCK];
	int r = 1;

	for (size_t i = 0; i < ZEROS_MAX / TAR_BLOCK && r > 0; i++) {
		r = read_block(tar, block);
		if (r > 0 && !is_zero(block))
			return fail_plain(-EBADMSG,
					  "cannot read '%s': it is no tar archive (if it is a disk "
					  "image, try import-raw)",
					  stream_name(tar->stream));
	}
	return MIN(r, 0);
}

/* 1: a header; 0: the end. */
static int next_header(struct tar *tar, struct tar_header *header)
{
	int r = read_block(tar, (unsigned char *)header);

	if (r < 0)
		return r;
	if (r == 0) {
		if (tar->count == 0 && !tar->begun)
			return fail_plain(-ENODATA, "cannot read '%s': it is empty",
					  stream_name(tar->stream));
		if (tar->has_pax || tar->next_has_path || tar->next_has_link)
			return cut_short(tar);
		return 0;
	}
	tar->begun = true;
	if (is_zero(header))
		return tar->count == 0 ? empty_archive(tar) : 0;
	return sum_is_right(header) ? 1 : damaged(tar);
}

/* Some writers (umoci's insert, for one) end behind the last file's last byte. */
static int skip_padding(struct tar *tar)
{
	const void *from;
	ssize_t n = tar->padding > 0 ? stream_peek(tar->stream, &from, 1) : 0;

	if (n <= 0)
		return (int)n;
	return stream_skip(tar->stream, tar->padding);
}

int tar_next(struct tar *tar, const struct tar_entry **ret)
{
	struct tar_header header;
	uint64_t size;
	int r;

	if (tar->ended)
		return 0;
	r = stream_skip(tar->stream, tar->stored);
	if (r >= 0)
		r = skip_padding(tar);
	tar->stored = tar->padding = 0;
	while (r >= 0) {
		r = next_header(tar, &header);
		if (r <= 0)
			break;
		if (!tar_number(&size, header.size, sizeof(header.size)) || size > TAR_SIZE_MAX)
			return tar_refuse(tar, "a size is negative or no number");
		r = take_extra(tar, &header, size);
		if (r != 0)
			continue;
		r = take_entry(tar, &header, size);
		if (r > 0)
			*ret = &tar->entry;
		return r;
	}
	tar->ended = r == 0;
	return r;
}

/* ---- its data ---- */

bool tar_is_dense(const struct tar *tar)
{
	return !tar->sparse.is;
}

ssize_t tar_data(struct tar *tar, uint64_t *ret_offset, const void **ret)
{
	struct tar_sparse *sparse = &tar->sparse;
	uint64_t max = tar->stored, at = tar->entry.size - tar->stored;
	ssize_t n;

	if (sparse->is) {
		while (sparse->piece < sparse->count &&
		       sparse->done == sparse->map[sparse->piece].size) {
			sparse->piece++;
			sparse->done = 0;
		}
		if (sparse->piece == sparse->count)
			return 0;
		at = sparse->map[sparse->piece].offset + sparse->done;
		max = sparse->map[sparse->piece].size - sparse->done;
	}
	if (max == 0)
		return 0;
	n = stream_take(tar->stream, ret, (size_t)MIN(max, (uint64_t)PIECE_MAX));
	if (n == 0)
		return cut_short(tar);
	if (n < 0)
		return n;
	tar->stored -= (uint64_t)n;
	sparse->done += (uint64_t)n;
	*ret_offset = at;
	return n;
}

/* ---- the whole ---- */

int tar_open(struct tar **ret, struct stream *stream)
{
	struct tar *tar = calloc(1, sizeof(*tar));

	if (tar == NULL)
		return fail(-ENOMEM, "cannot read '%s'", stream_name(stream));
	tar->stream = stream;
	*ret = tar;
	return 0;
}

void tar_close(struct tar *tar)
{
	if (tar == NULL)
		return;
	free(tar->extra);
	free(tar->pax);
	free(tar->sparse.map);
	free(tar);
}

void tar_closep(struct tar **tar)
{
	tar_close(*tar);
	*tar = NULL;
}
