#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/text.h"
#include "io/fd.h"
#include "kernel/process.h"
#include "machine/health.h"
#include "prog/machinectl/look.h"
#include "prog/machinectl/machinectl.h"
#include "prog/machinectl/properties.h"

#define NO_VSOCK UINT32_MAX /* VMADDR_CID_ANY: only virtual machines have one */

static void add_processes(const struct context *context, struct properties *properties,
			  const struct machine *machine)
{
	autoclose int leader = machine_open_leader(machine), supervisor = -EBADF;

	fail_forget();
	properties_add(properties, "Leader", properties_number(context, (uint64_t)machine->leader));
	properties_add(properties, "LeaderPIDFDId", properties_number(context, process_id(leader)));
	supervisor = machine_open_supervisor(context->arena, machine);
	properties_add(properties, "Supervisor",
		       properties_number(context, (uint64_t)machine->supervisor));
	properties_add(properties, "SupervisorPIDFDId",
		       properties_number(context, process_id(supervisor)));
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

	properties_add(ret, "Name", machine->name);
	properties_add(ret, "Id", look.id);
	properties_add(ret, "Timestamp", since == 0 ? "" : table_time_text(context->arena, since));
	properties_add(ret, "TimestampMonotonic",
		       properties_number(context, machine->monotonic_us));
	properties_add(ret, "Service", machine->service);
	properties_add(ret, "Unit", look.unit);
	properties_add(ret, "Subgroup", NULL);
	add_processes(context, ret, machine);
	properties_add(ret, "Class", look.class);
	properties_add(ret, "RootDirectory", machine->root);
	properties_add(ret, "NetworkInterfaces", interfaces(context, machine));
	properties_add(ret, "VSockCID", properties_number(context, NO_VSOCK));
	properties_add(ret, "SSHAddress", NULL);
	properties_add(ret, "SSHPrivateKeyPath", NULL);
	properties_add(ret, "State", look_state(machine));
	properties_add(ret, "UID", properties_number(context, geteuid()));
	if (health_of(machine).state != HEALTH_UNDECLARED)
		properties_add(ret, "Health", health_state_name(health_of(machine).state));
}

int verb_show(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct properties properties = { .count = 0 };

	if (words->count == 0) {
		properties_of_pool(context, &properties);
		return program_print(&context->program, properties_text(context, &properties));
	}
	for (size_t i = 0; i < words->count; i++) {
		struct machine machine;
		int r = look_open(context, &machine, words->items[i]);

		if (r < 0)
			return r;
		properties.count = 0;
		describe(context, &properties, &machine);
		r = program_print(&context->program,
				  arena_format(context->arena, "%s%s", i > 0 ? "\n" : "",
					       properties_text(context, &properties)));
		if (r < 0)
			return r;
	}
	return 0;
}
