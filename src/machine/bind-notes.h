/* machine/bind-notes - which mounts of a machine are ours, to be removed by machinectl bind.
 *
 * A file beside the machine's record, ".NAME.binds": the leader, then the identities of mounts.
 * They hold for this leader only, as mounts end with it. The record's removal takes it along.
 * Locked while it is open. Speaking, but for the second half.
 */
#pragma once
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct machine;

#define BIND_NOTES_MAX 1024
#define BIND_NOTES_ROOM 80 /* of the file's name */

struct bind_notes {
	int fd; /* holds the lock */
	const struct machine *machine;
	uint64_t *mounts;
	size_t count;
};

#define BIND_NOTES_EMPTY      \
	{                     \
		.fd = -EBADF, \
	}

int bind_notes_open(struct arena *arena, struct bind_notes *ret, const struct machine *machine);

/* Write them with one more, or one less; 0: none. */
int bind_notes_write(struct arena *arena, struct bind_notes *notes, uint64_t more, uint64_t less);
void bind_notes_done(struct bind_notes *notes);

bool bind_notes_have(const struct bind_notes *notes, uint64_t mount);

/* What stands for the mount that FD is on: a number that is never used again (Linux 6.8; before,
 * not while it is mounted). Quiet. */
int bind_notes_identity(int fd, uint64_t *ret);

/* Pure: the identities in TEXT, if it is of this leader; else none. More than BIND_NOTES_MAX are
 * left out. Quiet. */
void bind_notes_parse(struct arena *arena, struct bind_notes *ret, const char *text,
		      const char *leader);

/* Pure: ".NAME.binds". */
void bind_notes_name(char ret[BIND_NOTES_ROOM], const char *machine);
