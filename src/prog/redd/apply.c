#include "prog/redd/apply.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/definition-check.h"
#include "declare/definition.h"
#include "declare/definitions.h"
#include "io/fd.h"
#include "prog/redd/apply-manager.h"
#include "prog/redd/apply-next.h"
#include "prog/redd/apply-persist.h"
#include "prog/redd/converge.h"
#include "prog/redd/forecast.h"
#include "prog/redd/prepare.h"
#include "prog/redd/trash.h"

/* The next one comes after it, and after all that there are: numbers are not used twice. */
static int know_damaged(struct apply *apply, int current)
{
	unsigned int *numbers;
	size_t count;
	int r;

	if (apply->damaged == 0) /* else that was said */
		log_warning("%s", fail_recorded()->text);
	fail_forget();
	r = generations_list(apply->arena, &apply->generations, &numbers, &count);
	if (r < 0)
		return r;
	apply->damaged = MAX(current > 0 ? (unsigned int)current : 1,
			     count > 0 ? numbers[count - 1] : 0);
	return 0;
}

static int read_current(struct apply *apply)
{
	int current = generations_current(&apply->generations), r = current;

	if (current > 0)
		r = generation_read(apply->arena, &apply->current, &apply->generations,
				    (unsigned int)current);
	if (r >= 0)
		apply->damaged = 0;
	if (r >= 0 || fail_is_want(r))
		return r;
	if (apply->repair)
		return know_damaged(apply, current);
	return fail_plain(r, "%s ('redd apply' makes the next one)",
			  arena_text(apply->arena, fail_recorded()->text));
}

int apply_open(struct apply *apply, bool lock)
{
	int r;

	apply->current = (struct generation){ .number = 0 };
	r = generations_open(apply->arena, &apply->generations, apply->path, lock);
	if (r == -ENOENT && !lock)
		return 0;
	if (r >= 0 && lock)
		r = generations_lock(&apply->generations);
	if (r >= 0)
		r = read_current(apply);
	return r < 0 ? r : 0;
}

void apply_done(struct apply *apply)
{
	generations_done(&apply->generations);
}

void apply_prepare(const struct apply *apply, struct prepare *prepare)
{
	prepare->arena = apply->arena;
	prepare->scope = &apply->scope;
	prepare->environment = apply->environment;
	prepare->path = apply->path;
	prepare->update = apply->update;
	prepare->quiet = apply->quiet;
	prepare->lock_fd = MAX(apply->generations.lock_fd, 0);
}

/* ---- 4, 5: what runs follows ---- */

static struct converge converge_of(const struct apply *apply)
{
	return (struct converge){
		.arena = apply->arena,
		.environment = apply->environment,
		.runtime = apply->runtime,
		.generations = &apply->generations,
		.facts = &apply->facts,
		.only = apply->only,
		.no_start = apply->no_start,
		.keep_going = apply->keep_going,
		.quiet = apply->quiet,
	};
}

static void tell(const struct apply *apply, const struct converge *converge)
{
	for (size_t i = 0; i < converge->count; i++) {
		const struct converge_machine *one = &converge->machines[i];

		if (one->act == CONVERGE_NOTHING || one->act == CONVERGE_NOTE)
			continue;
		if (one->act == CONVERGE_DEFER)
			log_notice("%s: changes when it is started again (Strategy=none)",
				   one->name);
		else if (!apply->quiet && !one->failed)
			log_info("%s: %s", one->name, converge_act_word(one->act));
	}
}

static bool is_start(enum converge_act act)
{
	return act == CONVERGE_RESTART || act == CONVERGE_RECREATE || act == CONVERGE_START;
}

/* An apply that was interrupted may have done to it what there is no trace of: it stopped. */
static bool is_changed(const struct generation *now, const struct generation *before,
		       const char *name)
{
	return !generation_same(generation_find(now, name), generation_find(before, name));
}

