/* Interfaces and ports (reference, section 7). */
#include "spec/field.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/text.h"

static const char *const no_interface = "not the name of a network interface";

int field_interface_pair(struct setting_reader *reader, const char *value)
{
	struct interface_list *list = field_of(reader);
	struct interface_pair pair = { 0 }, *added;
	const char *colon = strchr(value, ':');

	pair.host = arena_text_n(reader->arena, value,
				 colon ? (size_t)(colon - value) : strlen(value));
	pair.container = colon ? arena_text(reader->arena, colon + 1) : NULL;
	if (!name_is_interface(pair.host) || (pair.container && !name_is_interface(pair.container)))
		return field_refuse(reader, no_interface);
	added = list_grow(reader->arena, (void **)&list->items, &list->count, sizeof(*added));
	*added = pair;
	return 0;
}

int field_bridge(struct setting_reader *reader, const char *value)
{
	if (!name_is_interface(value))
		return field_refuse(reader, no_interface);
	return field_text(reader, value);
}

int field_zone(struct setting_reader *reader, const char *value)
{
	if (text_empty(value) || !name_is_interface(arena_format(reader->arena, "vz-%s", value)))
		return field_refuse(
			reader,
			"'vz-' and the zone's name make no interface name of up to 15 bytes");
	return field_text(reader, value);
}

/* "8080", "8000-8010": the first one, and how many. */
static int parse_range(struct setting_reader *reader, uint16_t *ret_first, uint16_t *ret_count,
		       const char *text)
{
	const char *dash = strchr(text, '-');
	uint16_t first, last;

	if (parse_port(&first, arena_text_n(reader->arena, text,
					    dash ? (size_t)(dash - text) : strlen(text))) < 0)
		return -EINVAL;
	last = first;
	if (dash && (parse_port(&last, dash + 1) < 0 || last < first))
		return -EINVAL;
	*ret_first = first;
	*ret_count = (uint16_t)(last - first + 1);
	return 0;
}

/* What stands before the ports if it is an address: an IPv6 one stands in brackets. */
static int parse_host_address(struct setting_reader *reader, struct ip *ret, const char **text)
{
	const char *end = **text == '[' ? strchr(*text, ']') : strchr(*text, ':');
	const char *begin = **text == '[' ? *text + 1 : *text;
	char *address;

	if (**text != '[' && !(end && memchr(begin, '.', (size_t)(end - begin))))
		return 0;
	if (!end || end[**text == '['] != ':')
		return -EINVAL;
	address = arena_text_n(reader->arena, begin, (size_t)(end - begin));
	if (ip_parse(ret, address) < 0)
		return -EINVAL;
	*text = end + 1 + (**text == '[');
	return 0;
}

static bool overlaps(const struct port *a, const struct port *b)
{
	if (a->protocol != b->protocol || a->host >= b->host + b->count ||
	    b->host >= a->host + a->count)
		return false;
	return a->address.family == 0 || b->address.family == 0 ||
	       ip_equal(&a->address, &b->address);
}

int field_port(struct setting_reader *reader, const char *value)
{
	struct port_list *list = &reader->spec->ports;
	struct port port = { .protocol = IPPROTO_TCP }, *added;
	const char *rest = value, *colon;
	uint16_t count;

	if (text_after(rest, "udp:"))
		port.protocol = IPPROTO_UDP;
	if (text_after(rest, "tcp:") || text_after(rest, "udp:"))
		rest += strlen("tcp:");
	if (parse_host_address(reader, &port.address, &rest) < 0)
		return field_refuse(reader, "the host's address cannot be understood (an IPv6 one "
					    "stands in brackets)");
	colon = strchr(rest, ':');
	if (parse_range(reader, &port.host, &port.count,
			arena_text_n(reader->arena, rest,
				     colon ? (size_t)(colon - rest) : strlen(rest))) < 0)
		return field_refuse(reader, "the port is not between 1 and 65535");
	port.container = port.host;
	count = port.count;
	if (colon && parse_range(reader, &port.container, &count, colon + 1) < 0)
		return field_refuse(reader, "the container's port is not between 1 and 65535");
	if ((colon && count != port.count && count != 1) || port.container + port.count > 65536)
		return field_refuse(reader, "the container's range is not as long as the host's");

	for (size_t i = 0; i < list->count; i++)
		if (overlaps(&list->items[i], &port))
			return field_refuse(reader, "this port of the host was given before");
	added = list_grow(reader->arena, (void **)&list->items, &list->count, sizeof(*added));
	*added = port;
	return 0;
}

char *field_print_interface_pairs(struct arena *arena, const struct setting *row,
				  const struct spec *spec)
{
	const struct interface_list *list = field_in(row, spec);
	struct text_list words = { 0 };

	for (size_t i = 0; i < list->count; i++) {
		const struct interface_pair *pair = &list->items[i];

		text_list_add(arena, &words,
			      arena_format(arena, "%s%s%s", pair->host, pair->container ? ":" : "",
					   pair->container ? pair->container : ""));
	}
	return field_join(arena, &words, "\n");
}

static char *print_range(struct arena *arena, unsigned first, unsigned count)
{
	return count == 1 ? arena_format(arena, "%u", first)
			  : arena_format(arena, "%u-%u", first, first + count - 1);
}

char *field_port_text(struct arena *arena, const struct port *port)
{
	char text[IP_TEXT_ROOM];
	bool v6 = port->address.family == AF_INET6, any = port->address.family == 0;

	return arena_format(arena, "%s:%s%s%s%s:%s", port->protocol == IPPROTO_UDP ? "udp" : "tcp",
			    v6 ? "[" : "", any ? "" : ip_text(text, &port->address),
			    v6	  ? "]:"
			    : any ? ""
				  : ":",
			    print_range(arena, port->host, port->count),
			    print_range(arena, port->container, port->count));
}

char *field_print_ports(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	struct text_list words = { 0 };

	(void)row;
	for (size_t i = 0; i < spec->ports.count; i++) {
		const struct port *port = &spec->ports.items[i];

		text_list_add(arena, &words, field_port_text(arena, port));
	}
	return field_join(arena, &words, "\n");
}
