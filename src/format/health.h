/* format/health - [X-Health]: whether what runs in a machine works, and what to do if not.
 *
 * Pure, quiet. Only the text is read here; machine/health runs the check.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct arena;

#define HEALTH_WORDS_MAX 64
#define HEALTH_RETRIES_MAX 1000
#define HEALTH_SECONDS_MAX (30 * 24 * 3600)

enum health_failure { HEALTH_NONE, HEALTH_RESTART, HEALTH_STOP, HEALTH_ROLLBACK };

struct health {
	struct text_list command;	  /* none: nothing is checked */
	uint64_t interval_us, timeout_us; /* between two checks; for one */
	uint64_t start_us;		  /* after a start, failures do not count for so long */
	uint32_t retries;		  /* so many failures in a row: it does not work */
	enum health_failure on_failure;
};

/* 30 s, 10 s, 0, 3, none. */
void health_init(struct health *health);

/* KEY is "Command" and so on. -ENOENT: no key of ours. -EINVAL: no value for it, and *RET_WHY is a
 * static clause. */
int health_set(struct arena *arena, struct health *health, const char *key, const char *value,
	       const char **ret_why);

/* After a start, whether it works is known by then: its checks have failed for good. */
uint64_t health_verdict_us(const struct health *health);

/* "none", "restart", "stop", "rollback". */
const char *health_failure_name(enum health_failure failure);
