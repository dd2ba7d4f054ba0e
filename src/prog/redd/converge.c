#include "prog/redd/converge.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/definition-check.h"
#include "declare/definition.h"
#include "image/store.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "machine/find.h"
#include "machine/jobs.h"
#include "machine/record.h"
#include "prog/redd/converge-live.h"
#include "prog/redd/converge-step.h"
#include "prog/redd/prepare-nix.h"
#include "spec/spec.h"

const char *converge_act_word(enum converge_act act)
{
	static const char *const words[] = {
		[CONVERGE_NOTHING] = "nothing", [CONVERGE_NOTE] = "none",
		[CONVERGE_LIVE] = "live",	[CONVERGE_RELOAD] = "reload",
		[CONVERGE_RESTART] = "restart", [CONVERGE_RECREATE] = "recreate",
		[CONVERGE_START] = "start",	[CONVERGE_STOP] = "stop",
		[CONVERGE_DEFER] = "defer",
	};

	return words[act];
}

int converge_definition(struct arena *arena, struct definition *ret,
			const struct generation_machine *machine,
			const struct definition_facts *facts)
{
	const char *path = arena_format(arena, "%s.nspawn", machine->name);
	struct definition_items items = { 0 };

	definition_add_text(arena, &items, machine->text, machine->size, path);
	return definition_make(arena, ret, machine->name, path, &items, facts);
}

/* ---- what runs ---- */

struct looking {
	struct converge *converge;
	struct generation **read; /* that machines run from: few, each of many machines */
	size_t count;
	struct generation none;
};

static int read_generation(struct looking *looking, const struct generation **ret,
			   unsigned int number)
{
	struct arena *arena = looking->converge->arena;
	struct generation *generation = arena_new(arena, struct generation), **slot;
	int r = generation_read(arena, generation, looking->converge->generations, number);

	if (r < 0)
		return r;
	slot = list_grow(arena, (void **)&looking->read, &looking->count, sizeof(*slot));
	*ret = *slot = generation;
	return 0;
}

/* What something was: as good as nothing if it was removed, or is damaged. */
static const struct generation *generation_of(struct looking *looking, unsigned int number)
{
	const struct generation *generation;

	for (size_t i = 0; i < looking->count; i++)
		if (looking->read[i]->number == number)
			return looking->read[i];
	if (number != 0 && read_generation(looking, &generation, number) >= 0)
		return generation;
	fail_forget();
	return &looking->none;
}

static const struct definition *definition_of(struct looking *looking,
					      const struct generation_machine *machine)
{
	struct converge *converge = looking->converge;
	struct definition *definition;

	if (machine == NULL)
		return NULL;
	definition = arena_new(converge->arena, struct definition);
	if (converge_definition(converge->arena, definition, machine, converge->facts) >= 0)
		return definition;
	fail_forget();
	return NULL;
}

static bool is_asked_for(const struct converge *converge, const char *name)
{
	return converge->only == NULL || text_list_has(converge->only, name);
}

/* ---- what is to be done ---- */

/* A start that read its root before the switch and its settings after it. Copies are elsewhere. */
static bool is_mixture(const struct converge_machine *one, const struct generation_machine *wanted)
{
	const char *root = one->machine->root, *place = text_after(wanted->target, "../../../");

	return place != NULL && strstr(root, "/" STORE_ROOTS "/") != NULL &&
	       !text_ends(root, place);
}

static bool has_other_root(const struct generation_machine *had,
			   const struct generation_machine *wanted)
{
	return !text_equal(had->file, wanted->file) || !text_equal(had->target, wanted->target);
}

static enum converge_act act_of(const struct converge_machine *one)
{
	static const enum converge_act acts[CONSEQUENCES] = {
		[CONSEQUENCE_NONE] = CONVERGE_NOTE,	   [CONSEQUENCE_LIVE] = CONVERGE_LIVE,
		[CONSEQUENCE_RELOAD] = CONVERGE_RELOAD,	   [CONSEQUENCE_RESTART] = CONVERGE_RESTART,
		[CONSEQUENCE_RECREATE] = CONVERGE_RESTART,
	};
	enum converge_act act = acts[one->changes.consequence];

	if (act == CONVERGE_LIVE && !converge_live_can(&one->changes))
		act = CONVERGE_RESTART;
	if (act == CONVERGE_RELOAD && one->wanted->reload.command == NULL &&
	    !prepare_nix_is(one->wanted))
		act = CONVERGE_RESTART;
	if (act > CONVERGE_LIVE && one->changes.deferred)
		act = CONVERGE_DEFER;
	return act;
}

/* Of what goes on running as it is. What was interrupted sets them anyway. */
static void look_at_limits(const struct looking *looking, struct converge_machine *one)
{
	struct text_list found = { 0 };

	if (one->changing != 0 || one->act > CONVERGE_RELOAD)
		return;
	if (converge_live_drift(looking->converge->arena, &found, one->machine,
				one->had != NULL ? one->had : one->wanted, true) < 0)
		fail_forget(); /* what is wrong with it, its start has told */
	one->limits = found.count > 0;
	if (one->limits && one->act < CONVERGE_LIVE)
		one->act = CONVERGE_LIVE;
}

