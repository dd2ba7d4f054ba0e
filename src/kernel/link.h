/* kernel/link - network interfaces, over rtnetlink. Quiet; any process.
 *
 * Each function takes a socket of NETLINK_ROUTE and acts in the namespace the socket belongs to.
 * Interfaces are named by their index, which says who it is as long as it exists.
 *
 * Failures that are told apart: -EEXIST: the name is taken. -ENODEV: there is no such interface.
 * -EOPNOTSUPP: this kernel has no interfaces of that kind. -EINVAL: no name for an interface. The
 * socket's `reason` says more.
 *
 * Wireless interfaces move with their hardware, over another protocol, which is not here: of them
 * link_set() with a namespace answers -EINVAL.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netlink;
struct netlink_answer;
struct netlink_request;

#define LINK_NAME_SIZE 16     /* with the NUL */
#define LINK_ALTNAME_SIZE 128 /* the same for alternative names */
#define LINK_ALTNAMES_MAX 4   /* those beyond are not looked at */
#define LINK_MAC_SIZE 6

/* ---- making ---- */

enum link_switch { LINK_KEEP, LINK_ON, LINK_OFF };

/* What an interface shall be like; what is zero is left to the kernel. */
struct link_want {
	const char *name;
	const char *altname;	  /* only in the socket's namespace; a failure is ignored */
	const unsigned char *mac; /* LINK_MAC_SIZE bytes */
	int netns_fd;		  /* where it shall be; <= 0: in the socket's namespace */
	int master;		  /* the bridge's index; link_set(): < 0: of none any more */
	uint32_t mtu, group;
	enum link_switch up;
};

/* HERE and its other end THERE, for which the kernel can take no master and no `up` (-EINVAL).
 * RET_PEER (may be NULL) gets the other end's index, in its namespace. One request and, for an
 * altname, a second. */
int link_make_veth(struct netlink *netlink, int *ret_index, int *ret_peer,
		   const struct link_want *here, const struct link_want *there);

/* Everything that is not in WANT is the kernel's default. With a MAC of its own a bridge does not
 * take over that of its ports. */
int link_make_bridge(struct netlink *netlink, int *ret_index, const struct link_want *want);

/* Over the interface PARENT, in mode "bridge" or "L2". RET_INDEX (may be NULL) gets 0 if it is
 * made in another namespace: the index is that namespace's matter. */
int link_make_macvlan(struct netlink *netlink, int *ret_index, int parent,
		      const struct link_want *want);
int link_make_ipvlan(struct netlink *netlink, int *ret_index, int parent,
		     const struct link_want *want);

/* ---- looking ---- */

struct link_facts {
	int index;
	int master; /* 0: none */
	int parent; /* a veth's other end, what a macvlan stands on; 0: none. In its namespace */
	int parent_nsid;    /* that namespace as this one numbers it; -1: this one */
	unsigned int flags; /* IFF_* */
	uint32_t mtu, group;
	unsigned char mac[LINK_MAC_SIZE];
	bool has_mac; /* it has an address of that size */
	char name[LINK_NAME_SIZE];
	char kind[LINK_NAME_SIZE]; /* "veth", "bridge", …; "": hardware, and lo */
	char altnames[LINK_ALTNAMES_MAX][LINK_ALTNAME_SIZE];
	size_t altname_count;
};

/* By its name, or one of its alternative names. */
int link_find(struct netlink *netlink, struct link_facts *ret, const char *name);
int link_read(struct netlink *netlink, struct link_facts *ret, int index);

/* In the caller's namespace, without a socket at hand (netdevice(7)). 0: there is none of the name.
 * -ENODEV: there is no such interface. */
unsigned int link_index(const char *name);
int link_name(char ret[LINK_NAME_SIZE], unsigned int index);

/* 1: nobody has the name. 0: somebody does. */
int link_is_free(struct netlink *netlink, const char *name);

/* From an answer of the kernel, or a notification; false: it is not about an interface. */
bool link_from_answer(struct link_facts *ret, const struct netlink_answer *answer);

/* 0: go on. < 0: the list ends with it. > 0: enough. */
typedef int link_fn(const struct link_facts *facts, void *context);

/* All, or only those of a master (0: all). -EAGAIN: something changed meanwhile (netlink_dump). */
int link_list(struct netlink *netlink, int master, link_fn *fn, void *context);

/* 1: it is the master of none. Takes a look at all interfaces of the namespace. */
int link_is_empty_bridge(struct netlink *netlink, int index);

/* ---- changing ---- */

/* All that is not zero in WANT, in one request. With a namespace it goes there, under `name` if
 * there is one, loses its addresses, and is down unless `up`. -EEXIST: somebody there has the name;
 * then it is still here if its old name was not free there either, else there under that. */
int link_set(struct netlink *netlink, int index, const struct link_want *want);

/* The message that does this, put into a request of kernel/netlink; its failures are only what can
 * be told before it is sent. */
int link_put(struct netlink_request *request, int index, const struct link_want *want,
	     unsigned int flags);

/* -EEXIST. -EOPNOTSUPP: a kernel before 5.5. */
int link_add_altname(struct netlink *netlink, int index, const char *altname);
int link_remove_altname(struct netlink *netlink, int index, const char *altname);

/* Of a veth both ends go. The names are free at once, but the caller waits for all processors: tens
 * of milliseconds. -EOPNOTSUPP: it cannot be, as lo and hardware. */
int link_delete(struct netlink *netlink, int index);

/* IPv4 settings of the interface, as /proc/sys/net/ipv4/conf; SETTING is an IPV4_DEVCONF_* of
 * linux/ip.h, such as IPV4_DEVCONF_FORWARDING. (The kernel takes none for IPv6 this way.) */
int link_set_ipv4(struct netlink *netlink, int index, unsigned int setting, uint32_t value);
