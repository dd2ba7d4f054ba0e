/* What this host can do. */
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "format/json-out.h"
#include "prog/redd/doctor.h"
#include "prog/redd/redd.h"

static int print_json(struct context *context, const struct doctor *doctor)
{
	struct json_out json;

	json_out_init(&json, context->arena, context->options.table_format == TABLE_JSON_PRETTY);
	json_out_begin_object(&json, NULL);
	json_out_bool(&json, "can_start", doctor_can_start(doctor));
	json_out_begin_array(&json, "checks");
	for (size_t i = 0; i < doctor->count; i++) {
		const struct doctor_line *line = &doctor->lines[i];

		json_out_begin_object(&json, NULL);
		json_out_text(&json, "area", line->area);
		json_out_text(&json, "check", line->what);
		json_out_text(&json, "state", doctor_state_word(line->state));
		json_out_bool(&json, "needed", line->needed);
		json_out_text(&json, "found", line->found);
		json_out_text(&json, "lost", line->lost);
		json_out_text(&json, "hint", line->hint);
		json_out_end_object(&json);
	}
	json_out_end_array(&json);
	json_out_end_object(&json);
	return program_print(&context->program, json_out_done(&json));
}

/* What is missing is told in lines of its own below. */
static void print_line(struct arena *arena, struct text_list *out, const struct doctor_line *line)
{
	text_list_add(arena, out,
		      line->found ? arena_format(arena, "%-4s %-32s %s\n",
						 doctor_state_word(line->state), line->what,
						 line->found)
				  : arena_format(arena, "%-4s %s\n", doctor_state_word(line->state),
						 line->what));
	if (line->state == DOCTOR_YES)
		return;
	if (line->lost)
		text_list_add(arena, out, arena_format(arena, "       without: %s\n", line->lost));
	if (line->hint)
		text_list_add(arena, out,
			      arena_format(arena, "       to get it: %s\n", line->hint));
}

static int print_text(struct context *context, const struct doctor *doctor)
{
	struct arena *arena = context->arena;
	struct text_list out = { 0 };
	const char *area = NULL;
	int r = 0;

	for (size_t i = 0; i < doctor->count; i++) {
		if (!text_equal(area, doctor->lines[i].area))
			text_list_add(arena, &out,
				      arena_format(arena, "%s%s\n", area ? "\n" : "",
						   doctor->lines[i].area));
		area = doctor->lines[i].area;
		print_line(arena, &out, &doctor->lines[i]);
	}
	text_list_add(arena, &out,
		      arena_format(arena, "\n%s\n",
				   doctor_can_start(doctor) ? "Containers can start here."
							    : "Containers cannot start here."));
	for (size_t i = 0; i < out.count && r >= 0; i++)
		r = program_print(&context->program, out.items[i]);
	return r;
}

int verb_doctor(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct doctor doctor;
	int r;

	(void)words;
	doctor_init(&doctor, context->arena, context->program.environment, &context->scope,
		    context->runtime, context->store);
	doctor_ask(&doctor);
	fail_forget(); /* what was not there is in the list */
	r = context->options.json ? print_json(context, &doctor) : print_text(context, &doctor);
	if (r < 0)
		return r;
	return doctor_can_start(&doctor) ? 0 : 1;
}
