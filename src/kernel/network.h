/* kernel/network - the little that every network namespace needs. Quiet. */
#pragma once

/* Payload: bring "lo" up in the caller's network namespace; the kernel gives it its addresses. */
int network_loopback_up(void);
