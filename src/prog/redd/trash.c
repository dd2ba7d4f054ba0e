#include "prog/redd/trash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/names.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/generation.h"
#include "image/change.h"
#include "image/persist.h"
#include "io/clock.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/mountinfo.h"
#include "machine/find.h"
#include "prog/redd/apply.h"
#include "prog/redd/program.h"

#define TIME_FORMAT "%Y%m%dT%H%M%SZ"
#define US_PER_S UINT64_C(1000000)

struct listing {
	struct arena *arena;
	struct text_list names;
};

static int note(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct listing *listing = context;

	(void)dir_fd;
	if (type == DT_DIR && name[0] != '.')
		text_list_add(listing->arena, &listing->names, arena_text(listing->arena, name));
	return 0;
}

/* -EBADF: it is not there, so nothing is in it. */
static int open_room(const struct apply *apply, int *ret, const char *room)
{
	int fd = openat(apply->generations.fd, room,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno != ENOENT)
		return fail(-errno, "cannot open '%s/%s'", apply->path, room);
	*ret = fd < 0 ? -EBADF : fd;
	return 0;
}

static int make_room(const struct apply *apply, int *ret, const char *room)
{
	if (mkdirat(apply->generations.fd, room, 0700) < 0 && errno != EEXIST)
		return fail(-errno, "cannot make '%s/%s'", apply->path, room);
	return open_room(apply, ret, room);
}

static int list(const struct apply *apply, struct text_list *ret, int fd, const char *room)
{
	struct listing listing = { .arena = apply->arena };
	int r = fd < 0 ? 0 : dir_walk(fd, note, &listing);

	if (r < 0)
		return fail(r, "cannot read '%s/%s'", apply->path, room);
	text_list_sort(&listing.names);
	*ret = listing.names;
	return 0;
}

/* 0: something else has the name already. -EXDEV: the rooms are on two file systems. */
static int move(const struct apply *apply, int from_fd, const char *from, int to_fd, const char *to)
{
	if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) < 0)
		return errno == EEXIST
			       ? 0
			       : fail(-errno, "cannot move '%s' in '%s'", from, apply->path);
	if (fsync(from_fd) < 0 || fsync(to_fd) < 0)
		return fail(-errno, "cannot write '%s' to disk", apply->path);
	return 1;
}

/* In any order: it may not be on disk yet. */
static bool has(const struct generation *generation, const char *name)
{
	for (size_t i = 0; i < generation->count; i++)
		if (text_equal(generation->machines[i].name, name))
			return true;
	return false;
}

/* ---- what lies there ---- */

struct entry {
	const char *file, *machine, *since; /* since: as it stands there */
	uint64_t us;
};

/* Other names are not ours. */
static bool read_entry(struct arena *arena, struct entry *ret, const char *file)
{
	const char *at = strchr(file, '@'), *end;
	struct tm parts = { 0 };
	time_t seconds;

	if (at == NULL)
		return false;
	end = strptime(at + 1, TIME_FORMAT, &parts);
	seconds = end != NULL && *end == '\0' ? timegm(&parts) : -1;
	*ret = (struct entry){
		.file = file,
		.machine = arena_text_n(arena, file, (size_t)(at - file)),
		.since = at + 1,
		.us = (uint64_t)seconds * US_PER_S,
	};
	return seconds >= 0 && name_is_machine(ret->machine);
}

/* ---- there ---- */

/* What else is there was put there by somebody, for a machine that he starts from a file of his.
 * *US: not before any of the generations that had to be read, should the clock be. */
static int drop_foreign(const struct apply *apply, struct text_list *names, uint64_t *us)
{
	struct text_list left = { 0 };
	unsigned int *numbers;
	size_t count;
	int r = generations_list(apply->arena, &apply->generations, &numbers, &count);

	for (size_t i = r < 0 ? 0 : count; i-- > 0 && left.count < names->count;) {
		struct generation generation;

		r = generation_read(apply->arena, &generation, &apply->generations, numbers[i]);
		if (r == -EBADMSG || r == -ENOENT) {
			fail_forget();
			r = 0;
			continue;
		}
		if (r < 0)
			return r;
		*us = MAX(*us, generation.created_us);
		for (size_t k = 0; k < names->count; k++)
			if (has(&generation, names->items[k]) &&
			    !text_list_has(&left, names->items[k]))
				text_list_add(apply->arena, &left, names->items[k]);
	}
	*names = left;
	return MIN(r, 0);
}

/* Of those that run nothing may be taken away. */
static int drop_running(const struct apply *apply, struct text_list *names)
{
	struct text_list left = { 0 };
	struct machine *machines;
	size_t count;
	int r = machine_list_whole(apply->arena, &machines, &count, apply->runtime);

	for (size_t i = 0; i < names->count && r >= 0; i++) {
		bool runs = false;

		for (size_t k = 0; k < count; k++)
			runs = runs || text_equal(machines[k].name, names->items[i]);
		if (!runs)
			text_list_add(apply->arena, &left, names->items[i]);
	}
	*names = left;
	return r;
}

/* Later than all that is there: who looks for the newest finds this one. */
static const char *name_of(const struct apply *apply, const struct text_list *files, uint64_t us,
			   const char *machine)
{
	struct tm parts;
	time_t seconds;
	char text[32];

	for (size_t i = 0; i < files->count; i++) {
		struct entry entry;

		if (read_entry(apply->arena, &entry, files->items[i]) &&
		    text_equal(entry.machine, machine))
			us = MAX(us, entry.us + US_PER_S);
	}
	seconds = (time_t)(us / US_PER_S);
	strftime(text, sizeof(text), TIME_FORMAT, gmtime_r(&seconds, &parts));
	return arena_format(apply->arena, "%s@%s", machine, text);
}

