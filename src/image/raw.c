#include "image/raw.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/text.h"
#include "image/raw-mount.h"
#include "image/raw-serve.h"
#include "io/child.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/loop.h"

#define DISSECT "redd-dissect"
#define DISSECT_US (30 * UINT64_C(1000000))
#define LIMIT_US (20 * UINT64_C(1000000)) /* for what asks little of a file system */
#define PEEK_US (5 * UINT64_C(1000000))

/* ---- the file ---- */

/* What is opened is what was looked at: other devices do things when they are opened. */
int raw_open(const char *path, bool *read_only)
{
	autoclose int found = open(path, O_PATH | O_CLOEXEC);
	const int flags = O_NOCTTY | O_NONBLOCK;
	struct stat st;
	int fd = -EROFS;

	if (found < 0 || fstat(found, &st) < 0)
		return fail(-errno, "cannot open the disk image '%s'", path);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return fail_plain(-ENOTBLK,
				  "cannot use '%s' as a disk image: it is neither a file nor a "
				  "block device (a directory is given with --directory=)",
				  path);
	if (S_ISREG(st.st_mode) && (st.st_mode & 0222) == 0)
		*read_only = true;
	if (!*read_only)
		fd = fd_reopen(found, O_RDWR | flags | (S_ISBLK(st.st_mode) ? O_EXCL : 0));
	if (fd == -EROFS || fd == -EACCES || fd == -EPERM)
		*read_only = true;
	if (*read_only)
		fd = fd_reopen(found, O_RDONLY | flags);
	if (fd == -EBUSY)
		return fail_plain(-EBUSY,
				  "cannot use the block device '%s': it is in use (unmount it, or "
				  "try --read-only)",
				  path);
	return fd < 0 ? fail(fd, "cannot open the disk image '%s'", path) : fd;
}

int raw_copy(struct arena *arena, int file_fd, const char *path, bool only_shared)
{
	autoclose int copy = open(path_parent(arena, path), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int r;

	(void)raw_serve_await(file_fd);
	if (copy >= 0 && ioctl(copy, FICLONE, file_fd) == 0)
		return take_fd(&copy);
	if (only_shared)
		return -EOPNOTSUPP;
	if (copy < 0)
		copy = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (copy < 0)
		return fail(-errno, "cannot make a copy of the disk image '%s'", path);
	log_notice("'%s' has several file systems, so --ephemeral has to copy it, which takes a "
		   "while",
		   path);
	r = file_copy_fd(copy, file_fd);
	return r < 0 ? fail(r, "cannot copy the disk image '%s'", path) : take_fd(&copy);
}

/* ---- what is in it ---- */

static const char *const problems[DISK_PROBLEMS] = {
	[DISK_UNREADABLE] = "it cannot be read",
	[DISK_UNKNOWN] = "there is neither a partition table in it nor a file system that is known "
			 "(an ISO or qcow2 image has to be converted first)",
	[DISK_DAMAGED] = "its partition table is damaged",
	[DISK_OUTSIDE] = "its partitions do not fit into it (was it cut off?)",
	[DISK_OVERLAP] = "partitions of it overlap",
	[DISK_TOO_MANY] = "it has more than 128 partitions",
	[DISK_NO_ROOT] = "it has no partition with a root file system",
	[DISK_FOREIGN] = "its root file system is for another kind of processor",
	[DISK_SEVERAL] = "it has several partitions that could be its root (give the right one the "
			 "type of a root partition for this kind of processor)",
	[DISK_ENCRYPTED] = "a partition of it is encrypted, which is not built yet",
	[DISK_NO_SYSTEM] = "a partition of it has no file system that is known (these are: ext4, "
			   "btrfs, xfs, squashfs, erofs, f2fs, vfat)",
	[DISK_TRUNCATED] = "a file system of it is larger than its place (was it cut off?)",
	[DISK_NO_HASHED] = "no partitions of it belong to the root hash, and there are no hashes "
			   "beside it (give them with --verity-data=)",
	[DISK_NO_HASHES] = "its hashes are damaged, or are not of this image",
	[DISK_HASHES_UNKNOWN] = "its hashes are of a kind that is not known to be safe (those of "
				"sha256, sha384 and sha512 are)",
};

const char *raw_find_dissect(struct arena *arena)
{
	char self[4096];
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *found;

	if (size > 0) {
		self[size] = '\0';
		found = path_join(arena, path_parent(arena, self), DISSECT);
		if (access(found, X_OK) == 0)
			return found;
	}
	return path_join(arena, raw_helpers, DISSECT);
}

/* It says less than a pipe holds, so it never waits for us. */
static int ask_dissect(struct arena *arena, char text[DISK_TEXT_MAX], int file_fd, const char *path,
		       const char *what, const char *hash)
{
	const char *program = raw_find_dissect(arena);
	char *arguments[] = { (char *)DISSECT, (char *)what, (char *)hash, NULL };
	autoclose int ours = -EBADF, theirs = -EBADF;
	struct child_request request = {
		.path = program,
		.arguments = arguments,
		.stdio = { file_fd, -EBADF, STDERR_FILENO },
		.timeout_us = DISSECT_US,
	};
	int ends[2], status, r;
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return fail(-errno, "cannot make a pipe");
	ours = ends[0];
	theirs = request.stdio[1] = ends[1];
	r = child_run(&status, &request);
	if (r < 0)
		return fail(r, "cannot look into the disk image '%s': cannot run '%s'", path,
			    program);
	if (status != 0)
		return fail_plain(-EIO,
				  "cannot look into the disk image '%s': '%s' failed (status %d)",
				  path, program, status);
	n = read(ours, text, DISK_TEXT_MAX - 1);
	return n < 0 ? fail(-errno, "cannot hear from '%s'", program) : (int)n;
}

static int image_size(uint64_t *ret, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = (uint64_t)st.st_size;
	return S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, ret) < 0 ? -errno : 0;
}

