/* image/together - several names change, all of them or none.
 *
 * An image and what belongs to it (settings, root hashes) are files of their own, and each gets its
 * name by a rename of its own. One of these decides: until it is done all others are undone after a
 * failure, from then on the rest is done as well. What is to be renamed is noted before in the
 * directory of images, by identity, so that the same holds when the program is killed: the next one
 * that opens the directory finishes what was begun, or takes it back.
 *
 *	together_add()     in this order; exactly one of them TOGETHER_DECIDES
 *	together_note()    nothing has changed yet
 *	together_run()
 *	together_done()    removes what has hidden names (".#…") then
 *
 * Where one rename is all, nothing is noted. Quiet about failures, but warns of what is left out.
 * Any process.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/growing.h"

struct arena;

#define TOGETHER_STEPS_MAX 32
#define TOGETHER_NOTE_MAX (256 * 1024)

enum together_flags {
	TOGETHER_DECIDES = 1,
	TOGETHER_REPLACES = 2, /* what has the name gets the other one */
	TOGETHER_YIELDS = 4,   /* what has the name keeps it; that is told */
	TOGETHER_MARKED = 8,   /* a directory that is immutable (chattr +i) while it can be seen */
	TOGETHER_SURELY = 16,  /* and nothing is done where that cannot be */
	TOGETHER_FLAGS = 31,
};

struct together_step {
	const char *directory, *from, *to; /* the same name twice: only the mark, if undone */
	unsigned int flags;
	uint64_t system, inode, born; /* who gets the name */
	bool done, replaced;
	int old_fd; /* what is replaced or hidden, locked as what grows is */
};

struct together {
	struct arena *arena;
	const char *directory;
	int directory_fd; /* borrowed: where it is noted */
	struct growing note;
	struct together_step steps[TOGETHER_STEPS_MAX];
	size_t count, failed; /* failed: the step that together_run() could not do */
	bool left;	      /* something is left for the next one to do */
};

void together_begin(struct together *ret, struct arena *arena, const char *directory,
		    int directory_fd);

/* FROM becomes TO, both file names in the directory at the path DIRECTORY. Strings are copied.
 * -ENOENT: it is not there. */
int together_add(struct together *together, const char *directory, const char *from, const char *to,
		 unsigned int flags);

/* SYNC: and it is on disk. A disk without room is no failure. */
int together_note(struct together *together, bool sync);

/* After a failure all is as before. -EEXIST: a name is taken. */
int together_run(struct together *together);

/* Accepts what was only begun. A negative errno: not all of what is hidden could be removed. */
int together_done(struct together *together);

/* Finish, or take back, what killed ones have noted in DIR_FD, then remove what grows there and
 * nobody works on (growing_sweep). PATH is for warnings. How many things went. */
int together_sweep(int dir_fd, const char *path);

/* A directory cannot be changed, or can. -EOPNOTSUPP: its file system has no such mark. */
int together_set_immutable(int fd, bool immutable);

/* A directory that cannot be changed cannot be renamed or removed either. */
bool together_is_immutable(const char *path);
