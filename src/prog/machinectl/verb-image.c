/* What images there are: the reference's catalogue of machinectl, sections 5 and 6. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/text.h"
#include "format/json-out.h"
#include "image/image.h"
#include "io/clock.h"
#include "prog/machinectl/image-inside.h"
#include "prog/machinectl/machinectl.h"
#include "prog/machinectl/properties.h"
#include "prog/machinectl/status-text.h"

/* ---- list-images ---- */

static const struct column columns[] = {
	{ .title = "NAME" },
	{ .title = "TYPE" },
	{ .title = "RO", .kind = COLUMN_BOOL },
	{ .title = "USAGE", .kind = COLUMN_SIZE },
	{ .title = "CREATED", .kind = COLUMN_TIME },
	{ .title = "MODIFIED", .kind = COLUMN_TIME },
};

static void put_number(struct table *table, uint64_t number, uint64_t unknown)
{
	if (number == unknown)
		table_empty(table);
	else
		table_number(table, number);
}

int verb_list_images(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	const struct find_scope scope = context_scope(context);
	struct image *images;
	struct table table;
	size_t count;
	int r;

	(void)words;
	r = image_list(context->arena, &images, &count, &scope, context->options.all);
	if (r < 0)
		return r;
	table_init(&table, context->arena, columns, ARRAY_SIZE(columns));
	for (size_t i = 0; i < count; i++) {
		table_text(&table, images[i].name);
		table_text(&table, images[i].type);
		table_bool(&table, images[i].found.read_only);
		put_number(&table, images[i].usage, IMAGE_UNKNOWN);
		put_number(&table, images[i].created_us, 0);
		put_number(&table, images[i].modified_us, 0);
	}
	return program_print_table(&context->program, &table, "images");
}

/* ---- image-status ---- */

/* Labels end in the same column; TEXT may be the image's own. */
static void put(FILE *out, const struct context *context, const char *label, const char *text)
{
	if (!text_empty(text))
		fprintf(out, strlen(label) > 8 ? "%16s: %s\n" : "\t%8s: %s\n", label,
			text_printable(context->arena, text));
}

static void put_time(FILE *out, const struct context *context, const char *label, uint64_t us)
{
	struct arena *arena = context->arena;

	if (us != 0)
		put(out, context, label,
		    arena_format(arena, "%s; %s", table_time_text(arena, us),
				 status_ago(arena, clock_realtime_us(), us)));
}

static void put_sizes(FILE *out, const struct context *context, const char *label, uint64_t all,
		      uint64_t exclusive)
{
	struct arena *arena = context->arena;

	if (all == IMAGE_UNKNOWN)
		return;
	if (exclusive == all || exclusive == IMAGE_UNKNOWN)
		put(out, context, label, table_size_text(arena, all));
	else
		put(out, context, label,
		    arena_format(arena, "%s (exclusive: %s)", table_size_text(arena, all),
				 table_size_text(arena, exclusive)));
}

static const char *os_text(const struct os_release *os)
{
	return os->pretty_name != NULL ? os->pretty_name : os->id;
}

static void put_image(FILE *out, const struct context *context, const struct image *image)
{
	struct image_inside inside = image_inside(context, image);

	fprintf(out, "%s\n", text_printable(context->arena, image->name));
	put(out, context, "Type", image->type);
	put(out, context, "Path", image->path);
	put(out, context, "Hostname", inside.hostname);
	put(out, context, "Machine ID", inside.id);
	put(out, context, "Deployment", inside.deployment);
	put(out, context, "OS", os_text(&inside.os));
	put(out, context, "RO", image->found.read_only ? "read-only" : "writable");
	put_time(out, context, "Created", image->created_us);
	put_time(out, context, "Modified", image->modified_us);
	put_sizes(out, context, "Usage", image->usage, image->usage_exclusive);
	put_sizes(out, context, "Limit", image->limit, image->limit_exclusive);
}

static void put_pool(FILE *out, const struct context *context, const struct image *pool)
{
	put(out, context, "Path", pool->path);
	put_sizes(out, context, "Usage", pool->usage, pool->usage);
	put_sizes(out, context, "Limit", pool->limit, pool->limit);
}

static void json_number(struct json_out *json, const char *key, uint64_t value, uint64_t unknown)
{
	if (value == unknown)
		json_out_null(json, key);
	else
		json_out_unsigned(json, key, value);
}

