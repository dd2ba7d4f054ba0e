#include "image/own-ids.h"

#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/unit.h"
#include "image/ids-files.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/fixture.h"
#include "kernel/namespace.h"

#undef fail /* an old macro of Check */

static struct arena arena;
static const char *const environment[] = { "PATH=/usr/bin", NULL };

START_TEST(a_map_is_a_line_for_each_range)
{
	static const struct own_ids_extent extents[] = { { 0, 1000, 1 }, { 1, 100000, 65535 } };

	ck_assert_str_eq(own_ids_map_text(&arena, extents, 2), "0 1000 1\n1 100000 65535\n");
	ck_assert_str_eq(own_ids_map_text(&arena, extents, 0), "");
}
END_TEST

START_TEST(subordinate_ids_come_behind_the_own_one)
{
	static const struct ids_files files = {
		.passwd = "anna:x:1000:1000::/:/bin/sh\n",
		.subuid = "anna:100000:65536\n",
		.subgid = "1000:200000:10\n",
	};
	struct own_ids ids;

	if (access("/usr/bin/newuidmap", X_OK) < 0)
		return;
	own_ids_find(&arena, &ids, &files, 1000, environment);
	ck_assert(!ids.single);
	ck_assert_str_eq(ids.newuidmap, "/usr/bin/newuidmap");
	ck_assert_uint_eq(ids.uid_count, 2);
	ck_assert_uint_eq(ids.uids[0].outside, 1000);
	ck_assert_uint_eq(ids.uids[1].inside, 1);
	ck_assert_uint_eq(ids.uids[1].outside, 100000);
	ck_assert_uint_eq(ids.uids[1].count, 65535);
	ck_assert_uint_eq(ids.gids[1].outside, 200000);
	ck_assert_uint_eq(ids.gids[1].count, 10);
}
END_TEST

START_TEST(who_has_ids_of_one_kind_only_has_his_own)
{
	static const struct ids_files files = { .subuid = "1000:100000:65536\n" };
	struct own_ids ids;

	own_ids_find(&arena, &ids, &files, 1000, environment);
	ck_assert(ids.single);
	ck_assert_uint_eq(ids.uid_count, 1);
	ck_assert_uint_eq(ids.gid_count, 1);
}
END_TEST

START_TEST(who_enters_is_root_there_and_nowhere_else)
{
	struct own_ids ids = { .single = true };
	uint32_t before, after;
	uid_t uid = geteuid();
	char map[64], expected[64];

	ck_assert_int_eq(namespace_own_number(&before, "user"), 0);
	ck_assert_int_eq(own_ids_enter(&arena, &ids), 0);
	ck_assert_int_eq(namespace_own_number(&after, "user"), 0);
	ck_assert_uint_ne(before, after);
	ck_assert_uint_eq(geteuid(), 0);
	ck_assert_int_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 1);
	ck_assert_int_ge(file_read_line(map, sizeof(map), AT_FDCWD, "/proc/self/uid_map"), 0);
	snprintf(expected, sizeof(expected), "%10u %10u %10u", 0, uid, 1);
	ck_assert_str_eq(map, expected);
}
END_TEST

START_TEST(root_stays_what_it_is)
{
	uint32_t before, after;

	if (geteuid() != 0)
		return;
	ck_assert_int_eq(namespace_own_number(&before, "user"), 0);
	ck_assert_int_eq(own_ids_become_root(&arena, environment), 0);
	ck_assert_int_eq(namespace_own_number(&after, "user"), 0);
	ck_assert_uint_eq(before, after);
}
END_TEST

START_TEST(what_the_helpers_refuse_is_said)
{
	struct own_ids ids = {
		.uids = { { 0, 0, 1 } },
		.gids = { { 0, 0, 1 } },
		.uid_count = 1,
		.gid_count = 1,
		.newuidmap = "/bin/false",
		.newgidmap = "/bin/true",
	};

	fail_forget();
	ck_assert_int_eq(own_ids_enter(&arena, &ids), -EPERM);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "'/bin/false' or '/bin/true' refused"));
}
END_TEST

int main(void)
{
	return UNIT_RUN("image/own-ids", a_map_is_a_line_for_each_range,
			subordinate_ids_come_behind_the_own_one,
			who_has_ids_of_one_kind_only_has_his_own,
			who_enters_is_root_there_and_nowhere_else, root_stays_what_it_is,
			what_the_helpers_refuse_is_said);
}
