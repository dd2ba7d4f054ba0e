/* Owners, modes, extended attributes and times. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/macros.h"
#include "io/fd.h"
#include "kernel/syscall.h"
#include "transfer/acl.h"
#include "transfer/unpack-inside.h"

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"
#define ID_MAX UINT64_C(4294967294) /* the one above means: leave it */

/* ---- what is told at the end ---- */

int unpack_fail(const struct unpack *unpack, int code)
{
	return fail(code, "cannot unpack '%.300s'", unpack->entry->path);
}

int unpack_refuse(const struct unpack *unpack, const char *why)
{
	return fail_plain(-EBADMSG, "cannot unpack '%.300s': %s", unpack->entry->path, why);
}

void unpack_keep_count(struct unpack *unpack, enum unpack_kept kind)
{
	if (unpack->kept[kind]++ == 0)
		memcpy(unpack->kept_first[kind], unpack->entry->path,
		       strnlen(unpack->entry->path, KEPT_NAME_MAX));
}

int unpack_tell_kept(struct unpack *unpack)
{
	static const char *const texts[KEPT_COUNT] = {
		[KEPT_NODES] = "device nodes were left out, which only the host's root can make",
		[KEPT_OWNERS] = "entries belong to the tree's root now, as their owners are no "
				"users here",
		[KEPT_ATTRIBUTES] = "extended attributes were left out, which archives may not "
				    "bring or this file system does not take",
		[KEPT_ACLS] = "access control lists were left out, which name no numbers or which "
			      "this file system does not take",
		[KEPT_KINDS] = "entries were left out, which are of no known kind",
	};
	static const char no_place[] = "device nodes were left out, which have no place in such an "
				       "archive";
	char sentence[512];
	const char *text;
	int r = 0;

	for (size_t i = 0; i < KEPT_COUNT && r >= 0; i++) {
		if (unpack->kept[i] == 0 || unpack->context->notice == NULL)
			continue;
		text = i == KEPT_NODES && unpack->wish.no_devices ? no_place : texts[i];
		snprintf(sentence, sizeof(sentence), "%llu %s (the first: '%s')",
			 (unsigned long long)unpack->kept[i], text, unpack->kept_first[i]);
		r = unpack->context->notice(unpack->context->context, sentence);
	}
	return r;
}

/* ---- owners and modes ---- */

/* 1: it is as the archive says; 0: it stays the root's. FD -EBADF: by name. */
static int give_owner(struct unpack *unpack, int fd, bool is_new)
{
	const struct tar_entry *entry = unpack->entry;
	uid_t uid = (uid_t)entry->uid;
	gid_t gid = (gid_t)entry->gid;
	int r;

	if (entry->uid > ID_MAX || entry->gid > ID_MAX)
		return unpack_refuse(unpack, "its owner is no user or group that could be");
	if (uid == 0 && gid == 0 && is_new)
		return 1;
	r = fd >= 0 ? fchown(fd, uid, gid)
		    : fchownat(unpack->parent, unpack->name, uid, gid, AT_SYMLINK_NOFOLLOW);
	if (r >= 0)
		return 1;
	if (errno != EINVAL && errno != EOVERFLOW && errno != EPERM)
		return unpack_fail(unpack, -errno);
	unpack_keep_count(unpack, KEPT_OWNERS);
	return 0;
}

/* Without its owner, a file must not give anybody that owner's rights. */
static mode_t mode_for(const struct unpack *unpack, int owned)
{
	mode_t mode = unpack->entry->mode;

	return owned ? mode : mode & ~(mode_t)(S_ISUID | S_ISGID);
}

/* ---- extended attributes ---- */

/* What overlays believe of their layers, and what the host's kernel believes, is not for archives
 * to say; a security module's labels are the policy's to give. */
static bool may_bring(const struct unpack *unpack, const char *name)
{
	if (strncmp(name, "user.overlay.", 13) == 0)
		return false;
	/* Where an image is from, and how it was verified, its top says (transfer/kept). */
	if (*unpack->path == '\0' && strncmp(name, "user.source_", 12) == 0)
		return false;
	return strncmp(name, "user.", 5) == 0 || strcmp(name, "security.capability") == 0;
}

static int set_one(struct unpack *unpack, int fd, const char *name, const void *value, size_t size)
{
	if (fd >= 0)
		return fsetxattr(fd, name, value, size, 0) < 0 ? -errno : 0;
	if (fchdir(unpack->parent) < 0)
		return -errno;
	return lsetxattr(unpack->name, name, value, size, 0) < 0 ? -errno : 0;
}

/* That a file system or a kind of file does not take it is no failure. */
static int kept(struct unpack *unpack, int code, enum unpack_kept kind)
{
	if (code >= 0)
		return 0;
	if (code != -EOPNOTSUPP && code != -EPERM && code != -EINVAL && code != -E2BIG &&
	    code != -ERANGE && code != -EACCES)
		return unpack_fail(unpack, code);
	unpack_keep_count(unpack, kind);
	return 0;
}

