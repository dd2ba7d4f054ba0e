#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/unit.h"
#include "format/passwd.h"

/* A literal and its size. */
#define TEXT(text) text, sizeof(text) - 1

static const char users[] = "root:x:0:0:root:/root:/bin/bash\n"
			    "daemon:x:1:1::/usr/sbin:/usr/sbin/nologin\n"
			    "1000:x:0:0:evil:/:/bin/sh\n"
			    "0x0:x:55:55::/:\n"
			    "web:x:1000:1001:,,,:/home/web:/bin/sh\n"
			    "web:x:0:0:again:/:/bin/sh\n"
			    "last:x:2147483648:2147483648::/:";

static const char groups[] = "root:x:0:\nadm:x:4:web,root\nwww:x:33:webb,we\n"
			     "web:x:1001:web\nvideo:x:44:root,web\nvideo2:x:44:web\n"
			     "bad:x:65535:web\nworse:x:-1:web\nwrap:x:4294967296:web\nlast:x:7:web";

static int find(struct arena *arena, struct passwd_user *user, const char *who)
{
	uid_t uid;

	return passwd_find_user(arena, user, &uid, TEXT(users), who);
}

START_TEST(users_have_a_name_and_a_number)
{
	autoarena struct arena arena = {};
	struct passwd_user user;

	ck_assert_int_eq(find(&arena, &user, "web"), 0);
	ck_assert_uint_eq(user.uid, 1000);
	ck_assert_uint_eq(user.gid, 1001);
	ck_assert_str_eq(user.home, "/home/web");
	ck_assert_str_eq(user.shell, "/bin/sh");
	ck_assert_int_eq(find(&arena, &user, "1"), 0);
	ck_assert_str_eq(user.name, "daemon");
	ck_assert_int_eq(find(&arena, &user, "2147483648"), 0);
	ck_assert_str_eq(user.name, "last");
	ck_assert_str_eq(user.shell, "");
}
END_TEST

START_TEST(digits_are_never_a_name)
{
	autoarena struct arena arena = {};
	struct passwd_user user;

	ck_assert_int_eq(find(&arena, &user, "1000"), 0);
	ck_assert_str_eq(user.name, "web");
	ck_assert_int_eq(passwd_find_name(&arena, &user, TEXT(users), "1000"), -ENOENT);
}
END_TEST

START_TEST(what_is_unknown_is_never_root)
{
	static const struct {
		const char *who;
		int result;
	} cases[] = {
		{ "", -EINVAL },
		{ "-1", -EINVAL },
		{ "+0", -EINVAL },
		{ "4294967296", -EINVAL },
		{ "4294967295", -EINVAL },
		{ "65535", -EINVAL },
		{ "65536:65536", -EINVAL },
		{ "1000:", -EINVAL },
		{ ":1000", -EINVAL },
		{ "1000:abc", -EINVAL },
		{ "00", -EINVAL },
		{ "0000", -EINVAL },
		{ "0x1", -ENOENT },
		{ "nobody", -ENOENT },
		{ "we", -ENOENT },
		{ "webb", -ENOENT },
		{ "18446744073709551616", -EINVAL },
		{ "web\n", -EINVAL },
		{ " web", -ENOENT },
		{ "4242", -ENOENT },
	};
	autoarena struct arena arena = {};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct passwd_user user = { .uid = 77, .gid = 77 };

		ck_assert_msg(find(&arena, &user, cases[i].who) == cases[i].result, "'%s'",
			      cases[i].who);
		ck_assert_uint_eq(user.uid, 77);
		ck_assert_uint_eq(user.gid, 77);
	}
}
END_TEST

START_TEST(a_number_without_entry_is_told)
{
	autoarena struct arena arena = {};
	struct passwd_user user;
	uid_t uid = 77;

	ck_assert_int_eq(passwd_find_user(&arena, &user, &uid, TEXT(users), "4242"), -ENOENT);
	ck_assert_uint_eq(uid, 4242);
}
END_TEST

