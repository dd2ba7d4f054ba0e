/* net/userspace - the network of a container that a normal user starts: pasta, of the package
 * passt.
 *
 * It makes an interface in the container's network namespace, and what comes out of it goes on as
 * if the user's own programs had sent it: no privilege, and no interface on the host. What listens
 * on the host's loopback addresses only stays out of the container's reach.
 *
 * Any version may be installed: only what the oldest in use (2023) has is asked for. Speaking.
 * Supervisor, in a user namespace that owns the container's, or the namespace in the middle
 * (machine/middle), for which the same is done.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "format/ip.h"

struct arena;
struct port;

#define USERSPACE_PROGRAM "pasta"
#define USERSPACE_MTU 65520 /* its own default: what its largest frame holds */
#define USERSPACE_WORDS_ROOM 256

struct userspace_wish {
	const char *program; /* absolute path */
	pid_t pid;	     /* whose user and network namespace it joins */
	bool same_user;	     /* only the network namespace: it has the user namespace */
	const char *interface;
	const uint8_t *mac, *gateway_mac; /* 6 bytes */

	/* IPv4 and IPv6; family 0: that one is not there at all. Nothing is configured in the
	 * container, but its DHCP client would be told this. */
	struct ip_prefix guest[2];
	struct ip gateway[2];
	struct ip dns[2]; /* what is sent there is asked of the host's first resolver */

	const struct port *ports;
	size_t port_count;
	bool outlives; /* us; else it ends with us */
};

struct userspace {
	pid_t pid; /* 0: none */
	uint64_t start;
	int pidfd;    /* readable: it has ended */
	int words_fd; /* what it says; -EBADF: it was taken over */
	int gate_fd;
	bool ready;
	size_t length; /* of the line that is not complete yet */
	char line[USERSPACE_WORDS_ROOM], words[USERSPACE_WORDS_ROOM]; /* the last complete one */
};

#define USERSPACE_EMPTY                                                 \
	{                                                               \
		.pidfd = -EBADF, .words_fd = -EBADF, .gate_fd = -EBADF, \
	}

/* The words it is run with. Pure. */
void userspace_arguments(struct arena *arena, struct text_list *ret,
			 const struct userspace_wish *wish);

/* That the ports are free, or will be in a moment: pasta is content if a part of them is. */
int userspace_check_ports(const struct userspace_wish *wish);

/* Make the process, which waits: pid and start can be noted before it does anything. */
int userspace_start(struct arena *arena, struct userspace *ret, const struct userspace_wish *wish);

/* Let it go on; and wait until its interface is there, and its ports are bound. */
int userspace_release(struct userspace *userspace);
int userspace_await(struct userspace *userspace);

/* One that an earlier supervisor made, or none if it is not the same any more. Quiet. */
void userspace_take_over(struct userspace *ret, pid_t pid, uint64_t start);

/* What it said last; "": nothing. Quiet. */
const char *userspace_words(struct userspace *userspace);

/* End it, if it has not by itself. Accepts none. Quiet. The kernel takes some 50 ms to remove its
 * interface; who has no time for that takes *RET_LEAVING, a pidfd, to reap it later or never. */
void userspace_end(struct userspace *userspace, int *ret_leaving);
