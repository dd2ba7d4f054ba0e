/* image/raw-serve - file systems of a disk image, shown by programs (FUSE) instead of the kernel.
 *
 * For who is not root of the host and so has no loop devices. Each program (superblock_server())
 * runs in redd-dissect's hands, where it can do nothing but read and write this image. Nothing of
 * that is noted anywhere, as nothing stays: it writes what it still has and ends when the last
 * mount of the file system is gone, whatever happens to us, and is killed if it takes long. It
 * holds a lock of the image meanwhile, by which a further start waits for it.
 *
 * Who waits for a program's answer cannot be killed, so there is always a limit to that where it
 * matters: it is killed when a limit has passed that we set, or some time after nobody has the
 * line any more, and then all who wait fail (-ENOTCONN). Speaking. Part of image/raw.
 */
#pragma once
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "format/disk.h"

struct arena;

#define RAW_SERVERS_PROCESSES (2 * DISK_ROLES)

/* What all servers of one start have in common. */
struct raw_servers {
	int locked_fd;	     /* the image: who has it holds the lock */
	int line_fd, far_fd; /* ours, and theirs: while they are started */
	int timer_fd;
	int home_fd; /* of the cgroup that they were started in, and return to */
	struct raw_server_process {
		pid_t pid;
		uint64_t start;
	} processes[RAW_SERVERS_PROCESSES];
	size_t process_count;
};

#define RAW_SERVERS_EMPTY                                                                     \
	{                                                                                     \
		.locked_fd = -EBADF, .line_fd = -EBADF, .far_fd = -EBADF, .timer_fd = -EBADF, \
		.home_fd = -EBADF                                                             \
	}

/* End those of an earlier start, which are still in RET; and lock the image, unless nothing will
 * run from it (PLAN). Waits for who still writes to it. */
int raw_servers_begin(struct raw_servers *ret, int image_fd, bool read_only, bool plan,
		      const char *path);

/* From now on, how long they have; 0: as long as they like. Records nothing. */
void raw_servers_limit(const struct raw_servers *servers, uint64_t limit_us);

/* They are left to the mounts, and to the line. Accepts empty ones. */
void raw_servers_rest(struct raw_servers *servers);

/* Those that live; how many. Quiet. */
size_t raw_servers_processes(const struct raw_servers *servers, pid_t ret[RAW_SERVERS_PROCESSES]);

/* Into the cgroup GROUP_FD, whose limits then hold them; as far as the kernel lets us. When the
 * last mount is gone, or nobody has the line any more, they return by themselves, so that the group
 * can be removed and nobody ends them with it: they may still have something to write. Quiet. */
int raw_servers_move(const struct raw_servers *servers, int group_fd);

/* Nobody may wait for them any more. Warns of those that have ended before. Accepts empty ones. */
void raw_servers_end(struct raw_servers *servers);

/* For whoever reads a disk image that no machine runs from any more: until what has served it has
 * written all of it. -EBUSY: a machine runs from it, or it took too long. Says when it takes long;
 * records nothing. */
int raw_serve_await(int image_fd);

/* There is a program for this type, and it is installed. */
bool raw_serve_can(struct arena *arena, enum superblock_type type);

struct raw_serve_request {
	struct raw_servers *servers;
	const struct disk_part *part;
	bool read_only; /* the program cannot write to the image either */
	uint64_t attributes;
	const char *role, *path; /* for the sentences */
	const char *dissect;	 /* that program's path */
};

/* The partition as a detached mount. */
int raw_serve(struct arena *arena, const struct raw_serve_request *request);
