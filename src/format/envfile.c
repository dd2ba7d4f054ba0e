#include "format/envfile.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/arena.h"

int envfile_start(struct envfile *file, struct arena *arena, const char *text, size_t size)
{
	if (size > ENVFILE_SIZE_MAX)
		return -E2BIG;
	if (size > 0 && memchr(text, '\0', size) != NULL)
		return -EINVAL;
	*file = (struct envfile){
		.arena = arena,
		.at = text,
		.end = text + size,
		.scratch = arena_take(arena, size + 1),
	};
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_end_of_line(char c)
{
	return c == '\n' || c == '\r';
}

static bool is_name_character(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (!first && c >= '0' && c <= '9');
}

static void skip_line(struct envfile *file)
{
	while (file->at < file->end && !is_end_of_line(*file->at))
		file->at++;
}

/* NAME and the "="; NULL: the line is something else. */
static char *read_name(struct envfile *file)
{
	const char *start = file->at, *at = start;

	while (at < file->end && is_name_character(*at, at == start))
		at++;
	if (at == start || at == file->end || *at != '=')
		return NULL;
	file->at = at + 1;
	return arena_text_n(file->arena, start, (size_t)(at - start));
}

/* The piece in quotes at file->at; what is inside goes to TO. -EINVAL: it does not end. */
static int read_quoted(struct envfile *file, char *to, size_t *used)
{
	const char quote = *file->at;
	const char *at = file->at + 1;
	size_t written = *used;

	for (; at < file->end && *at != quote; at++) {
		if (quote == '"' && *at == '\\' && at + 1 < file->end) {
			at++;
			if (*at == '\n')
				continue;
			if (strchr("\"\\$`", *at) == NULL)
				to[written++] = '\\';
		}
		to[written++] = *at;
	}
	if (at >= file->end)
		return -EINVAL;
	file->at = at + 1;
	*used = written;
	return 0;
}

/* NULL: an open quote. Then only this line is given up, not the file's rest. */
static char *read_value(struct envfile *file)
{
	size_t used = 0, kept = 0; /* blanks at the end count only if they were protected */
	char *value = file->scratch;

	while (file->at < file->end && is_blank(*file->at))
		file->at++;
	while (file->at < file->end && !is_end_of_line(*file->at)) {
		if (*file->at == '"' || *file->at == '\'') {
			if (read_quoted(file, value, &used) < 0)
				return NULL;
			kept = used;
			continue;
		}
		if (*file->at == '\\' && file->at + 1 < file->end) {
			file->at++;
			if (*file->at != '\n')
				value[used++] = *file->at;
			file->at++;
			kept = used;
			continue;
		}
		value[used++] = *file->at;
		if (!is_blank(*file->at))
			kept = used;
		file->at++;
	}
	return arena_text_n(file->arena, value, kept);
}

int envfile_next(struct envfile *file, char **ret_name, char **ret_value)
{
	while (file->at < file->end) {
		const char *start;
		char *name, *value;

		if (is_end_of_line(*file->at) || is_blank(*file->at)) {
			file->at++;
			continue;
		}
		start = file->at;
		name = read_name(file);
		value = name == NULL ? NULL : read_value(file);
		if (value != NULL) {
			*ret_name = name;
			*ret_value = value;
			return 1;
		}
		file->at = start;
		skip_line(file);
	}
	return 0;
}

char *envfile_find(struct arena *arena, const char *text, size_t size, const char *name)
{
	char *found = NULL, *each_name, *value;
	struct envfile file;

	if (envfile_start(&file, arena, text, size) < 0)
		return NULL;
	while (envfile_next(&file, &each_name, &value) > 0)
		if (strcmp(each_name, name) == 0)
			found = value;
	return found;
}
