#include "prog/redd/forecast.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/text.h"
#include "declare/consequence.h"
#include "declare/definition.h"
#include "declare/definitions.h"
#include "declare/generation.h"
#include "image/persist.h"
#include "io/fd.h"
#include "machine/find.h"
#include "prog/redd/apply.h"
#include "prog/redd/converge-live.h"
#include "prog/redd/converge-step.h"
#include "prog/redd/converge.h"
#include "prog/redd/image-count.h"
#include "prog/redd/outlook.h"
#include "prog/redd/prepare-nix.h"
#include "prog/redd/prepare-registry.h"
#include "prog/redd/prepare-root.h"
#include "prog/redd/prepare.h"
#include "prog/redd/redd.h"

/* ---- images ---- */

/* Of a system its path, and of what a registry has the digest that it is known by there. */
static const char *image_name(struct arena *arena, const char *store,
			      const struct definition *definition, const char *digest)
{
	struct text_list paths = { 0 };
	const char *name;

	if (text_empty(digest))
		return NULL;
	if (definition->image.source == IMAGE_OCI) {
		name = prepare_registry_noted(arena, store, digest);
		return name != NULL ? name : digest;
	}
	if (!prepare_nix_is(definition))
		return digest;
	if (prepare_nix_read(arena, &name, &paths, store, digest) >= 0)
		return name;
	fail_forget();
	return digest;
}

static enum consequence cost_of(const struct definition *definition)
{
	if (prepare_nix_is(definition))
		return CONSEQUENCE_RELOAD;
	return definition->image.root == ROOT_EPHEMERAL ? CONSEQUENCE_RESTART
							: CONSEQUENCE_RECREATE;
}

static void add_image(struct arena *arena, struct outlook *outlook,
		      const struct definition *definition, const char *old, const char *new,
		      bool running)
{
	const struct outlook_line line = {
		.machine = definition->name,
		.act = consequence_word(cost_of(definition)),
		.subject = prepare_nix_is(definition) ? "system" : "image digest",
		.section = "X-Image",
		.key = "Digest",
		.before = old,
		.after = new,
		.running = running,
	};

	if (!text_equal(old, new))
		outlook_add(arena, outlook, &line);
}

/* Two digests may have one name by which others know them. */
static void add_other(struct arena *arena, struct outlook *outlook,
		      const struct definition *definition, const char *old, const char *new,
		      const char *store, bool running)
{
	const char *old_name = image_name(arena, store, definition, old),
		   *new_name = image_name(arena, store, definition, new);
	bool same = text_equal(old_name, new_name);

	add_image(arena, outlook, definition, same ? old : old_name, same ? new : new_name,
		  running);
}

/* ---- limits that somebody changed by hand ---- */

/* Its own lines tell of that limit, or it starts again. */
static bool is_told(const struct outlook *outlook, const char *machine, const char *key)
{
	for (size_t i = 0; i < outlook->count; i++) {
		const struct outlook_line *line = &outlook->lines[i];

		if (text_equal(line->machine, machine) &&
		    (text_equal(line->key, key) || text_equal(line->act, "remove") ||
		     text_equal(line->act, consequence_word(CONSEQUENCE_RESTART)) ||
		     text_equal(line->act, consequence_word(CONSEQUENCE_RECREATE))))
			return true;
	}
	return false;
}

static void add_limits_of(struct arena *arena, struct outlook *outlook,
			  const struct machine *machine, const struct definition *had)
{
	struct text_list found = { 0 };

	/* What is wrong with it, its start has told. */
	if (converge_live_drift(arena, &found, machine, had, true) < 0)
		fail_forget();
	for (size_t i = 0; i + 2 < found.count; i += 3) {
		const struct outlook_line line = {
			.machine = machine->name,
			.act = consequence_word(CONSEQUENCE_LIVE),
			.subject = outlook_subject(arena, "X-Service", found.items[i]),
			.section = "X-Service",
			.key = found.items[i],
			.before = found.items[i + 2],
			.after = found.items[i + 1],
			.note = "was changed by hand",
			.running = true,
		};

		if (!is_told(outlook, machine->name, line.key))
			outlook_add(arena, outlook, &line);
	}
}

