/* image/tidy - unfinished work in a directory of images, and who clears it away.
 *
 * What grows is ".#new.NAME.HEX" until it is complete and gets its name; what is removed is
 * ".#old.NAME.HEX" first. Whoever makes such names holds the directory meanwhile, by tidy_begin().
 * Who is alone there removes what others have left behind that were killed: so nothing half-made is
 * ever visible, and none of it stays; nor do locks and marks of trees that are gone. Speaking. Any
 * process.
 */
#pragma once

struct arena;

struct tidy {
	const char *path;
	int fd; /* the directory, which also is the lock */
};

#define TIDY_EMPTY           \
	{                    \
		.fd = -EBADF \
	}

/* Waits while another one cleans up. */
int tidy_begin(struct arena *arena, struct tidy *ret, const char *directory);
void tidy_end(struct tidy *tidy);

/* Names nobody else has. */
char *tidy_new(struct arena *arena, const char *name);
char *tidy_old(struct arena *arena, const char *name);
