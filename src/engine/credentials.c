#include "engine/credentials.h"

#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "io/credential.h"
#include "spec/spec.h"

static int load(struct arena *arena, struct credential *credential, const char *directory)
{
	const char *path = credential->path;
	char *data;
	size_t size;
	int r;

	if (strchr(path, '/') == NULL) {
		if (directory == NULL)
			return fail_input("cannot load credential '%s' from '%s': there is no "
					  "$CREDENTIALS_DIRECTORY (name a file with a '/' in it)",
					  credential->id, path);
		path = arena_format(arena, "%s/%s", directory, path);
	}
	r = credential_read(arena, &data, &size, path);
	if (r < 0)
		return fail(r, "cannot load credential '%s' from '%s'", credential->id, path);
	credential->data = data;
	credential->size = size;
	credential->path = NULL;
	return 0;
}

int credentials_load(struct arena *arena, struct spec *spec, const char *directory)
{
	for (size_t i = 0; i < spec->credentials.count; i++) {
		int r;

		if (spec->credentials.items[i].path == NULL)
			continue;
		r = load(arena, &spec->credentials.items[i], directory);
		if (r < 0)
			return r;
	}
	return 0;
}
