#include "format/gpt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "format/little.h"

#define HEADER_SIZE 92
#define ENTRY_MIN 128
#define ENTRY_MAX 512
#define REVISION 0x00010000

uint32_t gpt_checksum(const uint8_t *data, size_t size)
{
	uint32_t sum = UINT32_MAX;

	for (size_t i = 0; i < size; i++) {
		sum ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			sum = sum >> 1 ^ (sum & 1 ? UINT32_C(0xedb88320) : 0);
	}
	return ~sum;
}

/* The header's own sum is made with zeros in its place. */
static uint32_t header_checksum(const uint8_t *block, uint32_t size)
{
	uint8_t copy[GPT_SECTOR_MAX];

	memcpy(copy, block, size);
	memset(copy + 16, 0, 4);
	return gpt_checksum(copy, size);
}

int gpt_read_header(struct gpt *ret, const uint8_t *block, uint32_t sector, uint64_t size)
{
	struct gpt gpt = { .sector = sector };
	uint64_t sectors = size / sector, table, count;
	uint32_t header;

	if (memcmp(block, "EFI PART", 8) != 0)
		return -ENOENT;
	header = little32(block + 12);
	if (little32(block + 8) != REVISION || header < HEADER_SIZE || header > sector ||
	    header_checksum(block, header) != little32(block + 16) || little64(block + 24) != 1)
		return -EBADMSG;
	gpt.first = little64(block + 40);
	gpt.last = little64(block + 48);
	table = little64(block + 72);
	count = little32(block + 80);
	gpt.entry_size = little32(block + 84);
	gpt.checksum = little32(block + 88);
	if (gpt.entry_size < ENTRY_MIN || gpt.entry_size > ENTRY_MAX ||
	    (gpt.entry_size & (gpt.entry_size - 1)) != 0 || count == 0 ||
	    count > GPT_TABLE_MAX / gpt.entry_size || gpt.first > gpt.last || table < 2)
		return -EBADMSG;
	gpt.length = count * gpt.entry_size;
	if (table >= sectors || gpt.length > (sectors - table) * sector || gpt.last >= sectors)
		return -ERANGE;
	gpt.table = table * sector;
	*ret = gpt;
	return 0;
}

/* The first three parts are numbers, the others bytes. */
static void print_guid(char ret[GPT_TYPE_ROOM], const uint8_t *guid)
{
	snprintf(ret, GPT_TYPE_ROOM, "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 little32(guid), little16(guid + 4), little16(guid + 6), guid[8], guid[9], guid[10],
		 guid[11], guid[12], guid[13], guid[14], guid[15]);
}

static bool overlaps(const struct gpt *gpt, const struct gpt_entry *entry)
{
	for (size_t i = 0; i < gpt->count; i++) {
		const struct gpt_entry *other = &gpt->entries[i];

		if (entry->offset < other->offset + other->size &&
		    other->offset < entry->offset + entry->size)
			return true;
	}
	return false;
}

static int read_entry(struct gpt *gpt, const uint8_t *bytes, unsigned int number, uint64_t size)
{
	uint64_t first = little64(bytes + 32), last = little64(bytes + 40);
	struct gpt_entry entry = { .number = number, .attributes = little64(bytes + 48) };
	static const uint8_t unused[16];

	if (memcmp(bytes, unused, sizeof(unused)) == 0)
		return 0;
	if (gpt->count == GPT_USED_MAX)
		return -E2BIG;
	if (first > last || first < gpt->first)
		return -EBADMSG;
	if (last > gpt->last || last >= size / gpt->sector)
		return -ERANGE;
	print_guid(entry.type, bytes);
	print_guid(entry.id, bytes + 16);
	entry.offset = first * gpt->sector;
	entry.size = (last - first + 1) * gpt->sector;
	if (overlaps(gpt, &entry))
		return -EEXIST;
	gpt->entries[gpt->count++] = entry;
	return 0;
}

int gpt_read_entries(struct gpt *gpt, const uint8_t *table, uint64_t size)
{
	int r = 0;

	gpt->count = 0;
	if (gpt_checksum(table, gpt->length) != gpt->checksum)
		return -EBADMSG;
	for (uint64_t at = 0; at < gpt->length && r == 0; at += gpt->entry_size)
		r = read_entry(gpt, table + at, (unsigned int)(at / gpt->entry_size) + 1, size);
	return r;
}

int mbr_read(struct mbr *ret, const uint8_t *block)
{
	struct mbr mbr = { 0 };

	if (block[510] != 0x55 || block[511] != 0xaa)
		return -ENOENT;
	for (int i = 0; i < MBR_PARTITIONS; i++) {
		const uint8_t *at = block + 446 + 16 * i;
		struct mbr_entry *entry = &mbr.entries[i];

		/* Anything else there is the code of a boot sector, and no table. */
		if (at[0] != 0 && at[0] != 0x80)
			return -ENOENT;
		entry->type = at[4];
		entry->bootable = at[0] == 0x80;
		entry->offset = (uint64_t)little32(at + 8) * GPT_SECTOR_MIN;
		entry->size = entry->type == 0 ? 0 : (uint64_t)little32(at + 12) * GPT_SECTOR_MIN;
		mbr.protective = mbr.protective || entry->type == 0xee;
	}
	*ret = mbr;
	return 0;
}
