/* net/facts - what is known of a running machine's network, as text: "KEY=VALUE" lines.
 *
 * The supervisor writes it beside the machine's record (machine/network-file); who repairs the
 * host's rules, changes ports, or cleans up after a killed supervisor reads it. Pure, quiet.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "net/firewall.h"

struct arena;

#define FACTS_SIZE_MAX (64 * 1024)
#define FACTS_LINKS_MAX 64

struct facts {
	const char *tag;    /* of the machine's record */
	const char *zone;   /* its bridge, "vz-…"; NULL: none */
	const char *egress; /* for format/egress; NULL: everything may be reached */
	uint32_t interfaces[FACTS_LINKS_MAX]; /* of the host, that lead to it */
	size_t interface_count;
	struct firewall_machine machine; /* its lists live in the arena, and may grow */
};

/* A new list with one more. -E2BIG: that is too many. */
int facts_add_port(struct arena *arena, struct facts *facts, const struct firewall_port *port);
int facts_add_address(struct arena *arena, const struct firewall_address **list, size_t *count,
		      const struct firewall_address *address);

char *facts_print(struct arena *arena, const struct facts *facts);

/* Unknown keys are skipped. -EBADMSG: it cannot be understood. */
int facts_parse(struct arena *arena, struct facts *ret, const char *text, size_t size);

/* "tcp:127.0.0.1:8080:80", "udp:[::1]:8000-8010:9000", as --port= has it. */
char *facts_port_text(struct arena *arena, const struct firewall_port *port);
