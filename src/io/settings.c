#include "io/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/path.h"
#include "base/text.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"

#define GENERATIONS "generations"
#define SYSTEM_SUFFIX ".system"

/* An empty variable is as good as none. */
static const char *variable(const char *const *environment, const char *name)
{
	const char *value = text_variable(environment, name);

	return text_empty(value) ? NULL : value;
}

char *settings_state(struct arena *arena, unsigned int uid, const char *home)
{
	if (uid == 0)
		return arena_text(arena, "/var/lib/redd");
	return home != NULL ? arena_format(arena, "%s/.local/state/redd", home) : NULL;
}

char *settings_applied(struct arena *arena, unsigned int uid, const char *home, const char *name)
{
	const char *state = settings_state(arena, uid, home);

	return state != NULL ? arena_format(arena, "%s/current/files/%s.nspawn", state, name)
			     : NULL;
}

void settings_places(struct arena *arena, struct text_list *ret, unsigned int uid, const char *home,
		     const char *runtime)
{
	if (uid == 0) {
		text_list_add(arena, ret, arena_text(arena, "/etc/systemd/nspawn"));
		text_list_add(arena, ret, arena_text(arena, "/run/systemd/nspawn"));
		return;
	}
	if (home != NULL)
		text_list_add(arena, ret, path_join(arena, home, ".config/systemd/nspawn"));
	if (runtime != NULL)
		text_list_add(arena, ret, path_join(arena, runtime, "systemd/nspawn"));
}

static int read_one(struct arena *arena, struct settings_part *ret, const char *path, int flags)
{
	autoclose int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags);

	*ret = (struct settings_part){ .path = path };
	return fd < 0 ? -errno : file_read_fd(arena, &ret->text, &ret->size, fd, SETTINGS_SIZE_MAX);
}

static int read_part(struct arena *arena, struct settings *settings, const char *path, int flags)
{
	struct settings_part part, *added;
	int r = read_one(arena, &part, path, flags);

	settings->blame = path;
	if (r < 0)
		return r;
	added = list_grow(arena, (void **)&settings->parts, &settings->count, sizeof(*added));
	*added = part;
	return 0;
}

/* ---- what was applied ---- */

/* Whose it is, and that nobody else may write there. */
static bool is_ours_alone(const char *path, unsigned int uid)
{
	struct stat st;

	return lstat(path, &st) == 0 && (st.st_uid == uid || st.st_uid == 0) &&
	       (S_ISLNK(st.st_mode) || (st.st_mode & 0022) == 0);
}

/* -ENOENT: nothing was applied. -EPERM: LINK does not lead to a generation. */
static int generation_now(struct arena *arena, const char **ret, const char *link)
{
	char target[NAME_MAX + sizeof(GENERATIONS "/")];
	ssize_t size = readlink(link, target, sizeof(target) - 1);
	const char *generation;

	if (size < 0)
		return errno == EINVAL ? -EPERM : -errno;
	target[size] = '\0';
	generation = text_after(target, GENERATIONS "/");
	if (generation == NULL || !path_is_file_name(generation))
		return -EPERM;
	*ret = arena_text(arena, generation);
	return 0;
}

/* From STATE to the file, by the one way that `apply` makes. */
static int check_way(struct arena *arena, struct settings *settings, const char *state,
		     const char *name, unsigned int uid)
{
	const char *link = path_join(arena, state, "current"), *way[6];

	way[0] = state;
	way[1] = link;
	way[2] = path_join(arena, state, GENERATIONS);
	way[3] = path_join(arena, way[2], settings->generation);
	way[4] = path_join(arena, way[3], "files");
	way[5] = path_join(arena, way[4], name);
	for (size_t i = 0; i < ARRAY_SIZE(way); i++) {
		settings->blame = way[i];
		if (!is_ours_alone(way[i], uid))
			return -EPERM;
	}
	return 0;
}

/* A link into the store, if there is anything to say. */
static int read_linked(struct arena *arena, struct settings *settings, struct settings_part **ret,
		       const char *path)
{
	struct settings_part part;
	int r = read_one(arena, &part, path, 0);

	if (r == -ENOENT)
		return 0;
	settings->blame = path;
	if (r < 0)
		return r;
	*ret = arena_new(arena, struct settings_part);
	**ret = part;
	return 0;
}

