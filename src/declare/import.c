#include "declare/import.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/name-clean.h"
#include "base/names.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/definition.h"
#include "spec/settings.h"
#include "spec/spec.h"

/* In the order of the files that are written. */
static const char *const sections[] = {
	"Exec",	  "Files",     "Network",  "X-Image", "X-Network",
	"X-Unit", "X-Service", "X-Health", "X-Nix",   "X-Install",
};

void import_begin(struct import *ret, struct arena *arena, import_read_fn *read, void *read_context,
		  const char *const *environment)
{
	*ret = (struct import){
		.arena = arena,
		.read = read,
		.read_context = read_context,
		.environment = environment,
	};
}

/* By file and line; of one line, as they were made. */
static void sort_notes(struct import *import)
{
	for (size_t i = 1; i < import->note_count; i++) {
		struct import_note note = import->notes[i];
		size_t to = i;

		while (to > 0 && text_equal(import->notes[to - 1].at.file, note.at.file) &&
		       import->notes[to - 1].at.line > note.at.line) {
			import->notes[to] = import->notes[to - 1];
			to--;
		}
		import->notes[to] = note;
	}
}

/* What was written has to be a definition that is understood. */
static int check(struct import *import, const struct import_machine *machine)
{
	static const struct definition_facts facts = { .machine_id = "", .host_name = "" };
	struct definition_items items = { 0 };
	struct definition definition;
	char *text = import_print(import->arena, machine);
	char *path = arena_format(import->arena, "%s.nspawn", machine->name);
	int r;

	definition_add_text(import->arena, &items, text, strlen(text), path);
	r = definition_make(import->arena, &definition, machine->name, path, &items, &facts);
	return r < 0 ? fail_in(r, "cannot import %s", machine->from) : 0;
}

int import_end(struct import *import)
{
	for (size_t i = 0; i < import->machine_count && import->status >= 0; i++)
		if (!import->machines[i]->left_out)
			import->status = check(import, import->machines[i]);
	sort_notes(import);
	return import->status;
}

/* ---- what is told ---- */

/* What several machines have from one line is told once. */
static bool is_noted(const struct import *import, struct import_at at, const char *why)
{
	for (size_t i = 0; i < import->note_count; i++) {
		const struct import_note *note = &import->notes[i];

		if (note->at.line == at.line && text_equal(note->at.file, at.file) &&
		    text_equal(note->at.key, at.key) && text_equal(note->why, why))
			return true;
	}
	return false;
}

void import_note(struct import *import, const struct import_machine *machine, struct import_at at,
		 const char *why, ...)
{
	struct import_note *note;
	va_list args;
	char *text;

	va_start(args, why);
	text = arena_format_v(import->arena, why, args);
	va_end(args);
	if (import->note_count > IMPORT_NOTES_MAX || is_noted(import, at, text))
		return;
	note = list_grow(import->arena, (void **)&import->notes, &import->note_count,
			 sizeof(*note));
	note->at = at;
	note->machine = machine ? machine->name : NULL;
	if (import->note_count > IMPORT_NOTES_MAX) {
		note->why = "and more, which is not listed";
		return;
	}
	note->why = text;
}

void import_refuse(struct import *import, struct import_at at, const char *why, ...)
{
	va_list args;
	char *text;

	if (import->status < 0)
		return;
	va_start(args, why);
	text = arena_format_v(import->arena, why, args);
	va_end(args);
	import->status = fail_input("cannot import '%s': line %u: %.200s: %s", at.file, at.line,
				    text_printable(import->arena, at.key), text);
}

/* ---- machines ---- */

char *import_name(struct import *import, const char *name)
{
	char *text = arena_text(import->arena, name);

	for (char *at = text; *at; at++)
		if (*at == '_')
			*at = '-';
	text = name_clean(import->arena, text);
	return text && name_is_machine(text) ? text : NULL;
}

