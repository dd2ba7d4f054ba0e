#include "net/resolver-peers.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/macros.h"
#include "format/dns-write.h"
#include "format/dns.h"
#include "net/resolver-state.h"
#include "net/resolver-streams.h"

union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

static socklen_t address_size(const union resolver_socket_address *address)
{
	return address->any.sa_family == AF_INET ? sizeof(address->four) : sizeof(address->six);
}

/* Which address was asked, where there are several: the answer has to come from it. */
static void read_control(struct resolver_peer *peer, struct msghdr *header)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part != NULL;
	     part = CMSG_NXTHDR(header, part)) {
		if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(part), sizeof(info));
			peer->to.four = info.ipi_addr;
		} else if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(part), sizeof(info));
			peer->to.six = info.ipi6_addr;
		}
	}
}

static void write_control(struct msghdr *header, const struct resolver_peer *peer)
{
	struct cmsghdr *part;

	if (peer->address.any.sa_family == AF_INET) {
		struct in_pktinfo info = { .ipi_spec_dst = peer->to.four };

		header->msg_controllen = CMSG_SPACE(sizeof(info));
		part = CMSG_FIRSTHDR(header);
		part->cmsg_level = IPPROTO_IP;
		part->cmsg_type = IP_PKTINFO;
		part->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(part), &info, sizeof(info));
	} else {
		struct in6_pktinfo info = { .ipi6_addr = peer->to.six };

		header->msg_controllen = CMSG_SPACE(sizeof(info));
		part = CMSG_FIRSTHDR(header);
		part->cmsg_level = IPPROTO_IPV6;
		part->cmsg_type = IPV6_PKTINFO;
		part->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(part), &info, sizeof(info));
	}
}

int resolver_peers_receive(struct resolver *resolver, struct resolver_peer *ret, uint8_t *data,
			   size_t room, unsigned int listener)
{
	struct resolver_peer peer = { .index = listener };
	union control control;
	struct iovec part = { .iov_base = data, .iov_len = room };
	struct msghdr header = {
		.msg_name = &peer.address,
		.msg_namelen = sizeof(peer.address),
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	const void *bytes = &peer.address.six.sin6_addr;
	ssize_t n;

	n = recvmsg(resolver->listeners[listener].udp, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return -EAGAIN;
	if (peer.address.any.sa_family == AF_INET)
		bytes = &peer.address.four.sin_addr;
	if ((header.msg_flags & MSG_TRUNC) ||
	    !resolver_streams_may_ask(resolver, peer.address.any.sa_family, bytes))
		return -EBADMSG;
	read_control(&peer, &header);
	*ret = peer;
	return (int)n;
}

size_t resolver_peers_takes(const struct resolver_peer *peer, const struct dns_query *query)
{
	return peer->is_stream ? DNS_MESSAGE_MAX : MIN(query->udp_size, RESOLVER_DATAGRAM_MAX);
}

static void send_datagram(struct resolver *resolver, const struct resolver_peer *peer,
			  const uint8_t *data, size_t size)
{
	union resolver_socket_address address = peer->address;
	union control control = {};
	struct iovec part = { .iov_base = (void *)(uintptr_t)data, .iov_len = size };
	struct msghdr header = {
		.msg_name = &address,
		.msg_namelen = address_size(&address),
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
	};

	write_control(&header, peer);
	/* What cannot be sent is lost, as datagrams are; the guest asks again. */
	if (sendmsg(resolver->listeners[peer->index].udp, &header, MSG_DONTWAIT) < 0)
		resolver->counts.dropped++;
}

void resolver_peers_send(struct resolver *resolver, const struct resolver_peer *peer,
			 const uint8_t *data, size_t size, uint64_t now)
{
	if (peer->is_stream)
		resolver_streams_send(resolver, peer->index, data, size, now);
	else
		send_datagram(resolver, peer, data, size);
}

void resolver_peers_send_code(struct resolver *resolver, const struct resolver_peer *peer,
			      const struct dns_query *query, int code, bool truncated, uint64_t now)
{
	struct dns_writer writer;
	uint8_t data[DNS_QUERY_MAX];

	dns_write_begin(&writer, data, sizeof(data), query, code);
	if (truncated)
		dns_write_truncated(&writer);
	resolver_peers_send(resolver, peer, data, dns_write_end(&writer), now);
}

bool resolver_peers_equal(const struct resolver_peer *a, const struct resolver_peer *b)
{
	return a->is_stream == b->is_stream && a->index == b->index &&
	       (a->is_stream || memcmp(&a->address, &b->address, sizeof(a->address)) == 0);
}
