/* What `apply` would do. */
#include <stdlib.h>

#include "base/arena.h"
#include "base/text.h"
#include "format/json-out.h"
#include "prog/redd/forecast.h"
#include "prog/redd/not-honoured.h"
#include "prog/redd/outlook.h"
#include "prog/redd/redd.h"

static bool will_act(const struct outlook *outlook, const struct forecast *forecast)
{
	return outlook->count > 0 || forecast->unfinished > 0 || forecast->damaged > 0;
}

static void pending_json(struct json_out *json, const struct forecast *forecast)
{
	json_out_begin_array(json, "pending");
	for (size_t i = 0; i < forecast->count; i++) {
		json_out_begin_object(json, NULL);
		json_out_text(json, "machine", forecast->pending[i].machine);
		json_out_unsigned(json, "generation", forecast->pending[i].from);
		json_out_text(json, "act", forecast->pending[i].act);
		json_out_end_object(json);
	}
	json_out_end_array(json);
	json_out_unsigned(json, "unfinished", forecast->unfinished);
	json_out_unsigned(json, "damaged", forecast->damaged);
}

static void unknown_json(struct json_out *json, const struct forecast *forecast)
{
	json_out_begin_array(json, "not_known");
	for (size_t i = 0; i < forecast->unknown_count; i++) {
		json_out_begin_object(json, NULL);
		json_out_text(json, "machine", forecast->unknown[i].machine);
		json_out_text(json, "source", forecast->unknown[i].source);
		json_out_text(json, "why", forecast->unknown[i].why);
		json_out_end_object(json);
	}
	json_out_end_array(json);
}

static int print_json(struct context *context, const struct outlook *outlook,
		      const struct forecast *forecast, const struct not_honoured *not_honoured)
{
	struct json_out json;

	json_out_init(&json, context->arena, context->program.format == TABLE_JSON_PRETTY);
	json_out_begin_object(&json, NULL);
	outlook_json(&json, "changes", outlook);
	pending_json(&json, forecast);
	unknown_json(&json, forecast);
	json_out_begin_array(&json, "not_honoured");
	for (size_t i = 0; i < not_honoured->count; i++) {
		const struct not_honoured_item *item = &not_honoured->items[i];

		json_out_begin_object(&json, NULL);
		json_out_text(&json, "machine", item->machine);
		json_out_text(&json, "section", item->section);
		json_out_text(&json, "key", item->key);
		json_out_text(&json, "value", item->value);
		json_out_text(&json, "why", item->why);
		json_out_end_object(&json);
	}
	json_out_end_array(&json);
	json_out_end_object(&json);
	return program_print(&context->program, json_out_done(&json));
}

static const char *forecast_text(struct arena *arena, const struct forecast *forecast)
{
	const char *text = "";

	for (size_t i = 0; i < forecast->unknown_count; i++)
		text = arena_format(arena, "%snot known: whether %s has another image, %s (%s)\n",
				    text, forecast->unknown[i].machine,
				    text_printable(arena, forecast->unknown[i].source),
				    text_printable(arena, forecast->unknown[i].why));
	for (size_t i = 0; i < forecast->count; i++) {
		const struct forecast_pending *one = &forecast->pending[i];

		text = arena_format(arena, "%spending: %s runs as generation %u says%s\n", text,
				    one->machine, one->from,
				    text_equal(one->act, "defer")
					    ? ", until it is started again (Strategy=none)"
					    : arena_format(arena, " (%s)", one->act));
	}
	if (forecast->damaged != 0)
		return arena_format(arena,
				    "%sGeneration %u is damaged: apply makes the next one.\n", text,
				    forecast->damaged);
	if (forecast->unfinished == 0)
		return text;
	return arena_format(arena, "%sGeneration %u was not finished: apply goes on with it.\n",
			    text, forecast->unfinished);
}

static int print_text(struct context *context, const struct outlook *outlook,
		      const struct forecast *forecast, const struct not_honoured *not_honoured)
{
	struct arena *arena = context->arena;
	int r = program_print(&context->program, outlook_text(arena, outlook));

	if (r >= 0)
		r = program_print(&context->program, forecast_text(arena, forecast));
	if (r >= 0)
		r = not_honoured_print(arena, not_honoured, &context->program);
	if (r >= 0 && !will_act(outlook, forecast) && !forecast->blind &&
	    !context->options.no_legend)
		r = program_print(&context->program, "Nothing to do.\n");
	return r;
}

int verb_plan(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct definitions desired, applied;
	struct not_honoured not_honoured;
	struct forecast forecast;
	struct outlook outlook;
	int r;

	r = context_desired(context, &desired, &applied, words);
	if (r >= 0)
		r = forecast_desired(context, &forecast, &outlook, &desired, &applied);
	if (r < 0)
		return r;
	not_honoured_init(&not_honoured);
	for (size_t i = 0; i < desired.count; i++)
		if (context_wants(context, desired.items[i]->name))
			not_honoured_add(context->arena, &not_honoured, desired.items[i]);
	not_honoured_done(&not_honoured);
	r = context->options.json ? print_json(context, &outlook, &forecast, &not_honoured)
				  : print_text(context, &outlook, &forecast, &not_honoured);
	if (r < 0)
		return r;
	if (will_act(&outlook, &forecast))
		return STATUS_CHANGES;
	/* There may be something that could not be looked at. */
	return forecast.blind ? EXIT_FAILURE : STATUS_SAME;
}
