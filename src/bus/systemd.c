#include "bus/systemd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/text.h"
#include "bus/sd-bus.h"
#include "bus/systemd-property.h"
#include "io/clock.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define MANAGER SYSTEMD, "/org/freedesktop/systemd1", SYSTEMD ".Manager"
#define US_PER_MS 1000
#define CHANGES_MAX 4096
#define SCOPE_READY_TIMEOUT_MS 5000 /* somebody waits for his container */

bool systemd_is_running(void)
{
	return access("/run/systemd/system", F_OK) == 0;
}

static int new_call(struct bus *bus, struct sd_bus_message **ret, const char *method)
{
	return bus->sd.message_new(bus->connection, ret, MANAGER, method);
}

/* ---- jobs ---- */

static int on_job_removed(struct sd_bus_message *message, void *context, struct sd_bus_error *error)
{
	struct bus *bus = context;
	const char *path, *unit, *result;
	uint32_t id;

	(void)error;
	if (bus->sd.read(message, "uoss", &id, &path, &unit, &result) < 0)
		return 0;
	if (bus->job[0] != '\0' && text_equal(path, bus->job)) {
		snprintf(bus->result, sizeof(bus->result), "%s", result);
		bus->done = true;
	}
	return 0;
}

/* Before the job is asked for: the bus handles one message after the other, so none is missed. */
static int watch_jobs(struct bus *bus)
{
	int r;

	bus->job[0] = '\0';
	bus->done = false;
	if (bus->jobs != NULL)
		return 0;
	r = bus->sd.match_signal_async(bus->connection, &bus->jobs, SYSTEMD,
				       "/org/freedesktop/systemd1", SYSTEMD ".Manager",
				       "JobRemoved", on_job_removed, NULL, bus);
	return r < 0 ? bus_say(bus, r, "cannot watch jobs: %s", strerror(-r)) : 0;
}

static int keep_job(struct bus *bus, struct sd_bus_message *reply)
{
	const char *path;
	int r = bus->sd.read(reply, "o", &path);

	if (r < 0)
		return bus_say(bus, r, "cannot read the answer: %s", strerror(-r));
	snprintf(bus->job, sizeof(bus->job), "%s", path);
	return 0;
}

static int await_job(struct bus *bus, uint64_t deadline_us)
{
	int r = bus_process_until(bus, &bus->done, deadline_us);

	/* Else everybody's jobs would wake us up for ever. */
	bus->jobs = bus->sd.slot_unref(bus->jobs);
	if (r < 0)
		return r;
	if (text_equal(bus->result, "done") || text_equal(bus->result, "skipped"))
		return 0;
	return bus_say(bus, -EPROTO, "its job ended with '%s'", bus->result);
}

#define ALONE "ignore-requirements"

static int run_job(struct bus *bus, const char *method, const char *unit, const char *mode,
		   int timeout_ms)
{
	uint64_t deadline = clock_monotonic_us() + (uint64_t)timeout_ms * US_PER_MS;
	struct sd_bus_message *message = NULL, *reply = NULL;
	int r;

	r = watch_jobs(bus);
	if (r >= 0)
		r = new_call(bus, &message, method);
	if (r >= 0)
		r = bus->sd.append(message, "ss", unit, mode);
	if (r >= 0)
		r = bus_call(bus, &message, timeout_ms, &reply);
	if (r >= 0)
		r = keep_job(bus, reply);
	bus->sd.message_unref(message);
	bus->sd.message_unref(reply);
	return r < 0 ? r : await_job(bus, deadline);
}

int systemd_start_unit(struct bus *bus, const char *unit, int timeout_ms)
{
	return run_job(bus, "StartUnit", unit, "replace", timeout_ms);
}

int systemd_stop_unit(struct bus *bus, const char *unit, bool alone, int timeout_ms)
{
	return run_job(bus, "StopUnit", unit, alone ? ALONE : "replace", timeout_ms);
}

int systemd_restart_unit_alone(struct bus *bus, const char *unit, int timeout_ms)
{
	return run_job(bus, "RestartUnit", unit, ALONE, timeout_ms);
}

/* ---- unit files ---- */

static int append_texts(struct bus *bus, struct sd_bus_message *message, const char *const *texts,
			size_t count)
{
	int r = bus->sd.open_container(message, 'a', "s");

	for (size_t i = 0; i < count && r >= 0; i++)
		r = bus->sd.append(message, "s", texts[i]);
	return r >= 0 ? bus->sd.close_container(message) : r;
}

