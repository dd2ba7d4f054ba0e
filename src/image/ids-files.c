#include "image/ids-files.h"

#include <fcntl.h>
#include <string.h>

#include "base/arena.h"
#include "base/parse.h"
#include "io/file.h"

#define FILE_LIMIT ((size_t)16 * 1024 * 1024)
#define FIELDS_MAX 7

/* What is "nobody" in a container's range of 65536, as an offset. */
#define NOBODY 0xFFFEu

static char *read_text(struct arena *arena, const char *path)
{
	char *text;
	size_t size;

	return file_read(arena, &text, &size, AT_FDCWD, path, FILE_LIMIT) < 0 ? NULL : text;
}

void ids_files_read(struct arena *arena, struct ids_files *ret)
{
	*ret = (struct ids_files){
		.passwd = read_text(arena, "/etc/passwd"),
		.group = read_text(arena, "/etc/group"),
		.subuid = read_text(arena, "/etc/subuid"),
		.subgid = read_text(arena, "/etc/subgid"),
	};
}

struct field {
	const char *text;
	size_t length;
};

/* Split the line at *position into fields at ":", move on to the next. False: no more lines. */
static bool next_line(const char **position, struct field fields[FIELDS_MAX], size_t *ret_count)
{
	const char *at = *position;
	size_t count = 0;

	if (!at || !*at)
		return false;
	for (;;) {
		size_t length = strcspn(at, ":\n");

		if (count < FIELDS_MAX)
			fields[count++] = (struct field){ at, length };
		at += length;
		if (*at != ':')
			break;
		at++;
	}
	*position = *at ? at + 1 : at;
	*ret_count = count;
	return true;
}

static bool field_number(const struct field *field, uint32_t *ret)
{
	char digits[16];

	if (field->length == 0 || field->length >= sizeof(digits))
		return false;
	memcpy(digits, field->text, field->length);
	digits[field->length] = '\0';
	return parse_u32(ret, digits) >= 0;
}

static bool field_is(const struct field *field, const char *text)
{
	return strlen(text) == field->length && memcmp(field->text, text, field->length) == 0;
}

static bool has_account(const char *accounts, uint32_t base)
{
	struct field fields[FIELDS_MAX];
	size_t count;
	uint32_t id;

	while (next_line(&accounts, fields, &count))
		if (count >= 3 && field_number(&fields[2], &id) &&
		    (id == base || id == base + NOBODY))
			return true;
	return false;
}

static bool line_range(const struct field *fields, size_t count, struct ids_files_range *ret)
{
	return count >= 3 && field_number(&fields[1], &ret->first) &&
	       field_number(&fields[2], &ret->count) && ret->count > 0 &&
	       ret->first <= UINT32_MAX - ret->count;
}

static bool has_subordinate(const char *subids, uint32_t base, uint32_t range)
{
	struct field fields[FIELDS_MAX];
	struct ids_files_range found;
	size_t count;

	while (next_line(&subids, fields, &count))
		if (line_range(fields, count, &found) &&
		    (uint64_t)found.first < (uint64_t)base + range &&
		    (uint64_t)base < (uint64_t)found.first + found.count)
			return true;
	return false;
}

bool ids_files_collide(const struct ids_files *files, uint32_t base, uint32_t range)
{
	return has_account(files->passwd, base) || has_account(files->group, base) ||
	       has_subordinate(files->subuid, base, range) ||
	       has_subordinate(files->subgid, base, range);
}

/* subuid(5) names the owner by login name or by number. */
static bool is_owner(const struct field *field, const char *name, uint32_t uid)
{
	uint32_t number;

	if (name && field_is(field, name))
		return true;
	return field_number(field, &number) && number == uid;
}

struct ids_files_range ids_files_subordinate(const char *subids, const char *name, uint32_t uid)
{
	struct ids_files_range best = { 0 }, found;
	struct field fields[FIELDS_MAX];
	size_t count;

	while (next_line(&subids, fields, &count)) {
		if (!is_owner(&fields[0], name, uid) || !line_range(fields, count, &found))
			continue;
		if (best.count < 65536 && found.count > best.count)
			best = found;
	}
	return best;
}

bool ids_files_owns(const char *subids, const char *name, uint32_t uid, uint32_t first,
		    uint32_t count)
{
	struct field fields[FIELDS_MAX];
	struct ids_files_range found;
	size_t field_count;

	while (next_line(&subids, fields, &field_count))
		if (is_owner(&fields[0], name, uid) && line_range(fields, field_count, &found) &&
		    first >= found.first &&
		    (uint64_t)first + count <= (uint64_t)found.first + found.count)
			return true;
	return false;
}

static bool is_user(const struct field *fields, size_t count, uint32_t uid)
{
	uint32_t id;

	return count >= 3 && fields[0].length > 0 && field_number(&fields[2], &id) && id == uid;
}

char *ids_files_user_name(struct arena *arena, const char *passwd, uint32_t uid)
{
	struct field fields[FIELDS_MAX];
	size_t count;

	while (next_line(&passwd, fields, &count))
		if (is_user(fields, count, uid))
			return arena_text_n(arena, fields[0].text, fields[0].length);
	return NULL;
}
