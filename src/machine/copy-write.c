/* machine/copy - the writing side.
 *
 * What is not a directory grows beside its place under a name of our own and is then renamed, so
 * that nobody sees half of it, and nothing of it stays when we are stopped. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/path.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/resolve.h"
#include "machine/copy-side.h"

#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* A directory that we are in. */
struct level {
	char name[COPY_NAME_ROOM];
	dev_t device;
	ino_t inode;
	bool made;
};

/* The first copy of a file with several names. */
struct linked {
	const char *path; /* below the top; NULL: unknown, or too long to be used */
	dev_t device;
	ino_t inode;
};

struct writer {
	const struct copy_side *side;
	struct arena arena;
	struct level *levels;
	size_t depth, room;
	struct linked *links; /* by number - 1 */
	size_t link_room;
	int parent, top;  /* of what was named; itself, if it is a directory */
	int fd;		  /* of the directory we are in; -EBADF: parent */
	const char *name; /* of what was named */
	uint64_t random;
	char *data;
};

static int here(const struct writer *writer)
{
	return writer->fd >= 0 ? writer->fd : writer->parent;
}

/* The top gets the name that the user asked for. */
static const char *name_of(const struct writer *writer, const struct copy_item *item)
{
	return writer->depth == 0 ? writer->name : item->name;
}

/* As the user would write NAME, which is in the directory that we are in. */
static const char *path_of(const struct writer *writer, struct copy_path *path, const char *name)
{
	if (writer->depth == 0)
		return writer->side->path;
	copy_path_begin(path, writer->side);
	for (size_t i = 1; i < writer->depth; i++)
		copy_path_enter(path, writer->levels[i].name);
	return copy_path_end(path, name);
}

static int fail_write(const struct writer *writer, int code, const char *name)
{
	struct copy_path path;

	return fail(code, "cannot write '%s' %s", path_of(writer, &path, name),
		    writer->side->where);
}

static int fail_exists(const struct writer *writer, const char *name, const char *what)
{
	struct copy_path path;

	return fail_plain(-EEXIST, "cannot write '%s' %s: %s", path_of(writer, &path, name),
			  writer->side->where, what);
}

/* ---- attributes ---- */

/* True: it belongs to whom it should. An id that is not there, or not ours to give, leaves the file
 * to who made it. */
static bool give(int fd, const char *name, const struct copy_item *item)
{
	const int flags = AT_SYMLINK_NOFOLLOW | (*name == '\0' ? AT_EMPTY_PATH : 0);
	bool user, group;

	if (fchownat(fd, name, item->uid, item->gid, flags) == 0)
		return true;
	user = fchownat(fd, name, item->uid, (gid_t)-1, flags) == 0;
	group = fchownat(fd, name, (uid_t)-1, item->gid, flags) == 0;
	return user && group;
}

static void set_attributes(const struct writer *writer, int fd, const struct copy_item *item,
			   bool privileges)
{
	const char *at = writer->data, *end = at + item->data_size;

	while (at < end) {
		const char *name = at, *value;
		uint32_t size;

		at += strlen(name) + 1;
		memcpy(&size, at, sizeof(size));
		value = at + sizeof(size);
		at = value + size;
		if (!privileges && strncmp(name, "security.", 9) == 0)
			continue;
		if (fsetxattr(fd, name, value, size, 0) < 0 && errno != EOPNOTSUPP)
			log_warning("cannot set the attribute '%s' of '%s' %s: %s, going on "
				    "without",
				    name, item->name, writer->side->where, strerror(errno));
	}
}

/* Owner first: a change of owner takes setuid bits and file capabilities away. They only go to the
 * owner that they were given for. */
static int finish(const struct writer *writer, int fd, const struct copy_item *item)
{
	bool privileges = give(fd, "", item) && !writer->side->strip;

	set_attributes(writer, fd, item, privileges);
	if (fchmod(fd, item->mode & (privileges ? 07777 : 01777)) < 0 ||
	    futimens(fd, item->times) < 0)
		return -errno;
	return 0;
}

/* ---- what is no directory ---- */