/* As it says, and not some of it. What cannot be told is said when all that runs is looked at. */
static bool runs_from(const struct converge *converge, const struct machine *machine,
		      unsigned int number)
{
	unsigned int from, changing;

	if (converge_step_from(converge, machine, &from, &changing) >= 0)
		return from == number && changing == 0;
	fail_forget();
	return false;
}

/* Of machines that run as generation NUMBER says: of others it is told that they do not. */
static void add_limits(struct arena *arena, struct outlook *outlook,
		       const struct outlook_facts *facts, unsigned int number)
{
	const struct converge converge = { .arena = arena, .runtime = facts->runtime };

	for (size_t i = 0; i < facts->running_count && facts->runtime != NULL; i++) {
		const struct machine *machine = &facts->running[i];
		const struct definition *had = definitions_find(facts->applied, machine->name);

		if (had != NULL && definitions_find(facts->desired, machine->name) != NULL &&
		    (facts->wants == NULL || facts->wants(facts->context, machine->name)) &&
		    runs_from(&converge, machine, number))
			add_limits_of(arena, outlook, machine, had);
	}
}

/* ---- what a machine changed in its root ---- */

/* The next one begins without. HAD: what is current. */
static void count_dropped(struct context *context, struct outlook *outlook,
			  const struct generation *had)
{
	const char *last = NULL;

	for (size_t i = 0; i < outlook->count; i++) {
		struct outlook_line *line = &outlook->lines[i];
		const struct generation_machine *older = generation_find(had, line->machine);

		if (!text_equal(line->act, consequence_word(CONSEQUENCE_RECREATE)) ||
		    older == NULL || text_equal(line->machine, last))
			continue;
		last = line->machine;
		if (image_count_changes(context->arena, context->program.environment,
					&line->dropped,
					prepare_root(context->arena, context->store, older)) < 0) {
			log_warning("%s, going on without", fail_recorded()->text);
			fail_forget();
		}
	}
}

/* ---- from one generation to another ---- */

void forecast_read(struct arena *arena, struct definitions *ret,
		   const struct generation *generation)
{
	const struct definition_facts flat = { .flat = true };

	for (size_t i = 0; i < generation->count; i++) {
		struct definition *definition = arena_new(arena, struct definition);

		if (converge_definition(arena, definition, &generation->machines[i], &flat) < 0) {
			log_warning("%s, going on without", fail_recorded()->text);
			fail_forget();
			continue;
		}
		*(struct definition **)list_grow(arena, (void **)&ret->items, &ret->count,
						 sizeof(struct definition *)) = definition;
	}
	definitions_sort(ret);
}

void forecast_between(struct context *context, struct outlook *ret, const struct generation *had,
		      const struct generation *wanted, const struct outlook_facts *facts)
{
	struct definitions older = { 0 }, newer = { 0 };
	struct outlook_facts known = *facts;
	struct arena *arena = context->arena;

	forecast_read(arena, &older, had);
	forecast_read(arena, &newer, wanted);
	known.applied = &older;
	known.desired = &newer;
	outlook_make(arena, ret, &known);
	for (size_t i = 0; i < wanted->count; i++) {
		const struct generation_machine *machine = &wanted->machines[i];
		const struct generation_machine *before = generation_find(had, machine->name);
		const struct definition *definition = definitions_find(&newer, machine->name);

		if (before == NULL || definition == NULL ||
		    text_equal(before->digest, machine->digest) ||
		    (known.wants != NULL && !known.wants(known.context, machine->name)))
			continue;
		add_other(arena, ret, definition, before->digest, machine->digest, context->store,
			  outlook_runs(&known, machine->name));
	}
	add_limits(arena, ret, &known, had->number);
	if (!known.files_only)
		count_dropped(context, ret, had);
}

/* ---- from what was applied to what is desired ---- */

struct planning {
	struct context *context;
	struct apply apply; /* with what the options say; not open */
	const struct outlook_facts *facts;
	struct generations generations;
	struct generation current;
	struct prepare prepare;
};

