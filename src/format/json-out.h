/* format/json-out - JSON, written from front to back. Pure.
 *
 * The text grows in an arena. KEY is NULL in an array and at the top. Strings may hold anything:
 * bytes that are not UTF-8 become U+FFFD, and what must not reach a terminal is escaped. Calls in
 * an order that is no JSON are programming errors.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

#define JSON_OUT_DEPTH_MAX 31

struct json_out {
	struct arena *arena;
	char *text;
	size_t used, room;
	uint32_t arrays, filled; /* bit n: level n is an array, has an element */
	unsigned int depth;
	bool pretty; /* with line breaks and tabs */
};

void json_out_init(struct json_out *json, struct arena *arena, bool pretty);

void json_out_begin_object(struct json_out *json, const char *key);
void json_out_end_object(struct json_out *json);
void json_out_begin_array(struct json_out *json, const char *key);
void json_out_end_array(struct json_out *json);

void json_out_text(struct json_out *json, const char *key, const char *text); /* NULL gives null */
void json_out_text_n(struct json_out *json, const char *key, const char *text, size_t size);
void json_out_unsigned(struct json_out *json, const char *key, uint64_t number);
void json_out_signed(struct json_out *json, const char *key, int64_t number);
void json_out_bool(struct json_out *json, const char *key, bool value);
void json_out_null(struct json_out *json, const char *key);

/* The whole text, NUL-terminated, with a newline at its end. */
const char *json_out_done(struct json_out *json);
