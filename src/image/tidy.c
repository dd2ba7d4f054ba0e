#include "image/tidy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "io/clock.h"
#include "image/growing.h"
#include "io/dir.h"
#include "io/fd.h"

#define NEW ".#new."
#define OLD ".#old."
#define NAME_ROOM 200 /* of 255, for what is put around it */

static int remove_left_behind(int dir_fd, const char *name, unsigned char type, void *context)
{
	const struct tidy *tidy = context;
	int r;

	(void)type;
	if (!text_after(name, NEW) && !text_after(name, OLD))
		return 0;
	r = dir_remove_all(dir_fd, name);
	if (r < 0)
		log_warning("cannot remove '%s/%s', which was left behind: %s, going on without",
			    tidy->path, name, strerror(-r));
	return 0;
}

int tidy_begin(struct arena *arena, struct tidy *ret, const char *directory)
{
	autoclose int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct tidy tidy = { .path = arena_text(arena, directory), .fd = fd };

	if (fd < 0)
		return fail(-errno, "cannot open the directory of images '%s'", directory);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		(void)dir_walk(fd, remove_left_behind, &tidy);
		(void)growing_sweep(fd, directory);
	}
	while (flock(fd, LOCK_SH) < 0)
		if (errno != EINTR)
			return fail(-errno, "cannot lock the directory of images '%s'", directory);
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
