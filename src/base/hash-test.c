#include <string.h>

#include "base/hash.h"
#include "base/unit.h"

/* The paper's appendix: key 00 01 … 0f, message 00 01 … 0e. */
START_TEST(the_papers_vector_holds)
{
	uint8_t key[16], message[15];

	for (uint8_t i = 0; i < 16; i++)
		key[i] = i;
	for (uint8_t i = 0; i < 15; i++)
		message[i] = i;
	ck_assert_uint_eq(hash_siphash24(message, 15, key), UINT64_C(0xa129ca6149be45e5));
}
END_TEST

/* The same key with no bytes, one byte 00, and 00 … 07. */
START_TEST(short_messages_have_their_known_values)
{
	uint8_t key[16], message[8];

	for (uint8_t i = 0; i < 16; i++)
		key[i] = i;
	for (uint8_t i = 0; i < 8; i++)
		message[i] = i;
	ck_assert_uint_eq(hash_siphash24(NULL, 0, key), UINT64_C(0x726fdb47dd0e0e31));
	ck_assert_uint_eq(hash_siphash24(message, 1, key), UINT64_C(0x74f839c593dc67fd));
	ck_assert_uint_eq(hash_siphash24(message, 8, key), UINT64_C(0x93f5f5799a932462));
}
END_TEST

START_TEST(alignment_does_not_matter)
{
	static const uint8_t key[16] = "0123456789abcdef";
	char buffer[64];
	uint64_t expected = hash_siphash24("a name of some length", 21, key);

	for (size_t shift = 0; shift < 8; shift++) {
		memcpy(buffer + shift, "a name of some length", 21);
		ck_assert_uint_eq(hash_siphash24(buffer + shift, 21, key), expected);
	}
}
END_TEST

int main(void)
{
	return UNIT_RUN("base/hash", the_papers_vector_holds,
			short_messages_have_their_known_values, alignment_does_not_matter);
}