/* How a system is shown is believed, so the way to it is looked at, too. */
static int read_images(struct arena *arena, struct settings *settings, const char *state,
		       const char *name, unsigned int uid)
{
	const char *images = arena_format(arena, "%s/" GENERATIONS "/%s/images", state,
					  settings->generation);
	const char *way[] = { images, arena_format(arena, "%s/%s" SYSTEM_SUFFIX, images, name),
			      path_join(arena, state, "trees") };
	int r = read_linked(arena, settings, &settings->image, path_join(arena, images, name));

	if (r >= 0)
		r = read_linked(arena, settings, &settings->system, way[1]);
	for (size_t i = 0; i < ARRAY_SIZE(way) && r >= 0 && settings->system != NULL; i++) {
		settings->blame = way[i];
		r = is_ours_alone(way[i], uid) ? 0 : -EPERM;
	}
	return r;
}

static int read_applied(struct arena *arena, struct settings *settings, unsigned int uid,
			const char *home, const char *name)
{
	const char *state = settings_state(arena, uid, home);
	int r;

	if (state == NULL)
		return -ENOENT;
	/* By the generation's own name: another one may become current at any time. */
	settings->blame = path_join(arena, state, "current");
	r = generation_now(arena, &settings->generation, settings->blame);
	if (r >= 0)
		r = read_part(arena, settings,
			      arena_format(arena, "%s/" GENERATIONS "/%s/files/%s", state,
					   settings->generation, name),
			      O_NOFOLLOW);
	if (r >= 0)
		r = check_way(arena, settings, state, name, uid);
	if (r >= 0)
		r = read_images(arena, settings, state, name, uid);
	settings->applied = r >= 0;
	if (r < 0)
		settings->generation = NULL;
	return r;
}

/* ---- drop-ins ---- */

struct listing {
	struct arena *arena;
	struct text_list *names;
};

static int visit(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct listing *listing = context;

	(void)dir_fd;
	if ((type == DT_REG || type == DT_LNK) && name[0] != '.' && text_ends(name, ".conf"))
		text_list_add(listing->arena, listing->names, arena_text(listing->arena, name));
	return listing->names->count > SETTINGS_DROP_INS_MAX ? -E2BIG : 0;
}

static int read_drop_ins(struct arena *arena, struct settings *settings, const char *file)
{
	const char *directory = arena_format(arena, "%s.d", file);
	autoclose int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct text_list names = { 0 };
	struct listing listing = { arena, &names };
	int r;

	settings->blame = directory;
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	r = dir_walk(fd, visit, &listing);
	text_list_sort(&names);
	for (size_t i = 0; i < names.count && r >= 0; i++)
		r = read_part(arena, settings, path_join(arena, directory, names.items[i]), 0);
	return r;
}

/* Nobody takes it away when its conf goes. */
static int read_made(struct arena *arena, struct settings *settings, const char *name,
		     const char *file)
{
	static const char *const confs[] = { "/etc/nixos-containers", "/etc/containers" };

	for (size_t i = 0; i < sizeof(confs) / sizeof(*confs); i++)
		if (access(arena_format(arena, "%s/%s.conf", confs[i], name), F_OK) == 0)
			return read_part(arena, settings, path_join(arena, SETTINGS_MADE, file), 0);
	return -ENOENT;
}

static bool is_missing(int r)
{
	return r == -ENOENT || r == -ENOTDIR;
}

int settings_read(struct arena *arena, struct settings *ret, unsigned int uid,
		  const char *const *environment, const char *name)
{
	const char *home = variable(environment, "HOME");
	const char *file = arena_format(arena, "%s.nspawn", name), *path;
	struct text_list places = { 0 };
	int r;

	*ret = (struct settings){ 0 };
	r = read_applied(arena, ret, uid, home, file);
	if (!is_missing(r))
		return r < 0 ? r : 1;
	settings_places(arena, &places, uid, home, variable(environment, "XDG_RUNTIME_DIR"));
	for (size_t i = 0; i < places.count; i++) {
		path = path_join(arena, places.items[i], file);
		r = read_part(arena, ret, path, 0);
		if (is_missing(r))
			continue;
		if (r >= 0)
			r = read_drop_ins(arena, ret, path);
		return r < 0 ? r : 1;
	}
	r = uid == 0 ? read_made(arena, ret, name, file) : 0;
	return is_missing(r) ? 0 : r < 0 ? r : ret->count > 0;
}
