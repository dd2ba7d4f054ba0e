#include "transfer/json-in.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"

/* Jansson calls itself for each level; how deep a text goes is known before. */
static bool is_shallow(const char *text, size_t size, size_t depth_max)
{
	bool quoted = false;
	size_t depth = 0;

	for (size_t i = 0; i < size; i++) {
		if (quoted && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			quoted = !quoted;
		else if (!quoted && (text[i] == '{' || text[i] == '['))
			depth++;
		else if (!quoted && (text[i] == '}' || text[i] == ']') && depth > 0)
			depth--;
		if (depth > depth_max)
			return false;
	}
	return true;
}

int json_in_parse(json_t **ret, const char *text, size_t size, size_t size_max, size_t depth_max)
{
	json_error_t error;
	json_t *top;

	if (size > size_max || !is_shallow(text, size, depth_max))
		return -E2BIG;
	top = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	if (top == NULL)
		return -EINVAL;
	*ret = top;
	return 0;
}

const char *json_in_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text == NULL ? "" : text;
}

int json_in_texts(struct arena *arena, struct text_list *list, const json_t *array,
		  size_t count_max, size_t length_max)
{
	const json_t *item;
	size_t i;

	if (array == NULL || json_is_null(array))
		return 0;
	if (!json_is_array(array))
		return -EINVAL;
	if (json_array_size(array) > count_max)
		return -E2BIG;
	json_array_foreach(array, i, item)
	{
		if (!json_is_string(item))
			return -EINVAL;
		if (json_string_length(item) > length_max)
			return -E2BIG;
		text_list_add(arena, list, arena_text(arena, json_string_value(item)));
	}
	return 0;
}

int json_in_keys(struct arena *arena, struct text_list *list, const json_t *object,
		 size_t count_max, size_t length_max)
{
	json_t *all = (json_t *)object;
	const char *key;
	json_t *value;

	if (object == NULL || json_is_null(object))
		return 0;
	if (!json_is_object(object))
		return -EINVAL;
	if (json_object_size(object) > count_max)
		return -E2BIG;
	json_object_foreach(all, key, value)
	{
		if (strlen(key) > length_max)
			return -E2BIG;
		text_list_add(arena, list, arena_text(arena, key));
	}
	text_list_sort(list);
	return 0;
}
