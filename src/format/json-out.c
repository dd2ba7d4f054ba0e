#include "format/json-out.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"

#define FIRST_ROOM 1024

static void put(struct json_out *json, const char *text, size_t size)
{
	if (json->room - json->used < size) {
		size_t room = MAX(json->room * 2, json->used + size);
		char *wider = arena_take(json->arena, room);

		memcpy(wider, json->text, json->used);
		json->text = wider;
		json->room = room;
	}
	memcpy(json->text + json->used, text, size);
	json->used += size;
}

static void put_text(struct json_out *json, const char *text)
{
	put(json, text, strlen(text));
}

void json_out_init(struct json_out *json, struct arena *arena, bool pretty)
{
	*json = (struct json_out){
		.arena = arena,
		.text = arena_take(arena, FIRST_ROOM),
		.room = FIRST_ROOM,
		.pretty = pretty,
	};
}

static uint32_t level(const struct json_out *json)
{
	return UINT32_C(1) << json->depth;
}

static void put_line_break(struct json_out *json)
{
	if (!json->pretty)
		return;
	put(json, "\n", 1);
	for (unsigned int i = 0; i < json->depth; i++)
		put(json, "\t", 1);
}

static void put_escape(struct json_out *json, uint32_t code)
{
	static const char letters[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
	const char *letter = code == 0 || code > 0x7f ? NULL : strchr(letters, (int)code);
	char escape[8];

	if (letter != NULL)
		snprintf(escape, sizeof(escape), "\\%c", names[letter - letters]);
	else
		snprintf(escape, sizeof(escape), "\\u%04x", (unsigned int)(code & 0xffff));
	put_text(json, escape);
}

static void put_string(struct json_out *json, const char *text, size_t size)
{
	put(json, "\"", 1);
	while (size > 0) {
		uint32_t code;
		size_t length = text_utf8_decode(&code, text, size);

		if (length == 0)
			put_text(json, "\\ufffd");
		else if (code == '"' || code == '\\' || text_is_unsafe(code))
			put_escape(json, code);
		else
			put(json, text, length);
		text += MAX(length, 1u);
		size -= MAX(length, 1u);
	}
	put(json, "\"", 1);
}

/* What stands before every value: the comma, the line break, the key. */
static void begin_value(struct json_out *json, const char *key)
{
	const bool in_object = json->depth > 0 && (json->arrays & level(json)) == 0;

	assert(in_object == (key != NULL));
	assert(json->depth > 0 || (json->filled & 1) == 0);
	if (json->filled & level(json))
		put(json, ",", 1);
	if (json->depth > 0)
		put_line_break(json);
	json->filled |= level(json);
	if (key != NULL) {
		put_string(json, key, strlen(key));
		put(json, ": ", json->pretty ? 2 : 1);
	}
}

static void begin(struct json_out *json, const char *key, bool array)
{
	begin_value(json, key);
	put(json, array ? "[" : "{", 1);
	assert(json->depth < JSON_OUT_DEPTH_MAX);
	json->depth++;
	json->filled &= ~level(json);
	json->arrays = array ? json->arrays | level(json) : json->arrays & ~level(json);
}

static void end(struct json_out *json, bool array)
{
	bool filled = (json->filled & level(json)) != 0;

	assert(json->depth > 0 && array == ((json->arrays & level(json)) != 0));
	json->depth--;
	if (filled)
		put_line_break(json);
	put(json, array ? "]" : "}", 1);
}

void json_out_begin_object(struct json_out *json, const char *key)
{
	begin(json, key, false);
}

void json_out_end_object(struct json_out *json)
{
	end(json, false);
}

void json_out_begin_array(struct json_out *json, const char *key)
{
	begin(json, key, true);
}

void json_out_end_array(struct json_out *json)
{
	end(json, true);
}

void json_out_text(struct json_out *json, const char *key, const char *text)
{
	if (text == NULL)
		json_out_null(json, key);
	else
		json_out_text_n(json, key, text, strlen(text));
}

void json_out_text_n(struct json_out *json, const char *key, const char *text, size_t size)
{
	begin_value(json, key);
	put_string(json, text, size);
}

static void put_value(struct json_out *json, const char *key, const char *word)
{
	begin_value(json, key);
	put_text(json, word);
}

void json_out_unsigned(struct json_out *json, const char *key, uint64_t number)
{
	char word[24];

	snprintf(word, sizeof(word), "%" PRIu64, number);
	put_value(json, key, word);
}

void json_out_signed(struct json_out *json, const char *key, int64_t number)
{
	char word[24];

	snprintf(word, sizeof(word), "%" PRId64, number);
	put_value(json, key, word);
}

void json_out_bool(struct json_out *json, const char *key, bool value)
{
	put_value(json, key, value ? "true" : "false");
}

void json_out_null(struct json_out *json, const char *key)
{
	put_value(json, key, "null");
}

const char *json_out_done(struct json_out *json)
{
	assert(json->depth == 0 && json->filled & 1);
	put(json, "\n", 2);
	return json->text;
}
