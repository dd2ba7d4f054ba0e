#include "transfer/naming.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/text.h"

/* In a local file's name these are letters like others. */
static bool is_url(const char *path)
{
	return text_after(path, "http:") != NULL || text_after(path, "https:") != NULL ||
	       text_after(path, "file:") != NULL;
}

char *naming_last(struct arena *arena, const char *path)
{
	size_t end = is_url(path) ? strcspn(path, "?#") : strlen(path), begin;

	while (end > 0 && path[end - 1] == '/')
		end--;
	for (begin = end; begin > 0 && path[begin - 1] != '/';)
		begin--;
	return arena_text_n(arena, path + begin, end - begin);
}

/* A name that is nothing but an ending stays as it is. */
static bool strip(char *name, const char *const *endings, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(name), ending = strlen(endings[i]);

		if (length > ending && text_ends(name, endings[i])) {
			name[length - ending] = '\0';
			return true;
		}
	}
	return false;
}

char *naming_of_tar(struct arena *arena, const char *path)
{
	static const char *const endings[] = { ".tar",	   ".tar.xz",  ".tar.gz", ".tar.bz2",
					       ".tar.zst", ".tar.lz4", ".tgz" };
	char *name = naming_last(arena, path);

	(void)strip(name, endings, ARRAY_SIZE(endings));
	return name;
}

char *naming_of_raw(struct arena *arena, const char *path)
{
	static const char *const endings[] = { ".xz",	 ".gz",		".bz2",		".zst",
					       ".lz4",	 ".sysext.raw", ".confext.raw", ".raw",
					       ".qcow2", ".img",	".bin" };
	char *name = naming_last(arena, path);

	while (strip(name, endings, ARRAY_SIZE(endings)))
		;
	return name;
}
