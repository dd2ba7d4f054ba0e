/* format/qcow2 - header and tables of disk images in qcow2, versions 2 and 3. Pure, quiet.
 *
 * What is read comes from anywhere: every number is compared with the size of the file it stands
 * in. Backing files, encryption and data in another file are refused; snapshots inside of an image
 * and its reference counts are not looked at. Beside a negative errno comes WHY, what is wrong in
 * the words for a person, for behind "cannot read 'X': ":
 * -EBADMSG: damaged, or no such image. -EOPNOTSUPP: it needs what is not read here. -EFBIG: it is
 * larger than the caller allows.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QCOW2_HEADER_SIZE \
	112 /* so much of an image's begin is looked at, or all of a smaller one */
#define QCOW2_CLUSTER_BITS_MIN 9
#define QCOW2_CLUSTER_BITS_MAX 21
#define QCOW2_L1_COUNT_MAX (4U << 20) /* entries; the limit of other programs */
#define QCOW2_L1_ENTRY 8	      /* bytes */
#define QCOW2_PARTS 32		      /* of a cluster in an image with extended entries */

struct qcow2 {
	uint64_t file_size;
	uint64_t size;	       /* of the disk */
	uint64_t l1_offset;    /* in the file; the table lies inside of it */
	uint32_t l1_count;     /* entries that the disk needs */
	unsigned version;      /* 2, 3 */
	unsigned cluster_bits; /* the size of a cluster is 1 << cluster_bits */
	unsigned l2_bits;      /* a second table has 1 << l2_bits entries */
	unsigned l2_entry;     /* bytes */
	bool extended;	       /* clusters have QCOW2_PARTS parts */
	bool zstd;	       /* else compressed clusters are raw deflate */
};

enum qcow2_kind {
	QCOW2_HOLE, /* reads as zeros */
	QCOW2_DATA,
	QCOW2_COMPRESSED,
};

struct qcow2_cluster {
	enum qcow2_kind kind;
	uint64_t
		offset; /* in the file. QCOW2_DATA: of the cluster, which may pass the file's end */
	uint32_t size;	/* of QCOW2_COMPRESSED: inside of the file; the data may end before */
	uint32_t parts; /* of QCOW2_DATA: which are there, from the lowest bit; others are holes */
};

/* True: whatever begins so is meant to be a qcow2 image. */
bool qcow2_is(const uint8_t *data, size_t size);

/* DATA: the begin of a file of FILE_SIZE bytes. */
int qcow2_header(struct qcow2 *ret, const uint8_t *data, size_t size, uint64_t file_size,
		 uint64_t size_max, const char **ret_why);

/* Where the second table is that an entry of the first names; 0: nothing but holes. The entries of
 * the table that the disk needs may still pass the file's end. */
int qcow2_l1_entry(const struct qcow2 *image, uint64_t *ret_offset, const uint8_t *entry,
		   const char **ret_why);

/* What an entry of a second table, l2_entry bytes, says about its cluster. */
int qcow2_l2_entry(const struct qcow2 *image, struct qcow2_cluster *ret, const uint8_t *entry,
		   const char **ret_why);
