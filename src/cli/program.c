#include "cli/program.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "base/version.h"
#include "cli/pager.h"
#include "cli/screen.h"
#include "cli/verb.h"
#include "format/help.h"
#include "io/child.h"
#include "io/fd.h"
#include "kernel/terminal.h"

extern char **environ;

void program_begin(struct program *program, struct arena *arena, char *const *arguments)
{
	*program = (struct program){
		.arena = arena,
		.environment = (const char *const *)environ,
		.arguments = arguments,
		.terminal = terminal_is(STDOUT_FILENO),
	};
	program->colour = screen_has_colour(program->environment, program->terminal);
	log_set_colour(screen_has_colour(program->environment, terminal_is(STDERR_FILENO)));
	if (!program->terminal ||
	    terminal_size(STDOUT_FILENO, &program->rows, &program->columns) < 0)
		program->rows = program->columns = 0;
}

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

/* What was collected, even after a failure. */
static int print_page(const struct program *program)
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

int program_run_verb(struct program *program, const struct verb *verb, void *context,
		     const struct text_list *words)
{
	struct text_list page = { 0 };
	int r, status;

	if (verb->flags & VERB_PAGED && program->rows > 0 && !program->no_pager)
		program->page = &page;
	status = verb_run(program->arena, verb, context, words);
	r = print_page(program);
	program->page = NULL;
	return status < 0 || r >= 0 ? status : r;
}

int program_print_version(const struct program *program, const char *name)
{
	struct arena *arena = program->arena;

	return program_print(program, arena_format(arena, "%s\n", version_text(arena, name)));
}

int program_parse(const struct program *program, const struct verb **ret,
		  struct option_result *result, const struct program_line *line, int argc,
		  char **argv)
{
	struct arena *arena = program->arena;
	int r;

	*ret = NULL;
	r = option_parse(arena, result, line->options, line->values, argc, argv, line->stop);
	if (r < 0)
		return r;
	if (result->list != NULL)
		return program_print(program, result->list);
	if (*line->version)
		return program_print_version(program, line->name);
	if (*line->help) {
		text_list_clear(&result->words);
		text_list_add(arena, &result->words, arena_text(arena, "help"));
	}
	return verb_find(arena, ret, line->verbs, &result->words);
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

int program_print_help(const struct program *program, const char *about,
		       const struct verb_table *verbs, const struct option_table *options)
{
	struct arena *arena = program->arena;
	const char *name = path_name(program->arguments[0]); /* a package may call it otherwise */
	struct help help;

	help_init(&help, arena, program->colour, name, "[OPTIONS…] [COMMAND [NAME…]]", about);
	verb_help(&help, verbs);
	help_heading(&help, "Options");
	option_help(&help, options);
	return program_print(program,
			     arena_format(arena, "%s\n",
					  help_done(&help, arena_format(arena, "man %s", name))));
}

static char *find_program(struct arena *arena, const char *const *environment, const char *name)
{
	char own[PATH_MAX], *beside;
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);

	if (length > 0) {
		own[length] = '\0';
		beside = path_join(arena, path_parent(arena, own), name);
		if (access(beside, X_OK) == 0)
			return beside;
	}
	return child_find(arena, text_variable(environment, "PATH"), name);
}

int program_become(struct arena *arena, const char *const *environment, const char *name,
		   const struct text_list *words)
{
	char *program = find_program(arena, environment, name);
	struct text_list command = { 0 };

	if (program == NULL)
		return fail_plain(-ENOENT,
				  "cannot run '%s', which does this: it is neither beside this "
				  "program nor in $PATH",
				  name);
	text_list_add(arena, &command, program);
	for (size_t i = 0; i < words->count; i++)
		text_list_add(arena, &command, words->items[i]);
	execve(program, command.items, (char *const *)environment);
	return fail(-errno, "cannot run '%s'", program);
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