/* By a descriptor that can only be read. WHAT, HASH: arguments of redd-dissect, or NULL. */
static int look(struct arena *arena, struct disk *disk, struct verity *tree, int file_fd,
		const char *path, const char *what, const char *hash)
{
	autoclose int reading = fd_reopen(file_fd, O_RDONLY);
	char text[DISK_TEXT_MAX];
	uint64_t size;
	int n, r = reading < 0 ? reading : image_size(&size, reading);

	if (r < 0)
		return fail(r, "cannot open the disk image '%s'", path);
	n = ask_dissect(arena, text, reading, path, what, hash);
	if (n < 0)
		return n;
	r = disk_parse(disk, tree, text, (size_t)n, size);
	if (r < 0)
		return fail_plain(r, "cannot look into the disk image '%s': '%s' gave no answer",
				  path, DISSECT);
	return r == DISK_FINE ? 0
			      : fail_plain(-EMEDIUMTYPE, "cannot use the disk image '%s': %s", path,
					   problems[r]);
}

/* The hashes are in a file of their own: then there is no table. */
static int look_beside(struct arena *arena, struct raw *raw, int file_fd, const char *path)
{
	struct disk none;
	int r = look(arena, &raw->disk, NULL, file_fd, path, "whole", NULL);

	return r < 0 ? r
		     : look(arena, &none, &raw->verity.tree, raw->verity.hashes_fd, path, "hashes",
			    NULL);
}

static bool is_any_written(const struct raw *raw)
{
	for (int role = 0; role < DISK_ROLES; role++)
		if (raw_mount_writes(raw, role))
			return true;
	return false;
}

static int look_verified(struct arena *arena, struct raw *raw, int file_fd, const char *path)
{
	struct raw_verity *verity = &raw->verity;
	struct disk_part *part = &raw->disk.parts[verity->role];
	int r;

	if (verity->hashes_fd >= 0)
		r = look_beside(arena, raw, file_fd, path);
	else
		r = look(arena, &raw->disk, &verity->tree, file_fd, path,
			 disk_role_name(verity->role), verity->hash);
	if (r < 0)
		return r;
	if (raw->disk.parts[DISK_ROOT].type == SUPERBLOCK_NONE || part->type == SUPERBLOCK_NONE ||
	    verity->tree.algorithm == NULL || verity_size(&verity->tree) > part->size)
		return fail_plain(-EMEDIUMTYPE, "cannot use the disk image '%s': %s", path,
				  problems[DISK_NO_HASHES]);
	part->read_only = true;
	return 0;
}

int raw_look(struct arena *arena, struct raw *raw, int file_fd, const char *path)
{
	int r = raw->verity.hash == NULL ? look(arena, &raw->disk, NULL, file_fd, path, NULL, NULL)
					 : look_verified(arena, raw, file_fd, path);

	raw->read_only = raw->read_only || (r >= 0 && !is_any_written(raw));
	return r;
}

bool raw_is_single(const struct disk *disk)
{
	for (int role = DISK_ROOT + 1; role < DISK_XBOOTLDR; role++)
		if (disk->parts[role].type != SUPERBLOCK_NONE)
			return false;
	return true;
}

/* ---- block devices ---- */

static int attach_part(int *ret, int file_fd, uint64_t offset, uint64_t size, bool read_only,
		       const char *name, const char *path)
{
	unsigned int number;
	int fd = loop_attach(&number, file_fd, offset, size, read_only, name);

	if (fd == -ENOENT)
		return fail_plain(-ENOENT,
				  "cannot attach the disk image '%s': this host has no loop "
				  "devices (try 'modprobe loop')",
				  path);
	if (fd < 0)
		return fail(fd, "cannot attach the disk image '%s'", path);
	*ret = fd;
	return 0;
}

