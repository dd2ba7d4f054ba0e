#include "engine/ids.h"

#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "engine/ids-outer.h"
#include "io/fd.h"
#include "kernel/fixture.h"
#include "machine/record.h"

static struct arena arena;
static struct record record = RECORD_EMPTY;
static const struct host root_host = { .uid = 0 };

/* An own /etc and /run, and a tree whose top belongs to OWNER. */
static int enter(uid_t owner)
{
	ck_assert(fixture_enter_as_root());
	ck_assert_int_eq(mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"), 0);
	ck_assert_int_eq(mount("tmpfs", "/etc", "tmpfs", 0, "mode=0755"), 0);
	fixture_write("/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
	ck_assert_int_eq(record_create(&arena, &record, "/run/redd", "web"), 0);
	ck_assert_int_eq(mkdir("/mnt/web", 0755), 0);
	ck_assert_int_eq(chown("/mnt/web", owner, owner), 0);
	return fixture_open("/mnt/web");
}

static struct spec spec_of(enum userns_mode mode, enum ownership_mode ownership)
{
	struct spec spec;

	memset(&spec, 0, sizeof(spec));
	spec.machine = "web";
	spec.userns = mode;
	spec.ownership = ownership;
	return spec;
}

static int take(struct ids *ids, const struct spec *spec, int tree)
{
	*ids = (struct ids)IDS_EMPTY;
	return ids_take(&arena, ids, spec, &root_host, tree, &record);
}

START_TEST(the_name_says_which_range_is_tried_first)
{
	struct spec spec = spec_of(USERNS_PICK, OWNERSHIP_UNSET);
	struct ids first, again, other;
	autoclose int tree = enter(0);
	char path[64];

	ck_assert_int_eq(take(&first, &spec, tree), 0);
	ck_assert_int_eq(first.rung, RUNG_IDMAPPED);
	ck_assert(first.map && !first.chown && first.map_from == 0);
	ck_assert_uint_ge(first.base, IDS_PICK_FIRST);
	ck_assert_uint_le(first.base, IDS_PICK_LAST);
	ck_assert_uint_eq(first.base & 0xFFFF, 0);
	ck_assert_uint_eq(first.range, 65536);
	ck_assert_uint_eq(first.base, 1587085312); /* what systemd-nspawn -U picks for "web" */
	snprintf(path, sizeof(path), "/run/systemd/nspawn-uid/%u", first.base);
	ck_assert_int_eq(access(path, F_OK), 0);

	ck_assert_int_eq(take(&other, &spec, tree), 0);
	ck_assert_uint_ne(other.base, first.base);
	ids_release(&first);
	ck_assert_int_lt(access(path, F_OK), 0);
	ck_assert_int_eq(take(&again, &spec, tree), 0);
	ck_assert_uint_eq(again.base, first.base);
	ids_release(&again);
	ids_release(&other);
	ids_release(&other);
}
END_TEST

START_TEST(an_accounts_range_is_never_picked)
{
	struct spec spec = spec_of(USERNS_PICK, OWNERSHIP_UNSET);
	struct ids first, second;
	autoclose int tree = enter(0);
	char line[128];

	ck_assert_int_eq(take(&first, &spec, tree), 0);
	ids_release(&first);
	snprintf(line, sizeof(line), "vm:x:5:%u::/:/bin/sh\nvm2:x:%u:7::/:/bin/sh\n", first.base,
		 first.base + 0xFFFE);
	fixture_write("/etc/passwd", line);
	ck_assert_int_eq(take(&second, &spec, tree), 0);
	ck_assert_uint_ne(second.base, first.base);
	ids_release(&second);
}
END_TEST

START_TEST(a_shifted_tree_keeps_its_range)
{
	struct spec spec = spec_of(USERNS_PICK, OWNERSHIP_UNSET);
	struct ids first, second;
	autoclose int tree = enter(655360);

	ck_assert_int_eq(take(&first, &spec, tree), 0);
	ck_assert_uint_eq(first.base, 655360);
	ck_assert_int_eq(first.rung, RUNG_SHIFTED);
	ck_assert(!first.map && !first.chown);
	/* and nothing is changed behind the user's back when somebody else has it */
	ck_assert_int_eq(take(&second, &spec, tree), -EBUSY);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "--private-users-ownership=chown"));
	spec.ownership = OWNERSHIP_CHOWN;
	ck_assert_int_eq(take(&second, &spec, tree), 0);
	ck_assert(second.chown && second.base != 655360);
	ids_release(&second);
	spec.ownership = OWNERSHIP_MAP;
	ck_assert_int_eq(take(&second, &spec, tree), -EINVAL);
	ids_release(&first);
}
END_TEST

