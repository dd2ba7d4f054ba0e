/* Command lines as files of a corpus: one word a line. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/text.h"

#define FUZZ_WORDS_MAX 64

/* The words, behind the program's NAME. */
static inline void fuzz_words(struct arena *arena, struct text_list *ret, const char *name,
			      const uint8_t *data, size_t size)
{
	const char *text = arena_text_n(arena, (const char *)data, size);

	text_list_add(arena, ret, arena_text(arena, name));
	while (*text != '\0' && ret->count < FUZZ_WORDS_MAX) {
		size_t length = strcspn(text, "\n");

		text_list_add(arena, ret, arena_text_n(arena, text, length));
		text += length + (text[length] != '\0');
	}
}
