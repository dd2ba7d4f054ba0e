#include "format/ini.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"

const char ini_bad_heading[] = "a section's heading is [NAME]";

struct span {
	const char *start;
	size_t length;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct span strip(struct span span)
{
	while (span.length > 0 && is_blank(span.start[0])) {
		span.start++;
		span.length--;
	}
	while (span.length > 0 && is_blank(span.start[span.length - 1]))
		span.length--;
	return span;
}

int ini_start(struct ini *ini, struct arena *arena, const char *text, size_t size)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";

	if (size > 0 && memchr(text, '\0', size) != NULL)
		return -EINVAL;
	*ini = (struct ini){ .arena = arena, .at = text, .end = text + size };
	if (size >= 3 && memcmp(text, byte_order_mark, 3) == 0)
		ini->at += 3;
	return 0;
}

/* The next line as it stands, without its end. False: there is none. */
static bool next_line(struct ini *ini, struct span *ret)
{
	const char *end;

	if (ini->at == ini->end)
		return false;
	end = memchr(ini->at, '\n', (size_t)(ini->end - ini->at));
	*ret = (struct span){ ini->at, (size_t)((end == NULL ? ini->end : end) - ini->at) };
	if (ret->length > 0 && ret->start[ret->length - 1] == '\r')
		ret->length--;
	ini->at = end == NULL ? ini->end : end + 1;
	ini->line++;
	return true;
}

static bool is_comment(struct span line)
{
	line = strip(line);
	return line.length > 0 && (line.start[0] == '#' || line.start[0] == ';');
}

/* Two backslashes are one that is meant; an odd number at the end goes on. */
static bool goes_on(struct span line)
{
	size_t slashes = 0;

	while (slashes < line.length && line.start[line.length - 1 - slashes] == '\\')
		slashes++;
	return slashes % 2 == 1;
}

static struct span join(struct ini *ini, struct span first)
{
	struct span line = first;
	size_t used = 0;
	char *text;

	if (ini->scratch == NULL)
		ini->scratch = arena_take(ini->arena, (size_t)(ini->end - first.start) + 1);
	text = ini->scratch;

	for (;;) {
		bool more = goes_on(line);

		if (line.length > 0)
			memcpy(text + used, line.start, line.length);
		used += line.length;
		if (!more)
			break;
		text[used - 1] = ' ';
		do
			if (!next_line(ini, &line))
				return (struct span){ text, used };
		while (is_comment(line));
	}
	return (struct span){ text, used };
}

static bool is_utf8(struct span line)
{
	while (line.length > 0) {
		uint32_t code;
		size_t length = text_utf8_decode(&code, line.start, line.length);

		if (length == 0)
			return false;
		line.start += length;
		line.length -= length;
	}
	return true;
}

static const char *read_item(struct ini *ini, struct ini_item *item, struct span line)
{
	struct span key, value;
	const char *equals;

	if (!is_utf8(line))
		return "the line is not UTF-8";
	if (line.start[0] == '[') {
		if (line.length < 3 || line.start[line.length - 1] != ']')
			return ini_bad_heading;
		ini->section = arena_text_n(ini->arena, line.start + 1, line.length - 2);
		item->kind = INI_SECTION;
		item->section = ini->section;
		return NULL;
	}
	equals = memchr(line.start, '=', line.length);
	if (equals == NULL)
		return "there is no '=' in it";
	key = strip((struct span){ line.start, (size_t)(equals - line.start) });
	if (key.length == 0)
		return "there is nothing before the '='";
	value.start = equals + 1;
	value.length = line.length - (size_t)(value.start - line.start);
	value = strip(value);

	item->kind = INI_ASSIGNMENT;
	item->section = ini->section;
	item->key = arena_text_n(ini->arena, key.start, key.length);
	item->value = arena_text_n(ini->arena, value.start, value.length);
	return NULL;
}

int ini_next(struct ini *ini, struct ini_item *ret)
{
	struct ini_item item = {};
	struct span line;
	const char *wrong;

	for (;;) {
		if (ini->line >= INI_LINES_MAX && ini->at != ini->end)
			return -E2BIG;
		if (!next_line(ini, &line))
			return 0;
		if (is_comment(line))
			continue;
		item.line = ini->line;
		if (goes_on(line))
			line = join(ini, line);
		line = strip(line);
		if (line.length > 0)
			break;
	}
	wrong = read_item(ini, &item, line);
	if (wrong != NULL) {
		item.kind = INI_BAD;
		item.section = ini->section;
		item.value = wrong;
	}
	*ret = item;
	return 1;
}

bool ini_is_line(const char *text)
{
	for (; *text != '\0'; text++)
		if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f)
			return false;
	return true;
}
