/* net/zone - a zone's bridge, which comes with its first machine and goes with its last.
 *
 * Under the lock that systemd-nspawn takes too, so that zones of both programs are the same ones.
 * The host's network namespace. Speaking.
 */
#pragma once
#include <stdint.h>

struct netlink;

/* The bridge NAME ("vz-…") is there and up, and stays, as long as the returned lock is held or it
 * has a port. HOST_ID (16 bytes) gives it a hardware address that does not change with its ports.
 */
int zone_make(struct netlink *netlink, const char *name, const uint8_t *host_id);

/* Remove it if it is empty. A failure is a warning. */
void zone_leave(struct netlink *netlink, const char *name);
