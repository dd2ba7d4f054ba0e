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
		    const struct machine *machine, struct look_walk *walk)
{
	struct look look = look_at(context, machine, walk);

	table_text(table, machine->name);
	table_text(table, look.class);
	table_text(table, machine->service);
	table_text(table, look.os.id);
	table_text(table, look.os.version_id);
	if (walk->addresses != NULL)
		table_text(table, address_lines(context, &look));
}

int verb_list(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	bool with_addresses = context->options.max_addresses > 0;
	struct addresses addresses = ADDRESSES_EMPTY;
	struct look_walk walk = { .addresses = with_addresses ? &addresses : NULL };
	struct machine *machines, host;
	struct table table;
	size_t count;
	int r;

	(void)words;
	r = machine_list(context->arena, &machines, &count, context->runtime);
	if (r < 0)
		return r;
	r = with_addresses ? addresses_begin(&addresses) : 0;
	if (r < 0)
		return fail(r, "cannot look at this process's own network (is /proc mounted?)");
	table_init(&table, context->arena, columns, ARRAY_SIZE(columns) - !with_addresses);
	if (context->options.all) {
		machine_host(&host);
		add_row(context, &table, &host, &walk);
	}
	for (size_t i = 0; i < count; i++)
		add_row(context, &table, &machines[i], &walk);
	addresses_end(&addresses);
	return context_print_table(context, &table, "machines");
}
