/* [X-Network]: the addresses of a container's link, and what it may reach (Redd's own). */
#include "spec/field.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/text.h"
#include "format/egress.h"

#define ADDRESSES_MAX 16 /* of one kind */

static int add_prefix(struct setting_reader *reader, struct prefix_list *list, const char *value)
{
	struct ip_prefix prefix, *added;

	if (ip_parse_prefix(&prefix, value) < 0)
		return field_refuse(reader, "not an address, or an address and a prefix length");
	if (!ip_is_unicast(&prefix.ip))
		return field_refuse(reader, "not the address of a single host");
	if (list->count == ADDRESSES_MAX)
		return field_refuse(reader, "too many addresses");
	added = list_grow(reader->arena, (void **)&list->items, &list->count, sizeof(*added));
	*added = prefix;
	return 0;
}

int field_address(struct setting_reader *reader, const char *value)
{
	struct addressing *addressing = &reader->spec->addressing;
	bool automatic = text_equal(value, "auto");
	bool off = text_equal(value, "no") || text_equal(value, "off");
	enum address_mode mode = automatic ? ADDRESSES_AUTO : off ? ADDRESSES_OFF : ADDRESSES_GIVEN;

	if (addressing->mode != ADDRESSES_UNSET && addressing->mode != mode)
		return field_refuse(reader, "addresses, 'auto' and 'no' exclude each other");
	if (mode == ADDRESSES_GIVEN) {
		int r = add_prefix(reader, &addressing->addresses, value);

		if (r < 0)
			return r;
	}
	addressing->mode = mode;
	return 0;
}

int field_prefix(struct setting_reader *reader, const char *value)
{
	return add_prefix(reader, field_of(reader), value);
}

int field_gateway(struct setting_reader *reader, const char *value)
{
	struct addressing *addressing = &reader->spec->addressing;
	struct ip ip, *place;

	if (text_equal(value, "no") || text_equal(value, "off")) {
		addressing->no_gateway = true;
		return 0;
	}
	if (ip_parse(&ip, value) < 0)
		return field_refuse(reader, "not an address");
	place = &addressing->gateway[ip.family == AF_INET6];
	if (place->family != 0)
		return field_refuse(reader, "there is a gateway of this kind of address already");
	*place = ip;
	return 0;
}

int field_route(struct setting_reader *reader, const char *value)
{
	struct network_route_list *list = &reader->spec->addressing.routes;
	const char *comma = strchr(value, ',');
	struct network_route route = { 0 }, *added;
	char *to = arena_text_n(reader->arena, value,
				comma ? (size_t)(comma - value) : strlen(value));

	if (ip_parse_prefix(&route.to, to) < 0)
		return field_refuse(reader, "not a network");
	if (comma && ip_parse(&route.via, comma + 1) < 0)
		return field_refuse(reader, "the gateway is not an address");
	if (comma && route.via.family != route.to.ip.family)
		return field_refuse(reader, "network and gateway are of different kinds");
	if (list->count == ADDRESSES_MAX)
		return field_refuse(reader, "too many routes");
	added = list_grow(reader->arena, (void **)&list->items, &list->count, sizeof(*added));
	*added = route;
	return 0;
}

int field_interface_name(struct setting_reader *reader, const char *value)
{
	if (!text_empty(value) && !name_is_interface(value))
		return field_refuse(reader, "not the name of a network interface");
	return field_text(reader, value);
}

int field_mac(struct setting_reader *reader, const char *value)
{
	struct addressing *addressing = &reader->spec->addressing;

	addressing->mac_set = !text_equal(value, "stable");
	if (addressing->mac_set && ip_parse_mac(addressing->mac, value) < 0)
		return field_refuse(reader, "not the hardware address of a single interface");
	return 0;
}

int field_dns(struct setting_reader *reader, const char *value)
{
	static const struct {
		const char *word;
		enum dns_mode mode;
	} words[] = {
		{ "auto", DNS_AUTO },
		{ "host", DNS_HOST },
		{ "no", DNS_OFF },
		{ "off", DNS_OFF },
	};
	struct addressing *addressing = &reader->spec->addressing;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (text_equal(value, words[i].word)) {
			addressing->dns = words[i].mode;
			return 0;
		}
	if (ip_parse(&addressing->dns_server, value) < 0)
		return field_refuse(reader, "neither an address nor a word that is known here");
	addressing->dns = DNS_GIVEN;
	return 0;
}

