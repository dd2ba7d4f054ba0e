#include "transfer/pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/macros.h"
#include "io/fd.h"
#include "transfer/pack-inside.h"
#include "transfer/sink.h"
#include "transfer/worker.h"

#define ATTRIBUTE_MAX ((size_t)64 * 1024)
#define LINKS_MAX ((size_t)1 << 20) /* 24 MiB; more files are written with each name */

int pack_fail(const struct pack *pack, int code)
{
	return fail(code, "cannot pack '%s'", *pack->path ? pack->path : ".");
}

void pack_leave(struct pack *pack, enum pack_left kind)
{
	if (pack->left[kind]++ == 0)
		memcpy(pack->left_first[kind], pack->path, strnlen(pack->path, 255));
}

static int tell_left(struct pack *pack)
{
	static const char *const texts[LEFT_COUNT] = {
		[LEFT_SOCKETS] = "sockets were left out, for which archives have no form",
		[LEFT_CHANGED] = "entries changed while they were read, and are not whole",
		[LEFT_ATTRIBUTES] = "entries have attributes that no archive can hold",
		[LEFT_NAMES] = "entries were left out, whose names have a meaning in layers",
	};
	char sentence[512];
	int r = 0;

	for (size_t i = 0; i < LEFT_COUNT && r >= 0; i++) {
		if (pack->left[i] == 0 || pack->context->notice == NULL)
			continue;
		snprintf(sentence, sizeof(sentence), "%llu %s (the first: '%s')",
			 (unsigned long long)pack->left[i], texts[i], pack->left_first[i]);
		r = pack->context->notice(pack->context->context, sentence);
	}
	return r;
}

/* ---- hard links ---- */

static struct pack_link *find_link(struct pack *pack, const struct stat *st)
{
	size_t at = ((size_t)st->st_ino * UINT64_C(0x9e3779b97f4a7c15)) >> 20;

	for (;; at++) {
		struct pack_link *link = &pack->links[at & (pack->link_room - 1)];

		if (link->at == 0 || (link->inode == st->st_ino && link->device == st->st_dev))
			return link;
	}
}

static int grow_links(struct pack *pack)
{
	struct pack_link *old = pack->links;
	size_t old_room = pack->link_room, room = MAX(old_room * 2, (size_t)1024);

	if (pack->link_count * 2 < old_room)
		return 0;
	pack->links = calloc(room, sizeof(*old));
	if (pack->links == NULL) {
		pack->links = old;
		return pack_fail(pack, -ENOMEM);
	}
	pack->link_room = room;
	for (size_t i = 0; i < old_room; i++)
		if (old[i].at != 0) {
			struct stat st = { .st_dev = old[i].device, .st_ino = old[i].inode };

			*find_link(pack, &st) = old[i];
		}
	free(old);
	return 0;
}

/* The paths are in a file of memory's, so that they do not fill the worker's own. 1: it was written
 * before, as RET; 0: not. */
static int known_link(struct pack *pack, const struct stat *st, char ret[TAR_PATH_MAX + 1])
{
	struct pack_link *link;
	size_t size = pack->path_length + 1;
	int r = grow_links(pack);
	ssize_t n;

	if (r < 0)
		return r;
	link = find_link(pack, st);
	if (link->at != 0) {
		n = pread(pack->names_fd, ret, TAR_PATH_MAX, (off_t)link->at);
		if (n <= 0)
			return pack_fail(pack, n < 0 ? -errno : -EIO);
		ret[n] = '\0';
		return 1;
	}
	if (pack->link_count >= LINKS_MAX)
		return 0;
	if (pwrite(pack->names_fd, pack->path, size, (off_t)pack->names_size) != (ssize_t)size)
		return pack_fail(pack, -errno);
	*link = (struct pack_link){ st->st_dev, st->st_ino, pack->names_size };
	pack->names_size += size;
	pack->link_count++;
	return 0;
}

/* ---- files ---- */

