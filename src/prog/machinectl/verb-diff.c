#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "image/view.h"
#include "machine/diff.h"
#include "machine/find.h"
#include "prog/machinectl/machinectl.h"

/* As lines to be read by people and by scripts: no titles, no blanks but the first. */
static int print_lines(struct context *context, const struct diff_entry *entries, size_t count)
{
	int r = 0;

	for (size_t i = 0; i < count && r >= 0; i++) {
		autoarena struct arena scratch = { 0 };

		r = program_print(&context->program,
				  arena_format(&scratch, "%c %s\n", entries[i].change,
					       text_printable(&scratch, entries[i].path)));
	}
	return r;
}

static int print_table(struct context *context, const struct diff_entry *entries, size_t count)
{
	static const struct column columns[] = {
		{ .title = "CHANGE" },
		{ .title = "PATH" },
	};
	struct table table;

	table_init(&table, context->arena, columns, 2);
	for (size_t i = 0; i < count; i++) {
		table_text(&table, arena_format(context->arena, "%c", entries[i].change));
		table_text(&table, entries[i].path);
	}
	return program_print_table(&context->program, &table, "changes");
}

int verb_diff(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct diff_entry *entries;
	struct machine machine;
	size_t count;
	int r;

	r = machine_open_begun(context->arena, &machine, context->runtime, words->items[0]);
	if (r >= 0)
		r = diff_list(context->arena, &entries, &count, &machine, view_tree);
	if (r < 0)
		return r;
	return context->options.format == TABLE_TEXT ? print_lines(context, entries, count)
						     : print_table(context, entries, count);
}
