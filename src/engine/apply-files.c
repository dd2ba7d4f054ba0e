/* engine/apply-files - directories, links, nodes and files of the tree (classes S7, S11, S17). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/arena.h"
#include "engine/apply-step.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/mount.h"
#include "kernel/resolve.h"
#include "plan/plan.h"

#define SMALL_FILE_LIMIT (1024 * 1024)

int apply_mkdir(struct apply *apply, const struct step *step)
{
	autoclose int fd = -EBADF;
	const char *name;
	int parent;

	parent = apply_parent(apply, step->target, &name);
	if (parent >= 0) {
		if (mkdirat(parent, name, step->mode) == 0)
			return 0;
		if (errno == EEXIST)
			return 0;
		return -errno;
	}
	if (parent != -ENOENT)
		return parent;
	fd = resolve_make_dir(apply->root_fd, step->target, step->mode, NULL);
	return fd < 0 ? fd : 0;
}

int apply_symlink(struct apply *apply, const struct step *step)
{
	const char *name;
	int parent;

	parent = apply_parent(apply, step->target, &name);
	if (parent < 0)
		return parent;
	if (symlinkat(step->data, parent, name) == 0)
		return 0;
	if (errno == EEXIST && (step->flags & STEP_REPLACE)) {
		char beside[NAME_MAX + 1], old[PATH_MAX];
		ssize_t n = readlinkat(parent, name, old, sizeof(old) - 1);

		if (n >= 0 && (size_t)n == strlen(step->data) &&
		    memcmp(old, step->data, (size_t)n) == 0)
			return 0;
		snprintf(beside, sizeof(beside), ".#%.200s.redd", name);
		unlinkat(parent, beside, 0);
		if (symlinkat(step->data, parent, beside) < 0)
			return -errno;
		if (renameat(parent, beside, parent, name) < 0) {
			int r = -errno;

			unlinkat(parent, beside, 0);
			return r;
		}
		return 0;
	}
	return errno == EEXIST && (step->flags & STEP_UNLESS_EXISTS) ? 0 : -errno;
}

/* mknod(2) is denied without root and in nested containers: the host's own node serves as well. */
static int bind_node(struct apply *apply, const struct step *step)
{
	autoclose int tree = -EBADF;

	if (step->source == NULL)
		return -EPERM;
	tree = mount_clone(AT_FDCWD, step->source, false);
	if (tree < 0)
		return tree;
	return apply_attach(apply, step, tree, false);
}

static int hold(struct apply *apply, int parent, const char *name)
{
	int fd;

	if (apply->held_count == (int)ARRAY_SIZE(apply->held))
		return -EMFILE;
	fd = openat(parent, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	apply->held[apply->held_count++] = fd;
	return 0;
}

int apply_node(struct apply *apply, const struct step *step)
{
	mode_t type = S_IFCHR;
	const char *name;
	int parent, r;

	if (step->data != NULL && strcmp(step->data, "blk") == 0)
		type = S_IFBLK;
	else if (step->data != NULL && strcmp(step->data, "fifo") == 0)
		type = S_IFIFO;
	else if (step->data != NULL && strcmp(step->data, "sock") == 0)
		type = S_IFSOCK;
	else if (step->data != NULL && strcmp(step->data, "reg") == 0)
		type = S_IFREG;

	parent = apply_parent(apply, step->target, &name);
	if (parent < 0)
		return parent;
	if (mknodat(parent, name, type | step->mode, step->device) == 0)
		return step->flags & STEP_KEEP_OPEN ? hold(apply, parent, name) : 0;
	if (errno == EEXIST && (step->flags & STEP_UNLESS_EXISTS))
		return 0;
	r = -errno;
	return r == -EPERM ? bind_node(apply, step) : r;
}

/* Is NAME a regular file that already says the same? Then the image stays untouched. */
static bool same_content(struct apply *apply, int parent, const char *name, const char *data,
			 size_t size)
{
	autoclose int path = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	autoclose int fd = -EBADF;
	struct stat info;
	char *now;
	size_t now_size;

	/* Looked at before it is opened: opening a device can do things already. */
	if (path < 0 || fstat(path, &info) < 0 || !S_ISREG(info.st_mode))
		return false;
	fd = fd_reopen(path, O_RDONLY | O_NONBLOCK);
	if (fd < 0 || file_read_fd(apply->arena, &now, &now_size, fd, SMALL_FILE_LIMIT) < 0)
		return false;
	return now_size == size && memcmp(now, data, size) == 0;
}

/* Write beside and rename: a hard link to a host file, a FIFO or a link in the way is never
 * opened for writing. */
int apply_file(struct apply *apply, const struct step *step)
{
	size_t size = step->size > 0 ? step->size : (step->data == NULL ? 0 : strlen(step->data));
	autoclose int fd = -EBADF;
	const char *name;
	int parent;

	parent = apply_parent(apply, step->target, &name);
	if (parent < 0)
		return parent;
	fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, step->mode);
	if (fd < 0 && errno == EEXIST) {
		if (step->flags & STEP_UNLESS_EXISTS ||
		    same_content(apply, parent, name, step->data, size))
			return 0;
		return file_replace(parent, name, step->data, size, step->mode);
	}
	if (fd < 0)
		return -errno;
	return size == 0 ? 0 : fd_write_all(fd, step->data, size);
}

int apply_copy(struct apply *apply, const struct step *step)
{
	return apply_copy_file(apply, step);
}

int apply_copy_file(struct apply *apply, const struct step *step)
{
	struct stat info;
	const char *name;
	size_t size;
	char *data;
	int parent, r;

	parent = apply_parent(apply, step->target, &name);
	if (parent < 0)
		return parent;
	if (fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return -errno;
	} else if (!S_ISREG(info.st_mode) && !(step->flags & STEP_REPLACE)) {
		/* The image's owner wants something of his own here. */
		return -ELOOP;
	}
	r = file_read(apply->arena, &data, &size, AT_FDCWD, step->source, SMALL_FILE_LIMIT);
	if (r < 0)
		return r;
	if (same_content(apply, parent, name, data, size))
		return 0;
	return file_replace(parent, name, data, size, step->mode == 0 ? 0644 : step->mode);
}

int apply_remove(struct apply *apply, const struct step *step)
{
	const char *name;
	int parent;

	parent = apply_parent(apply, step->target, &name);
	if (parent < 0)
		return parent == -ENOENT ? 0 : parent;
	if (unlinkat(parent, name, 0) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}
