#include "image/persist.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/text.h"
#include "io/fd.h"
#include "kernel/fixture.h"

static struct arena arena;

START_TEST(a_path_has_one_name)
{
	ck_assert_str_eq(persist_name(&arena, "/var/lib/nginx"), "var-lib-nginx");
	ck_assert_str_eq(persist_name(&arena, "/var/"), "var");
	ck_assert_str_eq(persist_name(&arena, "/a-b/c"), "a\\x2db-c");
	ck_assert_str_eq(persist_name(&arena, "/.hidden/.x"), "\\x2ehidden-.x");
	ck_assert_str_eq(persist_name(&arena, "/a b\\"), "a\\x20b\\x5c");
	ck_assert_str_eq(persist_path(&arena, "/var/lib/redd", "web", "/srv"),
			 "/var/lib/redd/persist/web/srv");
}
END_TEST

START_TEST(what_leads_elsewhere_has_none)
{
	char long_path[1000] = "/";

	memset(long_path + 1, '-', 300);
	ck_assert_ptr_null(persist_name(&arena, "/"));
	ck_assert_ptr_null(persist_name(&arena, "var"));
	ck_assert_ptr_null(persist_name(&arena, "/var/../etc"));
	ck_assert_ptr_null(persist_name(&arena, long_path));
}
END_TEST

