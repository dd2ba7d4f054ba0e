#include "engine/persist.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/notify.h"
#include "engine/root.h"
#include "image/persist.h"
#include "image/view.h"
#include "io/fd.h"
#include "io/settings.h"
#include "kernel/resolve.h"
#include "spec/readers.h"
#include "spec/settings.h"

int persist_mount(struct arena *arena, struct spec *spec, const struct reader_facts *facts,
		  bool applied)
{
	const struct setting *row = setting_by_key("X-Image", "Persist");
	const char *home = text_variable(facts->environment, "HOME");
	const char *state = settings_state(arena, facts->uid, text_empty(home) ? NULL : home);
	bool mapped = facts->uid == 0 && spec->userns != USERNS_NO;

	for (size_t i = 0; i < spec->persist.count; i++) {
		const char *place = spec->persist.items[i], *source = NULL;
		struct custom_mount *mount;

		if (state != NULL)
			source = persist_path(arena, state, spec->machine, place);
		if (source == NULL)
			return fail_input("cannot keep '%s' of machine '%s': its path is too long, "
					  "or HOME is not set",
					  place, spec->machine);
		if (!applied && access(source, F_OK) < 0) {
			log_warning("'%s' of machine '%s' is not kept: there is no '%s' ('redd "
				    "apply' makes it), going on without",
				    place, spec->machine, source);
			continue;
		}
		mount = list_grow(arena, (void **)&spec->mounts.items, &spec->mounts.count,
				  sizeof(*mount));
		*mount = (struct custom_mount){
			.kind = MOUNT_BIND,
			.idmap = mapped ? IDMAP_FULL : IDMAP_NONE,
			.source = source,
			.destination = place,
			.words = place,
			.reason = setting_reason(arena, spec, row),
			.origin = BY_FILE,
		};
	}
	return 0;
}

/* ---- before it starts ---- */

struct beginning {
	struct arena *arena;
	const struct spec *spec;
	const struct host *host;
	const struct root *root;
	int room_fd;
};

