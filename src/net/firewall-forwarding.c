#include "net/firewall-forwarding.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netconf.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fail.h"
#include "base/macros.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/link.h"
#include "net/firewall-routing.h"
#include "net/firewall.h"

#define PATH_SIZE 128
#define WATCH_TURNS 64 /* messages that are taken at one go */

/* One family: where its switches are. */
struct family {
	int number;
	const char *folder;
	const char *common;    /* for all at once */
	const char *single;    /* for each interface; NULL: this kernel has none */
	const char *companion; /* goes with it */
};

static struct family family_of(int number)
{
	struct family six = { AF_INET6, "/proc/sys/net/ipv6/conf", "forwarding", NULL, NULL };
	/* The filter of reverse paths asks with the mark, or it would meet our rule. */
	struct family four = { AF_INET, "/proc/sys/net/ipv4/conf", "forwarding", "forwarding",
			       "src_valid_mark" };
	char value[8];

	if (number == AF_INET)
		return four;
	if (file_read_line(value, sizeof(value), AT_FDCWD,
			   "/proc/sys/net/ipv6/conf/all/force_forwarding") >= 0)
		six.single = "force_forwarding";
	return six;
}

static const int families[] = { AF_INET, AF_INET6 };

static bool path_of(char ret[PATH_SIZE], const struct family *family, const char *link,
		    const char *name)
{
	return snprintf(ret, PATH_SIZE, "%s/%s/%s", family->folder, link, name) < PATH_SIZE;
}

/* Its value, a digit; -ENOENT: there is no such switch. */
static int look(const struct family *family, const char *link, const char *name)
{
	char path[PATH_SIZE], value[16];
	int r;

	if (!path_of(path, family, link, name))
		return -ENAMETOOLONG;
	r = file_read_line(value, sizeof(value), AT_FDCWD, path);
	if (r < 0)
		return r;
	return value[0] >= '0' && value[0] <= '9' ? value[0] - '0' : -EBADMSG;
}

static int set(const struct family *family, const char *link, const char *name, bool on)
{
	char path[PATH_SIZE];
	int r;

	if (!path_of(path, family, link, name))
		return -ENAMETOOLONG;
	r = file_write(AT_FDCWD, path, on ? "1" : "0");
	return r == -ENOENT ? 0 : r; /* an interface that is gone */
}

/* ---- each interface ---- */

struct each {
	const struct family *family;
	bool on;
	bool by_hand; /* one was on already */
};

static bool is_interface(const char *name)
{
	return strcmp(name, "all") != 0 && strcmp(name, "default") != 0 && strcmp(name, "lo") != 0;
}

static int look_at_one(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct each *each = context;

	(void)dir_fd;
	(void)type;
	if (is_interface(name) && look(each->family, name, each->family->single) > 0)
		each->by_hand = true;
	return 0;
}

/* A value that means the same, by which it is known again as switched by us. */
static int switch_companion(const struct each *each, const char *name)
{
	const char *companion = each->family->companion;
	char path[PATH_SIZE];
	int r = look(each->family, name, companion);

	if (r != (each->on ? 0 : 2))
		return r == -ENOENT ? 0 : MIN(r, 0);
	if (!path_of(path, each->family, name, companion))
		return -ENAMETOOLONG;
	r = file_write(AT_FDCWD, path, each->on ? "2" : "0");
	return r == -ENOENT ? 0 : r;
}

static int switch_one(int dir_fd, const char *name, unsigned char type, void *context)
{
	const struct each *each = context;
	int r;

	(void)dir_fd;
	(void)type;
	if (strcmp(name, "all") == 0 || strcmp(name, "lo") == 0)
		return 0;
	r = set(each->family, name, each->family->single, each->on);
	return r < 0 || !each->family->companion ? r : switch_companion(each, name);
}

/* A router does not listen to routers, unless it is told to in the one way that says so. */
static int keep_listening(int dir_fd, const char *name, unsigned char type, void *context)
{
	const struct each *each = context;
	char path[PATH_SIZE];

	(void)dir_fd;
	(void)type;
	if (!is_interface(name) || look(each->family, name, "accept_ra") != 1 ||
	    !path_of(path, each->family, name, "accept_ra"))
		return 0;
	(void)file_write(AT_FDCWD, path, "2");
	return 0;
}

