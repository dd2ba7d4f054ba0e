/* net/zone - a zone's bridge, which comes with its first machine and goes with its last.
 *
 * Under the lock that systemd-nspawn takes too, so that zones of both programs are the same ones.
 * The host's network namespace. Speaking.
 */
#pragma once

struct netlink;

/* The bridge NAME ("vz-…") is there and up, and stays, as long as the returned lock is held or it
 * has a port. */
int zone_make(struct netlink *netlink, const char *name);

/* Remove it if it is empty. A failure is a warning. */
void zone_leave(struct netlink *netlink, const char *name);
