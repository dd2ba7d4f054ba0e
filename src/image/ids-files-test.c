#include "image/ids-files.h"

#include "base/arena.h"
#include "kernel/fixture.h"

static struct arena arena;

#define PASSWD                                 \
	"root:x:0:0:root:/root:/bin/bash\n"    \
	"broken\n"                             \
	"::\n"                                 \
	"ada:x:1000:1000::/home/ada:/bin/sh\n" \
	"big:x:4294967296:1::/:/bin/sh\n"      \
	"vm:x:655360:655360::/:/bin/sh\n"      \
	"last:x:786430:1::/:/bin/sh" /* 720896 + 0xFFFE, and no newline */

START_TEST(accounts_and_their_nobody_collide)
{
	struct ids_files files = { .passwd = PASSWD };

	ck_assert(ids_files_collide(&files, 655360, 65536));
	ck_assert(ids_files_collide(&files, 720896, 65536));
	ck_assert(!ids_files_collide(&files, 589824, 65536));
	files = (struct ids_files){ .group = PASSWD };
	ck_assert(ids_files_collide(&files, 655360, 65536));
	files = (struct ids_files){ 0 };
	ck_assert(!ids_files_collide(&files, 655360, 65536));
}
END_TEST

START_TEST(subordinate_ranges_collide_where_they_touch)
{
	struct ids_files files = { .subuid = "ada:558752:65536\n" };

	ck_assert(ids_files_collide(&files, 524288, 65536));
	ck_assert(ids_files_collide(&files, 589824, 65536));
	ck_assert(!ids_files_collide(&files, 655360, 65536));
	files = (struct ids_files){ .subgid = "ada:0:0\nada:4294967295:9\nx\n1:655360:1\n" };
	ck_assert(ids_files_collide(&files, 655360, 65536));
	ck_assert(!ids_files_collide(&files, 720896, 65536));
}
END_TEST

START_TEST(the_best_subordinate_range_is_found)
{
	static const char subids[] = "bob:100000:65536\nada:200000:1000\n1000:300000:65536\n"
				     "ada:400000:131072\n";
	struct ids_files_range range = ids_files_subordinate(subids, "ada", 1000);

	ck_assert(range.first == 300000 && range.count == 65536);
	range = ids_files_subordinate("ada:5:10\nada:50:100\nada:500:20\n", "ada", 1000);
	ck_assert(range.first == 50 && range.count == 100);
	range = ids_files_subordinate(subids, "carol", 1002);
	ck_assert_uint_eq(range.count, 0);
	ck_assert_uint_eq(ids_files_subordinate(NULL, NULL, 1000).count, 0);
	ck_assert(ids_files_owns(subids, "ada", 1000, 310000, 100));
	ck_assert(!ids_files_owns(subids, "ada", 1000, 310000, 65536));
	ck_assert(!ids_files_owns(subids, "ada", 1000, 100000, 1));
	ck_assert(!ids_files_owns(subids, "ada", 1000, 300000, UINT32_MAX));
}
END_TEST

START_TEST(a_users_name_is_found_by_number)
{
	ck_assert_str_eq(ids_files_user_name(&arena, PASSWD, 1000), "ada");
	ck_assert_ptr_null(ids_files_user_name(&arena, PASSWD, 5));
	ck_assert_ptr_null(ids_files_user_name(&arena, NULL, 0));
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("ids-files");

	tcase_add_test(cases, accounts_and_their_nobody_collide);
	tcase_add_test(cases, subordinate_ranges_collide_where_they_touch);
	tcase_add_test(cases, the_best_subordinate_range_is_found);
	tcase_add_test(cases, a_users_name_is_found_by_number);
	return fixture_run(cases, "image/ids-files");
}
