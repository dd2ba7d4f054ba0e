#include "machine/addresses.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "io/fd.h"
#include "kernel/namespace.h"
#include "kernel/netlink.h"
#include "kernel/process.h"
#include "kernel/route.h"

struct found {
	struct address items[ADDRESSES_MAX];
	size_t count;
};

/* ---- asking the kernel ---- */

/* A guest may have any number: what is beyond those that have room is not even asked for. */
static int add(const struct route_address *from, void *context)
{
	struct found *found = context;
	struct address *address = &found->items[found->count];

	if (from->scope >= RT_SCOPE_HOST || from->flags & (IFA_F_DEPRECATED | IFA_F_TENTATIVE))
		return 0;
	*address = (struct address){ .family = from->local.family,
				     .scope = from->scope,
				     .metric = from->metric,
				     .interface = (uint32_t)from->link };
	memcpy(address->bytes, from->local.bytes, sizeof(address->bytes));
	return ++found->count == ADDRESSES_MAX;
}

static int by_worth(const void *a_, const void *b_)
{
	const struct address *a = a_, *b = b_;

	if (a->scope != b->scope)
		return a->scope < b->scope ? -1 : 1;
	if (a->metric != b->metric)
		return a->metric < b->metric ? -1 : 1;
	if (a->family != b->family)
		return a->family == AF_INET ? -1 : 1;
	if (a->interface != b->interface)
		return a->interface < b->interface ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

/* Of the namespace that the caller is in. */
static int look(struct found *found)
{
	autonetlink struct netlink netlink = NETLINK_EMPTY;
	int r = netlink_open_plain(&netlink, NETLINK_ROUTE);

	found->count = 0;
	if (r < 0)
		return r;
	r = route_list_addresses(&netlink, 0, add, found);
	if (r == -EAGAIN) /* one came or went meanwhile, which may happen at any moment */
		r = 0;
	qsort(found->items, found->count, sizeof(*found->items), by_worth);
	return r;
}

/* ---- going there ---- */

int addresses_begin(struct addresses *ret)
{
	autoclose int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	uint32_t home;
	int r;

	if (fd < 0)
		return -errno;
	r = namespace_own_number(&home, "net");
	if (r < 0)
		return r;
	*ret = (struct addresses){ .home_fd = take_fd(&fd), .home = home };
	return 0;
}

static int go_home(struct addresses *addresses)
{
	int r = addresses->away ? namespace_join(addresses->home_fd, CLONE_NEWNET) : 0;

	if (r >= 0)
		addresses->away = false;
	return r;
}

void addresses_end(struct addresses *addresses)
{
	if (addresses->home_fd >= 0)
		(void)go_home(addresses);
	fd_close(&addresses->home_fd);
}

static int look_there(void *leader, void *found)
{
	const int *pidfd = leader;
	int r = namespace_join(*pidfd, CLONE_NEWUSER);

	if (r >= 0)
		r = namespace_join(*pidfd, CLONE_NEWNET);
	return r < 0 ? r : look(found);
}

static int hand_over(struct arena *arena, struct address **ret, size_t *ret_count,
		     const struct found *found)
{
	struct address *items = arena_take_array(arena, found->count + 1, sizeof(*items));

	memcpy(items, found->items, found->count * sizeof(*items));
	*ret = items;
	*ret_count = found->count;
	return 0;
}

int addresses_read(struct arena *arena, struct addresses *addresses, struct address **ret,
		   size_t *ret_count, int pidfd, uint32_t there)
{
	struct found found; /* large, and asked for by the hundred: only what counts is set */
	int r;

	found.count = 0;
	if (there == addresses->home)
		return hand_over(arena, ret, ret_count, &found);
	r = namespace_join(pidfd, CLONE_NEWNET);
	if (r >= 0) {
		addresses->away = true;
		r = look(&found);
	} else if (r == -EPERM) {
		r = process_ask(look_there, &pidfd, &found, sizeof(found), -1);
		r = r < 0 ? -EPERM : r;
	}
	return r < 0 ? r : hand_over(arena, ret, ret_count, &found);
}

int addresses_read_home(struct arena *arena, struct addresses *addresses, struct address **ret,
			size_t *ret_count)
{
	struct found found;
	int r;

	r = go_home(addresses);
	if (r >= 0)
		r = look(&found);
	return r < 0 ? r : hand_over(arena, ret, ret_count, &found);
}

char *addresses_text(struct arena *arena, const struct address *address)
{
	char text[INET6_ADDRSTRLEN];

	if (inet_ntop(address->family, address->bytes, text, sizeof(text)) == NULL)
		return arena_text(arena, "");
	return arena_text(arena, text);
}
