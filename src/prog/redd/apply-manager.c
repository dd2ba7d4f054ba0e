#include "prog/redd/apply-manager.h"

#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/text.h"
#include "declare/definition.h"
#include "declare/generation.h"
#include "machine/manager.h"
#include "prog/redd/apply.h"
#include "prog/redd/converge.h"

int apply_manager_check(const struct apply *apply)
{
	struct manager manager CLEANUP(manager_done) = { 0 };

	return manager_open(apply->arena, &manager, apply->runtime, apply->environment);
}

static bool is_started(const struct apply *apply, const struct generation *generation,
		       const char *name)
{
	const struct generation_machine *machine = generation_find(generation, name);
	struct definition definition;

	if (machine == NULL)
		return false;
	if (converge_definition(apply->arena, &definition, machine, &apply->facts) < 0) {
		fail_forget();
		return false;
	}
	return definition.autostart;
}

static int change_boot(const struct apply *apply, const struct manager *manager, const char *name,
		       bool enable)
{
	struct text_list lines = { 0 };
	int r = enable ? manager_enable(apply->arena, manager, name, &lines)
		       : manager_disable(apply->arena, manager, name, &lines);

	for (size_t i = 0; i < lines.count; i++)
		log_debug("%s", lines.items[i]);
	return r;
}

static bool starts_as_before(const struct apply *apply, const struct generation *had,
			     const struct generation *now, const char *name)
{
	const struct generation_machine *a = generation_find(had, name);
	const struct generation_machine *b = generation_find(now, name);

	if (a != NULL && b != NULL && a->size == b->size && memcmp(a->text, b->text, a->size) == 0)
		return true;
	return is_started(apply, had, name) == is_started(apply, now, name);
}

static void add_followed(const struct apply *apply, struct generation **ret, size_t *ret_count,
			 const struct generation *one)
{
	struct generation *slot = list_grow(apply->arena, (void **)ret, ret_count, sizeof(*slot));

	*slot = *one;
}

/* What may not have been followed to its end, or was the last that was: each may have left
 * something enabled. From the newest one back; what was rolled back left nothing. */
static int list_followed(const struct apply *apply, const struct generation *now,
			 struct generation **ret, size_t *ret_count)
{
	unsigned int *numbers;
	size_t count;
	bool done = false;
	const struct generation nothing = { .number = 0 };
	int r = generations_list(apply->arena, &apply->generations, &numbers, &count);

	*ret_count = 0;
	while (r >= 0 && !done && count-- > 0) {
		struct generation one;

		if (numbers[count] == now->number) {
			done = now->end == GENERATION_DONE;
			continue;
		}
		if (generation_read(apply->arena, &one, &apply->generations, numbers[count]) < 0) {
			fail_forget(); /* it is damaged: others tell the most of it */
			continue;
		}
		done = one.end == GENERATION_DONE;
		if (one.end == GENERATION_REVERTED)
			continue;
		add_followed(apply, ret, ret_count, &one);
	}
	if (r >= 0 && !done)
		add_followed(apply, ret, ret_count, &nothing);
	return r;
}

struct following {
	const struct apply *apply;
	struct manager manager;
	const struct generation *now;
	struct generation *had;
	size_t count;
};

static int follow_one(struct following *following, const char *name)
{
	const struct apply *apply = following->apply;
	bool same = true;

	for (size_t i = 0; i < following->count && same; i++)
		same = starts_as_before(apply, &following->had[i], following->now, name);
	return same ? 0
		    : change_boot(apply, &following->manager, name,
				  is_started(apply, following->now, name));
}

static int follow_all(struct following *following, const struct generation *generation,
		      size_t before)
{
	int r = 0;

	for (size_t i = 0; i < generation->count && r >= 0; i++) {
		const char *name = generation->machines[i].name;
		bool seen = false;

		for (size_t j = 0; j < before && !seen; j++)
			seen = generation_find(&following->had[j], name) != NULL;
		r = seen ? 0 : follow_one(following, name);
	}
	return r;
}

static int follow_list(struct following *following)
{
	int r = 0;

	for (size_t i = 0; i < following->count && r >= 0; i++)
		r = follow_all(following, &following->had[i], i);
	return r < 0 ? r : follow_all(following, following->now, following->count);
}

int apply_manager_follow(const struct apply *apply, const struct generation *now)
{
	struct following following = { .apply = apply, .now = now };
	int r = list_followed(apply, now, &following.had, &following.count);

	if (r < 0 || following.count == 0)
		return r;
	r = manager_open(apply->arena, &following.manager, apply->runtime, apply->environment);
	if (r < 0)
		return r;
	r = manager_generates(&following.manager) ? manager_reload(&following.manager)
						  : follow_list(&following);
	manager_done(&following.manager);
	return r;
}
