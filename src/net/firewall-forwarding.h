/* net/firewall-forwarding - the host forwards packets of machines, and no others because of us.
 * Speaking.
 *
 * If the host forwards already, somebody wants it to, and there is nothing to do. Else forwarding
 * is switched on for each interface and for new ones, but the host's common switch (ip_forward)
 * stays as it is; and a routing rule (net/firewall-routing) refuses all that is not a machine's, as
 * it was before. So who switches forwarding on later still finds it off, and the kernel tells of
 * it: then the rule has to go. Who switches it off switches all interfaces off: then it is as if
 * the machines had just come. Where interfaces were switched by hand, only the machine's is
 * switched.
 *
 * IPv6 has such switches since Linux 6.17 (force_forwarding). Before, there is only the common one:
 * interfaces that listen to routers are told to go on with it (accept_ra), and the rule stays.
 *
 * All is set back when the tables are dropped.
 */
#pragma once
#include <stdint.h>

struct firewall;
struct firewall_machine;

/* For a machine whose interfaces are there. 1: the host forwarded already. -EROFS, -EACCES, …: it
 * does not, and cannot be told to. */
int firewall_forwarding_on(struct firewall *firewall, const struct firewall_machine *machine);

/* Readable: somebody switched something for all interfaces. For poll loops; O_NONBLOCK. */
int firewall_forwarding_watch(int *ret_fd);

/* What is to be done then, and once in a while, before firewall_forwarding_on() for each machine.
 * WATCH_FD is emptied; negative: there is none. */
int firewall_forwarding_refresh(struct firewall *firewall, int watch_fd);

/* Back to how it was. For firewall_drop_if_empty(). */
int firewall_forwarding_off(struct firewall *firewall);
