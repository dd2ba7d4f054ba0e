#include "machine/state-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "format/envfile.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"

#define PIDFS_MAGIC_NUMBER 0x50494446
#define LINK_ROOM 320
#define INTERFACES "NETIF"

char *state_file_directory(struct arena *arena, unsigned int uid, const char *const *environment)
{
	const char *runtime;

	if (uid == 0)
		return arena_text(arena, "/run/systemd/machines");
	runtime = text_variable(environment, "XDG_RUNTIME_DIR");
	if (text_empty(runtime) || !path_is_absolute(runtime))
		return NULL;
	return path_join(arena, runtime, "systemd/machines");
}

/* As the shell would take it back. */
static char *quote(struct arena *arena, const char *value)
{
	char *quoted, *at;

	if (strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			  "@%_-+=:,./") == strlen(value))
		return arena_text(arena, value);
	quoted = at = arena_take(arena, 2 * strlen(value) + 3);
	*at++ = '"';
	for (; *value != '\0'; value++) {
		if (strchr("\"\\`$", *value) != NULL)
			*at++ = '\\';
		*at++ = *value;
	}
	*at = '"';
	return quoted;
}

/* What a process number never is again. 0: this kernel has none. */
static uint64_t pidfd_inode(int pidfd)
{
	struct statfs fs;
	struct stat st;

	if (pidfd < 0 || fstatfs(pidfd, &fs) < 0 || fs.f_type != PIDFS_MAGIC_NUMBER ||
	    fstat(pidfd, &st) < 0)
		return 0;
	return st.st_ino;
}

static char *add(struct arena *arena, char *text, const char *key, const char *value)
{
	if (text_empty(value))
		return text;
	return arena_format(arena, "%s%s=%s\n", text, key, quote(arena, value));
}

static char *add_number(struct arena *arena, char *text, const char *key, uint64_t number)
{
	if (number == 0)
		return text;
	return arena_format(arena, "%s%s=%llu\n", text, key, (unsigned long long)number);
}

/* Quoted where there are several: no version of its readers minds. */
static char *add_interfaces(struct arena *arena, char *text, const uint32_t *interfaces,
			    size_t count)
{
	const char *list = "";

	for (size_t i = 0; i < count; i++)
		list = arena_format(arena, "%s%s%u", list, i > 0 ? " " : "", interfaces[i]);
	return add(arena, text, INTERFACES, list);
}

char *state_file_print(struct arena *arena, const struct state_file *file)
{
	char *text = arena_text(arena, "# This is private data. Do not parse.\n");

	text = add(arena, text, "NAME", file->name);
	text = arena_format(arena, "%sUID=%u\n", text, file->uid);
	text = add(arena, text, "SCOPE", file->unit);
	text = add(arena, text, "SERVICE", file->service);
	text = add(arena, text, "ROOT", file->root);
	text = add(arena, text, "ID", file->id);
	text = add_number(arena, text, "LEADER", (uint64_t)file->leader);
	text = add_number(arena, text, "LEADER_PIDFDID", pidfd_inode(file->leader_fd));
	text = add_number(arena, text, "SUPERVISOR", (uint64_t)file->supervisor);
	text = add(arena, text, "CLASS", "container");
	text = add_number(arena, text, "REALTIME", file->realtime);
	text = add_number(arena, text, "MONOTONIC", file->monotonic);
	return add_interfaces(arena, text, file->interfaces, file->interface_count);
}

