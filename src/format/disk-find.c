#include "format/disk-find.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"
#include "format/gpt.h"

#define TYPE_LINUX "0fc63daf-8483-4772-8e79-3d69d8477de4"
#define MBR_LINUX 0x83

/* Of each architecture. ALSO: another one whose programs it runs. */
static const struct architecture {
	const char *machine, *also, *root, *usr, *root_verity, *usr_verity;
} architectures[] = {
	{ "x86_64", "i686", "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
	  "8484680c-9521-48c6-9c11-b0720656f69e", "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5",
	  "77ff5f63-e7b6-4633-acf4-1565b864c0e6" },
	{ "i686", NULL, "44479540-f297-41b2-9af7-d131d5f0458a",
	  "75250d76-8cc6-458e-bd66-bd47cc81a812", "d13c5d3b-b5d1-422a-b29f-9454fdc89d76",
	  "8f461b0d-14ee-4e81-9aa9-049b6fb97abd" },
	{ "aarch64", "arm", "b921b045-1df0-41c3-af44-4c6f280d3fae",
	  "b0e01050-ee5f-4390-949a-9101b17104e9", "df3300ce-d69f-4c92-978c-9bfb0f38d820",
	  "6e11a4e7-fbca-4ded-b9e9-e1a512bb664e" },
	{ "arm", NULL, "69dad710-2ce4-4e3c-b16c-21a1d49abed3",
	  "7d0359a3-02b3-4f0a-865c-654403e70625", "7386cdf2-203c-47a9-a498-f2ecce45a2d6",
	  "c215d751-7bcd-4649-be90-6627490a4c05" },
	{ "riscv64", NULL, "72ec70a6-cf74-40e6-bd49-4bda08e8f224",
	  "beaec34b-8442-439b-a40b-984381ed097d", "b6ed5582-440b-4209-b8da-5ff7c419ea3d",
	  "8f1056be-9b05-47c4-81d6-be53128e5b54" },
	{ "loongarch64", NULL, "77055800-792c-4f94-b39a-98c91b762bb6",
	  "e611c702-575c-4cbe-9a46-434fa0bf7e3f", "f3393b22-e9af-4613-a948-9d3bfbd0c535",
	  "f46b2c26-59ae-48f0-9106-c50ed47f673d" },
	{ "ppc64le", NULL, "c31c45e6-3f39-412e-80fb-4809c4980599",
	  "15bb03af-77e7-4d4a-b12b-c0d084f7491c", "906bd944-4589-4aae-a4e4-dd983917446a",
	  "ee2b9983-21e8-4153-86d9-b6901a54d1ce" },
	{ "s390x", NULL, "5eead9a9-fe09-4a1e-a1d7-520d00531306",
	  "8a4f5770-50aa-4ed3-874a-99b710db6fea", "b325bfbe-c7be-4ab8-8357-139e652d2f6b",
	  "31741cc4-1a2a-4111-a581-e00b447d2d06" },
};

static const char *const everywhere[DISK_ROLES] = {
	[DISK_HOME] = "933ac7e1-2eb4-4f13-b844-0e14e2aef915",
	[DISK_SRV] = "3b8f8425-20e0-4f3b-907f-1a25a76f98e8",
	[DISK_VAR] = "4d21b016-b534-45c2-a9fb-5c16e091fd2d",
	[DISK_TMP] = "7ec6f557-3bc5-4aca-b293-16ef5df639d1",
	[DISK_XBOOTLDR] = "bc13c2ff-59e6-4262-a352-b275fd6f7172",
	[DISK_ESP] = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
};

static const struct architecture *find_architecture(const char *machine)
{
	if (machine[0] == 'i' && text_ends(machine, "86"))
		machine = "i686";
	else if (text_after(machine, "armv") != NULL)
		machine = "arm";
	for (size_t i = 0; i < ARRAY_SIZE(architectures); i++)
		if (text_equal(architectures[i].machine, machine))
			return &architectures[i];
	return NULL;
}

