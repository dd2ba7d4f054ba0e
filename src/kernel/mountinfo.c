#include "kernel/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/parse.h"
#include "base/text.h"
#include "io/file.h"

/* The value of "\NNN", or -1. */
static int octal(const char *at)
{
	int value = 0;

	if (*at != '\\')
		return -1;
	for (int i = 1; i <= 3; i++) {
		if (at[i] < '0' || at[i] > '7')
			return -1;
		value = value << 3 | (at[i] - '0');
	}
	return value;
}

/* The kernel writes blanks, newlines and backslashes as \NNN. */
static void undo_escapes(char *text)
{
	char *to = text;

	while (*text) {
		int value = octal(text);

		*to++ = value < 0 ? *text : (char)value;
		text += value < 0 ? 1 : 4;
	}
	*to = '\0';
}

static char *next_field(char **at)
{
	char *field = strsep(at, " ");

	if (field)
		undo_escapes(field);
	return field;
}

/* "36 35 98:0 /root /target rw,noatime shared:1 master:2 - ext4 /dev/root rw,errors=continue" */
static int parse_line(struct mountinfo *ret, char *line)
{
	char *field, *minor_text;

	field = next_field(&line);
	if (!field || parse_i32(&ret->id, field) < 0)
		return -EBADMSG;
	field = next_field(&line);
	if (!field || parse_i32(&ret->parent, field) < 0)
		return -EBADMSG;
	field = next_field(&line);
	minor_text = field ? strchr(field, ':') : NULL;
	if (!minor_text)
		return -EBADMSG;
	*minor_text++ = '\0';
	if (parse_u32(&ret->major, field) < 0 || parse_u32(&ret->minor, minor_text) < 0)
		return -EBADMSG;
	ret->root = next_field(&line);
	ret->target = next_field(&line);
	ret->options = next_field(&line);

	while ((field = next_field(&line)) && strcmp(field, "-") != 0) {
		ret->shared = ret->shared || text_after(field, "shared:");
		ret->slave = ret->slave || text_after(field, "master:");
	}
	ret->type = next_field(&line);
	ret->source = next_field(&line);
	ret->super_options = next_field(&line);
	return ret->super_options ? 0 : -EBADMSG;
}

int mountinfo_parse(struct arena *arena, struct mountinfo_list *ret, const char *text)
{
	struct mountinfo_list list = { 0 };
	char *at = arena_text(arena, text), *line;
	int r;

	while ((line = strsep(&at, "\n"))) {
		struct mountinfo *info;

		if (!*line)
			continue;
		info = list_grow(arena, (void **)&list.items, &list.count, sizeof(*info));
		r = parse_line(info, line);
		if (r < 0)
			return r;
	}
	*ret = list;
	return 0;
}

int mountinfo_read(struct arena *arena, struct mountinfo_list *ret)
{
	size_t size;
	char *text;
	int r;

	r = file_read(arena, &text, &size, AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_SIZE_MAX);
	return r < 0 ? r : mountinfo_parse(arena, ret, text);
}
