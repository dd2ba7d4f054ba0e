#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/text.h"
#include "prog/machinectl/machinectl.h"
#include "prog/machinectl/usages.h"

static const struct column columns[] = {
	{ .title = "MACHINE" },
	{ .title = "STATE" },
	{ .title = "MEMORY", .kind = COLUMN_SIZE },
	{ .title = "MEMORY PEAK", .kind = COLUMN_SIZE, .json_only = true },
	{ .title = "MEMORY MAX", .kind = COLUMN_SIZE, .json_only = true },
	{ .title = "SWAP", .kind = COLUMN_SIZE },
	{ .title = "TASKS", .kind = COLUMN_NUMBER },
	{ .title = "TASKS MAX", .kind = COLUMN_NUMBER, .json_only = true },
	{ .title = "CPU", .kind = COLUMN_DURATION },
	{ .title = "CPU THROTTLED", .kind = COLUMN_DURATION, .json_only = true },
	{ .title = "READ", .kind = COLUMN_SIZE },
	{ .title = "WRITTEN", .kind = COLUMN_SIZE },
	{ .title = "RECEIVED", .kind = COLUMN_SIZE },
	{ .title = "SENT", .kind = COLUMN_SIZE },
	{ .title = "OOM KILLS", .kind = COLUMN_NUMBER, .json_only = true },
	{ .title = "CPU PRESSURE", .kind = COLUMN_DURATION, .json_only = true },
	{ .title = "MEMORY PRESSURE", .kind = COLUMN_DURATION, .json_only = true },
	{ .title = "IO PRESSURE", .kind = COLUMN_DURATION, .json_only = true },
};

static void add_row(struct table *table, const struct machine *machine, const struct usage *usage)
{
	/* In the order of the columns. */
	const uint64_t numbers[] = {
		usage->memory,	       usage->memory_peak,    usage->memory_max,
		usage->swap,	       usage->tasks,	      usage->tasks_max,
		usage->cpu_us,	       usage->throttled_us,   usage->read,
		usage->written,	       usage->received,	      usage->sent,
		usage->oom_kills,      usage->pressure_us[0], usage->pressure_us[1],
		usage->pressure_us[2],
	};

	table_text(table, machine->name);
	table_text(table, usages_state(machine, usage));
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (numbers[i] == USAGE_UNKNOWN)
			table_empty(table);
		else
			table_number(table, numbers[i]);
	}
}

int verb_stats(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	const char *format = context->options.compression; /* --format= */
	struct usages usages;
	struct table table;
	int r;

	if (format != NULL && !text_equal(format, "openmetrics"))
		return fail_input("cannot print numbers as '%s' (try --format=openmetrics, or "
				  "--json=short)",
				  format);
	r = usages_read(context->arena, &usages, context->runtime, words);
	if (r < 0)
		return r;
	if (format != NULL)
		return program_print(&context->program,
				     usages_openmetrics(context->arena, &usages));
	table_init(&table, context->arena, columns, ARRAY_SIZE(columns));
	for (size_t i = 0; i < usages.count; i++)
		add_row(&table, &usages.machines[i], &usages.items[i]);
	return program_print_table(&context->program, &table, "machines");
}
