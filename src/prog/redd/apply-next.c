#include "prog/redd/apply-next.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/text.h"
#include "declare/definition.h"
#include "declare/definitions.h"
#include "declare/generation.h"
#include "prog/redd/apply.h"
#include "prog/redd/prepare.h"

/* ---- what is wanted is checked ---- */

static bool is_asked_for(const struct apply *apply, const char *name)
{
	return apply->only == NULL || text_list_has(apply->only, name);
}

static bool is_declared(const struct apply *apply, const struct definitions *definitions,
			const char *name)
{
	return definitions_find(definitions, name) != NULL ||
	       generation_find(&apply->current, name) != NULL;
}

int apply_next_check(const struct apply *apply, const struct definitions *definitions)
{
	for (size_t i = 0; apply->only != NULL && i < apply->only->count; i++)
		if (!is_declared(apply, definitions, apply->only->items[i]))
			return fail_plain(-ENOENT, "cannot find a definition of machine '%s'",
					  apply->only->items[i]);
	return 0;
}

/* ---- of definitions ---- */

static struct generation_machine *add_machine(struct apply *apply, struct generation *generation)
{
	return list_grow(apply->arena, (void **)&generation->machines, &generation->count,
			 sizeof(*generation->machines));
}

/* Others are as they were. */
static void keep_others(struct apply *apply, struct generation *next)
{
	for (size_t i = 0; i < apply->current.count; i++)
		if (!is_asked_for(apply, apply->current.machines[i].name))
			*add_machine(apply, next) = apply->current.machines[i];
}

static int prepare_all(struct apply *apply, struct generation *next,
		       const struct definitions *definitions)
{
	struct prepare prepare CLEANUP(prepare_done) = PREPARE_EMPTY;
	int r;

	apply_prepare(apply, &prepare);
	r = prepare_open(&prepare);
	for (size_t i = 0; i < definitions->count && r >= 0; i++) {
		const struct definition *definition = definitions->items[i];
		struct generation_machine machine = { .name = definition->name };

		if (!is_asked_for(apply, definition->name))
			continue;
		machine.text = definition_print(apply->arena, definition, false);
		machine.size = strlen(machine.text);
		r = prepare_image(&prepare, &machine, definition,
				  generation_find(&apply->current, machine.name));
		*add_machine(apply, next) = machine;
	}
	apply->fetched = apply->fetched || prepare.fetched;
	return r;
}

size_t apply_next_count(const struct apply *apply, const struct definitions *definitions)
{
	size_t count = 0;

	for (size_t i = 0; i < apply->current.count; i++)
		count += !is_asked_for(apply, apply->current.machines[i].name);
	for (size_t i = 0; i < definitions->count; i++)
		count += is_asked_for(apply, definitions->items[i]->name);
	return count;
}

int apply_next_make(struct apply *apply, struct generation *next,
		    const struct definitions *definitions)
{
	keep_others(apply, next);
	return prepare_all(apply, next, definitions);
}

/* ---- of what was ---- */

static int check_root(const struct apply *apply, const struct generation_machine *machine,
		      unsigned int number)
{
	const char *path = arena_format(apply->arena, "%s/" GENERATION_DIRECTORY "/%u/images/%s",
					apply->path, number, machine->file);

	if (machine->file[0] == '\0' || access(path, F_OK) == 0)
		return 0;
	return fail_plain(
		-ENOENT, "cannot go back to generation %u: the root of machine '%s' is gone ('%s')",
		number, machine->name, machine->target);
}

int apply_next_back(struct apply *apply, struct generation *next, const struct generation *older)
{
	bool found = apply->only == NULL;
	int r = 0;

	keep_others(apply, next);
	for (size_t i = 0; i < older->count && r >= 0; i++) {
		if (!is_asked_for(apply, older->machines[i].name))
			continue;
		found = true;
		r = check_root(apply, &older->machines[i], older->number);
		*add_machine(apply, next) = older->machines[i];
	}
	for (size_t i = 0; !found && i < apply->current.count; i++)
		found = is_asked_for(apply, apply->current.machines[i].name);
	return r < 0 || found ? r
			      : fail_plain(-ENOENT, "cannot find machine '%s' in generation %u",
					   apply->only->items[0], older->number);
}

/* ---- */

bool apply_next_is_current(const struct apply *apply, const struct generation *next)
{
	if (apply->damaged != 0 || next->count != apply->current.count)
		return false;
	for (size_t i = 0; i < next->count; i++)
		if (!generation_same(generation_find(&apply->current, next->machines[i].name),
				     &next->machines[i]))
			return false;
	return true;
}
