#include "io/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/text.h"
#include "io/fd.h"

#define ENTRIES_ROOM 4096
#define DEPTH_MAX (1u << 20)
#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
#define READ_ONLY ((uint64_t)BTRFS_SUBVOL_RDONLY)
#define FLAGS_THAT_BLOCK (FS_IMMUTABLE_FL | FS_APPEND_FL)

/* ---- making ---- */

static int make_one(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int dir_make_all(const char *path, mode_t mode)
{
	char partial[PATH_MAX];
	size_t length = strlen(path);
	int r;

	if (length >= sizeof(partial))
		return -ENAMETOOLONG;
	r = make_one(path, mode);
	if (r != -ENOENT)
		return r;
	memcpy(partial, path, length + 1);
	for (size_t i = 1; i < length; i++) {
		if (partial[i] != '/')
			continue;
		partial[i] = '\0';
		r = make_one(partial, mode);
		if (r < 0)
			return r;
		partial[i] = '/';
	}
	return make_one(path, mode);
}

/* ---- reading ---- */

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Some file systems keep no types in their directories. */
static int find_type(unsigned char *ret, int dir_fd, const char *name)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	*ret = (unsigned char)IFTODT(st.st_mode);
	return 0;
}

int dir_walk(int dir_fd, dir_visit_fn *visit, void *context)
{
	char entries[ENTRIES_ROOM] __attribute__((aligned(__alignof__(struct dirent64))));
	ssize_t n;

	if (lseek(dir_fd, 0, SEEK_SET) < 0)
		return -errno;
	while ((n = getdents64(dir_fd, entries, sizeof(entries))) > 0) {
		const struct dirent64 *entry;

		for (ssize_t at = 0; at < n; at += entry->d_reclen) {
			unsigned char type;
			int r = 0;

			entry = (const struct dirent64 *)(entries + at);
			type = entry->d_type;
			if (is_dots(entry->d_name))
				continue;
			if (type == DT_UNKNOWN)
				r = find_type(&type, dir_fd, entry->d_name);
			if (r == -ENOENT)
				continue; /* gone since it was listed */
			if (r == 0)
				r = visit(dir_fd, entry->d_name, type, context);
			if (r != 0)
				return r;
		}
	}
	return n < 0 ? -errno : 0;
}

struct names {
	struct arena *arena;
	struct text_list list;
};

static int add_name(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct names *names = context;

	(void)dir_fd;
	(void)type;
	text_list_add(names->arena, &names->list, arena_text(names->arena, name));
	return 0;
}

int dir_names(struct arena *arena, struct text_list *ret, int dir_fd)
{
	struct names names = { .arena = arena };
	int r = dir_walk(dir_fd, add_name, &names);

	if (r < 0)
		return r;
	text_list_sort(&names.list);
	*ret = names.list;
	return 0;
}

/* ---- removing ----
 *
 * The walk keeps one descriptor, that of the directory it is in, and the identity of every
 * directory above. A directory is left by "..", which must lead to the inode it was entered
 * from: whoever moves a directory while we are in it does not get us to delete elsewhere.
 * Nothing is entered before rmdir said "not empty": a mount point says EBUSY instead. */

enum {
	NOT_EMPTY = 1,
	ENTERED = 2, /* the walk is now in another directory */
};

struct identity {
	dev_t device;
	ino_t inode;
};

struct walk {
	struct arena *arena;
	struct identity *above; /* above[depth - 1] is the directory of fd */
	size_t depth, room;
	uint64_t mount; /* 0: the kernel does not tell */
	int fd;
};

static int clear_flags(int fd)
{
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return -errno;
	if ((flags & FLAGS_THAT_BLOCK) == 0)
		return 0;
	flags &= ~FLAGS_THAT_BLOCK;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? -errno : 0;
}

static void clear_flags_of(int dir_fd, const char *name)
{
	autoclose int fd = -EBADF;
	unsigned char type;

	/* Opening a device does things; and only these two have the flags. */
	if (find_type(&type, dir_fd, name) < 0 || (type != DT_REG && type != DT_DIR))
		return;
	fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		clear_flags(fd);
}

/* What stopped us is the directory's mode; without root its owner may still change that. */
static void make_writable(int dir_fd)
{
	struct stat st;

	if (fstat(dir_fd, &st) == 0 && (st.st_mode & 0700) != 0700)
		fchmod(dir_fd, (st.st_mode & 07777) | 0700);
}

static int destroy_subvolume(int dir_fd, const char *name)
{
	struct btrfs_ioctl_vol_args args = {};

	snprintf(args.name, sizeof(args.name), "%s", name);
	return ioctl(dir_fd, BTRFS_IOC_SNAP_DESTROY, &args) < 0 ? -errno : 0;
}

