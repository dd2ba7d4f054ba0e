#include "format/specifier.h"

#include <stdbool.h>
#include <string.h>

#include "base/arena.h"

static const char *value_of(char letter, const struct specifiers *specifiers)
{
	switch (letter) {
	case 'i': return specifiers->machine;
	case 'm': return specifiers->machine_id;
	case 'H': return specifiers->host;
	case '%': return "%";
	default: return NULL;
	}
}

/* The next one of TEXT that is known, or NULL; *RET_VALUE is what stands for it. */
static const char *next_known(const char *text, const struct specifiers *specifiers,
			      const char **ret_value)
{
	const char *percent = strchr(text, '%');

	for (; percent != NULL; percent = strchr(percent + 1, '%')) {
		*ret_value = value_of(percent[1], specifiers);
		if (*ret_value != NULL)
			return percent;
	}
	return NULL;
}

/* How long TEXT becomes, and whether there is ANY to replace. */
static size_t expanded_size(const char *text, const struct specifiers *specifiers, bool *ret_any)
{
	const char *percent, *value;
	size_t size = 0;

	*ret_any = false;
	while ((percent = next_known(text, specifiers, &value)) != NULL) {
		*ret_any = true;
		size += (size_t)(percent - text) + strlen(value);
		text = percent + 2;
	}
	return size + strlen(text);
}

const char *specifier_expand(struct arena *arena, const char *text,
			     const struct specifiers *specifiers)
{
	const char *percent, *value;
	char *result, *out;
	bool any;
	size_t size = expanded_size(text, specifiers, &any);

	if (!any)
		return text;
	/* Made once: a text may be long, and full of them. */
	result = out = arena_take(arena, size + 1);
	while ((percent = next_known(text, specifiers, &value)) != NULL) {
		out = mempcpy(out, text, (size_t)(percent - text));
		out = mempcpy(out, value, strlen(value));
		text = percent + 2;
	}
	memcpy(out, text, strlen(text) + 1);
	return result;
}
