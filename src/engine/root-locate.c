#include "engine/root-locate.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/name-clean.h"
#include "base/names.h"
#include "base/path.h"
#include "base/text.h"
#include "engine/host.h"
#include "image/find.h"
#include "image/mstack.h"
#include "image/pick.h"
#include "spec/readers.h"

static void set_read_only(struct spec *spec)
{
	spec->read_only = TRISTATE_YES;
	spec->group_origin[GROUP_READ_ONLY] = BY_OPTION;
}

static int find_by_name(struct arena *arena, struct spec *spec, const struct reader_facts *facts)
{
	struct find_scope scope = find_scope_of(facts->uid, facts->environment);
	struct found found;
	int r;

	r = find_image(arena, &found, spec->machine, &scope);
	if (r == -ENOENT) {
		const char *pool = find_pool_path(arena, spec->machine, &scope);

		return fail_plain(
			r,
			"cannot find an image for machine '%s' (make one at '%s', or give "
			"its place with --directory=)",
			spec->machine, pool ? pool : "$HOME/.local/state/machines");
	}
	if (r < 0)
		return fail(r, "cannot look for an image for machine '%s'", spec->machine);
	if (found.kind == FIND_DIRECTORY || found.kind == FIND_MSTACK)
		spec->directory = found.path;
	else
		spec->image = found.path;
	if (found.shared)
		spec->ephemeral = TRISTATE_YES; /* [X-Image] Root=ephemeral */
	if (found.read_only && spec->ephemeral != TRISTATE_YES)
		set_read_only(spec);
	return 0;
}

static int locate_template(struct arena *arena, struct spec *spec, const struct reader_facts *facts)
{
	struct find_scope scope = find_scope_of(facts->uid, facts->environment);

	if (spec->directory)
		return 0;
	if (spec->ephemeral == TRISTATE_YES) {
		/* A throw-away copy of the template is what --ephemeral of it is. */
		spec->directory = spec->template;
		spec->template = NULL;
		return 0;
	}
	if (!spec->machine)
		return fail_input("cannot use --template=%s: say where the new tree goes with "
				  "--directory= or --machine=",
				  spec->template);
	spec->directory = find_pool_path(arena, spec->machine, &scope);
	if (!spec->directory)
		return fail_input("cannot use --template=%s: HOME is not set, give --directory=",
				  spec->template);
	return 0;
}

/* The directory or image as a clean absolute path, with the newest version chosen in "….v". */
static int settle_path(struct arena *arena, struct spec *spec, const char **ret_named)
{
	const char **place = spec->directory ? &spec->directory : &spec->image;
	char *path = path_simplify(arena, *place), *picked;
	int r;

	if (!path_is_normal(path)) { /* ".." means what the file system says */
		char real[PATH_MAX];

		if (!realpath(path, real))
			return fail(-errno, "cannot find '%s'", path);
		path = arena_text(arena, real);
	}
	r = pick_version(arena, &picked, path, spec->directory ? PICK_DIRECTORY : PICK_RAW);
	if (r == -ENOENT && !spec->template)
		return fail_plain(r, "cannot find a version in '%s'", path);
	if (r < 0 && r != -ENOENT)
		return fail(r, "cannot look for versions in '%s'", path);
	*ret_named = path;
	*place = r < 0 ? path : picked;
	/* Also where it was not found by name. */
	if (spec->directory && text_ends(spec->directory, MSTACK_SUFFIX) &&
	    spec->ephemeral != TRISTATE_YES &&
	    access(path_join(arena, spec->directory, "rw"), F_OK) < 0)
		set_read_only(spec);
	return 0;
}

static const char *name_from(struct arena *arena, const char *path, bool image)
{
	const char *const suffixes[] = { ".v", image ? ".raw" : MSTACK_SUFFIX };
	struct utsname host;
	const char *name;
	char *cut;

	if (text_equal(path, "/"))
		return uname(&host) < 0 ? NULL : name_clean(arena, host.nodename);
	name = path_name(path);
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (text_ends(name, suffixes[i])) {
			cut = arena_text_n(arena, name, strlen(name) - strlen(suffixes[i]));
			name = cut;
		}
	return name_clean(arena, name);
}

static int settle_name(struct arena *arena, struct root_place *place, struct spec *spec,
		       const char *named)
{
	const char *name = spec->machine;
	uint64_t random;
	int kept;

	if (!name)
		name = name_from(arena, named, spec->directory == NULL);
	if (!name)
		return fail_input("cannot make a machine name of '%s' (give one with --machine=)",
				  named);
	place->settings_name = name;
	if (spec->machine || spec->ephemeral != TRISTATE_YES) {
		spec->machine = name;
		return 0;
	}

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return fail(-EIO, "cannot get random numbers");
	kept = (int)MIN(strlen(name), NAME_MAX_LENGTH - strlen("-0123456789abcdef"));
	while (kept > 0 && (name[kept - 1] == '-' || name[kept - 1] == '.'))
		kept--;
	spec->machine = arena_format(arena, "%.*s-%016llx", kept, name, (unsigned long long)random);
	return 0;
}

int root_locate(struct arena *arena, struct root_place *ret, struct spec *spec,
		const struct reader_facts *facts)
{
	struct root_place place = { 0 };
	const char *named;
	int r = 0;

	spec->machine_given = spec->machine != NULL;
	if (spec->template)
		r = locate_template(arena, spec, facts);
	else if (!spec->directory && !spec->image && spec->machine)
		r = find_by_name(arena, spec, facts);
	else if (!spec->directory && !spec->image)
		spec->directory = facts->working_directory;
	if (r >= 0)
		r = settle_path(arena, spec, &named);
	if (r >= 0)
		r = settle_name(arena, &place, spec, named);
	if (r < 0)
		return r;
	place.path = spec->directory ? spec->directory : spec->image;
	if (!text_equal(place.path, "/"))
		place.beside = path_parent(arena, place.path);
	*ret = place;
	return 0;
}
