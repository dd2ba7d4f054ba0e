#include <signal.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/unit.h"
#include "machine/find.h"
#include "machine/usage.h"

START_TEST(io_is_summed_over_devices)
{
	static const char text[] = "8:0 rbytes=100 wbytes=5 rios=1 wios=1 dbytes=7 dios=0\n"
				   "252:0 rbytes=23 wbytes=6 rios=9 wios=1 dbytes=0 dios=0";

	ck_assert_uint_eq(usage_sum_io(text, "rbytes"), 123);
	ck_assert_uint_eq(usage_sum_io(text, "wbytes"), 11);
	ck_assert_uint_eq(usage_sum_io(text, "bytes"), 0);
	ck_assert_uint_eq(usage_sum_io("", "rbytes"), 0);
}
END_TEST

START_TEST(network_is_summed_without_the_loopback)
{
	static const char text[] =
		"Inter-|   Receive                                                |  Transmit\n"
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes\n"
		"    lo: 1000 1 0 0 0 0 0 0 1000 1 0 0 0 0 0 0\n"
		" host0: 20 1 0 0 0 0 0 0 3 1 0 0 0 0 0 0\n"
		"lo2:5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0";
	uint64_t received = 1, sent = 1;

	ck_assert(usage_sum_network(&received, &sent, text));
	ck_assert_uint_eq(received, 25);
	ck_assert_uint_eq(sent, 9);
	ck_assert(!usage_sum_network(&received, &sent, "no: such\nform"));
	ck_assert_uint_eq(received, 25);
}
END_TEST

START_TEST(pressure_has_a_total)
{
	ck_assert_uint_eq(usage_pressure_total("some avg10=0.00 avg60=0.00 avg300=0.00 total=42\n"
					       "full avg10=0.00 total=7"),
			  42);
	ck_assert_uint_eq(usage_pressure_total("full total=7"), USAGE_UNKNOWN);
	ck_assert_uint_eq(usage_pressure_total(""), USAGE_UNKNOWN);
}
END_TEST

START_TEST(without_a_cgroup_the_processes_are_summed)
{
	struct machine machine = { .name = "x", .leader = getpid(), .root = "" };
	autoarena struct arena arena = { 0 };
	struct usage usage;
	int ready[2];
	pid_t child;
	char byte;

	ck_assert_int_eq(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		ck_assert_int_eq(write(ready[1], "", 1), 1);
		pause();
		_exit(0);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	usage_read(&arena, &usage, &machine);
	ck_assert_uint_eq(usage.tasks, 2);
	ck_assert_uint_gt(usage.memory, 4096);
	ck_assert_uint_ne(usage.cpu_us, USAGE_UNKNOWN);
	ck_assert_uint_eq(usage.swap, USAGE_UNKNOWN);
	ck_assert_uint_eq(usage.received, USAGE_UNKNOWN);
	ck_assert(!usage.paused);
	kill(child, SIGKILL);
}
END_TEST

int main(void)
{
	return UNIT_RUN("machine/usage", io_is_summed_over_devices,
			network_is_summed_without_the_loopback, pressure_has_a_total,
			without_a_cgroup_the_processes_are_summed);
}
