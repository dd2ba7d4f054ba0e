#include "format/qcow2.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "format/octets.h"

enum {
	HEADER_2 = 72,	/* size of version 2's */
	HEADER_3 = 104, /* at least */

	/* Bits that whoever reads must understand. */
	DIRTY = 1 << 0, /* reference counts may be wrong; the tables are right */
	CORRUPT = 1 << 1,
	OTHER_FILE = 1 << 2,
	COMPRESSION = 1 << 3,
	EXTENDED = 1 << 4,
	KNOWN = DIRTY | CORRUPT | OTHER_FILE | COMPRESSION | EXTENDED,

	ZLIB = 0,
	ZSTD = 1,

	SECTOR = 512,
	EXTENDED_CLUSTER_BITS_MIN = 14,
};

#define OFFSET_BITS 56 /* of what an entry names */
#define OFFSET_MASK ((UINT64_C(1) << OFFSET_BITS) - SECTOR)
#define ALONE (UINT64_C(1) << 63) /* nobody else refers to it: of no use to who only reads */
#define COMPRESSED (UINT64_C(1) << 62)
#define ZERO UINT64_C(1)

static int damaged(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EBADMSG;
}

static int unsupported(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EOPNOTSUPP;
}

bool qcow2_is(const uint8_t *data, size_t size)
{
	return size >= 4 && memcmp(data, "QFI\xfb", 4) == 0;
}

static int read_features(struct qcow2 *image, const uint8_t *data, size_t size,
			 const char **ret_why)
{
	uint64_t features = octets_get64(data + 72);
	uint32_t header = octets_get32(data + 100);
	unsigned compression;

	if (header < HEADER_3 || header > UINT32_C(1) << image->cluster_bits)
		return damaged(ret_why, "the size of its header is wrong");
	if ((features & CORRUPT) != 0)
		return damaged(ret_why, "it is marked as corrupt (try 'qemu-img check -r all')");
	if ((features & OTHER_FILE) != 0)
		return unsupported(ret_why, "its data is in another file "
					    "(try 'qemu-img convert' first)");
	if ((features & ~(uint64_t)KNOWN) != 0)
		return unsupported(ret_why, "it has features that are not known "
					    "(try 'qemu-img convert' first)");

	compression = header > HEADER_3 && size > HEADER_3 ? data[HEADER_3] : ZLIB;
	if ((compression != ZLIB) != ((features & COMPRESSION) != 0))
		return damaged(ret_why, "its header contradicts itself about compression");
	if (compression > ZSTD)
		return unsupported(ret_why, "its compression is neither zlib nor zstd "
					    "(try 'qemu-img convert' first)");
	image->zstd = compression == ZSTD;
	image->extended = (features & EXTENDED) != 0;
	if (image->extended && image->cluster_bits < EXTENDED_CLUSTER_BITS_MIN)
		return damaged(ret_why, "its clusters are too small for extended entries");
	return 0;
}

static int read_l1(struct qcow2 *image, const uint8_t *data, const char **ret_why)
{
	unsigned bits = image->cluster_bits + image->l2_bits; /* of what one entry stands for */
	uint32_t count = octets_get32(data + 36);
	uint64_t needed = (image->size + (UINT64_C(1) << bits) - 1) >> bits;

	image->l1_offset = octets_get64(data + 40);
	if (count > QCOW2_L1_COUNT_MAX || needed > count)
		return damaged(ret_why, "its first table does not fit to its size");
	image->l1_count = (uint32_t)needed;
	if (needed == 0)
		return 0;
	if (image->l1_offset == 0 ||
	    (image->l1_offset & ((UINT64_C(1) << image->cluster_bits) - 1)) != 0)
		return damaged(ret_why, "its first table is where none can be");
	if (image->l1_offset > image->file_size ||
	    needed * QCOW2_L1_ENTRY > image->file_size - image->l1_offset)
		return damaged(ret_why, "it ends before its first table does: it was cut short");
	return 0;
}