/* Machines that were touched, and no others, become what they were in BEFORE. */
static int revert(struct apply *apply, const struct generation *now,
		  const struct generation *before, const struct converge *failed)
{
	struct converge converge = converge_of(apply);
	struct text_list touched = { 0 }, started = { 0 }, ran = { 0 };
	int r;

	for (size_t i = 0; i < failed->count; i++) {
		const struct converge_machine *one = &failed->machines[i];
		char *name = arena_text(apply->arena, one->name);
		bool before_that = one->from == now->number; /* by an apply that was interrupted */

		if (one->act != CONVERGE_NOTHING || before_that || is_changed(now, before, name))
			text_list_add(apply->arena, &touched, name);
		if (is_start(one->act) || before_that)
			text_list_add(apply->arena, &started, name);
		if (one->machine != NULL)
			text_list_add(apply->arena, &ran, name);
	}
	converge.only = &touched;
	converge.ran = &ran;
	converge.keep_going = true;
	apply->back = true;
	/* Without a mark nothing is lost: the start puts what was kept aside. */
	if (apply_persist(apply, now, before, &started) < 0) {
		log_warning("%s, going on without", fail_recorded()->text);
		fail_forget();
	}
	r = generations_switch(&apply->generations, before->number);
	if (r >= 0)
		r = trash_bring_back(apply, before);
	if (r >= 0)
		r = apply_manager_follow(apply, before);
	if (r >= 0)
		r = converge_look(&converge, before->number, now->number);
	if (r >= 0)
		r = converge_run(&converge);
	if (r < 0)
		log_error("%s", fail_recorded()->text);
	(void)generation_end(apply->arena, &apply->generations, now->number,
			     r == 0 ? GENERATION_REVERTED : GENERATION_FAILED);
	if (r == 0 && before->number == 0)
		log_error("Generation %u failed: nothing is applied, as before it.", now->number);
	else
		log_error(r == 0 ? "Generation %u failed: generation %u is current again."
				 : "Generation %u failed, and so did some of the way back to "
				   "generation %u (see 'redd drift').",
			  now->number, before->number);
	return r == 0 ? APPLY_REVERTED : APPLY_FAILED;
}

/* Only some of what was interrupted is meant now: of the rest the next one may have to go back. */
static bool leaves_some(const struct apply *apply, const struct generation *now,
			const struct generation *before)
{
	struct converge converge = converge_of(apply);

	if (apply->only == NULL || before == NULL || now != &apply->current)
		return false;
	converge.only = NULL;
	if (converge_look(&converge, now->number, before->number) < 0) {
		fail_forget();
		return true;
	}
	for (size_t i = 0; i < converge.count; i++) {
		const struct converge_machine *one = &converge.machines[i];

		if (one->act != CONVERGE_NOTHING && one->act != CONVERGE_NOTE &&
		    one->act != CONVERGE_DEFER && is_changed(now, before, one->name))
			return true;
	}
	return false;
}

/* What works is not taken back because nothing can be written any more. */
static int note_done(struct apply *apply, const struct generation *now)
{
	if (now->end == GENERATION_DONE ||
	    generation_end(apply->arena, &apply->generations, now->number, GENERATION_DONE) >= 0)
		return APPLY_DONE;
	log_warning("%s, going on without: the next 'redd apply' notes it", fail_recorded()->text);
	fail_forget();
	return APPLY_DONE;
}

/* The next one can do that as well. */
static void throw_away(const struct apply *apply, const struct generation *now)
{
	if (trash_put(apply, now) >= 0)
		return;
	log_warning("%s, going on without", fail_recorded()->text);
	fail_forget();
}

/* NOW is current. BEFORE is what was before it, and will be again if NOW fails; NULL: NOW stays,
 * because all had followed, or nothing is left to go back to. */
