#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "declare/definition.h"

struct out {
	char *text;
	size_t used, room;
};

static void put(struct arena *arena, struct out *out, const char *text)
{
	size_t length = strlen(text);

	if (out->used + length + 1 > out->room) {
		size_t room = (out->used + length + 1) * 2;
		char *grown = arena_take(arena, room);

		memcpy(grown, out->text == NULL ? "" : out->text, out->used);
		out->text = grown;
		out->room = room;
	}
	memcpy(out->text + out->used, text, length + 1);
	out->used += length;
}

static void put_heading(struct arena *arena, struct out *out, const char *section)
{
	put(arena, out, out->used > 0 ? "\n[" : "[");
	put(arena, out, section);
	put(arena, out, "]\n");
}

char *definition_print(struct arena *arena, const struct definition *definition, bool origins)
{
	struct out out = { 0 };
	const char *section = NULL;
	bool image = false;

	put(arena, &out, "");
	for (size_t i = 0; i < definition->items.count; i++) {
		const struct definition_item *item = &definition->items.items[i];

		if (!text_equal(section, item->section))
			put_heading(arena, &out, item->section);
		section = item->section;
		image |= text_equal(section, "X-Image");
		if (origins)
			put(arena, &out,
			    arena_format(arena, "# %s line %u\n", item->file, item->line));
		put(arena, &out, item->key);
		put(arena, &out, "=");
		put(arena, &out, item->value);
		put(arena, &out, "\n");
	}
	/* It is what makes the machine one that is managed. */
	if (definition->managed && !image)
		put_heading(arena, &out, "X-Image");
	return out.text;
}
