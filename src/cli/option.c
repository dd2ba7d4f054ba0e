#include "cli/option.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/nearest.h"
#include "base/text.h"
#include "format/help.h"

#define LISTED 6

struct walk {
	struct arena *arena;
	const struct option_table *table;
	void *target;
	char **words;
	int count, next;
	struct option_result *result;
	bool last;
};

static const struct option_row *by_letter(const struct option_table *table, char letter)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->rows[i].letter == letter)
			return &table->rows[i];
	return NULL;
}

static bool begins(const struct option_row *row, const char *name, size_t length)
{
	return row->name != NULL && strncmp(row->name, name, length) == 0;
}

/* Two names of the same thing leave no doubt. */
static const struct option_row *by_name(const struct option_table *table, const char *name,
					size_t length, bool *ret_ambiguous)
{
	const struct option_row *found = NULL;

	*ret_ambiguous = false;
	for (size_t i = 0; i < table->count; i++) {
		const struct option_row *row = &table->rows[i];

		if (!begins(row, name, length))
			continue;
		if (row->name[length] == '\0')
			return *ret_ambiguous = false, row;
		if (found == NULL)
			found = row;
		else if (row->parse != found->parse || row->pair != found->pair)
			*ret_ambiguous = true;
	}
	return found;
}

static int refuse_unknown(const struct walk *walk, const char *word, size_t length)
{
	struct nearest nearest;

	nearest_init(&nearest, word + 2, length);
	for (size_t i = 0; i < walk->table->count; i++)
		if (!(walk->table->rows[i].flags & OPTION_HIDDEN))
			nearest_offer(&nearest, walk->table->rows[i].name);
	return fail_input("cannot understand '%.*s': there is no such option (try --%s)",
			  (int)(length + 2), word, nearest.name ? nearest.name : "help");
}

static int refuse_ambiguous(const struct walk *walk, const char *word, size_t length)
{
	const char *list = "";
	size_t listed = 0;

	for (size_t i = 0; i < walk->table->count; i++) {
		const struct option_row *row = &walk->table->rows[i];

		if (!begins(row, word + 2, length) || row->flags & OPTION_HIDDEN)
			continue;
		if (++listed <= LISTED)
			list = arena_format(walk->arena, "%s%s--%s", list, listed > 1 ? " " : "",
					    row->name);
	}
	return fail_input("cannot tell which option '%.*s' means (try one of %s%s)",
			  (int)(length + 2), word, list, listed > LISTED ? " …" : "");
}

static const char *expectation(struct arena *arena, const struct option_row *row)
{
	size_t count = 0;
	char *text;

	if (row->words == NULL)
		return row->expected;
	while (row->words[count] != NULL)
		count++;
	if (count > LISTED)
		return arena_format(arena, "try --%s=help for a list", row->name);
	text = arena_format(arena, "try %s", row->words[0]);
	for (size_t i = 1; row->words[i] != NULL; i++)
		text = arena_format(arena, "%s%s%s", text, row->words[i + 1] ? ", " : " or ",
				    row->words[i]);
	return text;
}

/* SAID is "--name" or "-n". */
static int refuse_value(struct arena *arena, const struct option_row *row, const char *said,
			const char *value, int r)
{
	const char *expected = expectation(arena, row);

	if (fail_recorded()->code != 0)
		return r;
	fail_plain(r, "cannot use '%s' as a value of %s", value == NULL ? "" : value, said);
	if (expected != NULL)
		fail_hint("%s", expected);
	return r;
}

static bool is_among(const char *const *words, const char *value)
{
	for (; *words != NULL; words++)
		if (text_equal(*words, value))
			return true;
	return false;
}

static char *list_of(struct arena *arena, const struct option_row *row, const char *value)
{
	char *text;

	if (row->list != NULL)
		return row->list(arena, value);
	if (row->words == NULL || !text_equal(value, "help"))
		return NULL;
	text = arena_text(arena, "");
	for (size_t i = 0; row->words[i] != NULL; i++)
		text = arena_format(arena, "%s%s\n", text, row->words[i]);
	return text;
}

