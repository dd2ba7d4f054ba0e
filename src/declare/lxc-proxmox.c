/* The lines of a Proxmox VE container's config: "net0: name=eth0,bridge=vmbr0,ip=dhcp". */
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/text.h"
#include "declare/import-words.h"
#include "declare/lxc.h"

/* What is behind "NAME=" among the fields of VALUE; NULL: nothing. */
static const char *field(struct lxc *lxc, const char *value, const char *name)
{
	struct text_list words = { 0 };
	const char *found = NULL;

	text_split(lxc->import->arena, &words, value, ",");
	for (size_t i = 0; i < words.count && !found; i++)
		found = text_assigned(words.items[i], name);
	return found;
}

static void link_key(struct lxc *lxc, struct import_at at, const char *number, const char *name,
		     const char *value)
{
	if (value)
		lxc_network_key(lxc, at,
				arena_format(lxc->import->arena, "net.%s.%s", number, name), value);
}

static void take_network(struct lxc *lxc, struct import_at at, const char *number,
			 const char *value)
{
	static const char *const left_out[] = { "tag", "rate", "trunks", "mtu", "link_down" };
	const char *type = field(lxc, value, "type");
	const char *v4 = field(lxc, value, "ip"), *v6 = field(lxc, value, "ip6");

	link_key(lxc, at, number, "type", type ? type : "veth");
	link_key(lxc, at, number, "name", field(lxc, value, "name"));
	link_key(lxc, at, number, "link", field(lxc, value, "bridge"));
	link_key(lxc, at, number, "hwaddr", field(lxc, value, "hwaddr"));
	if (v4 && strchr(v4, '/'))
		link_key(lxc, at, number, "ipv4.address", v4);
	if (v6 && strchr(v6, '/'))
		link_key(lxc, at, number, "ipv6.address", v6);
	link_key(lxc, at, number, "ipv4.gateway", field(lxc, value, "gw"));
	link_key(lxc, at, number, "ipv6.gateway", field(lxc, value, "gw6"));
	for (size_t i = 0; i < ARRAY_SIZE(left_out); i++)
		if (field(lxc, value, left_out[i]))
			import_note(lxc->import, lxc->machine, at, "'%s=' is left out",
				    left_out[i]);
}

static void take_place(struct lxc *lxc, struct import_at at, const char *value)
{
	char *source = arena_text_n(lxc->import->arena, value, strcspn(value, ","));
	const char *place = field(lxc, value, "mp"), *read_only = field(lxc, value, "ro");

	if (*source == '/' && place)
		import_bind(lxc->import, lxc->machine, at, source, place,
			    text_equal(read_only, "1"));
	else
		import_note(lxc->import, lxc->machine, at,
			    "where the volume '%.80s' lies is not known here: bind it by Bind=",
			    text_printable(lxc->import->arena, source));
}

static void take_mebibytes(struct lxc *lxc, struct import_at at, const char *key, const char *value)
{
	uint32_t count;

	if (parse_u32(&count, value) < 0)
		import_refuse(lxc->import, at, "'%.20s' is no number of MiB",
			      text_printable(lxc->import->arena, value));
	else
		import_setf(lxc->import, lxc->machine, at, "X-Service", key, "%uM", count);
}

static bool silent(const char *key)
{
	static const char *const keys[] = { "ostype", "description", "tags",	  "console",
					    "tty",    "cmode",	     "digest",	  "lock",
					    "arch",   "template",    "protection" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (text_equal(key, keys[i]))
			return true;
	return false;
}

void lxc_proxmox_key(struct lxc *lxc, struct import_at at, const char *key, const char *value)
{
	struct import *import = lxc->import;
	const char *number = text_after(key, "net");

	if (text_equal(key, "hostname")) {
		lxc->name = value;
		lxc->named_at = at;
	} else if (number && *number) {
		take_network(lxc, at, number, value);
	} else if (text_equal(key, "rootfs")) {
		import_note(import, lxc->machine, at,
			    "where the volume '%.80s' lies is not known here: copy its tree to "
			    "the place that Source= names",
			    text_printable(import->arena, arena_text_n(import->arena, value,
								       strcspn(value, ","))));
	} else if (text_after(key, "mp")) {
		take_place(lxc, at, value);
	} else if (text_equal(key, "memory")) {
		take_mebibytes(lxc, at, "MemoryMax", value);
	} else if (text_equal(key, "swap")) {
		take_mebibytes(lxc, at, "MemorySwapMax", value);
	} else if (text_equal(key, "cores") || text_equal(key, "cpulimit")) {
		import_cpus(import, lxc->machine, at, value);
	} else if (text_equal(key, "cpuunits")) {
		import_set(import, lxc->machine, at, "X-Service", "CPUWeight", value);
	} else if (text_equal(key, "onboot")) {
		if (text_equal(value, "1"))
			import_set(import, lxc->machine, at, "X-Install", "WantedBy",
				   "machines.target");
	} else if (text_equal(key, "unprivileged")) {
		if (text_equal(value, "1") && !lxc->users)
			lxc->users = "100000:65536";
	} else if (text_equal(key, "nameserver")) {
		import_set(import, lxc->machine, at, "X-Network", "DNS",
			   arena_text_n(import->arena, value, strcspn(value, " ,")));
	} else if (!silent(key)) {
		import_note(import, lxc->machine, at, "there is no setting for it");
	}
}
