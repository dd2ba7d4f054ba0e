/* format/disk - what of a disk image makes a container's tree: which partition goes where.
 *
 * redd-dissect finds it out (format/disk-find) in a process that can do nothing else, and prints it
 * as text; the runner parses that text, which may be anything, and believes nothing that it cannot
 * check. Pure, quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/superblock.h"
#include "format/verity.h"

#define DISK_TEXT_MAX 2048

/* The Discoverable Partitions Specification; in the order in which they are mounted. */
enum disk_role {
	DISK_ROOT,
	DISK_USR,
	DISK_HOME,
	DISK_SRV,
	DISK_VAR,
	DISK_TMP, /* /var/tmp */
	DISK_XBOOTLDR,
	DISK_ESP,
	DISK_ROLES
};

struct disk_part {
	enum superblock_type type; /* SUPERBLOCK_NONE: there is none in this role */
	bool read_only;		   /* as the table says */
	uint64_t offset, size;	   /* bytes of the image */
};

struct disk {
	struct disk_part parts[DISK_ROLES];
};

enum disk_problem {
	DISK_FINE,
	DISK_UNREADABLE, /* it cannot be read */
	DISK_UNKNOWN,	 /* neither a table nor a file system */
	DISK_DAMAGED,	 /* the table */
	DISK_OUTSIDE,	 /* a partition, or the table, does not fit the image */
	DISK_OVERLAP,	 /* partitions */
	DISK_TOO_MANY,	 /* partitions */
	DISK_NO_ROOT,	 /* partition */
	DISK_FOREIGN,	 /* roots of other architectures only */
	DISK_SEVERAL,	 /* roots, or file systems of /usr */
	DISK_ENCRYPTED,	 /* one that is needed */
	DISK_NO_SYSTEM,	 /* one that is needed has no file system that is known */
	DISK_TRUNCATED,	 /* a file system is larger than its place */
	DISK_NO_HASHED,	 /* partitions with the two halves of the root hash as their ids */
	DISK_NO_HASHES,	 /* no hash tree where one should be, or a damaged one, or for more data */
	DISK_HASHES_UNKNOWN, /* a hash tree of a kind that is not taken */
	DISK_PROBLEMS
};

/* "root", "usr": in the text and for people. */
const char *disk_role_name(enum disk_role role);

/* Where it is mounted; NULL: where there is room (esp, xbootldr). */
const char *disk_role_path(enum disk_role role);

/* The length, at most DISK_TEXT_MAX with the NUL. VERITY: a hash tree; may be NULL. */
size_t disk_print(char text[DISK_TEXT_MAX], const struct disk *disk, const struct verity *verity,
		  enum disk_problem problem);

/* The problem that the text names; DISK_FINE: *RET is a root, and what else there is, each inside
 * of SIZE bytes and none in another; or *RET_VERITY is a hash tree, with or without that. NULL:
 * none is taken. -EBADMSG: anything else. */
int disk_parse(struct disk *ret, struct verity *ret_verity, const char *text, size_t length,
	       uint64_t size);
