#include "kernel/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/path.h"
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
	char *field;

	field = next_field(&line);
	if (!field || sscanf(field, "%d", &ret->id) != 1)
		return -EBADMSG;
	field = next_field(&line);
	if (!field || sscanf(field, "%d", &ret->parent) != 1)
		return -EBADMSG;
	field = next_field(&line);
	if (!field || sscanf(field, "%u:%u", &ret->major, &ret->minor) != 2)
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

static const struct mountinfo *find(const struct mountinfo_list *list, int id)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].id == id)
			return &list->items[i];
	return NULL;
}

static bool is_on(const struct mountinfo_list *list, const struct mountinfo *info,
		  const struct mountinfo *parent)
{
	if (parent)
		return info->parent == parent->id && info != parent;
	/* The first one is on a mount that the reader does not see, or on itself. */
	return info->parent == info->id || !find(list, info->parent);
}

/* The mount that a walk to PATH ends in: from each mount to the first one on the way. */
static const struct mountinfo *visible_at(const struct mountinfo_list *list, const char *path)
{
	const struct mountinfo *here = NULL, *next;

	for (;;) {
		next = NULL;
		for (size_t i = 0; i < list->count; i++) {
			const struct mountinfo *info = &list->items[i];

			if (is_on(list, info, here) && path_is_below(path, info->target) &&
			    (!next || strlen(info->target) < strlen(next->target)))
				next = info;
		}
		if (!next)
			return here;
		here = next;
	}
}

void mountinfo_below(struct arena *arena, struct mountinfo_list *ret,
		     const struct mountinfo_list *list, const char *directory)
{
	struct mountinfo_list below = { 0 };

	for (size_t i = 0; i < list->count; i++) {
		const struct mountinfo *info = &list->items[i];

		if (!path_is_below(info->target, directory) ||
		    strcmp(info->target, directory) == 0 || visible_at(list, info->target) != info)
			continue;
		*(struct mountinfo *)list_grow(arena, (void **)&below.items, &below.count,
					       sizeof(*info)) = *info;
	}
	*ret = below;
}
