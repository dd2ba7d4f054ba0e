/* The network of an LXC container. */
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/text.h"
#include "declare/import-words.h"
#include "declare/lxc.h"

static struct lxc_link *find_link(struct lxc *lxc, struct import_at at, const char *number)
{
	size_t digits = strspn(number, "0123456789"), index = 0;

	for (size_t i = 0; i < digits && index < IMPORT_LXC_LINKS_MAX; i++)
		index = index * 10 + (size_t)(number[i] - '0');
	if (digits == 0 || (number[digits] && number[digits] != '.') ||
	    index >= IMPORT_LXC_LINKS_MAX) {
		import_refuse(lxc->import, at, "networks are numbered from 0 to %d",
			      IMPORT_LXC_LINKS_MAX - 1);
		return NULL;
	}
	if (!lxc->links[index].given)
		lxc->links[index].at = at;
	lxc->links[index].given = true;
	return &lxc->links[index];
}

bool lxc_network_key(struct lxc *lxc, struct import_at at, const char *key, const char *value)
{
	const char *number = text_after(key, "net."), *rest;
	struct lxc_link *link;

	if (!number)
		return false;
	link = find_link(lxc, at, number);
	if (!link)
		return true;
	rest = strchr(number, '.');
	rest = rest ? rest + 1 : "";
	if (text_equal(rest, "type"))
		link->type = value;
	else if (text_equal(rest, "link"))
		link->link = value;
	else if (text_equal(rest, "name"))
		link->name = value;
	else if (text_equal(rest, "hwaddr"))
		link->mac = value;
	else if (text_equal(rest, "ipv4.gateway"))
		link->gateway[0] = value;
	else if (text_equal(rest, "ipv6.gateway"))
		link->gateway[1] = value;
	else if (text_equal(rest, "ipv4.address") || text_equal(rest, "ipv6.address"))
		text_list_add(lxc->import->arena, &link->addresses,
			      arena_text_n(lxc->import->arena, value, strcspn(value, " \t")));
	else if (!text_equal(rest, "flags"))
		import_note(lxc->import, lxc->machine, at, "there is no setting for it");
	return true;
}

/* Addresses of a link with a cable to the host. */
static void addresses(struct lxc *lxc, const struct lxc_link *link)
{
	struct import *import = lxc->import;

	for (size_t i = 0; i < link->addresses.count; i++)
		import_set(import, lxc->machine, link->at, "X-Network", "Address",
			   link->addresses.items[i]);
	for (size_t i = 0; i < 2; i++) {
		if (!link->gateway[i])
			continue;
		if (strpbrk(link->gateway[i], ".:"))
			import_set(import, lxc->machine, link->at, "X-Network", "Gateway",
				   link->gateway[i]);
		else
			import_note(import, lxc->machine, link->at,
				    "the gateway '%.20s' is that of the bridge, which is not "
				    "known here: write it into Gateway=",
				    text_printable(import->arena, link->gateway[i]));
	}
	/* An "x" is a digit that is to be chosen. */
	if (link->mac && !strpbrk(link->mac, "xX"))
		import_set(import, lxc->machine, link->at, "X-Network", "MACAddress", link->mac);
	if (link->name)
		import_set(import, lxc->machine, link->at, "X-Network", "InterfaceName",
			   link->name);
}

static void moved(struct lxc *lxc, const struct lxc_link *link, const char *key)
{
	if (text_empty(link->link)) {
		import_refuse(lxc->import, link->at, "it does not say which interface of the host");
		return;
	}
	import_setf(lxc->import, lxc->machine, link->at, "Network", key, "%s%s%s", link->link,
		    link->name ? ":" : "", link->name ? link->name : "");
	if (link->addresses.count > 0)
		import_note(lxc->import, lxc->machine, link->at,
			    "addresses of this interface are given inside of the machine");
}

void lxc_network(struct lxc *lxc)
{
	bool any = false, cable = false;

	for (size_t i = 0; i < IMPORT_LXC_LINKS_MAX && lxc->import->status >= 0; i++) {
		const struct lxc_link *link = &lxc->links[i];

		if (!link->given)
			continue;
		any = true;
		if (text_equal(link->type, "veth") && !cable) {
			cable = true;
			if (link->link)
				import_set(lxc->import, lxc->machine, link->at, "Network", "Bridge",
					   link->link);
			else
				import_set(lxc->import, lxc->machine, link->at, "Network",
					   "VirtualEthernet", "yes");
			addresses(lxc, link);
		} else if (text_equal(link->type, "macvlan")) {
			moved(lxc, link, "MACVLAN");
		} else if (text_equal(link->type, "ipvlan")) {
			moved(lxc, link, "IPVLAN");
		} else if (text_equal(link->type, "phys")) {
			moved(lxc, link, "Interface");
		} else if (text_equal(link->type, "empty") || text_equal(link->type, "none")) {
			import_set(lxc->import, lxc->machine, link->at, "Network", "Private",
				   text_equal(link->type, "none") ? "no" : "yes");
		} else {
			import_note(lxc->import, lxc->machine, link->at,
				    cable ? "one cable leads to a bridge: a second is written as "
					    "VirtualEthernetExtra="
					  : "there are no interfaces of this type");
		}
	}
	if (!any)
		import_set(lxc->import, lxc->machine, lxc->named_at, "Network", "Private", "yes");
}
