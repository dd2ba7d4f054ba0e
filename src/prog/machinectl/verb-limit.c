#include <errno.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "bus/client.h"
#include "bus/systemd.h"
#include "io/fd.h"
#include "kernel/cgroup.h"
#include "machine/find.h"
#include "machine/limits.h"
#include "prog/machinectl/machinectl.h"

#define FREEZE_TIMEOUT_MS 10000

static int open_cgroup(struct arena *arena, const struct machine *machine, bool payload)
{
	int fd = machine_open_cgroup(arena, machine, payload);

	if (fd == -ENOENT && machine->leader == 0)
		return machine_open_leader(machine);
	if (fd == -ENOENT)
		return fail_plain(
			-EOPNOTSUPP,
			"cannot reach the cgroup of machine '%s': it has none (start it as "
			"root, or below a cgroup that is yours, on a host with cgroup v2)",
			machine->name);
	return fd < 0 ? fail(fd, "cannot open the cgroup of machine '%s'", machine->name) : fd;
}

/* ---- set-property ---- */

static int set_by_systemd(const struct machine *machine, const struct text_list *properties)
{
	autobus struct bus *bus = NULL;
	int r;

	r = bus_open(&bus, geteuid() == 0 ? BUS_SYSTEM : BUS_USER, BUS_TIMEOUT_MS);
	if (r < 0)
		return fail(r, "cannot ask systemd to change '%s'", machine->unit);
	r = systemd_set_properties(bus, machine->unit, true, (const char *const *)properties->items,
				   properties->count);
	if (r < 0)
		return fail_plain(r, "cannot change '%s': %s", machine->unit, bus_error(bus));
	return 0;
}

static int set_by_hand(struct arena *arena, const struct machine *machine,
		       const struct text_list *properties)
{
	autoclose int cgroup = -EBADF;
	struct limits limits;
	int r;

	r = limits_read(arena, &limits, properties);
	if (r < 0)
		return r;
	if (limits.devices)
		return fail_plain(
			-EOPNOTSUPP,
			"cannot change the devices of machine '%s' while it runs (start it "
			"again with '--property=DeviceAllow=')",
			machine->name);
	cgroup = open_cgroup(arena, machine, false);
	if (cgroup < 0)
		return cgroup;
	r = limits_check(&limits, cgroup, machine_cgroup(arena, machine, false));
	return r < 0 ? r : limits_write(&limits, cgroup);
}

int verb_set_property(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct text_list properties = { words->items + 1, words->count - 1 };
	struct machine machine;
	int r;

	r = machine_open_begun(context->arena, &machine, context->runtime, words->items[0]);
	if (r < 0)
		return r;
	if (machine.unit != NULL && systemd_is_running())
		return set_by_systemd(&machine, &properties);
	return set_by_hand(context->arena, &machine, &properties);
}

/* ---- pause, resume ---- */

static int freeze(struct context *context, const char *name, bool frozen)
{
	const char *verb = frozen ? "pause" : "resume";
	autoclose int cgroup = -EBADF;
	struct machine machine;
	int r;

	r = machine_open_begun(context->arena, &machine, context->runtime, name);
	if (r < 0)
		return r;
	/* The guest's own: the supervisor may be in the one above. */
	cgroup = open_cgroup(context->arena, &machine, true);
	if (cgroup < 0)
		return cgroup;
	r = cgroup_freeze(cgroup, frozen, FREEZE_TIMEOUT_MS);
	if (r == -ETIMEDOUT)
		return fail_plain(r,
				  "cannot wait until machine '%s' is %sd: some of its processes do "
				  "not stop yet (they will as soon as the kernel can; 'machinectl "
				  "resume' takes it back)",
				  name, verb);
	return r < 0 ? fail(r, "cannot %s machine '%s'", verb, name) : 0;
}

static int freeze_all(struct context *context, const struct text_list *names, bool frozen)
{
	for (size_t i = 0; i < names->count; i++) {
		int r = freeze(context, names->items[i], frozen);

		if (r < 0)
			return r;
	}
	return 0;
}

int verb_pause(void *context, const struct text_list *words)
{
	return freeze_all(context, words, true);
}

int verb_resume(void *context, const struct text_list *words)
{
	return freeze_all(context, words, false);
}
