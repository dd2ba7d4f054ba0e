/* format/gpt - the partition tables of disks: GPT (UEFI 2.10, chapter 5) and the older MBR.
 *
 * Bytes in, numbers out: the caller reads what it is told to. Everything is
 * checked: sums, sizes, and that all lies on a disk of the size given. Pure, quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GPT_SECTOR_MIN 512
#define GPT_SECTOR_MAX 4096
#define GPT_TABLE_MAX (128 * 1024) /* bytes of all entries */
#define GPT_USED_MAX 128	   /* of them, those that are in use */
#define GPT_TYPE_ROOM 37	   /* "4f68bce3-e8cd-4db1-96e7-fbcaf984b709" */
#define MBR_PARTITIONS 4

/* Attributes of the Discoverable Partitions Specification. */
#define GPT_GROW (UINT64_C(1) << 59)
#define GPT_READ_ONLY (UINT64_C(1) << 60)
#define GPT_NO_AUTO (UINT64_C(1) << 63)

struct gpt_entry {
	unsigned int number;			     /* as people count: from 1 */
	char type[GPT_TYPE_ROOM], id[GPT_TYPE_ROOM]; /* of the kind; of this one */
	uint64_t offset, size;			     /* bytes */
	uint64_t attributes;
};

struct gpt {
	uint32_t sector;
	uint64_t first, last;	/* sectors that partitions may have */
	uint64_t table, length; /* where the entries are, bytes */
	uint32_t entry_size, checksum;
	struct gpt_entry entries[GPT_USED_MAX];
	size_t count;
};

struct mbr_entry {
	unsigned int type;
	bool bootable;
	uint64_t offset, size; /* bytes; size 0: not used */
};

struct mbr {
	bool protective; /* for a GPT */
	struct mbr_entry entries[MBR_PARTITIONS];
};

/* BLOCK: the second sector, SECTOR bytes, of a disk of SIZE bytes. Leaves the entries out. -ENOENT:
 * there is no GPT. -EBADMSG: it is damaged. -ERANGE: it does not fit the disk. */
int gpt_read_header(struct gpt *ret, const uint8_t *block, uint32_t sector, uint64_t size);

/* TABLE: gpt->length bytes. As above. -E2BIG: more than GPT_USED_MAX. -EEXIST: they overlap. */
int gpt_read_entries(struct gpt *gpt, const uint8_t *table, uint64_t size);

/* BLOCK: the first 512 bytes. -ENOENT: no table. Entries are not checked, but for their number. */
int mbr_read(struct mbr *ret, const uint8_t *block);

/* The sum that GPT uses (ITU-T V.42, as of zlib). */
uint32_t gpt_checksum(const uint8_t *data, size_t size);