/* Over the loop devices of data and hashes, which it keeps. */
static int attach_verified(struct arena *arena, struct raw *raw, int file_fd, const char *tag,
			   const char *path)
{
	const struct raw_verity *verity = &raw->verity;
	const char *role = disk_role_name(verity->role);
	autoclose int hashes = -EBADF;
	int r = attach_part(&hashes, verity->hashes_fd >= 0 ? verity->hashes_fd : file_fd,
			    verity->tree.offset, verity->tree.size, true,
			    arena_format(arena, "redd %s hashes", tag), path);

	return r < 0 ? r
		     : raw_verity_attach(verity, &raw->loops[verity->role], hashes,
					 raw_find_dissect(arena),
					 arena_format(arena, "%s-%s", tag, role), path);
}

/* What is for firmware is left out where nothing shows it. */
static int prepare_served(struct arena *arena, struct raw *raw, int file_fd, const char *path)
{
	if (raw->verity.hash != NULL)
		return fail_plain(-EPERM,
				  "cannot verify the disk image '%s' without root: that takes the "
				  "device-mapper (run as root)",
				  path);
	for (int role = 0; role < DISK_ROLES; role++) {
		struct disk_part *part = &raw->disk.parts[role];

		if (role >= DISK_XBOOTLDR && !raw_serve_can(arena, part->type))
			part->type = SUPERBLOCK_NONE;
		if (part->type == SUPERBLOCK_NONE)
			continue;
		raw->loops[role] = fd_duplicate(file_fd);
		if (raw->loops[role] < 0)
			return fail(raw->loops[role], "cannot keep the disk image '%s' open", path);
	}
	raw->used = true;
	return 0;
}

int raw_attach(struct arena *arena, struct raw *raw, int file_fd, const char *path, const char *tag)
{
	int r = 0;

	if (raw->served)
		return prepare_served(arena, raw, file_fd, path);

	for (int role = 0; role < DISK_ROLES && r >= 0; role++) {
		const struct disk_part *part = &raw->disk.parts[role];

		if (part->type == SUPERBLOCK_NONE)
			continue;
		r = attach_part(&raw->loops[role], file_fd, part->offset, part->size,
				raw->read_only || part->read_only,
				arena_format(arena, "redd %s %s", tag,
					     disk_role_name((enum disk_role)role)),
				path);
	}
	if (r >= 0 && raw->verity.hash != NULL)
		r = attach_verified(arena, raw, file_fd, tag, path);
	if (r < 0)
		return r;
	raw->used = true;
	return 0;
}

/* ---- the tree ---- */

void raw_limit(const struct raw *raw)
{
	raw_servers_limit(&raw->servers, LIMIT_US);
}

void raw_unlimit(const struct raw *raw)
{
	raw_servers_limit(&raw->servers, 0);
}

void raw_limit_end(struct raw *raw)
{
	raw_limit(raw);
	fd_close(&raw->servers.timer_fd);
}

void raw_rest(struct raw *raw)
{
	fd_close(&raw->mounts_fd);
	raw_servers_rest(&raw->servers);
}

/* Whoever reads the image then finds all of it. */
static void end_servers(struct raw *raw)
{
	bool served = raw->servers.line_fd >= 0;

	raw_servers_end(&raw->servers);
	if (!served || raw->plan || raw->read_only)
		return;
	if (raw_serve_await(raw->loops[DISK_ROOT]) < 0)
		log_warning("what was written to the disk image is not all there yet, going on "
			    "without waiting");
}

void raw_done(struct raw *raw)
{
	raw_rest(raw);
	end_servers(raw);
	fd_close(&raw->verity.hashes_fd);
	for (int role = 0; role < DISK_ROLES; role++)
		fd_close(&raw->loops[role]);
	raw->used = false;
}

/* What a system is does not lie in the others. */
static void leave_out_data(struct disk *disk)
{
	for (int role = 0; role < DISK_ROLES; role++)
		if (role != DISK_ROOT && role != DISK_USR)
			disk->parts[role].type = SUPERBLOCK_NONE;
}

int raw_peek(struct arena *arena, struct raw *ret, const char *path)
{
	struct raw raw = RAW_EMPTY;
	autoclose int file = -EBADF;
	int r;

	raw.read_only = raw.served = true;
	file = raw_open(path, &raw.read_only);
	if (file < 0)
		return file;
	/* Of what has to be verified, nothing else is read. */
	r = raw_verity_find(arena, &raw.verity, file, path, NULL, NULL);
	if (r >= 0)
		r = raw_look(arena, &raw, file, path);
	leave_out_data(&raw.disk);
	if (r >= 0)
		r = raw_attach(arena, &raw, file, path, "peek");
	if (r >= 0)
		r = raw_mount(&raw, "/sys", path);
	if (r < 0) {
		raw_done(&raw);
		return r;
	}
	raw_servers_limit(&raw.servers, PEEK_US);
	*ret = raw;
	return r;
}
