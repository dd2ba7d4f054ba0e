#include "image/pick.h"

#include "base/arena.h"
#include "kernel/fixture.h"

static struct arena arena;

static void version(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "/mnt/web.v/%s", name);
	ck_assert_int_eq(mkdir(path, 0755), 0);
}

static const char *picked(const char *path)
{
	char *found;

	return pick_version(&arena, &found, path, PICK_DIRECTORY) < 0 ? NULL : found;
}

START_TEST(versions_are_ordered_as_people_mean_it)
{
	/* each is older than the next */
	static const char *const order[] = {
		"0",	 "1~rc1",  "1~rc2", "1", "1-1", "1-2",	 "1^git", "1.1",
		"1.1.9", "1.1.10", "1.2",   "2", "10",	"10.0a", "10.0b",
	};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		for (size_t k = 0; k < sizeof(order) / sizeof(order[0]); k++) {
			int sign = pick_compare(order[i], order[k]);

			ck_assert_msg((sign < 0) == (i < k) && (sign > 0) == (i > k),
				      "%s and %s: %d", order[i], order[k], sign);
		}
	ck_assert_int_eq(pick_compare("1.02", "1.2"), 0);
	ck_assert_int_lt(pick_compare("9", "99999999999999999999999999"), 0);
}
END_TEST

START_TEST(an_ordinary_path_is_left_alone)
{
	ck_assert_str_eq(picked("/no/such/place"), "/no/such/place");
	ck_assert_str_eq(picked("/no/such/.v"), "/no/such/.v");
}
END_TEST

START_TEST(the_newest_version_is_picked)
{
	fixture_enter(0);
	ck_assert_int_eq(mkdir("/mnt/web.v", 0755), 0);
	ck_assert_ptr_null(picked("/mnt/web.v"));
	version("web_1.9");
	version("web_1.10");
	version("other_7");
	version("web_");
	fixture_write("/mnt/web.v/web_3.raw", "");
	fixture_write("/mnt/web.v/web_4", "");
	ck_assert_str_eq(picked("/mnt/web.v"), "/mnt/web.v/web_1.10");
}
END_TEST

START_TEST(one_without_attempts_left_is_the_last_choice)
{
	fixture_enter(0);
	ck_assert_int_eq(mkdir("/mnt/web.v", 0755), 0);
	version("web_2+0-3");
	ck_assert_str_eq(picked("/mnt/web.v"), "/mnt/web.v/web_2+0-3");
	version("web_1+2-1");
	ck_assert_str_eq(picked("/mnt/web.v"), "/mnt/web.v/web_1+2-1");
}
END_TEST

START_TEST(one_for_another_architecture_is_none)
{
	fixture_enter(0);
	ck_assert_int_eq(mkdir("/mnt/web.v", 0755), 0);
	version("web_9_nonsense");
	version("web_1");
	ck_assert_str_eq(picked("/mnt/web.v"), "/mnt/web.v/web_1");
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("pick");

	tcase_add_test(cases, versions_are_ordered_as_people_mean_it);
	tcase_add_test(cases, an_ordinary_path_is_left_alone);
	tcase_add_test(cases, the_newest_version_is_picked);
	tcase_add_test(cases, one_without_attempts_left_is_the_last_choice);
	tcase_add_test(cases, one_for_another_architecture_is_none);
	return fixture_run(cases, "image/pick");
}