START_TEST(directories_are_made_for_nobody_else)
{
	autoclose int state = -EBADF, fd = -EBADF;
	struct stat st;

	fixture_enter(0);
	state = open("/mnt", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(persist_open(state, "web", false), -ENOENT);
	fd = persist_open(state, "web", true);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(stat("/mnt/persist", &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0700);
	ck_assert_int_eq(persist_open(state, "../web", true), -EINVAL);
	ck_assert_int_eq(symlink("/etc", "/mnt/persist/evil"), 0);
	ck_assert_int_lt(persist_open(state, "evil", true), 0);
}
END_TEST

static int make_room(void)
{
	int state, room;

	ck_assert_int_eq(mkdir("/mnt/tree", 0750), 0);
	fixture_write("/mnt/tree/new", "new");
	state = open("/mnt", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	room = persist_open(state, "web", true);
	ck_assert_int_ge(room, 0);
	close(state);
	return room;
}

static int enter(void)
{
	fixture_enter(0);
	return make_room();
}

static const char *take(int room)
{
	autoclose int tree = open("/mnt/tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *aside;

	ck_assert_int_eq(persist_take(&arena, &aside, room, "srv", tree, false), 0);
	ck_assert_ptr_null(persist_owed(&arena, room, "srv"));
	ck_assert(persist_is_kept(&arena, room, "srv"));
	return aside;
}

START_TEST(what_is_owed_is_taken_once)
{
	autoclose int room = enter();

	ck_assert(persist_is_missing(&arena, room, "srv"));
	ck_assert_int_eq(persist_owe(&arena, room, "srv", "/mnt/other"), 0);
	ck_assert_int_eq(persist_owe(&arena, room, "srv", "/mnt/tree"), 0);
	ck_assert_str_eq(persist_owed(&arena, room, "srv"), "/mnt/tree");
	ck_assert(!persist_is_missing(&arena, room, "srv"));
	ck_assert(!persist_is_kept(&arena, room, "srv"));
	ck_assert_ptr_null(take(room));
	ck_assert_int_eq(access("/mnt/persist/web/srv/new", F_OK), 0);
	fixture_write("/mnt/tree/later", "");
	ck_assert_ptr_null(take(room));
	ck_assert_int_lt(access("/mnt/persist/web/srv/later", F_OK), 0);
}
END_TEST

START_TEST(what_cannot_be_taken_leaves_all_as_it_was)
{
	autoclose int room = enter(), tree = open("/mnt/tree", O_PATH | O_CLOEXEC);
	const char *aside;

	ck_assert_int_eq(mkdir("/mnt/persist/web/srv", 0700), 0);
	ck_assert_int_eq(persist_owe(&arena, room, "srv", "/mnt/tree"), 0);
	ck_assert_int_eq(persist_take(&arena, &aside, room, "srv", tree, false), -EBADF);
	ck_assert_str_eq(persist_owed(&arena, room, "srv"), "/mnt/tree");
	ck_assert_int_eq(access("/mnt/persist/web/srv", F_OK), 0);
	ck_assert_int_lt(access("/mnt/persist/web/.taken.srv", F_OK), 0);
}
END_TEST

/* Who took it for none would begin with nothing, and forget where it is. */
START_TEST(a_mark_that_cannot_be_read_is_not_none)
{
	autoclose int room = enter();

	ck_assert_int_eq(persist_check(&arena, room, "srv"), 0);
	ck_assert_int_eq(persist_owe(&arena, room, "srv", "/mnt/tree"), 0);
	ck_assert_int_eq(persist_check(&arena, room, "srv"), 0);
	ck_assert_int_eq(unlinkat(room, ".from.srv", 0), 0);
	ck_assert_int_eq(mkdirat(room, ".from.srv", 0700), 0);
	ck_assert_int_lt(persist_check(&arena, room, "srv"), 0);
}
END_TEST

START_TEST(what_was_kept_before_is_put_aside)
{
	autoclose int room = enter();
	struct text_list names = { 0 };

	for (int number = 1; number <= 2; number++) {
		ck_assert_int_eq(mkdir("/mnt/persist/web/srv", 0700), 0);
		fixture_write("/mnt/persist/web/srv/old", "old");
		ck_assert_int_eq(persist_owe(&arena, room, "srv", PERSIST_OWN), 0);
		ck_assert(persist_is_kept(&arena, room, "srv"));
		ck_assert_str_eq(take(room), number == 1 ? "srv~1" : "srv~2");
		ck_assert_int_eq(access("/mnt/persist/web/srv/new", F_OK), 0);
		ck_assert_int_lt(access("/mnt/persist/web/srv/old", F_OK), 0);
		ck_assert_int_eq(rename("/mnt/persist/web/srv", "/mnt/elsewhere"), 0);
		ck_assert_int_eq(unlink("/mnt/elsewhere/new"), 0);
		ck_assert_int_eq(rmdir("/mnt/elsewhere"), 0);
	}
	ck_assert_int_eq(access("/mnt/persist/web/srv~1/old", F_OK), 0);
	ck_assert_int_eq(access("/mnt/persist/web/srv~2/old", F_OK), 0);
	ck_assert_int_eq(persist_owe(&arena, room, "root", PERSIST_OWN), 0);
	ck_assert_int_eq(persist_names(&arena, &names, room), 0);
	ck_assert_uint_eq(names.count, 1);
	ck_assert_str_eq(names.items[0], "root");
}
END_TEST

/* Half of a copy is begun again; a whole one takes its place. */
START_TEST(what_was_interrupted_goes_on)
{
	autoclose int room = enter();

	ck_assert_int_eq(mkdir("/mnt/persist/web/srv", 0700), 0);
	ck_assert_int_eq(persist_owe(&arena, room, "srv", "/mnt/tree"), 0);
	ck_assert_int_eq(mkdir("/mnt/persist/web/.taken.srv", 0700), 0);
	fixture_write("/mnt/persist/web/.taken.srv/half", "");
	ck_assert_str_eq(take(room), "srv~1");
	ck_assert_int_eq(access("/mnt/persist/web/srv/new", F_OK), 0);
	ck_assert_int_lt(access("/mnt/persist/web/srv/half", F_OK), 0);

	ck_assert_int_eq(rename("/mnt/persist/web/srv", "/mnt/persist/web/.taken.srv"), 0);
	ck_assert(persist_is_kept(&arena, room, "srv"));
	ck_assert(!persist_is_missing(&arena, room, "srv"));
	fixture_write("/mnt/tree/later", "");
	ck_assert_ptr_null(take(room));
	ck_assert_int_eq(access("/mnt/persist/web/srv/new", F_OK), 0);
	ck_assert_int_lt(access("/mnt/persist/web/srv/later", F_OK), 0);
}
END_TEST

/* Half of what was owed is not what was kept. */
START_TEST(what_was_kept_can_count_again)
{
	autoclose int room = enter();

	ck_assert_int_eq(persist_choose(&arena, room, "srv", true), 0);
	ck_assert_ptr_null(persist_owed(&arena, room, "srv"));
	ck_assert_int_eq(persist_owe(&arena, room, "srv", "/mnt/tree"), 0);
	ck_assert_int_eq(persist_choose(&arena, room, "srv", true), 0);
	ck_assert(!persist_is_back(&arena, room, "srv"));
	ck_assert_int_eq(mkdir("/mnt/persist/web/srv", 0700), 0);
	fixture_write("/mnt/persist/web/srv/old", "old");
	ck_assert(persist_is_back(&arena, room, "srv"));
	ck_assert_str_eq(persist_owed(&arena, room, "srv"), "/mnt/tree");
	ck_assert_int_eq(persist_choose(&arena, room, "srv", false), 0);
	ck_assert(!persist_is_back(&arena, room, "srv"));
	ck_assert_str_eq(persist_owed(&arena, room, "srv"), "/mnt/tree");
	ck_assert_int_eq(persist_choose(&arena, room, "srv", true), 0);
	ck_assert_int_eq(mkdir("/mnt/persist/web/.taken.srv", 0700), 0);
	fixture_write("/mnt/persist/web/.taken.srv/half", "");
	ck_assert_ptr_null(take(room));
	ck_assert_int_eq(access("/mnt/persist/web/srv/old", F_OK), 0);
	ck_assert_int_lt(access("/mnt/persist/web/srv/half", F_OK), 0);
}
END_TEST

/* A start and an apply, of one machine. */
START_TEST(two_make_marks_at_once)
{
	autoclose int room = enter();
	int status;
	pid_t other = fork();

	if (other == 0) {
		autoclose int own = open("/mnt/persist/web", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		for (int i = 0; i < 2000; i++)
			if (persist_owe(&arena, own, "root", "/mnt/other") < 0 ||
			    !text_equal(persist_owed(&arena, own, "root"), "/mnt/other"))
				_exit(1);
		_exit(0);
	}
	for (int i = 0; i < 2000; i++) {
		ck_assert_int_eq(persist_owe(&arena, room, "srv", "/mnt/tree"), 0);
		ck_assert_str_eq(persist_owed(&arena, room, "srv"), "/mnt/tree");
	}
	ck_assert_int_eq(waitpid(other, &status, 0), other);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* By ids from 0 on, whatever range the tree is in; not where that is the machine's own choice. */
START_TEST(what_is_taken_belongs_to_the_first_range)
{
	autoclose int room = -EBADF, tree = -EBADF;
	const char *aside;
	struct stat st;

	if (!fixture_enter_as_root())
		return;
	room = make_room();
	tree = open("/mnt/tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(chown("/mnt/tree", 0x7ffe0000, 0x7ffe0000), 0);
	ck_assert_int_eq(chown("/mnt/tree/new", 0x7ffe0021, 0x7ffe0022), 0);
	for (int shifted = 0; shifted <= 1; shifted++) {
		ck_assert_int_eq(persist_owe(&arena, room, "srv", "/mnt/tree"), 0);
		ck_assert_int_eq(persist_take(&arena, &aside, room, "srv", tree, shifted), 0);
		ck_assert_int_eq(stat("/mnt/persist/web/srv", &st), 0);
		ck_assert_uint_eq(st.st_uid, shifted ? 0 : 0x7ffe0000);
		ck_assert_int_eq(stat("/mnt/persist/web/srv/new", &st), 0);
		ck_assert_uint_eq(st.st_uid, shifted ? 0x21 : 0x7ffe0021);
		ck_assert_uint_eq(st.st_gid, shifted ? 0x22 : 0x7ffe0022);
	}
	ck_assert_int_eq(fstat(tree, &st), 0);
	ck_assert_uint_eq(st.st_uid, 0x7ffe0000);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("persist");

	tcase_add_test(cases, a_path_has_one_name);
	tcase_add_test(cases, what_leads_elsewhere_has_none);
	tcase_add_test(cases, directories_are_made_for_nobody_else);
	tcase_add_test(cases, what_is_owed_is_taken_once);
	tcase_add_test(cases, what_cannot_be_taken_leaves_all_as_it_was);
	tcase_add_test(cases, a_mark_that_cannot_be_read_is_not_none);
	tcase_add_test(cases, what_was_kept_before_is_put_aside);
	tcase_add_test(cases, what_was_interrupted_goes_on);
	tcase_add_test(cases, what_was_kept_can_count_again);
	tcase_add_test(cases, two_make_marks_at_once);
	tcase_add_test(cases, what_is_taken_belongs_to_the_first_range);
	return fixture_run(cases, "image/persist");
}
