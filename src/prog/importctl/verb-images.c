/* Images of all classes: the reference's catalogue of machinectl, section 10.4. */
#include "base/arena.h"
#include "base/macros.h"
#include "image/image.h"
#include "prog/importctl/importctl.h"

/* Whether it is read-only is a word for people, and a fact for programs. */
static const struct column columns[] = {
	{ .title = "CLASS" },
	{ .title = "NAME" },
	{ .title = "TYPE" },
	{ .title = "PATH" },
	{ .title = "RO" },
	{ .title = "CRTIME", .kind = COLUMN_TIME },
	{ .title = "MTIME", .kind = COLUMN_TIME },
	{ .title = "USAGE", .kind = COLUMN_SIZE },
	{ .title = "LIMIT", .kind = COLUMN_SIZE },
	{ .title = "USAGE-EXCLUSIVE", .kind = COLUMN_SIZE, .json_only = true },
	{ .title = "LIMIT-EXCLUSIVE", .kind = COLUMN_SIZE, .json_only = true },
};

#define RO 4

static void put(struct table *table, uint64_t number, uint64_t unknown)
{
	if (number == unknown)
		table_empty(table);
	else
		table_number(table, number);
}

static void add_row(const struct context *context, struct table *table, const char *class,
		    const struct image *image)
{
	table_text(table, class);
	table_text(table, image->name);
	table_text(table, image->type);
	table_text(table, image->path);
	if (context->program.format == TABLE_TEXT)
		table_text(table, image->found.read_only ? "ro" : "rw");
	else
		table_bool(table, image->found.read_only);
	put(table, image->created_us, 0);
	put(table, image->modified_us, 0);
	put(table, image->usage, IMAGE_UNKNOWN);
	put(table, image->limit, IMAGE_UNKNOWN);
	put(table, image->usage_exclusive, IMAGE_UNKNOWN);
	put(table, image->limit_exclusive, IMAGE_UNKNOWN);
}

static int add_class(const struct context *context, struct table *table, enum class class)
{
	struct text_list directories = { 0 };
	struct image *images;
	size_t count;
	int r;

	class_directories(context->arena, &directories, class, &context->images);
	r = image_list_in(context->arena, &images, &count, &directories, false);
	for (size_t i = 0; r >= 0 && i < count; i++)
		add_row(context, table, class_name(class), &images[i]);
	return r;
}

int verb_list_images(void *context_, const struct text_list *words)
{
	/* Sorted by the class's name. */
	static const enum class classes[] = { CLASS_CONFEXT, CLASS_MACHINE, CLASS_PORTABLE,
					      CLASS_SYSEXT };
	struct context *context = context_;
	struct column *own = arena_take(context->arena, sizeof(columns));
	struct table table;
	int r = 0;

	(void)words;
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		own[i] = columns[i];
	if (context->program.format != TABLE_TEXT)
		own[RO].kind = COLUMN_BOOL;
	table_init(&table, context->arena, own, ARRAY_SIZE(columns));
	for (size_t i = 0; i < ARRAY_SIZE(classes) && r >= 0; i++)
		if (context->options.class == CLASS_UNSET || context->options.class == classes[i])
			r = add_class(context, &table, classes[i]);
	return r < 0 ? r : program_print_table(&context->program, &table, "images");
}
