#include "engine/settings-file.h"

#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "engine/root-locate.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/fixture.h"
#include "spec/readers.h"

static struct arena arena;
static struct spec spec;
static const char *environment[] = { "HOME=/mnt/home", "XDG_RUNTIME_DIR=/mnt/run", NULL };
static const struct reader_facts facts = { .environment = environment, .uid = 1000 };
static const struct root_place place = {
	.path = "/mnt/trees/web",
	.settings_name = "web",
	.beside = "/mnt/trees",
};

#define OWN "/mnt/home/.config/systemd/nspawn/web.nspawn"
#define RUN "/mnt/run/systemd/nspawn/web.nspawn"
#define BESIDE "/mnt/trees/web.nspawn"
#define SETTINGS(name) "[Exec]\nHostname=" name "\n[Files]\nBind=/srv/" name "\n"

static void enter(void)
{
	fixture_enter(0);
	ck_assert_int_ge(dir_make_all("/mnt/home/.config/systemd/nspawn", 0755), 0);
	ck_assert_int_ge(dir_make_all("/mnt/run/systemd/nspawn", 0755), 0);
	ck_assert_int_ge(dir_make_all("/mnt/trees", 0755), 0);
	spec_init(&spec);
}

static int load(enum settings_mode mode)
{
	spec_init(&spec);
	spec.settings = mode;
	return settings_file_load(&arena, &spec, &facts, &place);
}

START_TEST(no_file_is_no_failure)
{
	enter();
	ck_assert_int_eq(load(SETTINGS_YES), 0);
	ck_assert_ptr_null(spec.hostname);
}
END_TEST

START_TEST(the_first_place_wins_and_is_trusted)
{
	enter();
	fixture_write(BESIDE, SETTINGS("beside"));
	fixture_write(RUN, SETTINGS("run"));
	fixture_write(OWN, SETTINGS("own"));
	ck_assert_int_eq(load(SETTINGS_YES), 0);
	ck_assert_str_eq(spec.hostname, "own");
	ck_assert_uint_eq(spec.mounts.count, 1);
	ck_assert_int_eq(unlink(OWN), 0);
	ck_assert_int_eq(load(SETTINGS_YES), 0);
	ck_assert_str_eq(spec.hostname, "run");
	ck_assert_uint_eq(spec.mounts.count, 1);
}
END_TEST

START_TEST(the_file_beside_the_tree_is_not_trusted)
{
	enter();
	fixture_write(BESIDE, SETTINGS("beside"));
	ck_assert_int_eq(load(SETTINGS_YES), 0);
	ck_assert_str_eq(spec.hostname, "beside");
	ck_assert_uint_eq(spec.mounts.count, 0);
	ck_assert_int_eq(load(SETTINGS_OVERRIDE), 0);
	ck_assert_uint_eq(spec.mounts.count, 0);
	ck_assert_int_eq(load(SETTINGS_TRUSTED), 0);
	ck_assert_uint_eq(spec.mounts.count, 1);
	ck_assert_int_eq(load(SETTINGS_NO), 0);
	ck_assert_ptr_null(spec.hostname);
}
END_TEST

START_TEST(what_is_no_sensible_file_ends_the_start)
{
	autoclose int fd = -EBADF;

	enter();
	ck_assert_int_eq(mkfifo(BESIDE, 0644), 0);
	ck_assert_int_lt(load(SETTINGS_YES), 0);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, BESIDE));
	ck_assert_int_eq(unlink(BESIDE), 0);
	ck_assert_int_eq(mkdir(BESIDE, 0755), 0);
	ck_assert_int_lt(load(SETTINGS_YES), 0);
	ck_assert_int_eq(rmdir(BESIDE), 0);
	fd = open(BESIDE, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	ck_assert_int_eq(ftruncate(fd, 10LL << 30), 0);
	ck_assert_int_eq(load(SETTINGS_YES), -EFBIG);
	ck_assert_int_eq(load(SETTINGS_NO), 0);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("settings-file");

	tcase_add_test(cases, no_file_is_no_failure);
	tcase_add_test(cases, the_first_place_wins_and_is_trusted);
	tcase_add_test(cases, the_file_beside_the_tree_is_not_trusted);
	tcase_add_test(cases, what_is_no_sensible_file_ends_the_start);
	return fixture_run(cases, "engine/settings-file");
}
