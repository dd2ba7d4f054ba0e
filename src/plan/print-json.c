#include <string.h>
#include <sys/sysmacros.h>

#include "base/arena.h"
#include "base/text.h"
#include "format/json-out.h"
#include "plan/plan.h"
#include "plan/step.h"
#include "plan/words.h"

static void put_text(struct json_out *json, const char *key, const char *text)
{
	if (!text_empty(text))
		json_out_text(json, key, text);
}

static void put_words(struct json_out *json, const char *key, const char *words)
{
	struct text_list list = { 0 };

	if (!*words)
		return;
	text_split(json->arena, &list, words, ",");
	json_out_begin_array(json, key);
	for (size_t i = 0; i < list.count; i++)
		json_out_text(json, NULL, list.items[i]);
	json_out_end_array(json);
}

static void put_number(struct json_out *json, const struct step *step)
{
	if (step->kind == STEP_RLIMIT) {
		json_out_text(json, "limit", spec_limit_name((int)step->number));
		json_out_text(json, "soft", words_limit(json->arena, step->soft));
		json_out_text(json, "hard", words_limit(json->arena, step->hard));
	} else if (step->kind == STEP_OOM_SCORE) {
		json_out_signed(json, "number", (int64_t)step->number);
	} else if (step->number > 0) {
		json_out_unsigned(json, "number", step->number);
	}
	if (step->kind == STEP_CAPABILITIES && step->soft > 0)
		json_out_unsigned(json, "ambient", step->soft);
}

static void put_step(struct json_out *json, const struct step *step)
{
	struct arena *arena = json->arena;
	unsigned int number[2] = { major(step->device), minor(step->device) };

	json_out_begin_object(json, NULL);
	json_out_text(json, "side", words_sides[step->side]);
	json_out_text(json, "kind", step_kind_name(step->kind));
	put_text(json, "source", step->source);
	put_text(json, "target", step->target);
	put_text(json, "data", step->data);
	put_words(json, "attributes", words_attributes(arena, step));
	put_words(json, "flags", words_flags(arena, step));
	if (step->mode > 0)
		json_out_text(json, "mode", arena_format(arena, "%04o", (unsigned)step->mode));
	if (step->idmap != IDMAP_NONE)
		json_out_text(json, "idmap", words_idmaps[step->idmap]);
	if (step->kind == STEP_NODE && step->device > 0)
		json_out_text(json, "device", arena_format(arena, "%u:%u", number[0], number[1]));
	put_number(json, step);
	if (words_is_mount(step->kind))
		json_out_bool(json, "locked", step->flags & STEP_LOCKED);
	json_out_text(json, "reason", step->reason);
	json_out_end_object(json);
}

char *plan_print_json(struct arena *arena, const struct plan *plan, bool pretty)
{
	struct json_out json;

	json_out_init(&json, arena, pretty);
	json_out_begin_array(&json, NULL);
	for (size_t i = 0; i < plan->count; i++)
		put_step(&json, &plan->steps[i]);
	json_out_end_array(&json);
	return (char *)json_out_done(&json);
}
