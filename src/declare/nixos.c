#include "declare/nixos.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/names.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/nixos-host-unit.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "io/settings.h"
#include "machine/record.h"

#define SUFFIX ".conf"
/* Not below /run/lock, where everybody may make files on many hosts. */
#define RUNTIME_DIRECTORY "/run/redd"
#define LOCKS "nixos-containers"

static const struct place {
	const char *conf, *state;
	bool old;
} places[] = {
	{ NIXOS_CONF_DIRECTORY, NIXOS_STATE_DIRECTORY, false },
	{ NIXOS_OLD_CONF_DIRECTORY, NIXOS_OLD_STATE_DIRECTORY, true },
};

static int check_name(const char *name)
{
	return name_is_machine(name)
		       ? 0
		       : fail_input("'%s' cannot be a container's name (letters, digits, '-' and "
				    "'.', at most %d)",
				    name, NAME_MAX_LENGTH);
}

static struct nixos describe(struct arena *arena, const struct place *place, const char *name)
{
	struct nixos nixos = {
		.name = arena_text(arena, name),
		.conf_path = arena_format(arena, "%s/%s" SUFFIX, place->conf, name),
		.configuration = arena_format(arena, "%s/%s.nix", place->conf, name),
		.root = arena_format(arena, "%s/%s", place->state, name),
		.profiles = arena_format(arena, NIXOS_PROFILES_DIRECTORY "/%s", name),
		.system = arena_format(arena, NIXOS_PROFILES_DIRECTORY "/%s/system", name),
		.gcroots = arena_format(arena, NIXOS_GCROOTS_DIRECTORY "/%s", name),
		.companion = arena_format(arena, "/etc/systemd/nspawn/%s.nspawn", name),
		.old = place->old,
	};

	return nixos;
}

/* Quiet. -ENOENT: it is none of ours. */
static int read_conf(struct arena *arena, struct nixos_conf *ret, const struct place *place,
		     const char *path)
{
	struct nixos_conf conf;
	char *text;
	size_t size;
	int r = file_read(arena, &text, &size, AT_FDCWD, path, NIXOS_CONF_SIZE_MAX);

	if (r < 0)
		return r;
	r = nixos_conf_parse(arena, &conf, text, size);
	if (r < 0)
		return place->old ? -ENOENT : r;
	/* An empty one in the directory that is only ours says that all is as usual. */
	if (place->old && !nixos_conf_is_ours(&conf))
		return -ENOENT;
	*ret = conf;
	return 0;
}

/* ---- all of them ---- */

struct listing {
	struct arena *arena;
	const struct place *place;
	struct text_list *names;
};

static int list_one(int dir_fd, const char *file, unsigned char type, void *context)
{
	struct listing *listing = context;
	struct arena *arena = listing->arena;
	struct nixos_conf conf;
	const char *path;
	char *name;
	int r;

	(void)dir_fd;
	if (!text_ends(file, SUFFIX) || type == DT_DIR)
		return 0;
	name = arena_text_n(arena, file, strlen(file) - strlen(SUFFIX));
	if (!name_is_machine(name) || text_list_has(listing->names, name))
		return 0;
	path = arena_format(arena, "%s/%s", listing->place->conf, file);
	r = read_conf(arena, &conf, listing->place, path);
	if (r < 0) {
		if (r != -ENOENT)
			log_warning("cannot read '%s': %s, going on without", path, strerror(-r));
		return 0;
	}
	if (listing->names->count == NIXOS_NAMES_MAX)
		return -E2BIG;
	text_list_add(arena, listing->names, name);
	return 0;
}

int nixos_list(struct arena *arena, struct text_list *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct listing listing = { arena, &places[i], ret };
		autoclose int fd = open(places[i].conf, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int r;

		/* The old place may be another program's, which has a file there. */
		if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
			continue;
		r = fd < 0 ? -errno : dir_walk(fd, list_one, &listing);
		if (r < 0)
			return fail(r, "cannot read the directory '%s'", places[i].conf);
	}
	text_list_sort(ret);
	return 0;
}

/* ---- one ---- */

/* What a configuration of the whole host has made is a link into its store, or cannot be written:
 * on a file system that is read-only, or immutable. */
static bool is_declared(const char *path)
{
	struct stat status;

	return (lstat(path, &status) == 0 && S_ISLNK(status.st_mode)) ||
	       (access(path, W_OK) < 0 && (errno == EACCES || errno == EROFS || errno == EPERM));
}

int nixos_find(struct arena *arena, struct nixos *ret, const char *name)
{
	int r = check_name(name);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct nixos nixos = describe(arena, &places[i], name);

		r = read_conf(arena, &nixos.conf, &places[i], nixos.conf_path);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return fail(r, "cannot read '%s'", nixos.conf_path);
		nixos.declared = is_declared(nixos.conf_path);
		*ret = nixos;
		return 0;
	}
	return -ENOENT;
}

int nixos_new(struct arena *arena, struct nixos *ret, const char *name)
{
	int r = check_name(name);

	if (r < 0)
		return r;
	*ret = describe(arena, &places[0], name);
	return 0;
}

int nixos_check(struct arena *arena, const struct nixos *nixos)
{
	enum nixos_conf_key key;
	const char *why;

	if (nixos_conf_check(arena, &nixos->conf, &key, &why) == 0)
		return 0;
	return fail_input("cannot use %s='%s' of '%s': %s", nixos_conf_name(key),
			  nixos->conf.values[key], nixos->conf_path, why);
}

