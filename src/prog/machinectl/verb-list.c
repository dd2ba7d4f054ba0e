#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "format/envfile.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/resolve.h"
#include "machine/find.h"
#include "prog/machinectl/machinectl.h"

#include <fcntl.h>

static const struct column columns[] = {
	{ .title = "MACHINE" }, { .title = "CLASS" },	{ .title = "SERVICE" },
	{ .title = "OS" },	{ .title = "VERSION" }, { .title = "ADDRESSES" },
};

int verb_list(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct machine *machines;
	struct table table;
	size_t count;
	int r;

	(void)words;
	r = machine_list(context->arena, &machines, &count, context->runtime);
	if (r < 0)
		return r;
	table_init(&table, context->arena, columns, ARRAY_SIZE(columns));
	for (size_t i = 0; i < count; i++) {
		table_text(&table, machines[i].name);
		table_text(&table, "container");
		table_text(&table, machines[i].service);
		table_empty(&table);
		table_empty(&table);
		table_empty(&table);
	}
	return context_print_table(context, &table, "machines");
}
