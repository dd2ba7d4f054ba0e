#include "prog/redd/outlook.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/text.h"
#include "declare/compare.h"
#include "declare/definition.h"
#include "declare/definitions.h"
#include "format/json-out.h"
#include "machine/find.h"

#define COLUMN_MAX 40 /* a longer text pushes the others of its line aside */

struct making {
	struct arena *arena;
	const struct outlook_facts *facts;
	struct outlook *outlook;
};

/* ---- words ---- */

/* "CPUQuota": "cpu quota". A capital letter begins a word unless it is inside of some, but the last
 * of those begins the next. */
static char *words_of_key(struct arena *arena, const char *key)
{
	char *text = arena_take(arena, strlen(key) * 2 + 1), *at = text;

	for (size_t i = 0; key[i] != '\0'; i++) {
		bool capital = key[i] >= 'A' && key[i] <= 'Z';
		bool after = i > 0 && key[i - 1] >= 'A' && key[i - 1] <= 'Z';
		bool before_small = key[i + 1] >= 'a' && key[i + 1] <= 'z' && key[i + 2] != '\0';

		if (capital && i > 0 && (!after || before_small))
			*at++ = ' ';
		*at++ = (char)(capital ? key[i] - 'A' + 'a' : key[i]);
	}
	return text;
}

const char *outlook_subject(struct arena *arena, const char *section, const char *key)
{
	const char *link = text_after(section, "X-Network:");
	const char *words = words_of_key(arena, key);

	if (text_equal(section, "X-Image"))
		return text_equal(key, "Source") ? "image" : arena_format(arena, "image %s", words);
	if (text_equal(section, "X-Nix") || text_equal(section, "X-Health") ||
	    text_equal(section, "X-Reload"))
		return words_of_key(arena, arena_format(arena, "%s%s", section + 2, key));
	if (text_equal(section, "X-Credential"))
		return "credential";
	return link == NULL ? words : arena_format(arena, "%s %s", link, words);
}

static const char *keeps(struct arena *arena, const struct definition *definition)
{
	const struct text_list *persist = &definition->image.persist;
	const char *text = "keeps";

	if (persist->count == 0)
		return "keeps nothing";
	for (size_t i = 0; i < persist->count; i++)
		text = arena_format(arena, "%s %s", text, persist->items[i]);
	return text;
}

static enum outlook_kept kept(const struct making *making, const struct definition *had,
			      const struct definition *wanted)
{
	const struct outlook_facts *facts = making->facts;
	const struct text_list *persist = &wanted->image.persist;
	enum outlook_kept most = OUTLOOK_NEW;

	for (size_t i = 0; facts->kept != NULL && i < persist->count; i++)
		if (!text_list_has(&had->image.persist, persist->items[i]))
			most = MAX(most,
				   facts->kept(facts->context, wanted->name, persist->items[i]));
	return most;
}

/* Where the image is not all that there is. */
static const char *begins(const struct making *making, const struct definition *had,
			  const struct definition *wanted)
{
	switch (kept(making, had, wanted)) {
	case OUTLOOK_KEPT: return "is as it was kept before";
	case OUTLOOK_OLDER:
		return making->facts->back
			       ? "is as it was kept before: what is there now is hidden"
			       : "what is there now is taken along, what was kept before put aside";
	case OUTLOOK_NEW: break;
	}
	if (had->image.root == ROOT_EPHEMERAL)
		return "begins as the image has it";
	if (had->image.source == IMAGE_RAW &&
	    !text_equal(had->image.source_text, wanted->image.source_text))
		return "begins as the image has it: what is there now is hidden";
	return had->image.root == ROOT_DIRECT ? NULL : "what is there now is taken along";
}

static const char *note_of(struct arena *arena, const struct compare_change *change,
			   const struct definition *wanted)
{
	switch (change->consequence) {
	case CONSEQUENCE_RECREATE: return keeps(arena, wanted);
	case CONSEQUENCE_RELOAD:
		return wanted->reload.command != NULL ? wanted->reload.command
						      : "switch-to-configuration test";
	default: return NULL;
	}
}

/* ---- lines ---- */

static struct outlook_line *add_line(struct making *making, const char *machine, const char *act,
				     bool running)
{
	struct outlook *outlook = making->outlook;
	struct outlook_line *line = list_grow(making->arena, (void **)&outlook->lines,
					      &outlook->count, sizeof(*line));

	line->machine = machine;
	line->act = act;
	line->running = running;
	return line;
}