struct import_machine *import_add(struct import *import, struct import_at at, const char *name,
				  const char *from)
{
	struct import_machine **place, *machine;
	char *clean = import_name(import, name);

	if (!clean) {
		import_refuse(import, at, "nothing of '%.80s' can be in a machine's name",
			      text_printable(import->arena, name));
		return NULL;
	}
	for (size_t i = 0; i < import->machine_count; i++)
		if (text_equal(import->machines[i]->name, clean)) {
			import_refuse(import, at, "two machines would be called '%s'", clean);
			return NULL;
		}
	if (import->machine_count >= IMPORT_MACHINES_MAX) {
		import_refuse(import, at, "there are more than %d machines", IMPORT_MACHINES_MAX);
		return NULL;
	}
	machine = arena_new(import->arena, struct import_machine);
	machine->name = clean;
	machine->from = from;
	place = list_grow(import->arena, (void **)&import->machines, &import->machine_count,
			  sizeof(machine));
	*place = machine;
	if (!text_equal(clean, name))
		import_note(import, machine, at, "the machine is called '%s'", clean);
	return machine;
}

/* ---- lines ---- */

/* A line is one line, and nothing in it reaches a terminal that should not. */
static bool is_plain(const char *text)
{
	size_t size = strlen(text), length;

	for (; size > 0; text += length, size -= length) {
		uint32_t code;

		length = text_utf8_decode(&code, text, size);
		if (length == 0 || (code != '\t' && text_is_unsafe(code)))
			return false;
	}
	return true;
}

static bool row_accepts(struct import *import, struct import_at at, const char *section,
			const char *key, const char *value)
{
	const struct setting *row = setting_by_key(section, key);
	struct spec *spec;
	struct setting_reader reader;
	int r;

	if (!row)
		return true;
	spec = arena_new(import->arena, struct spec);
	spec_init(spec);
	text_list_add(import->arena, &spec->settings_files, arena_text(import->arena, at.file));
	reader = (struct setting_reader){
		.arena = import->arena,
		.spec = spec,
		.row = row,
		.origin = BY_FILE,
		.line = at.line,
		.working_directory = "/",
	};
	r = setting_apply(&reader, row, value);
	if (r < 0)
		import_refuse(import, at, "'%s=%.200s' cannot be used: %s", key,
			      text_printable(import->arena, value), setting_refusal(&reader, r));
	return r >= 0;
}

static char *double_percent(struct arena *arena, const char *text)
{
	char *doubled = arena_take(arena, 2 * strlen(text) + 1), *at = doubled;

	for (; *text; text++) {
		*at++ = *text;
		if (*text == '%')
			*at++ = '%';
	}
	return doubled;
}

void import_set(struct import *import, struct import_machine *machine, struct import_at at,
		const char *section, const char *key, const char *value)
{
	struct import_line *line;
	size_t length = strlen(value);

	if (import->status < 0)
		return;
	if (!is_plain(value)) {
		import_refuse(import, at, "there are characters that no setting may have");
		return;
	}
	if (length > 0 && value[length - 1] == '\\') {
		import_refuse(import, at, "a backslash at the end would join lines");
		return;
	}
	machine->size += length + strlen(key) + 2;
	if (machine->size > IMPORT_FILE_MAX) {
		import_refuse(import, at, "there is more of it than a file may have");
		return;
	}
	if (!row_accepts(import, at, section, key, value))
		return;
	line = list_grow(import->arena, (void **)&machine->lines, &machine->count, sizeof(*line));
	/* Those of systemd are passed on as they are. */
	if (!text_equal(section, "X-Unit") && !text_equal(section, "X-Service") &&
	    !text_equal(section, "X-Install"))
		value = double_percent(import->arena, value);
	*line = (struct import_line){ section, key, arena_text(import->arena, value) };
}

void import_setf(struct import *import, struct import_machine *machine, struct import_at at,
		 const char *section, const char *key, const char *value, ...)
{
	va_list args;

	va_start(args, value);
	import_set(import, machine, at, section, key, arena_format_v(import->arena, value, args));
	va_end(args);
}

const char *import_get(const struct import_machine *machine, const char *section, const char *key)
{
	for (size_t i = machine->count; i > 0; i--) {
		const struct import_line *line = &machine->lines[i - 1];

		if (text_equal(line->section, section) && text_equal(line->key, key))
			return line->value;
	}
	return NULL;
}

