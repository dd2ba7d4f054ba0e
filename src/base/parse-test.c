#include <errno.h>
#include <signal.h>

#include "base/macros.h"
#include "base/parse.h"
#include "base/unit.h"

START_TEST(booleans_have_six_words_each)
{
	static const char *const yes[] = { "1", "yes", "Y", "TRUE", "t", "On" };
	static const char *const no[] = { "0", "no", "N", "false", "F", "oFf" };
	static const char *const bad[] = { "", "2", "ye", "yes ", " yes", "-1", "01" };
	bool value;

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		value = false;
		ck_assert_int_eq(parse_bool(&value, yes[i]), 0);
		ck_assert(value);
		ck_assert_int_eq(parse_bool(&value, no[i]), 0);
		ck_assert(!value);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_int_eq(parse_bool(&value, bad[i]), -EINVAL);
}
END_TEST

START_TEST(unsigned_numbers_do_not_wrap)
{
	static const char *const malformed[] = { "",   " 1",  "1 ",
						 "+1", "-1",  "0x1",
						 "1a", "1.0", "99999999999999999999x" };
	uint64_t wide = 7;
	uint32_t number = 7;

	for (size_t i = 0; i < ARRAY_SIZE(malformed); i++) {
		ck_assert_int_eq(parse_u32(&number, malformed[i]), -EINVAL);
		ck_assert_int_eq(parse_u64(&wide, malformed[i]), -EINVAL);
	}
	ck_assert_int_eq(parse_u32(&number, "4294967296"), -ERANGE);
	ck_assert_int_eq(parse_u64(&wide, "18446744073709551616"), -ERANGE);
	ck_assert_uint_eq(number, 7);
	ck_assert_uint_eq(wide, 7);
	ck_assert_int_eq(parse_u32(&number, "4294967295"), 0);
	ck_assert_uint_eq(number, UINT32_MAX);
	ck_assert_int_eq(parse_u64(&wide, "18446744073709551615"), 0);
	ck_assert_uint_eq(wide, UINT64_MAX);
	ck_assert_int_eq(parse_u32(&number, "007"), 0);
	ck_assert_uint_eq(number, 7);
}
END_TEST

START_TEST(signed_numbers_have_their_whole_range)
{
	int32_t number = 7;

	ck_assert_int_eq(parse_i32(&number, "-2147483648"), 0);
	ck_assert_int_eq(number, INT32_MIN);
	ck_assert_int_eq(parse_i32(&number, "2147483647"), 0);
	ck_assert_int_eq(number, INT32_MAX);
	ck_assert_int_eq(parse_i32(&number, "+5"), 0);
	ck_assert_int_eq(number, 5);
	ck_assert_int_eq(parse_i32(&number, "2147483648"), -ERANGE);
	ck_assert_int_eq(parse_i32(&number, "-2147483649"), -ERANGE);
	ck_assert_int_eq(parse_i32(&number, "--5"), -EINVAL);
	ck_assert_int_eq(parse_i32(&number, "-"), -EINVAL);
	ck_assert_int_eq(number, 5);
}
END_TEST

START_TEST(ids_are_never_special_values)
{
	static const char *const malformed[] = { "", "-1", "+0", "0x0", "00", "010", "root", "1 " };
	static const char *const out[] = { "65535", "4294967295", "4294967296",
					   "18446744073709551616" };
	uint32_t id = 7;

	for (size_t i = 0; i < ARRAY_SIZE(malformed); i++)
		ck_assert_int_eq(parse_id(&id, malformed[i]), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(out); i++)
		ck_assert_int_eq(parse_id(&id, out[i]), -ERANGE);
	ck_assert_uint_eq(id, 7);
	ck_assert_int_eq(parse_id(&id, "0"), 0);
	ck_assert_uint_eq(id, 0);
	ck_assert_int_eq(parse_id(&id, "4294967294"), 0);
	ck_assert_uint_eq(id, 4294967294);
}
END_TEST

START_TEST(sizes_have_units_and_fractions)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "4096", 4096 },
		{ "10B", 10 },
		{ "1K", 1024 },
		{ "1.5K", 1536 },
		{ "0.5G", 536870912 },
		{ "2M", 2097152 },
		{ "15E", UINT64_C(15) << 60 },
		{ "1.9", 1 },
		{ "0.25P", UINT64_C(1) << 48 },
		{ "1T", UINT64_C(1) << 40 },
	};
	static const char *const bad[] = { "",	 "K",	"1k",  "1KB",	"1 K",
					   "-1", ".5K", "1.K", "1.5.5", "1X" };
	uint64_t bytes = 7;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		ck_assert_int_eq(parse_size(&bytes, good[i].text), 0);
		ck_assert_uint_eq(bytes, good[i].bytes);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(parse_size(&bytes, bad[i]) == -EINVAL, "%s", bad[i]);
	ck_assert_int_eq(parse_size(&bytes, "16E"), -ERANGE);
	ck_assert_int_eq(parse_size(&bytes, "18446744073709551616"), -ERANGE);
}
END_TEST

