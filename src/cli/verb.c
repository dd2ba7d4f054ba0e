#include "cli/verb.h"

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"

static const struct verb *find(const struct verb_table *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++)
		if (text_equal(table->verbs[i].name, name))
			return &table->verbs[i];
	return NULL;
}

int verb_run(struct arena *arena, const struct verb_table *table, void *context,
	     const struct text_list *words)
{
	const char *name = words->count > 0 ? words->items[0] : table->otherwise;
	const struct verb *verb = find(table, name);
	struct text_list rest = { 0 };

	if (verb == NULL)
		return fail_input("cannot understand '%s': there is no such command (try --help)",
				  text_printable(arena, name));
	for (size_t i = 1; i < words->count; i++)
		text_list_add(arena, &rest, words->items[i]);
	if (rest.count < verb->min || rest.count > verb->max)
		return fail_input("cannot run '%s' with %zu word%s: too %s (try '%s%s%s')", name,
				  rest.count, rest.count == 1 ? "" : "s",
				  rest.count < verb->min ? "few" : "many", name,
				  verb->arguments == NULL ? "" : " ",
				  verb->arguments == NULL ? "" : verb->arguments);
	return verb->run(context, &rest);
}

char *verb_help(struct arena *arena, const struct verb_table *table)
{
	char *text = arena_text(arena, "");
	const char *group = NULL;

	for (size_t i = 0; i < table->count; i++) {
		const struct verb *verb = &table->verbs[i];
		const char *words = verb->name;

		if (verb->help == NULL)
			continue;
		if (!text_equal(group, verb->group))
			text = arena_format(arena, "%s%s%s:\n", text, group == NULL ? "" : "\n",
					    verb->group);
		group = verb->group;
		if (verb->arguments != NULL)
			words = arena_format(arena, "%s %s", verb->name, verb->arguments);
		text = arena_format(arena, "%s  %-32s %s\n", text, words, verb->help);
	}
	return text;
}