int qcow2_header(struct qcow2 *ret, const uint8_t *data, size_t size, uint64_t file_size,
		 uint64_t size_max, const char **ret_why)
{
	struct qcow2 image = { .file_size = file_size, .l2_entry = sizeof(uint64_t) };
	int r;

	if (!qcow2_is(data, size))
		return damaged(ret_why, "it is no qcow2 image");
	if (size < HEADER_2)
		return damaged(ret_why, "it ends before its header does: it was cut short");
	image.version = octets_get32(data + 4);
	if (image.version != 2 && image.version != 3)
		return unsupported(ret_why, "its version of qcow2 is neither 2 nor 3 "
					    "(try 'qemu-img convert' first)");
	if (image.version == 3 && size < HEADER_3)
		return damaged(ret_why, "it ends before its header does: it was cut short");
	image.cluster_bits = octets_get32(data + 20);
	if (image.cluster_bits < QCOW2_CLUSTER_BITS_MIN ||
	    image.cluster_bits > QCOW2_CLUSTER_BITS_MAX)
		return damaged(ret_why, "its clusters are not of 512 bytes to 2 MiB");
	if (image.version == 3) {
		r = read_features(&image, data, size, ret_why);
		if (r < 0)
			return r;
	}

	if (octets_get64(data + 8) != 0)
		return unsupported(ret_why, "it is only the difference to another image, its "
					    "backing file (try 'qemu-img convert' first)");
	if (octets_get32(data + 32) != 0)
		return unsupported(ret_why, "it is encrypted (try 'qemu-img convert' first)");
	image.size = octets_get64(data + 24);
	if (image.size > MIN(size_max, (uint64_t)INT64_MAX)) {
		*ret_why = "the disk in it is larger than allowed";
		return -EFBIG;
	}
	if (image.extended)
		image.l2_entry *= 2;
	image.l2_bits = image.cluster_bits - (image.extended ? 4 : 3);
	r = read_l1(&image, data, ret_why);
	if (r < 0)
		return r;
	*ret = image;
	return 0;
}

/* The offset of a cluster, whose bits 9 to 55 are in ENTRY. If USED, the cluster begins inside of
 * the file. */
static int read_offset(const struct qcow2 *image, uint64_t *ret, uint64_t entry, bool used,
		       const char **ret_why)
{
	uint64_t offset = entry & OFFSET_MASK;

	if ((entry & ~(OFFSET_MASK | ALONE)) != 0 ||
	    (offset & ((UINT64_C(1) << image->cluster_bits) - 1)) != 0)
		return damaged(ret_why, "an entry of its tables is wrong");
	if (used && offset != 0 && offset >= image->file_size)
		return damaged(ret_why, "it ends before its data does: it was cut short");
	*ret = offset;
	return 0;
}

int qcow2_l1_entry(const struct qcow2 *image, uint64_t *ret_offset, const uint8_t *entry,
		   const char **ret_why)
{
	return read_offset(image, ret_offset, octets_get64(entry), true, ret_why);
}

/* The further the sectors are counted, the fewer bits are left for where they begin. */
static int read_compressed(const struct qcow2 *image, struct qcow2_cluster *ret, uint64_t entry,
			   const char **ret_why)
{
	unsigned size_bits = image->cluster_bits - 8, offset_bits = 62 - size_bits;
	uint64_t offset = entry & ((UINT64_C(1) << offset_bits) - 1);
	uint64_t more = entry >> offset_bits & ((UINT64_C(1) << size_bits) - 1);
	uint64_t size = (more + 1) * SECTOR - offset % SECTOR;

	if (offset == 0 || offset >> OFFSET_BITS != 0)
		return damaged(ret_why, "an entry of its tables is wrong");
	if (offset >= image->file_size)
		return damaged(ret_why, "it ends before its data does: it was cut short");
	*ret = (struct qcow2_cluster){
		.kind = QCOW2_COMPRESSED,
		.offset = offset,
		/* The last sector of the file need not be whole. */
		.size = (uint32_t)MIN(size, image->file_size - offset),
	};
	return 0;
}

int qcow2_l2_entry(const struct qcow2 *image, struct qcow2_cluster *ret, const uint8_t *entry,
		   const char **ret_why)
{
	struct qcow2_cluster cluster = { .kind = QCOW2_HOLE, .parts = UINT32_MAX };
	uint64_t first = octets_get64(entry);
	uint32_t zero = 0;
	int r;

	if ((first & COMPRESSED) != 0)
		return read_compressed(image, ret, first, ret_why);
	if (image->extended) {
		zero = octets_get32(entry + 8);
		cluster.parts = octets_get32(entry + 12);
	} else if (image->version >= 3 && (first & ZERO) != 0) {
		first &= ~ZERO;
		cluster.parts = 0; /* what it has in the file is of no meaning */
	}
	r = read_offset(image, &cluster.offset, first, cluster.parts != 0, ret_why);
	if (r < 0)
		return r;
	if ((cluster.parts & zero) != 0 ||
	    (image->extended && cluster.offset == 0 && cluster.parts != 0))
		return damaged(ret_why, "an entry of its tables contradicts itself");
	if (cluster.offset != 0 && cluster.parts != 0)
		cluster.kind = QCOW2_DATA;
	*ret = cluster;
	return 0;
}