static const char *json_of(const struct context *context, const struct image *image, bool pool)
{
	struct image_inside inside = { .id = NULL };
	struct json_out json;

	if (!pool)
		inside = image_inside(context, image);
	json_out_init(&json, context->arena, context->options.format == TABLE_JSON_PRETTY);
	json_out_begin_object(&json, NULL);
	if (!pool) {
		json_out_text(&json, "name", image->name);
		json_out_text(&json, "type", image->type);
	}
	json_out_text(&json, "path", image->path);
	if (!pool) {
		json_out_text(&json, "hostname", inside.hostname);
		json_out_text(&json, "machine_id", inside.id);
		json_out_text(&json, "deployment", inside.deployment);
		json_out_text(&json, "os", inside.os.id);
		json_out_text(&json, "version", inside.os.version_id);
		json_out_text(&json, "os_name", inside.os.pretty_name);
		json_out_bool(&json, "ro", image->found.read_only);
		json_number(&json, "created", image->created_us, 0);
		json_number(&json, "modified", image->modified_us, 0);
	}
	json_number(&json, "usage", image->usage, IMAGE_UNKNOWN);
	json_number(&json, "limit", image->limit, IMAGE_UNKNOWN);
	if (!pool) {
		json_number(&json, "usage_exclusive", image->usage_exclusive, IMAGE_UNKNOWN);
		json_number(&json, "limit_exclusive", image->limit_exclusive, IMAGE_UNKNOWN);
	}
	json_out_end_object(&json);
	return json_out_done(&json);
}

static int print_status(const struct context *context, const struct image *image, bool pool,
			bool first)
{
	char *text = NULL;
	size_t size;
	FILE *out;
	int r;

	if (context->options.format != TABLE_TEXT)
		return program_print(&context->program, json_of(context, image, pool));
	out = open_memstream(&text, &size);
	if (out == NULL)
		return fail(-ENOMEM, "cannot print the status of an image");
	if (!first)
		fputs("\n", out);
	if (pool)
		put_pool(out, context, image);
	else
		put_image(out, context, image);
	fclose(out);
	r = program_print(&context->program, text);
	free(text);
	return r;
}

int verb_image_status(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	const struct find_scope scope = context_scope(context);
	struct image image;
	int r;

	if (words->count == 0) {
		image_pool(context->arena, &image, &scope);
		return print_status(context, &image, true, true);
	}
	for (size_t i = 0; i < words->count; i++) {
		r = image_open(context->arena, &image, words->items[i], &scope);
		if (r >= 0)
			r = print_status(context, &image, false, i == 0);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- show-image ---- */

/* In the order of the original (reference 6.5). */
static void describe(const struct context *context, struct properties *ret,
		     const struct image *image)
{
	const uint64_t created = image->created_us, modified = image->modified_us;

	properties_add(ret, "Name", image->name);
	properties_add(ret, "Path", image->path);
	properties_add(ret, "Type", image->type);
	properties_add(ret, "ReadOnly", image->found.read_only ? "yes" : "no");
	properties_add(ret, "CreationTimestamp",
		       created == 0 ? "" : table_time_text(context->arena, created));
	properties_add(ret, "ModificationTimestamp",
		       modified == 0 ? "" : table_time_text(context->arena, modified));
	properties_add(ret, "Usage", properties_number(context, image->usage));
	properties_add(ret, "Limit", properties_number(context, image->limit));
	properties_add(ret, "UsageExclusive", properties_number(context, image->usage_exclusive));
	properties_add(ret, "LimitExclusive", properties_number(context, image->limit_exclusive));
}

int verb_show_image(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	const struct find_scope scope = context_scope(context);
	struct properties properties = { .count = 0 };

	if (words->count == 0) {
		properties_of_pool(context, &properties);
		return program_print(&context->program, properties_text(context, &properties));
	}
	for (size_t i = 0; i < words->count; i++) {
		struct image image;
		int r = image_open(context->arena, &image, words->items[i], &scope);

		if (r < 0)
			return r;
		properties.count = 0;
		describe(context, &properties, &image);
		r = program_print(&context->program,
				  arena_format(context->arena, "%s%s", i > 0 ? "\n" : "",
					       properties_text(context, &properties)));
		if (r < 0)
			return r;
	}
	return 0;
}
