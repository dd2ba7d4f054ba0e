#include "kernel/ownership.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "io/fd.h"
#include "kernel/fixture.h"

#define BASE 524288u
#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

static void check(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	struct stat st;

	ck_assert_msg(lstat(path, &st) == 0, "%s: %s", path, strerror(errno));
	ck_assert_msg(st.st_uid == uid, "%s: uid %u", path, st.st_uid);
	ck_assert_msg(st.st_gid == gid, "%s: gid %u", path, st.st_gid);
	ck_assert_msg((st.st_mode & 07777) == mode, "%s: %o", path, st.st_mode);
}

/* False: not root. */
static bool enter(void)
{
	if (!fixture_enter_as_root())
		return false;
	umask(0);
	fixture_write("/mnt/outside", "");
	ck_assert_int_eq(mkdir("/mnt/tree", 0755), 0);
	ck_assert_int_eq(mkdir("/mnt/tree/a", 0750), 0);
	ck_assert_int_eq(mkdir("/mnt/tree/a/b", 0755), 0);
	ck_assert_int_eq(chmod("/mnt/tree/a/b", 02775), 0);
	fixture_write("/mnt/tree/a/b/suid", "");
	ck_assert_int_eq(chown("/mnt/tree/a/b/suid", 0, 5), 0);
	ck_assert_int_eq(chmod("/mnt/tree/a/b/suid", 06755), 0);
	fixture_write("/mnt/tree/user", "");
	ck_assert_int_eq(chown("/mnt/tree/user", 1000, 1000), 0);
	ck_assert_int_eq(symlink("/mnt/outside", "/mnt/tree/link"), 0);
	ck_assert_int_eq(mkfifo("/mnt/tree/fifo", 0600), 0);
	ck_assert_int_eq(mkdir("/mnt/tree/proc", 0755), 0);
	ck_assert_int_eq(mount("/proc", "/mnt/tree/proc", NULL, MS_BIND, NULL), 0);
	return true;
}

static void check_tree(uint32_t base)
{
	check("/mnt/tree", base, base, 0755);
	check("/mnt/tree/a", base, base, 0750);
	check("/mnt/tree/a/b", base, base, 02775);
	check("/mnt/tree/a/b/suid", base, base + 5, 06755);
	check("/mnt/tree/user", base + 1000, base + 1000, 0644);
	check("/mnt/tree/fifo", base, base, 0600);
	check("/mnt/tree/link", base, base, 0777);
	check("/mnt/outside", 0, 0, 0644);
	check("/proc", 0, 0, 0555);
}

START_TEST(a_tree_moves_there_and_back)
{
	autoclose int tree = -EBADF;

	if (!enter())
		return;
	tree = fixture_open("/mnt/tree");
	ck_assert_int_eq(ownership_shift(tree, BASE, 65536), 1);
	check_tree(BASE);
	ck_assert_int_eq(ownership_shift(tree, BASE, 65536), 0);
	ck_assert_int_eq(ownership_shift(tree, BASE + 65536, 65536), 1);
	check_tree(BASE + 65536);
	ck_assert_int_eq(ownership_shift(tree, 0, 65536), 1);
	check_tree(0);
}
END_TEST

START_TEST(an_interrupted_change_is_done_again)
{
	autoclose int tree = -EBADF;

	if (!enter())
		return;
	tree = fixture_open("/mnt/tree");
	ck_assert_int_eq(chown("/mnt/tree", OWNERSHIP_BUSY_BASE, OWNERSHIP_BUSY_BASE), 0);
	ck_assert_int_eq(chown("/mnt/tree/user", BASE + 1000, BASE + 1000), 0);
	ck_assert_int_eq(ownership_shift(tree, BASE, 65536), 1);
	check_tree(BASE);
}
END_TEST

START_TEST(odd_ranges_are_refused)
{
	ck_assert_int_eq(ownership_needs_shift(0, 0, BASE, 65536), 1);
	ck_assert_int_eq(ownership_needs_shift(BASE + 7, BASE, BASE, 65536), 0);
	ck_assert_int_eq(ownership_needs_shift(0, 0, BASE + 1, 65536), -EOPNOTSUPP);
	ck_assert_int_eq(ownership_needs_shift(0, 0, BASE, 1000), -EOPNOTSUPP);
	ck_assert_int_eq(ownership_needs_shift(0, 0, OWNERSHIP_BUSY_BASE, 65536), -EOPNOTSUPP);
	ck_assert_int_eq(ownership_needs_shift(0, 0, 0xFFFF0000u, 65536), -EOPNOTSUPP);
	ck_assert_int_eq(ownership_needs_shift(BASE, 0, BASE, 65536), -EBADE);
}
END_TEST

