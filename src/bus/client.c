#include "bus/client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "bus/sd-bus.h"
#include "io/clock.h"

#define US_PER_MS 1000

/* ---- failures ---- */

/* Those that somebody asks for by errno; the library knows the general ones only. */
static int error_number(const struct sd_bus_error *error, int code)
{
	static const struct {
		const char *name;
		int code;
	} known[] = {
		{ "org.freedesktop.systemd1.NoSuchUnit", -ENOENT },
		{ "org.freedesktop.systemd1.LoadFailed", -ENOENT },
		{ "org.freedesktop.systemd1.UnitExists", -EEXIST },
		{ "org.freedesktop.systemd1.UnitMasked", -EPERM },
		{ "org.freedesktop.machine1.NoSuchMachine", -ENXIO },
		{ "org.freedesktop.machine1.MachineExists", -EEXIST },
		{ "org.freedesktop.DBus.Error.AccessDenied", -EPERM },
		{ "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", -EPERM },
		{ "org.freedesktop.DBus.Error.FileNotFound", -ENOENT },
		{ "org.freedesktop.DBus.Error.UnknownProperty", -ENOENT },
		{ "org.freedesktop.DBus.Error.UnknownMethod", -EOPNOTSUPP },
		{ "org.freedesktop.DBus.Error.ServiceUnknown", -ENOPKG },
		{ "org.freedesktop.DBus.Error.NameHasNoOwner", -ENOPKG },
		{ "org.freedesktop.DBus.Error.NoReply", -ETIMEDOUT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (text_equal(known[i].name, error->name))
			return known[i].code;
	return code;
}

int bus_say(struct bus *bus, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(bus->error, sizeof(bus->error), format, args);
	va_end(args);
	return code;
}

int bus_keep_error(struct bus *bus, int code, const struct sd_bus_error *error)
{
	autoarena struct arena scratch = { 0 };

	if (error == NULL || error->name == NULL)
		return bus_say(bus, code, "%s", strerror(-code));
	return bus_say(bus, error_number(error, code), "%s",
		       text_printable(&scratch,
				      text_empty(error->message) ? error->name : error->message));
}

const char *bus_error(const struct bus *bus)
{
	return bus == NULL || bus->error[0] == '\0' ? "no answer" : bus->error;
}

/* ---- the connection ---- */

int bus_process_until(struct bus *bus, const bool *done, uint64_t deadline_us)
{
	while (!*done) {
		uint64_t now;
		int r = bus->sd.process(bus->connection, NULL);

		if (r < 0)
			return bus_say(bus, r, "the connection to the bus is lost: %s",
				       strerror(-r));
		if (r > 0)
			continue;
		now = clock_monotonic_us();
		if (now >= deadline_us)
			return bus_say(bus, -ETIMEDOUT, "no answer in time");
		r = bus->sd.wait(bus->connection, deadline_us - now);
		if (r < 0 && r != -EINTR)
			return bus_say(bus, r, "cannot wait for the bus: %s", strerror(-r));
	}
	return 0;
}

int bus_wait_ready(struct bus *bus, int timeout_ms)
{
	uint64_t deadline = clock_monotonic_us() + (uint64_t)timeout_ms * US_PER_MS;
	int r;

	for (;;) {
		r = bus->sd.is_ready(bus->connection);
		if (r > 0)
			return 0;
		if (r == 0)
			r = bus->sd.process(bus->connection, NULL);
		if (r == 0) {
			r = clock_monotonic_us() >= deadline ? -ETIMEDOUT : 0;
			if (r == 0)
				r = bus->sd.wait(bus->connection, 100 * US_PER_MS);
		}
		if (r < 0 && r != -EINTR)
			return bus_say(bus, r, "cannot talk to the bus: %s", strerror(-r));
	}
}

int bus_open(struct bus **ret, enum bus_scope scope, int timeout_ms)
{
	struct bus *bus = calloc(1, sizeof(*bus));
	int r;

	if (bus == NULL)
		return -ENOMEM;
	r = sd_bus_library_load(&bus->sd);
	if (r >= 0) {
		r = scope == BUS_USER ? bus->sd.open_user(&bus->connection)
				      : bus->sd.open_system(&bus->connection);
		if (r == -ECONNREFUSED || r == -ENOMEDIUM)
			r = -ENOENT;
	}
	if (r >= 0 && timeout_ms > 0)
		r = bus_wait_ready(bus, timeout_ms);
	if (r < 0) {
		bus_close(bus);
		return r;
	}
	*ret = bus;
	return 0;
}

struct bus *bus_close(struct bus *bus)
{
	if (bus == NULL)
		return NULL;
	if (bus->jobs != NULL)
		bus->sd.slot_unref(bus->jobs);
	/* Nothing is flushed: that could wait for ever, and every answer was waited for. */
	if (bus->connection != NULL) {
		bus->sd.close(bus->connection);
		bus->sd.unref(bus->connection);
	}
	sd_bus_library_unload(&bus->sd);
	free(bus);
	return NULL;
}

int bus_fd(const struct bus *bus)
{
	int fd = bus == NULL ? -EBADF : bus->sd.get_fd(bus->connection);

	return fd < 0 ? -EBADF : fd;
}

int bus_call(struct bus *bus, struct sd_bus_message **message, int timeout_ms,
	     struct sd_bus_message **ret)
{
	struct sd_bus_error error = { 0 };
	int r = bus_wait_ready(bus, timeout_ms);

	if (r >= 0) {
		r = bus->sd.call(bus->connection, *message, (uint64_t)timeout_ms * US_PER_MS,
				 &error, ret);
		if (r < 0)
			r = bus_keep_error(bus, r, &error);
		bus->sd.error_free(&error);
	}
	*message = bus->sd.message_unref(*message);
	return r < 0 ? r : 0;
}

/* ---- names ---- */

#define DRIVER "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus"

static int can_be_started(struct bus *bus, const char *name)
{
	struct sd_bus_message *message = NULL, *reply = NULL;
	const char *item;
	int r;

	r = bus->sd.message_new(bus->connection, &message, DRIVER, "ListActivatableNames");
	if (r >= 0)
		r = bus_call(bus, &message, BUS_TIMEOUT_MS, &reply);
	if (r >= 0)
		r = bus->sd.enter_container(reply, 'a', "s");
	while (r >= 0) {
		r = bus->sd.read(reply, "s", &item);
		if (r == 0)
			r = -ENOENT;
		else if (r > 0 && text_equal(item, name))
			break;
	}
	bus->sd.message_unref(reply);
	return r < 0 ? r : 0;
}

int bus_has_name(struct bus *bus, const char *name, bool can_start)
{
	struct sd_bus_message *message = NULL, *reply = NULL;
	int r, has = 0;

	r = bus->sd.message_new(bus->connection, &message, DRIVER, "NameHasOwner");
	if (r >= 0)
		r = bus->sd.append(message, "s", name);
	if (r >= 0)
		r = bus_call(bus, &message, BUS_TIMEOUT_MS, &reply);
	if (r >= 0)
		r = bus->sd.read(reply, "b", &has);
	bus->sd.message_unref(message);
	bus->sd.message_unref(reply);
	if (r < 0)
		return r;
	if (has)
		return 0;
	return can_start ? can_be_started(bus, name) : -ENOENT;
}
