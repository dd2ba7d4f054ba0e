#include "image/find.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/path.h"
#include "base/text.h"
#include "image/pick.h"
#include "io/fd.h"
#include "kernel/btrfs.h"

#define SYSTEM_POOL "/var/lib/machines"

/* An empty variable is as good as none. */
static const char *variable(const char *const *environment, const char *name)
{
	const char *value = text_variable(environment, name);

	return text_empty(value) ? NULL : value;
}

struct find_scope find_scope_of(unsigned int uid, const char *const *environment)
{
	return (struct find_scope){
		.uid = uid,
		.runtime = variable(environment, "XDG_RUNTIME_DIR"),
		.home = variable(environment, "HOME"),
	};
}

static void search_path(struct arena *arena, struct text_list *ret, const struct find_scope *scope)
{
	static const char *const system[] = {
		"/etc/machines",      "/run/machines",		 SYSTEM_POOL,
		"/var/lib/container", "/usr/local/lib/machines", "/usr/lib/machines",
	};

	if (scope->uid == 0) {
		for (size_t i = 0; i < ARRAY_SIZE(system); i++)
			text_list_add(arena, ret, arena_text(arena, system[i]));
		return;
	}
	if (scope->runtime)
		text_list_add(arena, ret, path_join(arena, scope->runtime, "machines"));
	if (scope->home) {
		text_list_add(arena, ret, path_join(arena, scope->home, ".local/state/machines"));
		text_list_add(arena, ret, path_join(arena, scope->home, ".local/lib/machines"));
	}
}

/* Names that are no image: temporary ones of ours and others. */
static bool is_image_name(const char *name)
{
	if (text_after(name, ".#") || text_after(name, ".sysupdate."))
		return false;
	return path_is_file_name(name);
}

/* Marked as not to be written, in one of the ways that directories can be. */
static bool is_marked_read_only(const char *path)
{
	autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statvfs medium;
	int flags = 0;

	if (fd < 0)
		return false;
	if (fstatvfs(fd, &medium) == 0 && medium.f_flag & ST_RDONLY)
		return true;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && flags & FS_IMMUTABLE_FL)
		return true;
	return btrfs_is_subvolume(fd) && btrfs_is_read_only(fd) > 0;
}

static bool is_vendors(const char *path)
{
	return path_is_below(path, "/usr") && !path_is_below(path, "/usr/local");
}

static int look(struct found *ret, char *path, bool raw)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISREG(st.st_mode) && raw)
		ret->kind = FIND_RAW;
	else if (S_ISDIR(st.st_mode) && !raw)
		ret->kind = FIND_DIRECTORY;
	else if (S_ISBLK(st.st_mode) && !raw)
		ret->kind = FIND_BLOCK;
	else
		return -ENOENT;
	ret->path = path;
	ret->read_only = is_vendors(path);
	if (ret->kind == FIND_DIRECTORY && is_marked_read_only(path))
		ret->read_only = true;
	return 0;
}

static int look_in(struct arena *arena, struct found *ret, const char *directory, const char *name)
{
	char *versions = arena_format(arena, "%s/%s.v", directory, name), *path;
	int r;

	r = look(ret, path_join(arena, directory, name), false);
	if (r < 0)
		r = look(ret, arena_format(arena, "%s/%s.raw", directory, name), true);
	if (r < 0 && pick_version(arena, &path, versions, PICK_DIRECTORY) >= 0)
		r = look(ret, path, false);
	if (r < 0) {
		versions = arena_format(arena, "%s/%s.raw.v", directory, name);
		if (pick_version(arena, &path, versions, PICK_RAW) >= 0)
			r = look(ret, path, true);
	}
	return r;
}

int find_image(struct arena *arena, struct found *ret, const char *name,
	       const struct find_scope *scope)
{
	struct text_list directories = { 0 };
	struct stat st;
	int r;

	if (!is_image_name(name))
		return -EINVAL;
	search_path(arena, &directories, scope);
	for (size_t i = 0; i < directories.count; i++) {
		if (stat(directories.items[i], &st) < 0)
			continue; /* one call instead of one for each form of the name */
		r = look_in(arena, ret, directories.items[i], name);
		if (r >= 0)
			return r;
	}
	return -ENOENT;
}

char *find_pool_path(struct arena *arena, const char *name, const struct find_scope *scope)
{
	if (scope->uid == 0)
		return path_join(arena, SYSTEM_POOL, name);
	return scope->home ? arena_format(arena, "%s/.local/state/machines/%s", scope->home, name)
			   : NULL;
}

void find_settings(struct arena *arena, struct text_list *ret, const struct find_scope *scope)
{
	if (scope->uid == 0) {
		text_list_add(arena, ret, arena_text(arena, "/etc/systemd/nspawn"));
		text_list_add(arena, ret, arena_text(arena, "/run/systemd/nspawn"));
		return;
	}
	if (scope->home)
		text_list_add(arena, ret, path_join(arena, scope->home, ".config/systemd/nspawn"));
	if (scope->runtime)
		text_list_add(arena, ret, path_join(arena, scope->runtime, "systemd/nspawn"));
}