START_TEST(malformed_lines_are_skipped)
{
	static const char text[] = "a:x:1:1::/\n"		   /* six fields */
				   "a:x:1:1::/:/bin/sh:more\n"	   /* eight */
				   "a:x::1::/:\na:x:1:::/:\n"	   /* empty numbers */
				   "a:x:-1:1::/:\na:x:+1:1::/:\n"  /* signs */
				   "a:x:0x1:1::/:\na:x:01:1::/:\n" /* other bases */
				   "a:x: 1:1::/:\na:x:1 :1::/:\n"  /* blanks */
				   "a:x:4294967296:0::/:\n"	   /* wraps to 0 */
				   "a:x:0:18446744073709551616::/:\n"
				   "a:x:4294967295:1::/:\na:x:65535:1::/:\n"
				   "+a:x:1:1::/:\n-a:x:1:1::/:\n:x:1:1::/:\n#a:x:1:1::/:\n"
				   "\n\n::::::\na:x:5:6::/home:/sh\n";
	autoarena struct arena arena = {};
	struct passwd_user user;

	ck_assert_int_eq(passwd_find_name(&arena, &user, TEXT(text), "a"), 0);
	ck_assert_uint_eq(user.uid, 5);
	ck_assert_uint_eq(user.gid, 6);
	ck_assert_int_eq(passwd_find_uid(&arena, &user, TEXT(text), 1), -ENOENT);
	ck_assert_int_eq(passwd_find_uid(&arena, &user, TEXT(text), 0), -ENOENT);
	ck_assert_int_eq(passwd_find_name(&arena, &user, TEXT(text), "+a"), -ENOENT);
	ck_assert_int_eq(passwd_find_name(&arena, &user, TEXT(text), ""), -ENOENT);
	ck_assert_int_eq(passwd_find_name(&arena, &user, "a\0b:x:1:1::/:", 13, "a"), -ENOENT);
}
END_TEST

START_TEST(hostile_sizes_have_an_end)
{
	autoarena struct arena arena = {};
	size_t size = PASSWD_LINES_MAX + 100, past = 2 * PASSWD_LINE_MAX;
	char *text = arena_take(&arena, past + size);
	struct passwd_user user;

	memset(text, '\n', size);
	ck_assert_int_eq(passwd_find_name(&arena, &user, text, size, "root"), -E2BIG);
	ck_assert_int_eq(passwd_find_name(&arena, &user, text, PASSWD_LINES_MAX, "root"), -ENOENT);

	/* A long line is passed over, what follows is found. */
	memset(text, 'a', past);
	memcpy(text + past, "\nroot:x:0:0::/:\n", 16);
	ck_assert_int_eq(passwd_find_name(&arena, &user, text, past + 16, "root"), 0);
	memcpy(text, "root:x:9:9::/:", 14);
	ck_assert_int_eq(passwd_find_name(&arena, &user, text, past + 16, "root"), 0);
	ck_assert_uint_eq(user.uid, 0);
}
END_TEST

START_TEST(groups_are_those_that_list_the_user)
{
	autoarena struct arena arena = {};
	struct passwd_group group;
	gid_t *gids = NULL;
	size_t count = 0;

	ck_assert_int_eq(passwd_groups_of(&arena, &gids, &count, TEXT(groups), "web", 1001), 0);
	ck_assert_uint_eq(count, 3);
	ck_assert_uint_eq(gids[0], 4);
	ck_assert_uint_eq(gids[1], 44);
	ck_assert_uint_eq(gids[2], 7);
	ck_assert_int_eq(passwd_groups_of(&arena, &gids, &count, TEXT(groups), "x", 1), 0);
	ck_assert_uint_eq(count, 0);
	ck_assert_int_eq(passwd_groups_of(&arena, &gids, &count, TEXT(groups), "", 1), 0);
	ck_assert_uint_eq(count, 0);
	ck_assert_int_eq(passwd_find_group(&arena, &group, TEXT(groups), "adm"), 0);
	ck_assert_uint_eq(group.gid, 4);
	ck_assert_int_eq(passwd_find_gid(&arena, &group, TEXT(groups), 44), 0);
	ck_assert_str_eq(group.name, "video");
	ck_assert_int_eq(passwd_find_group(&arena, &group, TEXT(groups), "wrap"), -ENOENT);
	ck_assert_int_eq(passwd_find_gid(&arena, &group, TEXT(groups), 65535), -ENOENT);
}
END_TEST

START_TEST(too_many_groups_are_an_error)
{
	autoarena struct arena arena = {};
	size_t room = 20 * (PASSWD_GROUPS_MAX + 1), size = 0, count;
	char *text = arena_take(&arena, room);
	gid_t *gids;

	for (unsigned int i = 0; i <= PASSWD_GROUPS_MAX; i++)
		size += (size_t)snprintf(text + size, room - size, "g%u:x:%u:a\n", i, i + 1);
	ck_assert_int_eq(passwd_groups_of(&arena, &gids, &count, text, size, "a", 0), -E2BIG);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/passwd", digits_are_never_a_name, users_have_a_name_and_a_number,
			what_is_unknown_is_never_root, a_number_without_entry_is_told,
			malformed_lines_are_skipped, hostile_sizes_have_an_end,
			groups_are_those_that_list_the_user, too_many_groups_are_an_error);
}