/* A short option's value is a word of its own, since it may be empty. */
static void say_again(struct walk *walk, const struct option_row *row, const char *value)
{
	struct text_list *again = &walk->result->again;
	struct arena *arena = walk->arena;

	if (row->flags & OPTION_HERE)
		return;
	if (row->name != NULL) {
		text_list_add(arena, again,
			      arena_format(arena, "--%s%s%s", row->name, value ? "=" : "",
					   value ? value : ""));
		return;
	}
	text_list_add(arena, again, arena_format(arena, "-%c", row->letter));
	if (value != NULL)
		text_list_add(arena, again, arena_text(arena, value));
}

/* The second of two words is the next one, also behind "--option=FIRST". */
static int apply_pair(struct walk *walk, const struct option_row *row, const char *said,
		      const char *first)
{
	const char *second;
	int r;

	if (walk->next >= walk->count)
		return fail_input("cannot use '%s': it needs two values (try %s %s)", said, said,
				  row->value);
	second = walk->words[walk->next++];
	say_again(walk, row, first);
	if (!(row->flags & OPTION_HERE))
		text_list_add(walk->arena, &walk->result->again, arena_text(walk->arena, second));
	r = row->pair(walk->arena, walk->target, first, second);
	return r < 0 ? refuse_value(walk->arena, row, said, first, r) : 0;
}

static int apply(struct walk *walk, const struct option_row *row, const char *said,
		 const char *value)
{
	struct arena *arena = walk->arena;
	int r;

	if (row->value != NULL && value == NULL && !(row->flags & OPTION_OPTIONAL)) {
		if (walk->next >= walk->count)
			return fail_input("cannot use '%s': it needs a value (try %s%s%s)", said,
					  said, said[1] == '-' ? "=" : " ", row->value);
		value = walk->words[walk->next++];
	}
	if (row->pair != NULL)
		return apply_pair(walk, row, said, value);
	walk->result->list = value == NULL ? NULL : list_of(arena, row, value);
	walk->last = walk->result->list != NULL || row->flags & OPTION_LAST;
	if (walk->result->list != NULL)
		return 0;
	say_again(walk, row, value);
	if (row->words != NULL && value != NULL && !is_among(row->words, value))
		return refuse_value(arena, row, said, value, -EINVAL);
	r = row->parse(arena, walk->target, value);
	return r < 0 ? refuse_value(arena, row, said, value, r) : 0;
}

static int read_long(struct walk *walk, const char *word)
{
	size_t length = strcspn(word + 2, "=");
	const char *value = word[2 + length] == '=' ? word + 2 + length + 1 : NULL;
	const struct option_row *row;
	bool ambiguous;

	row = by_name(walk->table, word + 2, length, &ambiguous);
	if (row == NULL || length == 0)
		return refuse_unknown(walk, word, length);
	if (ambiguous)
		return refuse_ambiguous(walk, word, length);
	if (row->value == NULL && value != NULL)
		return fail_input("cannot use '%s': this option takes no value (try --%s)", word,
				  row->name);
	return apply(walk, row, arena_format(walk->arena, "--%s", row->name), value);
}

static int read_short(struct walk *walk, const char *word)
{
	int r = 0;

	for (const char *letter = word + 1; *letter != '\0' && r >= 0 && !walk->last; letter++) {
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

int option_parse(struct arena *arena, struct option_result *ret, const struct option_table *table,
		 void *target, int argc, char **argv, option_stop_fn *stop)
{
	struct option_result result = { 0 };
	struct walk walk = { arena, table, target, argv, argc, 1, &result, false };
	bool done = false;
	int r = 0;

	while (walk.next < argc && r >= 0 && !walk.last) {
		char *word = argv[walk.next++];

		if (!done && text_equal(word, "--")) {
			text_list_add(arena, &result.again, word);
			done = true;
		} else if (done || word[0] != '-' || word[1] == '\0') {
			text_list_add(arena, &result.words, word);
			text_list_add(arena, &result.again, word);
			done = done || (stop != NULL && stop(&result.words));
		} else
			r = word[1] == '-' ? read_long(&walk, word) : read_short(&walk, word);
	}
	if (r >= 0)
		*ret = result;
	return r;
}

void option_help(struct help *help, const struct option_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct option_row *row = &table->rows[i];
		const char *text = row->help;

		if (row->flags & OPTION_HIDDEN)
			continue;
		if (row->flags & OPTION_UNBUILT)
			text = arena_format(help->arena, "%s (not built yet)", text);
		help_entry(help,
			   help_option(help->arena, row->letter, row->name, row->value,
				       row->flags & OPTION_OPTIONAL),
			   text);
	}
}
