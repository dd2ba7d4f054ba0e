/* `drift`: what is desired, what was applied and what runs are three things that should be one. */
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "declare/compare.h"
#include "declare/definition.h"
#include "prog/redd/apply.h"
#include "prog/redd/converge-live.h"
#include "prog/redd/converge.h"
#include "prog/redd/redd.h"

static const struct column columns[] = {
	{ .title = "MACHINE" }, { .title = "WHAT" },	{ .title = "DESIRED" },
	{ .title = "APPLIED" }, { .title = "RUNNING" },
};

struct drift {
	struct context *context;
	struct table table;
	const struct definitions *desired, *applied;
};

static void add(struct drift *drift, const char *machine, const char *what, const char *desired,
		const char *applied, const char *running)
{
	table_text(&drift->table, machine);
	table_text(&drift->table, what);
	table_text(&drift->table, desired);
	table_text(&drift->table, applied);
	table_text(&drift->table, running);
}

static const char *what(const struct drift *drift, const struct compare_change *change)
{
	return arena_format(drift->context->arena, "[%s] %s", change->section, change->key);
}

struct values {
	const char *old, *new;
};

/* Of a secret no more than that its text is another one. */
static struct values shown(const struct drift *drift, const struct compare_change *change)
{
	struct arena *arena = drift->context->arena;
	struct values values = { compare_shown(arena, change, change->old),
				 compare_shown(arena, change, change->new) };

	if (values.old != NULL && values.new != NULL &&text_equal(values.old, values.new))
		values.new = arena_format(arena, "%s (another text)", values.new);
	return values;
}

/* Files that were edited since, and not applied. */
static void add_edited(struct drift *drift, const struct definition *desired,
		       const struct definition *applied, bool runs)
{
	struct compare changes;

	compare_definitions(drift->context->arena, &changes, applied, desired, geteuid() != 0);
	for (size_t i = 0; i < changes.count; i++) {
		const struct values values = shown(drift, &changes.changes[i]);

		add(drift, desired->name, what(drift, &changes.changes[i]), values.new, values.old,
		    runs ? values.old : NULL);
	}
}

/* What was applied and has not reached what runs. */
static void add_pending(struct drift *drift, const struct converge_machine *one)
{
	if (one->had == NULL && one->machine != NULL && one->act == CONVERGE_RESTART)
		add(drift, one->name, "definition", "declared", "declared", "unknown");
	for (size_t i = 0; i < one->changes.count; i++) {
		const struct values values = shown(drift, &one->changes.changes[i]);

		add(drift, one->name, what(drift, &one->changes.changes[i]), values.new, values.new,
		    values.old);
	}
	if (one->had != NULL && !text_equal(one->digest_had, one->digest))
		add(drift, one->name, "image", one->digest, one->digest, one->digest_had);
}

/* What somebody changed by hand in what runs. */
static int add_changed(struct drift *drift, const struct converge_machine *one)
{
	const struct definition *now = one->had != NULL ? one->had : one->wanted;
	struct text_list lines = { 0 };
	int r;

	if (one->machine == NULL)
		return 0;
	r = converge_live_drift(drift->context->arena, &lines, one->machine, now, false);
	for (size_t i = 0; i + 2 < lines.count + 1 && r >= 0; i += 3)
		add(drift, one->name,
		    arena_format(drift->context->arena, "[X-Service] %s", lines.items[i]),
		    lines.items[i + 1], lines.items[i + 1], lines.items[i + 2]);
	return r;
}

static int look_at(struct drift *drift, const struct converge_machine *one)
{
	const struct definition *desired = definitions_find(drift->desired, one->name);
	const struct definition *applied = definitions_find(drift->applied, one->name);

	if (desired == NULL && applied == NULL) {
		if (one->act == CONVERGE_STOP)
			add(drift, one->name, "machine", NULL, NULL, "running");
		return 0;
	}
	if (desired == NULL || applied == NULL) {
		add(drift, one->name, "machine", desired != NULL ? "declared" : NULL,
		    applied != NULL ? "declared" : NULL, one->machine != NULL ? "running" : NULL);
		return 0;
	}
	add_edited(drift, desired, applied, one->machine != NULL);
	if (one->act == CONVERGE_START)
		add(drift, one->name, "state", "running", "running", "stopped");
	add_pending(drift, one);
	return add_changed(drift, one);
}

/* Those that are desired, and were never applied. */
static void add_new(struct drift *drift, const struct converge *converge)
{
	for (size_t i = 0; i < drift->desired->count; i++) {
		const char *name = drift->desired->items[i]->name;
		bool known = false;

		for (size_t j = 0; j < converge->count; j++)
			known = known || text_equal(converge->machines[j].name, name);
		if (!known && context_wants(drift->context, name))
			add(drift, name, "machine", "declared", NULL, NULL);
	}
}

static int look(struct drift *drift, const struct apply *apply)
{
	struct converge converge = {
		.arena = apply->arena,
		.environment = apply->environment,
		.runtime = apply->runtime,
		.generations = &apply->generations,
		.facts = &apply->facts,
	};
	int r = converge_look(&converge, apply->current.number, 0);

	for (size_t i = 0; i < converge.count && r >= 0; i++)
		if (context_wants(drift->context, converge.machines[i].name))
			r = look_at(drift, &converge.machines[i]);
	if (r >= 0)
		add_new(drift, &converge);
	return r;
}

int verb_drift(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct apply apply CLEANUP(apply_done) = context_apply(context);
	struct definitions desired, applied;
	struct drift drift = { context, { 0 }, &desired, &applied };
	int r = apply_open(&apply, false);

	table_init(&drift.table, context->arena, columns, ARRAY_SIZE(columns));
	if (r >= 0)
		r = context_desired(context, &desired, &applied, words);
	if (r >= 0)
		r = look(&drift, &apply);
	if (r >= 0)
		r = program_print_table(&context->program, &drift.table, "differences");
	if (r < 0)
		return r;
	return table_rows(&drift.table) > 0 ? STATUS_CHANGES : STATUS_SAME;
}
