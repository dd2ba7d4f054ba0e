#include "format/digest.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "base/unit.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

START_TEST(both_kinds_are_understood)
{
	struct digest digest;

	ck_assert_int_eq(digest_parse(&digest, "sha256:" EMPTY), 0);
	ck_assert_int_eq(digest.kind, DIGEST_SHA256);
	ck_assert_str_eq(digest.text, "sha256:" EMPTY);
	ck_assert_str_eq(digest_hex(&digest), EMPTY);
	ck_assert_int_eq(digest_parse(&digest, "sha512:" EMPTY EMPTY), 0);
	ck_assert_int_eq(digest.kind, DIGEST_SHA512);
	ck_assert_str_eq(digest_hex(&digest), EMPTY EMPTY);
}
END_TEST

START_TEST(anything_else_is_refused)
{
	static const char *const bad[] = {
		"",
		"sha256",
		"sha256:",
		EMPTY,
		":" EMPTY,
		"sha256:../../x",
		"sha256:" EMPTY "0",
		"sha512:" EMPTY,
		"sha256:" EMPTY EMPTY,
		"SHA256:" EMPTY,
		"md5:d41d8cd98f00b204e9800998ecf8427e",
		"sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709",
		" sha256:" EMPTY,
		"sha256: " EMPTY,
		"sha256:" EMPTY "\n",
		"sha256:E3B0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"sha256:/3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"sha256:g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"sha384:" EMPTY EMPTY,
		"sha256+b64:" EMPTY,
	};
	struct digest digest = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ck_assert_msg(digest_parse(&digest, bad[i]) == -EINVAL, "'%s'", bad[i]);
		ck_assert_str_eq(digest.text, "");
	}
}
END_TEST

START_TEST(one_is_made_of_the_bytes_of_a_hash)
{
	unsigned char bytes[64];
	struct digest digest, parsed;

	memset(bytes, 0xa0, sizeof(bytes));
	ck_assert_int_eq(digest_make(&digest, DIGEST_SHA256, bytes, 64), -EINVAL);
	ck_assert_int_eq(digest_make(&digest, DIGEST_SHA512, bytes, 64), 0);
	ck_assert_int_eq(digest_parse(&parsed, digest.text), 0);
	ck_assert(digest_equal(&digest, &parsed));
	ck_assert_int_eq(digest_make(&digest, DIGEST_SHA256, bytes, 32), 0);
	ck_assert_uint_eq(strlen(digest_hex(&digest)), 64);
	ck_assert_ptr_eq(strstr(digest_hex(&digest), "a0a0"), digest_hex(&digest));
	ck_assert(!digest_equal(&digest, &parsed));
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/digest", both_kinds_are_understood, anything_else_is_refused,
			one_is_made_of_the_bytes_of_a_hash);
}
