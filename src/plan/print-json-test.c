#include <sys/mount.h>
#include <sys/resource.h>

#include "base/unit.h"
#include "plan/sample.h"

START_TEST(a_step_is_an_object_of_what_it_has)
{
	struct step steps[] = {
		{ .kind = STEP_BIND,
		  .side = SIDE_HOST,
		  .source = "/srv",
		  .target = "/data",
		  .attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV,
		  .idmap = IDMAP_ROOT,
		  .flags = STEP_LOCKED | STEP_RECURSIVE,
		  .reason = "--bind-ro=" },
		{ .kind = STEP_NODE,
		  .side = SIDE_HOST,
		  .target = "/dev/null",
		  .data = "chr",
		  .device = makedev(1, 3),
		  .mode = 0666,
		  .reason = "device nodes" },
		{ .kind = STEP_RLIMIT,
		  .side = SIDE_PAYLOAD,
		  .number = RLIMIT_CORE,
		  .soft = 0,
		  .hard = RLIM_INFINITY,
		  .reason = "default limits" },
		{ .kind = STEP_OOM_SCORE, .number = (uint64_t)-1, .reason = "r" },
	};
	struct plan plan = { steps, 4 };
	autoarena struct arena arena = { 0 };

	ck_assert_str_eq(plan_print_json(&arena, &plan, false),
			 "[{\"side\":\"host\",\"kind\":\"bind\",\"source\":\"/srv\","
			 "\"target\":\"/data\",\"attributes\":[\"ro\",\"nodev\"],"
			 "\"flags\":[\"recursive\"],\"idmap\":\"rootidmap\",\"locked\":true,"
			 "\"reason\":\"--bind-ro=\"},"
			 "{\"side\":\"host\",\"kind\":\"node\",\"target\":\"/dev/null\","
			 "\"data\":\"chr\",\"mode\":\"0666\",\"device\":\"1:3\","
			 "\"reason\":\"device nodes\"},"
			 "{\"side\":\"payload\",\"kind\":\"rlimit\",\"limit\":\"CORE\","
			 "\"soft\":\"0\",\"hard\":\"infinity\",\"reason\":\"default limits\"},"
			 "{\"side\":\"before\",\"kind\":\"oom-score\",\"number\":-1,"
			 "\"reason\":\"r\"}]\n");
}
END_TEST

START_TEST(an_empty_plan_is_an_empty_array)
{
	struct plan plan = { 0 };
	autoarena struct arena arena = { 0 };

	ck_assert_str_eq(plan_print_json(&arena, &plan, false), "[]\n");
}
END_TEST

int main(void)
{
	return UNIT_RUN("plan/print-json", a_step_is_an_object_of_what_it_has,
			an_empty_plan_is_an_empty_array);
}
