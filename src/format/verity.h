/* format/verity - how the hashes of a disk image lie beside its data, for dm-verity.
 *
 * The first block of a hash tree says how it was made (cryptsetup's superblock, version 1). Nothing
 * vouches for that block: what it says is taken only if it is sound and one of the few kinds that
 * are known to be safe, and the kernel compares all else with the root hash. Pure, quiet.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define VERITY_SUPERBLOCK 512 /* bytes */
#define VERITY_BLOCK_MAX 65536
#define VERITY_SALT_MAX 256	  /* bytes */
#define VERITY_TEXT_MAX (640 + 1) /* verity_print() */
#define VERITY_TABLE_MAX 1024	  /* verity_table() */

struct verity {
	const char *algorithm; /* as the kernel calls it; NULL: there is no tree */
	uint32_t type;	       /* 0: as first made, 1: as today */
	uint32_t data_block, hash_block;
	uint64_t data_blocks;
	char salt[2 * VERITY_SALT_MAX + 1]; /* in hexadecimal */
	uint64_t offset, size; /* of the tree: bytes of the image, or of a file of its own */
};

/* BYTES: the first of a tree. -ENOENT: there is none. -EBADMSG: it is damaged. -EOPNOTSUPP: of a
 * kind that is not taken. */
int verity_read(struct verity *ret, const uint8_t bytes[VERITY_SUPERBLOCK], uint64_t offset,
		uint64_t size);

/* Bytes of data that the tree is for. */
uint64_t verity_size(const struct verity *verity);

/* As a line of words without its end; the length. */
size_t verity_print(char text[VERITY_TEXT_MAX], const struct verity *verity);

/* Such a line, which may be anything; LIMIT: where offset and size have to lie. -EBADMSG. */
int verity_parse(struct verity *ret, const char *line, uint64_t limit);

/* What the kernel is told of it. DATA, HASHES: "7:1", block devices. ROOT_HASH in hexadecimal.
 * -EINVAL: its length is not the algorithm's. */
int verity_table(char ret[VERITY_TABLE_MAX], const struct verity *verity, const char *data,
		 const char *hashes, const char *root_hash);