/* As apply does it: an image is looked at if its source is new, or if it asks for that. */
static bool may_have_new_image(const struct planning *planning, const struct definition *definition)
{
	const struct definition *had = definitions_find(planning->facts->applied, definition->name);

	return had != NULL && context_wants(planning->context, definition->name) &&
	       (planning->context->options.update || definition->image.update == UPDATE_DIGEST ||
		!text_equal(had->image.source_text, definition->image.source_text));
}

/* All registries at once, of all that have to be asked. */
static void ask_registries(struct planning *planning, struct prepare_registry_answers *ret)
{
	struct context *context = planning->context;
	const struct definitions *desired = planning->facts->desired;
	struct text_list questions = { 0 };

	for (size_t i = 0; i < desired->count; i++) {
		const struct definition *definition = desired->items[i];
		const struct generation_machine *older;
		const char *question;

		if (!may_have_new_image(planning, definition))
			continue;
		older = generation_find(&planning->current, definition->name);
		question = older == NULL ? NULL
					 : prepare_question(&planning->prepare, definition, older);
		if (question != NULL && !text_list_has(&questions, question))
			text_list_add(context->arena, &questions,
				      arena_text(context->arena, question));
	}
	prepare_registry_ask(context->arena, context->program.environment, ret, &questions);
	planning->prepare.answers = ret;
}

static void add_unknown(struct arena *arena, struct forecast *forecast,
			const struct definition *definition, const char *why)
{
	*(struct forecast_unknown *)list_grow(arena, (void **)&forecast->unknown,
					      &forecast->unknown_count,
					      sizeof(*forecast->unknown)) =
		(struct forecast_unknown){ definition->name, definition->image.source_text, why };
}

static int look_at_image(struct planning *planning, struct forecast *forecast,
			 struct outlook *outlook, const struct definition *definition)
{
	struct context *context = planning->context;
	const struct generation_machine *older = generation_find(&planning->current,
								 definition->name);
	struct prepare_forecast found;
	int r;

	if (older == NULL)
		return 0;
	r = prepare_forecast(&planning->prepare, &found, definition, older);
	if (r < 0)
		return r;
	forecast->known = forecast->known && found.known;
	if (found.why != NULL)
		add_unknown(context->arena, forecast, definition, found.why);
	if (found.name != NULL)
		add_image(context->arena, outlook, definition,
			  image_name(context->arena, context->store, definition, older->digest),
			  found.name, outlook_runs(planning->facts, definition->name));
	return 0;
}

static int look_at_images(struct planning *planning, struct forecast *forecast,
			  struct outlook *outlook)
{
	const struct definitions *desired = planning->facts->desired;
	struct prepare_registry_answers answers;
	int r = 0;

	ask_registries(planning, &answers);
	for (size_t i = 0; i < desired->count && r >= 0; i++)
		if (may_have_new_image(planning, desired->items[i]))
			r = look_at_image(planning, forecast, outlook, desired->items[i]);
	planning->prepare.answers = NULL;
	return r;
}

/* ---- what runs as an older one says ---- */

static bool all_follow(const struct planning *planning)
{
	const struct converge converge = { .arena = planning->context->arena,
					   .runtime = planning->context->runtime };
	const struct outlook_facts *facts = planning->facts;

	for (size_t i = 0; i < facts->running_count; i++) {
		const struct machine *machine = &facts->running[i];

		if (definitions_find(facts->applied, machine->name) != NULL &&
		    !runs_from(&converge, machine, planning->current.number))
			return false;
	}
	return true;
}

