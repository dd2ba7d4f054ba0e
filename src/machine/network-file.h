/* machine/network-file - the facts of a running machine's network, beside its record.
 *
 * ".NAME.network" in the records' directory: written by the supervisor at the start, then by who
 * changes the network while the machine runs; replaced as a whole. What is in it is undone when the
 * machine ends (machine/network-undo). Who changes it, or undoes it, holds the lock meanwhile: of
 * the record itself (flock(2), beside the lock that says that its supervisor lives), as that file
 * is not replaced. The record's removal takes the facts along. Quiet.
 */
#pragma once
#include <stddef.h>

#include "net/facts.h"

struct arena;

#define NETWORK_FILE_ROOM 80
#define NETWORK_FILE_PATIENCE_MS 5000 /* for who changes it: that takes some milliseconds */

/* Pure: ".NAME.network". */
void network_file_name(char ret[NETWORK_FILE_ROOM], const char *machine);

/* The machine of such a name into RET; -EINVAL: it is another file. */
int network_file_machine(char ret[NETWORK_FILE_ROOM], const char *name);

/* DIR_FD: the records' directory. */
int network_file_write(struct arena *arena, int dir_fd, const char *machine,
		       const struct facts *facts);

/* -ENOENT: it has no links. */
int network_file_read(struct arena *arena, struct facts *ret, int dir_fd, const char *machine);

/* Those of the machine whose record has TAG; -ENOENT also if they are of an earlier one. */
int network_file_read_of(struct arena *arena, struct facts *ret, int dir_fd, const char *machine,
			 const char *tag);

/* With what a command that was interrupted has left: machine/network-policy's ".NAME.resolv". */
#define NETWORK_FILE_RESOLV ".%.64s.resolv"
void network_file_remove(int dir_fd, const char *machine);

/* Take the lock of a record that is open. -EBUSY: somebody has it for too long. */
int network_file_lock(int record_fd);
/* The same for who must not wait: -EBUSY: somebody has it. */
int network_file_try_lock(int record_fd);
void network_file_unlock(int record_fd);

/* Open MACHINE's record and take its lock; closing the result gives it back. Whoever waited must
 * look again whether the machine is still there. -ENOENT: it has no record any more. -EBUSY. */
int network_file_hold(int dir_fd, const char *machine);
