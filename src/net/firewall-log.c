#include "net/firewall-log.h"

#include <endian.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fail.h"
#include "io/fd.h"
#include "kernel/netlink.h"

/* Programs that log take low numbers. */
#define GROUP_FIRST 0x5200
#define GROUPS 0x2000
#define TRIES 64

#define DATAGRAM_MAX 2048
#define STRANGERS_MAX 16 /* datagrams without use that are taken at one go */
#define EXTENSIONS_MAX 8 /* headers of IPv6 before the protocol's own */

/* ---- opening ---- */

static struct netlink_request configure(void *room, size_t size, uint16_t group)
{
	struct netlink_request request = netlink_request(room, size);
	struct nfgenmsg body = { .version = NFNETLINK_V0, .res_id = htobe16(group) };

	netlink_begin(&request, NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG, NLM_F_ACK, &body,
		      sizeof(body));
	return request;
}

static int bind_group(struct netlink *netlink, uint16_t group)
{
	struct nfulnl_msg_config_cmd command = { .command = NFULNL_CFG_CMD_BIND };
	struct nfulnl_msg_config_mode mode = { .copy_range = htobe32(FIREWALL_LOG_BYTES),
					       .copy_mode = NFULNL_COPY_PACKET };
	unsigned char room[128];
	struct netlink_request request = configure(room, sizeof(room), group);
	int r;

	netlink_put(&request, NFULA_CFG_CMD, &command, sizeof(command));
	r = netlink_call(netlink, &request, NULL, NULL);
	if (r < 0)
		return r;
	request = configure(room, sizeof(room), group);
	netlink_put(&request, NFULA_CFG_MODE, &mode, sizeof(mode));
	return netlink_call(netlink, &request, NULL, NULL);
}

int firewall_log_open(struct firewall_log *ret)
{
	autonetlink struct netlink netlink = NETLINK_EMPTY;
	unsigned int start = (unsigned int)getpid();
	int r, on = 1;

	r = netlink_open(&netlink, NETLINK_NETFILTER);
	if (r < 0)
		return fail(r, "cannot reach the packet filter's log");
	/* What does not fit is lost, and no failure. */
	(void)setsockopt(netlink.fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on));
	for (unsigned int i = 0; i < TRIES; i++) {
		uint16_t group = (uint16_t)(GROUP_FIRST + (start + i) % GROUPS);

		r = bind_group(&netlink, group);
		if (r == 0) {
			*ret = (struct firewall_log){ take_fd(&netlink.fd), group };
			return 0;
		}
		if (r != -EBUSY && r != -EPERM) /* it is somebody else's */
			break;
	}
	return fail(r, "cannot read the packet filter's log");
}

void firewall_log_close(struct firewall_log *log)
{
	fd_close(&log->fd);
}

/* ---- taking apart ---- */

static struct firewall_address address(uint8_t family, const void *bytes)
{
	struct firewall_address ret = { .family = family, .bits = family == AF_INET ? 32 : 128 };

	memcpy(ret.bytes, bytes, ret.bits / 8);
	return ret;
}

static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_DCCP || protocol == IPPROTO_UDPLITE;
}

/* REST begins with the protocol's own header. */
static void take_port(struct firewall_refusal *ret, struct netlink_reader rest)
{
	uint16_t ports[2];

	if (has_ports(ret->protocol) && netlink_take(&rest, ports, sizeof(ports)) >= 0)
		ret->port = be16toh(ports[1]);
}

static bool skip(struct netlink_reader *reader, size_t size)
{
	if (size > reader->size)
		return false;
	reader->bytes += size;
	reader->size -= size;
	return true;
}

static int take_ip(struct firewall_refusal *ret, struct netlink_reader packet)
{
	struct netlink_reader rest = packet;
	struct iphdr head;

	if (netlink_take(&packet, &head, sizeof(head)) < 0)
		return 0;
	ret->protocol = head.protocol;
	ret->source = address(AF_INET, &head.saddr);
	ret->destination = address(AF_INET, &head.daddr);
	if (skip(&rest, (size_t)head.ihl * 4) && (head.frag_off & htobe16(IP_OFFMASK)) == 0)
		take_port(ret, rest);
	return 1;
}

static int take_ip6(struct firewall_refusal *ret, struct netlink_reader packet)
{
	struct ip6_hdr head;

	if (netlink_take(&packet, &head, sizeof(head)) < 0)
		return 0;
	ret->protocol = head.ip6_nxt;
	ret->source = address(AF_INET6, &head.ip6_src);
	ret->destination = address(AF_INET6, &head.ip6_dst);
	for (unsigned int i = 0; i < EXTENSIONS_MAX; i++) {
		if (packet.size < 8 ||
		    (ret->protocol != IPPROTO_HOPOPTS && ret->protocol != IPPROTO_ROUTING &&
		     ret->protocol != IPPROTO_DSTOPTS))
			break;
		ret->protocol = packet.bytes[0];
		if (!skip(&packet, (size_t)8 * (packet.bytes[1] + 1)))
			return 1;
	}
	take_port(ret, packet);
	return 1;
}

static int take_packet(struct firewall_refusal *ret, struct netlink_reader packet)
{
	if (packet.size == 0)
		return 0;
	switch (packet.bytes[0] >> 4) {
	case 4: return take_ip(ret, packet);
	case 6: return take_ip6(ret, packet);
	}
	return 0;
}

int firewall_log_parse(struct firewall_refusal *ret, const void *bytes, size_t size)
{
	struct netlink_reader datagram = { .bytes = bytes, .size = size };
	struct netlink_attribute attribute;
	struct firewall_refusal refusal = {};
	struct netlink_message message;
	struct nfgenmsg head;
	int r = 0;

	/* The rules say that each packet is told at once, so there is one. */
	if (!netlink_next_message(&datagram, &message) ||
	    message.type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) ||
	    netlink_take(&message.body, &head, sizeof(head)) < 0)
		return 0;
	while (netlink_next(&message.body, &attribute)) {
		if (attribute.type == NFULA_IFINDEX_INDEV)
			refusal.link = netlink_be32(&attribute);
		else if (attribute.type == NFULA_PAYLOAD)
			r = take_packet(&refusal, attribute.value);
	}
	if (r > 0)
		*ret = refusal;
	return r;
}

int firewall_log_read(struct firewall_log *log, struct firewall_refusal *ret)
{
	unsigned char bytes[DATAGRAM_MAX];

	for (unsigned int i = 0; i < STRANGERS_MAX; i++) {
		struct sockaddr_nl from = {};
		socklen_t from_size = sizeof(from);
		ssize_t size = recvfrom(log->fd, bytes, sizeof(bytes), MSG_DONTWAIT,
					(struct sockaddr *)&from, &from_size);

		if (size < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS))
			return 0;
		if (size < 0)
			return fail(-errno, "cannot read the packet filter's log");
		if (from.nl_pid == 0 && firewall_log_parse(ret, bytes, (size_t)size) > 0)
			return 1;
	}
	return 0;
}
