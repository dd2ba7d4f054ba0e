#include "image/persist.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/names.h"
#include "base/path.h"
#include "base/text.h"
#include "image/tree.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/ownership.h"

/* No name of a directory begins so, or has the last one. */
#define OWED ".from."	/* a link to the tree */
#define TAKEN ".taken." /* whole, unless it is still owed; then it grows */
#define BACK ":"	/* before the tree: see persist_choose() */
#define ASIDE "~"
#define ASIDE_MAX 10000
#define NOTES_ROOM 16 /* what all of these add to a name */

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '.' || c == ':';
}

char *persist_name(struct arena *arena, const char *path)
{
	static const char digits[] = "0123456789abcdef";
	char *name, *out;

	if (!path_is_absolute(path) || !path_is_normal(path))
		return NULL;
	path = path_simplify(arena, path) + 1;
	if (*path == '\0')
		return NULL;
	name = out = arena_take(arena, 4 * strlen(path) + 1);
	for (const char *at = path; *at != '\0'; at++) {
		if (*at == '/') {
			*out++ = '-';
		} else if (is_plain(*at) && (*at != '.' || at != path)) {
			*out++ = *at;
		} else {
			*out++ = '\\';
			*out++ = 'x';
			*out++ = digits[(unsigned char)*at >> 4];
			*out++ = digits[(unsigned char)*at & 15];
		}
	}
	*out = '\0';
	return strlen(name) <= NAME_MAX - NOTES_ROOM ? name : NULL;
}

char *persist_path(struct arena *arena, const char *state, const char *machine, const char *path)
{
	const char *name = persist_name(arena, path);

	return name == NULL
		       ? NULL
		       : arena_format(arena, "%s/" PERSIST_ROOM "/%s/%s", state, machine, name);
}

