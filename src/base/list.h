/* base/list - growing arrays of strings or structs in an arena.
 *
 * A list never shrinks; growing copies into new arena memory. Elements may be
 * borrowed until the next append. Pure; any process.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct arena;

struct text_list {
	char **items; /* NULL-terminated once anything was appended */
	size_t count;
};

/* Keeps TEXT as it is (it must live as long as the arena). */
void text_list_add(struct arena *arena, struct text_list *list, char *text);
/* As text_list_add() of "NAME=VALUE"; but it takes the place of an earlier one of the same name. */
void text_list_assign(struct arena *arena, struct text_list *list, char *assignment);
void text_list_clear(struct text_list *list);
bool text_list_has(const struct text_list *list, const char *text);
void text_list_sort(struct text_list *list); /* by bytes */

/* For lists of structs: make room for one more in {items,count}, return it zeroed.
 *   struct port *p = list_grow(arena, (void **)&ports->items, &ports->count, sizeof(*p)); */
void *list_grow(struct arena *arena, void **items, size_t *count, size_t size);