void import_persist(struct import *import, struct import_machine *machine, struct import_at at,
		    const char *path)
{
	char *simple = path_simplify(import->arena, path);

	if (!path_is_absolute(simple) || !path_is_normal(simple) || text_equal(simple, "/") ||
	    !is_plain(simple)) {
		import_refuse(import, at, "'%.200s' is no directory of the machine to keep",
			      text_printable(import->arena, path));
		return;
	}
	if (!text_list_has(&machine->persist, simple))
		text_list_add(import->arena, &machine->persist, simple);
}

/* ---- words ---- */

char *import_word(struct arena *arena, const char *word)
{
	char *text = arena_take(arena, 2 * strlen(word) + 3), *at = text;

	if (*word && !strpbrk(word, " \t\n\"'\\;#"))
		return arena_text(arena, word);
	*at++ = '"';
	for (; *word; word++) {
		if (*word == '"' || *word == '\\' || *word == '\n')
			*at++ = '\\';
		*at++ = *word == '\n' ? 'n' : *word;
	}
	*at = '"';
	return text;
}

char *import_words(struct arena *arena, const struct text_list *words, size_t first)
{
	struct text_list quoted = { 0 };
	size_t size = 1;
	char *text, *at;

	for (size_t i = first; i < words->count; i++) {
		text_list_add(arena, &quoted, import_word(arena, words->items[i]));
		size += strlen(quoted.items[quoted.count - 1]) + 1;
	}
	text = at = arena_take(arena, size);
	for (size_t i = 0; i < quoted.count; i++) {
		if (i > 0)
			*at++ = ' ';
		at = stpcpy(at, quoted.items[i]);
	}
	return text;
}

void import_split(struct arena *arena, struct text_list *list, const char *text, const char *any)
{
	struct text_list words = { 0 };

	text_split(arena, &words, text, any);
	for (size_t i = 0; i < words.count; i++)
		text_list_add(arena, list, words.items[i]);
}

char *import_path(struct arena *arena, const char *path)
{
	char *text = arena_take(arena, 2 * strlen(path) + 1), *at = text;

	for (; *path; path++) {
		if (*path == ':' || *path == '\\')
			*at++ = '\\';
		*at++ = *path;
	}
	return text;
}

/* ---- the file ---- */

static void print_section(struct arena *arena, struct text_list *out,
			  const struct import_machine *machine, const char *section)
{
	bool begun = false, keeps = text_equal(section, "X-Image") && machine->persist.count > 0;

	for (size_t i = 0; i < machine->count; i++) {
		const struct import_line *line = &machine->lines[i];

		if (!text_equal(line->section, section))
			continue;
		if (!begun)
			text_list_add(arena, out, arena_format(arena, "\n[%s]\n", section));
		begun = true;
		text_list_add(arena, out, arena_format(arena, "%s=%s\n", line->key, line->value));
	}
	if (!keeps)
		return;
	if (!begun)
		text_list_add(arena, out, arena_format(arena, "\n[%s]\n", section));
	text_list_add(arena, out,
		      arena_format(arena, "Persist=%s\n",
				   double_percent(arena,
						  import_words(arena, &machine->persist, 0))));
}

char *import_print(struct arena *arena, const struct import_machine *machine)
{
	struct text_list out = { 0 };
	size_t size = 1;
	char *text, *at;

	text_list_add(arena, &out,
		      arena_format(arena, "# From %s.\n", text_printable(arena, machine->from)));
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		print_section(arena, &out, machine, sections[i]);
	for (size_t i = 0; i < out.count; i++)
		size += strlen(out.items[i]);
	text = at = arena_take(arena, size);
	for (size_t i = 0; i < out.count; i++)
		at = stpcpy(at, out.items[i]);
	return text;
}

char *import_note_text(struct arena *arena, const struct import_note *note)
{
	return arena_format(arena, "%s:%u: %s: %s", path_name(note->at.file), note->at.line,
			    text_printable(arena, note->at.key), note->why);
}
