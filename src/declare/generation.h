/* declare/generation - what was applied: directories that never change, and a link to one.
 *
 * In the store ("/var/lib/redd", or "~/.local/state/redd")
 *
 *	generations/N/files/NAME.nspawn	the definition, flattened, that the runner reads
 *	generations/N/images/NAME…	a link to its root: what `start NAME` finds; and, if its
 *					image says how it is run, to that (NAME.nspawn)
 *	generations/N/images.lock	what each image was: source and digest
 *	generations/N/manifest.json	the same and more, for other programs
 *	generations/N/log		what was done: the journal of an apply
 *	current				a link to "generations/N"
 *
 * The rename of that link is the only moment in which anything changes, for definitions and images
 * alike. A generation grows as "N.tmp", is written to disk, and gets its name by a rename; so what
 * has a name is whole, the link never dangles, and what killed programs left ends with ".tmp". Its
 * log alone is appended to: an apply that ended says so there, and one that does not was
 * interrupted. What is done later to what it says, a machine that is started again, is noted too:
 * the last end counts.
 *
 * Whoever changes anything holds the lock. Speaking. Any process, as the store's owner.
 */
#pragma once
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct text_list;

#define GENERATION_MACHINES_MAX 10000
#define GENERATION_FILE_MAX (1024 * 1024)      /* one definition */
#define GENERATION_LOCK_MAX (64 * 1024 * 1024) /* images.lock */
#define GENERATION_LOG_HEAD 4096	       /* of the log, which may grow: what is read of it */
#define GENERATION_LOG_TAIL (4 * 1024 * 1024)
#define GENERATION_NUMBER_MAX 999999999u
#define GENERATION_DIRECTORY "generations"
#define GENERATION_CURRENT "current"

struct generation_machine {
	const char *name;
	const char *text; /* the definition */
	size_t size;
	/* "" where it has none; no control characters */
	const char *source; /* as it is written: "oci:web:12" */
	const char *digest; /* "sha256:…" */
	const char *file;   /* "web.mstack": its name in images/ */
	const char *target; /* of that link */
};

enum generation_end {
	GENERATION_OPEN, /* not all of it was done yet, or that was interrupted */
	GENERATION_DONE,
	GENERATION_REVERTED, /* it failed, and the one before it took its place again */
	GENERATION_FAILED,   /* and that, or the way back, failed in part */
	GENERATION_ENDS
};

struct generation {
	unsigned int number, previous; /* previous: that was current then; 0: none */
	uint64_t created_us;	       /* realtime */
	const char *reason;	       /* "apply", "rollback to 3": one line */
	enum generation_end end;
	struct generation_machine *machines; /* sorted by name */
	size_t count;
};

struct generations {
	const char *path; /* of the store */
	int fd, all_fd;	  /* of it, and of GENERATION_DIRECTORY */
	int lock_fd;
};

#define GENERATIONS_EMPTY                                         \
	{                                                         \
		.fd = -EBADF, .all_fd = -EBADF, .lock_fd = -EBADF \
	}

/* PATH is the store's. -ENOENT, with nothing recorded: nothing was ever applied, and MAKE is not
 * set. */
int generations_open(struct arena *arena, struct generations *ret, const char *path, bool make);
void generations_done(struct generations *generations);

/* Nobody else changes anything until generations_done(), nor until whoever inherited LOCK_FD has
 * ended. Waits, and says for whom; what killed ones left is removed. */
int generations_lock(struct generations *generations);

/* The number of the one that is current; 0: none. */
int generations_current(const struct generations *generations);

/* All numbers, ascending. */
int generations_list(struct arena *arena, const struct generations *generations, unsigned int **ret,
		     size_t *ret_count);

/* -ENOENT: there is none of this number. */
int generation_read(struct arena *arena, struct generation *ret,
		    const struct generations *generations, unsigned int number);

/* The same but for its machines, which may be many. */
int generation_read_log(struct arena *arena, struct generation *ret,
			const struct generations *generations, unsigned int number);

/* NULL: not in it. */
const struct generation_machine *generation_find(const struct generation *generation,
						 const char *name);

/* Nothing of a machine is another in B than in A. NULL: it is not in there. */
bool generation_same(const struct generation_machine *a, const struct generation_machine *b);

/* On disk, as the next number, which is set; machines are sorted. It is not current yet. Needs the
 * lock. */
int generation_make(struct arena *arena, const struct generations *generations,
		    struct generation *generation);

/* It is current from now on: on disk, at once, or not at all. 0: none is. Needs the lock. */
int generations_switch(const struct generations *generations, unsigned int number);

/* Append a line to its log. */
int generation_note(struct arena *arena, const struct generations *generations, unsigned int number,
		    const char *event, const char *text);
int generation_end(struct arena *arena, const struct generations *generations, unsigned int number,
		   enum generation_end end);
const char *generation_end_name(enum generation_end end);

/* Whatever it is, but the current one (-EBUSY). Needs the lock. */
int generation_remove(const struct generations *generations, unsigned int number);
