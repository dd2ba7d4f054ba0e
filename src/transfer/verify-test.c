/* Sums and signatures, of keys that nobody has any more. */
#include "transfer/verify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/unit.h"
#include "transfer/verify-inside.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define LIST A "  file\n"

#define CK_INVALID(call, word)                                                                   \
	do {                                                                                     \
		ck_assert_int_eq((call), -EBADMSG);                                              \
		ck_assert_msg(strstr(fail_recorded()->text, "DOWNLOAD INVALID: "), "%s",         \
			      fail_recorded()->text);                                            \
		ck_assert_msg(strstr(fail_recorded()->text, word), "%s", fail_recorded()->text); \
	} while (0)

START_TEST(modes_are_words_or_a_sum)
{
	struct verify verify;

	ck_assert_int_eq(verify_parse(&verify, "signature"), 0);
	ck_assert_int_eq(verify.mode, VERIFY_SIGNATURE);
	ck_assert_int_eq(verify_parse(&verify, "checksum"), 0);
	ck_assert_int_eq(verify.mode, VERIFY_CHECKSUM);
	ck_assert_int_eq(verify_parse(&verify, "no"), 0);
	ck_assert_int_eq(verify.mode, VERIFY_NO);
	ck_assert_int_eq(verify_parse(&verify, A), 0);
	ck_assert_int_eq(verify.mode, VERIFY_SUM);
	ck_assert_str_eq(verify.sum, A);
	ck_assert_int_eq(verify_parse(&verify, "sum"), -EINVAL);
	ck_assert_int_eq(verify_parse(&verify, "yes"), -EINVAL);
	ck_assert_int_eq(verify_parse(&verify, ""), -EINVAL);
	ck_assert_int_eq(verify_parse(&verify, A "a"), -EINVAL);
}
END_TEST

START_TEST(a_sum_must_be_in_the_list_and_the_same)
{
	ck_assert_int_eq(verify_sum(LIST, strlen(LIST), "SHA256SUMS", "file", A), 0);
	CK_INVALID(verify_sum(LIST, strlen(LIST), "SHA256SUMS", "file", B), "says " A);
	CK_INVALID(verify_sum(LIST, strlen(LIST), "SHA256SUMS", "other", A), "no sum of 'other'");
	CK_INVALID(verify_sum(LIST B " file\n", strlen(LIST) + 70, "SHA256SUMS", "file", A),
		   "two different sums");
}
END_TEST

/* ---- what gpgv says ---- */

START_TEST(who_signed_is_read)
{
	struct verified verified;

	ck_assert_int_eq(verify_read_status(&verified,
					    "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 0123 A B <a@b>\n"
					    "[GNUPG:] VALIDSIG 4567 2026-01-01 1 0\n"),
			 0);
	ck_assert_uint_eq(verified.signer_count, 1);
	ck_assert_str_eq(verified.signers[0].key, "4567");
	ck_assert_str_eq(verified.signers[0].user, "A B <a@b>");
}
END_TEST

START_TEST(only_a_good_signature_of_a_valid_key_counts)
{
	static const char *const bad[] = {
		"",
		"[GNUPG:] NEWSIG\n",
		"[GNUPG:] NEWSIG\n[GNUPG:] EXPKEYSIG 0123 A\n[GNUPG:] VALIDSIG 4567 x\n",
		"[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG 0123\n[GNUPG:] NO_PUBKEY 0123\n",
		"[GNUPG:] GOODSIG 0123 A\n",
		"[GNUPG:] GOODSIG 0123 A\n[GNUPG:] VALIDSIG 4567 x\n[GNUPG:] BADSIG 0 B\n",
		"[GNUPG:] GOODSIG 0123 A\n[GNUPG:] NEWSIG\n[GNUPG:] VALIDSIG 4567 x\n",
		"GOODSIG 0123 A\nVALIDSIG 4567 x\n",
	};
	struct verified verified;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(verify_read_status(&verified, bad[i]) == -EBADMSG, "%s", bad[i]);
}
END_TEST

/* ---- gpgv itself ---- */

static const char publisher[] = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
				"\n"
				"mDMEawuSWhYJKwYBBAHaRw8BAQdAuvQNA8+orU/Vu48iHkLxVzMIuNmxyjzpak04\n"
				"0GZckFi0IVB1Ymxpc2hlciA8cHVibGlzaGVyQGV4YW1wbGUub3JnPoiQBBMWCAA4\n"
				"FiEEeDzW7u8Wb62evvM0wc3iQubcRugFAmsLkloCGwMFCwkIBwIGFQoJCAsCBBYC\n"
				"AwECHgECF4AACgkQwc3iQubcRui/LQEAvFoWYjbpRo3orM3zBD1+znGBP5dQTD3Q\n"
				"/ohIxMSsuscBANKZjotPvwASX3lU0f7xxuFH3OiVY/SyD0ZLJGcviTMK\n"
				"=Alg6\n"
				"-----END PGP PUBLIC KEY BLOCK-----\n";

static const char other[] = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
			    "\n"
			    "mDMEawuSWxYJKwYBBAHaRw8BAQdA3TGMRJDn4Gft1A/B5ytrPQzaXLgV8rcU9MwB\n"
			    "QzGz8lW0GU90aGVyIDxvdGhlckBleGFtcGxlLm9yZz6IkAQTFggAOBYhBGa/5n26\n"
			    "+JIZFtuDOpaOm5zlPubFBQJrC5JbAhsDBQsJCAcCBhUKCQgLAgQWAgMBAh4BAheA\n"
			    "AAoJEJaOm5zlPubFcQAA/0klzZQSXma1i7Aza3V9ORxllFQNPL9WabEl9p+PIAzD\n"
			    "AQCs0wrZOWpjReOqehL4Gx4CONvDQXNO4Ikybw6i2cNKDw==\n"
			    "=sJ1E\n"
			    "-----END PGP PUBLIC KEY BLOCK-----\n";

