/* machine/copy - the reading side.
 *
 * Directories that are still to be entered wait on a stack, so that one descriptor is enough: a
 * directory is left by "..", which must lead to the inode that it was entered from. Nothing but
 * regular files and directories is ever opened for more than its attributes. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/path.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/resolve.h"
#include "machine/copy-side.h"

#define LINK_BUCKETS 4096u
#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
#define ATTRIBUTE_LIST_MAX ((size_t)64 * 1024) /* the kernel's XATTR_LIST_MAX */

struct waiting {
	char name[COPY_NAME_ROOM];
	bool entered; /* the directory is to be left, for this one: */
	dev_t device;
	ino_t inode;
};

struct link {
	struct link *next;
	dev_t device;
	ino_t inode;
	uint32_t number;
};

struct reader {
	const struct copy_side *side;
	struct arena arena;
	struct waiting *stack;
	size_t depth, room;
	struct link **links;
	uint32_t link_count;
	int fd; /* of the directory we are in */
	char *names, *data;
};

static struct waiting *push(struct reader *reader)
{
	if (reader->depth == reader->room) {
		size_t room = MAX(reader->room * 2, 64u);
		struct waiting *wider = arena_take_array(&reader->arena, room, sizeof(*wider));

		if (reader->depth > 0)
			memcpy(wider, reader->stack, reader->depth * sizeof(*wider));
		reader->stack = wider;
		reader->room = room;
	}
	return &reader->stack[reader->depth++];
}

/* As the user would write NAME, which is in the directory that we are in. */
static const char *path_of(const struct reader *reader, struct copy_path *path, const char *name)
{
	if (reader->depth == 0)
		return reader->side->path;
	copy_path_begin(path, reader->side);
	for (size_t i = 1; i < reader->depth; i++)
		if (reader->stack[i].entered)
			copy_path_enter(path, reader->stack[i].name);
	return copy_path_end(path, name);
}

static int fail_read(const struct reader *reader, int code, const char *name)
{
	struct copy_path path;

	return fail(code, "cannot read '%s' %s", path_of(reader, &path, name), reader->side->where);
}

/* ---- attributes ---- */

/* What names owners means the same on both sides; the rest is the kernel's or a policy's. */
static bool is_wanted(const struct reader *reader, const char *name)
{
	if (strcmp(name, "security.capability") == 0)
		return !reader->side->strip;
	return strncmp(name, "user.", 5) == 0 || strcmp(name, "system.posix_acl_access") == 0 ||
	       strcmp(name, "system.posix_acl_default") == 0;
}

/* As "NAME\0", four bytes of size, the value, and so on. */
static void collect_attributes(struct reader *reader, int fd, struct copy_item *item)
{
	ssize_t length = flistxattr(fd, reader->names, ATTRIBUTE_LIST_MAX);
	size_t used = 0;

	for (ssize_t at = 0; at < length; at += (ssize_t)strlen(reader->names + at) + 1) {
		const char *name = reader->names + at;
		size_t head = strlen(name) + 1 + sizeof(uint32_t);
		uint32_t stored;
		ssize_t size;

		if (!is_wanted(reader, name))
			continue;
		size = used + head > COPY_DATA_MAX ? -1
						   : fgetxattr(fd, name, reader->data + used + head,
							       COPY_DATA_MAX - used - head);
		if (size < 0) {
			log_warning("cannot copy the attribute '%s' of '%s', going on without",
				    name, item->name);
			continue;
		}
		stored = (uint32_t)size;
		memcpy(reader->data + used, name, head - sizeof(stored));
		memcpy(reader->data + used + head - sizeof(stored), &stored, sizeof(stored));
		used += head + (size_t)size;
	}
	item->data_size = (uint32_t)used;
}

/* Without root the caller is the machine's root. */
static uint32_t travelling_id(const struct reader *reader, uint32_t id, uint32_t own)
{
	return reader->side->root_fd < 0 && geteuid() != 0 && id == own ? 0 : id;
}

static void describe(const struct reader *reader, struct copy_item *item, uint32_t kind,
		     const char *name, const struct stat *st)
{
	*item = (struct copy_item){
		.kind = kind,
		.mode = st->st_mode,
		.uid = travelling_id(reader, st->st_uid, geteuid()),
		.gid = travelling_id(reader, st->st_gid, getegid()),
		.device = st->st_rdev,
		.size = st->st_size,
		.times = { st->st_atim, st->st_mtim },
	};
	snprintf(item->name, sizeof(item->name), "%s", name);
}

