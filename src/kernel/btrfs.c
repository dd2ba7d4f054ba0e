#include "kernel/btrfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "io/fd.h"

#define DEPTH_MAX 16

/* stdint's types and the kernel's are the same width but not always the same type. */
static uint64_t read_only_bit(void)
{
	return BTRFS_SUBVOL_RDONLY;
}

bool btrfs_is_subvolume(int fd)
{
	struct statfs fs;
	struct stat st;

	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return false;
	return S_ISDIR(st.st_mode) && st.st_ino == BTRFS_FIRST_FREE_OBJECTID &&
	       fs.f_type == BTRFS_SUPER_MAGIC;
}

static int snapshot_one(int parent_fd, const char *name, int source_fd)
{
	struct btrfs_ioctl_vol_args_v2 args = { .fd = source_fd };

	if (strlen(name) >= sizeof(args.name))
		return -ENAMETOOLONG;
	memcpy(args.name, name, strlen(name) + 1);
	return ioctl(parent_fd, BTRFS_IOC_SNAP_CREATE_V2, &args) < 0 ? -errno : 0;
}

static int snapshot_tree(int parent_fd, const char *name, int source_fd, int depth);

/* Directory PATH ("" or "a/b/") below FD; the nested names come from the kernel, but their
 * directories may be swapped for links meanwhile. */
static int open_below(int fd, const char *path, int flags)
{
	autoclose int at = openat(fd, ".", flags);
	char copy[BTRFS_INO_LOOKUP_USER_PATH_MAX];
	char *rest, *part;

	if (at < 0)
		return -errno;
	if (strlen(path) >= sizeof(copy))
		return -ENAMETOOLONG;
	memcpy(copy, path, strlen(path) + 1);
	for (part = strtok_r(copy, "/", &rest); part; part = strtok_r(NULL, "/", &rest)) {
		int next = openat(at, part, flags | O_NOFOLLOW);

		if (next < 0)
			return -errno;
		fd_close(&at);
		at = next;
	}
	return take_fd(&at);
}

/* Names of what is being made, or thrown away later: maybe the very snapshot that is being made. */
static bool is_temporary(const char *name)
{
	return name[0] == '.' && name[1] == '#';
}

/* In a fresh snapshot an empty directory stands where a subvolume was nested. */
static int snapshot_nested(int snapshot_fd, int source_fd, uint64_t directory, uint64_t tree,
			   int depth)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	autoclose int to = -EBADF, from = -EBADF, nested = -EBADF;
	struct btrfs_ioctl_ino_lookup_user_args *lookup;
	int r;

	lookup = calloc(1, sizeof(*lookup));
	if (!lookup)
		return -ENOMEM;
	lookup->dirid = directory;
	lookup->treeid = tree;
	r = ioctl(source_fd, BTRFS_IOC_INO_LOOKUP_USER, lookup) < 0 ? -errno : 0;
	if (r < 0)
		goto out;
	to = r = open_below(snapshot_fd, lookup->path, flags);
	if (r >= 0)
		from = r = open_below(source_fd, lookup->path, flags);
	if (r >= 0) {
		nested = openat(from, lookup->name, flags | O_NOFOLLOW);
		r = nested < 0 ? -errno : 0;
	}
	if (r >= 0 && unlinkat(to, lookup->name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = -errno;
	if (r >= 0 && !is_temporary(lookup->name))
		r = snapshot_tree(to, lookup->name, nested, depth + 1);
out:
	free(lookup);
	return r < 0 ? r : 0;
}

static int snapshot_all_nested(int snapshot_fd, int source_fd, int depth)
{
	struct btrfs_ioctl_get_subvol_rootref_args *refs;
	bool more = true;
	int r = 0;

	refs = calloc(1, sizeof(*refs));
	if (!refs)
		return -ENOMEM;
	while (more && r >= 0) {
		more = false;
		if (ioctl(source_fd, BTRFS_IOC_GET_SUBVOL_ROOTREF, refs) < 0) {
			/* More than fit: the next call goes on behind them. Before Linux 4.18
			 * nobody can tell, and nested ones stay empty. */
			more = errno == EOVERFLOW;
			r = more || errno == ENOTTY ? 0 : -errno;
			if (!more)
				break;
		}
		for (uint8_t i = 0; i < refs->num_items && r >= 0; i++)
			r = snapshot_nested(snapshot_fd, source_fd, refs->rootref[i].dirid,
					    refs->rootref[i].treeid, depth);
	}
	free(refs);
	return r;
}

static int snapshot_tree(int parent_fd, const char *name, int source_fd, int depth)
{
	autoclose int made = -EBADF;
	int r;

	if (depth > DEPTH_MAX)
		return -ELOOP;
	r = snapshot_one(parent_fd, name, source_fd);
	if (r < 0)
		return r;
	made = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (made < 0)
		return -errno;
	return snapshot_all_nested(made, source_fd, depth);
}

int btrfs_snapshot(int parent_fd, const char *name, int source_fd)
{
	return snapshot_tree(parent_fd, name, source_fd, 0);
}

int btrfs_make(int parent_fd, const char *name)
{
	struct btrfs_ioctl_vol_args args = { .fd = 0 };

	if (strlen(name) > BTRFS_SUBVOL_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(args.name, name, strlen(name) + 1);
	return ioctl(parent_fd, BTRFS_IOC_SUBVOL_CREATE, &args) < 0 ? -errno : 0;
}

int btrfs_set_read_only(int fd, bool read_only)
{
	uint64_t flags = 0;

	if (ioctl(fd, BTRFS_IOC_SUBVOL_GETFLAGS, &flags) < 0)
		return -errno;
	flags = read_only ? flags | read_only_bit() : flags & ~read_only_bit();
	return ioctl(fd, BTRFS_IOC_SUBVOL_SETFLAGS, &flags) < 0 ? -errno : 0;
}

int btrfs_is_read_only(int fd)
{
	uint64_t flags = 0;

	if (ioctl(fd, BTRFS_IOC_SUBVOL_GETFLAGS, &flags) < 0)
		return -errno;
	return (flags & read_only_bit()) != 0;
}
