#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/text.h"
#include "bus/systemd.h"
#include "format/json-out.h"
#include "io/clock.h"
#include "io/fd.h"
#include "machine/health.h"
#include "machine/manager.h"
#include "machine/processes.h"
#include "machine/usage.h"
#include "prog/machinectl/log-source.h"
#include "prog/machinectl/look.h"
#include "prog/machinectl/machinectl.h"
#include "prog/machinectl/status-text.h"

/* What is told about one machine, in either form. */
struct status {
	const struct context *context;
	struct machine machine;
	struct look look;
	struct look_interfaces interfaces;
	struct usage usage;
	struct processes processes;
	const char *leader_name, *supervisor_name;
	uint32_t id_shift;   /* 0: none */
	const char *manager; /* NULL: of the host */
};

static char *name_of(struct arena *arena, pid_t pid)
{
	char path[sizeof("/proc/-2147483648")];
	autoclose int proc = -EBADF;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return processes_name(arena, proc);
}

static void gather(const struct context *context, struct status *ret, const struct machine *machine,
		   struct addresses *addresses)
{
	struct look_walk walk = { .addresses = addresses };
	struct status status = { .context = context, .machine = *machine };
	autoclose int proc = machine_open_proc(machine), cgroup = -EBADF;

	fail_forget();
	look_interfaces(context, &status.interfaces, machine); /* while we are at home */
	status.look = look_at(context, machine, &walk);
	if (proc >= 0) {
		status.leader_name = processes_name(context->arena, proc);
		(void)facts_id_shift(&status.id_shift, proc);
	}
	if (machine->supervisor > 0)
		status.supervisor_name = name_of(context->arena, machine->supervisor);
	if (!machine->is_host) {
		status.manager = manager_of(context->arena, machine, context->program.environment);
		cgroup = machine_open_cgroup(context->arena, machine, true);
		fail_forget();
		usage_read(context->arena, &status.usage, machine);
		processes_read(context->arena, &status.processes, machine, cgroup);
	}
	*ret = status;
}

/* ---- for people ---- */

/* Labels end in the same column; TEXT may be the guest's own. */
static void put(FILE *out, const struct status *status, const char *label, const char *text)
{
	if (!text_empty(text))
		fprintf(out, "\t%8s: %s\n", label, text_printable(status->context->arena, text));
}

static PRINTF(4, 5) void put_format(FILE *out, const struct status *status, const char *label,
				    const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = arena_format_v(status->context->arena, format, args);
	va_end(args);
	put(out, status, label, text);
}

static void put_process(FILE *out, const struct status *status, const char *label, pid_t pid,
			const char *name)
{
	if (pid > 0 && text_empty(name))
		put_format(out, status, label, "%d", (int)pid);
	else if (pid > 0)
		put_format(out, status, label, "%d (%s)", (int)pid, name);
}

static void put_interfaces(FILE *out, const struct status *status)
{
	const struct text_list *names = &status->interfaces.names;
	const char *text = "";

	for (size_t i = 0; i < names->count; i++)
		text = arena_format(status->context->arena, "%s%s%s", text, i > 0 ? " " : "",
				    names->items[i]);
	put(out, status, "Iface", text);
}

/* IPv6 by way of which interface, where only one leads there (reference 6.3). */
static void put_addresses(FILE *out, const struct status *status)
{
	const struct look *look = &status->look;
	const struct look_interfaces *interfaces = &status->interfaces;
	struct arena *arena = status->context->arena;

	for (size_t i = 0; i < look->address_count; i++) {
		const char *way = "";

		if (interfaces->count == 1 && look->addresses[i].family == AF_INET6)
			way = arena_format(arena, "%%%u", interfaces->indexes[0]);
		fprintf(out, "\t%8s%s %s%s\n", i == 0 ? "Address" : "", i == 0 ? ":" : " ",
			addresses_text(arena, &look->addresses[i]), way);
	}
}

static void put_state(FILE *out, const struct status *status)
{
	const struct machine *machine = &status->machine;

	if (machine->state == MACHINE_ABANDONED)
		put_format(out, status, "State",
			   "abandoned (its console is only written down, nobody reboots it or "
			   "cleans up after it, "
			   "until 'machinectl adopt %s')",
			   machine->name);
	else if (status->usage.paused)
		put_format(out, status, "State", "paused (until 'machinectl resume %s')",
			   machine->name);
	else
		put(out, status, "State", look_state(machine));
	put(out, status, "Manager", status->manager);
}

