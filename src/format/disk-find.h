/* format/disk-find - the partitions of a disk image that a container's tree is made of.
 *
 * In this order: a GPT with the partitions of the Discoverable Partitions
 * Specification for this architecture (or one that it runs as well), or with
 * one partition for Linux; a file system on the whole; an MBR with one
 * partition for Linux, or one of them bootable. Partitions that their table
 * keeps from being mounted by themselves are left out. With a root hash the
 * partition that is verified is the one whose id is its first half, and its
 * hashes are in that whose id is the second. Pure, quiet.
 */
#pragma once
#include "format/disk.h"

/* SIZE bytes at OFFSET, which lie inside of it; 0 or a negative errno. */
typedef int disk_read_fn(void *context, void *to, size_t size, uint64_t offset);

struct disk_source {
	disk_read_fn *read;
	void *context;
	uint64_t size;
	const char *machine;   /* "x86_64", as of uname(2) */
	bool whole;	       /* no table is looked for */
	const char *hash;      /* in hexadecimal, lower case, at least 32 digits; or NULL */
	enum disk_role hashed; /* root or usr */
};

/* RET_VERITY: of the hash; may be NULL without. */
enum disk_problem disk_find(struct disk *ret, struct verity *ret_verity,
			    const struct disk_source *source);

/* The disk is nothing but a hash tree. */
enum disk_problem disk_find_hashes(struct verity *ret, const struct disk_source *source);