START_TEST(a_foreign_tree_is_mapped_from_there)
{
	struct spec spec = spec_of(USERNS_PICK, OWNERSHIP_UNSET);
	struct ids ids;
	autoclose int tree = enter(IDS_FOREIGN);

	ck_assert_int_eq(take(&ids, &spec, tree), 0);
	ck_assert(ids.map && ids.map_from == IDS_FOREIGN);
	ck_assert_uint_le(ids.base, IDS_PICK_LAST);
	ids_release(&ids);
}
END_TEST

START_TEST(a_tree_of_two_ranges_is_refused)
{
	struct spec spec = spec_of(USERNS_PICK, OWNERSHIP_UNSET);
	struct ids ids;
	autoclose int tree = enter(0);

	ck_assert_int_eq(chown("/mnt/web", 655360, 0), 0);
	ck_assert_int_eq(take(&ids, &spec, tree), -EINVAL);
}
END_TEST

START_TEST(a_range_by_number_is_taken_as_it_is)
{
	struct spec spec = spec_of(USERNS_FIXED, OWNERSHIP_UNSET);
	struct ids ids;
	autoclose int tree = enter(0);

	spec.uid_base = 1234567;
	spec.uid_range = 1000;
	ck_assert_int_eq(take(&ids, &spec, tree), 0);
	ck_assert(ids.base == 1234567 && ids.range == 1000 && !ids.map && !ids.chown);
	ck_assert_str_eq(own_ids_map_text(&arena, ids.uids, ids.uid_count), "0 1234567 1000\n");
	spec.ownership = OWNERSHIP_CHOWN;
	ck_assert_int_eq(take(&ids, &spec, tree), -EINVAL);
	spec.ownership = OWNERSHIP_MAP;
	ck_assert_int_eq(take(&ids, &spec, tree), 0);
	ck_assert(ids.map);
	spec.uid_base = 0; /* identity */
	spec.uid_range = 65536;
	ck_assert_int_eq(take(&ids, &spec, tree), 0);
	ck_assert(!ids.map && ids.rung == RUNG_SHIFTED);
}
END_TEST

START_TEST(yes_means_the_trees_own_range)
{
	struct spec spec = spec_of(USERNS_FROM_TREE, OWNERSHIP_UNSET);
	struct ids ids;
	autoclose int tree = enter(131072);

	ck_assert_int_eq(take(&ids, &spec, tree), 0);
	ck_assert(ids.base == 131072 && ids.range == 65536 && ids.rung == RUNG_SHIFTED);
}
END_TEST

START_TEST(no_user_namespace_takes_nothing)
{
	struct spec spec = spec_of(USERNS_NO, OWNERSHIP_UNSET);
	struct ids ids;
	autoclose int tree = enter(0);

	ck_assert_int_eq(take(&ids, &spec, tree), 0);
	ck_assert_int_eq(ids.rung, RUNG_NONE);
	ck_assert_int_lt(access("/run/systemd/nspawn-uid", F_OK), 0);
}
END_TEST

START_TEST(printing_a_plan_takes_no_lock)
{
	struct spec spec = spec_of(USERNS_PICK, OWNERSHIP_UNSET);
	struct ids ids = IDS_EMPTY;
	autoclose int tree = enter(0);

	ck_assert_int_eq(ids_take(&arena, &ids, &spec, &root_host, tree, NULL), 0);
	ck_assert_int_eq(ids.lock_fd, -EBADF);
	ck_assert_int_lt(access("/run/systemd/nspawn-uid", F_OK), 0);
}
END_TEST

/* ---- without the host's root ---- */

static const char *const environment[] = { "PATH=relative:/mnt/bin", NULL };

static void make_helpers(void)
{
	ck_assert_int_eq(mkdir("/mnt/bin", 0755), 0);
	fixture_write("/mnt/bin/newuidmap", "");
	fixture_write("/mnt/bin/newgidmap", "");
	ck_assert_int_eq(chmod("/mnt/bin/newuidmap", 0755), 0);
	ck_assert_int_eq(chmod("/mnt/bin/newgidmap", 0755), 0);
}