START_TEST(times_add_up)
{
	static const struct {
		const char *text;
		uint64_t us;
	} good[] = {
		{ "3", 3000000 },
		{ "5min 20s", 320000000 },
		{ "5min20s", 320000000 },
		{ "1.5s", 1500000 },
		{ "10ms", 10000 },
		{ "7us", 7 },
		{ "2 h", UINT64_C(7200000000) },
		{ "1M", UINT64_C(2629800000000) },
		{ "1y 1d", UINT64_C(31644000000000) },
		{ "infinity", UINT64_MAX },
		{ "0", 0 },
		{ "50 ms", 50000 },
	};
	static const char *const bad[] = { "",	 " 3",	"s",	 "3 parsecs",
					   "-3", "3s-", "min 3", "Infinity" };
	uint64_t us = 7;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		ck_assert_msg(parse_seconds_us(&us, good[i].text, 1000000) == 0, "%zu", i);
		ck_assert_uint_eq(us, good[i].us);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(parse_seconds_us(&us, bad[i], 1000000) == -EINVAL, "%s", bad[i]);
	ck_assert_int_eq(parse_seconds_us(&us, "5", 1), 0);
	ck_assert_uint_eq(us, 5);
	ck_assert_int_eq(parse_seconds_us(&us, "999999999999y", 1), -ERANGE);
	ck_assert_int_eq(parse_seconds_us(&us, "584554y 584554y", 1), -ERANGE);
}
END_TEST

START_TEST(modes_are_octal)
{
	uint32_t mode = 7;

	ck_assert_int_eq(parse_mode(&mode, "0755"), 0);
	ck_assert_uint_eq(mode, 0755);
	ck_assert_int_eq(parse_mode(&mode, "7777"), 0);
	ck_assert_int_eq(parse_mode(&mode, "10000"), -ERANGE);
	ck_assert_int_eq(parse_mode(&mode, "8"), -EINVAL);
	ck_assert_int_eq(parse_mode(&mode, "0x1"), -EINVAL);
	ck_assert_int_eq(parse_mode(&mode, ""), -EINVAL);
}
END_TEST

START_TEST(identities_have_two_forms)
{
	static const char *const bad[] = { "",
					   "0",
					   "00000000000000000000000000000000",
					   "0123456789abcdef0123456789abcde",
					   "0123456789abcdef0123456789abcdefa",
					   "0123456789abcdef0123456789abcdeg",
					   "01234567-89ab-cdef-0123-456789abcde",
					   "012345678-9ab-cdef-0123-456789abcdef",
					   "01234567-89ab-cdef-0123-456789abcdef0" };
	uint8_t id[16] = {}, same[16] = {};

	ck_assert_int_eq(parse_id128(id, "0123456789ABCDEF0123456789abcdef"), 0);
	ck_assert_int_eq(parse_id128(same, "01234567-89ab-cdef-0123-456789abcdef"), 0);
	ck_assert_mem_eq(id, same, 16);
	ck_assert_uint_eq(id[0], 0x01);
	ck_assert_uint_eq(id[7], 0xef);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(parse_id128(id, bad[i]) == -EINVAL, "%s", bad[i]);
	ck_assert_mem_eq(id, same, 16);
}
END_TEST

START_TEST(signals_have_names_and_numbers)
{
	static const struct {
		const char *text;
		int number;
	} good[] = { { "SIGTERM", SIGTERM }, { "TERM", SIGTERM }, { "15", 15 }, { "HUP", SIGHUP } };
	static const char *const bad[] = { "",	      "term", "SIG", "SIGSIGTERM", "RTMIN-1",
					   "RTMAX+1", "-9",   "9x",  "RTMIN+",	   "RTMINX" };
	int number = 7;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		ck_assert_int_eq(parse_signal(&number, good[i].text), 0);
		ck_assert_int_eq(number, good[i].number);
	}
	ck_assert_int_eq(parse_signal(&number, "SIGRTMIN+3"), 0);
	ck_assert_int_eq(number, SIGRTMIN + 3);
	ck_assert_int_eq(parse_signal(&number, "RTMAX-1"), 0);
	ck_assert_int_eq(number, SIGRTMAX - 1);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(parse_signal(&number, bad[i]) == -EINVAL, "%s", bad[i]);
	ck_assert_int_eq(parse_signal(&number, "0"), -ERANGE);
	ck_assert_int_eq(parse_signal(&number, "65"), -ERANGE);
	ck_assert_int_eq(parse_signal(&number, "RTMIN+99"), -ERANGE);
	ck_assert_int_eq(parse_signal(&number, "RTMIN+4294967296"), -ERANGE);
}
END_TEST

START_TEST(each_signal_name_can_be_read_again)
{
	for (int number = -2; number < 70; number++) {
		const char *name = parse_signal_name(number);
		int again = 0;

		if (name == NULL) {
			ck_assert(number < 1 || number > SIGRTMAX ||
				  (number > 31 && number < SIGRTMIN));
			continue;
		}
		ck_assert_int_eq(parse_signal(&again, name), 0);
		ck_assert_int_eq(again, number);
	}
	ck_assert_str_eq(parse_signal_name(SIGTERM), "SIGTERM");
	ck_assert_str_eq(parse_signal_name(SIGRTMIN + 3), "RTMIN+3");
}
END_TEST

START_TEST(ports_begin_at_one)
{
	uint16_t port = 7;

	ck_assert_int_eq(parse_port(&port, "65535"), 0);
	ck_assert_uint_eq(port, 65535);
	ck_assert_int_eq(parse_port(&port, "0"), -ERANGE);
	ck_assert_int_eq(parse_port(&port, "65536"), -ERANGE);
	ck_assert_int_eq(parse_port(&port, "http"), -EINVAL);
}
END_TEST

int main(void)
{
	return UNIT_RUN("base/parse", booleans_have_six_words_each, unsigned_numbers_do_not_wrap,
			signed_numbers_have_their_whole_range, ids_are_never_special_values,
			sizes_have_units_and_fractions, times_add_up, modes_are_octal,
			identities_have_two_forms, signals_have_names_and_numbers,
			each_signal_name_can_be_read_again, ports_begin_at_one);
}