/* The start was heard of by nobody: its end, or that of its first checks, is waited for now. One
 * that is not ready starts again, as who waited for that is gone. */
static enum converge_act act_of_begun(const struct converge_machine *one)
{
	const struct machine *machine = one->machine;

	if (machine->state == MACHINE_OPENING || (one->wanted->spec->notify_ready == TRISTATE_YES &&
						  machine_note(machine, RECORD_READY) == NULL))
		return CONVERGE_RESTART;
	return one->wanted->health.command.count > 0 ? CONVERGE_NOTE : CONVERGE_NOTHING;
}

/* It runs, and it is declared. */
static void compare(struct looking *looking, struct converge_machine *one,
		    const struct generation_machine *wanted)
{
	unsigned int number = looking->converge->number;
	bool back = one->changing != 0 && one->from == number;
	const struct generation *from = generation_of(looking, back ? one->changing : one->from);
	const struct generation_machine *had = generation_find(from, one->name);

	if (one->from == number && !back) {
		if (is_mixture(one, wanted))
			one->act = CONVERGE_RECREATE;
		else if (looking->converge->open)
			one->act = act_of_begun(one);
		return;
	}
	one->act = CONVERGE_RESTART;
	one->had = definition_of(looking, had);
	if (one->had == NULL)
		return;
	one->digest_had = had->digest;
	compare_definitions(looking->converge->arena, &one->changes, one->had, one->wanted,
			    geteuid() != 0);
	/* What a profile leads to is another system. */
	if (prepare_nix_is(one->wanted) && !text_equal(had->digest, wanted->digest))
		one->changes.consequence = MAX(one->changes.consequence, CONSEQUENCE_RELOAD);
	one->act = act_of(one);
	/* Some of one and some of another, and a third is wanted. */
	if (one->changing != 0 && !back && one->changing != number && one->act < CONVERGE_RESTART)
		one->act = one->changes.deferred ? CONVERGE_DEFER : CONVERGE_RESTART;
	if (has_other_root(had, wanted))
		one->act = one->changes.deferred ? CONVERGE_DEFER : CONVERGE_RECREATE;
}

static int has_to_start(const struct converge *converge, const struct converge_machine *one)
{
	if ((one->wanted->autostart && !converge->no_start) ||
	    (converge->ran != NULL && text_list_has(converge->ran, one->name)))
		return 1;
	return converge_step_is_owed(converge, one->name);
}

static int look_at(struct looking *looking, struct converge_machine *one,
		   const struct generation_machine *wanted)
{
	struct converge *converge = looking->converge;
	int r;

	if (one->machine != NULL) {
		r = converge_step_from(converge, one->machine, &one->from, &one->changing);
		if (r < 0)
			return r;
	}
	if (wanted == NULL) {
		/* Only what was declared once is ours to stop. */
		one->act = one->machine != NULL && one->from > 0 ? CONVERGE_STOP : CONVERGE_NOTHING;
		one->had = definition_of(looking, generation_find(generation_of(looking, one->from),
								  one->name));
		return 0;
	}
	one->digest = wanted->digest;
	one->wanted = definition_of(looking, wanted);
	if (one->wanted == NULL)
		return fail_plain(-EBADMSG,
				  "cannot read the definition of machine '%s' in generation %u",
				  one->name, converge->number);
	if (one->machine == NULL) {
		r = has_to_start(converge, one);
		one->act = r > 0 ? CONVERGE_START : CONVERGE_NOTHING;
		return MIN(r, 0);
	}
	compare(looking, one, wanted);
	look_at_limits(looking, one);
	return 0;
}

static void add(struct converge *converge, const char *name)
{
	struct converge_machine *slot = list_grow(converge->arena, (void **)&converge->machines,
						  &converge->count, sizeof(*slot));

	slot->name = name;
}

static int by_name(const void *a, const void *b)
{
	const struct converge_machine *left = a, *right = b;

	return strcmp(left->name, right->name);
}

static const struct machine *find_running(const struct machine *running, size_t count,
					  const char *name)
{
	for (size_t low = 0; low < count;) {
		size_t middle = low + (count - low) / 2;
		int order = strcmp(running[middle].name, name);

		if (order == 0)
			return &running[middle];
		if (order < 0)
			low = middle + 1;
		else
			count = middle;
	}
	return NULL;
}

/* Those of the generation, of the one before it, and what runs: each once. */
static void gather(struct looking *looking, const struct generation *wanted,
		   const struct generation *previous, const struct machine *running, size_t count)
{
	struct converge *converge = looking->converge;

	for (size_t i = 0; i < wanted->count; i++)
		add(converge, wanted->machines[i].name);
	for (size_t i = 0; i < previous->count; i++)
		if (generation_find(wanted, previous->machines[i].name) == NULL)
			add(converge, previous->machines[i].name);
	for (size_t i = 0; i < count; i++)
		if (generation_find(wanted, running[i].name) == NULL &&
		    generation_find(previous, running[i].name) == NULL)
			add(converge, running[i].name);
	if (converge->count > 0)
		qsort(converge->machines, converge->count, sizeof(*converge->machines), by_name);
}

