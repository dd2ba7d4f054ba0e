#include "kernel/mount-old.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/arena.h"
#include "io/fd.h"
#include "kernel/mount.h"
#include "kernel/mountinfo.h"
#include "kernel/syscall.h"

#define PROC_FD_ROOM sizeof("/proc/self/fd/-2147483648")

static const struct {
	uint64_t attribute;
	unsigned long vfs, mount;
} flags_of_attributes[] = {
	{ MOUNT_ATTR_RDONLY, ST_RDONLY, MS_RDONLY },
	{ MOUNT_ATTR_NOSUID, ST_NOSUID, MS_NOSUID },
	{ MOUNT_ATTR_NODEV, ST_NODEV, MS_NODEV },
	{ MOUNT_ATTR_NOEXEC, ST_NOEXEC, MS_NOEXEC },
	{ MOUNT_ATTR_NODIRATIME, ST_NODIRATIME, MS_NODIRATIME },
	{ MOUNT_ATTR_NOATIME, ST_NOATIME, MS_NOATIME },
	{ MOUNT_ATTR_STRICTATIME, 0, MS_STRICTATIME },
	{ MOUNT_ATTR_NOSYMFOLLOW, ST_NOSYMFOLLOW_, MS_NOSYMFOLLOW_ },
};

static void proc_fd_path(char path[PROC_FD_ROOM], int fd)
{
	snprintf(path, PROC_FD_ROOM, "/proc/self/fd/%d", fd);
}

/* mount(2) replaces all flags of the mount: the ones that it has must be said again. */
static int remount(int fd, uint64_t set, uint64_t clear)
{
	unsigned long flags = MS_REMOUNT | MS_BIND;
	char path[PROC_FD_ROOM];
	struct statvfs st;

	if (fstatvfs(fd, &st) < 0)
		return -errno;
	/* A relative access time is the absence of the other two. */
	if (clear & MOUNT_ATTR__ATIME)
		clear |= MOUNT_ATTR_NOATIME;
	for (size_t i = 0; i < ARRAY_SIZE(flags_of_attributes); i++) {
		uint64_t attribute = flags_of_attributes[i].attribute;
		bool has = st.f_flag & flags_of_attributes[i].vfs;

		if (set & attribute || (has && !(clear & attribute)))
			flags |= flags_of_attributes[i].mount;
	}
	proc_fd_path(path, fd);
	return mount(NULL, path, NULL, flags, NULL) < 0 ? -errno : 0;
}

struct below {
	const struct mountinfo_list *list;
	int tree_fd;
	size_t prefix; /* length of the tree's own target */
	uint64_t set, clear;
};

/* The mounts on the one with this number, and on those. The depth is that of mounts in mounts. */
static int remount_below(const struct below *below, int id)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < below->list->count; i++) {
		const struct mountinfo *info = &below->list->items[i];
		autoclose int fd = -EBADF;

		if (info->parent != id || info->id == id)
			continue;
		fd = openat(below->tree_fd, info->target + below->prefix + 1, O_PATH | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		r = remount(fd, below->set, below->clear);
		if (r == 0)
			r = remount_below(below, info->id);
	}
	return r;
}

static int restrict_attached(int tree_fd, uint64_t set, uint64_t clear, bool recursive)
{
	autoarena struct arena arena = { 0 };
	struct below below = { .tree_fd = tree_fd, .set = set, .clear = clear };
	struct mountinfo_list list;
	int r, id;

	r = remount(tree_fd, set, clear);
	if (r < 0 || !recursive)
		return r;
	r = mount_id(tree_fd, &id);
	if (r == 0)
		r = mountinfo_read(&arena, &list);
	if (r < 0)
		return r;
	below.list = &list;
	for (size_t i = 0; i < list.count; i++) {
		if (list.items[i].id == id && strcmp(list.items[i].target, "/") != 0)
			below.prefix = strlen(list.items[i].target);
	}
	return remount_below(&below, id);
}

/* A lookup of "/" begins at our root, not at what is mounted over it; and the version is what we
 * never ask for. */
static int attach_unseen(int tree_fd)
{
	autoclose int target = -EBADF;
	struct stat st;

	if (fstat(tree_fd, &st) < 0)
		return -errno;
	target = open(S_ISDIR(st.st_mode) ? "/" : "/proc/version", O_PATH | O_CLOEXEC);
	return target < 0 ? -errno : mount_attach(tree_fd, target);
}

static int restrict_detached(int tree_fd, uint64_t set, uint64_t clear, bool recursive)
{
	autoclose int clone = -EBADF;
	char path[PROC_FD_ROOM];
	int r;

	r = attach_unseen(tree_fd);
	if (r < 0)
		return r;
	r = restrict_attached(tree_fd, set, clear, recursive);
	if (r == 0) {
		clone = mount_clone(tree_fd, "", recursive);
		r = clone < 0 ? clone : 0;
	}
	proc_fd_path(path, tree_fd);
	if (umount2(path, MNT_DETACH) < 0 && r == 0)
		r = -errno;
	if (r == 0 && dup3(clone, tree_fd, O_CLOEXEC) < 0)
		r = -errno;
	return r;
}

int mount_old_restrict(int tree_fd, uint64_t set, uint64_t clear, bool recursive)
{
	int r = restrict_attached(tree_fd, set, clear, recursive);

	return r == -EINVAL ? restrict_detached(tree_fd, set, clear, recursive) : r;
}