static int check_destination(struct setting_reader *reader, const char *word)
{
	struct egress_entry entry;

	int r = egress_parse_entry(reader->arena, &entry, word);

	if (r >= 0)
		return 0;
	if (r == -ERANGE)
		return field_refuse(reader, arena_format(reader->arena,
							 "'%s' has more than %d ports of a name",
							 word, EGRESS_NAME_PORTS_MAX));
	return field_refuse(reader,
			    arena_format(reader->arena,
					 "'%s' is no name and no network, with or without ports",
					 word));
}

/* An empty list means nothing at all, so it is remembered that there is one; and also if it cannot
 * be understood: a line of a file is left out with a warning then, which must not open anything. */
int field_egress(struct setting_reader *reader, const char *value)
{
	struct addressing *addressing = &reader->spec->addressing;
	struct text_list words = { 0 };

	text_split(reader->arena, &words, value, " \t");
	addressing->egress_set = true;
	if (words.count > EGRESS_ENTRIES_MAX - addressing->egress.count)
		return field_refuse(reader, "too many destinations");
	for (size_t i = 0; i < words.count; i++) {
		int r = check_destination(reader, words.items[i]);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < words.count; i++)
		text_list_add(reader->arena, &addressing->egress, words.items[i]);
	return 0;
}

/* ---- as a user would write it ---- */

static char *print_prefixes(struct arena *arena, const struct prefix_list *list)
{
	struct text_list words = { 0 };
	char text[IP_TEXT_ROOM];

	for (size_t i = 0; i < list->count; i++)
		text_list_add(arena, &words,
			      arena_text(arena, ip_text_prefix(text, &list->items[i])));
	return field_join(arena, &words, "\n");
}

char *field_print_prefixes(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	return print_prefixes(arena, field_in(row, spec));
}

char *field_print_address(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	(void)row;
	switch (spec->addressing.mode) {
	case ADDRESSES_AUTO: return arena_text(arena, "auto");
	case ADDRESSES_OFF: return arena_text(arena, "no");
	default: return print_prefixes(arena, &spec->addressing.addresses);
	}
}

char *field_print_gateway(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	struct text_list words = { 0 };
	char text[IP_TEXT_ROOM];

	(void)row;
	if (spec->addressing.no_gateway)
		return arena_text(arena, "no");
	for (int i = 0; i < 2; i++)
		if (spec->addressing.gateway[i].family != 0)
			text_list_add(arena, &words,
				      arena_text(arena,
						 ip_text(text, &spec->addressing.gateway[i])));
	return field_join(arena, &words, "\n");
}

char *field_print_routes(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	struct text_list words = { 0 };
	char to[IP_TEXT_ROOM], via[IP_TEXT_ROOM];

	(void)row;
	for (size_t i = 0; i < spec->addressing.routes.count; i++) {
		const struct network_route *route = &spec->addressing.routes.items[i];
		bool has_gateway = route->via.family != 0;

		text_list_add(arena, &words,
			      arena_format(arena, "%s%s%s", ip_text_prefix(to, &route->to),
					   has_gateway ? "," : "",
					   has_gateway ? ip_text(via, &route->via) : ""));
	}
	return field_join(arena, &words, "\n");
}

char *field_print_mac(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	const uint8_t *mac = spec->addressing.mac;

	(void)row;
	if (!spec->addressing.mac_set)
		return NULL;
	return arena_format(arena, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
			    mac[4], mac[5]);
}

char *field_print_dns(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	char text[IP_TEXT_ROOM];

	(void)row;
	switch (spec->addressing.dns) {
	case DNS_HOST: return arena_text(arena, "host");
	case DNS_OFF: return arena_text(arena, "no");
	case DNS_GIVEN: return arena_text(arena, ip_text(text, &spec->addressing.dns_server));
	default: return NULL;
	}
}

char *field_print_egress(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	const struct addressing *addressing = &spec->addressing;

	(void)row;
	if (!addressing->egress_set)
		return NULL;
	return addressing->egress.count == 0 ? arena_text(arena, "")
					     : field_join(arena, &addressing->egress, " ");
}
