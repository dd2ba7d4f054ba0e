/* machine/middle - the network namespace between a user's machines and pasta.
 *
 * It is what the host is to root's machines: their links' other ends, zones, and the packet filter
 * are there. It belongs to the user namespace that the supervisors of such machines share, so that
 * no machine's root has a say in it. All of a user's machines that need one are in the same; it
 * comes with the first supervisor and goes with the last, and no process is needed for it.
 *
 * Who is in it stands in a list beside the records, a line "PID START NUMBER FD ID SLOT" for each.
 * NUMBER is the namespace's inode, which another one may have later; ID, random, is its own. A
 * supervisor is in it later than it is in the list: until then it holds it as its descriptor FD.
 * SLOT tells the addresses of its machine's way out (format/uplink). Who is dead, or another
 * process by now, is passed over. Speaking.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"

struct arena;

struct middle {
	int list_fd;	/* locked: nobody else looks for one, or makes one */
	pid_t pid;	/* somebody who is in it; 0: nobody is, and there is none */
	int process_fd; /* of /proc/PID */
	int user_fd, net_fd;
	uint64_t id;
	uint32_t slot; /* the caller's: nobody has it yet */
};

/* A line of the list. */
struct middle_member {
	pid_t pid;
	uint64_t start;
	uint32_t number, fd;
	uint64_t id;
	uint32_t slot;
};

#define MIDDLE_EMPTY                                                                         \
	{                                                                                    \
		.list_fd = -EBADF, .process_fd = -EBADF, .user_fd = -EBADF, .net_fd = -EBADF \
	}

/* The one there is, if any, and the lock, until middle_close(). Outside of all such user
 * namespaces, or in that one. */
int middle_open(struct arena *arena, struct middle *ret, const char *runtime);
void middle_close(struct middle *middle);
#define automiddle CLEANUP(middle_close)

/* False: it is none, or was not written whole. Pure. */
bool middle_parse(struct arena *arena, struct middle_member *ret, const char *line);
char *middle_print(struct arena *arena, const struct middle_member *member);

/* Somebody may be in one; DIRECTORY: the records'. */
bool middle_is_listed(int directory);

/* There was none: its namespace is made, owned by the caller's user namespace. */
int middle_make(struct middle *middle);

/* PID is in it from now on, or holds it as FD. */
int middle_note(struct arena *arena, const struct middle *middle, pid_t pid, int fd);

/* The same for who comes by another way: a new supervisor, or who holds a machine for one. Of
 * MIDDLE only net_fd, id and slot are needed; DIRECTORY is the records'. */
int middle_add(struct arena *arena, int directory, const struct middle *middle, pid_t pid, int fd);

/* PID leaves it; with the last one the list goes. */
void middle_leave(struct arena *arena, const char *runtime, pid_t pid);

/* RUN in a child of ours that is in the one with that ID; what it returns. -ENOENT: it is there no
 * more, and nothing in it. -EPERM: it cannot be entered from here. */
int middle_run(struct arena *arena, const char *runtime, uint64_t id, int (*run)(void *context),
	       void *context);
