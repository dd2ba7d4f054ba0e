/* golden [--update] FILE.case... - definitions in, what `redd plan` says of them out.
 *
 * A file holds cases, each of sections that begin with "@":
 *
 *   @CASE      a sentence; begins a case
 *   @APPLIED NAME, @DESIRED NAME, @BOTH NAME   a definition as it was applied, as it is in a file,
 *              or both; the text follows
 *   @RUNNING   names of machines that run
 *   @ROOTLESS  they are a user's
 *   @EXPECT    what is printed, or the sentence of a refusal; always the last
 *
 * --update writes that anew.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/text.h"
#include "declare/definition-check.h"
#include "declare/definition.h"
#include "declare/definitions.h"
#include "machine/find.h"
#include "prog/redd/outlook.h"

#define FILE_MAX (256 * 1024)

struct golden_case {
	struct definitions applied, desired;
	struct machine running[16];
	size_t running_count;
	bool rootless, refused;
};

static const struct definition_facts desired_facts = { .machine_id = "0123", .host_name = "host" };
static const struct definition_facts applied_facts = { .flat = true };

static _Noreturn void die(const char *file, const char *why)
{
	fprintf(stderr, "%s: %s\n", file, why);
	exit(2);
}

static char *read_file(struct arena *arena, const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = arena_take(arena, FILE_MAX);
	size_t size;

	if (file == NULL)
		die(path, "cannot be read");
	size = fread(text, 1, FILE_MAX - 1, file);
	text[size] = '\0';
	fclose(file);
	return text;
}

static void add(struct arena *arena, struct golden_case *golden, struct definitions *list,
		const char *name, const char *text, const struct definition_facts *facts)
{
	struct definition *definition = arena_new(arena, struct definition);
	const char *path = arena_format(arena, "%s.nspawn", name);
	struct definition_items items = { 0 };

	definition_add_text(arena, &items, text, strlen(text), path);
	if (definition_make(arena, definition, name, path, &items, facts) < 0)
		golden->refused = true;
	*(struct definition **)list_grow(arena, (void **)&list->items, &list->count,
					 sizeof(struct definition *)) = definition;
}

/* "@WHAT NAME\nTEXT" */
static void read_section(struct arena *arena, struct golden_case *golden, const char *section,
			 const char *file)
{
	size_t line = strcspn(section, "\n");
	struct text_list words = { 0 };
	const char *text = section + line + (section[line] == '\n');

	text_split(arena, &words, arena_text_n(arena, section, line), " ");
	if (text_equal(words.items[0], "RUNNING")) {
		for (size_t i = 1; i < words.count && i <= 16; i++)
			golden->running[golden->running_count++].name = words.items[i];
		return;
	}
	if (text_equal(words.items[0], "ROOTLESS"))
		golden->rootless = true;
	if (text_equal(words.items[0], "CASE") || text_equal(words.items[0], "ROOTLESS"))
		return;
	if (words.count != 2)
		die(file, section);
	if (text_equal(words.items[0], "APPLIED") || text_equal(words.items[0], "BOTH"))
		add(arena, golden, &golden->applied, words.items[1], text, &applied_facts);
	if (text_equal(words.items[0], "DESIRED") || text_equal(words.items[0], "BOTH"))
		add(arena, golden, &golden->desired, words.items[1], text, &desired_facts);
}

static const char *answer(struct arena *arena, struct golden_case *golden)
{
	struct outlook outlook;

	if (golden->refused || definition_check(arena, &golden->desired, &desired_facts) < 0)
		return arena_format(arena, "%s\n", fail_recorded()->text);
	outlook_make(arena, &outlook,
		     &(struct outlook_facts){
			     .applied = &golden->applied,
			     .desired = &golden->desired,
			     .running = golden->running,
			     .running_count = golden->running_count,
			     .rootless = golden->rootless,
		     });
	return outlook.count == 0 ? "(nothing)\n" : outlook_text(arena, &outlook);
}

/* TEXT from "@CASE" up to "\n@EXPECT"; sections are separated by a line that begins with "@". */
static const char *run_case(struct arena *arena, const char *text, const char *file)
{
	struct golden_case golden = { 0 };

	fail_forget();
	while (text != NULL) {
		const char *next = strstr(text, "\n@");
		size_t length = next == NULL ? strlen(text) : (size_t)(next - text);

		read_section(arena, &golden, arena_text_n(arena, text + 1, length - 1), file);
		text = next == NULL ? NULL : next + 1;
	}
	return answer(arena, &golden);
}

/* The cases of a file; *RET_NEW is the file with what they answer now. */
static int run_file(struct arena *arena, const char *path, char **ret_new)
{
	char *at = strstr(read_file(arena, path), "@CASE"), *out = arena_text(arena, "");
	int bad = 0;

	while (at != NULL) {
		char *expect = strstr(at, "\n@EXPECT\n"), *next = strstr(at, "\n@CASE");
		const char *got, *expected;

		if (expect == NULL)
			die(path, "a case has no @EXPECT");
		expected = expect + strlen("\n@EXPECT\n");
		got = run_case(arena, arena_text_n(arena, at, (size_t)(expect - at)), path);
		out = arena_format(arena, "%s%s%.*s\n@EXPECT\n%s", out, *out ? "\n" : "",
				   (int)(expect - at), at, got);
		expected = next == NULL ? expected
					: arena_text_n(arena, expected, (size_t)(next - expected));
		if (!text_equal(expected, got)) {
			fprintf(stderr, "%s: %.*s\n--- expected\n%s+++ got\n%s", path,
				(int)strcspn(at, "\n"), at, expected, got);
			bad++;
		}
		at = next == NULL ? NULL : next + 1;
	}
	*ret_new = out;
	return bad;
}

int main(int argc, char **argv)
{
	bool update = argc > 1 && text_equal(argv[1], "--update");
	int bad = 0;

	if (argc < 2 + update)
		die(argv[0], "no files");
	for (int i = 1 + update; i < argc; i++) {
		struct arena arena = { 0 };
		char *new;

		bad += run_file(&arena, argv[i], &new);
		if (update) {
			FILE *file = fopen(argv[i], "we");

			if (file == NULL || fputs(new, file) < 0 || fclose(file) != 0)
				die(argv[i], "cannot be written");
		}
		arena_done(&arena);
	}
	return bad > 0 && !update;
}
