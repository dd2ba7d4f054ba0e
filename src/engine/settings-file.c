#include "engine/settings-file.h"

#include <errno.h>
#include <fcntl.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "engine/host.h"
#include "engine/root-locate.h"
#include "io/file.h"
#include "spec/readers.h"

struct place {
	char *directory;
	bool trusted;
};

#define PLACES 3

static size_t list_places(struct arena *arena, struct place places[PLACES],
			  const struct reader_facts *facts, const struct root_place *root)
{
	const char *home, *runtime;
	size_t count = 0;

	if (facts->uid == 0) {
		places[count++] = (struct place){ arena_text(arena, "/etc/systemd/nspawn"), true };
		places[count++] = (struct place){ arena_text(arena, "/run/systemd/nspawn"), true };
	} else {
		home = text_variable(facts->environment, "HOME");
		runtime = text_variable(facts->environment, "XDG_RUNTIME_DIR");
		if (!text_empty(home))
			places[count++] = (struct place){
				path_join(arena, home, ".config/systemd/nspawn"), true
			};
		if (!text_empty(runtime))
			places[count++] =
				(struct place){ path_join(arena, runtime, "systemd/nspawn"), true };
	}
	if (root->beside)
		places[count++] = (struct place){ arena_text(arena, root->beside), false };
	return count;
}

int settings_file_load(struct arena *arena, struct spec *spec, const struct reader_facts *facts,
		       const struct root_place *root)
{
	struct place places[PLACES];
	size_t count, size;
	char *path, *text;
	int r;

	if (spec->settings == SETTINGS_NO || spec->oci_bundle)
		return 0;
	count = list_places(arena, places, facts, root);
	for (size_t i = 0; i < count; i++) {
		path = arena_format(arena, "%s/%s.nspawn",
				    text_equal(places[i].directory, "/") ? "" : places[i].directory,
				    root->settings_name);
		r = file_read(arena, &text, &size, AT_FDCWD, path, NSPAWN_FILE_LIMIT);
		if (r == -ENOENT || r == -ENOTDIR)
			continue;
		if (r == -EFBIG)
			return fail_plain(
				r, "cannot use the settings file '%s': it is larger than %d KiB",
				path, NSPAWN_FILE_LIMIT / 1024);
		if (r < 0)
			return fail(r, "cannot read the settings file '%s' (try --settings=no)",
				    path);
		log_debug("settings come from '%s'", path);
		return nspawn_file_parse(arena, spec, facts, text, size, path,
					 places[i].trusted || spec->settings == SETTINGS_TRUSTED);
	}
	return 0;
}
