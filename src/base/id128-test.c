#include "base/id128.h"
#include "base/parse.h"
#include "base/unit.h"

static const uint8_t id[16] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
				0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10 };

START_TEST(both_forms_are_lower_case)
{
	char hex[ID128_HEX_ROOM], uuid[ID128_UUID_ROOM];

	id128_hex(hex, id);
	id128_uuid(uuid, id);
	ck_assert_str_eq(hex, "0123456789abcdeffedcba9876543210");
	ck_assert_str_eq(uuid, "01234567-89ab-cdef-fedc-ba9876543210");
}
END_TEST

START_TEST(what_was_written_can_be_read)
{
	char uuid[ID128_UUID_ROOM];
	uint8_t again[16];

	id128_uuid(uuid, id);
	ck_assert_int_eq(parse_id128(again, uuid), 0);
	ck_assert_mem_eq(again, id, 16);
}
END_TEST

START_TEST(only_zeros_are_null)
{
	uint8_t zeros[16] = {};

	ck_assert(id128_is_null(zeros));
	zeros[15] = 1;
	ck_assert(!id128_is_null(zeros));
}
END_TEST

int main(void)
{
	return UNIT_RUN("base/id128", both_forms_are_lower_case, what_was_written_can_be_read,
			only_zeros_are_null);
}