static int set_acl(struct unpack *unpack, int fd, const char *name, const char *text)
{
	unsigned char raw[ACL_RAW_MAX];
	int size;

	if (text == NULL)
		return 0;
	size = acl_from_text(raw, text);
	if (size == -EBADMSG)
		return unpack_refuse(unpack, "its access control list is not as it should be");
	if (size >= 0)
		size = set_one(unpack, fd, name, raw, (size_t)size);
	return kept(unpack, size < 0 ? (size == -ENOKEY ? -EINVAL : size) : 0, KEPT_ACLS);
}

static int set_attributes(struct unpack *unpack, int fd)
{
	const struct tar_entry *entry = unpack->entry;
	size_t sum = 0;
	int r = set_acl(unpack, fd, ACL_ACCESS, entry->acl_access);

	for (size_t i = 0; i < entry->xattr_count && r >= 0; i++) {
		const struct tar_xattr *xattr = &entry->xattrs[i];

		sum += xattr->size;
		if (sum > UNPACK_XATTR_MAX)
			return unpack_refuse(unpack,
					     "it has more than 256 KiB of extended attributes");
		if (strncmp(xattr->name, "system.posix_acl_", 17) == 0)
			continue; /* told as text, by who tells them */
		if (!may_bring(unpack, xattr->name))
			unpack_keep_count(unpack, KEPT_ATTRIBUTES);
		else
			r = kept(unpack,
				 set_one(unpack, fd, xattr->name, xattr->value, xattr->size),
				 KEPT_ATTRIBUTES);
	}
	return r;
}

/* ---- files, and what cannot be opened ---- */

static void times_of(const struct unpack *unpack, struct timespec ret[2])
{
	ret[0] = (struct timespec){ .tv_nsec = UTIME_OMIT };
	ret[1] = unpack->entry->mtime;
}

/* Owner first: it takes setuid bits and capabilities away. The time last: the rest may change it.
 */
int unpack_finish_file(struct unpack *unpack, int fd)
{
	int owned = give_owner(unpack, fd, true), r;
	struct timespec times[2];
	mode_t mode = mode_for(unpack, owned);

	if (owned < 0)
		return owned;
	if ((mode & 07000) != 0 && fchmod(fd, mode) < 0)
		return unpack_fail(unpack, -errno);
	r = set_attributes(unpack, fd);
	if (r < 0)
		return r;
	times_of(unpack, times);
	return futimens(fd, times) < 0 ? unpack_fail(unpack, -errno) : 0;
}

int unpack_finish_name(struct unpack *unpack)
{
	int owned = give_owner(unpack, -EBADF, false), r;
	bool is_link = unpack->entry->kind == TAR_SYMLINK;
	struct timespec times[2];

	if (owned < 0)
		return owned;
	if (!is_link && fchmodat(unpack->parent, unpack->name, mode_for(unpack, owned), 0) < 0)
		return unpack_fail(unpack, -errno);
	r = set_attributes(unpack, -EBADF);
	if (r < 0)
		return r;
	times_of(unpack, times);
	r = utimensat(unpack->parent, unpack->name, times, AT_SYMLINK_NOFOLLOW);
	return r < 0 ? unpack_fail(unpack, -errno) : 0;
}

/* ---- directories ----
 *
 * Their time is that of the archive only if nothing is put into them afterwards; a default ACL or a
 * setgid bit would be passed on to what is. So these wait, in a file without a name, since memory
 * must not grow with the archive.
 */

struct later {
	struct timespec mtime;
	mode_t mode;
	bool whole; /* not only its time */
	uint32_t path_size, acl_size;
};

static int later_open(struct unpack *unpack)
{
	if (unpack->later_fd >= 0)
		return 0;
	unpack->later_fd = openat(unpack->context->tree_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC,
				  0600);
	if (unpack->later_fd < 0) /* this file system has none */
		unpack->later_fd = memfd_create("directories", MFD_CLOEXEC);
	return unpack->later_fd < 0 ? unpack_fail(unpack, -errno) : 0;
}

static int later_flush(struct unpack *unpack)
{
	ssize_t n;

	for (size_t done = 0; done < unpack->later_used; done += (size_t)n) {
		n = pwrite(unpack->later_fd, unpack->later + done, unpack->later_used - done,
			   (off_t)unpack->later_size);
		if (n < 0)
			return unpack_fail(unpack, -errno);
		unpack->later_size += (uint64_t)n;
	}
	unpack->later_used = 0;
	return 0;
}

