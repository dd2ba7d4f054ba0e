#include "kernel/link.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "io/fd.h"
#include "kernel/netlink.h"

#define REQUEST_ROOM 1024
#define LIST_TRIES 10 /* of a list that changes meanwhile */

/* ---- requests ---- */

static bool is_name(const char *name, size_t size)
{
	return name[0] != '\0' && strlen(name) < size;
}

/* The kernel knows alternative names by either attribute, but short names need no newer one. */
static int put_name(struct netlink_request *request, const char *name)
{
	if (!is_name(name, LINK_ALTNAME_SIZE))
		return -EINVAL;
	netlink_put_text(request, strlen(name) < LINK_NAME_SIZE ? IFLA_IFNAME : IFLA_ALT_IFNAME,
			 name);
	return 0;
}

static struct ifinfomsg body_of(int index, const struct link_want *want)
{
	return (struct ifinfomsg){
		.ifi_index = index,
		.ifi_flags = want->up == LINK_ON ? IFF_UP : 0,
		.ifi_change = want->up != LINK_KEEP ? IFF_UP : 0,
	};
}

static int put_want(struct netlink_request *request, const struct link_want *want)
{
	if (want->name) {
		if (!is_name(want->name, LINK_NAME_SIZE))
			return -EINVAL;
		netlink_put_text(request, IFLA_IFNAME, want->name);
	}
	if (want->mac)
		netlink_put(request, IFLA_ADDRESS, want->mac, LINK_MAC_SIZE);
	if (want->netns_fd > 0)
		netlink_put_u32(request, IFLA_NET_NS_FD, (uint32_t)want->netns_fd);
	if (want->master != 0)
		netlink_put_u32(request, IFLA_MASTER,
				want->master > 0 ? (uint32_t)want->master : 0);
	if (want->mtu != 0)
		netlink_put_u32(request, IFLA_MTU, want->mtu);
	if (want->group != 0)
		netlink_put_u32(request, IFLA_GROUP, want->group);
	return 0;
}

/* ---- looking ---- */

static void read_kind(struct link_facts *facts, struct netlink_reader reader)
{
	struct netlink_attribute at;

	while (netlink_next(&reader, &at))
		if (at.type == IFLA_INFO_KIND)
			(void)netlink_text(&at, facts->kind, sizeof(facts->kind));
}

static void read_altnames(struct link_facts *facts, struct netlink_reader reader)
{
	struct netlink_attribute at;

	while (netlink_next(&reader, &at) && facts->altname_count < LINK_ALTNAMES_MAX)
		if (at.type == IFLA_ALT_IFNAME &&
		    netlink_text(&at, facts->altnames[facts->altname_count], LINK_ALTNAME_SIZE))
			facts->altname_count++;
}

static void read_attribute(struct link_facts *facts, const struct netlink_attribute *at)
{
	switch (at->type) {
	case IFLA_IFNAME: (void)netlink_text(at, facts->name, sizeof(facts->name)); break;
	case IFLA_MASTER: facts->master = (int)netlink_u32(at); break;
	case IFLA_LINK: facts->parent = (int)netlink_u32(at); break;
	case IFLA_LINK_NETNSID: facts->parent_nsid = (int)netlink_u32(at); break;
	case IFLA_MTU: facts->mtu = netlink_u32(at); break;
	case IFLA_GROUP: facts->group = netlink_u32(at); break;
	case IFLA_LINKINFO: read_kind(facts, at->value); break;
	case IFLA_PROP_LIST: read_altnames(facts, at->value); break;
	case IFLA_ADDRESS:
		facts->has_mac = at->value.size == LINK_MAC_SIZE;
		if (facts->has_mac)
			memcpy(facts->mac, at->value.bytes, LINK_MAC_SIZE);
		break;
	}
}

bool link_from_answer(struct link_facts *ret, const struct netlink_answer *answer)
{
	struct netlink_reader reader = answer->body;
	struct netlink_attribute at;
	struct ifinfomsg body;

	if (answer->type != RTM_NEWLINK || netlink_take(&reader, &body, sizeof(body)) < 0)
		return false;
	*ret = (struct link_facts){ .index = body.ifi_index,
				    .flags = body.ifi_flags,
				    .parent_nsid = -1 };
	while (netlink_next(&reader, &at))
		read_attribute(ret, &at);
	return true;
}

