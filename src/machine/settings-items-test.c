#include "machine/settings-items.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "base/unit.h"
#include "io/settings.h"

static struct settings_part part(const char *path, const char *text)
{
	return (struct settings_part){ path, (char *)text, strlen(text) };
}

static char *all(struct arena *arena, const struct settings *settings, const char *section)
{
	char *text = arena_text(arena, "");
	struct settings_items items;
	struct ini_item item;

	settings_items_begin(&items, arena, settings);
	while (settings_items_next(&items, &item, section) > 0)
		text = arena_format(arena, "%s%s:%u %s=%s ", text, items.path, item.line, item.key,
				    item.value);
	return text;
}

START_TEST(drop_ins_come_after_their_file)
{
	struct settings_part parts[] = { part("a", "[X]\nA=1\n[Y]\nB=2\n[X]\nA=3\n"), part("b", ""),
					 part("c", "A=lost\n[X]\nA=\n") };
	struct settings settings = { .parts = parts, .count = 3 };
	autoarena struct arena arena = {};

	ck_assert_str_eq(all(&arena, &settings, "X"), "a:2 A=1 a:6 A=3 c:3 A= ");
	ck_assert_str_eq(all(&arena, &settings, "Y"), "a:4 B=2 ");
	ck_assert_str_eq(all(&arena, NULL, "X"), "");
}
END_TEST

START_TEST(what_cannot_be_read_is_told)
{
	struct settings_part parts[] = { part("a", "[X]\nA=1\n"), { "b", (char *)"\0", 1 } };
	struct settings settings = { .parts = parts, .count = 2 };
	autoarena struct arena arena = {};
	struct settings_items items;
	struct ini_item item;

	settings_items_begin(&items, &arena, &settings);
	ck_assert_int_eq(settings_items_next(&items, &item, "X"), 1);
	ck_assert_int_eq(settings_items_next(&items, &item, "X"), -EINVAL);
	ck_assert_str_eq(items.path, "b");
}
END_TEST

START_TEST(who_is_wanted_starts_at_boot)
{
	struct settings_part parts[] = { part("a", "[X-Install]\nWantedBy=machines.target\n"),
					 part("b", "[X-Install]\nWantedBy=\n") };
	struct settings settings = { .parts = parts, .count = 1 };
	autoarena struct arena arena = {};

	ck_assert(settings_items_start_at_boot(&arena, &settings));
	settings.count = 2;
	ck_assert(!settings_items_start_at_boot(&arena, &settings));
	ck_assert(!settings_items_start_at_boot(&arena, NULL));
}
END_TEST

int main(void)
{
	return UNIT_RUN("machine/settings-items", drop_ins_come_after_their_file,
			what_cannot_be_read_is_told, who_is_wanted_starts_at_boot);
}