static int read_changes(struct arena *arena, struct systemd_changes *ret, struct bus *bus,
			struct sd_bus_message *reply)
{
	int r = bus->sd.enter_container(reply, 'a', "(sss)");

	while (r >= 0 && ret->count < CHANGES_MAX) {
		const char *type, *link, *target;
		struct systemd_change *change;

		r = bus->sd.read(reply, "(sss)", &type, &link, &target);
		if (r <= 0)
			break;
		change = list_grow(arena, (void **)&ret->items, &ret->count, sizeof(*change));
		*change = (struct systemd_change){ arena_text(arena, type), arena_text(arena, link),
						   arena_text(arena, target) };
	}
	return r < 0 ? bus_say(bus, r, "cannot read the answer: %s", strerror(-r)) : 0;
}

int systemd_enable_units(struct arena *arena, struct systemd_changes *ret, struct bus *bus,
			 const char *const *units, size_t count, bool runtime, bool force)
{
	struct sd_bus_message *message = NULL, *reply = NULL;
	struct systemd_changes changes = { 0 };
	int has_install = 0, r;

	r = new_call(bus, &message, "EnableUnitFiles");
	if (r >= 0)
		r = append_texts(bus, message, units, count);
	if (r >= 0)
		r = bus->sd.append(message, "bb", (int)runtime, (int)force);
	if (r >= 0)
		r = bus_call(bus, &message, BUS_TIMEOUT_MS, &reply);
	if (r >= 0)
		r = bus->sd.read(reply, "b", &has_install);
	if (r >= 0)
		r = read_changes(arena, &changes, bus, reply);
	bus->sd.message_unref(message);
	bus->sd.message_unref(reply);
	if (r < 0)
		return r;
	changes.has_install = has_install != 0;
	*ret = changes;
	return 0;
}

int systemd_disable_units(struct arena *arena, struct systemd_changes *ret, struct bus *bus,
			  const char *const *units, size_t count, bool runtime)
{
	struct sd_bus_message *message = NULL, *reply = NULL;
	struct systemd_changes changes = { 0 };
	int r;

	r = new_call(bus, &message, "DisableUnitFiles");
	if (r >= 0)
		r = append_texts(bus, message, units, count);
	if (r >= 0)
		r = bus->sd.append(message, "b", (int)runtime);
	if (r >= 0)
		r = bus_call(bus, &message, BUS_TIMEOUT_MS, &reply);
	if (r >= 0)
		r = read_changes(arena, &changes, bus, reply);
	bus->sd.message_unref(message);
	bus->sd.message_unref(reply);
	if (r < 0)
		return r;
	*ret = changes;
	return 0;
}

int systemd_reload(struct bus *bus)
{
	struct sd_bus_message *message = NULL;
	int r = new_call(bus, &message, "Reload");

	return r < 0 ? r : bus_call(bus, &message, BUS_TIMEOUT_MS, NULL);
}

int systemd_attach(struct bus *bus, const char *unit, const char *subgroup, pid_t pid)
{
	struct sd_bus_message *message = NULL;
	int r = new_call(bus, &message, "AttachProcessesToUnit");

	if (r < 0)
		return r;
	r = bus->sd.append(message, "ssau", unit, subgroup, 1, (unsigned int)pid);
	if (r < 0) {
		bus->sd.message_unref(message);
		return bus_say(bus, r, "cannot make a message: %s", strerror(-r));
	}
	return bus_call(bus, &message, BUS_TIMEOUT_MS, NULL);
}

/* ---- properties ---- */

static int append_properties(struct bus *bus, struct sd_bus_message *message,
			     const char *const *properties, size_t count)
{
	int r = 0;

	for (size_t i = 0; i < count && r >= 0; i++)
		r = systemd_append_property(bus, message, properties[i]);
	return r;
}

int systemd_set_properties(struct bus *bus, const char *unit, bool runtime,
			   const char *const *properties, size_t count)
{
	struct sd_bus_message *message = NULL;
	int r;

	r = new_call(bus, &message, "SetUnitProperties");
	if (r >= 0)
		r = bus->sd.append(message, "sb", unit, (int)runtime);
	if (r >= 0)
		r = bus->sd.open_container(message, 'a', "(sv)");
	if (r >= 0)
		r = append_properties(bus, message, properties, count);
	if (r >= 0)
		r = bus->sd.close_container(message);
	if (r >= 0)
		r = bus_call(bus, &message, BUS_TIMEOUT_MS, NULL);
	bus->sd.message_unref(message);
	return r < 0 ? r : 0;
}

