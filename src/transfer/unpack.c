#include "transfer/unpack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fail.h"
#include "io/dir.h"
#include "io/fd.h"
#include "transfer/stream.h"
#include "transfer/unpack-inside.h"
#include "transfer/worker.h"

#define WHITEOUT ".wh."

/* ---- one entry of each kind ---- */

static int write_data(struct unpack *unpack, int fd)
{
	bool dense = tar_is_dense(unpack->tar);
	const void *data;
	uint64_t offset;
	ssize_t n, done;

	for (;;) {
		n = tar_data(unpack->tar, &offset, &data);
		if (n <= 0)
			break;
		for (ssize_t at = 0; at < n; at += done) {
			const char *from = (const char *)data + at;
			size_t size = (size_t)(n - at);

			done = dense ? write(fd, from, size)
				     : pwrite(fd, from, size, (off_t)offset + at);
			if (done < 0)
				return unpack_fail(unpack, -errno);
		}
		unpack->written += (uint64_t)n;
		if (!unpack->wish.lazy)
			behind_note(&unpack->behind, unpack->written);
		if (unpack->context->side)
			worker_progress(unpack->context->side, stream_in(unpack->stream),
					stream_total(unpack->stream));
	}
	if (n < 0)
		return (int)n;
	if (!dense && ftruncate(fd, (off_t)unpack->entry->size) < 0)
		return unpack_fail(unpack, -errno);
	return 0;
}

static int make_file(struct unpack *unpack)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, r;
	mode_t mode = unpack->entry->mode & 0777;
	autoclose int fd = -EBADF;

	if (unpack->result.bytes + unpack->entry->size > unpack->wish.bytes_max)
		return fail_plain(-EFBIG,
				  "cannot unpack '%.300s': the archive's files have more than %llu "
				  "bytes",
				  unpack->entry->path, (unsigned long long)unpack->wish.bytes_max);
	unpack->result.bytes += unpack->entry->size;
	fd = openat(unpack->parent, unpack->name, flags, mode);
	if (fd < 0 && errno == EEXIST) {
		r = unpack_clear(unpack);
		if (r < 0)
			return r;
		fd = openat(unpack->parent, unpack->name, flags, mode);
	}
	if (fd < 0)
		return unpack_fail(unpack, -errno);
	r = write_data(unpack, fd);
	return r < 0 ? r : unpack_finish_file(unpack, fd);
}

static int set_opaque(struct unpack *unpack, const char *path)
{
	autoclose int fd = -EBADF;
	int parent = unpack_directory(unpack, path, true);

	if (parent < 0)
		return parent;
	fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsetxattr(fd, OPAQUE, "y", 1, 0) < 0)
		return fail(-errno, "cannot unpack '%.300s': cannot hide what is below '%s'",
			    unpack->entry->path, path);
	return 0;
}

