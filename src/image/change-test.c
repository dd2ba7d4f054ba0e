#include "image/change.h"

#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/unit.h"
#include "image/clone.h"
#include "image/mstack.h"
#include "image/quota.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/fixture.h"

#undef fail /* an old macro of Check */

#define POOL "/mnt/home/.local/state/machines/"

static struct arena arena;
static const struct find_scope user = { .uid = 1000, .runtime = "/mnt/run", .home = "/mnt/home" };

static void make(const char *path)
{
	ck_assert_int_ge(dir_make_all(path, 0755), 0);
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* A pool with an image of each simple kind. */
static void enter(void)
{
	fixture_enter(0);
	make(POOL "web/etc");
	fixture_write(POOL "web/etc/file", "text");
	fixture_write(POOL "web.nspawn", "[Exec]\n");
	fixture_write(POOL "disk.raw", "boot");
	ck_assert_int_eq(chmod(POOL, 0700), 0);
	fail_forget();
}

static int clone_of(const char *from, const char *to, bool copy, bool read_only)
{
	const struct clone_request request = {
		.from = from,
		.to = to,
		.copy = copy,
		.read_only = read_only,
	};

	fail_forget();
	return clone_image(&arena, &user, &request);
}

static int remove_image(const char *name)
{
	uint64_t freed;

	fail_forget();
	return change_remove(&arena, &user, name, &freed);
}

static void check_sentence(const char *part)
{
	ck_assert_msg(strstr(fail_recorded()->text, part) != NULL, "%s", fail_recorded()->text);
}

START_TEST(a_clone_is_a_layer_over_the_original)
{
	enter();
	ck_assert_int_eq(clone_of("web", "over", false, false), 0);
	ck_assert(is_there(POOL "over.mstack/rw/data"));
	ck_assert(is_there(POOL "over.mstack/layer@0/etc/file"));
	ck_assert(is_there(POOL "over.nspawn"));
	ck_assert(mstack_is_marked(&arena, POOL "web"));
	ck_assert_int_eq(remove_image("web"), -EBUSY);
	check_sentence("it is a layer of 'over'");
	fail_forget();
	ck_assert_int_eq(change_rename(&arena, &user, "web", "x"), -EBUSY);
	ck_assert_int_eq(remove_image("over"), 0);
	ck_assert(!mstack_is_marked(&arena, POOL "web"));
	ck_assert(!is_there(POOL "over.nspawn"));
	ck_assert_int_eq(remove_image("web"), 0);
	ck_assert(!is_there(POOL "web"));
	ck_assert(!is_there(POOL "web.nspawn"));
}
END_TEST

START_TEST(a_copy_stands_alone)
{
	enter();
	ck_assert_int_eq(clone_of("web", "copy", true, false), 0);
	ck_assert(is_there(POOL "copy/etc/file"));
	ck_assert(!mstack_is_marked(&arena, POOL "web"));
	ck_assert_int_eq(remove_image("web"), 0);
}
END_TEST

START_TEST(a_file_is_cloned_with_its_mark)
{
	struct stat st;

	enter();
	ck_assert_int_eq(clone_of("disk", "shut", false, true), 0);
	ck_assert_int_eq(stat(POOL "shut.raw", &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0444);
	ck_assert_int_eq(st.st_size, 4);
}
END_TEST

START_TEST(a_read_only_clone_has_nothing_to_write_to)
{
	enter();
	ck_assert_int_eq(clone_of("web", "shut", false, true), 0);
	ck_assert(is_there(POOL "shut.mstack/layer@0"));
	ck_assert(!is_there(POOL "shut.mstack/rw"));
}
END_TEST

START_TEST(a_name_is_used_once)
{
	enter();
	ck_assert_int_eq(clone_of("web", "disk", false, false), -EEXIST);
	check_sentence("there is an image '" POOL "disk.raw'");
	ck_assert_int_eq(clone_of("web", ".#x", false, false), -EINVAL);
	ck_assert_int_eq(clone_of("web", FIND_HOST, false, false), -EINVAL);
	fail_forget();
	ck_assert_int_eq(change_rename(&arena, &user, "web", "disk"), -EEXIST);
	ck_assert(is_there(POOL "web"));
}
END_TEST

START_TEST(a_name_that_somebody_else_takes_is_busy)
{
	struct lock lock = LOCK_EMPTY;

	enter();
	ck_assert_int_eq(change_take_name(&arena, &lock, &user, POOL, "new"), 0);
	ck_assert_int_eq(clone_of("web", "new", false, false), -EBUSY);
	check_sentence("cannot use the name 'new': somebody else is making an image with it");
	lock_release(&lock);
	ck_assert_int_eq(clone_of("web", "new", false, false), 0);
}
END_TEST

START_TEST(an_image_in_use_stays)
{
	struct lock lock = LOCK_EMPTY;
	int fd;

	enter();
	fd = fixture_open(POOL "web");
	ck_assert_int_eq(lock_take(&arena, &lock, POOL "web", fd, true, false), 0);
	ck_assert_int_eq(remove_image("web"), -EBUSY);
	check_sentence("cannot remove the image 'web': it is in use (stop the machine");
	ck_assert_int_eq(clone_of("web", "copy", false, false), 0);
	ck_assert(is_there(POOL "copy/etc/file")); /* a real one */
	lock_release(&lock);
	close(fd);
	ck_assert_int_eq(remove_image("web"), 0);
}
END_TEST

START_TEST(a_new_name_brings_the_settings_along)
{
	enter();
	fixture_write(POOL "disk.roothash", "x");
	ck_assert_int_eq(change_rename(&arena, &user, "web", "site"), 0);
	ck_assert_int_eq(change_rename(&arena, &user, "disk", "drive"), 0);
	ck_assert(is_there(POOL "site/etc/file"));
	ck_assert(is_there(POOL "site.nspawn"));
	ck_assert(is_there(POOL "drive.raw"));
	ck_assert(is_there(POOL "drive.roothash"));
	ck_assert(!is_there(POOL "web"));
	ck_assert(!is_there(POOL "web.nspawn"));
}
END_TEST

START_TEST(settings_that_are_there_stay)
{
	enter();
	fixture_write(POOL "over.nspawn", "mine");
	ck_assert_int_eq(clone_of("web", "over", false, false), 0);
	ck_assert_int_eq(remove_image("web"), -EBUSY);
	{
		struct stat st;

		ck_assert_int_eq(stat(POOL "over.nspawn", &st), 0);
		ck_assert_int_eq(st.st_size, 4);
	}
}
END_TEST

/* "site", "site.nspawn", "web.nspawn" in the order in which NAME and more became and went. */
static char *read_events(int events)
{
	char room[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t size = read(events, room, sizeof(room));
	char *text = arena_text(&arena, "");

	for (ssize_t at = 0; at < size;) {
		const struct inotify_event *event = (const struct inotify_event *)(room + at);

		if (event->name[0] != '.')
			text = arena_format(&arena, "%s%s%s ", text,
					    event->mask & (IN_CREATE | IN_MOVED_TO) ? "+" : "-",
					    event->name);
		at += (ssize_t)sizeof(*event) + event->len;
	}
	return text;
}

START_TEST(an_image_never_has_a_name_without_its_settings)
{
	int events = inotify_init1(IN_NONBLOCK);

	enter();
	ck_assert_int_ge(inotify_add_watch(events, POOL, IN_CREATE | IN_DELETE | IN_MOVE), 0);
	ck_assert_int_eq(change_rename(&arena, &user, "web", "site"), 0);
	ck_assert_str_eq(read_events(events), "+site.nspawn -web +site -web.nspawn ");
	close(events);
}
END_TEST

START_TEST(settings_of_a_clone_that_fails_do_not_stay)
{
	enter();
	fixture_write(POOL "other", "no image, but in the way of a copy");
	ck_assert_int_eq(clone_of("web", "other", true, false), -EEXIST);
	ck_assert(!is_there(POOL "other.nspawn"));
	ck_assert_int_eq(change_rename(&arena, &user, "web", "other"), -EEXIST);
	ck_assert(!is_there(POOL "other.nspawn") && is_there(POOL "web.nspawn"));
}
END_TEST

START_TEST(settings_go_with_an_image_that_cannot_go_whole)
{
	enter();
	ck_assert_int_eq(mount("tmpfs", POOL "web/etc", "tmpfs", 0, NULL), 0);
	ck_assert_int_eq(remove_image("web"), -EBUSY);
	check_sentence("cannot remove all of the image");
	ck_assert(!is_there(POOL "web") && !is_there(POOL "web.nspawn"));
}
END_TEST

START_TEST(a_copy_is_on_disk_before_it_has_its_name)
{
	enter();
	fixture_deny(SYS_syncfs, EIO);
	ck_assert_int_eq(clone_of("web", "copy", true, false), -EIO);
	ck_assert_int_eq(clone_of("disk", "other", false, false), -EIO);
	ck_assert(!is_there(POOL "copy") && !is_there(POOL "copy.nspawn"));
	ck_assert(!is_there(POOL "other.raw"));
	/* Nothing is copied for this one. */
	ck_assert_int_eq(clone_of("web", "over", false, false), 0);
}
END_TEST

START_TEST(only_a_link_goes)
{
	enter();
	make("/mnt/far");
	ck_assert_int_eq(symlink("/mnt/far", POOL "link"), 0);
	ck_assert_int_eq(remove_image("link"), 0);
	ck_assert(!is_there(POOL "link"));
	ck_assert(is_there("/mnt/far"));
}
END_TEST

START_TEST(a_file_is_marked_by_its_mode)
{
	struct stat st;

	enter();
	ck_assert_int_eq(change_read_only(&arena, &user, "disk", true), 0);
	ck_assert_int_eq(stat(POOL "disk.raw", &st), 0);
	ck_assert_uint_eq(st.st_mode & 0222, 0);
	ck_assert_int_eq(change_read_only(&arena, &user, "disk", false), 0);
	ck_assert_int_eq(stat(POOL "disk.raw", &st), 0);
	ck_assert_uint_eq(st.st_mode & 0222, 0200);
}
END_TEST

START_TEST(the_pool_is_closed_to_others)
{
	struct tidy pool = TIDY_EMPTY;
	struct stat st;

	fixture_enter(0);
	ck_assert_int_eq(change_open_pool(&arena, &pool, &user), 0);
	ck_assert_int_eq(fstat(pool.fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	ck_assert_int_eq(fchmod(pool.fd, 0755), 0);
	tidy_end(&pool);
	ck_assert_int_eq(change_open_pool(&arena, &pool, &user), 0);
	ck_assert_int_eq(fstat(pool.fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	tidy_end(&pool);
}
END_TEST

START_TEST(what_cannot_be_limited_is_said)
{
	enter();
	ck_assert_int_lt(change_limit(&arena, &user, "web", 1 << 20), 0);
	check_sentence("cannot limit '" POOL "web'");
	fail_forget();
	ck_assert_int_eq(change_limit(&arena, &user, "disk", QUOTA_UNLIMITED), -EOPNOTSUPP);
	check_sentence("it is no directory");
	fail_forget();
	ck_assert_int_eq(change_limit(&arena, &user, NULL, 1 << 20), -EOPNOTSUPP);
	check_sentence("limit each image");
}
END_TEST

int main(void)
{
	return UNIT_RUN("image/change", a_clone_is_a_layer_over_the_original, a_copy_stands_alone,
			a_file_is_cloned_with_its_mark, a_read_only_clone_has_nothing_to_write_to,
			a_name_is_used_once, a_name_that_somebody_else_takes_is_busy,
			an_image_in_use_stays, a_new_name_brings_the_settings_along,
			settings_that_are_there_stay,
			an_image_never_has_a_name_without_its_settings,
			settings_of_a_clone_that_fails_do_not_stay,
			settings_go_with_an_image_that_cannot_go_whole,
			a_copy_is_on_disk_before_it_has_its_name, only_a_link_goes,
			a_file_is_marked_by_its_mode, the_pool_is_closed_to_others,
			what_cannot_be_limited_is_said);
}
