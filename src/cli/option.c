#include "cli/option.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"

struct walk {
	struct arena *arena;
	const struct option_table *table;
	void *target;
	char **words;
	int count, next;
};

static const struct option_row *by_letter(const struct option_table *table, char letter)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->rows[i].letter == letter)
			return &table->rows[i];
	return NULL;
}

static const struct option_row *by_name(const struct option_table *table, const char *name,
					size_t length, bool *ret_ambiguous)
{
	const struct option_row *found = NULL;

	*ret_ambiguous = false;
	for (size_t i = 0; i < table->count; i++) {
		const char *other = table->rows[i].name;

		if (other == NULL || strncmp(other, name, length) != 0)
			continue;
		if (other[length] == '\0')
			return *ret_ambiguous = false, &table->rows[i];
		if (found != NULL)
			*ret_ambiguous = true;
		found = &table->rows[i];
	}
	return found;
}

static int refuse_value(struct arena *arena, const char *said, const struct option_row *row,
			const char *value, int r)
{
	if (fail_recorded()->code == 0) {
		fail_plain(r, "cannot use '%s' as a value of %s",
			   value == NULL ? "" : text_printable(arena, value), said);
		if (row->expected != NULL)
			fail_hint("%s", row->expected);
	}
	return r;
}

static int apply(struct walk *walk, const struct option_row *row, const char *said,
		 const char *value)
{
	int r;

	if (row->value != NULL && value == NULL && !(row->flags & OPTION_OPTIONAL)) {
		if (walk->next >= walk->count)
			return fail_input("cannot use '%s': it needs a value (%s)", said,
					  row->value);
		value = walk->words[walk->next++];
	}
	r = row->parse(walk->arena, walk->target, value);
	return r < 0 ? refuse_value(walk->arena, said, row, value, r) : 0;
}

static int read_long(struct walk *walk, const char *word)
{
	size_t length = strcspn(word + 2, "=");
	const char *value = word[2 + length] == '=' ? word + 2 + length + 1 : NULL;
	const struct option_row *row;
	bool ambiguous;

	row = by_name(walk->table, word + 2, length, &ambiguous);
	if (row == NULL || length == 0)
		return fail_input("cannot understand '%.*s': there is no such option (try --help)",
				  (int)(length + 2), word);
	if (ambiguous)
		return fail_input("cannot tell which option '%.*s' means (write it in full)",
				  (int)(length + 2), word);
	if (row->value == NULL && value != NULL)
		return fail_input("cannot use '%s': this option takes no value (try --%s)", word,
				  row->name);
	return apply(walk, row, arena_format(walk->arena, "--%s", row->name), value);
}

static int read_short(struct walk *walk, const char *word)
{
	int r = 0;

	for (const char *letter = word + 1; *letter != '\0' && r >= 0; letter++) {
		const struct option_row *row = by_letter(walk->table, *letter);
		const char *value = NULL;

		if (row == NULL)
			return fail_input(
				"cannot understand '-%c': there is no such option (try --help)",
				*letter);
		if (row->value != NULL && letter[1] != '\0')
			value = letter + 1;
		r = apply(walk, row, arena_format(walk->arena, "-%c", *letter), value);
		if (row->value != NULL)
			break;
	}
	return r;
}

int option_parse(struct arena *arena, struct text_list *ret, const struct option_table *table,
		 void *target, int argc, char **argv, option_stop_fn *stop)
{
	struct walk walk = { arena, table, target, argv, argc, 1 };
	bool done = false;
	int r = 0;

	while (walk.next < argc && r >= 0) {
		char *word = argv[walk.next++];

		if (!done && text_equal(word, "--"))
			done = true;
		else if (done || word[0] != '-' || word[1] == '\0') {
			text_list_add(arena, ret, word);
			done = done || (stop != NULL && stop(ret));
		} else
			r = word[1] == '-' ? read_long(&walk, word) : read_short(&walk, word);
	}
	return r;
}

char *option_help(struct arena *arena, const struct option_table *table)
{
	char *text = arena_text(arena, "");

	for (size_t i = 0; i < table->count; i++) {
		const struct option_row *row = &table->rows[i];
		const char *name;

		if (row->flags & OPTION_HIDDEN)
			continue;
		name = row->name == NULL ? "" : arena_format(arena, "--%s", row->name);
		if (row->name != NULL && row->value != NULL)
			name = arena_format(arena,
					    row->flags & OPTION_OPTIONAL ? "%s[=%s]" : "%s=%s",
					    name, row->value);
		text = arena_format(arena, "%s  %c%c %-22s %s\n", text, row->letter ? '-' : ' ',
				    row->letter ? row->letter : ' ', name, row->help);
	}
	return text;
}
