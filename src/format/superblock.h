/* format/superblock - which file system lies there.
 *
 * Looks at what marks the file systems that images are made of, and how large
 * they say they are. Others are not known. Pure, quiet.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define SUPERBLOCK_WINDOW (68 * 1024) /* bytes that are looked at */

enum superblock_type {
	SUPERBLOCK_NONE,
	SUPERBLOCK_EXT4, /* and what came before it */
	SUPERBLOCK_BTRFS,
	SUPERBLOCK_XFS,
	SUPERBLOCK_SQUASHFS,
	SUPERBLOCK_EROFS,
	SUPERBLOCK_F2FS,
	SUPERBLOCK_VFAT,
	SUPERBLOCK_LUKS,    /* encrypted: what is in it cannot be told */
	SUPERBLOCK_SEVERAL, /* marks of more than one */
	SUPERBLOCK_TYPES
};

/* DATA: the first SIZE bytes, at most SUPERBLOCK_WINDOW. *ret_size: bytes that the file system has;
 * 0: not known. */
enum superblock_type superblock_find(uint64_t *ret_size, const uint8_t *data, size_t size);

/* The kernel's name of it: "ext4"; NULL: none that could be mounted. */
const char *superblock_name(enum superblock_type type);

/* What shows it where the kernel may not (FUSE), and the package of Debian's that has it. */
struct superblock_server {
	const char *program, *package;
};

/* NULL: nothing does. */
const struct superblock_server *superblock_server(enum superblock_type type);
