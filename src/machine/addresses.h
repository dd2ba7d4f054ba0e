/* machine/addresses - the addresses of network namespaces, best first. Quiet.
 *
 * The calling thread goes from one namespace into the next and home at the end: only where it needs
 * no network meanwhile. Where it lacks the rights (it is not root, and the machine lives in a user
 * namespace), a short-lived child goes instead. Any process.
 */
#pragma once
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct arena;

#define ADDRESSES_MAX 256 /* of one namespace; what a guest has beyond is not looked at */

struct address {
	unsigned char bytes[16];
	int family; /* AF_INET, AF_INET6 */
	uint32_t scope, metric, interface;
};

struct addresses {
	int home_fd;
	uint32_t home; /* the number of that namespace */
	bool away;
};

#define ADDRESSES_EMPTY            \
	{                          \
		.home_fd = -EBADF, \
	}

/* Where the caller is now is home. */
int addresses_begin(struct addresses *ret);

/* Those of the process of PIDFD, which is in the namespace of number THERE, without the loopback's.
 * None if it is at home too: those are not its own (reference 7.4). */
int addresses_read(struct arena *arena, struct addresses *addresses, struct address **ret,
		   size_t *ret_count, int pidfd, uint32_t there);

/* Those of home. */
int addresses_read_home(struct arena *arena, struct addresses *addresses, struct address **ret,
			size_t *ret_count);

/* Back home. Accepts the empty one. */
void addresses_end(struct addresses *addresses);

/* "10.0.0.2", "fe80::1" */
char *addresses_text(struct arena *arena, const struct address *address);
