#include "kernel/mountinfo.h"

#include "base/arena.h"
#include "kernel/fixture.h"

static const char sample[] =
	"21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n"
	"22 21 0:20 / /proc rw,nosuid - proc proc rw\n"
	"30 21 0:30 /with\\040blank /mnt/a\\134b\\011c ro,nosuid shared:7 master:3 "
	"propagate_from:2 - "
	"tmpfs none rw\n"
	"40 21 0:40 / /srv rw - tmpfs none rw\n"
	"41 40 0:41 / /srv/x rw - tmpfs none rw\n"
	"42 41 0:42 / /srv/x rw - tmpfs top rw\n"
	"43 21 0:43 / /srvx rw - tmpfs none rw\n"
	"44 42 0:44 / /srv/x/y rw - fuse.sshfs a:b rw\n";

START_TEST(fields_are_told_apart)
{
	autoarena struct arena arena = { 0 };
	struct mountinfo_list list;

	ck_assert_int_eq(mountinfo_parse(&arena, &list, sample), 0);
	ck_assert_uint_eq(list.count, 8);
	ck_assert_int_eq(list.items[0].id, 21);
	ck_assert_int_eq(list.items[0].parent, 1);
	ck_assert_uint_eq(list.items[0].major, 254);
	ck_assert(list.items[0].shared && !list.items[0].slave);
	ck_assert_str_eq(list.items[2].root, "/with blank");
	ck_assert_str_eq(list.items[2].target, "/mnt/a\\b\tc");
	ck_assert_str_eq(list.items[2].options, "ro,nosuid");
	ck_assert_str_eq(list.items[2].type, "tmpfs");
	ck_assert(list.items[2].shared && list.items[2].slave);
	ck_assert_str_eq(list.items[0].super_options, "rw,errors=remount-ro");
	ck_assert_str_eq(list.items[7].source, "a:b");
}
END_TEST

START_TEST(other_forms_are_refused)
{
	static const char *const bad[] = {
		"x 1 254:0 / / rw - ext4 s rw\n",
		"21 1 254 / / rw - ext4 s rw\n",
		"21 1 254:0 / / rw\n",
		"21 1 254:0 / / rw - ext4 s\n",
		"21\n",
		" \n",
	};
	autoarena struct arena arena = { 0 };
	struct mountinfo_list list;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(mountinfo_parse(&arena, &list, bad[i]) == -EBADMSG, "%s", bad[i]);
	ck_assert_int_eq(mountinfo_parse(&arena, &list, ""), 0);
	ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(the_callers_mounts_are_read)
{
	autoarena struct arena arena = { 0 };
	struct mountinfo_list list;
	const struct mountinfo *last;

	fixture_enter(0);
	ck_assert_int_eq(mkdir("/mnt/a b", 0755), 0);
	ck_assert_int_eq(mount("tmpfs", "/mnt/a b", "tmpfs", MS_NOSUID, NULL), 0);
	ck_assert_int_eq(mountinfo_read(&arena, &list), 0);
	ck_assert_uint_gt(list.count, 0);
	last = &list.items[list.count - 1];
	ck_assert_str_eq(last->target, "/mnt/a b");
	ck_assert_str_eq(last->type, "tmpfs");
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("mountinfo");

	tcase_add_test(cases, fields_are_told_apart);
	tcase_add_test(cases, other_forms_are_refused);
	tcase_add_test(cases, the_callers_mounts_are_read);
	return fixture_run(cases, "kernel/mountinfo");
}
