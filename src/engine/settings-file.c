#include "engine/settings-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/path.h"
#include "engine/persist.h"
#include "engine/root-locate.h"
#include "format/specifier.h"
#include "io/file.h"
#include "io/settings.h"
#include "machine/service.h"
#include "spec/readers.h"

static int refuse(const struct settings *settings, int r)
{
	const char *path = settings->blame;

	if (r == -EFBIG)
		return fail_plain(r, "cannot use the settings file '%s': it is larger than %d KiB",
				  path, SETTINGS_SIZE_MAX / 1024);
	if (r == -E2BIG)
		return fail_plain(r, "cannot use '%s': there are more than %d files in it", path,
				  SETTINGS_DROP_INS_MAX);
	if (r == -EPERM)
		return fail_plain(r,
				  "cannot use the settings that were applied: '%s' may be changed "
				  "by others, or is not as 'redd apply' makes it (see "
				  "systemd.nspawn(5); try --settings=no)",
				  path);
	return fail(r, "cannot read the settings file '%s' (try --settings=no)", path);
}

/* What lies beside the tree may be anybody's. */
static int read_beside(struct arena *arena, struct settings *ret, const struct root_place *root)
{
	struct settings_part *part = arena_new(arena, struct settings_part);
	int r;

	if (root->beside == NULL)
		return 0;
	part->path = path_join(arena, root->beside,
			       arena_format(arena, "%s.nspawn", root->settings_name));
	*ret = (struct settings){ .blame = part->path };
	r = file_read(arena, &part->text, &part->size, AT_FDCWD, part->path, SETTINGS_SIZE_MAX);
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r < 0)
		return r;
	ret->parts = part;
	ret->count = 1;
	return 1;
}

static struct nspawn_part part_of(const struct settings_part *part, bool of_image)
{
	return (struct nspawn_part){ part->path, part->text, part->size, of_image };
}

static int parse(struct arena *arena, struct spec *spec, const struct reader_facts *facts,
		 const struct settings *settings, bool trusted, const char *machine)
{
	struct nspawn_part *parts = arena_take_array(arena, settings->count + 2, sizeof(*parts));
	struct reader_facts known = *facts;
	struct specifiers specifiers;
	size_t count = 0;

	if (settings->image != NULL)
		parts[count++] = part_of(settings->image, true);
	if (settings->system != NULL)
		parts[count++] = part_of(settings->system, false);
	for (size_t i = 0; i < settings->count; i++)
		parts[count++] = part_of(&settings->parts[i], false);
	for (size_t i = 0; i < count; i++)
		log_debug("settings come from '%s'", parts[i].path);
	/* `redd apply` has replaced them. */
	if (!settings->applied) {
		service_specifiers(arena, &specifiers, settings, machine);
		known.specifiers = &specifiers;
	}
	return nspawn_file_parse_parts(arena, spec, &known, parts, count, trusted);
}

int settings_file_load(struct arena *arena, struct spec *spec, const struct reader_facts *facts,
		       const struct root_place *root)
{
	struct settings settings;
	bool trusted = true;
	int r;

	if (spec->settings == SETTINGS_NO || spec->oci_bundle)
		return 0;
	r = settings_read(arena, &settings, facts->uid, facts->environment, root->settings_name);
	if (r == 0) {
		trusted = spec->settings == SETTINGS_TRUSTED;
		r = read_beside(arena, &settings, root);
	}
	if (r < 0)
		return refuse(&settings, r);
	if (r > 0)
		r = parse(arena, spec, facts, &settings, trusted, root->settings_name);
	spec->generation = settings.applied ? settings.generation : NULL;
	return r < 0 ? r : persist_mount(arena, spec, facts, settings.applied);
}
