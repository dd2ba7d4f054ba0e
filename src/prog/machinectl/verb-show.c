#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/text.h"
#include "io/fd.h"
#include "kernel/process.h"
#include "prog/machinectl/look.h"
#include "prog/machinectl/machinectl.h"

#define NO_VSOCK UINT32_MAX /* VMADDR_CID_ANY: only virtual machines have one */

struct property {
	const char *name, *value; /* "" or NULL: not set */
};

struct properties {
	struct property items[24];
	size_t count;
};

static void add(struct properties *properties, const char *name, const char *value)
{
	properties->items[properties->count++] = (struct property){ name, value };
}

static char *number(const struct context *context, uint64_t value)
{
	return arena_format(context->arena, "%" PRIu64, value);
}

static void add_processes(const struct context *context, struct properties *properties,
			  const struct machine *machine)
{
	autoclose int leader = machine_open_leader(machine), supervisor = -EBADF;

	fail_forget();
	add(properties, "Leader", number(context, (uint64_t)machine->leader));
	add(properties, "LeaderPIDFDId", number(context, process_id(leader)));
	supervisor = machine_open_supervisor(context->arena, machine);
	add(properties, "Supervisor", number(context, (uint64_t)machine->supervisor));
	add(properties, "SupervisorPIDFDId", number(context, process_id(supervisor)));
}

static char *interfaces(const struct context *context, const struct machine *machine)
{
	struct look_interfaces found;
	char *text = arena_text(context->arena, "");

	look_interfaces(context, &found, machine);
	for (size_t i = 0; i < found.count; i++)
		text = arena_format(context->arena, "%s%s%u", text, i > 0 ? " " : "",
				    found.indexes[i]);
	return text;
}

/* In the order of the original (reference 6.5). */
static void describe(const struct context *context, struct properties *ret,
		     const struct machine *machine)
{
	struct look_walk walk = { .addresses = NULL };
	struct look look = look_at(context, machine, &walk);
	uint64_t since = machine->realtime_us;

	add(ret, "Name", machine->name);
	add(ret, "Id", look.id);
	add(ret, "Timestamp", since == 0 ? "" : table_time_text(context->arena, since));
	add(ret, "TimestampMonotonic", number(context, machine->monotonic_us));
	add(ret, "Service", machine->service);
	add(ret, "Unit", look.unit);
	add(ret, "Subgroup", NULL);
	add_processes(context, ret, machine);
	add(ret, "Class", look.class);
	add(ret, "RootDirectory", machine->root);
	add(ret, "NetworkInterfaces", interfaces(context, machine));
	add(ret, "VSockCID", number(context, NO_VSOCK));
	add(ret, "SSHAddress", NULL);
	add(ret, "SSHPrivateKeyPath", NULL);
	add(ret, "State", look_state(machine));
	add(ret, "UID", number(context, geteuid()));
}

/* Of the place where trees are kept; without quotas neither number is known. */
static void describe_manager(const struct context *context, struct properties *ret)
{
	const char *home = text_variable(context->environment, "HOME");
	const char *path = "/var/lib/machines";

	if (geteuid() != 0)
		path = arena_format(context->arena, "%s/.local/state/machines",
				    text_empty(home) ? "" : home);
	add(ret, "PoolPath", path);
	add(ret, "PoolUsage", number(context, UINT64_MAX));
	add(ret, "PoolLimit", number(context, UINT64_MAX));
}

static const char *print(const struct context *context, const struct properties *properties)
{
	const struct options *options = &context->options;
	const char *text = "";

	for (size_t i = 0; i < properties->count; i++) {
		const struct property *property = &properties->items[i];
		const char *value = text_printable(context->arena,
						   property->value == NULL ? "" : property->value);

		if (options->properties.count > 0 &&
		    !text_list_has(&options->properties, property->name))
			continue;
		if (*value == '\0' && !options->all && options->properties.count == 0)
			continue;
		text = arena_format(context->arena, "%s%s%s%s\n", text,
				    options->value_only ? "" : property->name,
				    options->value_only ? "" : "=", value);
	}
	return text;
}

int verb_show(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct properties properties = { .count = 0 };

	if (words->count == 0) {
		describe_manager(context, &properties);
		return context_print(context, print(context, &properties));
	}
	for (size_t i = 0; i < words->count; i++) {
		struct machine machine;
		int r = look_open(context, &machine, words->items[i]);

		if (r < 0)
			return r;
		properties.count = 0;
		describe(context, &properties, &machine);
		r = context_print(context, arena_format(context->arena, "%s%s", i > 0 ? "\n" : "",
							print(context, &properties)));
		if (r < 0)
			return r;
	}
	return 0;
}
