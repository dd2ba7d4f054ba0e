#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/unit.h"
#include "format/property.h"

static struct arena arena;

static struct property parse(const char *text)
{
	struct property property;

	ck_assert_msg(property_parse(&arena, &property, text) == 0, "%s", text);
	return property;
}

START_TEST(numbers_have_the_units_of_their_property)
{
	static const struct {
		const char *text;
		enum property_kind kind;
		uint64_t number;
	} cases[] = {
		{ "MemoryMax=1G", PROPERTY_MEMORY, UINT64_C(1) << 30 },
		{ "MemoryHigh=1.5K", PROPERTY_MEMORY, 1536 },
		{ "MemorySwapMax=0", PROPERTY_MEMORY, 0 },
		{ "MemoryMin=infinity", PROPERTY_MEMORY, PROPERTY_INFINITY },
		{ "TasksMax=100", PROPERTY_TASKS, 100 },
		{ "TasksMax=infinity", PROPERTY_TASKS, PROPERTY_INFINITY },
		{ "CPUQuota=20%", PROPERTY_QUOTA, 200000 },
		{ "CPUQuota=250%", PROPERTY_QUOTA, 2500000 },
		{ "CPUQuota=0.5%", PROPERTY_QUOTA, 5000 },
		{ "CPUQuotaPeriodSec=10ms", PROPERTY_SPAN, 10000 },
		{ "TimeoutStopSec=2min", PROPERTY_SPAN, 120000000 },
		{ "CPUWeight=10000", PROPERTY_WEIGHT, 10000 },
		{ "CPUWeight=idle", PROPERTY_WEIGHT, 0 },
		{ "IOWeight=1", PROPERTY_WEIGHT, 1 },
		{ "IOReadBandwidthMax=/dev/vda 5M", PROPERTY_RATE, 5000000 },
		{ "IOWriteIOPSMax=/ 1K", PROPERTY_RATE, 1000 },
		{ "IOWriteBandwidthMax=/ infinity", PROPERTY_RATE, PROPERTY_INFINITY },
		{ "IODeviceWeight=/dev/vda 50", PROPERTY_IO_WEIGHT, 50 },
		{ "Delegate=yes", PROPERTY_FLAG, 1 },
		{ "KillSignal=TERM", PROPERTY_SIGNAL, 15 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct property property = parse(cases[i].text);

		ck_assert_int_eq(property.kind, cases[i].kind);
		ck_assert_msg(property.number == cases[i].number, "%s: %llu", cases[i].text,
			      (unsigned long long)property.number);
		ck_assert(!property.relative && !property.reset);
	}
}
END_TEST

START_TEST(a_percentage_stays_one)
{
	struct property property = parse("MemoryMax=50%");

	ck_assert(property.relative);
	ck_assert_uint_eq(property.number, 50 * PROPERTY_PERCENT);
	property = parse("TasksMax=12.34%");
	ck_assert(property.relative);
	ck_assert_uint_eq(property.number, 1234);
}
END_TEST

START_TEST(sets_are_bits)
{
	struct property property = parse("AllowedCPUs=0-2,9 11");

	ck_assert_uint_eq(property.bits_size, 2);
	ck_assert_uint_eq(property.bits[0], 0x07);
	ck_assert_uint_eq(property.bits[1], 0x0a);
	property = parse("AllowedMemoryNodes=8191");
	ck_assert_uint_eq(property.bits_size, PROPERTY_CPUS_MAX / 8);
}
END_TEST

START_TEST(devices_have_a_path_and_what_is_allowed)
{
	struct property property = parse("DeviceAllow=char-pts rw");

	ck_assert_str_eq(property.path, "char-pts");
	ck_assert_str_eq(property.text, "rw");
	ck_assert_str_eq(parse("DeviceAllow=/dev/null").text, "rwm");
	ck_assert_str_eq(parse("IOReadIOPSMax=/dev/vda 5").path, "/dev/vda");
}
END_TEST

START_TEST(an_empty_value_goes_back_to_the_default)
{
	static const char *const names[] = { "MemoryMax=", "CPUQuota=", "AllowedCPUs=",
					     "DeviceAllow=", "IOReadBandwidthMax=" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct property property = parse(names[i]);

		ck_assert(property.reset);
		ck_assert(property.number == PROPERTY_INFINITY);
		ck_assert_ptr_null(property.path);
	}
}
END_TEST

START_TEST(what_is_no_value_is_refused)
{
	static const char *const texts[] = {
		"",
		"MemoryMax",
		"=1",
		"MemoryMax=x",
		"MemoryMax=-1",
		"MemoryMax=101%",
		"MemoryMax=5%%",
		"MemoryMax=%",
		"MemoryMax=1.234%",
		"TasksMax=0",
		"TasksMax=1K",
		"CPUQuota=20",
		"CPUQuota=0%",
		"CPUQuota=99999999999999999999%",
		"CPUWeight=0",
		"CPUWeight=10001",
		"IOWeight=idle",
		"AllowedCPUs=3-1",
		"AllowedCPUs=8192",
		"AllowedCPUs=,",
		"AllowedCPUs=1-",
		"IOReadBandwidthMax=/dev/vda",
		"IOReadBandwidthMax=vda 1",
		"IOReadBandwidthMax=/ 0",
		"IOReadBandwidthMax=/ 99999999999999999P",
		"DeviceAllow=/dev/null x",
		"DeviceAllow=null rw",
		"DeviceAllow=/dev/null rw m",
		"Delegate=perhaps",
		"Delegate=",
		"KillSignal=",
		"KillSignal=NOPE",
	};
	struct property property = { .number = 7 };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		ck_assert_msg(property_parse(&arena, &property, texts[i]) == -EINVAL, "%s",
			      texts[i]);
	ck_assert_uint_eq(property.number, 7);
}
END_TEST

START_TEST(unknown_names_are_told_apart)
{
	struct property property;
	char text[PROPERTY_LENGTH_MAX + 2];

	ck_assert_int_eq(property_parse(&arena, &property, "Memory=1"), -ENOENT);
	ck_assert_int_eq(property_parse(&arena, &property, "memorymax=1"), -ENOENT);
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	text[1] = '=';
	ck_assert_int_eq(property_parse(&arena, &property, text), -EINVAL);
}
END_TEST

int main(void)
{
	int failed = UNIT_RUN("format/property", numbers_have_the_units_of_their_property,
			      a_percentage_stays_one, sets_are_bits,
			      devices_have_a_path_and_what_is_allowed,
			      an_empty_value_goes_back_to_the_default, what_is_no_value_is_refused,
			      unknown_names_are_told_apart);

	arena_done(&arena);
	return failed;
}
