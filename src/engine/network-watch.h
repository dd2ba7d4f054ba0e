/* engine/network-watch - a machine that gives itself its addresses: names and ports follow it.
 *
 * On a bridge of the administrator's, or where systemd-networkd looks after the link, the
 * addresses are the guest's matter. Whatever tells that some have changed, inside or on the host,
 * is a reason to look which are believed (net/choice); ten times a second at most, and once a
 * second while they do nothing but change. Machines with addresses of ours have no such watch.
 *
 * Runs in: supervisor, in the host's network namespace. Speaks through the log; frees all that it
 * allocates.
 */
#pragma once
#include <errno.h>
#include <stdint.h>

#include "kernel/netlink.h"

struct facts;
struct network;

struct network_watch {
	int poll_fd;		    /* of the other three */
	int timer_fd;		    /* when it is time to look */
	struct netlink guest, host; /* are told of addresses */
	uint64_t changed_us;	    /* when the machine had other ones, the last time */
	bool told;
};

#define NETWORK_WATCH_EMPTY                                                    \
	{                                                                      \
		.poll_fd = -EBADF, .timer_fd = -EBADF, .guest = NETLINK_EMPTY, \
		.host = NETLINK_EMPTY,                                         \
	}

/* As the network's facts say: watch, or do not. What is there at the beginning is looked at soon.
 * A failure is a warning. */
void network_watch_follow(struct network *network);

/* What is to be polled; -EBADF: nothing. */
int network_watch_fd(const struct network *network);
void network_watch_serve(struct network *network);

void network_watch_done(struct network_watch *watch); /* accepts the empty one */
