/* `generations` and `gc`. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "image/collect.h"
#include "image/persist.h"
#include "io/clock.h"
#include "io/dir.h"
#include "io/fd.h"
#include "machine/find.h"
#include "prog/redd/apply.h"
#include "prog/redd/converge-step.h"
#include "prog/redd/converge.h"
#include "prog/redd/prepare-collect.h"
#include "prog/redd/prepare.h"
#include "prog/redd/program.h"
#include "prog/redd/redd.h"
#include "prog/redd/trash.h"

/* ---- generations ---- */

static const struct column columns[] = {
	{ .title = "GENERATION", .kind = COLUMN_NUMBER },
	{ .title = "TIME", .kind = COLUMN_TIME },
	{ .title = "MACHINES", .kind = COLUMN_NUMBER },
	{ .title = "REASON" },
	{ .title = "RESULT" },
	{ .title = "CURRENT", .kind = COLUMN_BOOL },
};

static void add_row(struct table *table, const struct generation *generation, const char *result,
		    int current)
{
	table_number(table, generation->number);
	table_number(table, generation->created_us);
	table_number(table, generation->count);
	table_text(table, generation->reason);
	table_text(table, result);
	table_bool(table, (int)generation->number == current);
}

static void tell(void)
{
	log_warning("%s", fail_recorded()->text);
	fail_forget();
}

/* With a NAME those in which that machine changed. */
static int add_all(const struct apply *apply, struct table *table, const char *name)
{
	const struct generation_machine *last = NULL;
	unsigned int *numbers;
	size_t count;
	int r = generations_list(apply->arena, &apply->generations, &numbers, &count), current;

	current = generations_current(&apply->generations);
	if (current < 0)
		tell();
	for (size_t i = 0; i < count && r >= 0; i++) {
		struct generation generation;

		if (generation_read(apply->arena, &generation, &apply->generations, numbers[i]) <
		    0) {
			tell();
			add_row(table, &(struct generation){ .number = numbers[i], .reason = "" },
				"damaged", current);
			continue;
		}
		if (name != NULL) {
			const struct generation_machine *now = generation_find(&generation, name);

			if (generation_same(last, now))
				continue;
			last = now;
		}
		add_row(table, &generation, generation_end_name(generation.end), current);
	}
	return r;
}

int verb_generations(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct apply apply CLEANUP(apply_done) = context_apply(context);
	struct table table;
	int r = generations_open(apply.arena, &apply.generations, apply.path, false);

	table_init(&table, context->arena, columns, ARRAY_SIZE(columns));
	if (r >= 0)
		r = add_all(&apply, &table, words->count > 0 ? words->items[0] : NULL);
	else if (r == -ENOENT)
		r = 0;
	return r < 0 ? r : program_print_table(&context->program, &table, "generations");
}

/* ---- gc ---- */

#define KEEP_DEFAULT 5

struct keeping {
	struct apply *apply;
	struct generation *items; /* of all that stay */
	size_t count, removed;
	unsigned int *used; /* that machines run from */
	size_t used_count;
	struct text_list running; /* paths of roots */
};

static int find_used(struct keeping *keeping)
{
	struct apply *apply = keeping->apply;
	const struct converge converge = { .arena = apply->arena, .runtime = apply->runtime };
	struct machine *machines;
	size_t count;
	int r = machine_list_whole(apply->arena, &machines, &count, apply->runtime);

	if (r >= 0)
		r = machine_list_roots(apply->arena, &keeping->running, apply->runtime);
	for (size_t i = 0; i < count && r >= 0; i++) {
		unsigned int *slot = list_grow(apply->arena, (void **)&keeping->used,
					       &keeping->used_count, sizeof(*slot));
		unsigned int changing; /* if that is removed, the machine starts again */

		r = converge_step_from(&converge, &machines[i], slot, &changing);
	}
	return r;
}

/* LAST: how many there are from this one on. */
static bool is_kept(const struct keeping *keeping, const struct generation *generation, size_t last,
		    const struct options *options)
{
	const struct generation *current = &keeping->apply->current;
	uint64_t now = clock_realtime_us();

	if (generation->number == current->number)
		return true;
	/* The way back, should the rest of what was interrupted fail. */
	if (current->end == GENERATION_OPEN && generation->number == current->previous)
		return true;
	for (size_t i = 0; i < keeping->used_count; i++)
		if (keeping->used[i] == generation->number)
			return true;
	if (options->keep_set || options->older_us == 0)
		if (last <= (options->keep_set ? options->keep : KEEP_DEFAULT))
			return true;
	return options->older_us > 0 &&
	       (generation->created_us > now || now - generation->created_us < options->older_us);
}

/* Nobody can go back to it. The current one is whole, or apply_open() had failed. */
static int remove_damaged(struct keeping *keeping, unsigned int number)
{
	tell();
	for (size_t i = 0; i < keeping->used_count; i++)
		if (keeping->used[i] == number)
			return 0;
	keeping->removed++;
	return generation_remove(&keeping->apply->generations, number);
}