/* ---- the file system of a part ---- */

static enum disk_problem look_inside(struct disk_part *part, const struct disk_source *source)
{
	uint8_t window[SUPERBLOCK_WINDOW];
	size_t size = (size_t)MIN(part->size, (uint64_t)sizeof(window));
	uint64_t system;

	if (source->read(source->context, window, size, part->offset) < 0)
		return DISK_UNREADABLE;
	part->type = superblock_find(&system, window, size);
	if (part->type == SUPERBLOCK_LUKS)
		return DISK_ENCRYPTED;
	if (superblock_name(part->type) == NULL)
		return DISK_NO_SYSTEM;
	return system > part->size ? DISK_TRUNCATED : DISK_FINE;
}

/* ---- GPT ---- */

/* The entry of TYPE, if it is the only one. */
static const struct gpt_entry *find_type(const struct gpt *gpt, const char *type, size_t *ret_count)
{
	const struct gpt_entry *found = NULL;

	*ret_count = 0;
	for (size_t i = 0; i < gpt->count; i++) {
		const struct gpt_entry *entry = &gpt->entries[i];

		if (!text_equal(entry->type, type) || entry->attributes & GPT_NO_AUTO)
			continue;
		if (found == NULL)
			found = entry;
		++*ret_count;
	}
	return found;
}

static enum disk_problem take(struct disk *disk, enum disk_role role, const struct gpt_entry *entry,
			      const struct disk_source *source)
{
	struct disk_part part = {
		.read_only = (entry->attributes & GPT_READ_ONLY) != 0,
		.offset = entry->offset,
		.size = entry->size,
	};
	enum disk_problem problem = look_inside(&part, source);

	/* What only firmware needs stops no container. */
	if (problem != DISK_FINE && role >= DISK_XBOOTLDR)
		return DISK_FINE;
	if (problem == DISK_FINE)
		disk->parts[role] = part;
	return problem;
}

/* ---- hashes ---- */

static enum disk_problem read_hashes(struct verity *ret, const struct disk_source *source,
				     uint64_t offset, uint64_t size)
{
	uint8_t bytes[VERITY_SUPERBLOCK];
	int r;

	if (size < sizeof(bytes))
		return DISK_NO_HASHES;
	if (source->read(source->context, bytes, sizeof(bytes), offset) < 0)
		return DISK_UNREADABLE;
	r = verity_read(ret, bytes, offset, size);
	return r == 0 ? DISK_FINE : r == -EOPNOTSUPP ? DISK_HASHES_UNKNOWN : DISK_NO_HASHES;
}

/* The entry of TYPE whose id is the 32 digits. */
static const struct gpt_entry *find_id(const struct gpt *gpt, const char *type, const char *digits)
{
	for (size_t i = 0; i < gpt->count; i++) {
		const struct gpt_entry *entry = &gpt->entries[i];
		const char *digit = digits;

		if (!text_equal(entry->type, type) || entry->attributes & GPT_NO_AUTO)
			continue;
		for (const char *at = entry->id; *at == '-' || *at == *digit; at++)
			if (*at != '-' && ++digit == digits + 32)
				return entry;
	}
	return NULL;
}

static enum disk_problem take_hashed(struct disk *disk, struct verity *verity,
				     const struct gpt *gpt, const struct architecture *own,
				     const struct disk_source *source)
{
	bool root = source->hashed == DISK_ROOT;
	const struct gpt_entry *data, *hashes;
	enum disk_problem problem;

	data = find_id(gpt, root ? own->root : own->usr, source->hash);
	hashes = find_id(gpt, root ? own->root_verity : own->usr_verity,
			 source->hash + strlen(source->hash) - 32);
	if (data == NULL || hashes == NULL)
		return DISK_NO_HASHED;
	problem = take(disk, source->hashed, data, source);
	if (problem == DISK_FINE)
		problem = read_hashes(verity, source, hashes->offset, hashes->size);
	if (problem == DISK_FINE && verity_size(verity) > data->size)
		problem = DISK_NO_HASHES;
	disk->parts[source->hashed].read_only = true;
	return problem;
}

