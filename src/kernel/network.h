/* kernel/network - the little that every network namespace needs. Quiet. */
#pragma once

/* Payload: bring "lo" up in the caller's network namespace; the kernel gives it its addresses. */
int network_loopback_up(void);

/* Router advertisements that come in by the interface NAME of the caller's network namespace give
 * it neither addresses nor routes. -ENOENT: there is none of this name, or no IPv6. */
int network_ignore_routers(const char *name);

/* Addresses of that interface are used as soon as they are there, its link-local one too, which
 * neighbours of forwarded packets are asked from: nobody else is there who could have them. For an
 * interface without a carrier yet. -ENOENT as above. */
int network_trust_addresses(const char *name);

/* Both of that in another namespace, by a child that goes there. */
int network_prepare_in(int netns_fd, const char *name);
