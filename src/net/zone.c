#include "net/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "io/fd.h"
#include "kernel/link.h"
#include "kernel/network.h"
#include "format/link-names.h"
#include "net/links.h"

#define LOCK "/run/systemd/nspawn-network-zone" /* reference, 7.2 */

/* Held only while a bridge is made or removed: waiting is short. Where root's file is not ours, nor
 * are root's bridges: those of our network namespace are locked with it. */
static int lock(void)
{
	autoclose int fd = -EBADF;
	int r;

	(void)mkdir("/run/systemd", 0755);
	fd = open(LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);
	if (fd < 0 && errno != ELOOP)
		fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fd_lock(fd, LOCK_EX);
	return r < 0 ? r : take_fd(&fd);
}

/* Who is in a zone is no router for the host (class S54). */
static int make_bridge(struct netlink *netlink, const char *name, const struct link_want *want)
{
	int index, r;

	r = link_make_bridge(netlink, &index, want);
	if (r < 0)
		return fail(r, "cannot make the bridge '%s'", name);
	(void)network_trust_addresses(name);
	links_ignore_routers(name);
	return 0;
}

int zone_make(struct netlink *netlink, const char *name, const uint8_t *host_id)
{
	uint8_t mac[LINK_NAMES_MAC_SIZE];
	struct link_want want = { .name = name, .mac = mac, .up = LINK_ON };
	autoclose int held = lock();
	struct link_facts facts;
	int r;

	if (held < 0)
		return fail(held, "cannot lock '%s'", LOCK);
	link_names_mac(mac, LINK_NAMES_MAC_ZONE, host_id, name, 0);
	r = link_find(netlink, &facts, name);
	if (r == -ENODEV) {
		r = make_bridge(netlink, name, &want);
		return r < 0 ? r : take_fd(&held);
	}
	if (r < 0)
		return fail(r, "cannot look for the bridge '%s'", name);
	if (!text_equal(facts.kind, "bridge"))
		return fail_input("cannot use the zone of '%s': there is an interface of this "
				  "name, which is no bridge",
				  name);
	want.name = NULL;
	want.mac = NULL;
	r = link_set(netlink, facts.index, &want);
	return r < 0 ? fail(r, "cannot bring the bridge '%s' up", name) : take_fd(&held);
}

void zone_leave(struct netlink *netlink, const char *name)
{
	autoclose int held = lock();
	struct link_facts facts;
	int r = held;

	if (r >= 0)
		r = link_find(netlink, &facts, name);
	if (r >= 0 && text_equal(facts.kind, "bridge") &&
	    link_is_empty_bridge(netlink, facts.index) > 0)
		r = link_delete(netlink, facts.index);
	if (r < 0 && r != -ENODEV)
		log_warning("cannot remove the bridge '%s': %s, going on without", name,
			    strerror(-r));
}
