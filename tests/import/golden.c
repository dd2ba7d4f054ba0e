/* golden [--update] FILE.case... - foreign definitions in, .nspawn files and the list out.
 *
 * A file holds cases, each of sections that begin with "@":
 *
 *   @IMPORT KIND PATH  begins a case; the definition's text follows (a directory has none)
 *   @ENV               NAME=VALUE lines: the caller's environment
 *   @FILE PATH         another file that is there
 *   @NSPAWN NAME       what is written, in this order
 *   @LIST              what cannot be said: "FILE:LINE: KEY: why"
 *   @REFUSED           the sentence instead
 *
 * --update writes the last three anew.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/text.h"
#include "declare/import-kinds.h"
#include "declare/import.h"

#define CASE_FILE_MAX (256 * 1024)

struct file {
	const char *path, *text;
};

struct scenario {
	struct arena *arena;
	const char *kind, *path, *text;
	struct text_list environment;
	struct file *files;
	size_t file_count;
};

static _Noreturn void die(const char *file, const char *why)
{
	fprintf(stderr, "%s: %s\n", file, why);
	exit(2);
}

static int read_given(void *context, struct arena *arena, const char *path, char **ret,
		      size_t *ret_size)
{
	const struct scenario *scenario = context;

	for (size_t i = 0; i < scenario->file_count; i++) {
		if (!text_equal(scenario->files[i].path, path))
			continue;
		*ret = arena_text(arena, scenario->files[i].text);
		*ret_size = strlen(*ret);
		return 0;
	}
	return -ENOENT;
}

/* The files of a directory, in the order of the case. */
static void names_in(const struct scenario *scenario, struct text_list *ret)
{
	for (size_t i = 0; i < scenario->file_count; i++) {
		const char *name = text_after(scenario->files[i].path, scenario->path);

		if (name && *name == '/')
			text_list_add(scenario->arena, ret, arena_text(scenario->arena, name + 1));
	}
}

static char *outcome(struct scenario *scenario)
{
	struct arena *arena = scenario->arena;
	char *out = arena_text(arena, "");
	struct text_list names = { 0 };
	struct import import;
	bool known;

	fail_forget();
	import_begin(&import, arena, read_given, scenario,
		     (const char *const *)scenario->environment.items);
	names_in(scenario, &names);
	known = import_run(&import, scenario->kind, scenario->path, scenario->text,
			   strlen(scenario->text), &names);
	if (!known)
		die(scenario->path, "the kind is not known");
	if (import_end(&import) < 0)
		return arena_format(arena, "@REFUSED\n%s\n\n", fail_recorded()->text);
	for (size_t i = 0; i < import.machine_count; i++)
		if (!import.machines[i]->left_out)
			out = arena_format(arena, "%s@NSPAWN %s\n%s\n", out,
					   import.machines[i]->name,
					   import_print(arena, import.machines[i]));
	out = arena_format(arena, "%s@LIST\n", out);
	for (size_t i = 0; i < import.note_count; i++)
		out = arena_format(arena, "%s%s\n", out, import_note_text(arena, &import.notes[i]));
	return arena_format(arena, "%s\n", out);
}

/* ---- files of cases ---- */

static char *read_case(struct arena *arena, const char *path)
{
	char *text = arena_take(arena, CASE_FILE_MAX);
	FILE *file = fopen(path, "re");
	size_t size;

	if (!file)
		die(path, strerror(errno));
	size = fread(text, 1, CASE_FILE_MAX - 1, file);
	fclose(file);
	text[size] = '\0';
	return text;
}

/* A section: its heading's line, and the lines below it. */
static bool next_section(struct arena *arena, const char **at, char **ret_heading, char **ret_text)
{
	const char *start = *at, *end;

	if (*start == '\0')
		return false;
	end = strchr(start, '\n');
	end = end ? end + 1 : start + strlen(start);
	*ret_heading = arena_text_n(arena, start, strcspn(start, "\n"));
	start = end;
	while (*end && *end != '@')
		end += strcspn(end, "\n") + (strchr(end, '\n') != NULL);
	*ret_text = arena_text_n(arena, start, (size_t)(end - start));
	*at = end;
	return true;
}

static void begin_case(struct scenario *scenario, struct arena *arena, const char *rest,
		       const char *text, const char *file)
{
	struct text_list words = { 0 };

	text_split(arena, &words, rest, " ");
	if (words.count != 2)
		die(file, rest);
	*scenario = (struct scenario){
		.arena = arena, .kind = words.items[0], .path = words.items[1], .text = text
	};
}

static bool take_input(struct scenario *scenario, struct arena *arena, const char *heading,
		       char *text, const char *file)
{
	const char *rest;

	if ((rest = text_after(heading, "@IMPORT "))) {
		begin_case(scenario, arena, rest, text, file);
	} else if (text_equal(heading, "@ENV")) {
		text_split(arena, &scenario->environment, text, "\n");
	} else if ((rest = text_after(heading, "@FILE "))) {
		struct file *added = list_grow(arena, (void **)&scenario->files,
					       &scenario->file_count, sizeof(*added));

		*added = (struct file){ rest, text };
	} else {
		return false;
	}
	return true;
}

struct count {
	size_t cases, failed;
};

static char *compare(struct count *count, struct scenario *scenario, const char *expected,
		     const char *file)
{
	char *is = outcome(scenario);

	count->cases++;
	if (text_equal(is, expected))
		return is;
	count->failed++;
	printf("%s: %s\n--- expected\n%s--- is\n%s", file, scenario->path, expected, is);
	return is;
}

/* The file with what is made now. */
static char *run(struct arena *arena, struct count *count, const char *file)
{
	const char *at = read_case(arena, file);
	char *heading, *text, *expected = NULL, *updated;
	struct scenario scenario = { 0 };
	size_t before = strcspn(at, "@");

	updated = arena_text_n(arena, at, before);
	at += before;
	while (next_section(arena, &at, &heading, &text)) {
		bool begins = text_after(heading, "@IMPORT ") != NULL;

		if (begins && scenario.kind)
			updated = arena_format(arena, "%s%s", updated,
					       compare(count, &scenario, expected ? expected : "",
						       file));
		if (begins)
			expected = NULL;
		if (take_input(&scenario, arena, heading, text, file))
			updated = arena_format(arena, "%s%s\n%s", updated, heading, text);
		else
			expected = arena_format(arena, "%s%s\n%s", expected ? expected : "",
						heading, text);
	}
	if (!scenario.kind)
		die(file, "there is no case in it");
	return arena_format(arena, "%s%s", updated,
			    compare(count, &scenario, expected ? expected : "", file));
}

int main(int argc, char **argv)
{
	bool updating = argc > 1 && strcmp(argv[1], "--update") == 0;
	struct count count = { 0 };

	for (int i = updating ? 2 : 1; i < argc; i++) {
		autoarena struct arena arena = { 0 };
		char *updated = run(&arena, &count, argv[i]);
		FILE *file = updating ? fopen(argv[i], "we") : NULL;

		if (!file)
			continue;
		fputs(updated, file);
		fclose(file);
	}
	printf("%zu cases, %zu failed\n", count.cases, count.failed);
	return count.failed > 0 && !updating;
}