/* version 2; user::rw- user:1000:rw- group::r-- group:7:r-- mask::rw- other::--- */
static const unsigned char acl[] = {
	2,    0, 0, 0,			       /* version */
	0x01, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, /* owner */
	0x02, 0, 6, 0, 0xe8, 0x03, 0,	 0,    /* user 1000 */
	0x04, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, /* group */
	0x08, 0, 4, 0, 7,    0,	   0,	 0,    /* group 7 */
	0x10, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, /* mask */
	0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, /* others */
};

START_TEST(access_lists_and_capabilities_move_too)
{
	const struct vfs_cap_data capability = { .magic_etc = VFS_CAP_REVISION_2 | 1,
						 .data[0] = { 1u << CAP_NET_RAW, 0 } };
	struct vfs_ns_cap_data again;
	autoclose int tree = -EBADF;
	unsigned char value[128];

	if (!enter())
		return;
	if (setxattr("/mnt/tree/user", ACCESS, acl, sizeof(acl), 0) < 0)
		return; /* a tmpfs without ACLs */
	ck_assert_int_eq(setxattr("/mnt/tree/a", DEFAULT, acl, sizeof(acl), 0), 0);
	ck_assert_int_eq(setxattr("/mnt/tree/user", "security.capability", &capability,
				  sizeof(capability), 0),
			 0);
	tree = fixture_open("/mnt/tree");
	ck_assert_int_eq(ownership_shift(tree, BASE, 65536), 1);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(getxattr(i ? "/mnt/tree/a" : "/mnt/tree/user",
					  i ? DEFAULT : ACCESS, value, sizeof(value)),
				 sizeof(acl));
		ck_assert_int_eq(memcmp(value + 16, "\xe8\x03\x08\x00", 4), 0);
		ck_assert_int_eq(memcmp(value + 32, "\x07\x00\x08\x00", 4), 0);
	}
	ck_assert_int_eq(getxattr("/mnt/tree/user", "security.capability", &again, sizeof(again)),
			 sizeof(capability));
	ck_assert_int_eq(memcmp(&again, &capability, sizeof(capability)), 0);
}
END_TEST

START_TEST(depth_costs_no_descriptors)
{
	autoclose int tree = -EBADF, here = -EBADF;

	if (!enter())
		return;
	here = open("/mnt/tree", O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < 1500; i++) {
		int next;

		ck_assert_int_eq(mkdirat(here, "d", 0755), 0);
		ck_assert_int_eq(mkdirat(here, "e", 0755), 0);
		next = openat(here, "d", O_RDONLY | O_CLOEXEC);
		ck_assert_int_ge(next, 0);
		fd_close(&here);
		here = next;
	}
	tree = fixture_open("/mnt/tree");
	ck_assert_int_eq(ownership_shift(tree, BASE, 65536), 1);
	for (int i = 0; i < 1500; i++) {
		struct stat st;
		int next;

		ck_assert_int_eq(fstat(here, &st), 0);
		ck_assert_uint_eq(st.st_uid, BASE);
		ck_assert(fstatat(here, "e", &st, 0) < 0 || st.st_uid == BASE);
		next = openat(here, "..", O_RDONLY | O_CLOEXEC);
		fd_close(&here);
		here = next;
	}
}
END_TEST

START_TEST(wide_directories_are_read_to_the_end)
{
	autoclose int tree = -EBADF;
	char path[64];

	if (!enter())
		return;
	for (int i = 0; i < 2000; i++) {
		snprintf(path, sizeof(path), "/mnt/tree/a/wide-directory-entry-%d", i);
		if (i % 2)
			ck_assert_int_eq(mkdir(path, 0755), 0);
		else
			ck_assert_int_eq(symlink("x", path), 0);
	}
	tree = fixture_open("/mnt/tree");
	ck_assert_int_eq(ownership_shift(tree, BASE, 65536), 1);
	for (int i = 0; i < 2000; i++) {
		snprintf(path, sizeof(path), "/mnt/tree/a/wide-directory-entry-%d", i);
		check(path, BASE, BASE, i % 2 ? 0755 : 0777);
	}
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("ownership");

	tcase_set_timeout(cases, 60);
	tcase_add_test(cases, a_tree_moves_there_and_back);
	tcase_add_test(cases, an_interrupted_change_is_done_again);
	tcase_add_test(cases, odd_ranges_are_refused);
	tcase_add_test(cases, access_lists_and_capabilities_move_too);
	tcase_add_test(cases, depth_costs_no_descriptors);
	tcase_add_test(cases, wide_directories_are_read_to_the_end);
	return fixture_run(cases, "kernel/ownership");
}
