/* Names of an archive, and the directories they lie in. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fail.h"
#include "io/fd.h"
#include "kernel/syscall.h"
#include "transfer/unpack-inside.h"

int unpack_clean(struct unpack *unpack, char ret[TAR_PATH_MAX + 1], const char *name)
{
	size_t used = 0, depth = 0;

	while (*name) {
		size_t size = strcspn(name, "/");

		if (size == 2 && name[0] == '.' && name[1] == '.')
			return unpack_refuse(unpack, "its name leads out of the tree by '..'");
		if (size > NAME_MAX)
			return unpack_refuse(unpack, "a part of its name is longer than 255 bytes");
		if (size > 0 && !(size == 1 && name[0] == '.')) {
			if (++depth > UNPACK_DEPTH_MAX)
				return unpack_refuse(unpack,
						     "it lies more than 256 directories deep");
			if (used > 0)
				ret[used++] = '/';
			memcpy(ret + used, name, size);
			used += size;
		}
		name += size;
		name += *name == '/';
	}
	ret[used] = '\0';
	return 0;
}

void unpack_forget_places(struct unpack *unpack)
{
	fd_close(&unpack->cached_fd);
}

static int open_below(int tree, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};

	return sys_openat2(tree, path, &how);
}

bool unpack_is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

/* Where a layer hid the name before, and does not tell the directory itself: all that is hidden
 * stays so. */
static int replace_whiteout(int below, const char *name)
{
	autoclose int fd = -EBADF;
	struct stat st;

	if (fstatat(below, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!unpack_is_whiteout(&st))
		return -ENOTDIR;
	if (unlinkat(below, name, 0) < 0 || mkdirat(below, name, 0755) < 0)
		return -errno;
	fd = openat(below, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fsetxattr(fd, OPAQUE, "y", 1, 0) < 0)
		return -errno;
	return take_fd(&fd);
}

int unpack_check_count(const struct unpack *unpack)
{
	if (unpack->result.files + unpack->implied <= unpack->wish.files_max)
		return 0;
	return fail_plain(-EFBIG, "cannot unpack '%.300s': the archive has more than %llu entries",
			  unpack->entry->path, (unsigned long long)unpack->wish.files_max);
}

/* Directories that the archive puts something into before it tells them, or never does: one entry
 * can be a hundred of them. */
static int make_all(struct unpack *unpack, const char *path)
{
	autoclose int fd = -EBADF;
	const char *at = path;
	int r = 0;

	while (*at) {
		int below = fd >= 0 ? fd : unpack->context->tree_fd, next;
		size_t size = strcspn(at, "/");
		char part[NAME_MAX + 1];

		memcpy(part, at, size);
		part[size] = '\0';
		if (mkdirat(below, part, 0755) == 0)
			unpack->implied++;
		else if (errno != EEXIST)
			return -errno;
		r = unpack_check_count(unpack);
		if (r < 0)
			return r;
		next = openat(below, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			next = errno == ENOTDIR && unpack->wish.layer
				       ? replace_whiteout(below, part)
				       : -errno;
		if (next < 0)
			return next;
		fd_close(&fd);
		fd = next;
		at += size;
		at += *at == '/';
	}
	r = take_fd(&fd);
	return r;
}

static int explain(const struct unpack *unpack, int code, const char *path)
{
	if (code == -ELOOP || code == -ENOTDIR || code == -EXDEV)
		return fail_plain(
			code,
			"cannot unpack '%.300s': '%s' is no directory of the archive's, or is "
			"reached through a symbolic link",
			unpack->entry->path, path);
	return fail(code, "cannot unpack '%.300s': cannot open the directory '%s'",
		    unpack->entry->path, path);
}

int unpack_directory(struct unpack *unpack, const char *path, bool make)
{
	int fd;

	if (*path == '\0')
		return unpack->context->tree_fd;
	if (unpack->cached_fd >= 0 && strcmp(unpack->cached, path) == 0)
		return unpack->cached_fd;
	fd = open_below(unpack->context->tree_fd, path);
	if (make && (fd == -ENOENT || (fd == -ENOTDIR && unpack->wish.layer)))
		fd = make_all(unpack, path);
	if (fd == -EFBIG)
		return fd;
	if (fd < 0)
		return explain(unpack, fd, path);
	unpack_forget_places(unpack);
	unpack->cached_fd = fd;
	memcpy(unpack->cached, path, strlen(path) + 1);
	return fd;
}

int unpack_find_place(struct unpack *unpack)
{
	char *slash = strrchr(unpack->path, '/');
	int fd;

	unpack->name = slash ? slash + 1 : unpack->path;
	if (slash)
		*slash = '\0';
	fd = unpack_directory(unpack, slash ? unpack->path : "", true);
	if (slash)
		*slash = '/';
	if (fd < 0)
		return fd;
	unpack->parent = fd;
	return 0;
}

int unpack_clear(struct unpack *unpack)
{
	struct stat st;

	if (fstatat(unpack->parent, unpack->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : unpack_fail(unpack, -errno);
	if (!S_ISDIR(st.st_mode))
		return unlinkat(unpack->parent, unpack->name, 0) < 0 ? unpack_fail(unpack, -errno)
								     : 0;
	if (unlinkat(unpack->parent, unpack->name, AT_REMOVEDIR) < 0)
		return errno == ENOTEMPTY || errno == EEXIST
			       ? unpack_refuse(unpack, "there is a directory of that name already, "
						       "which is not empty")
			       : unpack_fail(unpack, -errno);
	unpack->again = true;
	/* What is remembered is the parent, which is still good, unless that is the top: then it
	 * may be what was removed. */
	if (unpack->parent == unpack->context->tree_fd)
		unpack_forget_places(unpack);
	return 0;
}
