/* format/openmetrics - numbers for a monitoring system, in OpenMetrics text form. Pure.
 *
 * One family after the other, each with its samples right behind it, then openmetrics_done().
 * Names and labels' names are ours; values of labels may hold anything.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct arena;

struct openmetrics {
	struct arena *arena;
	char *text;
	size_t used, room;
	const char *family, *suffix;
};

enum openmetrics_type { OPENMETRICS_GAUGE, OPENMETRICS_COUNTER };

void openmetrics_init(struct openmetrics *out, struct arena *arena);

/* UNIT: "bytes", "seconds", with which NAME ends; NULL: none. */
void openmetrics_family(struct openmetrics *out, const char *name, enum openmetrics_type type,
			const char *unit, const char *help);

/* One sample; DIVISOR 1000000 makes seconds of microseconds. LABELS: name and value in turns, NULL
 * at the end. */
void openmetrics_sample(struct openmetrics *out, const char *const *labels, uint64_t value,
			uint32_t divisor);

const char *openmetrics_done(struct openmetrics *out);
