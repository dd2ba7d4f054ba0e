/* format/port - which port of the host leads to which of a machine: "tcp:127.0.0.1:8000-8010:9000".
 *
 * [PROTOCOL:][ADDRESS:]HOST[-LAST][:CONTAINER[-LAST]]; an IPv6 address stands in brackets. Pure,
 * quiet.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "format/ip.h"

#define PORT_TEXT_ROOM 96

struct port {
	int protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	uint16_t host, container;
	uint16_t count;	   /* a range: this many from these on */
	struct ip address; /* of the host; none: all */
};

/* -EINVAL, and why as a clause. */
int port_parse(struct port *ret, const char *text, const char **why);

/* With all that can be left out but the address; the result is RET. */
char *port_text(char ret[PORT_TEXT_ROOM], const struct port *port);

/* Both want the same port of the same address. */
bool port_overlaps(const struct port *a, const struct port *b);