/* Also of a part: whoever mounts it there would find that gone. */
static bool is_mounted(const struct mountinfo_list *mounts, const char *path)
{
	for (size_t i = 0; i < mounts->count; i++)
		if (path_is_below(mounts->items[i].target, path))
			return true;
	return false;
}

static int put(const struct apply *apply, const struct mountinfo_list *mounts, int room,
	       const char *machine, int trash, const char *file)
{
	const char *path = path_join(apply->arena, apply->path, PERSIST_ROOM);
	int r = -EXDEV;

	if (!is_mounted(mounts, path_join(apply->arena, change_real_path(apply->arena, room, path),
					  machine)))
		r = move(apply, room, machine, trash, file);
	/* By another path it may be one that the table does not show: -EBUSY. */
	if (r != -EXDEV && r != -EBUSY)
		return r;
	fail_forget();
	log_notice("What machine '%s' kept stays in '%s': another file system is mounted there.",
		   machine, path);
	return 0;
}

static int put_all(const struct apply *apply, int room, const struct text_list *gone, uint64_t us)
{
	autoclose int trash = -EBADF;
	struct text_list files = { 0 };
	struct mountinfo_list mounts;
	int r = mountinfo_read(apply->arena, &mounts);

	if (r < 0)
		return fail(r, "cannot look at what is mounted below '%s'", apply->path);
	r = make_room(apply, &trash, TRASH_ROOM);
	if (r >= 0)
		r = list(apply, &files, trash, TRASH_ROOM);
	for (size_t i = 0; i < gone->count && r >= 0; i++)
		r = put(apply, &mounts, room, gone->items[i], trash,
			name_of(apply, &files, us, gone->items[i]));
	return MIN(r, 0);
}

int trash_put(const struct apply *apply, const struct generation *current)
{
	uint64_t us = clock_realtime_us();
	autoclose int room = -EBADF;
	struct text_list names = { 0 }, gone = { 0 };
	int r = open_room(apply, &room, PERSIST_ROOM);

	if (r >= 0)
		r = list(apply, &names, room, PERSIST_ROOM);
	for (size_t i = 0; i < names.count && r >= 0; i++)
		if (name_is_machine(names.items[i]) && !has(current, names.items[i]))
			text_list_add(apply->arena, &gone, names.items[i]);
	if (r < 0 || gone.count == 0)
		return r;
	r = drop_foreign(apply, &gone, &us);
	if (r >= 0 && gone.count > 0)
		r = drop_running(apply, &gone);
	return r < 0 || gone.count == 0 ? r : put_all(apply, room, &gone, us);
}

/* ---- and back ---- */

int trash_bring_back(const struct apply *apply, const struct generation *generation)
{
	autoclose int room = -EBADF, trash = -EBADF;
	struct text_list files = { 0 };
	int r = open_room(apply, &trash, TRASH_ROOM);

	if (r >= 0)
		r = list(apply, &files, trash, TRASH_ROOM);
	if (r >= 0 && files.count > 0)
		r = make_room(apply, &room, PERSIST_ROOM);
	/* The newest of a machine first: it stays then. */
	for (size_t i = files.count; i-- > 0 && r >= 0;) {
		struct entry entry;

		if (!read_entry(apply->arena, &entry, files.items[i]) ||
		    !has(generation, entry.machine))
			continue;
		r = move(apply, trash, entry.file, room, entry.machine);
		if (r > 0)
			log_notice("What machine '%s' kept is back, as it was at %s.",
				   entry.machine, entry.since);
	}
	return MIN(r, 0);
}

/* ---- away ---- */

/* The next one may be another matter. */
static void empty(const struct apply *apply, const char *path, const char *file)
{
	if (program_remove(apply->arena, apply->environment, path, file) >= 0)
		return;
	log_warning("%s, going on without", fail_recorded()->text);
	fail_forget();
}

/* By a clock that was ahead: since when it is really there. */
static uint64_t since(int trash, const struct entry *entry, uint64_t now)
{
	struct stat st;

	if (entry->us <= now || fstatat(trash, entry->file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return entry->us;
	return MIN(entry->us, (uint64_t)st.st_ctim.tv_sec * US_PER_S);
}

int trash_empty(const struct apply *apply, uint64_t age_us, trash_needed_fn *needed,
		const void *context)
{
	const char *path = path_join(apply->arena, apply->path, TRASH_ROOM);
	const uint64_t now = clock_realtime_us();
	autoclose int trash = -EBADF;
	struct text_list files = { 0 };
	int r = open_room(apply, &trash, TRASH_ROOM);

	if (r >= 0)
		r = list(apply, &files, trash, TRASH_ROOM);
	for (size_t i = 0; i < files.count && r >= 0; i++) {
		struct entry entry;
		uint64_t us;

		if (!read_entry(apply->arena, &entry, files.items[i]) ||
		    needed(context, entry.machine))
			continue;
		us = since(trash, &entry, now);
		if (age_us == 0 || (us <= now && now - us >= age_us))
			empty(apply, path, entry.file);
		else
			log_notice("No generation has machine '%s' any more: what it kept is in "
				   "'%s/%s' until it is old enough ('redd gc --forget' removes "
				   "it now).",
				   entry.machine, path, entry.file);
	}
	return MIN(r, 0);
}
