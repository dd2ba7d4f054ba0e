#include "cli/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/path.h"
#include "cli/option.h"
#include "cli/pager.h"
#include "cli/verb.h"
#include "format/help.h"
#include "io/fd.h"

static int print_now(const char *text)
{
	int r = fd_write_all(STDOUT_FILENO, text, strlen(text));

	return r < 0 ? fail(r, "cannot write to standard output") : 0;
}

int program_print(const struct program *program, const char *text)
{
	if (program->page == NULL)
		return print_now(text);
	text_list_add(program->arena, program->page, arena_text(program->arena, text));
	return 0;
}

int program_print_page(const struct program *program)
{
	const struct text_list *page = program->page;
	size_t size = 0;
	char *text, *at;

	if (page == NULL)
		return 0;
	for (size_t i = 0; i < page->count; i++)
		size += strlen(page->items[i]);
	at = text = arena_take(program->arena, size + 1);
	for (size_t i = 0; i < page->count; i++)
		at = stpcpy(at, page->items[i]);
	if (pager_wanted(text, program->rows) &&
	    pager_show(program->arena, text, program->environment) >= 0)
		return 0;
	return print_now(text);
}

static char *join(struct arena *arena, const char *text, const char *more)
{
	char *joined = arena_take(arena, strlen(text) + strlen(more) + 1);

	stpcpy(stpcpy(joined, text), more);
	return joined;
}

int program_print_table(const struct program *program, const struct table *table,
			const char *things)
{
	struct table_style style = {
		.format = program->format,
		.legend = !program->no_legend,
		.colour = program->colour,
		.columns = program->columns,
	};
	struct arena *arena = program->arena;
	size_t rows = table_rows(table);
	const char *text = table_print(table, &style);

	if (style.format == TABLE_TEXT && style.legend)
		text = rows == 0 ? arena_format(arena, "No %s.\n", things)
				 : join(arena, text,
					arena_format(arena, "\n%zu %s listed.\n", rows, things));
	return program_print(program, text);
}

int program_print_help(const struct program *program, const char *path, const char *about,
		       const struct verb_table *verbs, const struct option_table *options)
{
	struct arena *arena = program->arena;
	const char *name = path_name(path); /* a package may call it otherwise */
	struct help help;

	help_init(&help, arena, program->colour, name, "[OPTIONS…] [COMMAND [NAME…]]", about);
	verb_help(&help, verbs);
	help_heading(&help, "Options");
	option_help(&help, options);
	return program_print(program,
			     arena_format(arena, "%s\n",
					  help_done(&help, arena_format(arena, "man %s", name))));
}

int program_end(int status)
{
	if (status >= 0)
		return status;
	if (fail_recorded()->code == 0)
		fail(status, "cannot go on");
	log_error("%s", fail_recorded()->text);
	return EXIT_FAILURE;
}
