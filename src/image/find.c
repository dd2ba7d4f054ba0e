#include "image/find.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/path.h"
#include "base/text.h"
#include "image/mstack.h"
#include "image/pick.h"
#include "image/store.h"
#include "io/fd.h"
#include "io/settings.h"
#include "kernel/btrfs.h"

#define SYSTEM_POOL "/var/lib/machines"

/* An empty variable is as good as none. */
const char *const find_companions[] = {
	".nspawn",	".oci-config", ".roothash",	".roothash.p7s",      ".usrhash",
	".usrhash.p7s", ".verity",     ".raw.tpmstate", ".raw.efinvramstate", NULL,
};

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

void find_directories(struct arena *arena, struct text_list *ret, const struct find_scope *scope)
{
	const char *state = settings_state(arena, scope->uid, scope->home);
	static const char *const system[] = {
		"/etc/machines",      "/run/machines",		 SYSTEM_POOL,
		"/var/lib/container", "/usr/local/lib/machines", "/usr/lib/machines",
	};

	if (state != NULL)
		text_list_add(arena, ret, path_join(arena, state, FIND_DECLARED));
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

bool find_is_name(const char *name)
{
	uint32_t code;
	size_t length;

	/* Temporary ones of ours and others. */
	if (text_after(name, ".#") || text_after(name, ".sysupdate.") || !path_is_file_name(name))
		return false;
	for (const char *at = name; *at != '\0'; at += length) {
		length = text_utf8_decode(&code, at, strlen(at));
		if (length == 0 || code < 0x20 || code == 0x7f)
			return false;
	}
	return true;
}

static bool ends(const char *name, const char *const *suffixes)
{
	while (*suffixes != NULL && !text_ends(name, *suffixes))
		suffixes++;
	return *suffixes != NULL;
}

bool find_is_new_name(const char *name)
{
	static const char *const forms[] = { ".raw", MSTACK_SUFFIX, ".v", NULL };

	return find_is_name(name) && !text_equal(name, FIND_HOST) && !ends(name, forms) &&
	       !ends(name, find_companions);
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

/* By where it was found: that is no link anybody else makes. */
static bool is_declared(const char *path)
{
	return strstr(path, "/redd/" FIND_DECLARED "/") != NULL;
}

/* Not a root of its own, but what roots are made of. */
static bool is_shared(const char *path)
{
	char target[64];
	ssize_t size = readlink(path, target, sizeof(target) - 1);

	target[MAX(size, 0)] = '\0';
	return text_after(target, "../../../" STORE_TREES "/") != NULL;
}

static bool is_block_read_only(const char *path)
{
	autoclose int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int read_only = 0;

	return fd >= 0 && ioctl(fd, BLKROGET, &read_only) == 0 && read_only;
}

static bool is_stack_read_only(const char *path)
{
	autoclose int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	return fd < 0 || fstatat(fd, "rw", &st, 0) < 0 || !S_ISDIR(st.st_mode);
}

static bool is_read_only(const struct found *found, const struct stat *st)
{
	bool writable = (st->st_mode & 0222) != 0;

	/* Downloads that others are made of are hidden, and stay as they are. */
	if (found->vendor || path_name(found->path)[0] == '.')
		return true;
	switch (found->kind) {
	case FIND_DIRECTORY: return is_marked_read_only(found->path);
	case FIND_MSTACK: return is_stack_read_only(found->path);
	case FIND_RAW: return !writable;
	case FIND_BLOCK: return !writable || is_block_read_only(found->path);
	}
	return true;
}

/* FORM: what a name like this one must be; directories and devices have the same form. */
static int look(struct found *ret, char *path, enum find_kind form)
{
	struct found found = { .path = path,
			       .kind = form,
			       .vendor = is_vendors(path),
			       .declared = is_declared(path) };
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (form == FIND_DIRECTORY && S_ISBLK(st.st_mode))
		found.kind = FIND_BLOCK;
	else if (form == FIND_RAW ? !S_ISREG(st.st_mode) : !S_ISDIR(st.st_mode))
		return -ENOENT;
	found.shared = found.declared && is_shared(path);
	found.read_only = is_read_only(&found, &st);
	*ret = found;
	return 0;
}

int find_in(struct arena *arena, struct found *ret, const char *directory, const char *name)
{
	static const struct {
		const char *suffix;
		enum find_kind form;
	} forms[] = {
		{ "", FIND_DIRECTORY },
		{ ".raw", FIND_RAW },
		{ MSTACK_SUFFIX, FIND_MSTACK },
	};
	char *base = path_join(arena, directory, name), *path;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		path = arena_format(arena, "%s%s", base, forms[i].suffix);
		r = look(ret, path, forms[i].form);
		if (r >= 0)
			return r;
	}
	/* Of layered images no versions are kept. */
	for (size_t i = 0; i < 2; i++) {
		enum pick_kind kind = forms[i].form == FIND_RAW ? PICK_RAW : PICK_DIRECTORY;

		path = arena_format(arena, "%s%s.v", base, forms[i].suffix);
		if (pick_version(arena, &path, path, kind) < 0)
			continue;
		r = look(ret, path, forms[i].form);
		if (r < 0)
			continue;
		ret->version = true;
		return r;
	}
	return -ENOENT;
}

int find_image(struct arena *arena, struct found *ret, const char *name,
	       const struct find_scope *scope)
{
	struct text_list directories = { 0 };
	struct stat st;
	int r;

	if (text_equal(name, FIND_HOST))
		return look(ret, arena_text(arena, "/"), FIND_DIRECTORY);
	if (!find_is_name(name))
		return -EINVAL;
	find_directories(arena, &directories, scope);
	for (size_t i = 0; i < directories.count; i++) {
		if (stat(directories.items[i], &st) < 0)
			continue; /* one call instead of one for each form of the name */
		r = find_in(arena, ret, directories.items[i], name);
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
	settings_places(arena, ret, scope->uid, scope->home, scope->runtime);
}