static int later_add(struct unpack *unpack, const struct later *later, const void *acl)
{
	size_t size = sizeof(*later) + later->path_size + later->acl_size;
	unsigned char *to;
	int r = later_open(unpack);

	if (r >= 0 && unpack->later_used + size > LATER_SIZE)
		r = later_flush(unpack);
	if (r < 0)
		return r;
	to = unpack->later + unpack->later_used;
	memcpy(to, later, sizeof(*later));
	memcpy(to + sizeof(*later), unpack->path, later->path_size);
	memcpy(to + sizeof(*later) + later->path_size, acl, later->acl_size);
	unpack->later_used += size;
	return 0;
}

/* Its size; 0: none. */
static int default_acl(struct unpack *unpack, unsigned char ret[ACL_RAW_MAX])
{
	const char *text = unpack->entry->acl_default;
	int size = text ? acl_from_text(ret, text) : 0;

	if (size == -EBADMSG)
		return unpack_refuse(unpack, "its access control list is not as it should be");
	if (size < 0)
		unpack_keep_count(unpack, KEPT_ACLS);
	return size > 0 ? size : 0;
}

int unpack_finish_directory(struct unpack *unpack, bool is_new)
{
	const struct tar_entry *entry = unpack->entry;
	unsigned char acl[ACL_RAW_MAX];
	struct later later = { .mtime = entry->mtime };
	bool top = *unpack->path == '\0', attributes;
	autoclose int own = -EBADF;
	int owned, r = 0, size, fd = -EBADF;

	attributes = entry->xattr_count > 0 || entry->acl_access;
	if (top) {
		fd = unpack->context->tree_fd;
	} else if (attributes || !is_new) {
		fd = own = openat(unpack->parent, unpack->name,
				  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (own < 0)
			return unpack_fail(unpack, -errno);
	}
	owned = give_owner(unpack, fd, is_new);
	if (owned < 0)
		return owned;
	later.mode = mode_for(unpack, owned);
	if (!is_new) {
		fremovexattr(fd, ACL_ACCESS);
		r = fchmod(fd, later.mode & 0777) < 0 ? unpack_fail(unpack, -errno) : 0;
	}
	if (r >= 0 && attributes)
		r = set_attributes(unpack, fd);
	if (r < 0)
		return r;
	size = default_acl(unpack, acl);
	if (size < 0)
		return size;
	later.path_size = (uint32_t)strlen(unpack->path) + 1;
	later.acl_size = (uint32_t)size;
	later.whole = top || size > 0 || (later.mode & 07000);
	return later_add(unpack, &later, acl);
}

/* Of the records of one directory the last one is right in all, also in what it does not have. */
static int finish_whole(struct unpack *unpack, const struct later *later, int fd, const char *path,
			const void *acl)
{
	if (fchmod(fd, later->mode) < 0)
		return fail(-errno, "cannot set the mode of the directory '%s'", path);
	if (later->acl_size == 0) {
		fremovexattr(fd, ACL_DEFAULT);
	} else if (fsetxattr(fd, ACL_DEFAULT, acl, later->acl_size, 0) < 0) {
		if (errno != EOPNOTSUPP && errno != EINVAL && errno != EPERM)
			return fail(-errno, "cannot set the ACL of the directory '%s'", path);
		unpack_keep_count(unpack, KEPT_ACLS);
	}
	return 0;
}

static int finish_one(struct unpack *unpack, const struct later *later, const char *path,
		      const void *acl)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, later->mtime };
	autoclose int fd = sys_openat2(unpack->context->tree_fd, *path ? path : ".", &how);
	int r = 0;

	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
		return 0; /* a later entry took its place */
	if (fd < 0)
		return fail(fd, "cannot finish the directory '%s'", path);
	if (later->whole || unpack->again)
		r = finish_whole(unpack, later, fd, path, acl);
	if (r < 0)
		return r;
	return futimens(fd, times) < 0
		       ? fail(-errno, "cannot set the time of the directory '%s'", path)
		       : 0;
}

/* From the file, a part at a time that begins with a record. */
int unpack_finish_later(struct unpack *unpack)
{
	uint64_t at = 0;
	int r = later_flush(unpack);

	while (r >= 0 && at < unpack->later_size) {
		ssize_t n = pread(unpack->later_fd, unpack->later, LATER_SIZE, (off_t)at);
		size_t done = 0, size;

		if (n <= 0)
			return fail(n < 0 ? -errno : -EIO, "cannot finish the directories");
		while (r >= 0 && done + sizeof(struct later) <= (size_t)n) {
			struct later later;
			const unsigned char *from = unpack->later + done;

			memcpy(&later, from, sizeof(later));
			size = sizeof(later) + later.path_size + later.acl_size;
			if (done + size > (size_t)n)
				break;
			r = finish_one(unpack, &later, (const char *)from + sizeof(later),
				       from + sizeof(later) + later.path_size);
			done += size;
		}
		at += done;
	}
	return r;
}