int nixos_write(struct arena *arena, const struct nixos *nixos)
{
	const char *directory = nixos->old ? NIXOS_OLD_CONF_DIRECTORY : NIXOS_CONF_DIRECTORY;
	autoclose int fd = -EBADF;
	char *text;
	int r;

	if (nixos->declared)
		return fail_plain(-EPERM,
				  "cannot change '%s': it is declared by the host's configuration "
				  "(change that)",
				  nixos->conf_path);
	if (nixos_conf_text(arena, &text, &nixos->conf) < 0)
		return fail_input("cannot write '%s': a value has a line break or another control "
				  "character, or there is too much of them",
				  nixos->conf_path);
	r = dir_make_all(directory, 0755);
	if (r == 0) {
		fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = fd < 0 ? -errno
			   : file_replace(fd, path_name(nixos->conf_path), text, strlen(text),
					  0644);
	}
	return r < 0 ? fail(r, "cannot write '%s'", nixos->conf_path) : 0;
}

/* Nobody but us can put anything there, nor take it away. */
static int open_locks(void)
{
	int r = dir_make_all(RUNTIME_DIRECTORY, 0755);

	if (r >= 0 && mkdir(RUNTIME_DIRECTORY "/" LOCKS, 0700) < 0 && errno != EEXIST)
		r = -errno;
	return r < 0 ? r : record_open_runtime(RUNTIME_DIRECTORY, LOCKS);
}

static int take_lock(int *ret_fd, const char *name, int operation)
{
	const int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	autoclose int directory = -EBADF, fd = -EBADF;
	int r = check_name(name);

	if (r < 0)
		return r;
	if (geteuid() != 0)
		return fail_plain(-EPERM, "cannot change container '%s': only root can", name);
	r = directory = open_locks();
	if (r >= 0) {
		/* Never removed: two who wait must wait for the same file. /run forgets it. */
		fd = openat(directory, name, flags, 0600);
		r = fd < 0 ? -errno : fd_lock(fd, operation);
	}
	if (r == -EWOULDBLOCK && (operation & LOCK_NB))
		return r;
	if (r < 0)
		return fail(r,
			    "cannot lock the container '%s' ('" RUNTIME_DIRECTORY "/" LOCKS "/%s')",
			    name, name);
	*ret_fd = take_fd(&fd);
	return 0;
}

int nixos_lock(struct arena *arena, int *ret_fd, const char *name)
{
	(void)arena;
	return take_lock(ret_fd, name, LOCK_EX);
}

int nixos_lock_now(struct arena *arena, int *ret_fd, const char *name)
{
	(void)arena;
	return take_lock(ret_fd, name, LOCK_EX | LOCK_NB);
}

static const char *made_path(struct arena *arena, const struct nixos *nixos)
{
	return arena_format(arena, SETTINGS_MADE "/%s.nspawn", nixos->name);
}

static bool is_made(const struct settings *settings)
{
	return settings->count > 0 && path_is_below(settings->parts[0].path, SETTINGS_MADE);
}

int nixos_companion(struct arena *arena, struct settings *ret, const struct nixos *nixos)
{
	/* They are root's, whoever looks. */
	static const char *const environment[] = { NULL };
	struct settings settings;
	char *text;
	int r = settings_read(arena, &settings, 0, environment, nixos->name);

	if (r < 0)
		return fail(r, "cannot read '%s'", settings.blame);
	/* What was made once may be old. */
	if (settings.count == 0 || is_made(&settings)) {
		settings = (struct settings){ 0 };
		text = nixos_host_unit_settings(arena, nixos);
		if (text != NULL) {
			settings.parts = arena_new(arena, struct settings_part);
			settings.parts[0] = (struct settings_part){ made_path(arena, nixos), text,
								    strlen(text) };
			settings.count = 1;
		}
	}
	*ret = settings;
	return 0;
}

int nixos_companion_make(struct arena *arena, const struct nixos *nixos,
			 const struct settings *companion)
{
	const char *path = made_path(arena, nixos);
	autoclose int fd = -EBADF;
	int r;

	if (!is_made(companion))
		return unlink(path) < 0 && errno != ENOENT
			       ? fail(-errno, "cannot remove '%s'", path)
			       : 0;
	r = dir_make_all(SETTINGS_MADE, 0755);
	if (r >= 0) {
		fd = open(SETTINGS_MADE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = fd < 0 ? -errno
			   : file_replace(fd, path_name(path), companion->parts[0].text,
					  companion->parts[0].size, 0644);
	}
	return r < 0 ? fail(r, "cannot write '%s'", path) : 0;
}

int nixos_refuse_applied(struct arena *arena, const struct nixos *nixos, const char *verb)
{
	const char *applied = settings_applied(arena, 0, NULL, nixos->name);

	if (access(applied, F_OK) < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? 0
			       : fail(-errno, "cannot look at '%s'", applied);
	return fail_plain(
		-EEXIST,
		"cannot %s container '%s': 'redd apply' made a machine of that name, which "
		"comes first ('%s'; give one of them another name)",
		verb, nixos->name, applied);
}

const char *nixos_system(const struct nixos *nixos)
{
	const char *path = nixos_conf_value(&nixos->conf, NIXOS_CONF_SYSTEM_PATH);

	return path != NULL ? path : nixos->system;
}

const char *nixos_system_inside(const struct nixos *nixos)
{
	const char *path = nixos_conf_value(&nixos->conf, NIXOS_CONF_SYSTEM_PATH);

	return path != NULL ? path : "/nix/var/nix/profiles/system";
}
