#include "format/health.h"

#include <errno.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/text.h"

#define US 1000000ull
#define VERDICT_US (10 * US) /* for what else has to be done on a busy host */

static const char *const failures[] = {
	[HEALTH_NONE] = "none",
	[HEALTH_RESTART] = "restart",
	[HEALTH_STOP] = "stop",
	[HEALTH_ROLLBACK] = "rollback",
};

void health_init(struct health *health)
{
	*health = (struct health){ .interval_us = 30 * US, .timeout_us = 10 * US, .retries = 3 };
}

uint64_t health_verdict_us(const struct health *health)
{
	return health->start_us +
	       (health->retries + 1ull) * (health->interval_us + health->timeout_us) + VERDICT_US;
}

const char *health_failure_name(enum health_failure failure)
{
	return failures[failure];
}

static int set_command(struct arena *arena, struct health *health, const char *value,
		       const char **ret_why)
{
	struct text_list words = { 0 };

	if (text_split_quoted(arena, &words, value) < 0) {
		*ret_why = "the quotes do not match";
		return -EINVAL;
	}
	if (words.count > HEALTH_WORDS_MAX) {
		*ret_why = "it has too many words";
		return -EINVAL;
	}
	health->command = words;
	return 0;
}

static int set_span(uint64_t *ret, uint64_t least, const char *value, const char **ret_why)
{
	uint64_t us;

	if (parse_seconds_us(&us, value, US) < 0 || us < least || us > HEALTH_SECONDS_MAX * US) {
		*ret_why = "not a time between 100ms and 30 days";
		return -EINVAL;
	}
	*ret = us;
	return 0;
}

static int set_failure(struct health *health, const char *value, const char **ret_why)
{
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++)
		if (text_equal(value, failures[i])) {
			health->on_failure = (enum health_failure)i;
			return 0;
		}
	*ret_why = "one of none, restart, stop or rollback";
	return -EINVAL;
}

int health_set(struct arena *arena, struct health *health, const char *key, const char *value,
	       const char **ret_why)
{
	uint32_t retries;

	*ret_why = NULL;
	if (text_equal(key, "Command"))
		return set_command(arena, health, value, ret_why);
	if (text_equal(key, "Interval"))
		return set_span(&health->interval_us, US / 10, value, ret_why);
	if (text_equal(key, "Timeout"))
		return set_span(&health->timeout_us, US / 10, value, ret_why);
	if (text_equal(key, "StartPeriod"))
		return set_span(&health->start_us, 0, value, ret_why);
	if (text_equal(key, "OnFailure"))
		return set_failure(health, value, ret_why);
	if (!text_equal(key, "Retries"))
		return -ENOENT;
	if (parse_u32(&retries, value) < 0 || retries == 0 || retries > HEALTH_RETRIES_MAX) {
		*ret_why = "not a number between 1 and 1000";
		return -EINVAL;
	}
	health->retries = retries;
	return 0;
}