static int take_facts(const struct netlink_answer *answer, void *context)
{
	(void)link_from_answer(context, answer);
	return 0;
}

static void begin_get(struct netlink_request *request, int index, unsigned int flags)
{
	struct ifinfomsg body = { .ifi_index = index };

	netlink_begin(request, RTM_GETLINK, flags, &body, sizeof(body));
	netlink_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

static int call_for_facts(struct netlink *netlink, struct link_facts *ret,
			  struct netlink_request *request)
{
	struct link_facts facts = {};
	int r = netlink_call(netlink, request, take_facts, &facts);

	if (r < 0)
		return r;
	if (facts.index <= 0)
		return -EBADMSG;
	*ret = facts;
	return 0;
}

int link_find(struct netlink *netlink, struct link_facts *ret, const char *name)
{
	unsigned char room[REQUEST_ROOM];
	struct netlink_request request = netlink_request(room, sizeof(room));
	int r;

	begin_get(&request, 0, NLM_F_ACK);
	r = put_name(&request, name);
	return r < 0 ? r : call_for_facts(netlink, ret, &request);
}

int link_read(struct netlink *netlink, struct link_facts *ret, int index)
{
	unsigned char room[REQUEST_ROOM];
	struct netlink_request request = netlink_request(room, sizeof(room));

	if (index <= 0)
		return -ENODEV;
	begin_get(&request, index, NLM_F_ACK);
	return call_for_facts(netlink, ret, &request);
}

/* libc has these too, but they bring its getifaddrs(3) along. */
static int ask(struct ifreq *ifreq, unsigned long what)
{
	autoclose int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 || ioctl(fd, what, ifreq) < 0 ? -errno : 0;
}

unsigned int link_index(const char *name)
{
	struct ifreq ifreq = { .ifr_ifindex = 0 };

	if (!is_name(name, sizeof(ifreq.ifr_name)))
		return 0;
	memcpy(ifreq.ifr_name, name, strlen(name));
	return ask(&ifreq, SIOCGIFINDEX) < 0 ? 0 : (unsigned int)ifreq.ifr_ifindex;
}

int link_name(char ret[LINK_NAME_SIZE], unsigned int index)
{
	struct ifreq ifreq = { .ifr_ifindex = (int)index };
	int r = ask(&ifreq, SIOCGIFNAME);

	if (r < 0)
		return r == -ENXIO ? -ENODEV : r;
	memcpy(ret, ifreq.ifr_name, LINK_NAME_SIZE);
	return 0;
}

int link_is_free(struct netlink *netlink, const char *name)
{
	struct link_facts facts;
	int r = link_find(netlink, &facts, name);

	return r == -ENODEV ? 1 : r;
}

struct list {
	int master;
	link_fn *fn;
	void *context;
};

static int take_one(const struct netlink_answer *answer, void *context)
{
	const struct list *list = context;
	struct link_facts facts;

	if (!link_from_answer(&facts, answer) || (list->master > 0 && facts.master != list->master))
		return 0;
	return list->fn(&facts, list->context);
}

int link_list(struct netlink *netlink, int master, link_fn *fn, void *context)
{
	unsigned char room[REQUEST_ROOM];
	struct netlink_request request = netlink_request(room, sizeof(room));
	struct list list = { master, fn, context };

	begin_get(&request, 0, 0);
	if (master > 0)
		netlink_put_u32(&request, IFLA_MASTER, (uint32_t)master);
	return netlink_dump(netlink, &request, take_one, &list);
}

static int note_port(const struct link_facts *facts, void *context)
{
	(void)facts;
	*(bool *)context = true;
	return 0; /* an ended list would keep the socket from the next one */
}

int link_is_empty_bridge(struct netlink *netlink, int index)
{
	bool any = false;
	int r;

	for (int tries = 0; tries < LIST_TRIES; tries++) {
		r = link_list(netlink, index, note_port, &any);
		if (any)
			return 0;
		if (r != -EAGAIN)
			return r < 0 ? r : 1;
	}
	return -EAGAIN;
}

/* ---- making ---- */

/* What is being made; what only its kind has is put between begin_make() and make(). */
struct making {
	unsigned char room[REQUEST_ROOM];
	struct netlink_request request;
	const struct link_want *want;
	size_t info, data;
	bool one_queue;
};

/* A pair uses one queue unless it is told otherwise. But the kernel makes as many as there are
 * processors, shows each in sysfs, and takes all but one away again, for which it waits until no
 * processor looks at them: half of the time that a pair takes. */
static void put_one_queue(struct netlink_request *request)
{
	netlink_put_u32(request, IFLA_NUM_TX_QUEUES, 1);
	netlink_put_u32(request, IFLA_NUM_RX_QUEUES, 1);
}

static int begin_make(struct making *making, const struct link_want *want, int parent,
		      const char *kind)
{
	struct netlink_request *request = &making->request;
	struct ifinfomsg body = body_of(0, want);
	unsigned int flags = NLM_F_CREATE | NLM_F_EXCL;

	if (want->netns_fd > 0)
		flags |= NLM_F_ACK;
	making->want = want;
	making->one_queue = false;
	*request = netlink_request(making->room, sizeof(making->room));
	netlink_begin(request, RTM_NEWLINK, flags, &body, sizeof(body));
	if (parent > 0)
		netlink_put_u32(request, IFLA_LINK, (uint32_t)parent);
	making->info = netlink_nest(request, IFLA_LINKINFO);
	netlink_put_text(request, IFLA_INFO_KIND, kind);
	making->data = netlink_nest(request, IFLA_INFO_DATA);
	return want->name ? 0 : -EINVAL;
}

/* The kernel tells the index of a new interface of its own accord (NLM_F_ECHO) only since 6.2. So
 * it is asked for it by name, with the next message of the same request. If the interface is made
 * in another namespace, nobody can be asked through this socket. */
static int make(struct netlink *netlink, struct link_facts *ret, struct making *making)
{
	const struct link_want *want = making->want;
	struct netlink_request *request = &making->request;
	int r;

	netlink_nest_end(request, making->data);
	netlink_nest_end(request, making->info);
	if (making->one_queue)
		put_one_queue(request);
	r = put_want(request, want);
	if (r < 0)
		return r;
	if (want->netns_fd > 0) {
		ret->index = 0;
		return netlink_call(netlink, request, NULL, NULL);
	}
	begin_get(request, 0, NLM_F_ACK);
	netlink_put_text(request, IFLA_IFNAME, want->name);
	r = call_for_facts(netlink, ret, request);
	if (r >= 0 && want->altname)
		(void)link_add_altname(netlink, ret->index, want->altname);
	return r;
}

int link_make_veth(struct netlink *netlink, int *ret_index, int *ret_peer,
		   const struct link_want *here, const struct link_want *there)
{
	struct ifinfomsg body = body_of(0, there);
	struct link_facts facts;
	struct making making;
	size_t peer;
	int r;

	if (there->up == LINK_ON || there->master != 0)
		return -EINVAL;
	r = begin_make(&making, here, 0, "veth");
	if (r < 0)
		return r;
	peer = netlink_nest(&making.request, VETH_INFO_PEER);
	netlink_append(&making.request, &body, sizeof(body));
	making.one_queue = true;
	put_one_queue(&making.request);
	r = put_want(&making.request, there);
	netlink_nest_end(&making.request, peer);
	if (r >= 0)
		r = make(netlink, &facts, &making);
	if (r < 0)
		return r;
	*ret_index = facts.index;
	if (ret_peer)
		*ret_peer = facts.parent;
	return 0;
}

int link_make_bridge(struct netlink *netlink, int *ret_index, const struct link_want *want)
{
	struct link_facts facts;
	struct making making;
	int r;

	r = begin_make(&making, want, 0, "bridge");
	if (r >= 0)
		r = make(netlink, &facts, &making);
	if (r >= 0)
		*ret_index = facts.index;
	return r;
}

static int make_over(struct netlink *netlink, int *ret_index, struct making *making)
{
	struct link_facts facts;
	int r = make(netlink, &facts, making);

	if (r >= 0 && ret_index)
		*ret_index = facts.index;
	return r;
}

int link_make_macvlan(struct netlink *netlink, int *ret_index, int parent,
		      const struct link_want *want)
{
	struct making making;
	int r = begin_make(&making, want, parent, "macvlan");

	if (r < 0)
		return r;
	netlink_put_u32(&making.request, IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE);
	return make_over(netlink, ret_index, &making);
}

int link_make_ipvlan(struct netlink *netlink, int *ret_index, int parent,
		     const struct link_want *want)
{
	struct making making;
	int r = begin_make(&making, want, parent, "ipvlan");

	if (r < 0)
		return r;
	netlink_put_u16(&making.request, IFLA_IPVLAN_MODE, IPVLAN_MODE_L2);
	return make_over(netlink, ret_index, &making);
}

/* ---- changing ---- */

int link_put(struct netlink_request *request, int index, const struct link_want *want,
	     unsigned int flags)
{
	struct ifinfomsg body = body_of(index, want);

	if (index <= 0) /* the kernel would go by the name */
		return -ENODEV;
	netlink_begin(request, RTM_SETLINK, flags, &body, sizeof(body));
	return put_want(request, want);
}

int link_set(struct netlink *netlink, int index, const struct link_want *want)
{
	unsigned char room[REQUEST_ROOM];
	struct netlink_request request = netlink_request(room, sizeof(room));
	int r = link_put(&request, index, want, NLM_F_ACK);

	return r < 0 ? r : netlink_call(netlink, &request, NULL, NULL);
}

static int change_altname(struct netlink *netlink, int index, const char *altname,
			  unsigned int type)
{
	unsigned char room[REQUEST_ROOM];
	struct netlink_request request = netlink_request(room, sizeof(room));
	struct ifinfomsg body = { .ifi_index = index };
	unsigned int flags = type == RTM_NEWLINKPROP ? NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND : 0;
	size_t nest;

	if (index <= 0)
		return -ENODEV;
	if (!is_name(altname, LINK_ALTNAME_SIZE))
		return -EINVAL;
	netlink_begin(&request, type, NLM_F_ACK | flags, &body, sizeof(body));
	nest = netlink_nest(&request, IFLA_PROP_LIST);
	netlink_put_text(&request, IFLA_ALT_IFNAME, altname);
	netlink_nest_end(&request, nest);
	return netlink_call(netlink, &request, NULL, NULL);
}

int link_add_altname(struct netlink *netlink, int index, const char *altname)
{
	return change_altname(netlink, index, altname, RTM_NEWLINKPROP);
}

int link_remove_altname(struct netlink *netlink, int index, const char *altname)
{
	return change_altname(netlink, index, altname, RTM_DELLINKPROP);
}

int link_delete(struct netlink *netlink, int index)
{
	unsigned char room[REQUEST_ROOM];
	struct netlink_request request = netlink_request(room, sizeof(room));
	struct ifinfomsg body = { .ifi_index = index };

	if (index <= 0)
		return -ENODEV;
	netlink_begin(&request, RTM_DELLINK, NLM_F_ACK, &body, sizeof(body));
	return netlink_call(netlink, &request, NULL, NULL);
}

int link_set_ipv4(struct netlink *netlink, int index, unsigned int setting, uint32_t value)
{
	unsigned char room[REQUEST_ROOM];
	struct netlink_request request = netlink_request(room, sizeof(room));
	struct ifinfomsg body = { .ifi_index = index };
	size_t families, family, settings;

	if (index <= 0)
		return -ENODEV;
	netlink_begin(&request, RTM_SETLINK, NLM_F_ACK, &body, sizeof(body));
	families = netlink_nest(&request, IFLA_AF_SPEC);
	family = netlink_nest(&request, AF_INET);
	settings = netlink_nest(&request, IFLA_INET_CONF);
	netlink_put_u32(&request, setting, value);
	netlink_nest_end(&request, settings);
	netlink_nest_end(&request, family);
	netlink_nest_end(&request, families);
	return netlink_call(netlink, &request, NULL, NULL);
}
