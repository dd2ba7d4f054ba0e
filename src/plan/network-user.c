#include "plan/network-user.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "format/link-names.h"
#include "format/uplink.h"
#include "plan/network.h"
#include "plan/step.h"

bool network_user_is(const struct host *host)
{
	return host->uid != 0 || host->confined;
}

bool network_user_has_middle(const struct spec *spec, const struct host *host)
{
	return network_user_is(host) &&
	       (spec->network_zone ||
		(spec->network_veth == TRISTATE_YES && spec->addressing.egress_set));
}

bool network_user_is_direct(const struct spec *spec, const struct host *host)
{
	return network_user_is(host) && !network_user_has_middle(spec, host);
}

static int refuse_link(const char *option, bool instead)
{
	return fail_plain(
		-EPERM,
		"cannot use '%s' without root: only root may change the host's interfaces "
		"(start it as root%s)",
		option, instead ? ", or try --network-veth" : "");
}

static int check_links(const struct spec *spec)
{
	if (spec->network_bridge)
		return refuse_link("--network-bridge=", true);
	if (spec->interfaces.count > 0)
		return refuse_link("--network-interface=", false);
	if (spec->veth_extras.count > 0)
		return refuse_link("--network-veth-extra=", true);
	if (spec->macvlans.count > 0)
		return refuse_link("--network-macvlan=", true);
	if (spec->ipvlans.count > 0)
		return refuse_link("--network-ipvlan=", true);
	return 0;
}

int network_user_check(const struct planner *p)
{
	const struct spec *spec = p->spec;
	int r = check_links(spec);

	if (r < 0)
		return r;
	if (spec->addressing.nat == TRISTATE_NO)
		return fail_plain(-EPERM, "cannot use '--network-nat=no' without root: what the "
					  "container sends has the host's address (leave it out)");
	if (spec->network_veth != TRISTATE_YES && !spec->network_zone)
		return spec->ports.count == 0
			       ? 0
			       : fail_input("cannot use '--port=' without a link (try "
					    "--network-veth)");
	if (!p->host->pasta)
		return fail_plain(-ENOPKG,
				  "cannot make a network for a container of a normal user: "
				  "'pasta' is not installed (install the package passt, or "
				  "leave out %s)",
				  spec->network_zone ? "--network-zone=" : "--network-veth");
	return 0;
}

struct link_plan *network_user_link(struct planner *p, const char *name)
{
	struct link_plan *link = arena_new(p->arena, struct link_plan);
	struct step *step;

	link->kind = LINK_USER;
	link->host = p->host->pasta;
	link->name = name;
	link_names_mac(link->host_mac, LINK_NAMES_MAC_HOST, p->host->machine_id, p->spec->machine,
		       0);
	link_names_mac(link->mac, LINK_NAMES_MAC_GUEST, p->host->machine_id, p->spec->machine, 0);
	link->has_mac = true;
	step = step_add(p, STEP_LINK, name);
	step->source = "(user)";
	step->data = "pasta";
	step->link = link;
	return link;
}

/* Called after the container's link, which it is for. The pasta of 2023 takes one character less
 * than the kernel. */
static const char *uplink_name(struct planner *p)
{
	struct link_name link;

	if (link_names_make(&link, LINK_NAMES_VETH, p->spec->machine) < 0)
		return "u-0";
	return arena_format(p->arena, "u-%s", link.name + strlen("ve-"));
}

void network_user_uplink(struct planner *p)
{
	struct link_plan *link = arena_new(p->arena, struct link_plan);
	uint32_t slot = p->taken->uplink_slot;
	struct step *step;

	*link = (struct link_plan){
		.kind = LINK_UPLINK,
		.host = p->host->pasta,
		.name = uplink_name(p),
		.has_mac = true,
	};
	for (int six = 0; six < 2; six++) {
		link->guest[six] = uplink_address(slot, six, UPLINK_GUEST);
		link->gateway[six] = uplink_address(slot, six, UPLINK_GATEWAY).ip;
		link->dns[six] = link->gateway[six];
	}
	link_names_mac(link->host_mac, LINK_NAMES_MAC_EXTRA_HOST, p->host->machine_id,
		       p->spec->machine, 0);
	link_names_mac(link->mac, LINK_NAMES_MAC_EXTRA_GUEST, p->host->machine_id, p->spec->machine,
		       0);
	step = step_add(p, STEP_LINK, link->name);
	step->source = "(user)";
	step->data = "pasta, outside";
	step->link = link;
}

void network_user_tell(struct planner *p, struct link_plan *link, const struct ip_prefix *guest,
		       size_t count, const struct ip gateway[2])
{
	for (size_t i = 0; i < count; i++) {
		bool ipv6 = guest[i].ip.family == AF_INET6;

		if (link->guest[ipv6].ip.family == 0)
			link->guest[ipv6] = guest[i];
	}
	for (int i = 0; i < 2; i++) {
		link->gateway[i] = gateway[i];
		if (p->spec->addressing.dns != DNS_AUTO)
			continue;
		link->dns[i] = network_name_server(p, i == 1);
		if (link->dns[i].family == 0)
			link->dns[i] = gateway[i];
	}
}
