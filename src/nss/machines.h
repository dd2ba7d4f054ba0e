/* nss/machines - the machines of root's that run on this host, by name and by address.
 *
 * Only files are read that nobody but root could have written, and a machine whose supervisor is
 * gone is none. Nothing waits, is locked, allocated (but a directory's entries) or kept, and no
 * environment is asked: this runs in any program, also in those that have more rights than who
 * started them. Quiet.
 */
#pragma once
#include "base/names.h"
#include "format/hosts.h"

#define MACHINES_MAX 1024 /* files that are looked at for an address */

/* 1: *ret is what is known of the machine NAME, or, if there is none of that name, of the one that
 * has "NAME.machine" for its name here, or else of the one that has either for a further one. 0: no
 * such machine. */
int machines_find(struct hosts *ret, const char *name);

/* 1: *ret is the name of a machine with ADDRESS. */
int machines_find_address(char ret[NAME_MAX_LENGTH + 1], const struct hosts_address *address);