int converge_look(struct converge *converge, unsigned int number, unsigned int previous)
{
	struct looking looking = { .converge = converge };
	const struct generation *wanted = &looking.none;
	struct machine *running;
	size_t count;
	int r = machine_list_whole(converge->arena, &running, &count, converge->runtime);

	/* If it were as good as none, all that runs would have to stop. */
	if (r >= 0 && number != 0)
		r = read_generation(&looking, &wanted, number);
	if (r < 0)
		return r;
	converge->number = number;
	converge->machines = NULL;
	converge->count = 0;
	gather(&looking, wanted, generation_of(&looking, previous), running, count);
	for (size_t i = 0; i < converge->count && r >= 0; i++) {
		struct converge_machine *one = &converge->machines[i];

		one->machine = find_running(running, count, one->name);
		r = look_at(&looking, one, generation_find(wanted, one->name));
		if (r >= 0 && !is_asked_for(converge, one->name))
			one->act = CONVERGE_NOTHING;
	}
	return r < 0 ? r : 0;
}

/* ---- doing it ---- */

static int step(void *context, const char *name, void *item)
{
	(void)name;
	return converge_step(context, item);
}

static int step_free(void *context, const char *name, void *item)
{
	(void)name;
	return converge_step_free(context, item);
}

enum part { PART_STOP, PART_FREE, PART_FOLLOW };

static bool is_in(const struct converge_machine *one, enum part part)
{
	switch (part) {
	case PART_STOP: return one->act == CONVERGE_STOP;
	case PART_FREE: return converge_step_frees(one);
	case PART_FOLLOW: break;
	}
	return one->act != CONVERGE_STOP && one->act != CONVERGE_NOTHING &&
	       one->act != CONVERGE_DEFER && !one->failed;
}

static size_t make_jobs(struct converge *converge, struct jobs *jobs, enum part part)
{
	jobs->items = arena_take_array(converge->arena, converge->count + 1, sizeof(*jobs->items));
	jobs->strict = !converge->keep_going;
	for (size_t i = 0; i < converge->count; i++) {
		struct converge_machine *one = &converge->machines[i];
		struct jobs_item *item = &jobs->items[jobs->count];

		if (!is_in(one, part))
			continue;
		*item = (struct jobs_item){ .name = one->name, .context = one, .pidfd = -EBADF };
		if (part == PART_FOLLOW)
			definition_before(converge->arena, &item->after, one->wanted,
					  converge->facts);
		jobs->count++;
	}
	return jobs->count;
}

/* Who needs another stops before it. */
static void turn_round(struct converge *converge, struct jobs *jobs)
{
	for (size_t i = 0; i < jobs->count; i++) {
		const struct converge_machine *one = jobs->items[i].context;
		struct text_list needs = { 0 };

		if (one->had == NULL)
			continue;
		definition_before(converge->arena, &needs, one->had, converge->facts);
		for (size_t j = 0; j < jobs->count; j++)
			if (text_list_has(&needs, jobs->items[j].name))
				text_list_add(converge->arena, &jobs->items[j].after,
					      arena_text(converge->arena, one->name));
	}
}

static void tell(const struct converge *converge, const struct converge_machine *one)
{
	(void)generation_note(converge->arena, converge->generations, converge->number,
			      converge_act_word(one->act),
			      arena_format(converge->arena, "%s%s", one->name,
					   one->failed ? " failed" : ""));
}

static int run_some(struct converge *converge, enum part part)
{
	struct jobs jobs = { 0 };
	size_t failed = 0;
	int r;

	if (make_jobs(converge, &jobs, part) == 0)
		return 0;
	if (part != PART_FOLLOW)
		turn_round(converge, &jobs);
	r = jobs_run(&jobs, part == PART_FREE ? step_free : step, converge);
	for (size_t i = 0; i < jobs.count; i++) {
		struct converge_machine *one = jobs.items[i].context;

		/* What did not begin is as little done as what failed. */
		one->failed = jobs.items[i].failed || jobs.items[i].stage != JOBS_FINISHED;
		failed += one->failed;
		if (part != PART_FREE || one->failed)
			tell(converge, one);
	}
	return r < 0 ? r : (int)failed;
}

/* Should it be declared again one day, it starts if that says so. */
static void forget_removed(const struct converge *converge)
{
	for (size_t i = 0; i < converge->count; i++)
		if (converge->machines[i].wanted == NULL)
			manager_forget_owed(converge->runtime, converge->machines[i].name);
}

int converge_run(struct converge *converge)
{
	static const enum part parts[] = { PART_STOP, PART_FREE, PART_FOLLOW };
	int failed = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		int r = run_some(converge, parts[i]);

		if (r < 0)
			return r;
		failed += r;
		if (failed > 0 && !converge->keep_going)
			return failed;
	}
	forget_removed(converge);
	return failed;
}
