#include "transfer/class.h"

#include <stddef.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/text.h"
#include "image/find.h"

static const struct {
	const char *name, *folder;
} classes[] = {
	[CLASS_MACHINE] = { "machine", "machines" },
	[CLASS_PORTABLE] = { "portable", "portables" },
	[CLASS_SYSEXT] = { "sysext", "extensions" },
	[CLASS_CONFEXT] = { "confext", "confexts" },
};

const char *class_name(enum class class)
{
	return classes[class].name;
}

enum class class_of(const char *name) {
	for (size_t i = CLASS_MACHINE; i < ARRAY_SIZE(classes);
	     i++) if (text_equal(classes[i].name, name)) return (enum class)i;
	return CLASS_UNSET;
}

char *class_pool(struct arena *arena, enum class class, const struct find_scope *scope)
{
	if (scope->uid == 0)
		return arena_format(arena, "/var/lib/%s", classes[class].folder);
	if (scope->home == NULL)
		return NULL;
	return arena_format(arena, "%s/.local/state/%s", scope->home, classes[class].folder);
}

static void add(struct arena *arena, struct text_list *list, const char *top, const char *folder)
{
	text_list_add(arena, list, arena_format(arena, "%s/%s", top, folder));
}

void class_directories(struct arena *arena, struct text_list *ret, enum class class,
		       const struct find_scope *scope)
{
	static const char *const system[] = { "/etc", "/run", "/var/lib", "/usr/local/lib",
					      "/usr/lib" };
	const char *folder = classes[class].folder;

	if (class == CLASS_MACHINE) {
		find_directories(arena, ret, scope);
		return;
	}
	if (scope->uid == 0)
		for (size_t i = 0; i < ARRAY_SIZE(system); i++)
			add(arena, ret, system[i], folder);
	else if (scope->home != NULL)
		add(arena, ret, arena_format(arena, "%s/.local/state", scope->home), folder);
}
