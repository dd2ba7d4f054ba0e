#include "machine/guest-login.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/path.h"
#include "base/text.h"
#include "io/fd.h"
#include "kernel/resolve.h"

enum kind { KIND_AGETTY, KIND_GETTY, KIND_LOGIN, KIND_BUSYBOX };

static const struct {
	const char *path;
	enum kind kind;
} places[] = {
	{ "/sbin/agetty", KIND_AGETTY },      { "/usr/sbin/agetty", KIND_AGETTY },
	{ "/usr/bin/agetty", KIND_AGETTY },   { "/sbin/getty", KIND_GETTY },
	{ "/usr/sbin/getty", KIND_GETTY },    { "/usr/bin/getty", KIND_GETTY },
	{ "/bin/login", KIND_LOGIN },	      { "/usr/bin/login", KIND_LOGIN },
	{ "/bin/busybox", KIND_BUSYBOX },     { "/sbin/busybox", KIND_BUSYBOX },
	{ "/usr/bin/busybox", KIND_BUSYBOX },
};

/* The last component of what PATH really is, after all links; NULL: nothing that can be run. */
static const char *real_name(struct arena *arena, int root_fd, const char *path)
{
	autoclose int fd = -EBADF;
	char link[32], target[4096];
	struct stat st;
	ssize_t length;

	fd = resolve_open(root_fd, path, O_PATH);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !(st.st_mode & 0111))
		return NULL;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, target, sizeof(target) - 1);
	if (length < 0)
		return NULL;
	target[length] = '\0';
	return path_name(arena_text(arena, target));
}

static enum kind kind_of(enum kind kind, const char *name)
{
	if (kind == KIND_GETTY && text_equal(name, "agetty"))
		return KIND_AGETTY;
	return kind;
}

/* "-": standard input is the terminal. util-linux: agetty(8). busybox: a speed comes first, and 0
 * keeps what there is. */
static char **words(struct arena *arena, const char *path, enum kind kind, const char *term)
{
	static const char *const lines[][5] = {
		[KIND_AGETTY] = { "--noclear", "-" },
		[KIND_GETTY] = { "-L", "0", "-" },
		[KIND_LOGIN] = { NULL },
		[KIND_BUSYBOX] = { "login" },
	};
	struct text_list list = { 0 };

	if (kind != KIND_BUSYBOX)
		text_list_add(arena, &list, arena_text(arena, path));
	for (size_t i = 0; lines[kind][i] != NULL; i++)
		text_list_add(arena, &list, arena_text(arena, lines[kind][i]));
	if (kind == KIND_AGETTY || kind == KIND_GETTY)
		text_list_add(arena, &list, arena_text(arena, term));
	return list.items;
}

int guest_login_find(struct arena *arena, const char **ret_path, char ***ret_arguments, int root_fd,
		     const char *term)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const char *name = real_name(arena, root_fd, places[i].path);

		if (name == NULL)
			continue;
		*ret_path = places[i].path;
		*ret_arguments = words(arena, places[i].path, kind_of(places[i].kind, name), term);
		return 0;
	}
	return -ENOENT;
}