static int link_unit(int dir_fd, const char *unit, const char *name)
{
	char link[LINK_ROOM];

	if (!path_is_file_name(unit) ||
	    snprintf(link, sizeof(link), "unit:%s", unit) >= (int)sizeof(link))
		return -EINVAL;
	if (symlinkat(name, dir_fd, link) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	/* A unit has one machine; what is there is of one that is gone. */
	if (unlinkat(dir_fd, link, 0) < 0 || symlinkat(name, dir_fd, link) < 0)
		return -errno;
	return 0;
}

/* Nobody sees half of it, and a crash leaves nothing that has no name. What is there already is of
 * a machine that is gone. */
static int put(int dir_fd, const char *name, const char *text)
{
	autoclose int fd = -EBADF;
	char path[32];
	int r;

	fd = openat(dir_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, text, strlen(text));
	if (r < 0)
		return r;
	if (fchmod(fd, 0644) < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, path, dir_fd, name, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	return linkat(AT_FDCWD, path, dir_fd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

int state_file_write(struct arena *arena, const char *directory, const struct state_file *file)
{
	const char *text = state_file_print(arena, file);
	autoclose int dir = -EBADF;
	int r;

	if (!name_is_machine(file->name))
		return -EINVAL;
	dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 && errno == ENOENT) {
		r = dir_make_all(directory, 0755);
		if (r < 0)
			return r;
		dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (dir < 0)
		return -errno;
	r = put(dir, file->name, text);
	if (r >= 0 && file->unit != NULL)
		r = link_unit(dir, file->unit, file->name);
	return r;
}

/* Only a link that leads to NAME. */
static void unlink_unit(int dir_fd, const char *unit, const char *name)
{
	char link[LINK_ROOM], target[NAME_MAX_LENGTH + 2];
	ssize_t size;

	if (!path_is_file_name(unit) ||
	    snprintf(link, sizeof(link), "unit:%s", unit) >= (int)sizeof(link))
		return;
	size = readlinkat(dir_fd, link, target, sizeof(target));
	if (size == (ssize_t)strlen(name) && memcmp(target, name, (size_t)size) == 0)
		(void)unlinkat(dir_fd, link, 0);
}

struct found {
	int dir_fd;
	char *text;
	size_t size;
};

/* 1: it names LEADER. 0: it does not, or is not there. */
static int find(struct arena *arena, struct found *ret, const char *path, pid_t leader)
{
	const char *name = path_name(path), *number;
	struct found found = { .dir_fd = -EBADF };
	autoclose int dir = -EBADF;
	autoclose int fd = -EBADF;
	uint32_t noted;
	int r;

	if (!path_is_absolute(path) || !name_is_machine(name))
		return -EBADMSG;
	dir = open(path_parent(arena, path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? 0 : -errno;
	r = file_read_fd(arena, &found.text, &found.size, fd, STATE_FILE_SIZE_MAX);
	if (r < 0)
		return r == -EBADFD || r == -EFBIG ? 0 : r;
	number = envfile_find(arena, found.text, found.size, "LEADER");
	if (number == NULL || parse_u32(&noted, number) < 0 || noted != (uint32_t)leader)
		return 0;
	found.dir_fd = take_fd(&dir);
	*ret = found;
	return 1;
}

/* All lines but the one with the interfaces. */
static char *without_interfaces(struct arena *arena, const struct found *found)
{
	char *rest = arena_text_n(arena, found->text, found->size), *text = arena_text(arena, "");

	for (char *line = rest, *next; *line != '\0'; line = next) {
		next = line + strcspn(line, "\n");
		next += *next == '\n';
		if (text_after(line, INTERFACES "=") == NULL)
			text = arena_format(arena, "%s%.*s", text, (int)(next - line), line);
	}
	return text;
}

int state_file_update(struct arena *arena, const char *path, pid_t leader,
		      const uint32_t *interfaces, size_t count)
{
	struct found found = { .dir_fd = -EBADF };
	autoclose int dir = -EBADF;
	char *text;
	int r;

	r = find(arena, &found, path, leader);
	if (r <= 0)
		return r;
	dir = found.dir_fd;
	text = add_interfaces(arena, without_interfaces(arena, &found), interfaces, count);
	return file_replace(dir, path_name(path), text, strlen(text), 0644);
}

int state_file_remove(struct arena *arena, const char *path, pid_t leader)
{
	struct found found = { .dir_fd = -EBADF };
	autoclose int dir = -EBADF;
	const char *unit;
	int r;

	r = find(arena, &found, path, leader);
	if (r <= 0)
		return r;
	dir = found.dir_fd;
	unit = envfile_find(arena, found.text, found.size, "SCOPE");
	if (unit != NULL)
		unlink_unit(dir, unit, path_name(path));
	return unlinkat(dir, path_name(path), 0) < 0 && errno != ENOENT ? -errno : 0;
}