static void make_temporary_name(struct writer *writer, char ret[COPY_NAME_ROOM])
{
	snprintf(ret, COPY_NAME_ROOM, ".#redd-copy.%016llx", (unsigned long long)writer->random++);
}

/* Nobody else's file is replaced unless that was asked for. */
static int put_in_place(const struct writer *writer, const char *temporary, const char *name)
{
	int dir = here(writer);

	if (writer->side->force)
		return renameat(dir, temporary, dir, name) < 0 ? -errno : 0;
	if (renameat2(dir, temporary, dir, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* This file system cannot. */
	if (linkat(dir, temporary, dir, name, 0) < 0)
		return -errno;
	return unlinkat(dir, temporary, 0) < 0 ? -errno : 0;
}

static int place(const struct writer *writer, const char *temporary, const char *name)
{
	int r = put_in_place(writer, temporary, name);

	/* Also after success: two names of one inode are not renamed over each other. */
	(void)unlinkat(here(writer), temporary, 0);
	if (r == -EEXIST)
		return fail_exists(writer, name,
				   "something is there already (try --force to replace it)");
	if (r == -EISDIR || r == -ENOTEMPTY)
		return fail_exists(writer, name, "a directory is there (name the file in it)");
	return r < 0 ? fail_write(writer, r, name) : 0;
}

/* To find it out after a gigabyte would be late. */
static int look_before(const struct writer *writer, const char *name)
{
	struct stat st;

	if (fstatat(here(writer), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (S_ISDIR(st.st_mode))
		return fail_exists(writer, name, "a directory is there (name the file in it)");
	if (!writer->side->force)
		return fail_exists(writer, name,
				   "something is there already (try --force to replace it)");
	return 0;
}

static int step(void *context, uint64_t bytes)
{
	const struct writer *writer = context;

	writer->side->shared->bytes += bytes;
	return copy_stopped(writer->side);
}

/* Of a user's disk image (image/raw-serve) the kernel tells this only to who is in the machine,
 * which the other side is. */
static int64_t size_of(const struct copy_item *item, int from)
{
	struct stat st;

	if (fstat(from, &st) < 0)
		return errno == EACCES ? item->size : -errno;
	return S_ISREG(st.st_mode) ? st.st_size : -EBADFD;
}

static int fill(struct writer *writer, int fd, int from, const char *name,
		const struct copy_item *item)
{
	int64_t size = size_of(item, from);
	int r = size < 0 ? (int)size : file_copy_sized(fd, from, size, step, writer);

	if (r >= 0)
		r = finish(writer, fd, item);
	return r < 0 && r != -EINTR ? fail_write(writer, r, name) : r;
}

/* Where the file that is now in place can be found again. */
static void remember(struct writer *writer, uint32_t number, int fd, const char *name)
{
	struct linked *linked;
	const char *path = "";
	struct stat st;

	if (number > writer->link_room) {
		size_t room = MAX(writer->link_room * 2, (size_t)number + 64);
		struct linked *wider = arena_take_array(&writer->arena, room, sizeof(*wider));

		if (writer->link_room > 0)
			memcpy(wider, writer->links, writer->link_room * sizeof(*wider));
		writer->links = wider;
		writer->link_room = room;
	}
	if (writer->depth == 0 || writer->depth > PATH_MAX / 2 || fstat(fd, &st) < 0)
		return;
	for (size_t i = 1; i < writer->depth && strlen(path) < PATH_MAX; i++)
		path = arena_format(&writer->arena, "%s%s/", path, writer->levels[i].name);
	linked = &writer->links[number - 1];
	linked->device = st.st_dev;
	linked->inode = st.st_ino;
	linked->path = arena_format(&writer->arena, "%s%s", path, name);
	if (strlen(linked->path) >= PATH_MAX)
		linked->path = NULL;
}

/* 1: NAME is now one more name of what was copied before; 0: that cannot be, so it is copied. */
static int link_again(struct writer *writer, uint32_t number, const char *name)
{
	const struct linked *linked = number <= writer->link_room ? &writer->links[number - 1]
								  : NULL;
	autoclose int dir = -EBADF;
	char temporary[COPY_NAME_ROOM];
	const char *last;
	struct stat st;
	int r;

	if (linked == NULL || linked->path == NULL)
		return 0;
	dir = resolve_open_parent(writer->top, linked->path, &last);
	make_temporary_name(writer, temporary);
	if (dir < 0 || linkat(dir, last, here(writer), temporary, 0) < 0)
		return 0;
	/* A name leads where its directory's owner wants: it must be the inode that we made. */
	if (fstatat(here(writer), temporary, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_ino != linked->inode || st.st_dev != linked->device) {
		(void)unlinkat(here(writer), temporary, 0);
		return 0;
	}
	r = place(writer, temporary, name);
	return r < 0 ? r : 1;
}

static int write_file(struct writer *writer, const struct copy_item *item, int from)
{
	const char *name = name_of(writer, item);
	char temporary[COPY_NAME_ROOM];
	autoclose int fd = -EBADF;
	int r = look_before(writer, name);

	if (r >= 0 && item->link != 0)
		r = link_again(writer, item->link, name);
	if (r != 0)
		return r;
	make_temporary_name(writer, temporary);
	fd = openat(here(writer), temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return fail_write(writer, -errno, name);
	r = fill(writer, fd, from, name, item);
	if (r < 0) {
		(void)unlinkat(here(writer), temporary, 0);
		return r;
	}
	r = place(writer, temporary, name);
	if (r >= 0 && item->link != 0)
		remember(writer, item->link, fd, name);
	return r;
}

/* By name only: neither can be opened. */
static int place_unopened(struct writer *writer, const struct copy_item *item,
			  const char *temporary)
{
	int dir = here(writer);

	give(dir, temporary, item);
	(void)utimensat(dir, temporary, item->times, AT_SYMLINK_NOFOLLOW);
	return place(writer, temporary, name_of(writer, item));
}

static int write_symlink(struct writer *writer, const struct copy_item *item)
{
	const char *name = name_of(writer, item);
	char temporary[COPY_NAME_ROOM];
	int r = look_before(writer, name);

	if (r < 0)
		return r;
	make_temporary_name(writer, temporary);
	if (symlinkat(writer->data, here(writer), temporary) < 0)
		return fail_write(writer, -errno, name);
	return place_unopened(writer, item, temporary);
}

static int write_node(struct writer *writer, const struct copy_item *item)
{
	const char *name = name_of(writer, item);
	char temporary[COPY_NAME_ROOM];
	bool fifo = S_ISFIFO(item->mode);
	int r;

	if (!fifo && writer->side->strip) {
		log_warning("cannot let the device '%s' out of a machine, going on without (try "
			    "--keep-privileges)",
			    name);
		return 0;
	}
	r = look_before(writer, name);
	if (r < 0)
		return r;
	make_temporary_name(writer, temporary);
	if (mknodat(here(writer), temporary, item->mode & (S_IFMT | 0777), item->device) < 0) {
		if (fifo || (errno != EPERM && errno != EINVAL))
			return fail_write(writer, -errno, name);
		log_warning("cannot make the device '%s' %s, going on without", name,
			    writer->side->where);
		return 0;
	}
	return place_unopened(writer, item, temporary);
}

/* ---- directories ---- */

static struct level *push(struct writer *writer)
{
	if (writer->depth == writer->room) {
		size_t room = MAX(writer->room * 2, 64u);
		struct level *wider = arena_take_array(&writer->arena, room, sizeof(*wider));

		if (writer->depth > 0)
			memcpy(wider, writer->levels, writer->depth * sizeof(*wider));
		writer->levels = wider;
		writer->room = room;
	}
	return &writer->levels[writer->depth++];
}

static int enter(struct writer *writer, const struct copy_item *item)
{
	const char *name = name_of(writer, item);
	autoclose int fd = -EBADF;
	struct level *level;
	struct stat st;
	bool made;

	made = mkdirat(here(writer), name, 0700) == 0;
	if (!made && errno != EEXIST)
		return fail_write(writer, -errno, name);
	fd = openat(here(writer), name, OPEN_DIRECTORY);
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return fail_exists(writer, name, "what is there is no directory");
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail_write(writer, -errno, name);
	/* Somebody put another one in its place? */
	if (made && (st.st_uid != geteuid() || (st.st_mode & 01777) != 0700))
		return fail_write(writer, -ESTALE, name);
	level = push(writer);
	snprintf(level->name, sizeof(level->name), "%s", name);
	level->device = st.st_dev;
	level->inode = st.st_ino;
	level->made = made;
	if (writer->depth == 1) {
		writer->top = fd_duplicate(fd);
		writer->side->shared->target_device = st.st_dev;
		writer->side->shared->target_inode = st.st_ino;
	}
	fd_close(&writer->fd);
	writer->fd = take_fd(&fd);
	return 0;
}

static int leave(struct writer *writer, const struct copy_item *item)
{
	const struct level *level = &writer->levels[--writer->depth];
	autoclose int fd = -EBADF;
	struct stat st;
	int r = level->made ? finish(writer, writer->fd, item) : 0;

	if (r < 0)
		return fail_write(writer, r, level->name);
	if (writer->depth > 0) {
		fd = openat(writer->fd, "..", OPEN_DIRECTORY);
		if (fd < 0 || fstat(fd, &st) < 0)
			return fail_write(writer, -errno, level->name);
		if (st.st_dev != level[-1].device || st.st_ino != level[-1].inode)
			return fail_plain(-ESTALE,
					  "cannot go on writing %s: a directory was moved while it "
					  "was being written",
					  writer->side->where);
	}
	fd_close(&writer->fd);
	writer->fd = take_fd(&fd);
	return 0;
}

/* ---- the whole ---- */

static int write_item(struct writer *writer, const struct copy_item *item, int fd)
{
	int r = copy_stopped(writer->side);

	if (r < 0)
		return r;
	if (writer->depth > 0 && item->kind != COPY_LEAVE && !path_is_file_name(item->name))
		return fail_plain(-EBADMSG, "cannot write a file without a name");
	writer->side->shared->files += item->kind != COPY_LEAVE;
	switch ((enum copy_kind)item->kind) {
	case COPY_DIRECTORY: return enter(writer, item);
	case COPY_LEAVE: return leave(writer, item);
	case COPY_FILE: return write_file(writer, item, fd);
	case COPY_SYMLINK: return write_symlink(writer, item);
	case COPY_NODE: return write_node(writer, item);
	case COPY_END: break;
	}
	return 0;
}

/* "/" is there in any case: it can only be merged with. */
static int open_parent(struct writer *writer, struct arena *arena)
{
	const struct copy_side *side = writer->side;
	const char *parent = path_parent(arena, side->path);
	bool top = side->path[1] == '\0';

	writer->name = top ? "." : path_name(side->path);
	if (side->root_fd >= 0) {
		writer->parent = resolve_open(side->root_fd, parent, O_PATH | O_DIRECTORY);
	} else {
		writer->parent = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (writer->parent < 0)
			writer->parent = -errno;
	}
	return writer->parent < 0 ? fail(writer->parent, "cannot open the directory '%s' %s",
					 parent, side->where)
				  : 0;
}

int copy_write(const struct copy_side *side)
{
	struct writer writer = { .side = side, .parent = -EBADF, .top = -EBADF, .fd = -EBADF };
	int r;

	if (getrandom(&writer.random, sizeof(writer.random), 0) != sizeof(writer.random))
		return fail(-EIO, "cannot get random numbers");
	writer.data = arena_take(&writer.arena, COPY_DATA_MAX);
	r = open_parent(&writer, &writer.arena);
	while (r >= 0) {
		autoclose int fd = -EBADF;
		struct copy_item item;

		r = copy_receive(side, &item, writer.data, &fd);
		if (r >= 0 && item.kind == COPY_END)
			side->shared->finished = 1;
		if (r < 0 || item.kind == COPY_END)
			break;
		r = write_item(&writer, &item, fd);
	}
	fd_close(&writer.fd);
	fd_close(&writer.top);
	fd_close(&writer.parent);
	arena_done(&writer.arena);
	return r;
}
