#include "io/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/unit.h"
#include "io/dir.h"
#include "io/fd.h"

static struct arena arena;
static struct settings settings;
static char home[] = "/tmp/redd-settings-XXXXXX";
static const char *environment[] = { NULL, NULL };

#define OWN ".config/systemd/nspawn"
#define STATE ".local/state/redd"

static void make(const char *directory)
{
	ck_assert_int_ge(dir_make_all(arena_format(&arena, "%s/%s", home, directory), 0755), 0);
}

static void put(const char *path, const char *text)
{
	autoclose int fd = open(arena_format(&arena, "%s/%s", home, path),
				O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ge(fd_write_all(fd, text, strlen(text)), 0);
}

static int read_of(const char *name)
{
	return settings_read(&arena, &settings, getuid() == 0 ? 1000 : getuid(), environment, name);
}

static void enter(void)
{
	umask(022);
	ck_assert_ptr_nonnull(mkdtemp(home));
	environment[0] = arena_format(&arena, "HOME=%s", home);
	make(OWN "/web.nspawn.d");
}

static void leave(void)
{
	ck_assert_int_ge(dir_remove_all(AT_FDCWD, home), 0);
}

static void apply(const char *text)
{
	make(STATE "/generations/1/files");
	put(STATE "/generations/1/files/web.nspawn", text);
	ck_assert_int_eq(
		symlink("generations/1", arena_format(&arena, "%s/" STATE "/current", home)), 0);
}

START_TEST(drop_ins_follow_in_the_order_of_their_names)
{
	enter();
	ck_assert_int_eq(read_of("web"), 0);
	put(OWN "/web.nspawn.d/20-b.conf", "b");
	ck_assert_int_eq(read_of("web"), 0);
	put(OWN "/web.nspawn", "file");
	put(OWN "/web.nspawn.d/10-a.conf", "a");
	put(OWN "/web.nspawn.d/.hidden.conf", "hidden");
	put(OWN "/web.nspawn.d/30.conf~", "backup");
	ck_assert_int_eq(read_of("web"), 1);
	ck_assert_uint_eq(settings.count, 3);
	ck_assert_str_eq(settings.parts[0].text, "file");
	ck_assert_str_eq(settings.parts[1].text, "a");
	ck_assert_str_eq(settings.parts[2].text, "b");
	ck_assert(!settings.applied);
	leave();
}
END_TEST

START_TEST(what_was_applied_comes_first_and_alone)
{
	enter();
	put(OWN "/web.nspawn", "file");
	put(OWN "/web.nspawn.d/10-a.conf", "a");
	apply("applied");
	ck_assert_int_eq(read_of("web"), 1);
	ck_assert_uint_eq(settings.count, 1);
	ck_assert_str_eq(settings.parts[0].text, "applied");
	ck_assert(settings.applied);
	leave();
}
END_TEST

START_TEST(what_its_image_says_was_applied_with_it)
{
	enter();
	apply("applied");
	ck_assert_int_eq(read_of("web"), 1);
	ck_assert_ptr_null(settings.image);
	make(STATE "/generations/1/images");
	make(STATE "/trees");
	put(STATE "/trees/1.nspawn", "image");
	ck_assert_int_eq(
		symlink("../../../trees/1.nspawn",
			arena_format(&arena, "%s/" STATE "/generations/1/images/web.nspawn", home)),
		0);
	ck_assert_int_eq(read_of("web"), 1);
	ck_assert_uint_eq(settings.count, 1);
	ck_assert_str_eq(settings.image->text, "image");
	leave();
}
END_TEST

START_TEST(how_a_system_is_shown_is_believed_if_nobody_else_can_change_it)
{
	const char *const ways[] = { STATE "/generations/1/images", STATE "/trees" };

	enter();
	apply("applied");
	make(STATE "/generations/1/images");
	make(STATE "/trees");
	put(STATE "/trees/1.system", "system");
	ck_assert_int_eq(symlink("../../../trees/1.system",
				 arena_format(&arena,
					      "%s/" STATE "/generations/1/images/web.nspawn.system",
					      home)),
			 0);
	ck_assert_int_eq(read_of("web"), 1);
	ck_assert_str_eq(settings.system->text, "system");
	ck_assert_str_eq(settings.parts[0].text, "applied");
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		const char *path = arena_format(&arena, "%s/%s", home, ways[i]);

		ck_assert_int_eq(chmod(path, 0777), 0);
		ck_assert_int_eq(read_of("web"), -EPERM);
		ck_assert_str_eq(settings.blame, path);
		ck_assert_int_eq(chmod(path, 0755), 0);
	}
	leave();
}
END_TEST

START_TEST(what_others_could_have_changed_is_refused)
{
	const char *const ways[] = { STATE, STATE "/generations", STATE "/generations/1",
				     STATE "/generations/1/files",
				     STATE "/generations/1/files/web.nspawn" };

	enter();
	apply("applied");
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		const char *path = arena_format(&arena, "%s/%s", home, ways[i]);

		ck_assert_int_eq(chmod(path, i == 4 ? 0664 : 0777), 0);
		ck_assert_int_eq(read_of("web"), -EPERM);
		ck_assert_str_eq(settings.blame, path);
		ck_assert_int_eq(chmod(path, i == 4 ? 0644 : 0755), 0);
	}
	ck_assert_int_eq(read_of("web"), 1);
	leave();
}
END_TEST

START_TEST(a_link_that_leads_elsewhere_is_refused)
{
	const char *link, *file;

	enter();
	make("elsewhere/files");
	put("elsewhere/files/web.nspawn", "theirs");
	apply("applied");
	link = arena_format(&arena, "%s/" STATE "/current", home);
	ck_assert_int_eq(unlink(link), 0);
	ck_assert_int_eq(symlink("../../../elsewhere", link), 0);
	ck_assert_int_eq(read_of("web"), -EPERM);
	ck_assert_int_eq(unlink(link), 0);
	ck_assert_int_eq(symlink("generations/1", link), 0);
	file = arena_format(&arena, "%s/" STATE "/generations/1/files/web.nspawn", home);
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(symlink("/etc/passwd", file), 0);
	ck_assert_int_eq(read_of("web"), -ELOOP);
	leave();
}
END_TEST

START_TEST(there_is_an_end_to_what_is_read)
{
	enter();
	put(OWN "/web.nspawn", "file");
	for (int i = 0; i <= SETTINGS_DROP_INS_MAX; i++)
		put(arena_format(&arena, OWN "/web.nspawn.d/%d.conf", i), "x");
	ck_assert_int_eq(read_of("web"), -E2BIG);
	ck_assert_int_eq(truncate(arena_format(&arena, "%s/" OWN "/web.nspawn", home), 2 << 20), 0);
	ck_assert_int_eq(read_of("web"), -EFBIG);
	leave();
}
END_TEST

int main(void)
{
	return UNIT_RUN("io/settings", drop_ins_follow_in_the_order_of_their_names,
			what_was_applied_comes_first_and_alone,
			what_its_image_says_was_applied_with_it,
			how_a_system_is_shown_is_believed_if_nobody_else_can_change_it,
			what_others_could_have_changed_is_refused,
			a_link_that_leads_elsewhere_is_refused, there_is_an_end_to_what_is_read);
}