bool outlook_runs(const struct outlook_facts *facts, const char *name)
{
	size_t low = 0, high = facts->running_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(facts->running[middle].name, name);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static void add_change(struct making *making, const struct compare_change *change,
		       const struct definition *had, const struct definition *wanted, bool running)
{
	struct arena *arena = making->arena;
	struct outlook_line *line = add_line(making, wanted->name,
					     consequence_word(change->consequence), running);

	line->section = change->section;
	line->key = change->key;
	line->subject = outlook_subject(arena, change->section, change->key);
	line->before = compare_shown(arena, change, change->old);
	line->after = compare_shown(arena, change, change->new);
	line->note = note_of(arena, change, wanted);
	if (change->new != NULL && text_equal(change->section, "X-Image") &&
	    text_equal(change->key, "Persist"))
		line->note = begins(making, had, wanted);
	/* That its text is another one is all that may be said. */
	if (line->before != NULL && line->after != NULL && text_equal(line->before, line->after))
		line->before = NULL;
}

static void add_differences(struct making *making, const struct definition *had,
			    const struct definition *wanted)
{
	bool running = outlook_runs(making->facts, wanted->name);
	enum consequence gravest = CONSEQUENCE_NONE;
	struct compare compare;

	compare_definitions(making->arena, &compare, had, wanted, making->facts->rootless);
	for (size_t i = 0; i < compare.count; i++)
		gravest = MAX(gravest, compare.changes[i].consequence);
	/* By a strategy, more follows than from any of them. */
	if (compare.consequence > gravest)
		add_line(making, wanted->name, consequence_word(compare.consequence), running)
			->note = arena_format(making->arena, "Strategy=%s",
					      definition_value(wanted, "X-Reload", "Strategy"));
	if (compare.deferred)
		add_line(making, wanted->name, "pending", running)->note =
			"until it is started again (Strategy=none)";
	for (int level = CONSEQUENCE_RECREATE; level >= CONSEQUENCE_NONE; level--)
		for (size_t i = 0; i < compare.count; i++)
			if ((int)compare.changes[i].consequence == level)
				add_change(making, &compare.changes[i], had, wanted, running);
	if (wanted->autostart && !running && !making->facts->files_only)
		add_line(making, wanted->name, "start", false);
}

static const char *removal_note(struct arena *arena, const struct definition *had, bool running)
{
	const char *stops = running ? "is stopped" : NULL;

	if (had->image.persist.count == 0)
		return stops;
	return arena_format(arena, "%s%s%s in the trash", stops == NULL ? "" : stops,
			    stops == NULL ? "" : ", ", keeps(arena, had));
}

static void add_machine(struct making *making, const struct definition *had,
			const struct definition *wanted)
{
	const char *name = wanted != NULL ? wanted->name : had->name;
	const struct outlook_facts *facts = making->facts;
	struct outlook_line *line;

	if (facts->wants != NULL && !facts->wants(facts->context, name))
		return;
	if (had != NULL && wanted != NULL) {
		add_differences(making, had, wanted);
		return;
	}
	line = add_line(making, name, wanted == NULL ? "remove" : "create",
			outlook_runs(facts, name));
	if (wanted == NULL) {
		line->note = removal_note(making->arena, had, line->running);
		return;
	}
	line->subject = wanted->image.source_text == NULL ? NULL : "image";
	line->after = wanted->image.source_text;
	line->note = line->running ? "a machine of this name runs and is started again" : NULL;
}

void outlook_make(struct arena *arena, struct outlook *ret, const struct outlook_facts *facts)
{
	const struct definitions *had = facts->applied, *wanted = facts->desired;
	struct making making = { .arena = arena, .facts = facts, .outlook = ret };
	size_t i = 0, k = 0;

	*ret = (struct outlook){ 0 };
	while (i < had->count || k < wanted->count) {
		int order = i == had->count ? 1
			    : k == wanted->count
				    ? -1
				    : strcmp(had->items[i]->name, wanted->items[k]->name);

		add_machine(&making, order <= 0 ? had->items[i] : NULL,
			    order >= 0 ? wanted->items[k] : NULL);
		i += order <= 0;
		k += order >= 0;
	}
}

void outlook_add(struct arena *arena, struct outlook *outlook, const struct outlook_line *line)
{
	size_t at = outlook->count;

	list_grow(arena, (void **)&outlook->lines, &outlook->count, sizeof(*line));
	while (at > 0 && strcmp(outlook->lines[at - 1].machine, line->machine) > 0) {
		outlook->lines[at] = outlook->lines[at - 1];
		at--;
	}
	outlook->lines[at] = *line;
}

/* ---- for people and for programs ---- */

static const char *values_text(struct arena *arena, const struct outlook_line *line)
{
	if (line->before == NULL && line->after == NULL)
		return "";
	if (line->before == NULL)
		return text_printable(arena, line->after);
	if (line->after == NULL)
		return arena_format(arena, "%s → (gone)", text_printable(arena, line->before));
	return arena_format(arena, "%s → %s", text_printable(arena, line->before),
			    text_printable(arena, line->after));
}

/* In characters: each byte of UTF-8 but those that go on. */
static int width_of(const char *text)
{
	int width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static char *padded(struct arena *arena, const char *text, int width)
{
	return arena_format(arena, "%s%*s", text, MAX(width - width_of(text), 0), "");
}

/* "": there is none. */
static const char *note_text(struct arena *arena, const struct outlook_line *line)
{
	const char *note = line->note == NULL ? "" : line->note;

	if (line->dropped == NULL)
		return note;
	return arena_format(arena, "%s%sdrops %s", note, *note == '\0' ? "" : ", ", line->dropped);
}

static char *one_line(struct arena *arena, const struct outlook_line *line, bool first,
		      const int widths[4])
{
	const char *cells[] = {
		first ? line->machine : "",
		line->act,
		line->subject == NULL ? "" : text_printable(arena, line->subject),
		values_text(arena, line),
		text_printable(arena, note_text(arena, line)),
	};
	char *text = arena_text(arena, "");
	size_t last = ARRAY_SIZE(cells);

	while (last > 0 && *cells[last - 1] == '\0')
		last--;
	for (size_t i = 0; i < last; i++)
		text = arena_format(arena, "%s%s%s", text, i == 0 ? "" : "  ",
				    i + 1 == last ? cells[i] : padded(arena, cells[i], widths[i]));
	return text;
}

const char *outlook_text(struct arena *arena, const struct outlook *outlook)
{
	struct text_list lines = { 0 };
	int widths[4] = { 0 };
	char *text, *end;
	size_t size = 1;

	for (size_t i = 0; i < outlook->count; i++) {
		const struct outlook_line *line = &outlook->lines[i];
		const int found[4] = {
			width_of(line->machine),
			width_of(line->act),
			line->subject == NULL ? 0 : width_of(line->subject),
			width_of(values_text(arena, line)),
		};

		for (size_t k = 0; k < ARRAY_SIZE(widths); k++)
			widths[k] = MAX(widths[k], MIN(found[k], COLUMN_MAX));
	}
	for (size_t i = 0; i < outlook->count; i++) {
		bool first = i == 0 ||
			     !text_equal(outlook->lines[i - 1].machine, outlook->lines[i].machine);

		text_list_add(arena, &lines, one_line(arena, &outlook->lines[i], first, widths));
		size += strlen(lines.items[i]) + 1;
	}
	end = text = arena_take(arena, size);
	for (size_t i = 0; i < lines.count; i++)
		end = stpcpy(stpcpy(end, lines.items[i]), "\n");
	return text;
}

void outlook_json(struct json_out *json, const char *key, const struct outlook *outlook)
{
	json_out_begin_array(json, key);
	for (size_t i = 0; i < outlook->count; i++) {
		const struct outlook_line *line = &outlook->lines[i];
		const char *note = note_text(json->arena, line);

		json_out_begin_object(json, NULL);
		json_out_text(json, "machine", line->machine);
		json_out_text(json, "act", line->act);
		json_out_bool(json, "running", line->running);
		json_out_text(json, "section", line->section);
		json_out_text(json, "key", line->key);
		json_out_text(json, "old", line->before);
		json_out_text(json, "new", line->after);
		json_out_text(json, "note", *note == '\0' ? NULL : note);
		json_out_end_object(json);
	}
	json_out_end_array(json);
}
