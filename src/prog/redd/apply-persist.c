#include "prog/redd/apply-persist.h"

#include <limits.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/definition.h"
#include "declare/generation.h"
#include "image/persist.h"
#include "image/store.h"
#include "io/fd.h"
#include "machine/find.h"
#include "prog/redd/apply.h"
#include "prog/redd/converge.h"
#include "prog/redd/prepare-root.h"

/* The link that leads there may be another one: what the record has is where it ends. */
static bool is_of_store(const struct apply *apply, const char *root)
{
	char roots[PATH_MAX];

	return realpath(path_join(apply->arena, apply->path, STORE_ROOTS), roots) != NULL &&
	       path_is_below(root, roots);
}

/* Where it has what it has: if it runs, that may be an older root than the current one. A tree of
 * the store is nobody's: changes to it are forgotten. */
static int source_of(const struct apply *apply, const char **ret,
		     const struct generation_machine *had, const char *name)
{
	struct machine machine;
	int r = machine_open(apply->arena, &machine, apply->runtime, name);

	if (r < 0 && r != -ENXIO)
		return r;
	fail_forget();
	if (r >= 0 && is_of_store(apply, machine.root))
		*ret = machine.root;
	else if (had == NULL || text_after(had->target, "../../../" STORE_TREES "/") != NULL)
		*ret = PERSIST_OWN;
	else
		*ret = prepare_root(apply->arena, apply->path, had);
	return 0;
}

/* There are two of it: what was kept, and what the machine has had since then. */
static int choose(const struct apply *apply, const struct definition *definition, int room_fd,
		  const char *path)
{
	const char *name = persist_name(apply->arena, path);

	if (apply->back)
		log_notice("'%s' of machine '%s' is as it was kept: what is there now is hidden",
			   path, definition->name);
	else
		log_notice("'%s' of machine '%s' is taken along as it is now: what was kept before "
			   "is put aside, in '%s/" PERSIST_ROOM "/%s/%s~NUMBER'",
			   path, definition->name, apply->path, definition->name, name);
	return persist_choose(apply->arena, room_fd, name, apply->back);
}

/* That a machine of HAD keeps the path already; where that cannot be read, it does not. */
static bool has_kept(const struct apply *apply, const struct generation_machine *had,
		     const char *path)
{
	struct definition definition;

	if (had == NULL)
		return false;
	if (converge_definition(apply->arena, &definition, had, &apply->facts) >= 0)
		return text_list_has(&definition.image.persist, path);
	fail_forget();
	return false;
}

static int mark(const struct apply *apply, const struct generation_machine *had,
		const struct definition *definition, int room_fd, const char *path)
{
	struct arena *arena = apply->arena;
	const char *name = persist_name(arena, path), *source;
	int r;

	if (name == NULL)
		return fail_input("cannot keep '%s' of machine '%s': its path is too long", path,
				  definition->name);
	r = persist_check(arena, room_fd, name);
	if (r >= 0 && persist_is_missing(arena, room_fd, name)) {
		r = source_of(apply, &source, had, definition->name);
		if (r >= 0)
			r = persist_owe(arena, room_fd, name, source);
	} else if (r >= 0 && persist_is_kept(arena, room_fd, name) &&
		   persist_owed(arena, room_fd, name) != NULL && !has_kept(apply, had, path)) {
		r = choose(apply, definition, room_fd, path);
	}
	return r < 0 ? fail(r, "cannot keep '%s' of machine '%s'", path, definition->name) : 0;
}

static int mark_all(const struct apply *apply, const struct generation_machine *had,
		    const struct definition *definition)
{
	const struct text_list *paths = &definition->image.persist;
	autoclose int room = -EBADF;
	int r = 0;

	if (paths->count == 0)
		return 0;
	room = persist_open(apply->generations.fd, definition->name, true);
	if (room < 0)
		return fail(room, "cannot open '%s/" PERSIST_ROOM "/%s'", apply->path,
			    definition->name);
	for (size_t i = 0; i < paths->count && r >= 0; i++)
		r = mark(apply, had, definition, room, paths->items[i]);
	return r;
}

int apply_persist(const struct apply *apply, const struct generation *had,
		  const struct generation *next, const struct text_list *only)
{
	int r = 0;

	for (size_t i = 0; i < next->count && r >= 0; i++) {
		const struct generation_machine *machine = &next->machines[i];
		struct definition definition;

		if (only != NULL && !text_list_has(only, machine->name))
			continue;
		r = converge_definition(apply->arena, &definition, machine, &apply->facts);
		/* One of an older program's: whoever starts it says what it is about. */
		if (r < 0) {
			fail_forget();
			r = 0;
			continue;
		}
		r = mark_all(apply, generation_find(had, machine->name), &definition);
	}
	return r;
}
