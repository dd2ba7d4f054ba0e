/* prog/nixos-container/unfinished - a create that did not come to its end is taken back.
 *
 * What is there already is noted in the file of the container's lock before anything is made, and
 * the note goes when all is done. Whoever gets the lock and finds one there takes back what was
 * made, as create itself does when it fails; what was there before stays. Speaking.
 */
#pragma once
#include <stdbool.h>

struct context;
struct nixos;

struct unfinished {
	bool tree, profiles, gcroots, configuration; /* were there before */
};

void unfinished_look(struct unfinished *ret, const struct nixos *container);

int unfinished_note(const struct context *context, int lock_fd,
		    const struct unfinished *unfinished);
void unfinished_end(int lock_fd);

int unfinished_take_back(const struct context *context, const struct nixos *container,
			 const struct unfinished *unfinished);

/* LOCK_FD is the lock of container NAME. */
int unfinished_reap(const struct context *context, int lock_fd, const char *name);
