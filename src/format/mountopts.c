#include "format/mountopts.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"

/* What is written to *to, with its NUL, is never longer than what is read with its comma. */
static int read_piece(struct mountopt *ret, char **to, const char **text)
{
	char *piece = *to;
	struct mountopt option = { .key = piece };
	const char *at = *text;
	bool quoted = false;
	size_t used = 0;

	for (; *at != '\0' && (quoted || *at != ','); at++) {
		if (*at == '"') {
			quoted = !quoted;
		} else if (*at == '=' && !quoted && option.value == NULL) {
			piece[used++] = '\0';
			option.value = piece + used;
		} else {
			piece[used++] = *at;
		}
	}
	if (quoted || (option.value != NULL && option.key[0] == '\0'))
		return -EINVAL;
	piece[used++] = '\0';
	*to = piece + used;
	*text = at;
	*ret = option;
	return 0;
}

int mountopts_parse(struct arena *arena, struct mountopts *ret, const char *text)
{
	struct mountopts options = {};
	char *to;

	if (strlen(text) > MOUNTOPTS_LENGTH_MAX)
		return -E2BIG;
	to = arena_take(arena, strlen(text) + 1);
	while (*text != '\0') {
		struct mountopt option, *slot;
		void *items = options.items;
		int r;

		r = read_piece(&option, &to, &text);
		if (r < 0)
			return r;
		text += *text == ',';
		if (option.key[0] == '\0')
			continue;
		slot = list_grow(arena, &items, &options.count, sizeof(*slot));
		*slot = option;
		options.items = items;
	}
	*ret = options;
	return 0;
}

char *mountopts_format(struct arena *arena, const struct mountopts *options)
{
	char *text = arena_text(arena, "");

	for (size_t i = 0; i < options->count; i++) {
		const struct mountopt *option = &options->items[i];
		const char *comma = i == 0 ? "" : ",", *quote;

		if (option->value == NULL) {
			text = arena_format(arena, "%s%s%s", text, comma, option->key);
			continue;
		}
		quote = strchr(option->value, ',') == NULL ? "" : "\"";
		text = arena_format(arena, "%s%s%s=%s%s%s", text, comma, option->key, quote,
				    option->value, quote);
	}
	return text;
}

const struct mountopt *mountopts_find(const struct mountopts *options, const char *key)
{
	for (size_t i = options->count; i > 0; i--)
		if (strcmp(options->items[i - 1].key, key) == 0)
			return &options->items[i - 1];
	return NULL;
}
