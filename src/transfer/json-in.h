/* transfer/json-in - JSON from outside, with limits. Quiet. Runs in a worker, or over files that
 * are the user's own. */
#pragma once
#include <jansson.h>
#include <stddef.h>

struct arena;
struct text_list;

/* -EINVAL: no JSON (an object that has a key twice is none, nor is NUL in a text); -E2BIG: it is
 * longer or deeper than allowed. Whoever gets it has json_decref() to call. */
int json_in_parse(json_t **ret, const char *text, size_t size, size_t size_max, size_t depth_max);

/* The text at KEY; "" if there is none. Borrowed. OBJECT may be NULL. */
const char *json_in_text(const json_t *object, const char *key);

/* Texts of an array, appended; NULL and null are an empty one. -EINVAL: something else is among
 * them; -E2BIG. */
int json_in_texts(struct arena *arena, struct text_list *list, const json_t *array,
		  size_t count_max, size_t length_max);

/* The keys of an object, sorted; likewise. */
int json_in_keys(struct arena *arena, struct text_list *list, const json_t *object,
		 size_t count_max, size_t length_max);
