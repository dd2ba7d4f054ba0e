/* Who holds how much of what images share. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/text.h"
#include "image/holders.h"
#include "image/image.h"
#include "image/own-ids.h"
#include "image/store.h"
#include "prog/importctl/importctl.h"

/* EXCLUSIVE: what would be free again without it. */
static const struct column columns[] = {
	{ .title = "TYPE" },
	{ .title = "NAME" },
	{ .title = "SIZE", .kind = COLUMN_SIZE },
	{ .title = "EXCLUSIVE", .kind = COLUMN_SIZE },
	{ .title = "SHARED", .kind = COLUMN_SIZE },
	{ .title = "HELD-BY" },
};

static const char *joined(struct arena *arena, const struct text_list *first,
			  const struct text_list *second)
{
	struct text_list all = { 0 };
	const char *text = "";

	for (size_t i = 0; i < first->count; i++)
		text_list_add(arena, &all, first->items[i]);
	for (size_t i = 0; i < second->count; i++)
		text_list_add(arena, &all, second->items[i]);
	text_list_sort(&all);
	for (size_t i = 0; i < all.count; i++)
		text = arena_format(arena, "%s%s%s", text, *text ? ", " : "", all.items[i]);
	return text;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct holders_machine *)a)->name,
		      ((const struct holders_machine *)b)->name);
}

/* The largest first. */
static int by_size(const void *a, const void *b)
{
	const struct holders_layer *left = a, *right = b;

	if (left->size != right->size)
		return left->size > right->size ? -1 : 1;
	return strcmp(left->name, right->name);
}

static void add_row(struct table *table, const char *type, const char *name, uint64_t exclusive,
		    uint64_t shared, const char *held_by)
{
	table_text(table, type);
	table_text(table, name);
	table_number(table, exclusive + shared);
	table_number(table, exclusive);
	table_number(table, shared);
	table_text(table, held_by);
}

/* Trees and disk images share nothing that is known here. */
static int add_whole_images(const struct context *context, struct table *table)
{
	struct image *images;
	size_t count;
	int r = image_list(context->arena, &images, &count, &context->images, false);

	for (size_t i = 0; r >= 0 && i < count; i++) {
		const struct image *image = &images[i];
		uint64_t size = image->usage;

		if (image->found.kind == FIND_MSTACK)
			continue;
		if (size == IMAGE_UNKNOWN)
			size = holders_size(image->path);
		add_row(table, image->type, image->name, size, 0, "");
	}
	return r;
}

/* Where nothing is stored, layered images are clones of trees. */
static int add_clones(const struct context *context, struct table *table)
{
	struct image *images;
	size_t count;
	int r = image_list(context->arena, &images, &count, &context->images, false);

	for (size_t i = 0; r >= 0 && i < count; i++)
		if (images[i].found.kind == FIND_MSTACK)
			add_row(table, "layered", images[i].name, holders_size(images[i].path), 0,
				"");
	return r;
}

static void add_machines(struct table *table, const struct holders *holders)
{
	for (size_t i = 0; i < holders->machine_count; i++) {
		const struct holders_machine *machine = &holders->machines[i];

		if (!machine->hidden)
			add_row(table, "layered", machine->name, machine->own + machine->exclusive,
				machine->shared, "");
	}
}

/* Twelve digits tell them apart for people; programs get all. */
static const char *digest_text(const struct context *context, const char *name)
{
	bool people = context->program.format == TABLE_TEXT;

	return arena_format(context->arena, "sha256:%.*s", people ? 12 : (int)strlen(name), name);
}

static void add_layers(const struct context *context, struct table *table,
		       const struct holders *holders)
{
	const struct text_list none = { 0 };
	struct arena *arena = context->arena;

	for (size_t i = 0; i < holders->layer_count; i++) {
		const struct holders_layer *layer = &holders->layers[i];
		bool alone = layer->machines.count + layer->references.count < 2;

		add_row(table, layer->unfinished ? "unfinished" : "layer",
			layer->unfinished ? layer->name : digest_text(context, layer->name),
			alone ? layer->size : 0, alone ? 0 : layer->size,
			joined(arena, &layer->machines, &layer->references));
	}
	for (size_t i = 0; i < holders->blob_count; i++) {
		const struct holders_blob *blob = &holders->blobs[i];
		bool alone = blob->references.count < 2;

		add_row(table, blob->unfinished ? "unfinished" : "blob",
			blob->unfinished ? blob->name : digest_text(context, blob->name),
			alone ? blob->size : 0, alone ? 0 : blob->size,
			joined(arena, &blob->references, &none));
	}
}

static int add_store(const struct context *context, struct table *table)
{
	struct text_list running = { 0 };
	struct store store = STORE_EMPTY;
	struct holders holders;
	int r = store_open(context->arena, &store, &context->images, false);

	if (r < 0)
		return r == -ENOENT ? add_clones(context, table) : r;
	r = holders_read(context->arena, &holders, &store, &context->images, &running);
	if (r >= 0) {
		holders_measure(context->arena, &holders, &store);
		if (holders.machine_count > 0)
			qsort(holders.machines, holders.machine_count, sizeof(*holders.machines),
			      by_name);
		if (holders.layer_count > 0)
			qsort(holders.layers, holders.layer_count, sizeof(*holders.layers),
			      by_size);
		add_machines(table, &holders);
		add_layers(context, table, &holders);
	}
	store_done(&store);
	return r;
}

int verb_disk_usage(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct table table;
	int r = 0;

	(void)words;
	/* What belongs to a user's subordinate ids is looked into as their root. */
	if (context->images.uid != 0)
		r = own_ids_become_root(context->arena, context->program.environment);
	table_init(&table, context->arena, columns, ARRAY_SIZE(columns));
	if (r >= 0)
		r = add_whole_images(context, &table);
	if (r >= 0)
		r = add_store(context, &table);
	return r < 0 ? r : program_print_table(&context->program, &table, "images and layers");
}
