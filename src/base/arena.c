#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_ROOM 3584 /* two, and what malloc(3) needs itself, are two pages */
#define FORMAT_ROOM 256 /* nearly all that is formatted is shorter */

struct arena_block {
	struct arena_block *older;
	size_t used, room;
	alignas(max_align_t) char bytes[];
};

void arena_done(struct arena *arena)
{
	struct arena_block *block = arena->newest;

	while (block != NULL) {
		struct arena_block *older = block->older;

		free(block);
		block = older;
	}
	arena->newest = NULL;
}

static struct arena_block *grow(struct arena *arena, size_t size)
{
	size_t room = MAX(size, BLOCK_ROOM - sizeof(struct arena_block));
	struct arena_block *block;

	if (room > SIZE_MAX - sizeof(*block))
		abort();
	block = calloc(1, sizeof(*block) + room);
	if (block == NULL)
		abort();
	block->room = room;
	block->older = arena->newest;
	arena->newest = block;
	return block;
}

void *arena_take(struct arena *arena, size_t size)
{
	struct arena_block *block = arena->newest;
	void *memory;

	if (size > SIZE_MAX / 2)
		abort();
	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (block == NULL || block->room - block->used < size)
		block = grow(arena, size);
	memory = block->bytes + block->used;
	block->used += size;
	return memory;
}

void *arena_take_array(struct arena *arena, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total))
		abort();
	return arena_take(arena, total);
}

char *arena_text_n(struct arena *arena, const char *text, size_t length)
{
	char *copy = arena_take(arena, length + 1);

	memcpy(copy, text, length);
	return copy;
}

char *arena_text(struct arena *arena, const char *text)
{
	return text == NULL ? NULL : arena_text_n(arena, text, strlen(text));
}

char *arena_format_v(struct arena *arena, const char *format, va_list args)
{
	char room[FORMAT_ROOM], *text;
	va_list again;
	int n;

	va_copy(again, args);
	n = vsnprintf(room, sizeof(room), format, args);
	if (n < 0)
		abort();
	if ((size_t)n < sizeof(room)) {
		text = arena_text_n(arena, room, (size_t)n);
	} else {
		text = arena_take(arena, (size_t)n + 1);
		vsnprintf(text, (size_t)n + 1, format, again);
	}
	va_end(again);
	return text;
}

char *arena_format(struct arena *arena, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = arena_format_v(arena, format, args);
	va_end(args);
	return text;
}
