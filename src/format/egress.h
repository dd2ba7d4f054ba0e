/* format/egress - the list of destinations that a machine may reach. Pure, quiet.
 *
 *	packages.example.net:443 *.example.org udp:[2001:db8::/32]:53 tcp:10.0.0.0/8:8000-8080
 *
 * Words separated by blanks: a host name, "*.NAME" (every name below NAME, not NAME itself), "*"
 * (every name), or an address with or without a prefix length; an IPv6 one stands in brackets if a
 * port follows. Before it "tcp:" or "udp:", behind it ":PORT" or ":FIRST-LAST"; without them both
 * and all. A list without entries allows nothing. What a name leads to is opened port by port, so a
 * range of them is at most EGRESS_NAME_PORTS_MAX long.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

#define EGRESS_ENTRIES_MAX 256 /* more: -E2BIG */
#define EGRESS_NAME_MAX 253
#define EGRESS_NAME_PORTS_MAX 64

enum egress_kind { EGRESS_NAME, EGRESS_BELOW, EGRESS_PREFIX };

struct egress_entry {
	enum egress_kind kind;
	int protocol;			/* IPPROTO_TCP, IPPROTO_UDP; 0: both */
	uint16_t port_first, port_last; /* 0 and 65535: all */
	const char *name;  /* lower case, no dot at the end; EGRESS_BELOW: what is behind "*."; "":
			      every name */
	int family;	   /* EGRESS_PREFIX: AF_INET, AF_INET6 */
	uint8_t bytes[16]; /* without bits beyond prefix_length */
	unsigned int prefix_length;
};

struct egress {
	struct egress_entry *entries;
	size_t count;
};

/* One word. -EINVAL; -ERANGE: too many ports of a name, but not all. */
int egress_parse_entry(struct arena *arena, struct egress_entry *ret, const char *word);

/* The list; "" is an empty one. -EINVAL, -ERANGE: *bad is then the word that is wrong; -E2BIG. */
int egress_parse(struct arena *arena, struct egress *ret, const char *text, const char **bad);

/* NAME is in the form of format/dns. Its entries one after the other, *at being 0 at first; NULL:
 * no more. */
const struct egress_entry *egress_next_named(const struct egress *egress, size_t *at,
					     const char *name);
const struct egress_entry *egress_next_prefix(const struct egress *egress, size_t *at);

bool egress_has_name(const struct egress *egress, const char *name);

/* Is the address listed as such, whatever the port? */
bool egress_has_address(const struct egress *egress, int family, const uint8_t *bytes);

/* An address that no public name has a reason to lead to: private, shared, loopback, link-local
 * (and so the metadata services of clouds), multicast, reserved, or one of these inside of an IPv6
 * address. What leads there can be DNS rebinding. */
bool egress_is_internal(int family, const uint8_t *bytes);
