#include "format/health.h"

#include <errno.h>

#include "base/arena.h"
#include "base/unit.h"

static struct arena arena;
static const char *why;

static int set(struct health *health, const char *key, const char *value)
{
	return health_set(&arena, health, key, value, &why);
}

START_TEST(every_key_is_read)
{
	struct health health;

	health_init(&health);
	ck_assert_int_eq(set(&health, "Command", "/bin/curl -fsS 'a b'"), 0);
	ck_assert_int_eq(set(&health, "Interval", "1min"), 0);
	ck_assert_int_eq(set(&health, "Timeout", "500ms"), 0);
	ck_assert_int_eq(set(&health, "StartPeriod", "2"), 0);
	ck_assert_int_eq(set(&health, "Retries", "5"), 0);
	ck_assert_int_eq(set(&health, "OnFailure", "rollback"), 0);
	ck_assert_uint_eq(health.command.count, 3);
	ck_assert_str_eq(health.command.items[2], "a b");
	ck_assert_uint_eq(health.interval_us, 60000000);
	ck_assert_uint_eq(health.timeout_us, 500000);
	ck_assert_uint_eq(health.start_us, 2000000);
	ck_assert_uint_eq(health.retries, 5);
	ck_assert_int_eq(health.on_failure, HEALTH_ROLLBACK);
	ck_assert_str_eq(health_failure_name(health.on_failure), "rollback");
}
END_TEST

START_TEST(an_empty_command_is_none)
{
	struct health health;

	health_init(&health);
	ck_assert_int_eq(set(&health, "Command", "/bin/true"), 0);
	ck_assert_int_eq(set(&health, "Command", ""), 0);
	ck_assert_uint_eq(health.command.count, 0);
}
END_TEST

START_TEST(what_makes_no_sense_is_refused_with_a_reason)
{
	static const struct {
		const char *key, *value;
	} bad[] = {
		{ "Command", "a 'b" },	   { "Interval", "0" },	  { "Interval", "infinity" },
		{ "Timeout", "-1" },	   { "Retries", "0" },	  { "Retries", "x" },
		{ "OnFailure", "reboot" }, { "Retries", "1001" },
	};
	struct health health;

	health_init(&health);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(set(&health, bad[i].key, bad[i].value), -EINVAL);
		ck_assert_ptr_nonnull(why);
	}
	ck_assert_int_eq(set(&health, "Colour", "red"), -ENOENT);
}
END_TEST

START_TEST(a_verdict_takes_as_long_as_all_checks_may)
{
	struct health health = {
		.start_us = 100, .interval_us = 20, .timeout_us = 3, .retries = 4
	};

	ck_assert_uint_ge(health_verdict_us(&health), 100 + 5 * 23);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/health", every_key_is_read, an_empty_command_is_none,
			what_makes_no_sense_is_refused_with_a_reason,
			a_verdict_takes_as_long_as_all_checks_may);
}
