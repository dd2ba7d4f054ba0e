#include "prog/redd/agree.h"

#include <errno.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "prog/redd/apply-manager.h"
#include "prog/redd/apply-next.h"
#include "prog/redd/apply.h"
#include "prog/redd/forecast.h"
#include "prog/redd/not-honoured.h"
#include "prog/redd/outlook.h"
#include "prog/redd/redd.h"

/* What NEXT makes of the current one. */
static int look_between(struct agree *agree, struct outlook *ret, const struct generation *next)
{
	struct outlook_facts facts;
	int r = forecast_facts(agree->context, &facts);

	facts.back = agree->apply->back;
	if (r >= 0)
		forecast_between(agree->context, ret, &agree->apply->current, next, &facts);
	return r;
}

/* NEXT: as agree->make() has it. */
static int make(struct agree *agree, struct generation *next, struct agree_look *ret)
{
	int r;

	*next = (struct generation){ .number = 0 };
	r = agree->make(agree, next);
	if (r >= 0)
		r = look_between(agree, &ret->outlook, next);
	ret->desired = (struct definitions){ 0 };
	if (r >= 0 && ret->outlook.count > 0)
		forecast_read(agree->context->arena, &ret->desired, next);
	ret->machines = next->count;
	ret->known = true;
	return r;
}

/* Nothing stays open: for an answer nobody waits but we, and do_it() looks again. */
static int look(struct agree *agree, struct agree_look *ret)
{
	struct generation next;
	int r = apply_open(agree->apply, false);

	if (r >= 0)
		r = agree->look != NULL ? agree->look(agree, ret) : make(agree, &next, ret);
	apply_done(agree->apply);
	return r;
}

/* All of it but how much is dropped: a machine that runs goes on writing while somebody thinks. */
static bool is_same(const struct outlook *a, const struct outlook *b)
{
	bool same = a->count == b->count;

	for (size_t i = 0; i < a->count && same; i++) {
		const struct outlook_line *one = &a->lines[i], *other = &b->lines[i];

		same = text_equal(one->machine, other->machine) &&
		       text_equal(one->act, other->act) &&
		       text_equal(one->section, other->section) &&
		       text_equal(one->key, other->key) && text_equal(one->before, other->before) &&
		       text_equal(one->after, other->after) && text_equal(one->note, other->note);
	}
	return same;
}

static bool is_in(const struct outlook *outlook, const char *name)
{
	for (size_t i = 0; i < outlook->count; i++)
		if (text_equal(outlook->lines[i].machine, name))
			return true;
	return false;
}

/* Of what changes; of the rest it was said when that was applied. */
static int show_not_honoured(const struct context *context, const struct agree_look *found)
{
	struct not_honoured list;

	not_honoured_init(&list);
	for (size_t i = 0; i < found->desired.count; i++)
		if (is_in(&found->outlook, found->desired.items[i]->name))
			not_honoured_add(context->arena, &list, found->desired.items[i]);
	not_honoured_done(&list);
	return not_honoured_print(context->arena, &list, &context->program);
}

static int show(const struct agree *agree, const struct agree_look *found)
{
	const struct context *context = agree->context;
	int r;

	if (agree->apply->quiet)
		return 0;
	r = program_print(&context->program, outlook_text(context->arena, &found->outlook));
	return r < 0 ? r : show_not_honoured(context, found);
}

static int ask(const struct agree *agree, const struct agree_look *found)
{
	const struct apply *apply = agree->apply;
	char answer[16] = "";

	fprintf(stderr, "Apply %zu machine%s as the generation after %u? [y/N] ", found->machines,
		found->machines == 1 ? "" : "s", MAX(apply->current.number, apply->damaged));
	if (fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y'))
		return 0;
	return fail_plain(-ECANCELED, "Nothing was changed.%s",
			  apply->fetched ? " What was fetched is kept for the next apply ('redd "
					   "gc' removes it)."
					 : "");
}

static bool is_nothing(const struct apply *apply, const struct generation *next,
		       const struct outlook *outlook)
{
	const struct generation *now = &apply->current;

	return outlook->count == 0 && apply_next_is_current(apply, next) &&
	       (now->number == 0 || now->end != GENERATION_OPEN);
}

/* 1: it is another thing than what was SHOWN (NULL: nothing was), and somebody has to be asked. */
static int do_it(struct agree *agree, struct agree_look *found, const struct outlook *shown,
		 bool asks, int *ret_status)
{
	struct generation next;
	bool nothing;
	int r = apply_open(agree->apply, true);

	if (r >= 0)
		r = make(agree, &next, found);
	if (r < 0)
		return r;
	if (asks && found->outlook.count > 0 && (shown == NULL || !is_same(shown, &found->outlook)))
		return 1;
	if (!asks)
		r = show(agree, found);
	nothing = is_nothing(agree->apply, &next, &found->outlook);
	if (r >= 0)
		*ret_status = r = apply_commit(agree->apply, &next);
	if (r == APPLY_DONE && nothing && !agree->apply->quiet)
		log_info("Nothing to do.");
	return r < 0 ? r : 0;
}

int agree_run(struct agree *agree)
{
	struct apply *apply = agree->apply;
	bool asks = apply->terminal && !apply->yes, agreed = false;
	struct agree_look found = { .known = false };
	struct outlook shown;
	int r = apply_manager_check(apply), status = 0;

	if (r >= 0 && asks)
		r = look(agree, &found);
	while (r >= 0) {
		if (!found.known || agreed || found.outlook.count == 0) {
			r = do_it(agree, &found, agreed ? &shown : NULL, asks, &status);
			if (r <= 0)
				break;
			apply_done(apply);
		}
		if (agreed)
			log_notice("What would happen has changed meanwhile. Now it is this:");
		agreed = true;
		shown = found.outlook;
		r = show(agree, &found);
		if (r >= 0)
			r = ask(agree, &found);
	}
	return r < 0 ? r : status;
}
