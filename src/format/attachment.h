/* format/attachment - what is attached to a running machine's network: "zone:web", "veth",
 * "macvlan:eth0:lan0".
 *
 *	interface:HOST[:NAME]	an interface of the host
 *	macvlan:HOST[:NAME]	one that stands on it; likewise ipvlan
 *	bridge:BRIDGE[:NAME]	a link to a bridge of the host
 *	zone:ZONE[:NAME]	a link to a zone
 *	veth[:HOST[:NAME]]	a link to the host, where it is called HOST
 *
 * What is there on the host may be told by an alternative name. NAME is what it is called in the
 * machine. Pure, quiet.
 */
#pragma once

#define ATTACHMENT_NAME_ROOM 16
#define ATTACHMENT_OF_ROOM 128

enum attachment_kind {
	ATTACH_INTERFACE,
	ATTACH_MACVLAN,
	ATTACH_IPVLAN,
	ATTACH_BRIDGE,
	ATTACH_ZONE,
	ATTACH_VETH,
	ATTACH_KINDS
};

extern const char *const attachment_words[ATTACH_KINDS];

struct attachment {
	enum attachment_kind kind;
	char of[ATTACHMENT_OF_ROOM];	 /* HOST, BRIDGE, ZONE; "": not given */
	char name[ATTACHMENT_NAME_ROOM]; /* "": not given */
};

/* -EINVAL, and why as a clause. */
int attachment_parse(struct attachment *ret, const char *text, const char **why);