static int converge(struct apply *apply, const struct generation *now,
		    const struct generation *before)
{
	struct converge converge = converge_of(apply);
	int r = apply_manager_follow(apply, now);

	converge.open = now->end != GENERATION_DONE;
	if (r >= 0)
		r = converge_look(&converge, now->number, before != NULL ? before->number : 0);
	if (r >= 0)
		r = converge_run(&converge);
	if (r >= 0)
		tell(apply, &converge);
	if (r == 0) {
		throw_away(apply, now);
		return leaves_some(apply, now, before) ? APPLY_DONE : note_done(apply, now);
	}
	if (r < 0)
		log_error("%s", fail_recorded()->text);
	if (before != NULL && !apply->keep_going)
		return revert(apply, now, before, &converge);
	(void)generation_end(apply->arena, &apply->generations, now->number, GENERATION_FAILED);
	return EXIT_FAILURE;
}

/* ---- */

/* Nothing new is declared. But what was interrupted goes on, and what ended meanwhile starts. */
static int go_on(struct apply *apply)
{
	const struct generation *now = &apply->current;
	struct generation before = { .number = 0 };
	int r = 0;

	if (now->number == 0)
		return APPLY_DONE;
	if (now->end != GENERATION_OPEN)
		return converge(apply, now, NULL);
	if (now->previous != 0)
		r = generation_read(apply->arena, &before, &apply->generations, now->previous);
	if (r == -ENOENT)
		fail_forget(); /* it was removed: there is no way back */
	else if (r < 0)
		return fail_plain(r, "%s (there is no way back: 'redd gc' removes it)",
				  arena_text(apply->arena, fail_recorded()->text));
	return converge(apply, now, r == -ENOENT ? NULL : &before);
}

int apply_commit(struct apply *apply, struct generation *next)
{
	int r;

	if (apply_next_is_current(apply, next))
		return go_on(apply);
	next->previous = MAX(apply->current.number, apply->damaged);
	r = generation_make(apply->arena, &apply->generations, next);
	if (r >= 0)
		r = trash_bring_back(apply, next);
	if (r >= 0)
		r = apply_persist(apply, &apply->current, next, NULL);
	if (r >= 0)
		r = generations_switch(&apply->generations, next->number);
	if (r < 0)
		return r;
	r = converge(apply, next, apply->damaged != 0 ? NULL : &apply->current);
	if (r == APPLY_DONE && !apply->quiet)
		log_info("Generation %u is current.", next->number);
	return r;
}

/* What the other machines are is not known then. */
static int check_repair(const struct apply *apply)
{
	if (apply->damaged == 0 || apply->only == NULL)
		return 0;
	return fail_plain(-EBADMSG, "cannot change some machines alone: what the others are is not "
				    "known (leave out --only=, and name no files)");
}

int apply_check(const struct apply *apply, const struct definitions *definitions)
{
	int r = check_repair(apply);

	return r < 0 ? r : apply_next_check(apply, definitions);
}

int apply_definitions(struct apply *apply, struct generation *next,
		      const struct definitions *definitions)
{
	int r = apply_check(apply, definitions);

	next->reason = "apply";
	return r < 0 ? r : apply_next_make(apply, next, definitions);
}

/* ---- back ---- */

/* What was whole together goes back as it was; some of it has to go with the others. */
static int check_mixed(const struct apply *apply, const struct generation *next)
{
	struct definitions definitions = { 0 };

	forecast_read(apply->arena, &definitions, next);
	return definition_check(apply->arena, &definitions, &apply->facts);
}

int apply_rollback(struct apply *apply, struct generation *next, unsigned int number)
{
	struct generation older;
	int r;

	if (number == 0)
		number = apply->current.previous;
	if (number == 0)
		return fail_plain(-ENOENT, "cannot go back: there is no generation before "
					   "(see 'redd generations')");
	r = check_repair(apply);
	if (r < 0)
		return r;
	if (apply->generations.fd < 0)
		return fail_plain(-ENOENT, "cannot go back: nothing was applied yet");
	r = generation_read(apply->arena, &older, &apply->generations, number);
	if (r < 0)
		return r;
	next->reason = arena_format(apply->arena, "rollback to %u", number);
	apply->back = true;
	r = apply_next_back(apply, next, &older);
	return r < 0 || apply->only == NULL ? r : check_mixed(apply, next);
}