static int open_below(int dir_fd, const char *name, bool make)
{
	int fd;

	if (make && mkdirat(dir_fd, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int persist_open(int state_fd, const char *machine, bool make)
{
	autoclose int room = -EBADF;

	if (!name_is_machine(machine))
		return -EINVAL;
	room = open_below(state_fd, PERSIST_ROOM, make);
	return room < 0 ? room : open_below(room, machine, make);
}

/* ---- what is owed ---- */

static bool is_there(int room_fd, const char *name)
{
	return faccessat(room_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static const char *note_of(struct arena *arena, const char *kind, const char *name)
{
	return arena_format(arena, "%s%s", kind, name);
}

/* In the order in which one becomes the next. */
bool persist_is_missing(struct arena *arena, int room_fd, const char *name)
{
	return !is_there(room_fd, note_of(arena, OWED, name)) &&
	       !is_there(room_fd, note_of(arena, TAKEN, name)) && !is_there(room_fd, name);
}

bool persist_is_kept(struct arena *arena, int room_fd, const char *name)
{
	return (!is_there(room_fd, note_of(arena, OWED, name)) &&
		is_there(room_fd, note_of(arena, TAKEN, name))) ||
	       is_there(room_fd, name);
}

static int look_for(int room_fd, const char *name)
{
	return is_there(room_fd, name) || errno == ENOENT ? 0 : -errno;
}

int persist_check(struct arena *arena, int room_fd, const char *name)
{
	char from[PATH_MAX];
	ssize_t size = readlinkat(room_fd, note_of(arena, OWED, name), from, sizeof(from));
	int r = size < 0 && errno != ENOENT ? -errno : 0;

	if (size == 0 || size == sizeof(from))
		r = -EBADMSG;
	if (r >= 0)
		r = look_for(room_fd, note_of(arena, TAKEN, name));
	return r < 0 ? r : look_for(room_fd, name);
}

static const char *read_owed(struct arena *arena, int room_fd, const char *name)
{
	char from[PATH_MAX];
	ssize_t size = readlinkat(room_fd, note_of(arena, OWED, name), from, sizeof(from));

	return size <= 0 || size == sizeof(from) ? NULL : arena_text_n(arena, from, (size_t)size);
}

const char *persist_owed(struct arena *arena, int room_fd, const char *name)
{
	const char *from = read_owed(arena, room_fd, name);

	return from != NULL && text_after(from, BACK) != NULL ? text_after(from, BACK) : from;
}

bool persist_is_back(struct arena *arena, int room_fd, const char *name)
{
	const char *from = read_owed(arena, room_fd, name);

	return from != NULL && text_after(from, BACK) != NULL && is_there(room_fd, name);
}

static int point(struct arena *arena, int room_fd, const char *name, const char *from)
{
	const char *owed = note_of(arena, OWED, name), *growing = ".from";

	if (unlinkat(room_fd, from == NULL ? owed : growing, 0) < 0 && errno != ENOENT)
		return -errno;
	if (from != NULL && (symlinkat(from, room_fd, growing) < 0 ||
			     renameat(room_fd, growing, room_fd, owed) < 0))
		return -errno;
	return fsync(room_fd) < 0 ? -errno : 0;
}

static int let_go(int room_fd, int r)
{
	(void)flock(room_fd, LOCK_UN);
	return r;
}

/* Two have marks to make: redd apply, and a start. */
int persist_owe(struct arena *arena, int room_fd, const char *name, const char *from)
{
	int r = fd_lock(room_fd, LOCK_EX);

	return r < 0 ? r : let_go(room_fd, point(arena, room_fd, name, from));
}

int persist_choose(struct arena *arena, int room_fd, const char *name, bool kept)
{
	const char *from;
	int r = fd_lock(room_fd, LOCK_EX);

	if (r < 0)
		return r;
	from = persist_owed(arena, room_fd, name);
	if (from != NULL)
		r = point(arena, room_fd, name, kept ? arena_format(arena, BACK "%s", from) : from);
	return let_go(room_fd, r);
}

int persist_names(struct arena *arena, struct text_list *ret, int room_fd)
{
	struct text_list all = { 0 };
	int r = dir_names(arena, &all, room_fd);

	for (size_t i = 0; i < all.count; i++) {
		const char *name = text_after(all.items[i], OWED);

		if (name == NULL)
			name = text_after(all.items[i], TAKEN);
		if (name == NULL && all.items[i][0] != '.' && strstr(all.items[i], ASIDE) == NULL)
			name = all.items[i];
		if (name != NULL && !text_list_has(ret, name))
			text_list_add(arena, ret, arena_text(arena, name));
	}
	text_list_sort(ret);
	return r;
}

/* ---- taking it ---- */

static int grow(int room_fd, const char *taken, int source_fd, bool shifted)
{
	autoclose int target = -EBADF;
	int r = dir_remove_all(room_fd, taken);

	if (r < 0)
		return r;
	if (mkdirat(room_fd, taken, 0755) < 0)
		return -errno;
	target = openat(room_fd, taken, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return -errno;
	r = source_fd < 0 ? 0 : tree_copy_interruptible(target, source_fd);
	if (r >= 0 && shifted)
		r = ownership_shift(target, 0, 65536);
	if (r >= 0 && syncfs(target) < 0)
		r = -errno;
	if (r < 0)
		(void)dir_remove_all(room_fd, taken); /* the disk may be full of it */
	return r;
}

static int put_aside(struct arena *arena, const char **ret, int room_fd, const char *name)
{
	*ret = NULL;
	if (!is_there(room_fd, name))
		return 0;
	for (int number = 1; number < ASIDE_MAX; number++) {
		const char *aside = arena_format(arena, "%s" ASIDE "%d", name, number);

		if (renameat2(room_fd, name, room_fd, aside, RENAME_NOREPLACE) == 0) {
			*ret = aside;
			return 0;
		}
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

int persist_take(struct arena *arena, const char **ret_aside, int room_fd, const char *name,
		 int source_fd, bool shifted)
{
	const char *taken = note_of(arena, TAKEN, name);
	int r = 0;

	*ret_aside = NULL;
	if (is_there(room_fd, note_of(arena, OWED, name))) {
		r = persist_is_back(arena, room_fd, name)
			    ? dir_remove_all(room_fd, taken)
			    : grow(room_fd, taken, source_fd, shifted);
		/* From here on what is taken counts, or what was kept. */
		if (r >= 0)
			r = persist_owe(arena, room_fd, name, NULL);
	}
	if (r < 0 || !is_there(room_fd, taken))
		return r;
	r = put_aside(arena, ret_aside, room_fd, name);
	if (r >= 0 && (renameat(room_fd, taken, room_fd, name) < 0 || fsync(room_fd) < 0))
		r = -errno;
	return r;
}