/* ---- */

/* The only one, or the one that belongs to the hash. */
static enum disk_problem take_one(struct disk *disk, struct verity *verity, enum disk_role role,
				  const struct gpt *gpt, const struct architecture *own,
				  const struct disk_source *source)
{
	size_t count;
	const struct gpt_entry *entry = find_type(gpt, role == DISK_ROOT ? own->root : own->usr,
						  &count);

	if (entry == NULL && role == DISK_ROOT)
		return DISK_NO_ROOT;
	if (source->hash != NULL && source->hashed == role)
		return take_hashed(disk, verity, gpt, own, source);
	if (count > 1)
		return DISK_SEVERAL;
	return entry == NULL ? DISK_FINE : take(disk, role, entry, source);
}

static enum disk_problem take_system(struct disk *disk, struct verity *verity,
				     const struct gpt *gpt, const struct architecture *own,
				     const struct disk_source *source)
{
	enum disk_problem problem = take_one(disk, verity, DISK_ROOT, gpt, own, source);

	return problem == DISK_FINE ? take_one(disk, verity, DISK_USR, gpt, own, source) : problem;
}

static enum disk_problem take_generic(struct disk *disk, const struct gpt *gpt,
				      const struct disk_source *source)
{
	size_t count;
	const struct gpt_entry *root = find_type(gpt, TYPE_LINUX, &count);

	if (count > 1)
		return DISK_SEVERAL;
	if (root != NULL)
		return take(disk, DISK_ROOT, root, source);
	for (size_t i = 0; i < ARRAY_SIZE(architectures); i++)
		if (find_type(gpt, architectures[i].root, &count) != NULL)
			return DISK_FOREIGN;
	return DISK_NO_ROOT;
}

static enum disk_problem take_gpt(struct disk *disk, struct verity *verity, const struct gpt *gpt,
				  const struct disk_source *source)
{
	const struct architecture *own = find_architecture(source->machine);
	enum disk_problem problem = DISK_NO_ROOT;

	if (own != NULL)
		problem = take_system(disk, verity, gpt, own, source);
	if (problem == DISK_NO_ROOT && own != NULL && own->also != NULL)
		problem = take_system(disk, verity, gpt, find_architecture(own->also), source);
	if (problem == DISK_NO_ROOT)
		problem = source->hash != NULL ? DISK_NO_HASHED : take_generic(disk, gpt, source);
	for (unsigned int role = 0; role < DISK_ROLES && problem == DISK_FINE; role++) {
		const struct gpt_entry *entry;
		size_t count;

		if (everywhere[role] == NULL)
			continue;
		entry = find_type(gpt, everywhere[role], &count);
		if (entry != NULL) /* the first of several, as the specification says */
			problem = take(disk, role, entry, source);
	}
	return problem;
}

static enum disk_problem of_error(int r)
{
	switch (r) {
	case -ERANGE: return DISK_OUTSIDE;
	case -EEXIST: return DISK_OVERLAP;
	case -E2BIG: return DISK_TOO_MANY;
	default: return DISK_DAMAGED;
	}
}

/* -ENOENT: there is none. Disks of larger sectors have it further behind. */
static int find_header(struct gpt *gpt, const struct disk_source *source)
{
	uint8_t block[GPT_SECTOR_MAX];
	int r = -ENOENT;

	for (uint32_t sector = GPT_SECTOR_MIN; sector <= GPT_SECTOR_MAX && r == -ENOENT;
	     sector *= 2) {
		if (source->size < UINT64_C(2) * sector)
			break;
		if (source->read(source->context, block, sector, sector) < 0)
			return -EIO;
		r = gpt_read_header(gpt, block, sector, source->size);
	}
	return r;
}

