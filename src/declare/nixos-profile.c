#include "declare/nixos-profile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "io/dir.h"
#include "io/fd.h"

#define SECOND_US 1000000u

/* Who changes a profile has it locked for some milliseconds. */
#define LOCK_PAUSE_MS 20
#define LOCK_TRIES 250

/* ---- reading ---- */

static char *link_target(struct arena *arena, int dir_fd, const char *name)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(dir_fd, name, target, sizeof(target));

	if (length < 0 || (size_t)length == sizeof(target))
		return NULL;
	return arena_text_n(arena, target, (size_t)length);
}

struct listing {
	struct arena *arena;
	const char *prefix;  /* "system-" */
	const char *current; /* name of the link that the profile leads to; NULL: none */
	struct nixos_generation *items;
	size_t count;
};

/* "system-12-link" */
static bool number_of(struct listing *listing, uint32_t *ret, const char *name)
{
	const char *rest = text_after(name, listing->prefix);

	if (rest == NULL || !text_ends(rest, "-link"))
		return false;
	rest = arena_text_n(listing->arena, rest, strlen(rest) - strlen("-link"));
	return parse_u32(ret, rest) >= 0 && *ret > 0;
}

static int visit(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct listing *listing = context;
	struct nixos_generation *one;
	uint32_t number;
	struct stat st;
	char *path;

	if (type != DT_LNK || !number_of(listing, &number, name))
		return 0;
	if (listing->count == NIXOS_GENERATIONS_MAX)
		return -E2BIG;
	path = link_target(listing->arena, dir_fd, name);
	if (path == NULL || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* removed meanwhile */
	one = list_grow(listing->arena, (void **)&listing->items, &listing->count, sizeof(*one));
	one->number = number;
	one->path = path;
	one->made_us = (uint64_t)st.st_mtim.tv_sec * SECOND_US +
		       (uint64_t)st.st_mtim.tv_nsec / 1000;
	one->current = text_equal(listing->current, name);
	return 0;
}

static int by_number(const void *a_, const void *b_)
{
	const struct nixos_generation *a = a_, *b = b_;

	return (a->number > b->number) - (a->number < b->number);
}

static int read_all(struct arena *arena, struct nixos_generation **ret, size_t *ret_count,
		    int dir_fd, const char *name)
{
	const char *current = link_target(arena, dir_fd, name);
	struct listing listing = {
		.arena = arena,
		.prefix = arena_format(arena, "%s-", name),
		.current = current == NULL ? NULL : path_name(current),
	};
	int r;

	if (lseek(dir_fd, 0, SEEK_SET) < 0)
		return -errno;
	r = dir_walk(dir_fd, visit, &listing);
	if (r < 0)
		return r;
	if (listing.count > 0)
		qsort(listing.items, listing.count, sizeof(*listing.items), by_number);
	*ret = listing.items;
	*ret_count = listing.count;
	return 0;
}

static int open_directory(struct arena *arena, const char *profile)
{
	int fd = open(path_parent(arena, profile), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int nixos_profile_list(struct arena *arena, struct nixos_generation **ret, size_t *ret_count,
		       const char *profile)
{
	autoclose int dir = open_directory(arena, profile);
	int r = dir;

	*ret = NULL;
	*ret_count = 0;
	if (r == -ENOENT)
		return 0;
	if (r >= 0)
		r = read_all(arena, ret, ret_count, dir, path_name(profile));
	return r < 0 ? fail(r, "cannot read the generations of '%s'", profile) : 0;
}

char *nixos_profile_path(struct arena *arena, const char *profile)
{
	autoclose int dir = open_directory(arena, profile);
	char *link = dir < 0 ? NULL : link_target(arena, dir, path_name(profile));

	if (link == NULL || path_is_absolute(link))
		return link;
	return path_is_file_name(link) ? link_target(arena, dir, link) : NULL;
}

/* ---- changing ---- */

struct profile {
	const char *path, *name; /* name: its last component */
	int dir_fd, lock_fd;
	const char *lock_name;
	struct nixos_generation *generations;
	size_t count;
};

/* -EBADFD: the guest has put something else there, which is not even opened. */
static int open_lock(const struct profile *profile)
{
	int fd = openat(profile->dir_fd, profile->lock_name,
			O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	autoclose int found = -EBADF;
	struct stat st;

	if (fd >= 0 || errno != EEXIST)
		return fd >= 0 ? fd : -errno;
	found = openat(profile->dir_fd, profile->lock_name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (found < 0 || fstat(found, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? fd_reopen(found, O_RDWR | O_NONBLOCK | O_NOCTTY) : -EBADFD;
}

static bool has_name(const struct profile *profile, const struct stat *held)
{
	struct stat there;

	return fstatat(profile->dir_fd, profile->lock_name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       there.st_dev == held->st_dev && there.st_ino == held->st_ino;
}

/* -EAGAIN: try again. As nix does: a lock file with something in it was given up by who removed
 * it. One that still is there, or has another name, was made by somebody else. */
static int try_lock(struct profile *profile)
{
	autoclose int fd = open_lock(profile);
	struct stat st;

	if (fd < 0)
		return fd == -ENOENT ? -EAGAIN : fd;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!has_name(profile, &st))
		return -EAGAIN;
	if (st.st_size == 0 && st.st_nlink == 1) {
		profile->lock_fd = take_fd(&fd);
		return 0;
	}
	(void)unlinkat(profile->dir_fd, profile->lock_name, 0);
	return -EAGAIN;
}

/* flock(2) knows no limit of time, and the guest may hold it as long as it likes. */
static int take_lock(struct profile *profile)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_MS * 1000000L };
	int r = try_lock(profile);

	for (int i = 0; i < LOCK_TRIES && r == -EAGAIN; i++) {
		nanosleep(&pause, NULL);
		r = try_lock(profile);
	}
	return r;
}

static int begin(struct arena *arena, struct profile *profile, const char *path)
{
	int r;

	*profile = (struct profile){ .path = path, .name = path_name(path), .lock_fd = -EBADF };
	profile->lock_name = arena_format(arena, "%s.lock", profile->name);
	profile->dir_fd = r = open_directory(arena, path);
	if (r >= 0)
		r = take_lock(profile);
	if (r >= 0)
		r = read_all(arena, &profile->generations, &profile->count, profile->dir_fd,
			     profile->name);
	if (r == -EAGAIN || r == -EBADFD)
		return fail_plain(r,
				  "cannot change the profile '%s': its lock '%s' is not let go, or "
				  "is no file (see who has it, or remove it)",
				  path, profile->lock_name);
	return r < 0 ? fail(r, "cannot change the profile '%s'", path) : 0;
}

static void end(struct profile *profile)
{
	if (profile->lock_fd >= 0) {
		(void)unlinkat(profile->dir_fd, profile->lock_name, 0);
		(void)!write(profile->lock_fd, "d", 1);
	}
	fd_close(&profile->lock_fd);
	fd_close(&profile->dir_fd);
}

/* NAME leads to TARGET at once, whatever it was. */
static int replace_link(struct arena *arena, const struct profile *profile, const char *name,
			const char *target)
{
	const char *new = arena_format(arena, ".%s.new", name);

	(void)unlinkat(profile->dir_fd, new, 0); /* of one that was killed: the lock is ours */
	if (symlinkat(target, profile->dir_fd, new) < 0)
		return -errno;
	return renameat(profile->dir_fd, new, profile->dir_fd, name) < 0 ? -errno : 0;
}

static char *link_name(struct arena *arena, const struct profile *profile, uint32_t number)
{
	return arena_format(arena, "%s-%u-link", profile->name, (unsigned int)number);
}

static int use(struct arena *arena, const struct profile *profile, uint32_t number)
{
	int r = replace_link(arena, profile, profile->name, link_name(arena, profile, number));

	return r < 0 ? fail(r, "cannot change the profile '%s'", profile->path) : 0;
}

static int set(struct arena *arena, const struct profile *profile, const char *path)
{
	const struct nixos_generation *newest = profile->count == 0
							? NULL
							: &profile->generations[profile->count - 1];
	uint32_t number = newest == NULL ? 0 : newest->number;
	int r;

	if (newest == NULL || !text_equal(newest->path, path)) {
		if (number == UINT32_MAX)
			return fail(-EOVERFLOW, "cannot change the profile '%s'", profile->path);
		number++;
		r = replace_link(arena, profile, link_name(arena, profile, number), path);
		if (r < 0)
			return fail(r, "cannot change the profile '%s'", profile->path);
	}
	return use(arena, profile, number);
}

int nixos_profile_set(struct arena *arena, const char *profile, const char *path)
{
	struct profile changed;
	int r = begin(arena, &changed, profile);

	if (r >= 0)
		r = set(arena, &changed, path);
	end(&changed);
	return r;
}

static const struct nixos_generation *find(const struct profile *profile, uint32_t number)
{
	const struct nixos_generation *before = NULL;

	for (size_t i = 0; i < profile->count; i++) {
		const struct nixos_generation *one = &profile->generations[i];

		if (number == 0 && one->current)
			return before;
		if (number != 0 && one->number == number)
			return one;
		before = one;
	}
	return NULL;
}

int nixos_profile_roll_back(struct arena *arena, const char **ret_path, const char *profile,
			    uint32_t number)
{
	const struct nixos_generation *found = NULL;
	struct profile changed;
	int r = begin(arena, &changed, profile);

	if (r >= 0) {
		found = find(&changed, number);
		if (found == NULL && number != 0)
			r = fail_plain(-ENOENT,
				       "cannot switch to generation %u of '%s': there is none (try "
				       "'generations')",
				       (unsigned int)number, profile);
		else if (found == NULL)
			r = fail_plain(-ENOENT,
				       "cannot roll back '%s': there is no earlier generation",
				       profile);
		else
			r = use(arena, &changed, found->number);
	}
	end(&changed);
	if (r >= 0)
		*ret_path = found->path;
	return r;
}
