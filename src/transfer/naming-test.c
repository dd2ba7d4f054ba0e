#include "transfer/naming.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/unit.h"

static struct arena arena;

START_TEST(archives_lose_one_ending)
{
	ck_assert_str_eq(naming_of_tar(&arena, "web.tar"), "web");
	ck_assert_str_eq(naming_of_tar(&arena, "/a/b/web.tar.xz"), "web");
	ck_assert_str_eq(naming_of_tar(&arena, "web.tgz"), "web");
	ck_assert_str_eq(naming_of_tar(&arena, "web.tar.tar.gz"), "web.tar");
	ck_assert_str_eq(naming_of_tar(&arena, "web.raw"), "web.raw");
	ck_assert_str_eq(naming_of_tar(&arena, ".tar"), ".tar");
}
END_TEST

START_TEST(disk_images_lose_all)
{
	ck_assert_str_eq(naming_of_raw(&arena, "web.raw"), "web");
	ck_assert_str_eq(naming_of_raw(&arena, "web.qcow2"), "web");
	ck_assert_str_eq(naming_of_raw(&arena, "web.img.raw.xz"), "web");
	ck_assert_str_eq(naming_of_raw(&arena, "tool.sysext.raw.zst"), "tool");
	ck_assert_str_eq(naming_of_raw(&arena, ".raw.raw"), ".raw");
}
END_TEST

START_TEST(addresses_end_at_their_question)
{
	ck_assert_str_eq(naming_of_tar(&arena, "http://localhost/a/web.tar.gz?x=/y.tar#z"), "web");
	ck_assert_str_eq(naming_of_raw(&arena, "file:///tmp/web.raw/"), "web");
	ck_assert_str_eq(naming_last(&arena, "a?b"), "a?b");
	ck_assert_str_eq(naming_last(&arena, "/a/b//"), "b");
	ck_assert_str_eq(naming_last(&arena, "/"), "");
	ck_assert_str_eq(naming_last(&arena, ""), "");
}
END_TEST

int main(void)
{
	return UNIT_RUN("transfer/naming", archives_lose_one_ending, disk_images_lose_all,
			addresses_end_at_their_question);
}
