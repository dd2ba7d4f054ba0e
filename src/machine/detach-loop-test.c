#include "machine/detach-loop.h"

#include "base/unit.h"

START_TEST(the_pause_doubles_up_to_half_a_minute)
{
	ck_assert_uint_eq(detach_pause_us(1), 100000);
	ck_assert_uint_eq(detach_pause_us(2), 200000);
	ck_assert_uint_eq(detach_pause_us(9), 25600000);
	ck_assert_uint_eq(detach_pause_us(10), 30000000);
	ck_assert_uint_eq(detach_pause_us(1000000), 30000000);
}
END_TEST

int main(void)
{
	return UNIT_RUN("machine/detach-loop", the_pause_doubles_up_to_half_a_minute);
}