static const char signature[] = "-----BEGIN PGP SIGNATURE-----\n"
				"\n"
				"iIwEABYIADQWIQR4PNbu7xZvrZ6+8zTBzeJC5txG6AUCawuSWxYccHVibGlzaGVy\n"
				"QGV4YW1wbGUub3JnAAoJEMHN4kLm3EboJxMBAKnj2srLlSZsY8SIXVj5UJrBTNwj\n"
				"ZrTB2ykj/g2wlkYYAQCiTsNrnIBokxgT2j0V6lGrdTYiUx0GY1A17HIlK9u6BQ==\n"
				"=r8mX\n"
				"-----END PGP SIGNATURE-----\n";

static const char in_one[] =
	"-----BEGIN PGP SIGNED MESSAGE-----\n"
	"Hash: SHA256\n"
	"\n"
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  file\n"
	"-----BEGIN PGP SIGNATURE-----\n"
	"\n"
	"iIwEARYIADQWIQR4PNbu7xZvrZ6+8zTBzeJC5txG6AUCawuSWxYccHVibGlzaGVy\n"
	"QGV4YW1wbGUub3JnAAoJEMHN4kLm3Ebo2FYA/0jhDj5KuppN4lZRb3L/3G5JtXSS\n"
	"9SldIAIhrfaaNS2dAP9lXsXiw6e4WzIgGWHr1F5pZL+r299q9R/gQ4QrI6brDg==\n"
	"=vuvl\n"
	"-----END PGP SIGNATURE-----\n";

static const struct verify_keyrings keyrings = {
	.items = { { "publisher", publisher, sizeof(publisher) - 1 } },
	.count = 1,
};

static int check(struct arena *arena, struct verified *ret, const struct verify_keyrings *by,
		 const char *text, const char *with)
{
	fail_forget();
	return verify_signature(arena, ret, by, "list", text, strlen(text), with,
				with == NULL ? 0 : strlen(with));
}

#define CK_GOOD(call)                                                        \
	do {                                                                 \
		int r_ = (call);                                             \
		ck_assert_msg(r_ == 0, "%d: %s", r_, fail_recorded()->text); \
	} while (0)

START_TEST(a_list_with_a_signature_beside_it)
{
	autoarena struct arena arena = { 0 };
	struct verified verified;

	CK_GOOD(check(&arena, &verified, &keyrings, LIST, signature));
	ck_assert_uint_eq(verified.signer_count, 1);
	ck_assert_uint_eq(strlen(verified.signers[0].key), 40);
	ck_assert_str_eq(verified.signers[0].user, "Publisher <publisher@example.org>");
	ck_assert_str_eq(verified.text, LIST);
	CK_INVALID(check(&arena, &verified, &keyrings, LIST LIST, signature), "was changed");
	CK_INVALID(check(&arena, &verified, &keyrings, LIST, "nothing"), "no signature");
}
END_TEST

START_TEST(a_list_that_is_signed_in_one_piece)
{
	autoarena struct arena arena = { 0 };
	char *more = arena_format(&arena, B "  file\n%s" B "  file\n", in_one), *changed;
	struct verified verified;

	ck_assert(verify_is_inline(in_one, strlen(in_one)));
	ck_assert(!verify_is_inline(more, strlen(more)));
	CK_GOOD(check(&arena, &verified, &keyrings, in_one, NULL));
	ck_assert_uint_eq(verified.size, strlen(LIST));
	ck_assert_mem_eq(verified.text, LIST, verified.size);
	changed = arena_text(&arena, in_one);
	strchr(changed, 'a')[0] = 'x'; /* of the head */
	memcpy(strstr(changed, "aaaa"), "bbbb", 4);
	ck_assert_int_lt(check(&arena, &verified, &keyrings, changed, NULL), 0);
	/* What stands around it is not signed, and not taken. */
	if (check(&arena, &verified, &keyrings, more, NULL) == 0)
		ck_assert_int_eq(verify_sum(verified.text, verified.size, "list", "file", A), 0);
}
END_TEST

START_TEST(a_key_that_is_not_in_the_keyring_is_nobodys)
{
	autoarena struct arena arena = { 0 };
	struct verify_keyrings others = {
		.items = { { "other", other, sizeof(other) - 1 } },
		.count = 1,
	};
	struct verified verified;

	CK_INVALID(check(&arena, &verified, &others, LIST, signature), "not in the keyring");
	others.items[1] = keyrings.items[0];
	others.count = 2;
	CK_GOOD(check(&arena, &verified, &others, LIST, signature));
}
END_TEST

START_TEST(keyrings_are_the_environments_or_the_hosts)
{
	autoarena struct arena arena = { 0 };
	const char *const environment[] = { "SYSTEMD_OPENPGP_KEYRING=/nowhere/keyring", NULL };
	struct verify_keyrings found;

	ck_assert_int_eq(verify_read_keyrings(&arena, &found, environment), -ENOKEY);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "/nowhere/keyring"));
}
END_TEST

int main(void)
{
	return UNIT_RUN("transfer/verify", modes_are_words_or_a_sum,
			a_sum_must_be_in_the_list_and_the_same, who_signed_is_read,
			only_a_good_signature_of_a_valid_key_counts,
			a_list_with_a_signature_beside_it, a_list_that_is_signed_in_one_piece,
			a_key_that_is_not_in_the_keyring_is_nobodys,
			keyrings_are_the_environments_or_the_hosts);
}
