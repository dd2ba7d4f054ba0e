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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "io/fd.h"
#include "kernel/namespace.h"
#include "kernel/process.h"

#define ANSWER_ROOM (32 * 1024) /* as large as the kernel's pieces get */

struct found {
	struct address items[ADDRESSES_MAX];
	size_t count;
};

/* ---- asking the kernel ---- */

static int ask(int fd)
{
	struct {
		struct nlmsghdr header;
		struct ifaddrmsg body;
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_GETADDR,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.body = { .ifa_family = AF_UNSPEC },
	};

	return send(fd, &request, sizeof(request), 0) < 0 ? -errno : 0;
}

static size_t family_size(int family)
{
	return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

static uint32_t number(const struct rtattr *attribute)
{
	uint32_t value = 0;

	if (RTA_PAYLOAD(attribute) >= sizeof(value))
		memcpy(&value, RTA_DATA(attribute), sizeof(value));
	return value;
}

static void add(struct found *found, const struct nlmsghdr *message)
{
	const struct ifaddrmsg *body = NLMSG_DATA(message);
	size_t size = family_size(body->ifa_family), left = IFA_PAYLOAD(message);
	struct address address = { .family = body->ifa_family,
				   .scope = body->ifa_scope,
				   .interface = body->ifa_index };
	uint32_t flags = body->ifa_flags;
	bool is_local = false, any = false;

	for (const struct rtattr *at = IFA_RTA(body); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
		if (at->rta_type == IFA_FLAGS)
			flags = number(at);
		else if (at->rta_type == IFA_RT_PRIORITY)
			address.metric = number(at);
		/* Of a point-to-point link IFA_ADDRESS is the other end's. */
		if (size == 0 || RTA_PAYLOAD(at) != size ||
		    (at->rta_type != IFA_LOCAL && (at->rta_type != IFA_ADDRESS || is_local)))
			continue;
		memcpy(address.bytes, RTA_DATA(at), size);
		is_local = at->rta_type == IFA_LOCAL;
		any = true;
	}
	if (any && address.scope < RT_SCOPE_HOST && found->count < ADDRESSES_MAX &&
	    (flags & (IFA_F_DEPRECATED | IFA_F_TENTATIVE)) == 0)
		found->items[found->count++] = address;
}

/* > 0: there is more to come. */
static int take_answer(struct found *found, const char *bytes, size_t size)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)bytes;

	for (; NLMSG_OK(message, size); message = NLMSG_NEXT(message, size)) {
		if (message->nlmsg_type == NLMSG_DONE)
			return 0;
		if (message->nlmsg_type == NLMSG_ERROR)
			return -EIO;
		if (message->nlmsg_type == RTM_NEWADDR &&
		    message->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifaddrmsg)))
			add(found, message);
	}
	return found->count < ADDRESSES_MAX;
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
	char bytes[ANSWER_ROOM] __attribute__((aligned(NLMSG_ALIGNTO)));
	autoclose int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t size;
	int r;

	found->count = 0;
	if (fd < 0)
		return -errno;
	r = ask(fd);
	if (r < 0)
		return r;
	do {
		size = recv(fd, bytes, sizeof(bytes), 0);
		if (size < 0)
			return -errno;
		r = take_answer(found, bytes, (size_t)size);
	} while (r > 0);
	qsort(found->items, found->count, sizeof(*found->items), by_worth);
	return r;
}

/* ---- going there ---- */

int addresses_begin(struct addresses *ret)
{
	autoclose int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	*ret = (struct addresses){ .home_fd = take_fd(&fd),
				   .home_device = st.st_dev,
				   .home_inode = st.st_ino };
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

static _Noreturn void child(struct found *found, int proc_fd, int net, int out)
{
	int user = namespace_open(proc_fd, "user");

	if (user >= 0 && namespace_join(user, CLONE_NEWUSER) >= 0 &&
	    namespace_join(net, CLONE_NEWNET) >= 0 && look(found) >= 0)
		(void)fd_write_all(out, found, sizeof(*found));
	_exit(0);
}

static int send_child(struct found *found, int proc_fd, int net)
{
	autoclose int pidfd = -EBADF, in = -EBADF, out = -EBADF;
	siginfo_t info;
	int pipes[2], r;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	in = pipes[0];
	out = pipes[1];
	pid = process_clone(0, -EBADF, &pidfd);
	if (pid < 0)
		return pid;
	if (pid == 0)
		child(found, proc_fd, net, out);
	fd_close(&out);
	r = fd_read_all(in, found, sizeof(*found));
	(void)process_wait(pidfd, &info, 0);
	return r < 0 ? -EPERM : 0;
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
		   size_t *ret_count, int proc_fd)
{
	struct found found = { .count = 0 };
	autoclose int net = -EBADF;
	struct stat st;
	int r;

	if (fstatat(proc_fd, "ns/net", &st, 0) < 0)
		return -errno;
	if (st.st_dev == addresses->home_device && st.st_ino == addresses->home_inode)
		return hand_over(arena, ret, ret_count, &found);
	net = namespace_open(proc_fd, "net");
	if (net < 0)
		return net;
	r = namespace_join(net, CLONE_NEWNET);
	if (r >= 0) {
		addresses->away = true;
		r = look(&found);
	} else if (r == -EPERM) {
		r = send_child(&found, proc_fd, net);
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