/* ---- what is no directory ---- */

static uint32_t link_number(struct reader *reader, const struct stat *st)
{
	struct link **bucket = &reader->links[st->st_ino % LINK_BUCKETS], *link;

	for (link = *bucket; link != NULL; link = link->next)
		if (link->inode == st->st_ino && link->device == st->st_dev)
			return link->number;
	link = arena_new(&reader->arena, struct link);
	*link = (struct link){ *bucket, st->st_dev, st->st_ino, ++reader->link_count };
	*bucket = link;
	return link->number;
}

/* FD is the very inode that was looked at, so no device or fifo is opened whatever the name leads
 * to by now. The link of /proc is our own. */
static int send_file(struct reader *reader, int fd, const char *name, const struct stat *st)
{
	autoclose int file = fd_reopen(fd, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct copy_item item;

	if (file < 0)
		return fail_read(reader, file, name);
	describe(reader, &item, COPY_FILE, name, st);
	collect_attributes(reader, file, &item);
	if (st->st_nlink > 1)
		item.link = link_number(reader, st);
	return copy_send(reader->side, &item, reader->data, file);
}

static int send_symlink(struct reader *reader, int fd, const char *name, const struct stat *st)
{
	ssize_t length = readlinkat(fd, "", reader->data, COPY_DATA_MAX - 1);
	struct copy_item item;

	if (length < 0)
		return fail_read(reader, -errno, name);
	reader->data[length] = '\0';
	describe(reader, &item, COPY_SYMLINK, name, st);
	item.data_size = (uint32_t)length + 1;
	return copy_send(reader->side, &item, reader->data, -EBADF);
}

static int send_node(struct reader *reader, const char *name, const struct stat *st)
{
	struct copy_item item;

	describe(reader, &item, COPY_NODE, name, st);
	return copy_send(reader->side, &item, NULL, -EBADF);
}

static int send_inode(struct reader *reader, int fd, const char *name, const struct stat *st)
{
	struct copy_path path;

	switch (st->st_mode & S_IFMT) {
	case S_IFREG: return send_file(reader, fd, name, st);
	case S_IFLNK: return send_symlink(reader, fd, name, st);
	case S_IFSOCK:
		log_warning("cannot copy the socket '%s', going on without",
			    path_of(reader, &path, name));
		return 0;
	default: return send_node(reader, name, st);
	}
}

static int visit(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct reader *reader = context;
	autoclose int fd = -EBADF;
	struct waiting *waiting;
	struct stat st;
	int r = copy_stopped(reader->side);

	if (r < 0)
		return r;
	if (type != DT_DIR) {
		fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			return 0; /* gone since it was listed */
		if (fd < 0 || fstat(fd, &st) < 0)
			return fail_read(reader, -errno, name);
		if (!S_ISDIR(st.st_mode))
			return send_inode(reader, fd, name, &st);
	}
	waiting = push(reader);
	*waiting = (struct waiting){ .entered = false };
	snprintf(waiting->name, sizeof(waiting->name), "%s", name);
	return 0;
}

/* ---- directories ---- */

/* They have no end, or do something when they are read. */
static bool is_kernels_own(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	switch ((unsigned long)fs.f_type) {
	case PROC_SUPER_MAGIC:
	case SYSFS_MAGIC:
	case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC:
	case DEBUGFS_MAGIC:
	case TRACEFS_MAGIC:
	case DEVPTS_SUPER_MAGIC:
	case BPF_FS_MAGIC:
	case SECURITYFS_MAGIC: return true;
	}
	return false;
}

static bool is_target(const struct reader *reader, const struct stat *st)
{
	const struct copy_shared *shared = reader->side->shared;

	return shared->target_inode == st->st_ino && shared->target_device == st->st_dev;
}

/* Go into FD, below the directory ABOVE (NULL: it is the top). */
static int enter(struct reader *reader, int *fd, const char *name, const struct stat *above)
{
	struct waiting *waiting;
	struct copy_item item;
	struct stat st;
	int r;

	if (fstat(*fd, &st) < 0)
		return fail_read(reader, -errno, name);
	if (above != NULL && is_target(reader, &st)) {
		log_warning("cannot copy '%s' into itself, going on without", name);
		return 0;
	}
	describe(reader, &item, COPY_DIRECTORY, name, &st);
	r = copy_send(reader->side, &item, NULL, -EBADF);
	if (r < 0)
		return r;
	waiting = push(reader);
	*waiting = (struct waiting){ .entered = true };
	snprintf(waiting->name, sizeof(waiting->name), "%s", name);
	if (above != NULL) {
		waiting->device = above->st_dev;
		waiting->inode = above->st_ino;
	}
	fd_close(&reader->fd);
	reader->fd = take_fd(fd);
	if (above != NULL && above->st_dev != st.st_dev && is_kernels_own(reader->fd))
		return 0;
	r = dir_walk(reader->fd, visit, reader);
	return r < 0 && fail_recorded()->code == 0 && r != COPY_OTHER_FAILED
		       ? fail_read(reader, r, ".")
		       : r;
}

static int enter_next(struct reader *reader, const char *name)
{
	autoclose int fd = -EBADF;
	struct stat here;

	fd = openat(reader->fd, name, OPEN_DIRECTORY);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(reader->fd, &here) < 0)
		return fail_read(reader, -errno, name);
	return enter(reader, &fd, name, &here);
}

