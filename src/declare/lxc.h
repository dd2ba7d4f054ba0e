/* declare/lxc - the parts of declare/import-lxc: its network (lxc-network), and the lines of
 * Proxmox VE (lxc-proxmox). Pure. Speaking by the importer's record. */
#pragma once
#include <stdbool.h>

#include "declare/import-lxc.h"
#include "declare/import.h"

struct lxc_link {
	struct import_at at;				   /* where it begins */
	const char *type, *link, *name, *mac, *gateway[2]; /* of IPv4, of IPv6 */
	struct text_list addresses;
	bool given;
};

struct lxc {
	struct import *import;
	struct import_machine *machine;
	struct import_at named_at, idmap_at;
	const char *name, *root, *users; /* users: "100000:65536" */
	struct text_list environment, drop, keep;
	struct import_at drop_at;
	struct lxc_link links[IMPORT_LXC_LINKS_MAX];
	unsigned int depth, lines;
	bool proxmox, has_init;
};

/* "net.0.link" or so; false: no key of a network. */
bool lxc_network_key(struct lxc *lxc, struct import_at at, const char *key, const char *value);
/* All of them, at the end. */
void lxc_network(struct lxc *lxc);

/* "KEY: VALUE" of a Proxmox VE config. */
void lxc_proxmox_key(struct lxc *lxc, struct import_at at, const char *key, const char *value);

/* SOURCE PLACE TYPE OPTIONS, as in fstab(5). */
void lxc_mount(struct lxc *lxc, struct import_at at, const char *value);
