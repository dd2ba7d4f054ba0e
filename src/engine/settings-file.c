#include "engine/settings-file.h"

#include <errno.h>
#include <fcntl.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "engine/host.h"
#include "engine/root-locate.h"
#include "image/find.h"
#include "io/file.h"
#include "spec/readers.h"

int settings_file_load(struct arena *arena, struct spec *spec, const struct reader_facts *facts,
		       const struct root_place *root)
{
	struct find_scope scope = find_scope_of(facts->uid, facts->environment);
	struct text_list places = { 0 };
	size_t trusted, size;
	char *path, *text;
	int r;

	if (spec->settings == SETTINGS_NO || spec->oci_bundle)
		return 0;
	find_settings(arena, &places, &scope);
	trusted = places.count;
	if (root->beside)
		text_list_add(arena, &places, arena_text(arena, root->beside));
	for (size_t i = 0; i < places.count; i++) {
		path = path_join(arena, places.items[i],
				 arena_format(arena, "%s.nspawn", root->settings_name));
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
					 i < trusted || spec->settings == SETTINGS_TRUSTED);
	}
	return 0;
}
