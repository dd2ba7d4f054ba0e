#include "base/arena.h"
#include "base/unit.h"
#include "format/openmetrics.h"

START_TEST(families_have_their_samples_behind_them)
{
	static const char *const web[] = { "machine", "web", NULL };
	static const char *const both[] = { "machine", "web", "resource", "cpu", NULL };
	autoarena struct arena arena = { 0 };
	struct openmetrics out;

	openmetrics_init(&out, &arena);
	openmetrics_family(&out, "x_bytes", OPENMETRICS_GAUGE, "bytes", "Some.");
	openmetrics_sample(&out, web, 12, 1);
	openmetrics_family(&out, "x_seconds", OPENMETRICS_COUNTER, "seconds", "More.");
	openmetrics_sample(&out, both, 2000001, 1000000);
	openmetrics_family(&out, "x_tasks", OPENMETRICS_GAUGE, NULL, "Tasks.");
	openmetrics_sample(&out, (const char *const[]){ NULL }, 0, 1);
	ck_assert_str_eq(openmetrics_done(&out),
			 "# TYPE x_bytes gauge\n# UNIT x_bytes bytes\n# HELP x_bytes Some.\n"
			 "x_bytes{machine=\"web\"} 12\n"
			 "# TYPE x_seconds counter\n# UNIT x_seconds seconds\n"
			 "# HELP x_seconds More.\n"
			 "x_seconds_total{machine=\"web\",resource=\"cpu\"} 2.000001\n"
			 "# TYPE x_tasks gauge\n# HELP x_tasks Tasks.\nx_tasks 0\n# EOF\n");
}
END_TEST

START_TEST(a_label_may_hold_anything)
{
	static const char *const labels[] = { "name", "a\"b\\c\nd", NULL };
	autoarena struct arena arena = { 0 };
	struct openmetrics out;

	openmetrics_init(&out, &arena);
	openmetrics_family(&out, "x", OPENMETRICS_GAUGE, NULL, "X.");
	openmetrics_sample(&out, labels, 1, 1);
	ck_assert_ptr_nonnull(strstr(openmetrics_done(&out), "x{name=\"a\\\"b\\\\c\\nd\"} 1\n"));
}
END_TEST

START_TEST(a_long_text_is_whole)
{
	static const char *const labels[] = { "machine", "web", NULL };
	static const char end[] = "x{machine=\"web\"} 9999\n# EOF\n";
	autoarena struct arena arena = { 0 };
	struct openmetrics out;
	const char *text;

	openmetrics_init(&out, &arena);
	openmetrics_family(&out, "x", OPENMETRICS_GAUGE, NULL, "X.");
	for (uint64_t i = 0; i < 10000; i++)
		openmetrics_sample(&out, labels, i, 1);
	text = openmetrics_done(&out);
	ck_assert_str_eq(text + strlen(text) - strlen(end), end);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/openmetrics", families_have_their_samples_behind_them,
			a_label_may_hold_anything, a_long_text_is_whole);
}
