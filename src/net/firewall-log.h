/* net/firewall-log - what a restricted machine was refused, packet by packet. Supervisor. Speaking.
 *
 * The kernel tells a group of packets to one socket only, so each machine has a group of its own:
 * open the log first, then firewall_add() with its group. The rules limit how much is told. The
 * descriptor may be handed to another process, which goes on with it. What packets hold is the
 * guest's word.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "net/firewall.h"

struct firewall_log {
	int fd; /* readable: firewall_log_read() has something */
	uint16_t group;
};

#define FIREWALL_LOG_EMPTY    \
	{                     \
		.fd = -EBADF, \
	}

/* -EOPNOTSUPP: this kernel does not tell. */
int firewall_log_open(struct firewall_log *ret);
void firewall_log_close(struct firewall_log *log); /* accepts the empty one */
#define autofirewall_log CLEANUP(firewall_log_close)

struct firewall_refusal {
	uint32_t link;	  /* that it came in by: the machine's own, or its bridge */
	uint8_t protocol; /* IPPROTO_* */
	struct firewall_address source, destination;
	uint16_t port; /* at the destination; 0: the protocol has none, or it was cut off */
};

/* 1: one. 0: none now. Never blocks, allocates nothing. */
int firewall_log_read(struct firewall_log *log, struct firewall_refusal *ret);

/* What the kernel said, of SIZE bytes, as firewall_log_read() takes it apart. 0: nothing useful. */
int firewall_log_parse(struct firewall_refusal *ret, const void *bytes, size_t size);
