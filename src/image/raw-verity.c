#include "image/raw-verity.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/text.h"
#include "io/child.h"
#include "io/fd.h"
#include "io/file.h"

#define HASH_TEXT_MAX 1024 /* bytes of a file or attribute */
#define HASH_DIGITS_MIN 32
#define MAKE_US (30 * UINT64_C(1000000))

/* ---- where hash and hashes are ---- */

static const char *beside(struct arena *arena, const char *path, const char *suffix)
{
	size_t length = strlen(path);

	if (text_ends(path, ".raw"))
		length -= strlen(".raw");
	return arena_format(arena, "%.*s%s", (int)length, path, suffix);
}

/* Without the end of the line. */
static int take_hash(struct arena *arena, const char **ret, const char *text, const char *where)
{
	size_t length = strcspn(text, "\r\n");
	char *hash = arena_text_n(arena, text, length);

	for (size_t i = 0; i < length; i++)
		hash[i] = (char)tolower((unsigned char)hash[i]);
	if (length < HASH_DIGITS_MIN || length % 2 != 0 ||
	    strspn(hash, "0123456789abcdef") != length ||
	    text[length + strspn(text + length, "\r\n")] != '\0')
		return fail_plain(-EBADMSG,
				  "cannot use the root hash in '%s': it is not at least 16 bytes "
				  "in hexadecimal",
				  where);
	*ret = hash;
	return 0;
}

/* 1: it is there. */
static int find_hash(struct arena *arena, const char **ret, int file_fd, const char *path,
		     const char *attribute, const char *suffix)
{
	const char *file = beside(arena, path, suffix);
	char value[HASH_TEXT_MAX + 1], *text;
	ssize_t n = fgetxattr(file_fd, attribute, value, HASH_TEXT_MAX);
	size_t size;
	int r;

	if (n >= 0) {
		value[n] = '\0';
		r = take_hash(arena, ret, value, attribute);
		return r < 0 ? r : 1;
	}
	if (errno != ENODATA && errno != EOPNOTSUPP)
		return fail(-errno, "cannot read the attribute '%s' of '%s'", attribute, path);
	r = file_read(arena, &text, &size, AT_FDCWD, file, HASH_TEXT_MAX);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return fail(r, "cannot read the root hash in '%s'", file);
	r = take_hash(arena, ret, text, file);
	return r < 0 ? r : 1;
}

/* Of the whole tree first. */
static int find_any_hash(struct arena *arena, struct raw_verity *verity, int file_fd,
			 const char *path)
{
	int r = find_hash(arena, &verity->hash, file_fd, path, "user.verity.roothash", ".roothash");

	if (r != 0)
		return r;
	r = find_hash(arena, &verity->hash, file_fd, path, "user.verity.usrhash", ".usrhash");
	if (r > 0)
		verity->role = DISK_USR;
	return r;
}

static int open_hashes(const char *path)
{
	int fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(-errno, "cannot open the hashes '%s' of a disk image", path);
	if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
		return fd;
	fd_close(&fd);
	return fail_plain(-ENOTBLK,
			  "cannot use '%s' as hashes of a disk image: it is neither a file nor a "
			  "block device",
			  path);
}

int raw_verity_find(struct arena *arena, struct raw_verity *ret, int file_fd, const char *path,
		    const char *hash, const char *data)
{
	struct raw_verity verity = { .hashes_fd = -EBADF, .role = DISK_ROOT };
	int r = hash != NULL ? take_hash(arena, &verity.hash, hash, "--root-hash=")
			     : find_any_hash(arena, &verity, file_fd, path);

	if (r < 0)
		return r;
	if (data == NULL && verity.role == DISK_ROOT) {
		data = beside(arena, path, ".verity");
		data = access(data, F_OK) == 0 ? data : NULL;
	}
	if (data != NULL && (verity.hash == NULL || verity.role != DISK_ROOT))
		return fail_plain(-ENOKEY,
				  "cannot use the disk image '%s': there are hashes of it in '%s', "
				  "but there is no root hash (give it with --root-hash=)",
				  path, data);
	if (data != NULL) {
		verity.hashes_fd = open_hashes(data);
		if (verity.hashes_fd < 0)
			return verity.hashes_fd;
	}
	*ret = verity;
	return 0;
}

/* ---- the device ---- */

static int name_device(char *ret, size_t room, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	snprintf(ret, room, "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	return 0;
}

static int describe(char table[VERITY_TABLE_MAX], const struct raw_verity *verity, int device,
		    int hashes, const char *path)
{
	char data_name[32], hashes_name[32];
	int r = name_device(data_name, sizeof(data_name), device);

	if (r >= 0)
		r = name_device(hashes_name, sizeof(hashes_name), hashes);
	if (r < 0)
		return fail(r, "cannot look at the devices of the disk image '%s'", path);
	r = verity_table(table, &verity->tree, data_name, hashes_name, verity->hash);
	if (r < 0)
		return fail_plain(r,
				  "cannot verify the disk image '%s': the root hash has %zu "
				  "digits, which is not the length of %s",
				  path, strlen(verity->hash), verity->tree.algorithm);
	return 0;
}

static int refuse(int error, const char *path)
{
	switch (error) {
	case ENOENT:
		return fail_plain(-ENOENT,
				  "cannot verify the disk image '%s': this host has no "
				  "device-mapper (try 'modprobe dm-verity')",
				  path);
	case ENOPKG:
		return fail_plain(-ENOPKG,
				  "cannot verify the disk image '%s': this kernel has no dm-verity "
				  "(try 'modprobe dm-verity')",
				  path);
	case ENODEV:
		return fail_plain(-ENODEV,
				  "cannot verify the disk image '%s': devices of the device-mapper "
				  "have no nodes in /dev",
				  path);
	case EBADMSG:
		return fail_plain(-EBADMSG,
				  "cannot use the disk image '%s': it is not what the root hash "
				  "stands for (is it another image's hash, or was it changed?)",
				  path);
	default: return fail(-error, "cannot verify the disk image '%s'", path);
	}
}

/* The device waits in the socket, where it goes with us. */
static int make(int *ret, char *const *arguments, const char *program, const char *path)
{
	autoclose int ours = -EBADF, theirs = -EBADF;
	struct child_request request = {
		.path = program,
		.arguments = arguments,
		.stdio = { -EBADF, -EBADF, STDERR_FILENO },
		.timeout_us = MAKE_US,
	};
	int ends[2], status, r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return fail(-errno, "cannot make a socket");
	ours = ends[0];
	theirs = request.stdio[0] = ends[1];
	r = child_run(&status, &request);
	if (r < 0)
		return fail(r, "cannot verify the disk image '%s': cannot run '%s'", path, program);
	if (status != 0)
		return refuse(status > 0 ? status : EIO, path);
	r = fd_receive(ours, ret, 1);
	return r == 1 ? 0 : refuse(EIO, path);
}

int raw_verity_attach(const struct raw_verity *verity, int *device, int hashes, const char *program,
		      const char *name, const char *path)
{
	char table[VERITY_TABLE_MAX], sectors[32];
	char *arguments[] = {
		(char *)"redd-dissect", (char *)"verity", (char *)name, sectors, table, NULL
	};
	int made = -EBADF, r = describe(table, verity, *device, hashes, path);

	if (r < 0)
		return r;
	snprintf(sectors, sizeof(sectors), "%" PRIu64, verity_size(&verity->tree) / 512);
	r = make(&made, arguments, program, path);
	if (r < 0)
		return r;
	fd_close(device);
	*device = made;
	return 0;
}
