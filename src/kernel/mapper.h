/* kernel/mapper - block devices that the kernel makes of others (device-mapper).
 *
 * A device that was made here goes by itself when nobody has it open and no file system of it is
 * mounted any more, also when everybody is killed; and lets go of those that it is made of.
 * Needs root over the host. Any process. Quiet.
 */
#pragma once
#include <stdint.h>

/* A descriptor, for reading, of a device of SECTORS times 512 bytes that nobody can write to. NAME
 * is for who looks at it, and gets a number. TARGET ("verity") is what makes it, TABLE what that is
 * told. -ENOENT: there is no device-mapper. -ENOPKG: it has no such target. -ENODEV: no node of the
 * device. -EBADMSG: what lies there cannot be read, which is how a target tells that it is not what
 * it should be. */
int mapper_open(const char *name, const char *target, uint64_t sectors, const char *table);
