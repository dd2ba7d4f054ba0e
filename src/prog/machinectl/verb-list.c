#include <pthread.h>
#include <sched.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "prog/machinectl/look.h"
#include "prog/machinectl/machinectl.h"

static const struct column columns[] = {
	{ .title = "MACHINE" }, { .title = "CLASS" },	{ .title = "SERVICE" },
	{ .title = "OS" },	{ .title = "VERSION" }, { .title = "ADDRESSES" },
};

/* One a line; the last one says when there are more. */
static const char *address_lines(const struct context *context, const struct look *look)
{
	const struct options *options = &context->options;
	size_t shown = MIN(look->address_count, options->max_addresses);
	const char *text = "";

	if (options->full)
		shown = look->address_count;
	for (size_t i = 0; i < shown; i++)
		text = arena_format(context->arena, "%s%s%s", text, i > 0 ? "\n" : "",
				    addresses_text(context->arena, &look->addresses[i]));
	if (shown > 0 && shown < look->address_count && options->format == TABLE_TEXT)
		text = arena_format(context->arena, "%s…", text);
	return text;
}

static void add_row(const struct context *context, struct table *table,
		    const struct machine *machine, const struct look *look, bool with_addresses)
{
	table_text(table, machine->name);
	table_text(table, look->class);
	table_text(table, machine->service);
	table_text(table, look->os.id);
	table_text(table, look->os.version_id);
	if (with_addresses)
		table_text(table, address_lines(context, look));
}

/* ---- looking at many ---- */

/* A look is the kernel's work for the most part: of a long list each processor has a part. */
#define PARTS_MAX 4
#define PART_MIN 24 /* a thread takes as long as some looks */

struct part {
	pthread_t thread;
	struct arena arena;
	struct context context; /* with that arena */
	struct addresses addresses;
	struct look_walk walk;
	const struct machine *machines;
	struct look *looks;
	size_t count;
};

static size_t count_parts(size_t machines)
{
	size_t processors = 1;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		processors = (size_t)CPU_COUNT(&set);
	return MAX(1, MIN(PARTS_MAX, MIN(processors, machines / PART_MIN)));
}

static void *look_at_part(void *part_)
{
	struct part *part = part_;

	for (size_t i = 0; i < part->count; i++)
		part->looks[i] = look_at(&part->context, &part->machines[i], &part->walk);
	return NULL;
}

/* Every thread goes into other namespaces, so all of them learn what home is before any leaves. */
static int begin_parts(struct part *parts, size_t count, const struct context *context,
		       bool with_addresses)
{
	for (size_t i = 0; i < count; i++) {
		struct part *part = &parts[i];
		int r = with_addresses ? addresses_begin(&part->addresses) : 0;

		if (r < 0)
			return fail(r, "cannot look at this process's own network (is /proc "
				       "mounted?)");
		part->context = *context;
		part->context.arena = &part->arena;
		part->walk.addresses = with_addresses ? &part->addresses : NULL;
	}
	return 0;
}

static void look_at_parts(struct part *parts, size_t part_count, const struct machine *machines,
			  struct look *looks, size_t count)
{
	size_t each = (count + part_count - 1) / part_count, started = 1;

	for (size_t i = 0; i < part_count; i++) {
		parts[i].machines = machines + i * each;
		parts[i].looks = looks + i * each;
		parts[i].count = MIN(each, count - MIN(count, i * each));
	}
	for (; started < part_count; started++)
		if (pthread_create(&parts[started].thread, NULL, look_at_part, &parts[started]) !=
		    0)
			break;
	look_at_part(&parts[0]);
	for (size_t i = started; i < part_count; i++)
		look_at_part(&parts[i]);
	for (size_t i = 1; i < started; i++)
		(void)pthread_join(parts[i].thread, NULL);
}

static void end_parts(struct part *parts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		addresses_end(&parts[i].addresses);
		arena_done(&parts[i].arena);
	}
}

static int print(const struct context *context, struct part *parts, size_t part_count,
		 const struct machine *machines, size_t count)
{
	struct look *looks = arena_take_array(context->arena, count + 1, sizeof(*looks));
	bool with_addresses = context->options.max_addresses > 0;
	struct table table;
	int r = begin_parts(parts, part_count, context, with_addresses);

	if (r < 0)
		return r;
	table_init(&table, context->arena, columns, ARRAY_SIZE(columns) - !with_addresses);
	if (context->options.all) {
		struct machine host;
		struct look look;

		machine_host(&host);
		look = look_at(context, &host, &parts[0].walk);
		add_row(context, &table, &host, &look, with_addresses);
	}
	look_at_parts(parts, part_count, machines, looks, count);
	for (size_t i = 0; i < count; i++)
		add_row(context, &table, &machines[i], &looks[i], with_addresses);
	return program_print_table(&context->program, &table, "machines");
}

int verb_list(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct part parts[PARTS_MAX] = { 0 };
	struct machine *machines;
	size_t count, part_count;
	int r;

	(void)words;
	r = machine_list(context->arena, &machines, &count, context->runtime);
	if (r < 0)
		return r;
	part_count = count_parts(count);
	for (size_t i = 0; i < PARTS_MAX; i++)
		parts[i].addresses = (struct addresses)ADDRESSES_EMPTY;
	r = print(context, parts, part_count, machines, count);
	end_parts(parts, part_count);
	return r;
}
