#include "machine/health.h"

#include <errno.h>
#include <string.h>

#include "base/unit.h"

START_TEST(what_is_noted_is_read)
{
	for (enum health_state state = HEALTH_STARTING; state <= HEALTH_FAILING; state++) {
		const struct health_report report = { state, 4294967295u, UINT64_MAX - 1 };
		struct health_report read;
		char text[HEALTH_REPORT_ROOM];

		health_print(text, &report);
		ck_assert_uint_eq(strlen(text), 9 + 1 + 10 + 1 + 20);
		ck_assert_int_eq(health_parse(&read, text), 0);
		ck_assert_int_eq(read.state, state);
		ck_assert_uint_eq(read.failures, report.failures);
		ck_assert_uint_eq(read.checked_us, report.checked_us);
	}
}
END_TEST

START_TEST(anything_else_is_not)
{
	static const char *const bad[] = { "",
					   "healthy",
					   "healthy 1",
					   "healthy x 1",
					   "healthyx 1 1",
					   "sick      1 1",
					   "healthy 1 1x" };
	struct health_report read;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(health_parse(&read, bad[i]), -EBADMSG);
}
END_TEST

int main(void)
{
	return UNIT_RUN("machine/health", what_is_noted_is_read, anything_else_is_not);
}
