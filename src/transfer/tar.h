/* transfer/tar - the entries of a tar archive, one after the other.
 *
 * ustar, pax, GNU (long names, big numbers) and the sparse files of GNU (old, 0.0, 0.1, 1.0), and
 * what came before them. Names are bytes and stay what they are; nothing is looked up or converted.
 * What a global header says is passed over. An own reader, since a library that makes text of names
 * cannot give back what is no text, and since every number here has its limit. Inside a worker.
 * Speaking.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct stream;

#define TAR_BLOCK 512
#define TAR_PATH_MAX 4095		     /* bytes of a name or a link's target */
#define TAR_HEADER_MAX ((size_t)1024 * 1024) /* one extended header, or long name */
#define TAR_XATTRS_MAX 256		     /* of one entry */
#define TAR_SPARSE_MAX ((size_t)512 * 1024)  /* pieces of one sparse file */
#define TAR_SIZE_MAX (UINT64_C(1) << 62)

enum tar_kind {
	TAR_FILE,
	TAR_HARD_LINK,
	TAR_SYMLINK,
	TAR_CHARACTER,
	TAR_BLOCK_DEVICE,
	TAR_DIRECTORY,
	TAR_FIFO,
	TAR_OTHER, /* of no known kind */
};

struct tar_xattr {
	const char *name; /* with a NUL behind it */
	const void *value;
	size_t size;
};

struct tar_entry {
	enum tar_kind kind;
	char path[TAR_PATH_MAX + 1], link[TAR_PATH_MAX + 1];
	uint64_t uid, gid, size; /* size: with its holes */
	mode_t mode;		 /* 07777 */
	struct timespec mtime;
	uint64_t major, minor;
	const struct tar_xattr *xattrs;
	size_t xattr_count;
	const char *acl_access, *acl_default; /* as text; NULL: none */
};

struct tar;

int tar_open(struct tar **ret, struct stream *stream); /* borrows STREAM */
void tar_close(struct tar *tar);		       /* accepts NULL */
void tar_closep(struct tar **tar);
#define autotar __attribute__((cleanup(tar_closep)))

/* 1: *ret is the next entry, until the next call; 0: there is none. What was left of the one before
 * is passed over. */
int tar_next(struct tar *tar, const struct tar_entry **ret);

/* The next bytes of the entry's data and where in the file they belong; between them are holes.
 * Their number, 0 at the end. */
ssize_t tar_data(struct tar *tar, uint64_t *ret_offset, const void **ret);

/* 1: all of its data can be had in the first piece, and it has no holes. */
bool tar_is_dense(const struct tar *tar);
