/* kernel/loop - parts of files as block devices (loop(4)).
 *
 * A device that was attached here goes by itself when nobody has it open and
 * no file system of it is mounted any more, also when everybody is killed.
 * Needs root over the host. Any process. Quiet.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* A descriptor of a device that shows SIZE bytes at OFFSET of FILE_FD (open for writing unless
 * READ_ONLY); whole sectors of 512 bytes. NAME: for who looks at it, 63 bytes at most.
 * -ENOENT: there is no /dev/loop-control, or no node of the device. */
int loop_attach(unsigned int *ret_number, int file_fd, uint64_t offset, uint64_t size,
		bool read_only, const char *name);

/* 1: FD is a device that has NAME and shows something; 0: it is not. */
int loop_has_name(int fd, const char *name);
