#include "image/tidy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "image/lock.h"
#include "image/quota.h"
#include "image/together.h"
#include "io/clock.h"
#include "io/dir.h"
#include "io/fd.h"

#define NEW ".#new."
#define OLD ".#old."
#define NAME_ROOM 200 /* of 255, for what is put around it */

static const char *const beside[] = { ".lck", ".base" };

/* ".#NAME.lck" or ".#NAME.base", whatever the name of the tree is: "new.x", say. */
static const char *end_beside(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(beside); i++)
		if (text_after(name, ".#") && text_ends(name, beside[i]))
			return name + strlen(name) - strlen(beside[i]);
	return NULL;
}

/* Whoever waits for such a lock sees that its file has no name any more. */
static void remove_beside_nothing(int dir_fd, const char *name, const char *end)
{
	autoclose int lock = -EBADF;
	char tree[256];
	struct stat st;

	snprintf(tree, sizeof(tree), "%.*s", (int)(end - name - 2), name + 2);
	if (fstatat(dir_fd, tree, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
		return;
	lock = lock_file(dir_fd, name, true);
	if (lock >= 0)
		(void)unlinkat(dir_fd, name, 0);
}

static int remove_left_behind(int dir_fd, const char *name, unsigned char type, void *context)
{
	const struct tidy *tidy = context;
	const char *end = end_beside(name);
	int r = 0;

	(void)type;
	if (end)
		remove_beside_nothing(dir_fd, name, end);
	else if (text_after(name, NEW) || text_after(name, OLD))
		r = quota_remove_all(dir_fd, name);
	if (r < 0)
		log_warning("cannot remove '%s/%s', which was left behind: %s, going on without",
			    tidy->path, name, strerror(-r));
	return 0;
}

int tidy_begin(struct arena *arena, struct tidy *ret, const char *directory)
{
	autoclose int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct tidy tidy = { .path = arena_text(arena, directory), .fd = fd };
	int r;

	if (fd < 0)
		return fail(-errno, "cannot open the directory of images '%s'", directory);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		/* First: notes say what is to be done with what is hidden. */
		(void)together_sweep(fd, directory);
		(void)dir_walk(fd, remove_left_behind, &tidy);
	}
	r = fd_lock(fd, LOCK_SH);
	if (r < 0)
		return fail(r, "cannot lock the directory of images '%s'", directory);
	tidy.fd = take_fd(&fd);
	*ret = tidy;
	return 0;
}

void tidy_end(struct tidy *tidy)
{
	fd_close(&tidy->fd);
}

static char *hidden(struct arena *arena, const char *prefix, const char *name)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		random = clock_realtime_us();
	return arena_format(arena, "%s%.*s.%016llx", prefix, NAME_ROOM, name,
			    (unsigned long long)random);
}

char *tidy_new(struct arena *arena, const char *name)
{
	return hidden(arena, NEW, name);
}

char *tidy_old(struct arena *arena, const char *name)
{
	return hidden(arena, OLD, name);
}
