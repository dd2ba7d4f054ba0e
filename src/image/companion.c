#include "image/companion.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/log.h"
#include "base/path.h"
#include "image/tidy.h"
#include "image/tree.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"

static const char *const suffixes[] = {
	".nspawn",	".oci-config", ".roothash",	".roothash.p7s",      ".usrhash",
	".usrhash.p7s", ".verity",     ".raw.tpmstate", ".raw.efinvramstate",
};

#define SETTINGS 1 /* how many of them lie beside the administrator's settings */

/* What is done with one of them. NEW: its name in TO_FD. */
typedef int act_fn(struct arena *arena, int from_fd, const char *old, int to_fd, const char *new);

static void act_in(struct arena *arena, act_fn *act, struct text_list *done, size_t count,
		   const char *directory, const char *old, const char *target, const char *new)
{
	autoclose int from = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclose int to = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (from < 0 || to < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		char *file = arena_format(arena, "%s%s", old, suffixes[i]);
		struct stat st;
		int r;

		if (fstatat(from, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		r = act(arena, from, file, to, arena_format(arena, "%s%s", new, suffixes[i]));
		if (r >= 0 && done != NULL)
			text_list_add(arena, done,
				      arena_format(arena, "%s/%s%s", target, new, suffixes[i]));
		else if (r == -EEXIST)
			log_notice("'%s/%s%s' is there already and stays as it is", target, new,
				   suffixes[i]);
		else if (r < 0)
			log_warning("cannot take '%s/%s' along: %s, going on without", directory,
				    file, strerror(-r));
	}
}

static void act_everywhere(struct arena *arena, act_fn *act, struct text_list *done,
			   const struct find_scope *scope, const char *directory, const char *old,
			   const char *target, const char *new)
{
	struct text_list settings = { 0 };

	act_in(arena, act, done, ARRAY_SIZE(suffixes), directory, old, target, new);
	find_settings(arena, &settings, scope);
	for (size_t i = 0; i < settings.count; i++)
		act_in(arena, act, done, SETTINGS, settings.items[i], old, settings.items[i], new);
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

static int copy(struct arena *arena, int from_fd, const char *old, int to_fd, const char *new)
{
	char *temporary = tidy_new(arena, new), target[4096];
	ssize_t length;
	struct stat st;
	int r;

	if (fstatat(from_fd, old, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode)) {
		length = readlinkat(from_fd, old, target, sizeof(target) - 1);
		if (length < 0)
			return -errno;
		target[length] = '\0';
		return symlinkat(target, to_fd, new) < 0 ? -errno : 0;
	}
	if (S_ISDIR(st.st_mode))
		r = copy_directory(from_fd, old, to_fd, temporary);
	else if (S_ISREG(st.st_mode))
		r = copy_file(from_fd, old, to_fd, temporary);
	else
		return -EBADFD;
	if (r >= 0 && renameat2(to_fd, temporary, to_fd, new, RENAME_NOREPLACE) < 0)
		r = -errno;
	if (r < 0)
		(void)dir_remove_all(to_fd, temporary);
	return r;
}

static bool are_same(int from_fd, const char *old, int to_fd, const char *new)
{
	struct stat one, other;

	return fstatat(from_fd, old, &one, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(to_fd, new, &other, AT_SYMLINK_NOFOLLOW) == 0 &&
	       one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* Where that cannot be, as with directories, it is renamed later, and what stays is told then. */
static int link_one(struct arena *arena, int from_fd, const char *old, int to_fd, const char *new)
{
	int r = linkat(from_fd, old, to_fd, new, 0);

	(void)arena;
	(void)r;
	return 0;
}

static int rename_one(struct arena *arena, int from_fd, const char *old, int to_fd, const char *new)
{
	(void)arena;
	if (are_same(from_fd, old, to_fd, new))
		return unlinkat(from_fd, old, 0) < 0 ? -errno : 0;
	return renameat2(from_fd, old, to_fd, new, RENAME_NOREPLACE) < 0 ? -errno : 0;
}

static int unlink_one(struct arena *arena, int from_fd, const char *old, int to_fd, const char *new)
{
	(void)arena;
	if (!are_same(from_fd, old, to_fd, new))
		return 0;
	return unlinkat(to_fd, new, 0) < 0 ? -errno : 0;
}

static int remove_one(struct arena *arena, int from_fd, const char *old, int to_fd, const char *new)
{
	(void)arena;
	(void)to_fd;
	(void)new;
	return dir_remove_all(from_fd, old);
}

void companion_copy(struct arena *arena, struct text_list *ret, const struct find_scope *scope,
		    const char *directory, const char *old, const char *target, const char *new)
{
	act_everywhere(arena, copy, ret, scope, directory, old, target, new);
}

void companion_link(struct arena *arena, const struct find_scope *scope, const char *directory,
		    const char *old, const char *new)
{
	act_everywhere(arena, link_one, NULL, scope, directory, old, directory, new);
}

void companion_rename(struct arena *arena, const struct find_scope *scope, const char *directory,
		      const char *old, const char *new)
{
	act_everywhere(arena, rename_one, NULL, scope, directory, old, directory, new);
}

void companion_unlink(struct arena *arena, const struct find_scope *scope, const char *directory,
		      const char *old, const char *new)
{
	act_everywhere(arena, unlink_one, NULL, scope, directory, old, directory, new);
}

void companion_remove(struct arena *arena, const struct find_scope *scope, const char *directory,
		      const char *name)
{
	act_everywhere(arena, remove_one, NULL, scope, directory, name, directory, name);
}