static int leave(struct reader *reader, const struct waiting *above)
{
	autoclose int fd = -EBADF;
	struct copy_item item;
	struct stat st;
	int r;

	if (fstat(reader->fd, &st) < 0)
		return fail_read(reader, -errno, above->name);
	describe(reader, &item, COPY_LEAVE, "", &st);
	collect_attributes(reader, reader->fd, &item);
	r = copy_send(reader->side, &item, reader->data, -EBADF);
	if (r < 0 || above->inode == 0)
		return r;
	fd = openat(reader->fd, "..", OPEN_DIRECTORY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail_read(reader, -errno, above->name);
	if (st.st_dev != above->device || st.st_ino != above->inode)
		return fail_plain(-ESTALE,
				  "cannot go on reading %s: a directory was moved while it was "
				  "being copied",
				  reader->side->where);
	fd_close(&reader->fd);
	reader->fd = take_fd(&fd);
	return 0;
}

/* ---- the whole ---- */

static int open_top(const struct copy_side *side)
{
	int fd;

	if (side->root_fd >= 0)
		return resolve_open(side->root_fd, side->path, O_PATH | O_NOFOLLOW);
	fd = open(side->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int send_top(struct reader *reader)
{
	autoclose int top = open_top(reader->side), fd = -EBADF;
	const char *path = reader->side->path, *name = path_name(path);
	struct stat st;

	if (top < 0)
		return fail_read(reader, top, path);
	if (fstat(top, &st) < 0)
		return fail_read(reader, -errno, path);
	if (S_ISSOCK(st.st_mode))
		return fail_plain(-EOPNOTSUPP, "cannot copy '%s': it is a socket", path);
	if (!S_ISDIR(st.st_mode)) {
		reader->side->shared->total = (uint64_t)st.st_size;
		return send_inode(reader, top, name, &st);
	}
	fd = openat(top, ".", OPEN_DIRECTORY);
	if (fd < 0)
		return fail_read(reader, -errno, path);
	return enter(reader, &fd, name, NULL);
}

int copy_read(const struct copy_side *side)
{
	struct copy_item end = { .kind = COPY_END };
	struct reader reader = { .side = side, .fd = -EBADF };
	int r;

	reader.links = arena_take_array(&reader.arena, LINK_BUCKETS, sizeof(*reader.links));
	reader.names = arena_take(&reader.arena, ATTRIBUTE_LIST_MAX);
	reader.data = arena_take(&reader.arena, COPY_DATA_MAX);
	r = send_top(&reader);
	while (r >= 0 && reader.depth > 0) {
		struct waiting next = reader.stack[--reader.depth];

		r = next.entered ? leave(&reader, &next) : enter_next(&reader, next.name);
	}
	if (r >= 0)
		r = copy_send(side, &end, NULL, -EBADF);
	fd_close(&reader.fd);
	arena_done(&reader.arena);
	return r;
}
