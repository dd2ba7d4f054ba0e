#include "format/port.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/parse.h"
#include "base/text.h"

#define WORD_ROOM 48

/* The part of TEXT up to END; "": it is too long to be right. */
static const char *cut(char room[WORD_ROOM], const char *text, const char *end)
{
	size_t size = (size_t)(end - text);

	if (size >= WORD_ROOM)
		size = 0;
	memcpy(room, text, size);
	room[size] = '\0';
	return room;
}

/* "8080", "8000-8010": the first one, and how many. */
static int parse_range(uint16_t *ret_first, uint16_t *ret_count, const char *text, const char *end)
{
	const char *dash = memchr(text, '-', (size_t)(end - text));
	char room[WORD_ROOM];
	uint16_t first, last;

	if (parse_port(&first, cut(room, text, dash ? dash : end)) < 0)
		return -EINVAL;
	last = first;
	if (dash && (parse_port(&last, cut(room, dash + 1, end)) < 0 || last < first))
		return -EINVAL;
	/* All of them are one too many for the number; nobody forwards port 0. */
	*ret_first = first;
	*ret_count = (uint16_t)(last - first + 1);
	return 0;
}

/* What stands before the ports, if it is an address. */
static int parse_address(struct ip *ret, const char **text)
{
	bool bracket = **text == '[';
	const char *begin = *text + bracket, *end = strchr(begin, bracket ? ']' : ':');
	char room[WORD_ROOM];

	if (!bracket && !(end && memchr(begin, '.', (size_t)(end - begin))))
		return 0;
	if (!end || end[bracket] != ':' || ip_parse(ret, cut(room, begin, end)) < 0 ||
	    (ret->family == AF_INET6) != bracket)
		return -EINVAL;
	*text = end + bracket + 1;
	return 0;
}

static int refuse(const char **ret, const char *why)
{
	*ret = why;
	return -EINVAL;
}

int port_parse(struct port *ret, const char *text, const char **why)
{
	struct port port = { .protocol = text_after(text, "udp:") ? IPPROTO_UDP : IPPROTO_TCP };
	const char *colon, *end;
	uint16_t count;

	if (text_after(text, "tcp:") || text_after(text, "udp:"))
		text += strlen("tcp:");
	if (parse_address(&port.address, &text) < 0)
		return refuse(why, "the host's address cannot be understood (an IPv6 one stands in "
				   "brackets)");
	end = text + strlen(text);
	colon = strchr(text, ':');
	if (parse_range(&port.host, &port.count, text, colon ? colon : end) < 0)
		return refuse(why, "the port is not between 1 and 65535");
	port.container = port.host;
	count = port.count;
	if (colon && parse_range(&port.container, &count, colon + 1, end) < 0)
		return refuse(why, "the container's port is not between 1 and 65535");
	if ((colon && count != port.count && count != 1) || port.container + port.count > 65536)
		return refuse(why, "the container's range is not as long as the host's");
	*ret = port;
	return 0;
}

static void put_range(char *room, size_t size, unsigned int first, unsigned int count)
{
	if (count == 1)
		snprintf(room, size, "%u", first);
	else
		snprintf(room, size, "%u-%u", first, first + count - 1);
}

char *port_text(char ret[PORT_TEXT_ROOM], const struct port *port)
{
	bool v6 = port->address.family == AF_INET6, any = port->address.family == 0;
	char address[IP_TEXT_ROOM] = "", host[16], container[16];

	if (!any)
		ip_text(address, &port->address);
	put_range(host, sizeof(host), port->host, port->count);
	put_range(container, sizeof(container), port->container, port->count);
	snprintf(ret, PORT_TEXT_ROOM, "%s:%s%s%s%s:%s",
		 port->protocol == IPPROTO_UDP ? "udp" : "tcp", v6 ? "[" : "", address,
		 v6    ? "]:"
		 : any ? ""
		       : ":",
		 host, container);
	return ret;
}

bool port_overlaps(const struct port *a, const struct port *b)
{
	if (a->protocol != b->protocol || a->host >= b->host + b->count ||
	    b->host >= a->host + a->count)
		return false;
	return a->address.family == 0 || b->address.family == 0 ||
	       ip_equal(&a->address, &b->address);
}
