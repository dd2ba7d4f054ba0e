/* prog/machinectl/usages - what several machines use: for stats and top. */
#pragma once
#include <stddef.h>

#include "base/list.h"
#include "machine/find.h"
#include "machine/usage.h"

struct arena;

struct usages {
	struct machine *machines;
	struct usage *items;
	size_t count;
};

/* Of the machines NAMES, in their order; of all when there is none. Speaking. */
int usages_read(struct arena *arena, struct usages *ret, const char *runtime,
		const struct text_list *names);

/* "running", "paused", … */
const char *usages_state(const struct machine *machine, const struct usage *usage);

/* For a monitoring system. */
const char *usages_openmetrics(struct arena *arena, const struct usages *usages);
