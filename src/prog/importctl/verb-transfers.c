/* Transfers that go on: the reference's catalogue of machinectl, section 10.4. */
#include <errno.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/text.h"
#include "prog/importctl/importctl.h"
#include "prog/importctl/transfer.h"
#include "transfer/jobs.h"

static const struct column columns[] = {
	{ .title = "ID", .kind = COLUMN_NUMBER },
	{ .title = "PROGRESS", .kind = COLUMN_PERCENT },
	{ .title = "TYPE" },
	{ .title = "CLASS" },
	{ .title = "LOCAL" },
	{ .title = "REMOTE" },
};

static bool is_wanted(const struct context *context, const struct jobs_entry *entry)
{
	return entry->alive && (context->options.class == CLASS_UNSET ||
				text_equal(entry->class, class_name(context->options.class)));
}

static void add_row(struct table *table, const struct jobs_entry *entry)
{
	table_number(table, entry->id);
	if (entry->total > 0)
		table_number(table, entry->done >= entry->total
					    ? 100
					    : (uint64_t)((double)entry->done * 100 /
							 (double)entry->total));
	else
		table_empty(table);
	table_text(table, entry->type);
	table_text(table, entry->class);
	table_text(table, entry->local);
	table_text(table, entry->remote);
}

int verb_list_transfers(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct jobs_entry *entries;
	struct table table;
	size_t count;
	int r;

	(void)words;
	transfer_tidy(context);
	r = jobs_list(context->arena, &entries, &count, context->runtime);
	if (r < 0)
		return r;
	table_init(&table, context->arena, columns, ARRAY_SIZE(columns));
	for (size_t i = 0; i < count; i++)
		if (is_wanted(context, &entries[i]))
			add_row(&table, &entries[i]);
	return program_print_table(&context->program, &table, "transfers");
}

int verb_cancel_transfer(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct jobs_entry entry;
	uint32_t id;
	int r = 0;

	for (size_t i = 0; i < words->count && r >= 0; i++) {
		if (parse_u32(&id, words->items[i]) < 0)
			r = fail_input("cannot use '%s' as a transfer: it is no number (see "
				       "importctl list-transfers)",
				       words->items[i]);
		else
			r = jobs_cancel(context->arena, &entry, context->runtime, id);
		if (r >= 0)
			transfer_sweep(context, &entry);
	}
	transfer_tidy(context);
	return r;
}