static enum disk_problem find_gpt(struct disk *disk, struct verity *verity,
				  const struct disk_source *source)
{
	uint8_t table[GPT_TABLE_MAX];
	struct gpt gpt;
	int r = find_header(&gpt, source);

	if (r == -ENOENT)
		return DISK_UNKNOWN;
	if (r == 0 && source->read(source->context, table, gpt.length, gpt.table) < 0)
		r = -EIO;
	if (r == -EIO)
		return DISK_UNREADABLE;
	if (r == 0)
		r = gpt_read_entries(&gpt, table, source->size);
	return r < 0 ? of_error(r) : take_gpt(disk, verity, &gpt, source);
}

/* ---- MBR ---- */

static enum disk_problem take_mbr(struct disk *disk, const struct mbr_entry *entry,
				  const struct disk_source *source)
{
	struct disk_part part = { .offset = entry->offset, .size = entry->size };
	enum disk_problem problem;

	if (part.size > source->size || part.offset > source->size - part.size)
		return DISK_OUTSIDE;
	problem = look_inside(&part, source);
	if (problem == DISK_FINE)
		disk->parts[DISK_ROOT] = part;
	return problem;
}

static enum disk_problem find_mbr(struct disk *disk, const struct disk_source *source)
{
	const struct mbr_entry *one = NULL, *bootable = NULL;
	size_t count = 0, bootables = 0;
	uint8_t block[GPT_SECTOR_MIN];
	struct mbr mbr;

	if (source->read(source->context, block, sizeof(block), 0) < 0)
		return DISK_UNREADABLE;
	if (mbr_read(&mbr, block) < 0)
		return DISK_UNKNOWN;
	if (mbr.protective) /* but the table that it protects was not found */
		return DISK_DAMAGED;
	for (size_t i = 0; i < MBR_PARTITIONS; i++) {
		const struct mbr_entry *entry = &mbr.entries[i];

		if (entry->type != MBR_LINUX || entry->size == 0)
			continue;
		one = entry;
		count++;
		if (entry->bootable) {
			bootable = entry;
			bootables++;
		}
	}
	if (count == 1)
		return take_mbr(disk, one, source);
	if (bootables == 1)
		return take_mbr(disk, bootable, source);
	return count == 0 ? DISK_NO_ROOT : DISK_SEVERAL;
}

/* ---- */

/* A file system on all of it, or an MBR. */
static enum disk_problem find_other(struct disk *disk, const struct disk_source *source)
{
	struct disk_part whole = { .size = source->size - source->size % 512,
				   .read_only = source->whole };
	enum disk_problem problem = look_inside(&whole, source);

	if (problem == DISK_NO_SYSTEM && whole.type == SUPERBLOCK_NONE && !source->whole)
		return find_mbr(disk, source);
	disk->parts[DISK_ROOT] = whole;
	return problem;
}

enum disk_problem disk_find(struct disk *ret, struct verity *ret_verity,
			    const struct disk_source *source)
{
	enum disk_problem problem = DISK_UNKNOWN;
	struct verity verity = { 0 };
	struct disk disk = { 0 };

	if (source->size < GPT_SECTOR_MIN)
		return DISK_UNKNOWN;
	if (!source->whole)
		problem = find_gpt(&disk, &verity, source);
	if (problem == DISK_UNKNOWN && source->hash != NULL && !source->whole)
		problem = DISK_NO_HASHED;
	if (problem == DISK_UNKNOWN)
		problem = find_other(&disk, source);
	if (problem != DISK_FINE)
		return problem;
	*ret = disk;
	if (ret_verity != NULL)
		*ret_verity = verity;
	return problem;
}

enum disk_problem disk_find_hashes(struct verity *ret, const struct disk_source *source)
{
	return read_hashes(ret, source, 0, source->size);
}