static int make_directory(struct unpack *unpack)
{
	mode_t mode = unpack->entry->mode & 0777;
	bool hidden = false;
	struct stat st;
	int r;

	if (*unpack->path == '\0')
		return unpack_finish_directory(unpack, false);
	if (mkdirat(unpack->parent, unpack->name, mode) == 0)
		return unpack_finish_directory(unpack, true);
	if (errno != EEXIST)
		return unpack_fail(unpack, -errno);
	if (fstatat(unpack->parent, unpack->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return unpack_fail(unpack, -errno);
	if (S_ISDIR(st.st_mode)) {
		unpack->again = true;
		return unpack_finish_directory(unpack, false);
	}
	hidden = unpack->wish.layer && unpack_is_whiteout(&st);
	r = unpack_clear(unpack);
	if (r < 0)
		return r;
	if (mkdirat(unpack->parent, unpack->name, mode) < 0)
		return unpack_fail(unpack, -errno);
	r = unpack_finish_directory(unpack, true);
	return r >= 0 && hidden ? set_opaque(unpack, unpack->path) : r;
}

static int make_symlink(struct unpack *unpack)
{
	const char *target = unpack->entry->link;
	int r;

	if (*target == '\0')
		return unpack_refuse(unpack, "it is a symbolic link to nothing");
	if (symlinkat(target, unpack->parent, unpack->name) < 0) {
		if (errno != EEXIST)
			return unpack_fail(unpack, -errno);
		r = unpack_clear(unpack);
		if (r < 0)
			return r;
		if (symlinkat(target, unpack->parent, unpack->name) < 0)
			return unpack_fail(unpack, -errno);
	}
	return unpack_finish_name(unpack);
}

static int same_file(int a_dir, const char *a, int b_dir, const char *b)
{
	struct stat left, right;

	return fstatat(a_dir, a, &left, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(b_dir, b, &right, AT_SYMLINK_NOFOLLOW) == 0 && left.st_dev == right.st_dev &&
	       left.st_ino == right.st_ino;
}

static int link_to(struct unpack *unpack, int directory, const char *name)
{
	int r = linkat(directory, name, unpack->parent, unpack->name, 0) < 0 ? -errno : 0;

	if (r == -EEXIST && same_file(directory, name, unpack->parent, unpack->name))
		return 0;
	if (r == -EEXIST) {
		r = unpack_clear(unpack);
		if (r < 0)
			return r;
		r = linkat(directory, name, unpack->parent, unpack->name, 0) < 0 ? -errno : 0;
	}
	if (r == -ENOENT)
		return fail_plain(
			r, "cannot unpack '%.300s': it is a link to '%s', which is not there",
			unpack->entry->path, unpack->entry->link);
	return r < 0 ? fail(r, "cannot unpack '%.300s': cannot link to '%s'", unpack->entry->path,
			    unpack->entry->link)
		     : 0;
}

/* To an entry before it: never to anything else, since that is all that there is below the tree. A
 * symbolic link can have a second name as well; it is not followed. */
static int make_hard_link(struct unpack *unpack)
{
	char target[TAR_PATH_MAX + 1];
	autoclose int directory = -EBADF;
	char *slash;
	int r = unpack_clean(unpack, target, unpack->entry->link), parent;
	const char *name;

	if (r < 0)
		return r;
	if (*target == '\0')
		return unpack_refuse(unpack, "it is a link to nothing, or to the tree itself");
	slash = strrchr(target, '/');
	name = slash ? slash + 1 : target;
	if (slash)
		*slash = '\0';
	parent = unpack_directory(unpack, slash ? target : "", false);
	if (parent < 0)
		return parent;
	directory = openat(parent, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return unpack_fail(unpack, -errno);
	r = unpack_find_place(unpack); /* what was opened before may be gone */
	return r < 0 ? r : link_to(unpack, directory, name);
}

static int make_node(struct unpack *unpack, mode_t kind, dev_t device)
{
	mode_t mode = kind | (unpack->entry->mode & 0777);
	bool local = kind == S_IFIFO || (kind == S_IFCHR && device == makedev(0, 0));
	int r = unpack_clear(unpack);

	if (r < 0)
		return r;
	if (local)
		r = mknodat(unpack->parent, unpack->name, mode, device) < 0 ? -errno : 0;
	else if (unpack->context->side)
		r = worker_make_node(unpack->context->side, unpack->parent, unpack->name, mode,
				     device);
	else
		r = -EPERM;
	if (r == -EPERM) {
		unpack_keep_count(unpack, KEPT_NODES);
		return 0;
	}
	return r < 0 ? unpack_fail(unpack, r) : unpack_finish_name(unpack);
}

static int make_device(struct unpack *unpack)
{
	const struct tar_entry *entry = unpack->entry;
	mode_t kind = entry->kind == TAR_CHARACTER ? S_IFCHR : S_IFBLK;

	if (entry->major > 0xfff || entry->minor > 0xfffff)
		return unpack_refuse(unpack, "it is a device whose numbers cannot be");
	/* Of layers: hiding is told by names. */
	if (unpack->wish.no_devices ||
	    (unpack->wish.layer && kind == S_IFCHR && entry->major == 0 && entry->minor == 0)) {
		unpack_keep_count(unpack, KEPT_NODES);
		return 0;
	}
	return make_node(unpack, kind,
			 makedev((unsigned int)entry->major, (unsigned int)entry->minor));
}

/* ---- layers ---- */

/* ".wh.NAME": NAME of the layers below is gone. What this layer has itself of that name stays. */
static int hide(struct unpack *unpack, const char *name)
{
	struct stat st;

	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return unpack_refuse(unpack, "it hides what is no name");
	if (fstatat(unpack->parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		char path[TAR_PATH_MAX + 1];
		size_t length = (size_t)(unpack->name - unpack->path);

		if (!S_ISDIR(st.st_mode))
			return 0;
		memcpy(path, unpack->path, length);
		memcpy(path + length, name, strlen(name) + 1);
		return set_opaque(unpack, path);
	}
	return mknodat(unpack->parent, name, S_IFCHR, makedev(0, 0)) < 0
		       ? unpack_fail(unpack, -errno)
		       : 0;
}

/* 1: the name was a mark, and all is done. */
static int take_mark(struct unpack *unpack)
{
	size_t length = strlen(WHITEOUT);
	const char *name = unpack->name;
	int r;

	if (!unpack->wish.layer || strncmp(name, WHITEOUT, length) != 0)
		return 0;
	if (strcmp(name, ".wh..wh..opq") == 0) {
		char path[TAR_PATH_MAX + 1];
		size_t size = (size_t)(name - unpack->path);

		memcpy(path, unpack->path, size);
		path[size > 0 ? size - 1 : 0] = '\0';
		if (*path == '\0') /* transfer/oci-machine looks for that */
			return fsetxattr(unpack->context->tree_fd, OPAQUE, "y", 1, 0) < 0
				       ? unpack_fail(unpack, -errno)
				       : 1;
		r = set_opaque(unpack, path);
	} else if (strncmp(name + length, WHITEOUT, length) == 0) {
		r = 0; /* other marks of aufs mean nothing here */
	} else {
		r = hide(unpack, name + length);
	}
	return r < 0 ? r : 1;
}

/* ---- all entries ---- */

static int take_entry(struct unpack *unpack)
{
	const struct tar_entry *entry = unpack->entry;
	int r;

	unpack->result.files++;
	r = unpack_check_count(unpack);
	if (r < 0)
		return r;
	if (entry->kind == TAR_OTHER) {
		unpack_keep_count(unpack, KEPT_KINDS);
		return 0;
	}
	r = unpack_clean(unpack, unpack->path, entry->path);
	if (r < 0)
		return r;
	if (*unpack->path == '\0' && entry->kind != TAR_DIRECTORY)
		return unpack_refuse(unpack, "the tree itself can only be a directory");
	r = unpack_find_place(unpack);
	if (r >= 0)
		r = take_mark(unpack);
	if (r != 0)
		return r;
	switch (entry->kind) {
	case TAR_FILE: return make_file(unpack);
	case TAR_DIRECTORY: return make_directory(unpack);
	case TAR_SYMLINK: return make_symlink(unpack);
	case TAR_HARD_LINK: return make_hard_link(unpack);
	case TAR_FIFO: return make_node(unpack, S_IFIFO, 0);
	default: return make_device(unpack);
	}
}

static int take_all(struct unpack *unpack)
{
	int r;

	for (;;) {
		r = tar_next(unpack->tar, &unpack->entry);
		if (r <= 0)
			return r;
		r = take_entry(unpack);
		if (r < 0)
			return r;
		if (unpack->context->side && unpack->result.files % 64 == 0)
			worker_progress(unpack->context->side, stream_in(unpack->stream),
					stream_total(unpack->stream));
	}
}

/* ---- a tree in a directory ---- */

struct only {
	char name[NAME_MAX + 1];
	size_t count;
};

static int look_at(int directory, const char *name, unsigned char type, void *context)
{
	struct only *only = context;

	(void)directory;
	only->count += type == DT_DIR ? 1 : 2;
	memcpy(only->name, name, strlen(name) + 1);
	return only->count > 1;
}

static int move_up(int directory, const char *name, unsigned char type, void *context)
{
	int top = *(int *)context;

	(void)type;
	return renameat2(directory, name, top, name, RENAME_NOREPLACE) < 0 ? -errno : 0;
}

static bool is_system(int directory)
{
	struct stat st;

	return fstatat(directory, "usr", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int copy_attributes(struct unpack *unpack, int to, int from)
{
	char *names = (char *)unpack->later; /* of no use any more, and as large as can be */
	ssize_t length = flistxattr(from, names, LATER_SIZE);

	fremovexattr(to, "system.posix_acl_access");
	fremovexattr(to, "system.posix_acl_default");
	for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1) {
		unsigned char value[XATTR_SIZE_MAX];
		ssize_t size;

		if (strncmp(names + at, "user.", 5) != 0 &&
		    strncmp(names + at, "system.posix_acl_", 17) != 0)
			continue; /* labels are the policy's to give */
		size = fgetxattr(from, names + at, value, sizeof(value));
		if (size < 0 || fsetxattr(to, names + at, value, (size_t)size, 0) < 0)
			return -errno;
	}
	return 0;
}

/* The top becomes what NAME in it, which is empty by now, was; in the order of all entries. */
static int replace_top(struct unpack *unpack, int inner, const char *name, const struct stat *st)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, st->st_mtim };
	int top = unpack->context->tree_fd;
	int r = fchown(top, st->st_uid, st->st_gid) < 0 ? -errno
							: copy_attributes(unpack, top, inner);

	if (r >= 0 && (fchmod(top, st->st_mode & 07777) < 0 ||
		       unlinkat(top, name, AT_REMOVEDIR) < 0 || futimens(top, times) < 0))
		r = -errno;
	return r < 0 ? fail(r, "cannot put the tree in the place of '%s'", name) : 0;
}

/* Reference 11.4: archives often have one directory that holds the tree. An entry in it that has
 * its own name would be in its way. */
static int lift(struct unpack *unpack)
{
	int top = unpack->context->tree_fd, r;
	autoclose int inner = -EBADF;
	struct only only = { .count = 0 };
	struct stat st;

	r = dir_walk(top, look_at, &only);
	if (r < 0 || only.count != 1)
		return r < 0 ? fail(r, "cannot read the tree") : 0;
	inner = openat(top, only.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (inner < 0 || fstat(inner, &st) < 0)
		return fail(-errno, "cannot open '%s'", only.name);
	if (!is_system(inner) || faccessat(inner, only.name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	r = dir_walk(inner, move_up, &top);
	if (r < 0)
		return fail(r, "cannot move the tree in '%s' one directory up", only.name);
	return replace_top(unpack, inner, only.name, &st);
}

/* ---- */

/* What the pool's directory would pass on is not the archive's. */
static int prepare(struct unpack *unpack)
{
	int tree = unpack->context->tree_fd;
	struct stat st;

	fremovexattr(tree, "system.posix_acl_default");
	if (fstat(tree, &st) < 0 || ((st.st_mode & S_ISGID) && fchmod(tree, st.st_mode & 0777) < 0))
		return fail(-errno, "cannot prepare the tree");
	unpack->later = malloc(LATER_SIZE);
	return unpack->later == NULL ? fail(-ENOMEM, "cannot unpack") : 0;
}

int unpack_tar(const struct unpack_context *context, struct stream *stream,
	       const struct unpack_wish *wish, struct unpack_result *ret)
{
	struct unpack *unpack = calloc(1, sizeof(*unpack));
	int r;

	if (unpack == NULL)
		return fail(-ENOMEM, "cannot unpack");
	unpack->context = context;
	unpack->wish = *wish;
	unpack->stream = stream;
	unpack->cached_fd = unpack->later_fd = -EBADF;
	if (wish->bytes_max == 0)
		unpack->wish.bytes_max = UNPACK_BYTES_MAX;
	if (wish->files_max == 0)
		unpack->wish.files_max = UNPACK_FILES_MAX;
	behind_start(&unpack->behind, context->tree_fd);
	r = prepare(unpack);
	if (r >= 0)
		r = tar_open(&unpack->tar, stream);
	if (r >= 0)
		r = take_all(unpack);
	if (r >= 0)
		r = unpack_finish_later(unpack);
	if (r >= 0 && wish->lift && !wish->layer)
		r = lift(unpack);
	if (r >= 0)
		r = unpack_tell_kept(unpack);
	if (r >= 0)
		*ret = unpack->result;
	behind_stop(&unpack->behind);
	tar_close(unpack->tar);
	fd_close(&unpack->cached_fd);
	fd_close(&unpack->later_fd);
	free(unpack->later);
	free(unpack);
	return r;
}
