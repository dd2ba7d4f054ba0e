/* base/arena - memory that is freed all at once.
 *
 * One arena per request; nothing in it is freed one by one. Allocation never
 * returns NULL: when the machine has no memory left, the program ends with
 * abort(). Memory is zeroed. Pure; any process.
 */
#pragma once
#include <stdarg.h>
#include <stddef.h>

#include "base/macros.h"

struct arena_block;

struct arena {
	struct arena_block *newest; /* NULL: empty; an all-zero struct is a valid arena */
};

void arena_done(struct arena *arena);
#define autoarena CLEANUP(arena_done)

/* Zeroed, aligned for any type. */
void *arena_take(struct arena *arena, size_t size);
#define arena_new(arena, type) ((type *)arena_take((arena), sizeof(type)))

/* Zeroed array of COUNT elements; aborts when the size overflows. */
void *arena_take_array(struct arena *arena, size_t count, size_t size);

char *arena_text(struct arena *arena, const char *text);		  /* NULL gives NULL */
char *arena_text_n(struct arena *arena, const char *text, size_t length); /* adds the terminator */
char *arena_format(struct arena *arena, const char *format, ...) PRINTF(2, 3);
char *arena_format_v(struct arena *arena, const char *format, va_list args);