/* SIZE bytes from OFFSET on, whatever is there by now. */
static int copy_piece(struct pack *pack, int fd, uint64_t offset, uint64_t size)
{
	while (size > 0) {
		unsigned char *to;
		size_t room;
		ssize_t n;
		int r = sink_room(pack->sink, &to, &room);

		if (r < 0)
			return r;
		room = (size_t)MIN((uint64_t)room, size);
		n = pread(fd, to, room, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return pack_fail(pack, -errno);
		if (n == 0) {
			pack_leave(pack, LEFT_CHANGED);
			return sink_zeros(pack->sink, size);
		}
		r = sink_fill(pack->sink, (size_t)n);
		if (r < 0)
			return r;
		offset += (uint64_t)n;
		size -= (uint64_t)n;
		if (pack->context->side)
			worker_progress(pack->context->side, sink_size(pack->sink), 0);
	}
	return 0;
}

/* Where the file has bytes, ascending, whatever happens to it meanwhile. */
static size_t find_pieces(struct pack *pack, int fd, uint64_t size)
{
	uint64_t at = 0;
	size_t count = 0;

	while (at < size) {
		off_t from = lseek(fd, (off_t)at, SEEK_DATA), to;

		if (from < 0 || (uint64_t)from >= size || (uint64_t)from < at)
			break;
		to = count == PACK_PIECES_MAX - 2 ? (off_t)size : lseek(fd, from, SEEK_HOLE);
		if (to <= from)
			break;
		at = MIN((uint64_t)to, size);
		pack->pieces[count++] = (struct tar_piece){ (uint64_t)from, at - (uint64_t)from };
	}
	if (at < size) /* it ends in a hole */
		pack->pieces[count++] = (struct tar_piece){ size, 0 };
	return count;
}

static int write_sparse(struct pack *pack, struct pack_entry *entry)
{
	uint64_t size = (uint64_t)entry->st->st_size, stored = 0;
	size_t count = find_pieces(pack, entry->fd, size), room = 24 + count * 42;
	char *map, *to;
	int r;

	if (count == 1 && pack->pieces[0].size == size) { /* blocks that are packed, not holes */
		entry->size = size;
		r = pack_header(pack, entry);
		if (r >= 0)
			r = copy_piece(pack, entry->fd, 0, size);
		return r < 0 ? r : sink_zeros(pack->sink, -size % TAR_BLOCK);
	}
	map = to = malloc(room);
	if (map == NULL)
		return pack_fail(pack, -ENOMEM);
	to += snprintf(to, room, "%zu\n", count);
	for (size_t i = 0; i < count; i++) {
		to += snprintf(to, room - (size_t)(to - map), "%llu\n%llu\n",
			       (unsigned long long)pack->pieces[i].offset,
			       (unsigned long long)pack->pieces[i].size);
		stored += pack->pieces[i].size;
	}
	room = (size_t)(to - map);
	entry->sparse = true;
	entry->real = size;
	entry->size = stored + room + -room % TAR_BLOCK;
	r = pack_header(pack, entry);
	if (r >= 0)
		r = sink_write(pack->sink, map, room);
	free(map);
	if (r >= 0)
		r = sink_zeros(pack->sink, -room % TAR_BLOCK);
	for (size_t i = 0; i < count && r >= 0; i++)
		r = copy_piece(pack, entry->fd, pack->pieces[i].offset, pack->pieces[i].size);
	return r < 0 ? r : sink_zeros(pack->sink, -stored % TAR_BLOCK);
}

static int pack_file(struct pack *pack, int parent, const char *name)
{
	autoclose int fd = openat(parent, name,
				  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char known[TAR_PATH_MAX + 1];
	struct pack_entry entry = { .kind = '0', .fd = fd, .parent = -EBADF };
	struct stat st;
	int r;

	if (fd < 0 && errno != ENOENT && errno != ELOOP && errno != ENXIO)
		return pack_fail(pack, -errno);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		pack_leave(pack, LEFT_CHANGED);
		return 0;
	}
	entry.st = &st;
	if (st.st_nlink > 1) {
		r = known_link(pack, &st, known);
		if (r < 0)
			return r;
		if (r > 0) {
			entry.kind = '1';
			entry.link = known;
			entry.fd = -EBADF;
			return pack_header(pack, &entry);
		}
	}
	pack->result.bytes += (uint64_t)st.st_size;
	if (st.st_blocks < st.st_size / TAR_BLOCK)
		return write_sparse(pack, &entry);
	entry.size = (uint64_t)st.st_size;
	r = pack_header(pack, &entry);
	if (r >= 0)
		r = copy_piece(pack, fd, 0, entry.size);
	return r < 0 ? r : sink_zeros(pack->sink, -entry.size % TAR_BLOCK);
}

/* ---- layers ---- */

#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"

/* An empty file of which only the name counts, in the directory that is the path's first LENGTH
 * bytes. */
static int pack_mark(struct pack *pack, size_t length, const char *before, const char *name)
{
	struct stat st = { .st_mode = S_IFREG, .st_nlink = 1 };
	struct pack_entry entry = { .kind = '0', .st = &st, .fd = -EBADF, .parent = -EBADF };
	char kept[NAME_MAX + 1] = "";
	size_t size = pack->path_length - length;
	int r;

	if (length + strlen(before) + strlen(name) >= sizeof(pack->path) || size > NAME_MAX)
		return fail_plain(-ENAMETOOLONG, "cannot pack '%s': its path is too long",
				  pack->path);
	memcpy(kept, pack->path + length, size);
	snprintf(pack->path + length, sizeof(pack->path) - length, "%s%s", before, name);
	r = pack_header(pack, &entry);
	memcpy(pack->path + length, kept, size);
	pack->path[length + size] = '\0';
	return r;
}

static int pack_opaque(struct pack *pack, int fd)
{
	char value;

	if (!pack->layer || fgetxattr(fd, "user.overlay.opaque", &value, 1) != 1 || value != 'y')
		return 0;
	return pack_mark(pack, pack->path_length, OPAQUE, "");
}

/* ---- what is not opened ---- */

static int pack_other(struct pack *pack, int parent, const char *name)
{
	struct pack_entry entry = { .fd = -EBADF, .parent = parent, .name = name };
	char target[TAR_PATH_MAX + 1];
	struct stat st;
	ssize_t n;
	int r;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : pack_fail(pack, -errno);
	entry.st = &st;
	if (pack->layer && S_ISCHR(st.st_mode) && st.st_rdev == 0)
		return pack_mark(pack, pack->path_length - strlen(name), WHITEOUT, name);
	switch (st.st_mode & S_IFMT) {
	case S_IFLNK: entry.kind = '2'; break;
	case S_IFCHR: entry.kind = '3'; break;
	case S_IFBLK: entry.kind = '4'; break;
	case S_IFIFO: entry.kind = '6'; break;
	case S_IFSOCK: pack_leave(pack, LEFT_SOCKETS); return 0;
	default: pack_leave(pack, LEFT_CHANGED); return 0;
	}
	if (st.st_nlink > 1) {
		r = known_link(pack, &st, target);
		if (r < 0)
			return r;
		if (r > 0) {
			entry.kind = '1';
			entry.link = target;
			entry.parent = -EBADF;
			return pack_header(pack, &entry);
		}
	}
	if (entry.kind == '2') {
		n = readlinkat(parent, name, target, sizeof(target));
		if (n <= 0 || n > TAR_PATH_MAX) {
			pack_leave(pack, LEFT_CHANGED);
			return 0;
		}
		target[n] = '\0';
		entry.link = target;
		entry.parent = -EBADF; /* the kernel gives links none of those that are kept */
	}
	return pack_header(pack, &entry);
}

/* ---- directories ---- */

static int pack_directory(struct pack *pack, int parent, const char *name, int depth);

static int pack_entry(struct pack *pack, int parent, const struct dirent *entry, int depth)
{
	size_t length = pack->path_length, size = strlen(entry->d_name);
	unsigned char type = entry->d_type;
	struct stat st;
	int r;

	if (length + size > TAR_PATH_MAX - 1)
		return fail_plain(-ENAMETOOLONG,
				  "cannot pack '%s' in '%s': its path is longer than %d bytes",
				  entry->d_name, pack->path, TAR_PATH_MAX - 1);
	memcpy(pack->path + length, entry->d_name, size + 1);
	pack->path_length = length + size;
	if (pack->layer && strncmp(entry->d_name, WHITEOUT, strlen(WHITEOUT)) == 0) {
		pack_leave(pack, LEFT_NAMES);
		pack->path_length = length;
		pack->path[length] = '\0';
		return 0;
	}
	pack->result.files++;
	if (type == DT_UNKNOWN && fstatat(parent, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		type = IFTODT(st.st_mode);
	if (type == DT_DIR)
		r = pack_directory(pack, parent, entry->d_name, depth + 1);
	else if (type == DT_REG)
		r = pack_file(pack, parent, entry->d_name);
	else
		r = pack_other(pack, parent, entry->d_name);
	pack->path_length = length;
	pack->path[length] = '\0';
	return r;
}

static int pack_below(struct pack *pack, int fd, int depth)
{
	DIR *dir = fdopendir(fd);
	int r = 0;

	if (dir == NULL) {
		r = -errno;
		close(fd);
		return pack_fail(pack, r);
	}
	while (r >= 0) {
		const struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (entry == NULL) {
			if (errno != 0)
				r = pack_fail(pack, -errno);
			break;
		}
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = pack_entry(pack, dirfd(dir), entry, depth);
	}
	closedir(dir);
	return r;
}

static int pack_directory(struct pack *pack, int parent, const char *name, int depth)
{
	autoclose int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct pack_entry entry = { .kind = '5', .fd = fd, .parent = -EBADF };
	struct stat st;
	int r;

	if (fd < 0 && errno != ENOENT && errno != ELOOP && errno != ENOTDIR)
		return pack_fail(pack, -errno);
	if (fd < 0 || fstat(fd, &st) < 0) {
		pack_leave(pack, LEFT_CHANGED);
		return 0;
	}
	if (depth > PACK_DEPTH_MAX)
		return fail_plain(-ELOOP, "cannot pack '%s': it lies more than %d directories deep",
				  pack->path, PACK_DEPTH_MAX);
	if (depth > 0) {
		pack->path[pack->path_length++] = '/';
		pack->path[pack->path_length] = '\0';
	}
	entry.st = &st;
	r = pack_header(pack, &entry);
	if (r >= 0)
		r = pack_opaque(pack, fd);
	return r < 0 ? r : pack_below(pack, take_fd(&fd), depth);
}

/* ---- */

static int prepare(struct pack *pack)
{
	pack->records = malloc(TAR_HEADER_MAX);
	pack->names = malloc(ATTRIBUTE_MAX);
	pack->value = malloc(ATTRIBUTE_MAX);
	pack->pieces = malloc(PACK_PIECES_MAX * sizeof(*pack->pieces));
	pack->names_fd = memfd_create("names", MFD_CLOEXEC);
	pack->names_size = 1; /* 0 means: none */
	if (!pack->records || !pack->names || !pack->value || !pack->pieces || pack->names_fd < 0)
		return fail(-ENOMEM, "cannot pack");
	return 0;
}

static int pack_all(const struct unpack_context *context, struct sink *sink, bool layer,
		    struct pack_result *ret)
{
	struct pack *pack = calloc(1, sizeof(*pack));
	int r;

	if (pack == NULL)
		return fail(-ENOMEM, "cannot pack");
	pack->context = context;
	pack->sink = sink;
	pack->layer = layer;
	r = prepare(pack);
	if (r >= 0)
		r = pack_directory(pack, context->tree_fd, ".", 0);
	if (r >= 0)
		r = sink_zeros(sink, (uint64_t)2 * TAR_BLOCK);
	if (r >= 0)
		r = tell_left(pack);
	if (r >= 0)
		*ret = pack->result;
	fd_close(&pack->names_fd);
	free(pack->links);
	free(pack->pieces);
	free(pack->value);
	free(pack->names);
	free(pack->records);
	free(pack);
	return r;
}

int pack_tar(const struct unpack_context *context, struct sink *sink, struct pack_result *ret)
{
	return pack_all(context, sink, false, ret);
}

int pack_layer(const struct unpack_context *context, struct sink *sink, struct pack_result *ret)
{
	return pack_all(context, sink, true, ret);
}
