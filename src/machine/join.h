/* machine/join - a process of ours becomes the machine's root, without being in the machine.
 *
 * It joins the user namespace only: nobody in there sees or traces it, and its descriptors, those
 * of the host too, stay its own (classes S2, S3). What has to run in the machine is
 * machine/enter's. Speaking.
 */
#pragma once
#include <errno.h>
#include <stdbool.h>

struct machine;

struct join {
	const struct machine *machine;
	int leader;  /* its pidfd */
	int root_fd; /* O_PATH, its "/" */
	int user_fd; /* its user namespace */
	bool user;   /* that is another one than ours */
};

#define JOIN_EMPTY                                                     \
	{                                                              \
		.leader = -EBADF, .root_fd = -EBADF, .user_fd = -EBADF \
	}

/* In the caller. Also takes away that this process can be traced or dumped, for good. */
int join_open(struct join *ret, const struct machine *machine);
void join_done(struct join *join);

/* In a child of its own: it has all capabilities of the machine's user namespace afterwards. Does
 * nothing where there is none. */
int join_become_root(const struct join *join);