static int look_at_running(struct planning *planning, struct forecast *forecast)
{
	struct context *context = planning->context;
	struct converge converge = {
		.arena = context->arena,
		.environment = context->program.environment,
		.runtime = context->runtime,
		.generations = &planning->generations,
		.facts = &planning->apply.facts,
	};
	int r;

	if (all_follow(planning))
		return 0;
	r = converge_look(&converge, planning->current.number, 0);
	for (size_t i = 0; i < converge.count && r >= 0; i++) {
		const struct converge_machine *one = &converge.machines[i];

		if (one->machine == NULL || one->act == CONVERGE_NOTHING ||
		    one->act == CONVERGE_NOTE ||
		    (one->limits && one->act == CONVERGE_LIVE &&
		     one->from == planning->current.number) ||
		    !context_wants(context, one->name))
			continue;
		*(struct forecast_pending *)list_grow(context->arena, (void **)&forecast->pending,
						      &forecast->count,
						      sizeof(*forecast->pending)) =
			(struct forecast_pending){ one->name, one->from,
						   converge_act_word(one->act) };
	}
	return r;
}

/* ---- */

static void planning_done(struct planning *planning)
{
	generations_done(&planning->generations);
	prepare_done(&planning->prepare);
}

static int look(struct planning *planning, struct forecast *forecast, struct outlook *outlook)
{
	struct context *context = planning->context;
	int r = generations_open(context->arena, &planning->generations, context->store, false);

	if (r >= 0)
		r = generations_current(&planning->generations);
	if (r <= 0)
		return r == -ENOENT ? 0 : r;
	forecast->damaged = (unsigned int)r;
	r = generation_read(context->arena, &planning->current, &planning->generations,
			    forecast->damaged);
	if (r < 0)
		return r;
	forecast->damaged = 0;
	if (planning->current.end == GENERATION_OPEN)
		forecast->unfinished = planning->current.number;
	apply_prepare(&planning->apply, &planning->prepare);
	prepare_look(&planning->prepare);
	r = look_at_images(planning, forecast, outlook);
	add_limits(context->arena, outlook, planning->facts, planning->current.number);
	if (r >= 0)
		count_dropped(context, outlook, &planning->current);
	return r < 0 ? r : look_at_running(planning, forecast);
}

static void forecast_plan(struct context *context, struct forecast *ret, struct outlook *outlook,
			  const struct outlook_facts *facts)
{
	struct planning planning CLEANUP(planning_done) = {
		.context = context,
		.apply = context_apply(context),
		.facts = facts,
		.generations = GENERATIONS_EMPTY,
		.prepare = PREPARE_EMPTY,
	};

	*ret = (struct forecast){ .known = true };
	if (look(&planning, ret, outlook) >= 0)
		return;
	ret->known = false;
	ret->blind = ret->damaged == 0;
	log_warning("%s, going on without", fail_recorded()->text);
	fail_forget();
}

bool forecast_wants(const void *context, const char *name)
{
	return context_wants(context, name);
}

enum outlook_kept forecast_kept(const void *context_, const char *name, const char *path)
{
	const struct context *context = context_;
	const char *directory = persist_name(context->arena, path);
	autoclose int store = -EBADF, room = -EBADF;

	store = open(context->store, O_PATH | O_DIRECTORY | O_CLOEXEC);
	room = store < 0 ? -EBADF : persist_open(store, name, false);
	if (room < 0 || directory == NULL || !persist_is_kept(context->arena, room, directory))
		return OUTLOOK_NEW;
	return persist_owed(context->arena, room, directory) == NULL ? OUTLOOK_KEPT : OUTLOOK_OLDER;
}

int forecast_facts(struct context *context, struct outlook_facts *ret)
{
	struct machine *running = NULL;
	int r;

	*ret = (struct outlook_facts){
		.rootless = geteuid() != 0,
		.wants = forecast_wants,
		.kept = forecast_kept,
		.context = context,
		.runtime = context->runtime,
	};
	r = machine_list_whole(context->arena, &running, &ret->running_count, context->runtime);
	ret->running = running;
	return r;
}

int forecast_desired(struct context *context, struct forecast *ret, struct outlook *ret_outlook,
		     const struct definitions *desired, const struct definitions *applied)
{
	struct outlook_facts facts;
	int r = forecast_facts(context, &facts);

	if (r < 0)
		return r;
	facts.applied = applied;
	facts.desired = desired;
	outlook_make(context->arena, ret_outlook, &facts);
	forecast_plan(context, ret, ret_outlook, &facts);
	return 0;
}
