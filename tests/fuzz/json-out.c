/* Whatever is printed as JSON is JSON: hostile strings in, read back by a checker of our own, which
 * also wants to find the same strings again. One line of the input a string or, with its first
 * letter, what holds strings: "[" and "{" begin, "]" ends, "p" at the start is the pretty form. */
#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/text.h"
#include "format/json-out.h"
#include "fuzz.h"

#define DEPTH_MAX 16

struct reader {
	struct arena *arena;
	const char *at;
	const struct text_list *strings; /* in their order, as they were put in */
	size_t next;
};

static void take(struct reader *reader, char c)
{
	assert(*reader->at == c);
	reader->at++;
}

static void skip_blanks(struct reader *reader)
{
	while (*reader->at == '\n' || *reader->at == '\t' || *reader->at == ' ')
		reader->at++;
}

/* What a reader must find: bytes that are no UTF-8 are replaced. */
static char *expected(struct arena *arena, const char *text)
{
	size_t size = strlen(text);
	char *out = arena_take(arena, size * 3 + 1), *at = out;

	while (size > 0) {
		uint32_t code;
		size_t length = text_utf8_decode(&code, text, size);

		if (length == 0)
			code = 0xfffd;
		length += length == 0;
		at += text_utf8_encode(at, code);
		text += length;
		size -= length;
	}
	return out;
}

static uint32_t read_hex(struct reader *reader)
{
	char digits[5] = { 0 };

	for (int i = 0; i < 4; i++) {
		assert(isxdigit((unsigned char)*reader->at));
		digits[i] = *reader->at++;
	}
	return (uint32_t)strtoul(digits, NULL, 16);
}

static uint32_t read_escape(struct reader *reader)
{
	static const char names[] = "\"\\/bfnrt", letters[] = "\"\\/\b\f\n\r\t";
	uint32_t code, low;

	if (*reader->at != 'u') {
		const char *name = strchr(names, *reader->at);

		assert(*reader->at != '\0' && name != NULL);
		reader->at++;
		return (uint32_t)letters[name - names];
	}
	reader->at++;
	code = read_hex(reader);
	if (code < 0xd800 || code > 0xdfff)
		return code;
	assert(code < 0xdc00 && reader->at[0] == '\\' && reader->at[1] == 'u');
	reader->at += 2;
	low = read_hex(reader);
	assert(low >= 0xdc00 && low <= 0xdfff);
	return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

static void read_string(struct reader *reader)
{
	char *text = arena_take(reader->arena, strlen(reader->at) + 1), *to = text;

	take(reader, '"');
	while (*reader->at != '"') {
		uint32_t code;

		if (*reader->at == '\\') {
			reader->at++;
			code = read_escape(reader);
		} else {
			size_t length = text_utf8_decode(&code, reader->at, strlen(reader->at));

			assert(length > 0 && !text_is_unsafe(code));
			reader->at += length;
		}
		to += text_utf8_encode(to, code);
	}
	take(reader, '"');
	assert(reader->next < reader->strings->count);
	assert(text_equal(text, expected(reader->arena, reader->strings->items[reader->next])));
	reader->next++;
}

static void read_value(struct reader *reader, int depth);

static void read_elements(struct reader *reader, bool object, int depth)
{
	const char end = object ? '}' : ']';

	reader->at++;
	skip_blanks(reader);
	while (*reader->at != end) {
		if (object) {
			read_string(reader);
			take(reader, ':');
			skip_blanks(reader);
		}
		read_value(reader, depth + 1);
		skip_blanks(reader);
		if (*reader->at != ',')
			break;
		reader->at++;
		skip_blanks(reader);
		assert(*reader->at != end);
	}
	take(reader, end);
}

static void read_value(struct reader *reader, int depth)
{
	assert(depth <= DEPTH_MAX + 1);
	if (*reader->at == '[' || *reader->at == '{')
		read_elements(reader, *reader->at == '{', depth);
	else
		read_string(reader);
}

/* Writes what LINES say; the strings in the order in which they stand in the text. */
static const char *write_all(struct arena *arena, struct text_list *strings,
			     const struct text_list *lines, bool pretty)
{
	bool object[DEPTH_MAX + 1] = { false };
	struct json_out json;
	int depth = 1;

	json_out_init(&json, arena, pretty);
	json_out_begin_array(&json, NULL);
	for (size_t i = 0; i < lines->count; i++) {
		char *line = lines->items[i], *key = object[depth] ? line + 1 : NULL;
		bool begins = (*line == '[' || *line == '{') && depth < DEPTH_MAX;

		if (*line == ']' && depth > 1) {
			if (object[depth--])
				json_out_end_object(&json);
			else
				json_out_end_array(&json);
			continue;
		}
		if (*line == '\0')
			continue;
		if (key != NULL)
			text_list_add(arena, strings, key);
		if (begins && *line == '[')
			json_out_begin_array(&json, key);
		else if (begins)
			json_out_begin_object(&json, key);
		else {
			text_list_add(arena, strings, line);
			json_out_text(&json, key, line);
		}
		if (begins)
			object[++depth] = *line == '{';
	}
	for (; depth > 1; depth--)
		if (object[depth])
			json_out_end_object(&json);
		else
			json_out_end_array(&json);
	json_out_end_array(&json);
	return json_out_done(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoarena struct arena arena = {};
	struct text_list lines = { 0 }, strings = { 0 };
	char *text = arena_text_n(&arena, (const char *)data, size);
	struct reader reader = { .arena = &arena, .strings = &strings };

	if (size > 16384)
		return 0;
	text_split(&arena, &lines, text, "\n");
	reader.at = write_all(&arena, &strings, &lines, *text == 'p');
	read_value(&reader, 1);
	take(&reader, '\n');
	assert(*reader.at == '\0' && reader.next == strings.count);
	return 0;
}
