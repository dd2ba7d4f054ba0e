#include "cli/verb.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/nearest.h"
#include "base/text.h"
#include "format/help.h"

static int refuse_unknown(const struct verb_table *table, const char *name)
{
	struct nearest nearest;

	nearest_init(&nearest, name, strlen(name));
	for (size_t i = 0; i < table->count; i++)
		nearest_offer(&nearest, table->verbs[i].name);
	if (nearest.name == NULL)
		return fail_input("cannot understand '%s': there is no such command (try --help)",
				  name);
	return fail_input("cannot understand '%s': there is no such command (try '%s')", name,
			  nearest.name);
}

static int check(const struct verb *verb, size_t words)
{
	bool few = words < verb->min;

	if (verb->flags & VERB_UNBUILT)
		return fail_plain(-ENOSYS, "cannot run '%s': it is not built yet", verb->name);
	if (!few && words <= verb->max)
		return 0;
	return fail_input("cannot run '%s' with %zu word%s: too %s (try '%s%s%s')", verb->name,
			  words, words == 1 ? "" : "s", few ? "few" : "many", verb->name,
			  verb->arguments == NULL ? "" : " ",
			  verb->arguments == NULL ? "" : verb->arguments);
}

int verb_find(struct arena *arena, const struct verb **ret, const struct verb_table *table,
	      const struct text_list *words)
{
	const char *name = words->count > 0 ? words->items[0] : table->otherwise;
	int r;

	for (size_t i = 0; i < table->count; i++) {
		if (!text_equal(table->verbs[i].name, name))
			continue;
		r = check(&table->verbs[i], words->count > 0 ? words->count - 1 : 0);
		if (r >= 0)
			*ret = &table->verbs[i];
		return r;
	}
	return refuse_unknown(table, text_printable(arena, name));
}

int verb_run(struct arena *arena, const struct verb *verb, void *context,
	     const struct text_list *words)
{
	struct text_list rest = { 0 };

	for (size_t i = 1; i < words->count; i++)
		text_list_add(arena, &rest, words->items[i]);
	return verb->run(context, &rest);
}

void verb_help(struct help *help, const struct verb_table *table)
{
	const char *group = NULL;

	for (size_t i = 0; i < table->count; i++) {
		const struct verb *verb = &table->verbs[i];
		const char *lead = arena_format(help->arena, "  %s", verb->name);
		const char *text = verb->help;

		if (text == NULL)
			continue;
		if (!text_equal(group, verb->group))
			help_heading(help, verb->group);
		group = verb->group;
		if (verb->arguments != NULL)
			lead = arena_format(help->arena, "%s %s", lead, verb->arguments);
		if (verb->flags & VERB_UNBUILT)
			text = arena_format(help->arena, "%s (not built yet)", text);
		help_entry(help, lead, text);
	}
}
