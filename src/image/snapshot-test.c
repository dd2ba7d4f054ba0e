#include "image/snapshot.h"

#include "base/arena.h"
#include "base/text.h"
#include "io/fd.h"
#include "kernel/fixture.h"

#define TAG "0123456789abcdef"

static struct arena arena;

static int enter(void)
{
	ck_assert(fixture_enter_as_root());
	ck_assert_int_eq(mkdir("/mnt/web", 0751), 0);
	ck_assert_int_eq(chown("/mnt/web", 3, 4), 0);
	fixture_write("/mnt/web/file", "text");
	return fixture_open("/mnt/web");
}

START_TEST(an_overlay_is_made_beside_the_tree_and_removed)
{
	struct snapshot snapshot = SNAPSHOT_EMPTY;
	autoclose int tree = enter();
	struct stat st;
	char *path;

	ck_assert(!snapshot_can_btrfs(tree));
	path = snapshot_plan(&arena, "/mnt/web", tree, TAG, SNAPSHOT_OVERLAY, NULL);
	ck_assert_str_eq(path, "/mnt/.#snapshot.web" TAG);
	ck_assert_int_eq(
		snapshot_ephemeral(&arena, &snapshot, "/mnt/web", tree, path, SNAPSHOT_OVERLAY), 0);
	ck_assert_int_eq(stat("/mnt/.#snapshot.web" TAG "/upper", &st), 0);
	ck_assert(st.st_uid == 3 && st.st_gid == 4 && (st.st_mode & 07777) == 0751);
	ck_assert_int_eq(access("/mnt/.#snapshot.web" TAG "/work", F_OK), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0700);
	snapshot_done(&snapshot);
	ck_assert_int_lt(access(path, F_OK), 0);
	snapshot_done(&snapshot);
}
END_TEST

START_TEST(an_upper_layer_is_never_inside_of_its_tree)
{
	autoclose int root = -EBADF, var = -EBADF;
	char *path;

	ck_assert(fixture_enter_as_root());
	root = fixture_open("/");
	path = snapshot_plan(&arena, "/", root, TAG, SNAPSHOT_OVERLAY, "/run/redd");
	ck_assert_str_eq(path, "/run/redd/snapshots/.#snapshot." TAG);
	var = fixture_open("/var");
	path = snapshot_plan(&arena, "/var", var, TAG, SNAPSHOT_OVERLAY, "/run/redd");
	ck_assert(!text_after(path, "/var/"));
}
END_TEST

START_TEST(a_tree_that_is_mounted_is_snapshot_inside)
{
	autoclose int tree = -EBADF;

	ck_assert(fixture_enter_as_root());
	tree = fixture_open("/mnt");
	ck_assert_str_eq(snapshot_plan(&arena, "/mnt", tree, TAG, SNAPSHOT_BTRFS, NULL),
			 "/mnt/.#snapshot." TAG);
}
END_TEST

START_TEST(a_copy_is_a_tree_of_its_own)
{
	struct snapshot snapshot = SNAPSHOT_EMPTY;
	autoclose int tree = enter();
	char *path = snapshot_plan(&arena, "/mnt/web", tree, TAG, SNAPSHOT_COPY, NULL);
	struct stat st;

	ck_assert_int_eq(
		snapshot_ephemeral(&arena, &snapshot, "/mnt/web", tree, path, SNAPSHOT_COPY), 0);
	ck_assert_int_eq(stat("/mnt/.#snapshot.web" TAG "/file", &st), 0);
	ck_assert_int_eq(st.st_size, 4);
	snapshot_done(&snapshot);
	ck_assert_int_lt(access(path, F_OK), 0);
}
END_TEST

START_TEST(a_template_appears_complete_or_not_at_all)
{
	autoclose int tree = enter();
	enum snapshot_rung rung;
	char *growing = snapshot_template_path(&arena, "/mnt/pool/new", TAG);

	ck_assert_str_eq(growing, "/mnt/pool/.#template.new" TAG);
	ck_assert_int_eq(snapshot_template(&arena, &rung, "/mnt/web", tree, "/mnt/pool/new",
					   growing, false),
			 0);
	ck_assert_int_eq(rung, SNAPSHOT_COPY);
	ck_assert_int_eq(access("/mnt/pool/new/file", F_OK), 0);
	ck_assert_int_lt(access(growing, F_OK), 0);
	/* somebody else was faster */
	ck_assert_int_eq(snapshot_template(&arena, &rung, "/mnt/web", tree, "/mnt/pool/new",
					   growing, false),
			 -EEXIST);
	ck_assert_int_lt(access(growing, F_OK), 0);
	ck_assert_int_eq(access("/mnt/pool/new/file", F_OK), 0);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("snapshot");

	if (geteuid() != 0)
		return 77;
	tcase_add_test(cases, an_overlay_is_made_beside_the_tree_and_removed);
	tcase_add_test(cases, an_upper_layer_is_never_inside_of_its_tree);
	tcase_add_test(cases, a_tree_that_is_mounted_is_snapshot_inside);
	tcase_add_test(cases, a_copy_is_a_tree_of_its_own);
	tcase_add_test(cases, a_template_appears_complete_or_not_at_all);
	return fixture_run(cases, "image/snapshot");
}
