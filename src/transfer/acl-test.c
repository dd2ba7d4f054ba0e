#include "transfer/acl.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/fixture.h"

#define PLAIN "user::rw-,group::r--,other::---"
#define FULL "user::rwx,user:7:r--,user:1000:rw-,group::r-x,group:33:--x,mask::rwx,other::---"

static void stays(const char *text, const char *expected)
{
	unsigned char raw[ACL_RAW_MAX];
	char again[ACL_TEXT_MAX];
	int size = acl_from_text(raw, text);

	ck_assert_msg(size > 0, "'%s': %d", text, size);
	ck_assert_int_eq(acl_to_text(again, raw, (size_t)size), (int)strlen(expected));
	ck_assert_str_eq(again, expected);
}

static int refused(const char *text)
{
	unsigned char raw[ACL_RAW_MAX];

	return acl_from_text(raw, text);
}

START_TEST(words_become_bytes_and_words_again)
{
	stays(PLAIN, PLAIN);
	stays(FULL, FULL);
	stays("user::rw-\ngroup::r--\nother::---\n", PLAIN);
}
END_TEST

START_TEST(the_kernel_gets_them_in_its_order)
{
	stays("other::---,mask::rwx,group:33:--x,user:1000:rw-,group::r-x,user:7:r--,user::rwx",
	      FULL);
}
END_TEST

START_TEST(a_number_behind_a_name_is_what_counts)
{
	stays("user::rw-,user:lp:r--:7,group::r--,mask::r--,other::---",
	      "user::rw-,user:7:r--,group::r--,mask::r--,other::---");
	ck_assert_int_eq(refused("user::rw-,user:lp:r--,group::r--,other::---"), -ENOKEY);
}
END_TEST

START_TEST(what_is_no_list_is_refused)
{
	static const char *const texts[] = {
		"",
		",",
		PLAIN ",,",
		"owner::rw-",
		"use::rw-",
		"mask:5:rw-",
		"other:5:rw-",
		"user::rwq",
		"user:4294967295:r--",
		"user:99999999999999999999:r--",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)

		ck_assert_msg(refused(texts[i]) == -EBADMSG, "'%s'", texts[i]);
}
END_TEST

START_TEST(a_list_may_be_long_but_not_longer)
{
	static const char entry[] = "user:1234567890:rwx,";
	size_t length = sizeof(entry) - 1;
	char *text = calloc(ACL_ENTRIES_MAX + 1, length + 1);

	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < ACL_ENTRIES_MAX; i++)
		memcpy(text + i * length, entry, length + 1);
	ck_assert_int_eq(refused(text), (int)ACL_RAW_MAX);
	memcpy(text + ACL_ENTRIES_MAX * length, entry, length + 1);
	ck_assert_int_eq(refused(text), -EBADMSG);
	free(text);
}
END_TEST

START_TEST(bytes_of_no_known_form_are_refused)
{
	unsigned char raw[ACL_RAW_MAX + 8] = { 0 };
	char text[ACL_TEXT_MAX];
	int size = acl_from_text(raw, FULL);

	ck_assert_int_eq(acl_to_text(text, raw, 0), -EBADMSG);
	ck_assert_int_eq(acl_to_text(text, raw, 4), -EBADMSG); /* nobody in it */
	ck_assert_int_eq(acl_to_text(text, raw, (size_t)size - 1), -EBADMSG);
	ck_assert_int_eq(acl_to_text(text, raw, sizeof(raw)), -EBADMSG);
	raw[4] = 0x40; /* a kind of entry that there is not */
	ck_assert_int_eq(acl_to_text(text, raw, (size_t)size), -EBADMSG);
	raw[0] = 3;
	ck_assert_int_eq(acl_to_text(text, raw, (size_t)size), -EBADMSG);
}
END_TEST

START_TEST(the_longest_text_has_room)
{
	unsigned char raw[ACL_RAW_MAX];
	char text[ACL_TEXT_MAX];

	memset(raw, 0xff, sizeof(raw));
	memcpy(raw, "\2\0\0", 4);
	for (size_t at = 4; at < sizeof(raw); at += 8)
		memcpy(raw + at, "\10\0\7", 4); /* group:4294967295:rwx */
	ck_assert_int_gt(acl_to_text(text, raw, sizeof(raw)), 0);
	ck_assert_uint_lt(strlen(text), sizeof(text));
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("acl");

	tcase_add_test(cases, words_become_bytes_and_words_again);
	tcase_add_test(cases, the_kernel_gets_them_in_its_order);
	tcase_add_test(cases, a_number_behind_a_name_is_what_counts);
	tcase_add_test(cases, what_is_no_list_is_refused);
	tcase_add_test(cases, a_list_may_be_long_but_not_longer);
	tcase_add_test(cases, bytes_of_no_known_form_are_refused);
	tcase_add_test(cases, the_longest_text_has_room);
	return fixture_run(cases, "transfer/acl");
}