/* "/org/freedesktop/systemd1/unit/web_2eservice" needs no unit that is loaded, and no call. */
static char *unit_path(struct arena *arena, const char *unit)
{
	static const char hex[] = "0123456789abcdef";
	static const char top[] = "/org/freedesktop/systemd1/unit/";
	char *path = arena_take(arena, sizeof(top) + 3 * strlen(unit)), *at = path;

	memcpy(at, top, sizeof(top));
	at += sizeof(top) - 1;
	for (const char *from = unit; *from != '\0'; from++) {
		unsigned char byte = (unsigned char)*from;
		bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');

		if (letter || (byte >= '0' && byte <= '9' && from > unit)) {
			*at++ = *from;
			continue;
		}
		*at++ = '_';
		*at++ = hex[byte >> 4];
		*at++ = hex[byte & 15];
	}
	return path;
}

/* "Service" for "web.service". */
static char *interface_of(struct arena *arena, const char *unit)
{
	const char *dot = strrchr(unit, '.');
	char *interface;

	if (dot == NULL || dot[1] == '\0')
		return arena_text(arena, SYSTEMD ".Unit");
	interface = arena_format(arena, SYSTEMD ".%s", dot + 1);
	if (interface[strlen(SYSTEMD) + 1] >= 'a' && interface[strlen(SYSTEMD) + 1] <= 'z')
		interface[strlen(SYSTEMD) + 1] -= 'a' - 'A';
	return interface;
}

static int read_variant(struct arena *arena, char **ret, const struct sd_bus_library *sd,
			struct sd_bus_message *reply)
{
	union {
		const char *text;
		uint64_t t;
		int64_t x;
		uint32_t u;
		int32_t i;
		int b;
		double d;
	} value = { 0 };
	const char *contents;
	char type;
	int r;

	r = sd->peek_type(reply, &type, &contents);
	if (r >= 0)
		r = sd->enter_container(reply, 'v', contents);
	if (r >= 0)
		r = strlen(contents) == 1 && strchr("sobtxui", *contents) != NULL
			    ? sd->read(reply, contents, &value)
			    : -EMEDIUMTYPE;
	if (r < 0)
		return r;
	switch (*contents) {
	case 's':
	case 'o': *ret = arena_text(arena, value.text); break;
	case 'b': *ret = arena_text(arena, value.b ? "yes" : "no"); break;
	case 't': *ret = arena_format(arena, "%llu", (unsigned long long)value.t); break;
	case 'x': *ret = arena_format(arena, "%lld", (long long)value.x); break;
	case 'u': *ret = arena_format(arena, "%u", value.u); break;
	default: *ret = arena_format(arena, "%d", value.i); break;
	}
	return 0;
}

static int get_property(struct arena *arena, char **ret, struct bus *bus, const char *path,
			const char *interface, const char *name)
{
	struct sd_bus_message *message = NULL, *reply = NULL;
	int r;

	r = bus->sd.message_new(bus->connection, &message, SYSTEMD, path,
				"org.freedesktop.DBus.Properties", "Get");
	if (r >= 0)
		r = bus->sd.append(message, "ss", interface, name);
	if (r >= 0)
		r = bus_call(bus, &message, BUS_TIMEOUT_MS, &reply);
	if (r >= 0)
		r = read_variant(arena, ret, &bus->sd, reply);
	bus->sd.message_unref(message);
	bus->sd.message_unref(reply);
	return r < 0 ? r : 0;
}

int systemd_unit_property(struct arena *arena, char **ret, struct bus *bus, const char *unit,
			  const char *name)
{
	const char *path = unit_path(arena, unit);
	int r = get_property(arena, ret, bus, path, SYSTEMD ".Unit", name);

	return r == -ENOENT ? get_property(arena, ret, bus, path, interface_of(arena, unit), name)
			    : r;
}

/* ---- a scope ---- */

