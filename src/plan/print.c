#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/text.h"
#include "plan/plan.h"
#include "plan/step.h"
#include "plan/words.h"

/* A column that is wider than this does not push the ones behind it away. */
#define WHAT_WIDTH_MAX 56

/* ---- a text that grows ---- */

struct buffer {
	struct arena *arena;
	char *text;
	size_t length, room;
};

static void put(struct buffer *b, const char *text)
{
	size_t length = strlen(text);

	if (b->length + length + 1 > b->room) {
		size_t room = MAX(b->room * 2, b->length + length + 1024);
		char *bigger = arena_take(b->arena, room);

		if (b->length)
			memcpy(bigger, b->text, b->length);
		b->text = bigger;
		b->room = room;
	}
	memcpy(b->text + b->length, text, length + 1);
	b->length += length;
}

static void put_n(struct buffer *b, const char *text, size_t count)
{
	while (count-- > 0)
		put(b, text);
}

static void put_line(struct buffer *b, const struct step *step, size_t kind_width,
		     size_t what_width, bool colour)
{
	const char *kind = step_kind_name(step->kind);
	const char *what = text_printable(b->arena, words_what(b->arena, step));
	const char *details = text_printable(b->arena, words_details(b->arena, step));

	put(b, words_sides[step->side]);
	put_n(b, " ", strlen("payload") - strlen(words_sides[step->side]) + 2);
	put(b, kind);
	put_n(b, " ", kind_width - strlen(kind) + 2);
	put(b, what);
	put_n(b, " ", (strlen(what) < what_width ? what_width - strlen(what) : 0) + 2);
	put(b, colour ? "\x1b[2m(" : "(");
	put(b, step->reason);
	put(b, colour ? ")\x1b[0m" : ")");
	if (*details) {
		put(b, "  ");
		put(b, details);
	}
	put(b, "\n");
}

char *plan_print(struct arena *arena, const struct plan *plan, bool colour)
{
	struct buffer b = { .arena = arena };
	size_t kind_width = 0, what_width = 0;

	for (size_t i = 0; i < plan->count; i++) {
		size_t what = strlen(words_what(arena, &plan->steps[i]));

		kind_width = MAX(kind_width, strlen(step_kind_name(plan->steps[i].kind)));
		what_width = MAX(what_width, MIN(what, (size_t)WHAT_WIDTH_MAX));
	}
	put(&b, "");
	for (size_t i = 0; i < plan->count; i++)
		put_line(&b, &plan->steps[i], kind_width, what_width, colour);
	return b.text;
}