START_TEST(a_user_has_subordinate_ids_or_one)
{
	const struct host host = { .uid = 1000, .environment = environment };
	struct spec spec = spec_of(USERNS_PICK, OWNERSHIP_UNSET);
	struct ids ids = IDS_EMPTY;
	autoclose int tree = enter(0);

	fixture_write("/etc/passwd", "ada:x:1000:100::/home/ada:/bin/sh\n");
	fixture_write("/etc/subuid", "ada:100000:65536\n");
	fixture_write("/etc/subgid", "1000:200000:4000\n");
	ck_assert_int_eq(mount("tmpfs", "/usr/bin", "tmpfs", 0, NULL), 0);
	ck_assert_int_eq(ids_take(&arena, &ids, &spec, &host, tree, &record), 0);
	ck_assert_int_eq(ids.rung, RUNG_SINGLE);
	ck_assert_uint_eq(ids.uid_count, 1);

	make_helpers();
	ck_assert_int_eq(ids_take(&arena, &ids, &spec, &host, tree, &record), 0);
	ck_assert_int_eq(ids.rung, RUNG_SUBORDINATE);
	ck_assert_str_eq(ids.newuidmap, "/mnt/bin/newuidmap");
	ck_assert_str_eq(own_ids_map_text(&arena, ids.uids, ids.uid_count),
			 "0 1000 1\n1 100000 65535\n");
	ck_assert_str_eq(own_ids_map_text(&arena, ids.gids, ids.gid_count),
			 "0 0 1\n1 200000 4000\n");
	ck_assert_uint_eq(ids.range, 4001);
	ids_entered(&ids);
	ck_assert_str_eq(own_ids_map_text(&arena, ids.uids, ids.uid_count), "0 0 1\n1 1 65535\n");
	ck_assert_str_eq(own_ids_map_text(&arena, ids.gids, ids.gid_count), "0 0 1\n1 1 4000\n");

	spec.userns = USERNS_FIXED;
	spec.uid_base = 100000;
	spec.uid_range = 65536;
	ck_assert_int_eq(ids_take(&arena, &ids, &spec, &host, tree, &record), -EPERM);
	spec.userns = USERNS_NO;
	ck_assert_int_eq(ids_take(&arena, &ids, &spec, &host, tree, &record), -EINVAL);
}
END_TEST

START_TEST(inside_a_container_its_ids_are_kept)
{
	struct spec spec = spec_of(USERNS_PICK, OWNERSHIP_UNSET);
	struct ids ids = IDS_EMPTY;
	autoclose int tree = -EBADF;

	fixture_enter(0);
	tree = fixture_open("/mnt");
	ck_assert_int_eq(ids_take(&arena, &ids, &spec, &root_host, tree, NULL), 0);
	ck_assert_int_eq(ids.rung, RUNG_SINGLE);
	ck_assert_str_eq(own_ids_map_text(&arena, ids.uids, ids.uid_count), "0 0 1\n");
}
END_TEST

START_TEST(a_map_becomes_identity)
{
	struct own_ids_extent extents[2];

	ck_assert_int_eq(ids_outer_identity(extents, 2, "         0     100000      65536\n"), 1);
	ck_assert(extents[0].inside == 0 && extents[0].outside == 0 && extents[0].count == 65536);
	ck_assert_int_eq(ids_outer_identity(extents, 2, "0 5 1\n1 6 7\n8 9 1\n"), 2);
	ck_assert_int_eq(ids_outer_identity(extents, 2, ""), -EBADMSG);
	ck_assert_int_eq(ids_outer_identity(extents, 2, "0 0\n"), -EBADMSG);
	ck_assert_int_eq(ids_outer_identity(extents, 2, "a b c\n"), -EBADMSG);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("ids");

	if (geteuid() != 0)
		return 77;
	tcase_add_test(cases, the_name_says_which_range_is_tried_first);
	tcase_add_test(cases, an_accounts_range_is_never_picked);
	tcase_add_test(cases, a_shifted_tree_keeps_its_range);
	tcase_add_test(cases, a_foreign_tree_is_mapped_from_there);
	tcase_add_test(cases, a_tree_of_two_ranges_is_refused);
	tcase_add_test(cases, a_range_by_number_is_taken_as_it_is);
	tcase_add_test(cases, yes_means_the_trees_own_range);
	tcase_add_test(cases, no_user_namespace_takes_nothing);
	tcase_add_test(cases, printing_a_plan_takes_no_lock);
	tcase_add_test(cases, a_user_has_subordinate_ids_or_one);
	tcase_add_test(cases, inside_a_container_its_ids_are_kept);
	tcase_add_test(cases, a_map_becomes_identity);
	return fixture_run(cases, "engine/ids");
}