static int append_pids(struct bus *bus, struct sd_bus_message *message,
		       const struct systemd_scope *scope)
{
	int r = bus->sd.open_container(message, 'r', "sv");

	if (r >= 0)
		r = bus->sd.append(message, "s", "PIDs");
	if (r >= 0)
		r = bus->sd.open_container(message, 'v', "au");
	if (r >= 0)
		r = bus->sd.open_container(message, 'a', "u");
	for (size_t i = 0; i < scope->pid_count && r >= 0; i++)
		r = bus->sd.append(message, "u", (uint32_t)scope->pids[i]);
	for (int i = 0; i < 3 && r >= 0; i++)
		r = bus->sd.close_container(message);
	return r;
}

/* As the original's: an orderly end is asked of us, and what is left is killed. */
static int append_scope(struct bus *bus, struct sd_bus_message *message,
			const struct systemd_scope *scope)
{
	const char *self;
	int r;

	r = bus->sd.append(message, "(sv)(sv)(sv)", "Description", "s",
			   scope->description != NULL ? scope->description : scope->name, "Slice",
			   "s", scope->slice != NULL ? scope->slice : "machine.slice",
			   "CollectMode", "s", "inactive-or-failed");
	if (r >= 0)
		r = append_pids(bus, message, scope);
	if (r >= 0 && scope->delegate)
		r = bus->sd.append(message, "(sv)", "Delegate", "b", 1);
	if (r >= 0 && bus->sd.get_unique_name(bus->connection, &self) >= 0)
		r = bus->sd.append(message, "(sv)", "Controller", "s", self);
	if (r < 0)
		return bus_say(bus, r, "cannot make a message: %s", strerror(-r));
	return append_properties(bus, message, scope->properties, scope->property_count);
}

static int on_scope_answer(struct sd_bus_message *reply, void *context, struct sd_bus_error *error)
{
	const struct sd_bus_error *refusal;
	struct bus *bus = context;

	(void)error;
	refusal = bus->sd.message_error(reply);
	bus->answer = refusal != NULL ? bus_keep_error(bus, -EIO, refusal) : keep_job(bus, reply);
	bus->answered = true;
	return 0;
}

static int on_request_stop(struct sd_bus_message *message, void *context,
			   struct sd_bus_error *error)
{
	struct bus *bus = context;

	(void)message, (void)error;
	bus->stop_requested = true;
	return 0;
}

static int watch_stop(struct bus *bus, const char *scope)
{
	autoarena struct arena scratch = { 0 };
	int r;

	if (bus->watches_stop)
		return 0;
	r = bus->sd.match_signal_async(bus->connection, NULL, SYSTEMD, unit_path(&scratch, scope),
				       SYSTEMD ".Scope", "RequestStop", on_request_stop, NULL, bus);
	if (r < 0)
		return bus_say(bus, r, "cannot watch the scope: %s", strerror(-r));
	bus->watches_stop = true;
	return 0;
}

int systemd_stop_requested(struct bus *bus)
{
	bool requested;
	int r;

	do
		r = bus->sd.process(bus->connection, NULL);
	while (r > 0);
	requested = bus->stop_requested;
	bus->stop_requested = false;
	return requested ? 1 : r;
}

int systemd_request_scope(struct bus *bus, const struct systemd_scope *scope)
{
	struct sd_bus_message *message = NULL;
	int r;

	bus->answered = false;
	r = bus_wait_ready(bus, SCOPE_READY_TIMEOUT_MS);
	if (r >= 0)
		r = watch_jobs(bus);
	if (r >= 0)
		r = watch_stop(bus, scope->name);
	if (r >= 0)
		r = new_call(bus, &message, "StartTransientUnit");
	if (r >= 0)
		r = bus->sd.append(message, "ss", scope->name, "fail");
	if (r >= 0)
		r = bus->sd.open_container(message, 'a', "(sv)");
	if (r >= 0)
		r = append_scope(bus, message, scope);
	if (r >= 0)
		r = bus->sd.close_container(message);
	if (r >= 0)
		r = bus->sd.append(message, "a(sa(sv))", 0);
	if (r >= 0)
		r = bus->sd.call_async(bus->connection, NULL, message, on_scope_answer, bus,
				       (uint64_t)BUS_TIMEOUT_MS * US_PER_MS);
	bus->sd.message_unref(message);
	return r < 0 ? r : 0;
}

int systemd_await_scope(struct bus *bus, int timeout_ms)
{
	uint64_t deadline = clock_monotonic_us() + (uint64_t)timeout_ms * US_PER_MS;
	int r = bus_process_until(bus, &bus->answered, deadline);

	if (r >= 0)
		r = bus->answer;
	return r < 0 ? r : await_job(bus, deadline);
}
