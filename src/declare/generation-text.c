#include "declare/generation-text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/parse.h"
#include "base/text.h"
#include "declare/generation.h"
#include "format/json-out.h"

static const char *const ends[GENERATION_ENDS] = {
	[GENERATION_OPEN] = "open",
	[GENERATION_DONE] = "done",
	[GENERATION_REVERTED] = "rolled back",
	[GENERATION_FAILED] = "failed",
};

const char *generation_end_name(enum generation_end end)
{
	return ends[end];
}

/* ---- images.lock ---- */

/* What stands between tabs and newlines has none. */
static const char *field(struct arena *arena, const char *text)
{
	return text_printable(arena, text != NULL ? text : "");
}

const char *generation_text_lock(struct arena *arena, const struct generation *generation)
{
	size_t room = 1, used = 0;
	const char **lines = arena_take_array(arena, generation->count + 1, sizeof(*lines));
	char *text;

	for (size_t i = 0; i < generation->count; i++) {
		const struct generation_machine *machine = &generation->machines[i];

		lines[i] = arena_format(arena, "%s\t%s\t%s\t%s\t%s\n", machine->name,
					field(arena, machine->source),
					field(arena, machine->digest), field(arena, machine->file),
					field(arena, machine->target));
		room += strlen(lines[i]);
	}
	text = arena_take(arena, room);
	for (size_t i = 0; i < generation->count; i++) {
		memcpy(text + used, lines[i], strlen(lines[i]));
		used += strlen(lines[i]);
	}
	return text;
}

/* The next field of a line, which ends at a tab, or at the end. NULL: there is none. */
static char *take_field(char **line)
{
	char *start = *line;

	if (start == NULL)
		return NULL;
	*line = strchr(start, '\t');
	if (*line != NULL)
		*(*line)++ = '\0';
	return start;
}

static int parse_machine(struct generation *generation, char *line)
{
	struct generation_machine *machine;
	char *fields[5];

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		fields[i] = take_field(&line);
		if (fields[i] == NULL)
			return -EBADMSG;
	}
	machine = (struct generation_machine *)generation_find(generation, fields[0]);
	if (line != NULL || machine == NULL)
		return -EBADMSG;
	machine->source = fields[1];
	machine->digest = fields[2];
	machine->file = fields[3];
	machine->target = fields[4];
	return 0;
}

int generation_text_parse_lock(struct arena *arena, struct generation *ret, const char *text,
			       size_t size)
{
	struct text_list lines = { 0 };

	if (memchr(text, '\0', size) != NULL)
		return -EBADMSG;
	text_split(arena, &lines, text, "\n");
	for (size_t i = 0; i < lines.count; i++) {
		int r = parse_machine(ret, lines.items[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the log ---- */

const char *generation_text_line(struct arena *arena, uint64_t at_us, const char *event,
				 const char *text)
{
	return arena_format(arena, "%" PRIu64 " %s %s\n", at_us, event,
			    text_printable(arena, text));
}

const char *generation_text_begin(struct arena *arena, const struct generation *generation)
{
	return generation_text_line(arena, generation->created_us, "begin",
				    arena_format(arena, "%u %s", generation->previous,
						 generation->reason));
}

/* Up to the next blank, which is gone then; the rest is what follows. */
static char *take_word(char **rest)
{
	char *start = *rest;
	size_t length = strcspn(start, " ");

	*rest = start + length + (start[length] == ' ');
	start[length] = '\0';
	return start;
}

static int parse_begin(struct generation *ret, uint64_t at_us, char *rest)
{
	uint32_t previous;

	if (parse_u32(&previous, take_word(&rest)) < 0)
		return -EBADMSG;
	ret->previous = previous;
	ret->created_us = at_us;
	ret->reason = rest;
	return 0;
}

static void parse_end(struct generation *ret, const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (text_equal(word, ends[i]))
			ret->end = (enum generation_end)i;
}

int generation_text_parse_log(struct arena *arena, struct generation *ret, const char *text,
			      size_t size)
{
	struct text_list lines = { 0 };
	bool begun = false;

	while (size > 0 && text[size - 1] != '\n')
		size--;
	text_split(arena, &lines, arena_text_n(arena, text, size), "\n");
	for (size_t i = 0; i < lines.count; i++) {
		char *rest = lines.items[i];
		const char *time = take_word(&rest), *event = take_word(&rest);
		uint64_t at_us;

		if (parse_u64(&at_us, time) < 0)
			continue;
		if (i == 0 && text_equal(event, "begin"))
			begun = parse_begin(ret, at_us, rest) >= 0;
		else if (text_equal(event, "end"))
			parse_end(ret, rest);
	}
	return begun ? 0 : -EBADMSG;
}

/* ---- manifest.json ---- */

const char *generation_text_manifest(struct arena *arena, const struct generation *generation)
{
	struct json_out json;

	json_out_init(&json, arena, true);
	json_out_begin_object(&json, NULL);
	json_out_unsigned(&json, "generation", generation->number);
	json_out_unsigned(&json, "previous", generation->previous);
	json_out_unsigned(&json, "created", generation->created_us);
	json_out_text(&json, "reason", generation->reason);
	json_out_begin_array(&json, "machines");
	for (size_t i = 0; i < generation->count; i++) {
		const struct generation_machine *machine = &generation->machines[i];

		json_out_begin_object(&json, NULL);
		json_out_text(&json, "name", machine->name);
		json_out_text(&json, "source", machine->source);
		json_out_text(&json, "digest", machine->digest);
		json_out_text(&json, "image", machine->target);
		json_out_end_object(&json);
	}
	json_out_end_array(&json);
	json_out_end_object(&json);
	return json_out_done(&json);
}
