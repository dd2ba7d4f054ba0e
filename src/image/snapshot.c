#include "image/snapshot.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "image/tree.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/btrfs.h"
#include "kernel/mount.h"

const char *snapshot_rung_name(enum snapshot_rung rung)
{
	static const char *const names[] = {
		[SNAPSHOT_BTRFS] = "btrfs",
		[SNAPSHOT_OVERLAY] = "overlay",
		[SNAPSHOT_COPY] = "copy",
	};

	return names[rung];
}

bool snapshot_can_btrfs(int tree_fd)
{
	return btrfs_is_subvolume(tree_fd);
}

/* ---- where ---- */

/* overlayfs(5): the upper layer needs a file system with its own inode handling and d_type. */
static bool can_be_upper(const char *directory)
{
	struct statfs fs;

	if (access(directory, W_OK) < 0 || statfs(directory, &fs) < 0)
		return false;
	switch ((unsigned long)fs.f_type) {
	case OVERLAYFS_SUPER_MAGIC:
	case NFS_SUPER_MAGIC:
	case FUSE_SUPER_MAGIC:
	case V9FS_MAGIC: return false;
	}
	return true;
}

/* A layer must not lie in the other. */
static bool is_apart(const char *directory, const char *tree)
{
	return !path_is_below(directory, tree);
}

static char *overlay_place(struct arena *arena, const char *tree, const char *runtime)
{
	char *beside = path_parent(arena, tree);

	if (is_apart(beside, tree) && can_be_upper(beside))
		return beside;
	if (is_apart("/var/tmp", tree) && can_be_upper("/var/tmp"))
		return arena_text(arena, "/var/tmp");
	/* "/" itself, or a host in an overlay: what is left is memory. */
	return runtime ? path_join(arena, runtime, "snapshots") : arena_text(arena, "/tmp");
}

char *snapshot_plan(struct arena *arena, const char *tree, int tree_fd, const char *tag,
		    enum snapshot_rung rung, const char *runtime)
{
	const char *name = path_name(tree);
	char *place;

	if (rung == SNAPSHOT_OVERLAY) {
		place = overlay_place(arena, tree, runtime);
	} else if (*name == '\0' || mount_is_point(tree_fd) > 0) {
		/* What is beside it is another file system, or nothing. */
		place = arena_text(arena, tree);
		name = "";
	} else {
		place = path_parent(arena, tree);
	}
	return path_join(arena, place, arena_format(arena, ".#snapshot.%s%s", name, tag));
}

/* ---- making ---- */