static void put_usage(FILE *out, const struct status *status)
{
	struct arena *arena = status->context->arena;
	const struct usage *usage = &status->usage;

	if (status->machine.is_host)
		return;
	if (usage->tasks != USAGE_UNKNOWN && usage->tasks_max != USAGE_UNKNOWN)
		put_format(out, status, "Tasks", "%" PRIu64 " (limit: %" PRIu64 ")", usage->tasks,
			   usage->tasks_max);
	else if (usage->tasks != USAGE_UNKNOWN)
		put_format(out, status, "Tasks", "%" PRIu64, usage->tasks);
	if (usage->memory != USAGE_UNKNOWN && usage->memory_max != USAGE_UNKNOWN)
		put_format(out, status, "Memory", "%s (max: %s)",
			   table_size_text(arena, usage->memory),
			   table_size_text(arena, usage->memory_max));
	else if (usage->memory != USAGE_UNKNOWN)
		put(out, status, "Memory", table_size_text(arena, usage->memory));
	if (usage->cpu_us != USAGE_UNKNOWN)
		put(out, status, "CPU", status_span(arena, usage->cpu_us));
}

static void put_health(FILE *out, const struct status *status)
{
	const struct health_report report = health_of(&status->machine);

	if (report.state == HEALTH_UNDECLARED)
		return;
	if (report.checked_us == 0)
		put(out, status, "Health", health_state_name(report.state));
	else
		put_format(
			out, status, "Health", "%s; checked %s%s", health_state_name(report.state),
			status_ago(status->context->arena, clock_realtime_us(), report.checked_us),
			report.failures == 0
				? ""
				: arena_format(status->context->arena, "; %u failures in a row",
					       report.failures));
}

static char *print_text(const struct status *status)
{
	const struct machine *machine = &status->machine;
	const struct look *look = &status->look;
	struct arena *arena = status->context->arena;
	char *text = NULL, *copy;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return arena_text(arena, "");
	fprintf(out, text_empty(look->id) ? "%s\n" : "%s(%s)\n", machine->name, look->id);
	if (machine->realtime_us > 0)
		put_format(out, status, "Since", "%s; %s",
			   table_time_text(arena, machine->realtime_us),
			   status_ago(arena, clock_realtime_us(), machine->realtime_us));
	put_process(out, status, "Leader", machine->leader, status->leader_name);
	put_process(out, status, "Superv.", machine->supervisor, status->supervisor_name);
	if (text_empty(machine->service))
		put_format(out, status, "Class", "%s", look->class);
	else
		put_format(out, status, "Service", "%s; class %s", machine->service, look->class);
	if (geteuid() != 0)
		put_format(out, status, "UID", "%u", (unsigned int)geteuid());
	put(out, status, "Root", machine->root);
	put_interfaces(out, status);
	put_addresses(out, status);
	put(out, status, "OS", look->os.pretty_name);
	if (status->id_shift != 0)
		put_format(out, status, "ID Shift", "%" PRIu32, status->id_shift);
	put(out, status, "Unit", look->unit);
	put_state(out, status);
	put_health(out, status);
	put_usage(out, status);
	status_tree(out, arena, &status->processes,
		    status->context->options.full ? 0 : status->context->program.columns);
	fclose(out);
	copy = arena_text(arena, text);
	free(text);
	return copy;
}

/* ---- for programs ---- */

static void json_processes(struct json_out *json, struct arena *arena, const char *path,
			   const struct process_group *group)
{
	for (size_t i = 0; i < group->count; i++) {
		json_out_begin_object(json, NULL);
		json_out_unsigned(json, "pid", (uint64_t)group->processes[i].pid);
		json_out_text(json, "group", *path == '\0' ? "/" : path);
		json_out_text(json, "command", group->processes[i].command);
		json_out_end_object(json);
	}
	for (size_t i = 0; i < group->group_count; i++)
		json_processes(json, arena,
			       arena_format(arena, "%s/%s", path, group->groups[i].name),
			       &group->groups[i]);
}

static void json_number(struct json_out *json, const char *key, uint64_t value, uint64_t unknown)
{
	if (value == unknown)
		json_out_null(json, key);
	else
		json_out_unsigned(json, key, value);
}

