#include "bus/systemd-property.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/text.h"
#include "bus/sd-bus.h"
#include "format/property.h"

/* What systemd calls it on the bus, where that is not its name in a unit file. */
static const struct {
	const char *name, *on_bus;
} renamed[] = {
	{ "CPUQuota", "CPUQuotaPerSecUSec" },
	{ "CPUQuotaPeriodSec", "CPUQuotaPeriodUSec" },
	{ "TimeoutStopSec", "TimeoutStopUSec" },
	{ "RuntimeMaxSec", "RuntimeMaxUSec" },
};

/* Of the host's, as systemd takes it: UINT32_MAX is all. */
static uint32_t scale_of(uint64_t number)
{
	return (uint32_t)(number * UINT32_MAX / 100 / PROPERTY_PERCENT);
}

static int append_amount(const struct sd_bus_library *sd, struct sd_bus_message *message,
			 const struct property *property)
{
	char name[64];

	if (!property->relative)
		return sd->append(message, "sv", property->name, "t", property->number);
	snprintf(name, sizeof(name), "%sScale", property->name);
	return sd->append(message, "sv", name, "u", scale_of(property->number));
}

static int append_number(const struct sd_bus_library *sd, struct sd_bus_message *message,
			 const struct property *property)
{
	const char *name = property->name;

	for (size_t i = 0; i < ARRAY_SIZE(renamed); i++)
		if (text_equal(renamed[i].name, name))
			name = renamed[i].on_bus;
	return sd->append(message, "sv", name, "t", property->number);
}

static int append_set(const struct sd_bus_library *sd, struct sd_bus_message *message,
		      const struct property *property)
{
	int r = sd->append(message, "s", property->name);

	if (r >= 0)
		r = sd->open_container(message, 'v', "ay");
	if (r >= 0)
		r = sd->append_array(message, 'y', property->bits, property->bits_size);
	return r >= 0 ? sd->close_container(message) : r;
}

static int append_pair(const struct sd_bus_library *sd, struct sd_bus_message *message,
		       const struct property *property)
{
	const char *name = property->name;

	if (property->kind == PROPERTY_DEVICE)
		return property->reset ? sd->append(message, "sv", name, "a(ss)", 0)
				       : sd->append(message, "sv", name, "a(ss)", 1, property->path,
						    property->text);
	return property->reset ? sd->append(message, "sv", name, "a(st)", 0)
			       : sd->append(message, "sv", name, "a(st)", 1, property->path,
					    property->number);
}

static int append_units(const struct sd_bus_library *sd, struct sd_bus_message *message,
			const struct property *property)
{
	autoarena struct arena scratch = { 0 };
	struct text_list units = { 0 };
	int r;

	if (!property->reset)
		text_split(&scratch, &units, property->text, " \t");
	r = sd->append(message, "s", property->name);
	if (r >= 0)
		r = sd->open_container(message, 'v', "as");
	if (r >= 0)
		r = sd->open_container(message, 'a', "s");
	for (size_t i = 0; i < units.count && r >= 0; i++)
		r = sd->append(message, "s", units.items[i]);
	if (r >= 0)
		r = sd->close_container(message);
	return r >= 0 ? sd->close_container(message) : r;
}

static int append_value(const struct sd_bus_library *sd, struct sd_bus_message *message,
			const struct property *property)
{
	switch (property->kind) {
	case PROPERTY_MEMORY:
	case PROPERTY_TASKS: return append_amount(sd, message, property);
	case PROPERTY_QUOTA:
	case PROPERTY_SPAN:
	case PROPERTY_WEIGHT: return append_number(sd, message, property);
	case PROPERTY_SET: return append_set(sd, message, property);
	case PROPERTY_RATE:
	case PROPERTY_IO_WEIGHT:
	case PROPERTY_DEVICE: return append_pair(sd, message, property);
	case PROPERTY_FLAG:
		return sd->append(message, "sv", property->name, "b", (int)property->number);
	case PROPERTY_SIGNAL:
		return sd->append(message, "sv", property->name, "i", (int)property->number);
	case PROPERTY_WORD:
		return sd->append(message, "sv", property->name, "s",
				  property->reset ? "" : property->text);
	case PROPERTY_UNITS: return append_units(sd, message, property);
	}
	return -EINVAL;
}

int systemd_append_property(struct bus *bus, struct sd_bus_message *message, const char *text)
{
	autoarena struct arena scratch = { 0 };
	struct property property;
	int r = property_parse(&scratch, &property, text);

	if (r == -ENOENT)
		return bus_say(bus, -EINVAL, "'%s' is no property that is known here",
			       text_printable(&scratch, text));
	if (r < 0)
		return bus_say(bus, -EINVAL, "'%s' is no property with a value that fits",
			       text_printable(&scratch, text));
	r = bus->sd.open_container(message, 'r', "sv");
	if (r >= 0)
		r = append_value(&bus->sd, message, &property);
	if (r >= 0)
		r = bus->sd.close_container(message);
	return r < 0 ? bus_say(bus, r, "cannot make a message: %s", strerror(-r)) : 0;
}