static int open_parent(struct arena *arena, const char *path)
{
	char *parent = path_parent(arena, path);
	int fd, r;

	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		r = dir_make_all(parent, 0700);
		if (r < 0)
			return r;
		fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

static int open_source(int tree_fd)
{
	int fd = openat(tree_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int snapshot_btrfs(int parent_fd, const char *name, int tree_fd)
{
	autoclose int source = open_source(tree_fd);
	int r;

	r = source < 0 ? source : btrfs_snapshot(parent_fd, name, source);
	if (r >= 0 && btrfs_quota_is_member(source))
		(void)btrfs_quota_rescan(source);
	return r;
}

static int snapshot_copy(int parent_fd, const char *name, int tree_fd)
{
	autoclose int source = -EBADF, target = -EBADF;

	source = open_source(tree_fd);
	if (source < 0)
		return source;
	if (mkdirat(parent_fd, name, 0700) < 0)
		return -errno;
	target = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return -errno;
	return tree_copy_interruptible(target, source);
}

/* The upper directory's owner and mode become those of the merged root. */
static int snapshot_overlay(int parent_fd, const char *name, int tree_fd)
{
	autoclose int directory = -EBADF;
	struct stat st;

	if (fstat(tree_fd, &st) < 0)
		return -errno;
	if (mkdirat(parent_fd, name, 0700) < 0)
		return -errno;
	directory = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (directory < 0 || mkdirat(directory, "upper", 0700) < 0 ||
	    mkdirat(directory, "work", 0700) < 0)
		return -errno;
	/* Without root a tree of somebody else's stays ours to write in the overlay. */
	if (fchownat(directory, "upper", st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 &&
	    errno != EPERM)
		return -errno;
	return fchmodat(directory, "upper", st.st_mode & 07777, 0) < 0 ? -errno : 0;
}

static int make(int parent_fd, const char *name, int tree_fd, enum snapshot_rung rung)
{
	switch (rung) {
	case SNAPSHOT_BTRFS: return snapshot_btrfs(parent_fd, name, tree_fd);
	case SNAPSHOT_OVERLAY: return snapshot_overlay(parent_fd, name, tree_fd);
	case SNAPSHOT_COPY: return snapshot_copy(parent_fd, name, tree_fd);
	case SNAPSHOT_NONE: break;
	}
	return -EINVAL;
}

int snapshot_ephemeral(struct arena *arena, struct snapshot *ret, const char *tree, int tree_fd,
		       const char *target, enum snapshot_rung rung)
{
	struct snapshot snapshot = SNAPSHOT_EMPTY;
	int r;

	r = open_parent(arena, target);
	if (r < 0)
		return fail(r, "cannot open the directory for the snapshot '%s'", target);
	snapshot.parent_fd = r;
	snapshot.name = arena_text(arena, path_name(target));
	r = make(snapshot.parent_fd, snapshot.name, tree_fd, rung);
	if (r < 0) {
		snapshot_done(&snapshot);
		if (r == -EINTR)
			return fail_plain(r, "stopped while '%s' was being copied", tree);
		return fail(r, "cannot make a snapshot of '%s' as '%s'", tree, target);
	}
	*ret = snapshot;
	return 0;
}

/* ---- templates ---- */

char *snapshot_template_path(struct arena *arena, const char *target, const char *tag)
{
	return arena_format(arena, "%s/.#template.%s%s", path_parent(arena, target),
			    path_name(target), tag);
}

static int grow(int parent_fd, const char *name, int template_fd, enum snapshot_rung *ret_rung)
{
	int r = -EXDEV;

	if (snapshot_can_btrfs(template_fd)) {
		*ret_rung = SNAPSHOT_BTRFS;
		r = snapshot_btrfs(parent_fd, name, template_fd);
	}
	if (r != -EXDEV)
		return r;
	*ret_rung = SNAPSHOT_COPY;
	return snapshot_copy(parent_fd, name, template_fd);
}

static int finish(int parent_fd, const char *name, const char *final_name, bool read_only)
{
	autoclose int tree = -EBADF;
	int r;

	if (read_only) {
		tree = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (tree < 0)
			return -errno;
		if (btrfs_is_subvolume(tree)) {
			r = btrfs_set_read_only(tree, true);
			if (r < 0)
				return r;
		}
	}
	return renameat2(parent_fd, name, parent_fd, final_name, RENAME_NOREPLACE) < 0 ? -errno : 0;
}

int snapshot_template(struct arena *arena, enum snapshot_rung *ret_rung, const char *template_path,
		      int template_fd, const char *target, const char *growing, bool read_only)
{
	autoclose int parent = open_parent(arena, target);
	enum snapshot_rung rung;
	int r;

	if (parent < 0)
		return fail(parent, "cannot open the directory for the new tree '%s'", target);
	r = grow(parent, path_name(growing), template_fd, &rung);
	if (r >= 0)
		r = finish(parent, path_name(growing), path_name(target), read_only);
	if (r < 0) {
		(void)dir_remove_all(parent, path_name(growing));
		if (r == -EINTR)
			return fail_plain(r, "stopped while '%s' was being copied", template_path);
		return fail(r, "cannot make '%s' from the template '%s'", target, template_path);
	}
	*ret_rung = rung;
	return 0;
}

void snapshot_done(struct snapshot *snapshot)
{
	int r;

	if (snapshot->parent_fd < 0)
		return;
	r = dir_remove_all(snapshot->parent_fd, snapshot->name);
	if (r < 0)
		log_warning("cannot remove the snapshot '%s': %s, going on without", snapshot->name,
			    strerror(-r));
	fd_close(&snapshot->parent_fd);
}
