#include "kernel/ownership.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "io/fd.h"
#include "kernel/xattr.h"

#define RANGE 65536u
#define ENTRIES_ROOM 8192
#define BINFMTFS_MAGIC_ 0x42494e4d /* linux/magic.h has it as BINFMTFS_MAGIC since 5.7 */
#define MQUEUE_MAGIC 0x19800202	   /* kernel: ipc/mqueue.c */
#define PROC_FD_ROOM sizeof("/proc/self/fd/-2147483648")

/* A directory on the way from the top to here. Only the last one is open: the depth is not ours
 * to choose. */
struct level {
	dev_t device;
	ino_t inode;
	off64_t next; /* where reading goes on */
};

struct walk {
	struct arena *arena;
	uint32_t base;
	struct level *levels;
	size_t depth, room;
	int directory; /* owned */
	char *entries;
	struct xattr_owned owned;
};

/* ---- one inode ---- */

static uint32_t shifted(uint32_t id, uint32_t base)
{
	return base + (id & 0xffff);
}

/* FD is O_PATH: it names this inode whatever becomes of the path. */
static int give(struct walk *walk, int fd, const struct stat *st, uint32_t base)
{
	uid_t uid = shifted(st->st_uid, base);
	gid_t gid = shifted(st->st_gid, base);
	char path[PROC_FD_ROOM];
	int owned = 0;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode))
		owned = xattr_read_owned(&walk->owned, path);

	if (uid != st->st_uid || gid != st->st_gid) {
		if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
			return -errno;
		/* The kernel takes the set-id bits from a file that changes hands. */
		if (st->st_mode & (S_ISUID | S_ISGID) && !S_ISLNK(st->st_mode) &&
		    chmod(path, st->st_mode & 07777) < 0)
			return -errno;
	}
	return owned > 0 ? xattr_write_owned(&walk->owned, path, base) : 0;
}

/* ---- which file systems ---- */

static bool is_kernels_own(const struct statfs *fs)
{
	static const unsigned int magics[] = {
		BINFMTFS_MAGIC_,    CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC,
		DEVPTS_SUPER_MAGIC, EFIVARFS_MAGIC,	HUGETLBFS_MAGIC,     MQUEUE_MAGIC,
		PROC_SUPER_MAGIC,   PSTOREFS_MAGIC,	SELINUX_MAGIC,	     SMACK_MAGIC,
		SECURITYFS_MAGIC,   BPF_FS_MAGIC,	TRACEFS_MAGIC,	     SYSFS_MAGIC,
	};

	for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
		if ((unsigned int)fs->f_type == magics[i])
			return true;
	return false;
}

static bool is_left_out(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) < 0 || fs.f_flags & ST_RDONLY || is_kernels_own(&fs);
}

/* ---- the walk ---- */

static int go_down(struct walk *walk, int fd, const struct stat *st)
{
	int directory = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (directory < 0)
		return -errno;
	if (walk->depth == walk->room)
		list_grow(walk->arena, (void **)&walk->levels, &walk->room, sizeof(*walk->levels));
	walk->levels[walk->depth++] = (struct level){ st->st_dev, st->st_ino, 0 };
	fd_close(&walk->directory);
	walk->directory = directory;
	return 0;
}

/* The parent must be where we came from, or somebody moves directories about meanwhile. */
static int go_up(struct walk *walk)
{
	autoclose int parent = -EBADF;
	const struct level *level;
	struct stat st;

	if (--walk->depth == 0)
		return 0;
	level = &walk->levels[walk->depth - 1];
	parent = openat(walk->directory, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (parent < 0 || fstat(parent, &st) < 0)
		return -errno;
	if (st.st_dev != level->device || st.st_ino != level->inode)
		return -ESTALE;
	if (lseek64(parent, level->next, SEEK_SET) < 0)
		return -errno;
	fd_close(&walk->directory);
	walk->directory = take_fd(&parent);
	return 0;
}

/* 1: it is a directory, and the walk is in it now. */
static int visit(struct walk *walk, const char *name)
{
	dev_t device = walk->levels[walk->depth - 1].device;
	autoclose int fd = -EBADF;
	struct stat st;
	int r;

	fd = openat(walk->directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != device && is_left_out(fd))
		return 0;
	r = give(walk, fd, &st, walk->base);
	if (r < 0 && r != -EROFS)
		return r;
	if (!S_ISDIR(st.st_mode))
		return 0;
	r = go_down(walk, fd, &st);
	return r < 0 ? r : 1;
}

/* Read on where this directory was left: 1 when the walk went down into another one. */
static int visit_entries(struct walk *walk)
{
	for (;;) {
		ssize_t size = getdents64(walk->directory, walk->entries, ENTRIES_ROOM);

		if (size <= 0)
			return size < 0 ? -errno : 0;
		for (ssize_t at = 0; at < size;) {
			const struct dirent64 *entry = (const void *)(walk->entries + at);
			size_t depth = walk->depth;
			int r;

			at += entry->d_reclen;
			if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
				continue;
			r = visit(walk, entry->d_name);
			if (r > 0)
				walk->levels[depth - 1].next = entry->d_off;
			if (r != 0)
				return r;
		}
	}
}

static int visit_all(struct walk *walk)
{
	int r = 0;

	while (r >= 0 && walk->depth > 0) {
		r = visit_entries(walk);
		if (r == 0)
			r = go_up(walk);
	}
	return r < 0 ? r : 0;
}

int ownership_needs_shift(uid_t top_uid, gid_t top_gid, uint32_t base, uint32_t range)
{
	if (base % RANGE != 0 || range != RANGE || base >= OWNERSHIP_BUSY_BASE)
		return -EOPNOTSUPP;
	if (top_uid / RANGE != top_gid / RANGE)
		return -EBADE;
	return top_uid / RANGE != base / RANGE;
}

int ownership_shift(int dir_fd, uint32_t base, uint32_t range)
{
	autoarena struct arena arena = { 0 };
	autoclose int top = -EBADF;
	struct walk *walk;
	struct stat st;
	int r;

	top = openat(dir_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (top < 0 || fstat(top, &st) < 0)
		return -errno;
	r = ownership_needs_shift(st.st_uid, st.st_gid, base, range);
	if (r <= 0)
		return r;

	walk = arena_new(&arena, struct walk);
	walk->arena = &arena;
	walk->base = base;
	walk->directory = -EBADF;
	walk->entries = arena_take(&arena, ENTRIES_ROOM);

	/* The top is the last to reach the range: whoever finds it there may skip the rest. */
	r = give(walk, top, &st, OWNERSHIP_BUSY_BASE);
	if (r == 0)
		r = go_down(walk, top, &st);
	if (r == 0)
		r = visit_all(walk);
	fd_close(&walk->directory);
	if (r == 0 && fstat(top, &st) < 0)
		r = -errno;
	if (r == 0)
		r = give(walk, top, &st, base);
	return r < 0 ? r : 1;
}
