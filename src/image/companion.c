#include "image/companion.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "image/tidy.h"
#include "image/together.h"
#include "image/tree.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"

/* What is done with one of them. NEW: its name in the directory TARGET. */
typedef int act_fn(struct companions *companions, const char *directory, const char *old,
		   const char *target, const char *new);

void companion_begin(struct companions *ret, struct arena *arena, const struct find_scope *scope,
		     struct together *together)
{
	struct text_list settings = { 0 };

	*ret = (struct companions){ .arena = arena, .scope = scope, .together = together };
	find_settings(arena, &settings, scope);
	for (size_t i = 0; i < settings.count && ret->count < COMPANION_ROOMS_MAX; i++) {
		if (access(settings.items[i], F_OK) < 0)
			continue;
		if (tidy_begin(arena, &ret->rooms[ret->count], settings.items[i]) >= 0) {
			ret->count++;
			continue;
		}
		log_warning("%s, going on without", fail_recorded()->text);
		fail_forget();
	}
}

void companion_end(struct companions *companions)
{
	while (companions->count > 0)
		tidy_end(&companions->rooms[--companions->count]);
}

static void act_on(struct companions *companions, act_fn *act, const char *suffix,
		   const char *directory, const char *old, const char *target, const char *new)
{
	char *file = arena_format(companions->arena, "%s%s", old, suffix);
	struct stat st;
	int r;

	/* A directory is an image of its own. */
	if (lstat(path_join(companions->arena, directory, file), &st) < 0 || S_ISDIR(st.st_mode))
		return;
	r = act(companions, directory, file, target,
		arena_format(companions->arena, "%s%s", new, suffix));
	if (r == -EEXIST)
		log_notice("'%s/%s%s' is there already and stays as it is", target, new, suffix);
	else if (r < 0)
		log_warning("cannot take '%s/%s' along: %s, going on without", directory, file,
			    strerror(-r));
}

static void act_everywhere(struct companions *companions, act_fn *act, const char *directory,
			   const char *old, const char *target, const char *new)
{
	for (size_t i = 0; find_companions[i] != NULL; i++)
		act_on(companions, act, find_companions[i], directory, old, target, new);
	for (size_t i = 0; i < companions->count; i++) {
		const char *path = companions->rooms[i].path;

		act_on(companions, act, find_companions[0], path, old, path, new);
	}
}

static int copy_file(int from_fd, const char *old, int to_fd, const char *temporary)
{
	autoclose int from = openat(from_fd, old, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	autoclose int to = -EBADF;
	struct stat st;
	int r;

	if (from < 0 || fstat(from, &st) < 0)
		return -errno;
	to = openat(to_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	r = file_copy_fd(to, from);
	if (r < 0)
		return r;
	return fchmod(to, st.st_mode & 0777) < 0 ? -errno : 0;
}

static int copy_directory(int from_fd, const char *old, int to_fd, const char *temporary)
{
	autoclose int from = openat(from_fd, old, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	autoclose int to = -EBADF;

	if (from < 0 || mkdirat(to_fd, temporary, 0700) < 0)
		return -errno;
	to = openat(to_fd, temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return to < 0 ? -errno : tree_copy(to, from, NULL);
}

static int copy_link(int from_fd, const char *old, int to_fd, const char *temporary)
{
	char target[4096];
	ssize_t length = readlinkat(from_fd, old, target, sizeof(target) - 1);

	if (length < 0)
		return -errno;
	target[length] = '\0';
	return symlinkat(target, to_fd, temporary) < 0 ? -errno : 0;
}

static int copy_hidden(int from_fd, const char *old, int to_fd, const char *temporary)
{
	struct stat st;

	if (fstatat(from_fd, old, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	switch (st.st_mode & S_IFMT) {
	case S_IFLNK: return copy_link(from_fd, old, to_fd, temporary);
	case S_IFDIR: return copy_directory(from_fd, old, to_fd, temporary);
	case S_IFREG: return copy_file(from_fd, old, to_fd, temporary);
	default: return -EBADFD;
	}
}

static int copy(struct companions *companions, const char *directory, const char *old,
		const char *target, const char *new)
{
	autoclose int from = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclose int to = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *temporary = tidy_new(companions->arena, new);
	struct stat st;
	int r;

	if (from < 0 || to < 0)
		return -errno;
	if (fstatat(to, new, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	r = copy_hidden(from, old, to, temporary);
	if (r >= 0)
		r = together_add(companions->together, target, temporary, new, TOGETHER_YIELDS);
	if (r < 0)
		(void)dir_remove_all(to, temporary);
	return r;
}

/* Where that cannot be, as with directories, it is renamed later. */
static int link_one(struct companions *companions, const char *directory, const char *old,
		    const char *target, const char *new)
{
	autoclose int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *temporary = tidy_new(companions->arena, new);
	struct stat st;
	int r;

	if (dir < 0)
		return -errno;
	if (fstatat(dir, new, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	if (linkat(dir, old, dir, temporary, 0) < 0)
		return 0;
	r = together_add(companions->together, target, temporary, new, TOGETHER_YIELDS);
	if (r < 0)
		(void)unlinkat(dir, temporary, 0);
	return r;
}

/* What has the new name as well loses the old one. */
static bool is_linked(const struct companions *companions, const char *directory, const char *new)
{
	for (size_t i = 0; i < companions->together->count; i++)
		if (text_equal(companions->together->steps[i].directory, directory) &&
		    text_equal(companions->together->steps[i].to, new))
			return true;
	return false;
}

static int rename_one(struct companions *companions, const char *directory, const char *old,
		      const char *target, const char *new)
{
	struct arena *arena = companions->arena;

	if (is_linked(companions, target, new))
		return together_add(companions->together, directory, old, tidy_old(arena, old), 0);
	if (access(path_join(arena, target, new), F_OK) == 0)
		return 0; /* that was told */
	return together_add(companions->together, directory, old, new, TOGETHER_YIELDS);
}

/* Out of sight with the image, then it goes. */
static int remove_one(struct companions *companions, const char *directory, const char *old,
		      const char *target, const char *new)
{
	(void)target;
	(void)new;
	return together_add(companions->together, directory, old, tidy_old(companions->arena, old),
			    0);
}

void companion_copy(struct companions *companions, const char *directory, const char *old,
		    const char *target, const char *new)
{
	act_everywhere(companions, copy, directory, old, target, new);
}

void companion_link(struct companions *companions, const char *directory, const char *old,
		    const char *new)
{
	act_everywhere(companions, link_one, directory, old, directory, new);
}

void companion_rename(struct companions *companions, const char *directory, const char *old,
		      const char *new)
{
	act_everywhere(companions, rename_one, directory, old, directory, new);
}

void companion_remove(struct companions *companions, const char *directory, const char *name)
{
	act_everywhere(companions, remove_one, directory, name, directory, name);
}
