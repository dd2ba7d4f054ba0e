#include "format/superblock.h"

#include <stdbool.h>
#include <string.h>

#include "base/macros.h"
#include "format/little.h"

#define BTRFS 0x10000 /* where its superblock is */
#define EXT4_64BIT 0x80

static uint64_t big(const uint8_t *data, int bytes)
{
	uint64_t number = 0;

	for (int i = 0; i < bytes; i++)
		number = number << 8 | data[i];
	return number;
}

/* 0 rather than a number that has run over: then the size is not known. */
static uint64_t product(uint64_t count, uint64_t size)
{
	return size != 0 && count > INT64_MAX / size ? 0 : count * size;
}

static uint64_t shifted(uint64_t count, unsigned int bits)
{
	return bits < 32 ? product(count, UINT64_C(1) << bits) : 0;
}

/* Offsets as in the kernel's fs/ext4/ext4.h and so on. */
static uint64_t ext4_size(const uint8_t *data)
{
	const uint8_t *super = data + 1024;
	uint64_t blocks = little32(super + 4);
	uint32_t log = little32(super + 24);

	if (little32(super + 96) & EXT4_64BIT)
		blocks |= (uint64_t)little32(super + 336) << 32;
	return log > 6 ? 0 : shifted(blocks, 10 + log);
}

static uint64_t btrfs_size(const uint8_t *data)
{
	return little64(data + BTRFS + 0x70);
}

static uint64_t xfs_size(const uint8_t *data)
{
	return product(big(data + 8, 8), big(data + 4, 4));
}

static uint64_t squashfs_size(const uint8_t *data)
{
	return little64(data + 40);
}

static uint64_t erofs_size(const uint8_t *data)
{
	return shifted(little32(data + 1024 + 36), data[1024 + 12]);
}

static uint64_t vfat_size(const uint8_t *data)
{
	uint64_t sectors = little16(data + 19);

	return product(sectors != 0 ? sectors : little32(data + 32), little16(data + 11));
}

static const struct {
	const char *name;
	struct {
		size_t at;
		const char *bytes;
		size_t length;
	} marks[2]; /* both, where there are two */
	uint64_t (*size)(const uint8_t *data);
} types[SUPERBLOCK_TYPES] = {
#define MARK(at, bytes)                       \
	{                                     \
		at, bytes, sizeof(bytes) - 1, \
	}
	[SUPERBLOCK_EXT4] = { "ext4", { MARK(1024 + 56, "\x53\xef") }, ext4_size },
	[SUPERBLOCK_BTRFS] = { "btrfs", { MARK(BTRFS + 0x40, "_BHRfS_M") }, btrfs_size },
	[SUPERBLOCK_XFS] = { "xfs", { MARK(0, "XFSB") }, xfs_size },
	[SUPERBLOCK_SQUASHFS] = { "squashfs",
				  { MARK(0, "hsqs"), MARK(28, "\x04\x00") },
				  squashfs_size },
	[SUPERBLOCK_EROFS] = { "erofs", { MARK(1024, "\xe2\xe1\xf5\xe0") }, erofs_size },
	[SUPERBLOCK_F2FS] = { "f2fs", { MARK(1024, "\x10\x20\xf5\xf2") }, NULL },
	[SUPERBLOCK_VFAT] = { "vfat", { MARK(510, "\x55\xaa") }, vfat_size },
	[SUPERBLOCK_LUKS] = { NULL, { MARK(0, "LUKS\xba\xbe") }, NULL },
#undef MARK
};

/* The end of a boot sector is no mark of its own. */
static bool is_fat(const uint8_t *data)
{
	return memcmp(data + 82, "FAT32   ", 8) == 0 || memcmp(data + 54, "FAT16   ", 8) == 0 ||
	       memcmp(data + 54, "FAT12   ", 8) == 0;
}

static bool is_type(enum superblock_type type, const uint8_t *data, size_t size)
{
	if (types[type].marks[0].length == 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(types[type].marks); i++) {
		size_t at = types[type].marks[i].at, length = types[type].marks[i].length;

		if (at + length > size ||
		    memcmp(data + at, types[type].marks[i].bytes, length) != 0)
			return false;
	}
	return type != SUPERBLOCK_VFAT || is_fat(data);
}

enum superblock_type superblock_find(uint64_t *ret_size, const uint8_t *data, size_t size)
{
	enum superblock_type found = SUPERBLOCK_NONE;
	uint8_t window[SUPERBLOCK_WINDOW] = { 0 };

	/* What is not there is zeros. */
	memcpy(window, data, MIN(size, sizeof(window)));
	*ret_size = 0;
	for (unsigned int type = 0; type < SUPERBLOCK_TYPES; type++) {
		if (!is_type(type, window, sizeof(window)))
			continue;
		if (found != SUPERBLOCK_NONE)
			return SUPERBLOCK_SEVERAL;
		found = type;
	}
	if (types[found].size != NULL)
		*ret_size = types[found].size(window);
	return found;
}

const char *superblock_name(enum superblock_type type)
{
	return types[type].name;
}

const struct superblock_server *superblock_server(enum superblock_type type)
{
	static const struct superblock_server servers[SUPERBLOCK_TYPES] = {
		[SUPERBLOCK_EXT4] = { "fuse2fs", "fuse2fs" },
		[SUPERBLOCK_SQUASHFS] = { "squashfuse_ll", "squashfuse" },
		[SUPERBLOCK_EROFS] = { "erofsfuse", "erofsfuse" },
	};

	return servers[type].program != NULL ? &servers[type] : NULL;
}
