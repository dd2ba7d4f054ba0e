/* `apply` and `rollback`. */
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/parse.h"
#include "kernel/terminal.h"
#include "prog/redd/agree.h"
#include "prog/redd/apply-next.h"
#include "prog/redd/apply.h"
#include "prog/redd/forecast.h"
#include "prog/redd/redd.h"

struct apply context_apply(struct context *context)
{
	struct definition_facts flat = context->facts;

	flat.flat = true;
	return (struct apply){
		.arena = context->arena,
		.environment = context->program.environment,
		.runtime = context->runtime,
		.path = context->store,
		.facts = flat,
		.scope = context->scope,
		.only = context->options.only.count > 0 ? &context->options.only : NULL,
		.no_start = context->options.no_start,
		.keep_going = context->options.keep_going,
		.yes = context->options.yes,
		.update = context->options.update,
		.quiet = context->options.quiet,
		.terminal = terminal_is(STDIN_FILENO) && terminal_is(STDERR_FILENO),
		.generations = GENERATIONS_EMPTY,
	};
}

/* ---- apply ---- */

static int read_desired(struct agree *agree, struct definitions *ret, struct definitions *applied)
{
	struct context *context = agree->context;
	int r = context_desired(context, ret, applied, agree->words);

	agree->apply->only = context->options.only.count > 0 ? &context->options.only : NULL;
	return r;
}

static int make_desired(struct agree *agree, struct generation *ret)
{
	struct definitions desired, applied;
	int r = read_desired(agree, &desired, &applied);

	return r < 0 ? r : apply_definitions(agree->apply, ret, &desired);
}

/* As `plan` has it. */
static int look_at_desired(struct agree *agree, struct agree_look *ret)
{
	struct definitions desired, applied;
	struct forecast forecast;
	int r = read_desired(agree, &desired, &applied);

	if (r >= 0)
		r = apply_check(agree->apply, &desired);
	if (r >= 0)
		r = forecast_desired(agree->context, &forecast, &ret->outlook, &desired, &applied);
	if (r < 0)
		return r;
	ret->desired = desired;
	ret->machines = apply_next_count(agree->apply, &desired);
	ret->known = forecast.known;
	return 0;
}

int verb_apply(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct apply apply CLEANUP(apply_done) = context_apply(context);
	struct agree agree = {
		.context = context,
		.apply = &apply,
		.make = make_desired,
		.look = look_at_desired,
		.words = words,
	};

	apply.repair = true;
	return agree_run(&agree);
}

/* ---- rollback ---- */

static int read_number(uint32_t *ret, const struct text_list *words)
{
	*ret = 0;
	if (words->count > 0 && (parse_u32(ret, words->items[0]) < 0 || *ret == 0))
		return fail_input("cannot go back to '%s': it is no number of a generation (see "
				  "'redd generations')",
				  words->items[0]);
	return 0;
}

static int make_older(struct agree *agree, struct generation *ret)
{
	uint32_t number;
	int r = read_number(&number, agree->words);

	return r < 0 ? r : apply_rollback(agree->apply, ret, number);
}

int verb_rollback(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct apply apply CLEANUP(apply_done) = context_apply(context);
	struct agree agree = {
		.context = context,
		.apply = &apply,
		.make = make_older,
		.words = words,
	};

	apply.repair = words->count > 0;
	return agree_run(&agree);
}
