/* kernel/network - the little that every network namespace needs. Quiet. */
#pragma once
#include <stdint.h>

/* Payload: bring "lo" up in the caller's network namespace; the kernel gives it its addresses. */
int network_loopback_up(void);

/* Let the groups 0 to LAST of the caller's user namespace open ICMP echo sockets, in the network
 * namespace that the caller is in. proc_fd: a procfs mount of the payload's own (class S10). */
int network_allow_ping(int proc_fd, uint32_t last);
