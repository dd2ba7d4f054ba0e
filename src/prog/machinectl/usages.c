#include "prog/machinectl/usages.h"

#include "base/arena.h"
#include "base/macros.h"
#include "base/text.h"
#include "format/openmetrics.h"

static int find_machines(struct arena *arena, struct usages *ret, const char *runtime,
			 const struct text_list *names)
{
	if (names->count == 0)
		return machine_list(arena, &ret->machines, &ret->count, runtime);
	ret->machines = arena_take_array(arena, names->count, sizeof(*ret->machines));
	for (; ret->count < names->count; ret->count++) {
		int r = machine_open(arena, &ret->machines[ret->count], runtime,
				     names->items[ret->count]);

		if (r < 0)
			return r;
	}
	return 0;
}

int usages_read(struct arena *arena, struct usages *ret, const char *runtime,
		const struct text_list *names)
{
	struct usages usages = { 0 };
	int r;

	r = find_machines(arena, &usages, runtime, names);
	if (r < 0)
		return r;
	usages.items = arena_take_array(arena, usages.count, sizeof(*usages.items));
	for (size_t i = 0; i < usages.count; i++)
		usage_read(arena, &usages.items[i], &usages.machines[i]);
	*ret = usages;
	return 0;
}

const char *usages_state(const struct machine *machine, const struct usage *usage)
{
	if (usage->paused)
		return "paused";
	switch (machine->state) {
	case MACHINE_OPENING: return "opening";
	case MACHINE_ABANDONED: return "abandoned";
	default: return "running";
	}
}

#define PRESSURE(kind) (offsetof(struct usage, pressure_us) + (kind) * sizeof(uint64_t))

struct metric {
	const char *name; /* NULL: more samples of the family above */
	enum openmetrics_type type;
	const char *unit, *help;
	uint32_t divisor;
	size_t offset;
	const char *label, *value;
};

#define GAUGE OPENMETRICS_GAUGE
#define COUNTER OPENMETRICS_COUNTER
#define METRIC(field) 1, offsetof(struct usage, field), NULL, NULL
#define SECONDS(field) 1000000, offsetof(struct usage, field), NULL, NULL

static const struct metric metrics[] = {
	{ "redd_machine_memory_bytes", GAUGE, "bytes", "Memory in use.", METRIC(memory) },
	{ "redd_machine_memory_peak_bytes", GAUGE, "bytes", "The most memory that was in use.",
	  METRIC(memory_peak) },
	{ "redd_machine_memory_limit_bytes", GAUGE, "bytes", "Memory that may be in use.",
	  METRIC(memory_max) },
	{ "redd_machine_swap_bytes", GAUGE, "bytes", "Swap space in use.", METRIC(swap) },
	{ "redd_machine_tasks", GAUGE, NULL, "Processes and threads.", METRIC(tasks) },
	{ "redd_machine_tasks_limit", GAUGE, NULL, "Processes and threads that may exist.",
	  METRIC(tasks_max) },
	{ "redd_machine_cpu_seconds", COUNTER, "seconds", "CPU time.", SECONDS(cpu_us) },
	{ "redd_machine_cpu_throttled_seconds", COUNTER, "seconds",
	  "Time in which the CPU quota was used up.", SECONDS(throttled_us) },
	{ "redd_machine_io_read_bytes", COUNTER, "bytes", "Bytes read from disks.", METRIC(read) },
	{ "redd_machine_io_written_bytes", COUNTER, "bytes", "Bytes written to disks.",
	  METRIC(written) },
	{ "redd_machine_network_received_bytes", COUNTER, "bytes",
	  "Bytes received on interfaces of its own.", METRIC(received) },
	{ "redd_machine_network_sent_bytes", COUNTER, "bytes",
	  "Bytes sent on interfaces of its own.", METRIC(sent) },
	{ "redd_machine_oom_kills", COUNTER, NULL, "Processes killed for want of memory.",
	  METRIC(oom_kills) },
	{ "redd_machine_pressure_seconds", COUNTER, "seconds",
	  "Time in which some task waited for the resource.", 1000000, PRESSURE(USAGE_PRESSURE_CPU),
	  "resource", "cpu" },
	{ NULL, COUNTER, NULL, NULL, 1000000, PRESSURE(USAGE_PRESSURE_MEMORY), "resource",
	  "memory" },
	{ NULL, COUNTER, NULL, NULL, 1000000, PRESSURE(USAGE_PRESSURE_IO), "resource", "io" },
};

static void add_samples(struct openmetrics *out, const struct usages *usages,
			const struct metric *metric)
{
	for (size_t i = 0; i < usages->count; i++) {
		const char *const labels[] = { "machine", usages->machines[i].name, metric->label,
					       metric->value, NULL };
		uint64_t value;

		value = *(const uint64_t *)(const void *)((const char *)&usages->items[i] +
							  metric->offset);
		if (value != USAGE_UNKNOWN)
			openmetrics_sample(out, labels, value, metric->divisor);
	}
}

static void add_states(struct openmetrics *out, const struct usages *usages)
{
	openmetrics_family(out, "redd_machine_start_time_seconds", OPENMETRICS_GAUGE, "seconds",
			   "When the machine was started, since 1970.");
	for (size_t i = 0; i < usages->count; i++) {
		const char *const labels[] = { "machine", usages->machines[i].name, NULL };

		if (usages->machines[i].realtime_us > 0)
			openmetrics_sample(out, labels, usages->machines[i].realtime_us, 1000000);
	}
	openmetrics_family(out, "redd_machine_paused", OPENMETRICS_GAUGE, NULL,
			   "1 while the machine is paused.");
	for (size_t i = 0; i < usages->count; i++) {
		const char *const labels[] = { "machine", usages->machines[i].name, NULL };

		openmetrics_sample(out, labels, usages->items[i].paused, 1);
	}
}

const char *usages_openmetrics(struct arena *arena, const struct usages *usages)
{
	struct openmetrics out;

	openmetrics_init(&out, arena);
	add_states(&out, usages);
	for (size_t i = 0; i < ARRAY_SIZE(metrics); i++) {
		const struct metric *metric = &metrics[i];

		if (metric->name != NULL)
			openmetrics_family(&out, metric->name, metric->type, metric->unit,
					   metric->help);
		add_samples(&out, usages, metric);
	}
	return openmetrics_done(&out);
}
