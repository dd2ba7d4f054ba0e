/* machine/network-file - the facts of a running machine's network, beside its record.
 *
 * ".NAME.network" in the records' directory: written by the supervisor, and by who changes ports
 * while the machine runs; replaced as a whole. The record's removal takes it along. Quiet, but for
 * the last.
 */
#pragma once
#include <stddef.h>

#include "net/facts.h"

struct arena;

#define NETWORK_FILE_ROOM 80

/* Pure: ".NAME.network". */
void network_file_name(char ret[NETWORK_FILE_ROOM], const char *machine);

/* DIR_FD: the records' directory. */
int network_file_write(struct arena *arena, int dir_fd, const char *machine,
		       const struct facts *facts);

/* -ENOENT: it has no links. */
int network_file_read(struct arena *arena, struct facts *ret, int dir_fd, const char *machine);

/* For who cleans up after a machine whose record has TAG: its part of the host's rules. */
int network_file_undo(struct arena *arena, int dir_fd, const char *machine, const char *tag);
