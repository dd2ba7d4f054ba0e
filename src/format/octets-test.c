#include "format/octets.h"

#include <string.h>

#include "base/unit.h"

START_TEST(numbers_begin_with_their_highest_byte)
{
	static const uint8_t expected[] = { 1, 2, 3, 4, 5, 6, 7, 0, 0, 'x' };
	uint8_t room[10];
	struct octets out = { .data = room, .room = sizeof(room) };

	octets_put8(&out, 1);
	octets_put16(&out, 0x0203);
	octets_put32(&out, 0x04050607);
	octets_put_zeros(&out, 2);
	octets_put(&out, "x", 1);
	ck_assert(!out.full);
	ck_assert_uint_eq(out.used, sizeof(expected));
	ck_assert_mem_eq(room, expected, sizeof(expected));
	ck_assert_uint_eq(octets_get16(room + 1), 0x0203);
	ck_assert_uint_eq(octets_get32(room + 3), 0x04050607);
	ck_assert_uint_eq(octets_get32((const uint8_t *)"\xff\xfe\xfd\xfc"), 0xfffefdfc);
	ck_assert_uint_eq(octets_get64((const uint8_t *)"\xff\xfe\xfd\xfc\0\1\2\3"),
			  0xfffefdfc00010203);
}
END_TEST

START_TEST(what_does_not_fit_is_left_out_with_all_behind_it)
{
	uint8_t room[4] = { 9, 9, 9, 9 };
	struct octets out = { .data = room, .room = 3 };

	octets_put16(&out, 0x0102);
	octets_put16(&out, 0x0304);
	ck_assert(out.full);
	octets_put8(&out, 5);
	ck_assert_uint_eq(out.used, 2);
	ck_assert_uint_eq(room[2], 9);
	octets_put(&out, NULL, 0);
	octets_put_zeros(&out, SIZE_MAX);
	ck_assert_uint_eq(out.used, 2);
}
END_TEST

START_TEST(names_are_labels)
{
	uint8_t room[300];
	struct octets out = { .data = room, .room = sizeof(room) };

	octets_put_name(&out, "web.machine");
	ck_assert(!out.full);
	ck_assert_uint_eq(out.used, 13);
	ck_assert_mem_eq(room, "\3web\7machine\0", 13);
	octets_put_name(&out, "a.");
	ck_assert_uint_eq(out.used, 16);
	ck_assert_mem_eq(room + 13, "\1a\0", 3);
}
END_TEST

START_TEST(what_is_no_name_is_not_written)
{
	char label[65], name[300] = "";
	uint8_t room[400];

	memset(label, 'a', 64);
	label[64] = '\0';
	for (int i = 0; i < 64; i++)
		strncat(name, "abc.", sizeof(name) - strlen(name) - 1);
	for (size_t i = 0; i < 5; i++) {
		const char *bad[] = { "", ".", "a..b", label, name };
		struct octets out = { .data = room, .room = sizeof(room) };

		octets_put_name(&out, bad[i]);
		ck_assert_msg(out.full, "'%s'", bad[i]);
	}
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/octets", numbers_begin_with_their_highest_byte,
			what_does_not_fit_is_left_out_with_all_behind_it, names_are_labels,
			what_is_no_name_is_not_written);
}
