#include "declare/nixos-store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/nixos-profile.h"
#include "declare/nixos.h"
#include "io/child.h"
#include "io/fd.h"
#include "io/file.h"
#include "machine/settings-items.h"

#define ASK_US 30000000ull

/* ---- what is wanted ---- */

static int read_store(enum nixos_store_kind *ret, const char *value)
{
	if (strcmp(value, "full") == 0)
		*ret = NIXOS_STORE_FULL;
	else if (strcmp(value, "closure") == 0)
		*ret = NIXOS_STORE_CLOSURE;
	else if (strcmp(value, "off") == 0)
		*ret = NIXOS_STORE_OFF;
	else
		return -EINVAL;
	return 0;
}

static int read_wishes(struct arena *arena, struct nixos_store *store,
		       const struct settings *companion)
{
	struct settings_items items;
	bool daemon_set = false;
	struct ini_item item;
	int r, more;

	settings_items_begin(&items, arena, companion);
	while ((more = settings_items_next(&items, &item, "X-Nix")) > 0) {
		r = 0;
		if (strcmp(item.key, "Store") == 0)
			r = read_store(&store->kind, item.value);
		else if (strcmp(item.key, "Daemon") == 0)
			r = parse_bool(&store->daemon, item.value);
		daemon_set |= strcmp(item.key, "Daemon") == 0;
		if (r < 0)
			return fail_input("cannot use %s=%s (%s line %u; Store= is full, closure "
					  "or off, Daemon= a boolean)",
					  item.key, item.value, items.path, item.line);
	}
	if (more < 0)
		return fail(more, "cannot read '%s'", items.path);
	/* What it would build could not be seen. */
	if (!daemon_set && store->kind != NIXOS_STORE_FULL)
		store->daemon = false;
	return 0;
}

/* ---- the system ---- */

/* A path that the conf has is root's own choice, and may lead through further links. */
static int open_given(struct arena *arena, const char **ret_path, const char *path)
{
	autoclose int fd = -EBADF;
	char real[PATH_MAX];

	if (!path_is_below(path, NIXOS_STORE_DIRECTORY))
		return -ENOENT;
	if (realpath(path, real) == NULL)
		return -errno;
	fd = open(real, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_path = arena_text(arena, real);
	return take_fd(&fd);
}

int nixos_store_open_system(struct arena *arena, const char **ret_path, const struct nixos *nixos)
{
	const char *path = nixos_conf_value(&nixos->conf, NIXOS_CONF_SYSTEM_PATH);
	autoclose int fd = -EBADF;

	if (path != NULL)
		return open_given(arena, ret_path, path);
	path = nixos_profile_path(arena, nixos->system);
	if (path == NULL)
		return -ENOENT;
	if (!nixos_store_is_path(path))
		return -EXDEV;
	/* Who may ask for builds may have made a link of it. */
	fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOTDIR || errno == ELOOP ? -EXDEV : -errno;
	*ret_path = path;
	return take_fd(&fd);
}

/* ---- what a system consists of ---- */

bool nixos_store_is_path(const char *path)
{
	const char *name = text_after(path, NIXOS_STORE_DIRECTORY "/");

	return name != NULL && path_is_file_name(name) && name[0] != '.';
}

static int ask_nix(struct arena *arena, char **ret, size_t *ret_size, const char *program,
		   const char *system, const char *const *environment)
{
	const char *const arguments[] = { "nix-store", "-qR", "--", system, NULL };
	autoclose int fd = memfd_create("closure", MFD_CLOEXEC);
	struct child_request request = {
		.path = program,
		.arguments = (char *const *)arguments,
		.environment = (char *const *)environment,
		.stdio = { -EBADF, fd, STDERR_FILENO },
		.timeout_us = ASK_US,
	};
	int r, status;

	if (fd < 0)
		return fail(-errno, "cannot make a file in memory");
	r = child_run(&status, &request);
	if (r < 0)
		return fail(r, "cannot run '%s'", program);
	if (status != 0)
		return fail_plain(-EIO, "cannot learn what '%s' consists of: nix-store -qR failed",
				  system);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return fail(-errno, "cannot read what nix-store says");
	r = file_read_fd(arena, ret, ret_size, fd, NIXOS_CLOSURE_SIZE_MAX);
	return r < 0 ? fail(r, "cannot read what nix-store says") : 0;
}

static int read_list(struct arena *arena, char **ret, size_t *ret_size, const char *system)
{
	const char *path = path_join(arena, NIXOS_CLOSURES_DIRECTORY, path_name(system));
	int r = file_read(arena, ret, ret_size, AT_FDCWD, path, NIXOS_CLOSURE_SIZE_MAX);

	return r < 0 ? fail(r,
			    "cannot learn what '%s' consists of: there is no nix-store here, and "
			    "'%s' cannot be read (try [X-Nix] Store=full)",
			    system, path)
		     : 0;
}

static int check_paths(const struct text_list *paths, const char *system)
{
	if (paths->count == 0 || paths->count > NIXOS_CLOSURE_PATHS_MAX)
		return fail_input("cannot use what '%s' consists of: %zu paths", system,
				  paths->count);
	for (size_t i = 0; i < paths->count; i++)
		if (!nixos_store_is_path(paths->items[i]))
			return fail_input("cannot use what '%s' consists of: '%s' is no path of "
					  "the store",
					  system, paths->items[i]);
	return 0;
}

static int read_closure(struct arena *arena, struct nixos_store *store, const struct nixos *nixos,
			const char *const *environment)
{
	const char *path = text_variable(environment, "PATH"), *real;
	autoclose int fd = nixos_store_open_system(arena, &real, nixos);
	char *program, *text;
	size_t size;
	int r;

	if (fd < 0)
		return fail(fd, "cannot find the system '%s' in the store", nixos_system(nixos));
	path = arena_format(arena, "%s:/run/current-system/sw/bin:%s", path != NULL ? path : "",
			    "/nix/var/nix/profiles/default/bin:/usr/local/bin:/usr/bin:/bin");
	program = child_find(arena, path, "nix-store");
	r = program != NULL && access("/nix/var/nix/db", F_OK) == 0
		    ? ask_nix(arena, &text, &size, program, real, environment)
		    : read_list(arena, &text, &size, real);
	if (r < 0)
		return r;
	text_split(arena, &store->paths, text, "\n");
	return check_paths(&store->paths, real);
}

int nixos_store_fill(struct arena *arena, struct nixos_store *store, const struct nixos *nixos,
		     const char *const *environment)
{
	int r = store->kind == NIXOS_STORE_CLOSURE ? read_closure(arena, store, nixos, environment)
						   : 0;

	store->database = store->daemon && access("/nix/var/nix/db", F_OK) == 0;
	store->daemon = store->daemon && access("/nix/var/nix/daemon-socket", F_OK) == 0;
	return r;
}

int nixos_store_read(struct arena *arena, struct nixos_store *ret, const struct nixos *nixos,
		     const struct settings *companion, const char *const *environment)
{
	struct nixos_store store = { .kind = NIXOS_STORE_FULL, .daemon = true };
	int r = read_wishes(arena, &store, companion);

	if (r >= 0)
		r = nixos_store_fill(arena, &store, nixos, environment);
	if (r >= 0)
		*ret = store;
	return r;
}
