#include "format/passwd.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/parse.h"

#define USER_FIELDS 7
#define GROUP_FIELDS 4
#define ID_ROOM 11 /* "4294967295" */

struct field {
	const char *start;
	size_t length;
};

struct reader {
	const char *at;
	size_t left, lines, columns; /* columns: how many fields a line must have */
};

static bool field_is(struct field field, const char *text)
{
	return strlen(text) == field.length && memcmp(field.start, text, field.length) == 0;
}

static int read_id(uint32_t *ret, struct field field)
{
	char digits[ID_ROOM];

	if (field.length >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, field.start, field.length);
	digits[field.length] = '\0';
	return parse_id(ret, digits);
}

static bool is_digits(const char *text)
{
	return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

static bool split(struct field *fields, size_t columns, const char *line, size_t length)
{
	if (length == 0 || length > PASSWD_LINE_MAX || memchr(line, '\0', length) != NULL)
		return false;
	if (line[0] == '+' || line[0] == '-' || line[0] == '#' || line[0] == ':')
		return false;
	for (size_t i = 0; i < columns; i++) {
		const char *end = memchr(line, ':', length);
		bool last = i == columns - 1;

		if (last != (end == NULL))
			return false;
		fields[i] = (struct field){ line, last ? length : (size_t)(end - line) };
		if (!last) {
			length -= fields[i].length + 1;
			line = end + 1;
		}
	}
	return true;
}

/* 1: FIELDS is the next good line, 0: the end. */
static int next_line(struct reader *reader, struct field *fields)
{
	while (reader->left > 0) {
		const char *line = reader->at, *end = memchr(line, '\n', reader->left);
		size_t length = end == NULL ? reader->left : (size_t)(end - line);
		size_t taken = length + (end != NULL);

		if (reader->lines++ == PASSWD_LINES_MAX)
			return -E2BIG;
		reader->at += taken;
		reader->left -= taken;
		if (split(fields, reader->columns, line, length))
			return 1;
	}
	return 0;
}

/* NAME or, if it is NULL, UID. */
static int find_user(struct arena *arena, struct passwd_user *ret, const char *text, size_t size,
		     const char *name, uid_t wanted)
{
	struct reader reader = { .at = text, .left = size, .columns = USER_FIELDS };
	struct field fields[USER_FIELDS];
	int r;

	while ((r = next_line(&reader, fields)) > 0) {
		uint32_t uid, gid;

		if (name != NULL && !field_is(fields[0], name))
			continue;
		if (read_id(&uid, fields[2]) < 0 || read_id(&gid, fields[3]) < 0)
			continue;
		if (name == NULL && uid != wanted)
			continue;
		*ret = (struct passwd_user){
			.name = arena_text_n(arena, fields[0].start, fields[0].length),
			.uid = uid,
			.gid = gid,
			.home = arena_text_n(arena, fields[5].start, fields[5].length),
			.shell = arena_text_n(arena, fields[6].start, fields[6].length),
		};
		return 0;
	}
	return r < 0 ? r : -ENOENT;
}

int passwd_find_name(struct arena *arena, struct passwd_user *ret, const char *text, size_t size,
		     const char *name)
{
	return is_digits(name) ? -ENOENT : find_user(arena, ret, text, size, name, 0);
}

int passwd_find_uid(struct arena *arena, struct passwd_user *ret, const char *text, size_t size,
		    uid_t uid)
{
	return find_user(arena, ret, text, size, NULL, uid);
}

int passwd_find_user(struct arena *arena, struct passwd_user *ret, uid_t *ret_uid, const char *text,
		     size_t size, const char *who)
{
	uint32_t uid;
	int r;

	if (is_digits(who)) {
		r = parse_id(&uid, who);
		if (r < 0)
			return -EINVAL;
		*ret_uid = uid;
		return passwd_find_uid(arena, ret, text, size, uid);
	}
	/* "-1" and "+0" are numbers to somebody else; no account has such a name. */
	if (who[0] == '\0' || strchr("+-", who[0]) != NULL || strpbrk(who, ":\n") != NULL)
		return -EINVAL;
	r = passwd_find_name(arena, ret, text, size, who);
	if (r == 0)
		*ret_uid = ret->uid;
	return r;
}

static int find_group(struct arena *arena, struct passwd_group *ret, const char *text, size_t size,
		      const char *name, gid_t wanted)
{
	struct reader reader = { .at = text, .left = size, .columns = GROUP_FIELDS };
	struct field fields[GROUP_FIELDS];
	int r;

	while ((r = next_line(&reader, fields)) > 0) {
		uint32_t gid;

		if (name != NULL && !field_is(fields[0], name))
			continue;
		if (read_id(&gid, fields[2]) < 0 || (name == NULL && gid != wanted))
			continue;
		ret->name = arena_text_n(arena, fields[0].start, fields[0].length);
		ret->gid = gid;
		return 0;
	}
	return r < 0 ? r : -ENOENT;
}

int passwd_find_group(struct arena *arena, struct passwd_group *ret, const char *text, size_t size,
		      const char *name)
{
	return is_digits(name) ? -ENOENT : find_group(arena, ret, text, size, name, 0);
}

int passwd_find_gid(struct arena *arena, struct passwd_group *ret, const char *text, size_t size,
		    gid_t gid)
{
	return find_group(arena, ret, text, size, NULL, gid);
}

static bool is_member(struct field members, const char *name)
{
	while (members.length > 0) {
		const char *end = memchr(members.start, ',', members.length);
		size_t length = end == NULL ? members.length : (size_t)(end - members.start);

		if (length > 0 && field_is((struct field){ members.start, length }, name))
			return true;
		length += end != NULL;
		members.start += length;
		members.length -= length;
	}
	return false;
}

static bool has_gid(const gid_t *gids, size_t count, gid_t gid)
{
	for (size_t i = 0; i < count; i++)
		if (gids[i] == gid)
			return true;
	return false;
}

int passwd_groups_of(struct arena *arena, gid_t **ret, size_t *ret_count, const char *text,
		     size_t size, const char *name, gid_t primary)
{
	struct reader reader = { .at = text, .left = size, .columns = GROUP_FIELDS };
	struct field fields[GROUP_FIELDS];
	void *gids = NULL;
	size_t count = 0;
	int r;

	while ((r = next_line(&reader, fields)) > 0) {
		uint32_t gid;

		if (!is_member(fields[3], name) || read_id(&gid, fields[2]) < 0)
			continue;
		if (gid == primary || has_gid(gids, count, gid))
			continue;
		if (count == PASSWD_GROUPS_MAX)
			return -E2BIG;
		*(gid_t *)list_grow(arena, &gids, &count, sizeof(gid_t)) = gid;
	}
	if (r < 0)
		return r;
	*ret = gids;
	*ret_count = count;
	return 0;
}
