/* prog/machinectl/properties - NAME=VALUE lines, as show and show-image print them. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct context;

struct property {
	const char *name, *value; /* "" or NULL: not set */
};

struct properties {
	struct property items[24];
	size_t count;
};

void properties_add(struct properties *properties, const char *name, const char *value);
char *properties_number(const struct context *context, uint64_t value);

/* Those that the options ask for; what is not set only with --all, or by its name. */
const char *properties_text(const struct context *context, const struct properties *properties);

/* Of the place where images are kept; what nobody counts is the largest number there is. */
void properties_of_pool(const struct context *context, struct properties *ret);
