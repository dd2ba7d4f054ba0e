#include "bus/machined.h"

#include "bus/sd-bus.h"

#define MANAGER MACHINED_NAME, "/org/freedesktop/machine1", MACHINED_NAME ".Manager"

int machined_register(struct bus *bus, const struct machined_machine *machine, int timeout_ms)
{
	struct sd_bus_message *message = NULL;
	int r;

	/* Every version has this one. */
	r = bus->sd.message_new(bus->connection, &message, MANAGER, "RegisterMachineWithNetwork");
	if (r >= 0)
		r = bus->sd.append(message, "s", machine->name);
	if (r >= 0)
		r = bus->sd.append_array(message, 'y', machine->id, 16);
	if (r >= 0)
		r = bus->sd.append(message, "ssus", machine->service, "container",
				   (uint32_t)machine->leader,
				   machine->root != NULL ? machine->root : "");
	if (r >= 0)
		r = bus->sd.append_array(message, 'i', machine->interfaces,
					 machine->interface_count * sizeof(*machine->interfaces));
	if (r >= 0)
		r = bus_call(bus, &message, timeout_ms, NULL);
	bus->sd.message_unref(message);
	return r;
}

int machined_unregister(struct bus *bus, const char *name, int timeout_ms)
{
	struct sd_bus_message *message = NULL;
	int r;

	r = bus->sd.message_new(bus->connection, &message, MANAGER, "UnregisterMachine");
	if (r >= 0)
		r = bus->sd.append(message, "s", name);
	if (r >= 0)
		r = bus_call(bus, &message, timeout_ms, NULL);
	bus->sd.message_unref(message);
	return r;
}