static void json_usage(struct json_out *json, const struct usage *usage)
{
	json_number(json, "tasks", usage->tasks, USAGE_UNKNOWN);
	json_number(json, "tasks_max", usage->tasks_max, USAGE_UNKNOWN);
	json_number(json, "memory", usage->memory, USAGE_UNKNOWN);
	json_number(json, "memory_max", usage->memory_max, USAGE_UNKNOWN);
	json_number(json, "cpu_us", usage->cpu_us, USAGE_UNKNOWN);
}

static const char *print_json(const struct status *status)
{
	const struct machine *machine = &status->machine;
	const struct look *look = &status->look;
	struct arena *arena = status->context->arena;
	struct json_out json;

	json_out_init(&json, arena, status->context->options.format == TABLE_JSON_PRETTY);
	json_out_begin_object(&json, NULL);
	json_out_text(&json, "machine", machine->name);
	json_out_text(&json, "id", look->id);
	json_out_text(&json, "class", look->class);
	json_out_text(&json, "service", machine->service);
	json_out_text(&json, "state", status->usage.paused ? "paused" : look_state(machine));
	json_out_text(&json, "health", health_state_name(health_of(machine).state));
	json_number(&json, "since", machine->realtime_us, 0);
	json_number(&json, "leader", (uint64_t)machine->leader, 0);
	json_number(&json, "supervisor", (uint64_t)machine->supervisor, 0);
	json_out_unsigned(&json, "uid", geteuid());
	json_out_text(&json, "root", text_empty(machine->root) ? NULL : machine->root);
	json_out_begin_array(&json, "interfaces");
	for (size_t i = 0; i < status->interfaces.names.count; i++)
		json_out_text(&json, NULL, status->interfaces.names.items[i]);
	json_out_end_array(&json);
	json_out_begin_array(&json, "addresses");
	for (size_t i = 0; i < look->address_count; i++)
		json_out_text(&json, NULL, addresses_text(arena, &look->addresses[i]));
	json_out_end_array(&json);
	json_out_text(&json, "os", look->os.id);
	json_out_text(&json, "version", look->os.version_id);
	json_out_text(&json, "os_name", look->os.pretty_name);
	json_out_unsigned(&json, "id_shift", status->id_shift);
	json_out_text(&json, "unit", look->unit);
	json_out_text(&json, "manager", status->manager);
	if (!machine->is_host) {
		json_usage(&json, &status->usage);
		json_out_begin_array(&json, "processes");
		json_processes(&json, arena, "", &status->processes.top);
		json_out_end_array(&json);
	}
	json_out_end_object(&json);
	return json_out_done(&json);
}

/* Where the log is at hand: the guest's own would have to be asked for by running something in it.
 */
static int print_log(struct context *context, const struct status *status)
{
	bool in_journal = status->machine.unit != NULL && systemd_is_running();
	const struct text_list *page = context->program.page;
	int r;

	if (context->options.lines == 0 || status->machine.is_host ||
	    (!in_journal && text_equal(status->manager, "none")))
		return 0;
	/* What shows the log writes it itself: what is above must be there before. */
	context->program.page = NULL;
	for (size_t i = 0; page != NULL && i < page->count; i++) {
		r = program_print(&context->program, page->items[i]);
		if (r < 0)
			return r;
	}
	r = program_print(&context->program, "\n");
	if (r < 0)
		return r;
	return in_journal ? log_from_host(context, status->machine.unit, NULL)
			  : log_from_detached(context, status->machine.name);
}

static int print(struct context *context, const struct status *status, bool first)
{
	int r = 0;

	if (context->options.format != TABLE_TEXT)
		return program_print(&context->program, print_json(status));
	if (!first)
		r = program_print(&context->program, "\n");
	if (r >= 0)
		r = program_print(&context->program, print_text(status));
	return r < 0 ? r : print_log(context, status);
}

int verb_status(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct addresses walk;
	int r;

	for (size_t i = 0; i < words->count; i++) {
		struct machine machine;
		struct status status;

		r = look_open(context, &machine, words->items[i]);
		if (r < 0)
			return r;
		r = addresses_begin(&walk);
		if (r < 0)
			return fail(r, "cannot look at this process's own network (is /proc "
				       "mounted?)");
		gather(context, &status, &machine, &walk);
		addresses_end(&walk);
		r = print(context, &status, i == 0);
		if (r < 0)
			return r;
	}
	return 0;
}