static int walk(const struct family *family, dir_visit_fn *fn, struct each *each)
{
	autoclose int dir = open(family->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir < 0 ? -errno : dir_walk(dir, fn, each);
}

/* ---- on ---- */

static int on_for_all(struct firewall *firewall, const struct family *family)
{
	struct each each = { .family = family, .on = true };
	int r;

	/* First the rule, so that nothing is open in between. */
	r = firewall_routing_close_others(&firewall->route, family->number);
	if (r < 0)
		return r;
	if (family->single)
		return walk(family, switch_one, &each);
	r = walk(family, keep_listening, &each);
	return r < 0 ? r : set(family, "all", family->common, true);
}

/* 1: it was on. */
static int on(struct firewall *firewall, const struct family *family, const char *link)
{
	struct each each = { .family = family };
	int r, closed;

	r = look(family, "all", family->common);
	if (r == -ENOENT) /* the host has no such family */
		return 1;
	closed = r < 0 ? r : firewall_routing_has_closed(&firewall->route, family->number);
	if (closed < 0)
		return closed;
	if (r > 0)
		return !closed;
	if (family->single) {
		if (closed && (!link || look(family, link, family->single) > 0))
			return 0;
		r = walk(family, look_at_one, &each);
		if (r < 0)
			return r;
		if (each.by_hand && !closed)
			return link ? set(family, link, family->single, true) : 0;
	}
	return on_for_all(firewall, family);
}

static const char *link_of(const struct firewall_machine *machine, char ret[LINK_NAME_SIZE])
{
	unsigned int index = machine->bridge > 0 ? machine->bridge : machine->link;

	return link_name(ret, index) < 0 ? NULL : ret;
}

int firewall_forwarding_on(struct firewall *firewall, const struct firewall_machine *machine)
{
	char name[LINK_NAME_SIZE];
	const char *link = link_of(machine, name);
	int r, was_on = 1;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct family family = family_of(families[i]);

		r = on(firewall, &family, link);
		if (r < 0)
			return fail(r, "cannot make the host forward packets of machines (try "
				       "sysctl net.ipv4.ip_forward=1)");
		was_on = was_on && r > 0;
	}
	return was_on;
}

/* ---- watching ---- */

/* Of what the kernel tells about settings of interfaces only what is about all of them: else each
 * new machine would wake all supervisors. */
static int attach_filter(int fd)
{
	enum { INDEX = 24 }; /* header, body, and the first attribute's header */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, INDEX),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)NETCONFA_IFINDEX_ALL, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { .len = ARRAY_SIZE(code), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

int firewall_forwarding_watch(int *ret_fd)
{
	static const int groups[] = { RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF };
	const struct sockaddr_nl here = { .nl_family = AF_NETLINK };
	autoclose int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
				  NETLINK_ROUTE);
	int r;

	r = fd < 0 ? -1 : attach_filter(fd);
	if (r == 0)
		r = bind(fd, (const struct sockaddr *)&here, sizeof(here));
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(groups); i++)
		r = setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i]));
	if (r < 0)
		return fail(-errno, "cannot watch whether the host forwards");
	*ret_fd = take_fd(&fd);
	return 0;
}

/* Somebody else wants forwarding: then our rule is in the way. It is not told from our own doing
 * where there is only the common switch. */
static int refresh(struct firewall *firewall, const struct family *family)
{
	if (!family->single || look(family, "all", family->common) <= 0)
		return 0;
	return firewall_routing_open_others(&firewall->route, family->number);
}

int firewall_forwarding_refresh(struct firewall *firewall, int watch_fd)
{
	char bytes[512];
	int r = 0;

	/* What they say does not matter. */
	for (int i = 0; watch_fd >= 0 && i < WATCH_TURNS; i++)
		if (recv(watch_fd, bytes, sizeof(bytes), MSG_DONTWAIT) < 0 && errno == EAGAIN)
			break;
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(families); i++) {
		struct family family = family_of(families[i]);

		r = refresh(firewall, &family);
	}
	return r < 0 ? fail(r, "cannot see whether the host forwards") : 0;
}

/* ---- off ---- */

static int off(struct firewall *firewall, const struct family *family)
{
	struct each each = { .family = family };
	int r;

	r = firewall_routing_has_closed(&firewall->route, family->number);
	if (r <= 0)
		return r;
	/* If somebody has switched it on since, it is not ours to switch off. */
	if (family->single)
		r = look(family, "all", family->common) > 0 ? 0 : walk(family, switch_one, &each);
	else
		r = set(family, "all", family->common, false);
	return r < 0 ? r : firewall_routing_open_others(&firewall->route, family->number);
}

int firewall_forwarding_off(struct firewall *firewall)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(families); i++) {
		struct family family = family_of(families[i]);

		r = off(firewall, &family);
	}
	return r < 0 ? fail(r, "cannot make the host forward as before") : 0;
}
