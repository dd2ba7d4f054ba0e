#include "machine/facts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/text.h"
#include "format/envfile.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/resolve.h"

#define IDS_OF_A_USER 65534 /* what the original calls a shift must have at least */

static int find_file(int root_fd, const char *path, bool one_mount)
{
	return one_mount ? resolve_open_one_mount(root_fd, path, O_PATH)
			 : resolve_open(root_fd, path, O_PATH);
}

/* Looked at before it is opened: a device node does things when it is, and the guest's filter does
 * not hold us back. */
static int find_regular(int *ret_fd, struct stat *ret, int root_fd, const char *path,
			bool one_mount)
{
	autoclose int found = find_file(root_fd, path, one_mount);

	if (found < 0)
		return found;
	if (fstat(found, ret) < 0)
		return -errno;
	if (!S_ISREG(ret->st_mode))
		return -EBADFD;
	if (ret->st_size > OS_RELEASE_SIZE_MAX)
		return -EFBIG;
	*ret_fd = take_fd(&found);
	return 0;
}

/* One read: a file that changes meanwhile may be cut. */
static ssize_t read_found(char *ret, size_t room, int found_fd)
{
	autoclose int fd = fd_reopen(found_fd, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	ssize_t size;

	if (fd < 0)
		return fd;
	size = read(fd, ret, room);
	return size < 0 ? -errno : size;
}

static const char *shorten(struct arena *arena, const char *value)
{
	size_t length = strnlen(value, OS_RELEASE_VALUE_MAX);

	return length == 0 ? NULL : arena_text_n(arena, value, length);
}

static void parse_os_release(struct arena *arena, struct os_release *ret, const char *text,
			     size_t size)
{
	struct os_release found = { 0 };
	struct envfile file;
	char *name, *value;

	if (envfile_start(&file, arena, text, size) >= 0)
		while (envfile_next(&file, &name, &value) > 0) {
			const char **field = text_equal(name, "ID")	       ? &found.id
					     : text_equal(name, "VERSION_ID")  ? &found.version_id
					     : text_equal(name, "PRETTY_NAME") ? &found.pretty_name
									       : NULL;

			if (field != NULL)
				*field = shorten(arena, value);
		}
	*ret = found;
}

static bool is_from(const struct os_release *os, const struct stat *st)
{
	return os != NULL && os->inode == st->st_ino && os->device == st->st_dev &&
	       os->changed.tv_sec == st->st_ctim.tv_sec &&
	       os->changed.tv_nsec == st->st_ctim.tv_nsec;
}

static int read_os_release(struct arena *arena, struct os_release *ret,
			   const struct os_release *earlier, int found_fd, const struct stat *st)
{
	char *text;
	ssize_t size;

	if (is_from(earlier, st)) {
		*ret = *earlier;
		return 0;
	}
	text = arena_take(arena, (size_t)st->st_size + 1);
	size = read_found(text, (size_t)st->st_size, found_fd);
	if (size < 0)
		return (int)size;
	parse_os_release(arena, ret, text, (size_t)size);
	ret->device = st->st_dev;
	ret->inode = st->st_ino;
	ret->changed = st->st_ctim;
	return 0;
}

int facts_os_release(struct arena *arena, struct os_release *ret, const struct os_release *earlier,
		     int root_fd, bool one_mount)
{
	static const char *const places[] = { "etc/os-release", "usr/lib/os-release" };
	int r = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(places) && r == -ENOENT; i++) {
		autoclose int found = -EBADF;
		struct stat st;

		r = find_regular(&found, &st, root_fd, places[i], one_mount);
		if (r >= 0)
			r = read_os_release(arena, ret, earlier, found, &st);
	}
	return r;
}

int facts_id_shift(uint32_t *ret, int proc_fd)
{
	char users[256], groups[256];
	unsigned int inside, outside, count;
	int used = 0, r;

	r = file_read_line(users, sizeof(users), proc_fd, "uid_map");
	if (r >= 0)
		r = file_read_line(groups, sizeof(groups), proc_fd, "gid_map");
	if (r < 0)
		return r;
	if (sscanf(users, "%u %u %u%n", &inside, &outside, &count, &used) != 3 ||
	    users[used] != '\0' || inside != 0 || count < IDS_OF_A_USER ||
	    strcmp(users, groups) != 0)
		return -ENXIO;
	*ret = outside;
	return 0;
}
