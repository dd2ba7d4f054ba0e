#include "machine/settings-items.h"

#include "base/arena.h"
#include "base/text.h"
#include "io/settings.h"

void settings_items_begin(struct settings_items *items, struct arena *arena,
			  const struct settings *settings)
{
	*items = (struct settings_items){ .arena = arena, .settings = settings };
}

/* 0: there is none. */
static int next_part(struct settings_items *items)
{
	const struct settings_part *part;
	int r;

	if (items->settings == NULL || items->next == items->settings->count)
		return 0;
	part = &items->settings->parts[items->next++];
	items->path = part->path;
	r = ini_start(&items->ini, items->arena, part->text, part->size);
	return r < 0 ? r : 1;
}

int settings_items_next(struct settings_items *items, struct ini_item *ret, const char *section)
{
	int r = items->path == NULL ? next_part(items) : 1;

	while (r > 0) {
		r = ini_next(&items->ini, ret);
		if (r > 0 && ret->kind == INI_ASSIGNMENT && text_equal(ret->section, section))
			return 1;
		if (r == 0)
			r = next_part(items);
	}
	return r;
}

bool settings_items_start_at_boot(struct arena *arena, const struct settings *settings)
{
	struct settings_items items;
	struct ini_item item;
	bool wanted = false;

	settings_items_begin(&items, arena, settings);
	while (settings_items_next(&items, &item, "X-Install") > 0)
		if (text_equal(item.key, "WantedBy"))
			wanted = item.value[0] != '\0';
	return wanted;
}
