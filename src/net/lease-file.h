/* net/lease-file - files that say who has something: "TAG NAME" (net/pool). Quiet. Any process.
 *
 * DIR_FD is a directory that only the caller may write to. Who looks and then claims gets it only
 * if it is still as it was seen; a file that nobody finished belongs to nobody.
 */
#pragma once
#include "base/names.h"

#define LEASE_FILE_TAG_ROOM 33

struct lease_file {
	char tag[LEASE_FILE_TAG_ROOM]; /* 1 to 32 hexadecimal digits; "": nobody */
	char name[NAME_MAX_LENGTH + 1];
};

/* Who has FILE. 0 also if it is not there: then nobody. */
int lease_file_look(struct lease_file *ret, int dir_fd, const char *file);

/* It becomes MINE, if SEEN has it still. -EBUSY: somebody was faster. */
int lease_file_claim(int dir_fd, const char *file, const struct lease_file *seen,
		     const struct lease_file *mine);

/* Remove FILE if TAG has it. 0 also if not. */
int lease_file_drop(int dir_fd, const char *file, const char *tag);

/* Hold the directory, as others of these do, until DIR_FD is closed. -EBUSY: it is somebody's, and
 * still after WAIT_MS. */
int lease_file_hold(int dir_fd, unsigned int wait_ms);
