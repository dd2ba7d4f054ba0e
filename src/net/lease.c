#include "net/lease.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/macros.h"
#include "format/dhcp.h"
#include "format/dhcp6.h"
#include "format/frame.h"
#include "format/ndp.h"
#include "format/octets.h"
#include "io/clock.h"
#include "io/fd.h"
#include "kernel/later.h"
#include "net/lease-answer.h"

#define SECOND_US UINT64_C(1000000)
#define NEVER UINT64_MAX
/* What the machine can fill of the host's memory, by the kernel's count: about as many frames as
 * are answered in a second, so that none is answered long after it was sent. */
#define QUEUE_BYTES 8192

/* Where things are in a frame. */
enum { AT_MAC = 6, AT_TYPE = 12, AT_IP = 14 };

/* ---- the socket ---- */

/* Only what may be a question of the machine's own interface wakes us; the rest of its traffic
 * comes by here too. Jumps count what they skip: the last two lines are "no" and "yes". */
static int attach_filter(int fd, const uint8_t *mac)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_PKTTYPE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 25, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 23),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT_MAC),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, octets_get32(mac), 0, 21),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, AT_MAC + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, octets_get16(mac + 4), 0, 19),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, AT_TYPE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 8, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 16),
		/* IPv4: UDP, no fragment but the first, to a DHCP server */
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, AT_IP + 9),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 14),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, AT_IP + 6),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 12, 0),
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, AT_IP),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, AT_IP + 2),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, DHCP_SERVER_PORT, 10, 9),
		/* IPv6: UDP, to a DHCP server */
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, AT_IP + 6),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 2),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, AT_IP + 40 + 2),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, DHCP6_SERVER_PORT, 6, 5),
		/* or ICMP, a solicitation, and not by way of a router */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, 4),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, AT_IP + 40),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NDP_SOLICITATION, 0, 2),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, AT_IP + 7),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NDP_HOPS, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, FRAME_SIZE_MAX),
	};
	struct sock_fprog program = { .len = ARRAY_SIZE(code), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno
											   : 0;
}

/* All protocols, because a bridge takes what arrives on its port before sockets of one protocol see
 * it. Nothing is received before the filter is there: a socket of no protocol receives nothing. */
static int open_socket(const struct lease_config *config)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)config->ifindex,
	};
	autoclose int fd = -EBADF;
	int on = 1, bytes = QUEUE_BYTES, r;

	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = attach_filter(fd, config->guest_mac);
	if (r < 0)
		return r;
	/* What the host sends need not even be looked at. */
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return take_fd(&fd);
}

/* The machine's end may be down, or all be gone: nobody is left to tell. */
static void send_frame(struct lease *lease, const uint8_t *frame, size_t size)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(octets_get16(frame + AT_TYPE)),
		.sll_ifindex = (int)lease->config.ifindex,
		.sll_halen = LEASE_MAC,
	};
	ssize_t sent;

	memcpy(address.sll_addr, frame, LEASE_MAC);
	sent = sendto(lease->socket_fd, frame, size, MSG_DONTWAIT | MSG_NOSIGNAL,
		      (struct sockaddr *)&address, sizeof(address));
	(void)sent;
}

/* ---- what wakes us ---- */

static int watch(struct lease *lease, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(lease->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* For the next thing to do; setting it also takes back that it has expired. */
static void set_timer(struct lease *lease)
{
	uint64_t at = lease->advertise_us;
	struct itimerspec timer = { 0 };

	if (lease->deaf)
		at = MIN(at, lease->second_us + SECOND_US);
	if (at != NEVER) {
		timer.it_value.tv_sec = (time_t)(at / SECOND_US);
		timer.it_value.tv_nsec = (long)(at % SECOND_US) * 1000;
	}
	timerfd_settime(lease->timer_fd, TFD_TIMER_ABSTIME, &timer, NULL);
}

/* Not masked but taken out: errors cannot be masked. */
static void go_deaf(struct lease *lease)
{
	if (epoll_ctl(lease->epoll_fd, EPOLL_CTL_DEL, lease->socket_fd, NULL) == 0)
		lease->deaf = true;
}

static void hear_again(struct lease *lease, uint64_t now)
{
	if (now - lease->second_us >= SECOND_US) {
		lease->second_us = now;
		lease->answers = 0;
	}
	if (lease->deaf && lease->answers == 0 && watch(lease, lease->socket_fd) == 0)
		lease->deaf = false;
}

static void hear(struct lease *lease)
{
	uint8_t question[FRAME_SIZE_MAX], answer[LEASE_FRAME_MAX];

	while (!lease->deaf) {
		ssize_t n = recv(lease->socket_fd, question, sizeof(question), MSG_TRUNC);
		size_t size = 0;

		if (n < 0 && errno == EAGAIN)
			return;
		/* Errors tell of an interface that went down; recv() takes them back. */
		if (n > 0 && (size_t)n <= sizeof(question))
			size = lease_answer(answer, &lease->config, question, (size_t)n);
		if (size > 0)
			send_frame(lease, answer, size);
		if (++lease->answers >= LEASE_ANSWERS_MAX)
			go_deaf(lease);
	}
}

/* ---- for the caller ---- */

static int open_all(struct lease *lease)
{
	int r;

	lease->socket_fd = open_socket(&lease->config);
	if (lease->socket_fd < 0)
		return lease->socket_fd;
	lease->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (lease->timer_fd < 0)
		return -errno;
	lease->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (lease->epoll_fd < 0)
		return -errno;
	r = watch(lease, lease->timer_fd);
	return r < 0 ? r : watch(lease, lease->socket_fd);
}

int lease_open(struct lease *lease, const struct lease_config *config)
{
	struct lease made = LEASE_EMPTY;
	int r;

	assert(config->dns_count <= LEASE_DNS_MAX && config->dns6_count <= LEASE_DNS_MAX);
	assert(config->prefix_length <= 32);
	made.config = *config;
	made.advertise_us = NEVER;
	made.second_us = clock_monotonic_us();
	r = open_all(&made);
	if (r < 0) {
		lease_done(&made, NULL);
		return fail(r, "cannot listen for the DHCP of the machine");
	}
	*lease = made;
	lease_advertise(lease);
	return 0;
}

int lease_poll_fd(const struct lease *lease)
{
	return lease->epoll_fd;
}

void lease_advertise(struct lease *lease)
{
	uint8_t frame[LEASE_FRAME_MAX];
	size_t size = lease_advertisement(frame, &lease->config);

	if (size == 0)
		return;
	send_frame(lease, frame, size);
	lease->advertise_us = clock_monotonic_us() + LEASE_ADVERTISE_SECONDS * SECOND_US;
	set_timer(lease);
}

void lease_serve(struct lease *lease)
{
	uint64_t now = clock_monotonic_us();

	hear_again(lease, now);
	hear(lease);
	if (now >= lease->advertise_us)
		lease_advertise(lease);
	set_timer(lease);
}

void lease_done(struct lease *lease, struct later *later)
{
	fd_close(&lease->epoll_fd);
	fd_close(&lease->timer_fd);
	later_close(later, &lease->socket_fd);
}
