#include "format/disk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/parse.h"
#include "base/text.h"

static const struct {
	const char *name, *path;
} roles[DISK_ROLES] = {
	[DISK_ROOT] = { "root", "/" },		[DISK_USR] = { "usr", "/usr" },
	[DISK_HOME] = { "home", "/home" },	[DISK_SRV] = { "srv", "/srv" },
	[DISK_VAR] = { "var", "/var" },		[DISK_TMP] = { "tmp", "/var/tmp" },
	[DISK_XBOOTLDR] = { "xbootldr", NULL }, [DISK_ESP] = { "esp", NULL },
};

#define HASHES "hashes "

static const char *const problems[DISK_PROBLEMS] = {
	[DISK_FINE] = "fine",		[DISK_UNREADABLE] = "unreadable",
	[DISK_UNKNOWN] = "unknown",	[DISK_DAMAGED] = "damaged",
	[DISK_OUTSIDE] = "outside",	[DISK_OVERLAP] = "overlap",
	[DISK_TOO_MANY] = "too-many",	[DISK_NO_ROOT] = "no-root",
	[DISK_FOREIGN] = "foreign",	[DISK_SEVERAL] = "several",
	[DISK_ENCRYPTED] = "encrypted", [DISK_NO_SYSTEM] = "no-system",
	[DISK_TRUNCATED] = "truncated", [DISK_NO_HASHED] = "no-hashed",
	[DISK_NO_HASHES] = "no-hashes", [DISK_HASHES_UNKNOWN] = "hashes-unknown",
};

const char *disk_role_name(enum disk_role role)
{
	return roles[role].name;
}

const char *disk_role_path(enum disk_role role)
{
	return roles[role].path;
}

size_t disk_print(char text[DISK_TEXT_MAX], const struct disk *disk, const struct verity *verity,
		  enum disk_problem problem)
{
	size_t n = (size_t)snprintf(text, DISK_TEXT_MAX, "%s\n", problems[problem]);

	for (int i = 0; i < DISK_ROLES && problem == DISK_FINE; i++) {
		const struct disk_part *part = &disk->parts[i];

		if (part->type == SUPERBLOCK_NONE)
			continue;
		n += (size_t)snprintf(text + n, DISK_TEXT_MAX - n,
				      "%s %s %s %" PRIu64 " %" PRIu64 "\n", roles[i].name,
				      superblock_name(part->type), part->read_only ? "ro" : "rw",
				      part->offset, part->size);
	}
	if (problem == DISK_FINE && verity != NULL && verity->algorithm != NULL) {
		n += (size_t)snprintf(text + n, DISK_TEXT_MAX - n, HASHES);
		n += verity_print(text + n, verity);
		n += (size_t)snprintf(text + n, DISK_TEXT_MAX - n, "\n");
	}
	return n;
}

/* The next word of a line, with a NUL in place of END behind it. */
static char *take_word(char **text, char end)
{
	char *word = *text, *mark = strchr(word, end);

	if (mark == NULL)
		return NULL;
	*mark = '\0';
	*text = mark + 1;
	return word;
}

static bool parse_type(enum superblock_type *ret, const char *word)
{
	for (unsigned int i = 0; i < SUPERBLOCK_TYPES; i++)
		if (superblock_name(i) != NULL && text_equal(superblock_name(i), word)) {
			*ret = i;
			return true;
		}
	return false;
}

static int parse_part(struct disk *disk, char **text)
{
	const char *role = take_word(text, ' ');
	const char *type = role ? take_word(text, ' ') : NULL;
	const char *mode = type ? take_word(text, ' ') : NULL;
	const char *offset = mode ? take_word(text, ' ') : NULL;
	const char *size = offset ? take_word(text, '\n') : NULL;
	struct disk_part part;

	if (size == NULL || !parse_type(&part.type, type) || parse_u64(&part.offset, offset) < 0 ||
	    parse_u64(&part.size, size) < 0)
		return -EBADMSG;
	part.read_only = text_equal(mode, "ro");
	if (!part.read_only && !text_equal(mode, "rw"))
		return -EBADMSG;
	for (int i = 0; i < DISK_ROLES; i++) {
		if (!text_equal(roles[i].name, role))
			continue;
		if (disk->parts[i].type != SUPERBLOCK_NONE)
			return -EBADMSG;
		disk->parts[i] = part;
		return 0;
	}
	return -EBADMSG;
}

static int parse_hashes(struct verity *verity, char **text, uint64_t size)
{
	const char *line = take_word(text, '\n');

	if (verity == NULL || verity->algorithm != NULL || line == NULL)
		return -EBADMSG;
	return verity_parse(verity, line + strlen(HASHES), size);
}

static bool overlaps(const struct disk_part *part, uint64_t offset, uint64_t size)
{
	return part->type != SUPERBLOCK_NONE && offset < part->offset + part->size &&
	       part->offset < offset + size;
}

/* Loop devices count in sectors. */
static bool is_sound(const struct disk *disk, const struct verity *verity, uint64_t size)
{
	bool hashed = verity != NULL && verity->algorithm != NULL;

	for (int i = 0; i < DISK_ROLES; i++) {
		const struct disk_part *part = &disk->parts[i];

		if (part->type == SUPERBLOCK_NONE)
			continue;
		if (part->size == 0 || part->size > size || part->offset > size - part->size ||
		    part->offset % 512 != 0)
			return false;
		for (int k = 0; k < i; k++)
			if (overlaps(&disk->parts[k], part->offset, part->size))
				return false;
		if (hashed && overlaps(part, verity->offset, verity->size))
			return false;
	}
	return hashed || disk->parts[DISK_ROOT].type != SUPERBLOCK_NONE;
}

int disk_parse(struct disk *ret, struct verity *ret_verity, const char *text, size_t length,
	       uint64_t size)
{
	struct verity verity = { 0 }, *hashes = ret_verity == NULL ? NULL : &verity;
	struct disk disk = { 0 };
	char copy[DISK_TEXT_MAX], *at = copy;
	const char *word;
	int r = 0;

	if (length >= sizeof(copy) || memchr(text, '\0', length) != NULL)
		return -EBADMSG;
	memcpy(copy, text, length);
	copy[length] = '\0';
	word = take_word(&at, '\n');
	for (int i = DISK_FINE + 1; word != NULL && i < DISK_PROBLEMS; i++)
		if (text_equal(word, problems[i]))
			return *at == '\0' ? i : -EBADMSG;
	if (!text_equal(word, problems[DISK_FINE]))
		return -EBADMSG;
	while (*at != '\0' && r == 0)
		r = text_after(at, HASHES) ? parse_hashes(hashes, &at, size)
					   : parse_part(&disk, &at);
	if (r < 0 || !is_sound(&disk, hashes, size))
		return -EBADMSG;
	*ret = disk;
	if (ret_verity != NULL)
		*ret_verity = verity;
	return DISK_FINE;
}