static bool is_own(const struct beginning *beginning, const char *from)
{
	struct stat a, b;

	return text_equal(from, PERSIST_OWN) ||
	       (stat(from, &a) == 0 && stat(beginning->root->facts.path, &b) == 0 &&
		a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

/* -ENOENT: it is gone; -ENOTDIR: it is one that is not mounted. */
static int open_tree(const struct beginning *beginning, const char *from)
{
	if (is_own(beginning, from))
		return fd_reopen(beginning->root->fd, O_PATH | O_DIRECTORY);
	return access(from, F_OK) < 0 ? -errno : view_tree(beginning->arena, from, true);
}

/* TREE_FD is the one that has it then. -ENOENT: neither tree has any. */
static int open_source(const struct beginning *beginning, int *tree_fd, const char *place)
{
	int fd = resolve_open(*tree_fd, place, O_RDONLY | O_DIRECTORY);

	if (fd != -ENOENT)
		return fd;
	fd_close(tree_fd);
	*tree_fd = fd_reopen(beginning->root->fd, O_PATH | O_DIRECTORY);
	return *tree_fd < 0 ? *tree_fd : resolve_open(*tree_fd, place, O_RDONLY | O_DIRECTORY);
}

/* A tree of the foreign range, or one that was given to that of the machine. Without root all ids
 * are the user's. */
static bool is_shifted(const struct beginning *beginning, int tree_fd)
{
	struct stat st;

	return beginning->host->uid == 0 && fstat(tree_fd, &st) == 0 && st.st_uid >= 65536;
}

/* What it had cannot be read any more. */
static int do_without(const struct beginning *beginning, const char *place, const char *name,
		      const char *from)
{
	bool kept = persist_is_kept(beginning->arena, beginning->room_fd, name);

	log_warning("cannot take '%s' of machine '%s' from '%s': that is %s, going on with what "
		    "%s",
		    place, beginning->spec->machine, from,
		    access(from, F_OK) < 0 ? "gone" : "a disk image",
		    kept ? "was kept before" : "its image has");
	return kept ? persist_choose(beginning->arena, beginning->room_fd, name, true)
		    : persist_owe(beginning->arena, beginning->room_fd, name, PERSIST_OWN);
}

/* It may be much, and whoever waits for the start has a limit. */
static void ask_for_time(const struct beginning *beginning)
{
	const char *notify = text_variable(beginning->host->environment, "NOTIFY_SOCKET");

	if (notify != NULL)
		notify_send(notify, "EXTEND_TIMEOUT_USEC=3600000000");
}

static int take(const struct beginning *beginning, const char *place, const char *name)
{
	struct arena *arena = beginning->arena;
	const char *from = persist_owed(arena, beginning->room_fd, name), *aside;
	autoclose int tree = -EBADF, source = -EBADF;
	int r = persist_check(arena, beginning->room_fd, name);

	if (r < 0)
		return r;
	if (from != NULL && !persist_is_back(arena, beginning->room_fd, name)) {
		tree = open_tree(beginning, from);
		if (tree == -ENOENT || tree == -ENOTDIR) {
			fail_forget();
			r = do_without(beginning, place, name, from);
			return r < 0 ? r : take(beginning, place, name);
		}
		source = tree < 0 ? tree : open_source(beginning, &tree, place);
		if (source < 0 && (tree < 0 || source != -ENOENT))
			return source;
		ask_for_time(beginning);
	}
	r = persist_take(arena, &aside, beginning->room_fd, name, source,
			 is_shifted(beginning, tree));
	if (aside != NULL)
		log_notice("'%s' of machine '%s' is what it had last; what was kept before is put "
			   "aside as '" PERSIST_ROOM "/%s/%s'",
			   place, beginning->spec->machine, beginning->spec->machine, aside);
	return r;
}

static int take_all(const struct beginning *beginning, struct text_list *names)
{
	const struct text_list *places = &beginning->spec->persist;

	for (size_t i = 0; i < places->count; i++) {
		char *name = persist_name(beginning->arena, places->items[i]);
		int r = name == NULL ? -ENAMETOOLONG : take(beginning, places->items[i], name);

		if (r < 0)
			return fail(r, "cannot take what is to be kept as '%s' of machine '%s'",
				    places->items[i], beginning->spec->machine);
		text_list_add(beginning->arena, names, name);
	}
	return 0;
}

/* What is written to now is the tree, unless it is thrown away. */
static int note_others(const struct beginning *beginning, const struct text_list *kept)
{
	const struct spec *spec = beginning->spec;
	struct arena *arena = beginning->arena;
	bool stays = spec->ephemeral != TRISTATE_YES && spec->read_only != TRISTATE_YES &&
		     spec->volatile_mode == VOLATILE_NO;
	const char *from = stays ? beginning->root->facts.path : PERSIST_OWN;
	struct text_list names = { 0 };
	int r = persist_names(arena, &names, beginning->room_fd);

	for (size_t i = 0; i < names.count && r >= 0; i++) {
		const char *name = names.items[i];

		r = persist_check(arena, beginning->room_fd, name);
		if (r < 0 || text_list_has(kept, name) ||
		    (!stays && persist_is_kept(arena, beginning->room_fd, name)) ||
		    (text_equal(persist_owed(arena, beginning->room_fd, name), from) &&
		     !persist_is_back(arena, beginning->room_fd, name)))
			continue;
		r = persist_owe(arena, beginning->room_fd, name, from);
	}
	return r;
}

int persist_begin(struct arena *arena, const struct spec *spec, const struct host *host,
		  const struct root *root)
{
	const char *home = text_variable(host->environment, "HOME");
	const char *path = settings_state(arena, host->uid, text_empty(home) ? NULL : home);
	autoclose int state = -EBADF, room = -EBADF;
	struct beginning beginning = { arena, spec, host, root, -EBADF };
	struct text_list kept = { 0 };
	int r;

	if (spec->generation == NULL || path == NULL)
		return 0;
	state = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	beginning.room_fd = room = state < 0 ? -errno : persist_open(state, spec->machine, false);
	if (room == -ENOENT)
		return 0;
	if (room < 0)
		return fail(room, "cannot open '%s/" PERSIST_ROOM "/%s'", path, spec->machine);
	r = take_all(&beginning, &kept);
	if (r < 0)
		return r;
	r = note_others(&beginning, &kept);
	if (r < 0)
		log_warning("cannot note in '%s/" PERSIST_ROOM "/%s' what machine '%s' has in its "
			    "tree, going on without",
			    path, spec->machine, spec->machine);
	return 0;
}
