#include "base/list.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

/* Capacity is the next power of two (at least 4), so it need not be stored. */
static bool is_full(size_t count)
{
	return count == 0 || (count >= 4 && (count & (count - 1)) == 0);
}

void *list_grow(struct arena *arena, void **items, size_t *count, size_t size)
{
	char *slot;

	if (is_full(*count)) {
		void *wider = arena_take_array(arena, *count == 0 ? 4 : *count * 2, size);

		if (*count > 0)
			memcpy(wider, *items, *count * size);
		*items = wider;
	}
	slot = (char *)*items + *count * size;
	memset(slot, 0, size);
	(*count)++;
	return slot;
}

void text_list_add(struct arena *arena, struct text_list *list, char *text)
{
	void *items = list->items;

	/* Room for the text and for the terminator behind it. */
	list_grow(arena, &items, &list->count, sizeof(char *));
	if (is_full(list->count)) {
		size_t used = list->count;

		list_grow(arena, &items, &used, sizeof(char *));
	}
	list->items = items;
	list->items[list->count - 1] = text;
	list->items[list->count] = NULL;
}

void text_list_assign(struct arena *arena, struct text_list *list, char *assignment)
{
	size_t length = strcspn(assignment, "=");

	for (size_t i = 0; i < list->count; i++)
		if (strncmp(list->items[i], assignment, length + 1) == 0) {
			list->items[i] = assignment;
			return;
		}
	text_list_add(arena, list, assignment);
}

void text_list_clear(struct text_list *list)
{
	list->items = NULL;
	list->count = 0;
}

bool text_list_has(const struct text_list *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i], text) == 0)
			return true;
	return false;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void text_list_sort(struct text_list *list)
{
	if (list->count > 0)
		qsort(list->items, list->count, sizeof(*list->items), by_bytes);
}