static int remove_generations(struct keeping *keeping, const struct options *options)
{
	struct apply *apply = keeping->apply;
	unsigned int *numbers;
	size_t count;
	int r = generations_list(apply->arena, &apply->generations, &numbers, &count);

	for (size_t i = 0; i < count && r >= 0; i++) {
		struct generation generation, *slot;

		r = generation_read(apply->arena, &generation, &apply->generations, numbers[i]);
		if (r == -EBADMSG || r == -ENOENT) {
			r = remove_damaged(keeping, numbers[i]);
			continue;
		}
		if (r < 0)
			return r;
		if (!is_kept(keeping, &generation, count - i, options)) {
			r = generation_remove(&apply->generations, numbers[i]);
			keeping->removed++;
			continue;
		}
		slot = list_grow(apply->arena, (void **)&keeping->items, &keeping->count,
				 sizeof(*slot));
		*slot = generation;
	}
	return r;
}

struct owing {
	struct arena *arena;
	struct text_list *keep;
};

static int keep_owed_of(int dir_fd, const char *machine, unsigned char type, void *context)
{
	const struct owing *owing = context;
	autoclose int room = openat(dir_fd, machine,
				    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct text_list names = { 0 };
	int r;

	if (type != DT_DIR)
		return 0;
	r = room < 0 ? -errno : persist_names(owing->arena, &names, room);
	for (size_t i = 0; i < names.count && r >= 0; i++) {
		const char *from = persist_owed(owing->arena, room, names.items[i]);

		r = persist_check(owing->arena, room, names.items[i]);
		if (r >= 0 && from != NULL && !text_list_has(owing->keep, from))
			text_list_add(owing->arena, owing->keep, arena_text(owing->arena, from));
	}
	return MIN(r, 0);
}

/* What is to be kept may still be in an older root than any that stays, also of a machine that may
 * come back. */
static int keep_owed(struct keeping *keeping, struct text_list *keep)
{
	static const char *const rooms[] = { PERSIST_ROOM, TRASH_ROOM };
	struct owing owing = { keeping->apply->arena, keep };

	for (size_t i = 0; i < ARRAY_SIZE(rooms); i++) {
		autoclose int fd = openat(keeping->apply->generations.fd, rooms[i],
					  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int r = fd < 0 ? -errno : dir_walk(fd, keep_owed_of, &owing);

		if (r < 0 && r != -ENOENT)
			return fail(r, "cannot read '%s/%s'", keeping->apply->path, rooms[i]);
	}
	return 0;
}

static int remove_roots(struct keeping *keeping)
{
	struct prepare prepare CLEANUP(prepare_done) = PREPARE_EMPTY;
	struct apply *apply = keeping->apply;
	struct text_list keep = keeping->running;
	int r;

	for (size_t i = 0; i < keeping->count; i++)
		for (size_t j = 0; j < keeping->items[i].count; j++) {
			const struct generation_machine *machine = &keeping->items[i].machines[j];

			text_list_add(apply->arena, &keep, (char *)machine->target);
			text_list_add(apply->arena, &keep, (char *)machine->digest);
		}
	r = keep_owed(keeping, &keep);
	if (r < 0)
		return r;
	apply_prepare(apply, &prepare);
	r = prepare_open(&prepare);
	return r < 0 ? r : prepare_collect(&prepare, &keep);
}

/* One can still go back to what has it. */
static bool has_generation(const void *context, const char *name)
{
	const struct keeping *keeping = context;

	for (size_t i = 0; i < keeping->count; i++)
		if (generation_find(&keeping->items[i], name) != NULL)
			return true;
	return false;
}

/* Of an interrupted apply, what it stopped may have to come back. */
static int fill_trash(const struct apply *apply)
{
	return apply->current.number != 0 && apply->current.end != GENERATION_OPEN
		       ? trash_put(apply, &apply->current)
		       : 0;
}

static int empty_trash(const struct keeping *keeping, const struct options *options)
{
	return trash_empty(keeping->apply,
			   options->forget	? 0
			   : options->trash_set ? options->trash_us
						: TRASH_AGE_US,
			   has_generation, keeping);
}

static int running_roots(struct arena *arena, struct text_list *ret, void *context)
{
	return machine_list_roots(arena, ret, context);
}

static int collect_layers(struct arena *arena, void *context, const char **ret)
{
	const struct apply *apply = context;
	struct collect_result result = { .layers = 0 };
	int r = collect(arena, &result, &apply->scope, false, running_roots,
			(void *)apply->runtime);

	*ret = arena_format(arena, "%zu", result.layers);
	return r;
}

int verb_gc(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct apply apply CLEANUP(apply_done) = context_apply(context);
	struct keeping keeping = { .apply = &apply };
	const char *layers = NULL;
	int r = apply_open(&apply, true), roots = 0;

	(void)words;
	if (r >= 0)
		r = find_used(&keeping);
	/* They tell whose it is, so they stay where it could not be put away; a full disk needs the
	 * rest. */
	if (r >= 0 && fill_trash(&apply) < 0) {
		log_warning("%s, going on without removing generations", fail_recorded()->text);
		fail_forget();
	} else if (r >= 0) {
		r = remove_generations(&keeping, &context->options);
	}
	if (r >= 0)
		r = roots = remove_roots(&keeping);
	if (r >= 0)
		r = program_as_owner(context->arena, apply.environment, collect_layers, &apply,
				     &layers);
	if (r >= 0 && !context->options.quiet)
		log_info("Removed %zu generations, %d trees and roots, %s layers.", keeping.removed,
			 roots, layers != NULL ? layers : "0");
	if (r >= 0)
		r = empty_trash(&keeping, &context->options);
	return r < 0 ? r : 0;
}
