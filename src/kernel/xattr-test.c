#include "kernel/xattr.h"

#include <linux/capability.h>

#include "kernel/fixture.h"

START_TEST(only_named_users_and_groups_move)
{
	unsigned char acl[] = {
		2,    0, 0, 0,			       /* version */
		0x01, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, /* owner */
		0x02, 0, 6, 0, 0xe8, 0x03, 0,	 0,    /* user 1000 */
	};

	ck_assert_int_eq(xattr_shift_acl(acl, sizeof(acl), 0x80000), 1);
	ck_assert_int_eq(memcmp(acl + 8, "\xff\xff\xff\xff", 4), 0);
	ck_assert_int_eq(memcmp(acl + 16, "\xe8\x03\x08\x00", 4), 0);
	ck_assert_int_eq(xattr_shift_acl(acl, sizeof(acl), 0x80000), 0);
	ck_assert_int_eq(xattr_shift_acl(acl, sizeof(acl) - 1, 0), -EBADMSG);
	ck_assert_int_eq(xattr_shift_acl(acl, 3, 0), -EBADMSG);
	acl[0] = 3;
	ck_assert_int_eq(xattr_shift_acl(acl, sizeof(acl), 0), -EBADMSG);
}
END_TEST

START_TEST(the_root_of_a_capability_moves)
{
	struct vfs_ns_cap_data value = { .magic_etc = VFS_CAP_REVISION_3, .rootid = 0x90000 };

	ck_assert_int_eq(xattr_shift_capability(&value, sizeof(value), 0x80000), 1);
	ck_assert_uint_eq(value.rootid, 0x80000);
	ck_assert_int_eq(xattr_shift_capability(&value, sizeof(value), 0x80000), 0);
	ck_assert_int_eq(xattr_shift_capability(&value, 20, 0), -EBADMSG);
	ck_assert_int_eq(xattr_shift_capability(&value, 2, 0), -EBADMSG);
	value.magic_etc = VFS_CAP_REVISION_2;
	ck_assert_int_eq(xattr_shift_capability(&value, 20, 0), 0);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("xattr");

	tcase_add_test(cases, only_named_users_and_groups_move);
	tcase_add_test(cases, the_root_of_a_capability_moves);
	return fixture_run(cases, "kernel/xattr");
}
