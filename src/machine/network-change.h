/* machine/network-change - the network of a running machine is about to be changed, or looked at.
 *
 * Who changes it holds the lock of its facts (machine/network-file) from opening to closing, and
 * what is noted there before it is made is undone by the supervisor at the machine's end, or by who
 * cleans up. Only for the host's root, in the network namespace that the supervisor lives in.
 * Everything is done by the pidfd of the machine's leader (class S26), through sockets of the
 * kernel in both namespaces; nothing of the guest is run or believed. Speaking.
 */
#pragma once
#include "kernel/netlink.h"
#include "net/facts.h"

struct arena;
struct machine;

struct network_change {
	struct arena *arena;
	const struct machine *machine;
	int dir_fd;   /* of the records */
	int lock_fd;  /* -EBADF: only looked at */
	int leader;   /* its pidfd */
	int netns_fd; /* the machine's */
	struct netlink host, guest;
	struct facts facts;
	const char *heard; /* what the supervisor has noted of earlier changes; NULL: nothing */
	bool changed;	   /* the supervisor is to be told */
};

/* -EOPNOTSUPP: it has the network of the host, or somebody else's. */
int network_change_open(struct arena *arena, struct network_change *ret,
			const struct machine *machine);

/* Without the lock, from any network namespace; `host` is closed if it is not the supervisor's. */
int network_change_look(struct arena *arena, struct network_change *ret,
			const struct machine *machine);

/* Note the facts as they are now. */
int network_change_save(struct network_change *change);

/* Has the supervisor follow what was saved, which gives the lock back, and says whether it could.
 * -ENXIO: it has none. -ETIMEDOUT: it does not answer. Then network_change_done(). */
int network_change_follow(struct network_change *change);

/* Behind that, to change something more: the lock once more, and the facts as they are by now. */
int network_change_again(struct network_change *change);

/* Also tells the supervisor, if something was saved, and who asks for the machine's name; and waits
 * until it is as was saved what the supervisor does itself: names, ports at loopback addresses. One
 * that does not answer is a warning. Accepts what was not opened. */
void network_change_done(struct network_change *change);

#define NETWORK_CHANGE_EMPTY                                                               \
	{                                                                                  \
		.dir_fd = -EBADF, .lock_fd = -EBADF, .leader = -EBADF, .netns_fd = -EBADF, \
		.host = NETLINK_EMPTY, .guest = NETLINK_EMPTY                              \
	}
