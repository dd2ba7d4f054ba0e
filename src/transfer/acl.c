#include "transfer/acl.h"

#include <endian.h>
#include <errno.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

static const struct {
	const char *word;
	uint16_t alone, named; /* tags */
} kinds[] = {
	{ "user", ACL_USER_OBJ, ACL_USER },
	{ "group", ACL_GROUP_OBJ, ACL_GROUP },
	{ "mask", ACL_MASK, 0 },
	{ "other", ACL_OTHER, 0 },
};

static int take_id(uint32_t *ret, const char *text, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -ENOKEY;
		value = value * 10 + (uint64_t)(text[i] - '0');
		if (value >= UINT32_MAX)
			return -EBADMSG;
	}
	*ret = (uint32_t)value;
	return 0;
}

static int take_permissions(const char *text, size_t size, uint16_t *ret)
{
	uint16_t value = 0;

	for (size_t i = 0; i < size; i++)
		switch (text[i]) {
		case 'r': value |= ACL_READ; break;
		case 'w': value |= ACL_WRITE; break;
		case 'x': value |= ACL_EXECUTE; break;
		case '-': break;
		default: return -EBADMSG;
		}
	*ret = value;
	return 0;
}

/* The part up to the next colon, or the end. */
static const char *part(const char **at, const char *end, size_t *ret_size)
{
	const char *from = *at, *colon = memchr(from, ':', (size_t)(end - from));

	*ret_size = (size_t)((colon ? colon : end) - from);
	*at = colon ? colon + 1 : end;
	return from;
}

/* "user:NAME:rwx" or, with the number behind, "user:NAME:rwx:1000". */
static int take_entry(struct posix_acl_xattr_entry *ret, const char *at, const char *end)
{
	size_t word_size, name_size, bits_size, id_size;
	const char *word = part(&at, end, &word_size), *name = part(&at, end, &name_size);
	const char *bits = part(&at, end, &bits_size), *id = part(&at, end, &id_size);
	uint32_t number = ACL_UNDEFINED_ID;
	uint16_t permissions;
	size_t i = 0;
	int r;

	while (i < ARRAY_SIZE(kinds) &&
	       (strlen(kinds[i].word) != word_size || memcmp(kinds[i].word, word, word_size) != 0))
		i++;
	if (i == ARRAY_SIZE(kinds) || (name_size > 0 && kinds[i].named == 0))
		return -EBADMSG;
	r = take_permissions(bits, bits_size, &permissions);
	if (r >= 0 && name_size > 0)
		r = id_size > 0 ? take_id(&number, id, id_size) : take_id(&number, name, name_size);
	if (r < 0)
		return r;
	ret->e_tag = htole16(name_size > 0 ? kinds[i].named : kinds[i].alone);
	ret->e_perm = htole16(permissions);
	ret->e_id = htole32(number);
	return 0;
}

/* The kernel wants them by tag and number. */
static int compare(const void *a, const void *b)
{
	const struct posix_acl_xattr_entry *left = a, *right = b;
	uint32_t x = le16toh(left->e_tag), y = le16toh(right->e_tag);

	if (x == y) {
		x = le32toh(left->e_id);
		y = le32toh(right->e_id);
	}
	return (x > y) - (x < y);
}

int acl_from_text(unsigned char ret[ACL_RAW_MAX], const char *text)
{
	struct posix_acl_xattr_header header = { htole32(POSIX_ACL_XATTR_VERSION) };
	struct posix_acl_xattr_entry entries[ACL_ENTRIES_MAX];
	size_t count = 0;

	while (*text) {
		const char *end = text + strcspn(text, ",\n");
		int r;

		if (end == text || count == ACL_ENTRIES_MAX)
			return -EBADMSG;
		r = take_entry(&entries[count++], text, end);
		if (r < 0)
			return r;
		text = *end ? end + 1 : end;
	}
	if (count == 0)
		return -EBADMSG;
	qsort(entries, count, sizeof(*entries), compare);
	memcpy(ret, &header, sizeof(header));
	memcpy(ret + sizeof(header), entries, count * sizeof(*entries));
	return (int)(sizeof(header) + count * sizeof(*entries));
}

int acl_to_text(char ret[ACL_TEXT_MAX], const void *raw, size_t size)
{
	struct posix_acl_xattr_header header;
	const unsigned char *at = raw;
	int used = 0;

	if (size < sizeof(header) || size > ACL_RAW_MAX)
		return -EBADMSG;
	memcpy(&header, at, sizeof(header));
	if (le32toh(header.a_version) != POSIX_ACL_XATTR_VERSION)
		return -EBADMSG;
	for (size_t k = sizeof(header); k < size; k += sizeof(struct posix_acl_xattr_entry)) {
		struct posix_acl_xattr_entry entry;
		uint16_t tag, bits;
		char id[16] = "";
		size_t i = 0;

		if (size - k < sizeof(entry))
			return -EBADMSG;
		memcpy(&entry, at + k, sizeof(entry));
		tag = le16toh(entry.e_tag);
		bits = le16toh(entry.e_perm);
		while (i < ARRAY_SIZE(kinds) && kinds[i].alone != tag && kinds[i].named != tag)
			i++;
		if (i == ARRAY_SIZE(kinds))
			return -EBADMSG;
		if (kinds[i].named == tag)
			snprintf(id, sizeof(id), "%u", le32toh(entry.e_id));
		used += snprintf(ret + used, ACL_TEXT_MAX - (size_t)used, "%s%s:%s:%c%c%c",
				 used ? "," : "", kinds[i].word, id, bits & ACL_READ ? 'r' : '-',
				 bits & ACL_WRITE ? 'w' : '-', bits & ACL_EXECUTE ? 'x' : '-');
	}
	return used > 0 ? used : -EBADMSG;
}