static int remove_once(int dir_fd, const char *name, bool is_dir)
{
	if (unlinkat(dir_fd, name, is_dir ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT)
		return 0;
	if (errno == EISDIR || errno == ENOTDIR) {
		/* Swapped since it was listed. */
		if (unlinkat(dir_fd, name, is_dir ? 0 : AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
	}
	return errno == ENOTEMPTY || errno == EEXIST ? NOT_EMPTY : -errno;
}

/* OWNED: the directory itself is being removed, so its flags and mode are ours to change. */
static int remove_entry(int dir_fd, const char *name, unsigned char type, bool owned)
{
	bool is_dir;
	int r = 0;

	if (type == DT_UNKNOWN)
		r = find_type(&type, dir_fd, name);
	if (r < 0)
		return r == -ENOENT ? 0 : r;

	is_dir = type == DT_DIR;
	r = remove_once(dir_fd, name, is_dir);
	if (r == -EACCES && owned) {
		make_writable(dir_fd);
		r = remove_once(dir_fd, name, is_dir);
	} else if (r == -EPERM) {
		if (owned)
			clear_flags(dir_fd);
		clear_flags_of(dir_fd, name);
		r = remove_once(dir_fd, name, is_dir);
		/* Before Linux 4.18 a subvolume could not be removed by rmdir. */
		if (r == -EPERM && is_dir && destroy_subvolume(dir_fd, name) == 0)
			r = 0;
	}
	return r;
}

static bool is_subvolume(int fd, ino_t inode)
{
	struct statfs fs;

	return inode == BTRFS_FIRST_FREE_OBJECTID && fstatfs(fd, &fs) == 0 &&
	       fs.f_type == BTRFS_SUPER_MAGIC;
}

static int open_directory(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, OPEN_DIRECTORY);

	if (fd < 0 && errno == EACCES && fchmodat(dir_fd, name, 0700, AT_SYMLINK_NOFOLLOW) == 0)
		fd = openat(dir_fd, name, OPEN_DIRECTORY);
	return fd < 0 ? -errno : fd;
}

static void push(struct walk *walk, const struct statx *sx)
{
	if (walk->depth == walk->room) {
		struct identity *wider;

		walk->room = MAX(walk->room * 2, 64u);
		wider = arena_take_array(walk->arena, walk->room, sizeof(*wider));
		if (walk->depth > 0)
			memcpy(wider, walk->above, walk->depth * sizeof(*wider));
		walk->above = wider;
	}
	walk->above[walk->depth++] = (struct identity){
		.device = makedev(sx->stx_dev_major, sx->stx_dev_minor),
		.inode = sx->stx_ino,
	};
}

/* Make NAME the directory that the walk is in. It may be gone afterwards: then 0 and no change. */
static int enter(struct walk *walk, int dir_fd, const char *name)
{
	autoclose int fd = -EBADF;
	struct statx sx;
	uint64_t mount;

	if (walk->depth == DEPTH_MAX)
		return -ELOOP;
	fd = open_directory(dir_fd, name);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO | STATX_MNT_ID, &sx) < 0)
		return -errno;
	mount = sx.stx_mask & STATX_MNT_ID ? sx.stx_mnt_id : 0;
	if (walk->depth > 0 && mount != walk->mount)
		return -EBUSY;
	if (is_subvolume(fd, sx.stx_ino)) {
		uint64_t flags = 0;

		/* At once if nothing is nested in it and we may; else it is emptied as usual. */
		if (destroy_subvolume(dir_fd, name) == 0)
			return 0;
		if (ioctl(fd, BTRFS_IOC_SUBVOL_GETFLAGS, &flags) == 0 && flags & READ_ONLY) {
			flags &= ~READ_ONLY;
			ioctl(fd, BTRFS_IOC_SUBVOL_SETFLAGS, &flags);
		}
	}
	push(walk, &sx);
	walk->mount = mount;
	fd_close(&walk->fd);
	walk->fd = take_fd(&fd);
	return 0;
}

static int leave(struct walk *walk)
{
	const struct identity *expected;
	autoclose int fd = -EBADF;
	struct stat st;

	walk->depth--;
	if (walk->depth == 0) {
		fd_close(&walk->fd);
		return 0;
	}
	fd = open_directory(walk->fd, "..");
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	expected = &walk->above[walk->depth - 1];
	if (st.st_dev != expected->device || st.st_ino != expected->inode)
		return -ESTALE;
	fd_close(&walk->fd);
	walk->fd = take_fd(&fd);
	return 0;
}

struct pass {
	struct walk *walk;
	bool removed;
};

static int remove_visited(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct pass *pass = context;
	size_t depth = pass->walk->depth;
	int r;

	r = remove_entry(dir_fd, name, type, true);
	pass->removed = true;
	if (r != NOT_EMPTY)
		return r;
	r = enter(pass->walk, dir_fd, name);
	if (r < 0)
		return r;
	return pass->walk->depth > depth ? ENTERED : 0;
}

/* Until the walk has left the directory in which it began. */
static int empty(struct walk *walk)
{
	while (walk->depth > 0) {
		struct pass pass = { .walk = walk };
		int r;

		r = dir_walk(walk->fd, remove_visited, &pass);
		if (r < 0)
			return r;
		/* Removing while reading may skip entries: only a pass that saw none is the end. */
		if (r == 0 && !pass.removed) {
			r = leave(walk);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

int dir_remove_all(int dir_fd, const char *name)
{
	autoarena struct arena arena = {};
	struct walk walk = { .arena = &arena, .fd = -EBADF };
	int r;

	while ((r = remove_entry(dir_fd, name, DT_UNKNOWN, false)) == NOT_EMPTY) {
		r = enter(&walk, dir_fd, name);
		if (r == 0)
			r = empty(&walk);
		fd_close(&walk.fd);
		walk.depth = 0;
		if (r < 0)
			return r;
	}
	return r;
}
