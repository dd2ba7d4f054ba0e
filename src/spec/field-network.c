/* Interfaces and ports (reference, section 7). */
#include "spec/field.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/names.h"
#include "base/text.h"

static const char *const no_interface = "not the name of a network interface";

static int add_pair(struct setting_reader *reader, const char *value,
		    bool host_is_good(const char *))
{
	struct interface_list *list = field_of(reader);
	struct interface_pair pair = { 0 }, *added;
	const char *colon = strchr(value, ':');

	pair.host = arena_text_n(reader->arena, value,
				 colon ? (size_t)(colon - value) : strlen(value));
	pair.container = colon ? arena_text(reader->arena, colon + 1) : NULL;
	if (!host_is_good(pair.host) || (pair.container && !name_is_interface(pair.container)))
		return field_refuse(reader, no_interface);
	added = list_grow(reader->arena, (void **)&list->items, &list->count, sizeof(*added));
	*added = pair;
	return 0;
}

/* Of what is there. */
int field_interface_pair(struct setting_reader *reader, const char *value)
{
	return add_pair(reader, value, name_is_alternative);
}

int field_veth_pair(struct setting_reader *reader, const char *value)
{
	return add_pair(reader, value, name_is_interface);
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

int field_port(struct setting_reader *reader, const char *value)
{
	struct port_list *list = &reader->spec->ports;
	struct port port, *added;
	const char *why;

	if (port_parse(&port, value, &why) < 0)
		return field_refuse(reader, why);
	for (size_t i = 0; i < list->count; i++)
		if (port_overlaps(&list->items[i], &port))
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

char *field_print_ports(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	struct text_list words = { 0 };
	char text[PORT_TEXT_ROOM];

	(void)row;
	for (size_t i = 0; i < spec->ports.count; i++) {
		text_list_add(arena, &words,
			      arena_text(arena, port_text(text, &spec->ports.items[i])));
	}
	return field_join(arena, &words, "\n");
}
