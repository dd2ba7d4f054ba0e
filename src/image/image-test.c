#include "image/image.h"

#include <sys/stat.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/unit.h"
#include "image/mstack.h"
#include "io/dir.h"
#include "kernel/fixture.h"

#undef fail /* an old macro of Check */

#define POOL "/mnt/home/.local/state/machines"

static struct arena arena;
static const struct find_scope user = { .uid = 1000, .runtime = "/mnt/run", .home = "/mnt/home" };

static void make(const char *path)
{
	ck_assert_int_ge(dir_make_all(path, 0755), 0);
}

static const struct image *list(size_t *ret_count, bool hidden)
{
	struct image *images;

	ck_assert_int_eq(image_list(&arena, &images, ret_count, &user, hidden), 0);
	return images;
}

START_TEST(images_come_by_name_and_once)
{
	const struct image *images;
	size_t count;

	fixture_enter(0);
	list(&count, false);
	ck_assert_uint_eq(count, 0);
	make(POOL "/web");
	make(POOL "/web.mstack/layer@0");
	make(POOL "/b.v/b_1");
	make("/mnt/run/machines/web");
	make("/mnt/run/machines/zoo");
	make(POOL "/.hidden");
	make(POOL "/.#new.x.1");
	fixture_write(POOL "/a.raw", "x");
	fixture_write(POOL "/a.nspawn", "x");
	images = list(&count, false);
	ck_assert_uint_eq(count, 4);
	ck_assert_str_eq(images[0].name, "a");
	ck_assert_str_eq(images[0].type, "raw");
	ck_assert_str_eq(images[1].name, "b");
	ck_assert_str_eq(images[1].path, POOL "/b.v/b_1");
	ck_assert_str_eq(images[2].path, "/mnt/run/machines/web");
	ck_assert_str_eq(images[3].name, "zoo");
	images = list(&count, true);
	ck_assert_uint_eq(count, 6);
	ck_assert_str_eq(images[0].name, ".hidden");
	ck_assert(images[0].hidden && images[0].found.read_only);
	ck_assert_str_eq(images[1].name, FIND_HOST);
}
END_TEST

START_TEST(a_disk_image_tells_how_much_it_takes)
{
	struct image image;
	struct stat st;

	fixture_enter(0);
	make(POOL);
	fixture_write(POOL "/disk.raw", "x");
	ck_assert_int_eq(truncate(POOL "/disk.raw", 1 << 20), 0);
	ck_assert_int_eq(stat(POOL "/disk.raw", &st), 0);
	ck_assert_int_eq(image_open(&arena, &image, "disk", &user), 0);
	ck_assert_uint_eq(image.limit, 1 << 20);
	ck_assert_uint_eq(image.usage, (uint64_t)st.st_blocks * 512);
	ck_assert_uint_eq(image.modified_us / 1000000, (uint64_t)st.st_mtim.tv_sec);
	ck_assert_int_eq(image_open_counted(&image), -ENOTDIR);
}
END_TEST

START_TEST(names_that_are_none_are_told_apart)
{
	struct image image;

	fixture_enter(0);
	fail_forget();
	ck_assert_int_eq(image_open(&arena, &image, "nowhere", &user), -ENOENT);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "cannot find the image 'nowhere'"));
	fail_forget();
	ck_assert_int_eq(image_open(&arena, &image, "a/b", &user), -EINVAL);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "as the name of an image"));
	ck_assert_int_eq(image_open(&arena, &image, ".#x", &user), -EINVAL);
	ck_assert_int_eq(image_open(&arena, &image, "bad\xff", &user), -EINVAL);
	ck_assert_int_eq(image_open(&arena, &image, FIND_HOST, &user), 0);
	ck_assert_str_eq(image.path, "/");
}
END_TEST

START_TEST(who_is_made_of_a_tree_is_found)
{
	struct text_list names = { 0 };
	int fd;

	fixture_enter(0);
	make(POOL "/base");
	make(POOL "/other");
	make(POOL "/one.mstack/rw");
	make(POOL "/two.mstack");
	ck_assert_int_eq(symlink("../base", POOL "/one.mstack/layer@0"), 0);
	ck_assert_int_eq(symlink(POOL "/other", POOL "/two.mstack/layer@0"), 0);
	fd = fixture_open(POOL "/base");
	image_layered_on(&arena, &names, &user, fd);
	ck_assert_uint_eq(names.count, 1);
	ck_assert_str_eq(names.items[0], "one");
	close(fd);
}
END_TEST

START_TEST(the_pool_is_told_before_it_is_there)
{
	static const struct find_scope homeless = { .uid = 1000 };
	struct image pool;

	fixture_enter(0);
	image_pool(&arena, &pool, &user);
	ck_assert_str_eq(pool.path, POOL);
	ck_assert_uint_eq(pool.usage, IMAGE_UNKNOWN);
	image_pool(&arena, &pool, &homeless);
	ck_assert_ptr_null(pool.path);
}
END_TEST

int main(void)
{
	return UNIT_RUN("image/image", images_come_by_name_and_once,
			a_disk_image_tells_how_much_it_takes, names_that_are_none_are_told_apart,
			who_is_made_of_a_tree_is_found, the_pool_is_told_before_it_is_there);
}
