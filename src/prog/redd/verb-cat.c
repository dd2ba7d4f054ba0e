/* Definitions as they are read. */
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/names.h"
#include "base/path.h"
#include "base/text.h"
#include "prog/redd/redd.h"

/* By a path; or by name, from where definitions are. */
int context_find(struct context *context, struct definition *ret, const char *word)
{
	struct arena *arena = context->arena;

	if (text_ends(word, ".nspawn"))
		return definition_load(arena, ret, word, &context->facts);
	if (!name_is_machine(word))
		return fail_input("cannot use '%s' as the name of a machine or of its file",
				  text_printable(arena, word));
	for (size_t i = 0; i < context->templates.count; i++) {
		const char *path = path_join(arena, context->templates.items[i],
					     arena_format(arena, "%s.nspawn", word));

		if (access(path, F_OK) >= 0)
			return definition_load(arena, ret, path, &context->facts);
	}
	return fail_input("cannot find a definition of '%s' (try the path of its file)", word);
}

/* Values may hold anything (class S24). */
static char *printable(struct arena *arena, const char *text)
{
	struct text_list lines = { 0 };
	char *result = arena_text(arena, "");

	text_split(arena, &lines, text, "\n");
	for (size_t i = 0; i < lines.count; i++)
		result = arena_format(arena, "%s%s%s\n", result,
				      lines.items[i][0] == '[' && i > 0 ? "\n" : "",
				      text_printable(arena, lines.items[i]));
	return result;
}

int verb_cat(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct arena *arena = context->arena;
	int r = 0;

	for (size_t i = 0; i < words->count && r >= 0; i++) {
		struct definition definition;
		const char *text;

		r = context_find(context, &definition, words->items[i]);
		if (r < 0)
			return r;
		text = definition_print(arena, &definition, true);
		if (context->program.terminal)
			text = printable(arena, text);
		r = program_print(&context->program,
				  arena_format(arena, "%s%s", i == 0 ? "" : "\n", text));
	}
	return r;
}
