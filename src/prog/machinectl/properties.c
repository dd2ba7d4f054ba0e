#include "prog/machinectl/properties.h"

#include <inttypes.h>

#include "base/arena.h"
#include "base/text.h"
#include "image/image.h"
#include "prog/machinectl/machinectl.h"

void properties_add(struct properties *properties, const char *name, const char *value)
{
	properties->items[properties->count++] = (struct property){ name, value };
}

char *properties_number(const struct context *context, uint64_t value)
{
	return arena_format(context->arena, "%" PRIu64, value);
}

const char *properties_text(const struct context *context, const struct properties *properties)
{
	const struct options *options = &context->options;
	const char *text = "";

	for (size_t i = 0; i < properties->count; i++) {
		const struct property *property = &properties->items[i];
		const char *value = text_printable(context->arena,
						   property->value == NULL ? "" : property->value);

		if (options->properties.count > 0 &&
		    !text_list_has(&options->properties, property->name))
			continue;
		if (*value == '\0' && !options->all && options->properties.count == 0)
			continue;
		text = arena_format(context->arena, "%s%s%s%s\n", text,
				    options->value_only ? "" : property->name,
				    options->value_only ? "" : "=", value);
	}
	return text;
}

void properties_of_pool(const struct context *context, struct properties *ret)
{
	const struct find_scope scope = context_scope(context);
	struct image pool;

	image_pool(context->arena, &pool, &scope);
	properties_add(ret, "PoolPath", pool.path);
	properties_add(ret, "PoolUsage", properties_number(context, pool.usage));
	properties_add(ret, "PoolLimit", properties_number(context, pool.limit));
}
