#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/names.h"
#include "base/path.h"
#include "base/text.h"
#include "format/nixos-conf.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "io/settings.h"
#include "machine/manager-kinds.h"
#include "machine/manager.h"
#include "machine/settings-items.h"

#define PROGRAM "redd-nixos"

static const char *const places[] = { NIXOS_CONF_DIRECTORY, NIXOS_OLD_CONF_DIRECTORY };

/* The first directory has nothing else in it, so there even an empty one counts. */
static bool read_conf(struct arena *arena, struct nixos_conf *ret, size_t place, const char *path)
{
	char *text;
	size_t size;

	return file_read(arena, &text, &size, AT_FDCWD, path, NIXOS_CONF_SIZE_MAX) >= 0 &&
	       nixos_conf_parse(arena, ret, text, size) >= 0 &&
	       (place == 0 || nixos_conf_is_ours(ret));
}

/* What was applied comes first. */
static bool is_applied(struct arena *arena, const char *name)
{
	return access(settings_applied(arena, 0, NULL, name), F_OK) == 0;
}

char *manager_nixos_conf(struct arena *arena, const char *name)
{
	if (geteuid() != 0 || is_applied(arena, name))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		char *path = arena_format(arena, "%s/%s.conf", places[i], name);
		struct nixos_conf conf;

		if (read_conf(arena, &conf, i, path))
			return path;
	}
	return NULL;
}

bool manager_has_conf(struct arena *arena, const char *name)
{
	return manager_nixos_conf(arena, name) != NULL;
}

struct listing {
	struct arena *arena;
	struct text_list *names;
	size_t place;
};

/* As nixos_unit_starts_at_boot() of declare/nixos-unit. */
static bool starts_at_boot(struct arena *arena, const struct nixos_conf *conf, const char *name)
{
	static const char *const environment[] = { NULL };
	struct settings settings;

	if (nixos_conf_flag(conf, NIXOS_CONF_AUTO_START, false))
		return true;
	return settings_read(arena, &settings, 0, environment, name) > 0 &&
	       settings_items_start_at_boot(arena, &settings);
}

static int visit(int dir_fd, const char *file, unsigned char type, void *context)
{
	struct listing *listing = context;
	struct arena *arena = listing->arena;
	struct nixos_conf conf;
	char *name;

	(void)dir_fd;
	if (type == DT_DIR || !text_ends(file, ".conf"))
		return 0;
	name = arena_text_n(arena, file, strlen(file) - strlen(".conf"));
	if (name_is_machine(name) && !text_list_has(listing->names, name) &&
	    read_conf(arena, &conf, listing->place,
		      path_join(arena, places[listing->place], file)) &&
	    !is_applied(arena, name) && starts_at_boot(arena, &conf, name))
		text_list_add(arena, listing->names, name);
	return 0;
}

void manager_nixos_enabled(struct arena *arena, struct text_list *ret)
{
	if (geteuid() != 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct listing listing = { arena, ret, i };
		autoclose int fd = open(places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd >= 0)
			dir_walk(fd, visit, &listing);
	}
}

char *manager_nixos_program(struct arena *arena)
{
	char self[4096];
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *beside;

	if (size > 0) {
		self[size] = '\0';
		beside = path_join(arena, path_parent(arena, self), PROGRAM);
		if (access(beside, X_OK) == 0)
			return beside;
	}
	return path_join(arena, manager_helper_directory, PROGRAM);
}
