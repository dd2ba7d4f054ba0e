#include <errno.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "base/unit.h"
#include "io/file.h"
#include "io/scratch.h"
#include "machine/limits.h"

static struct arena arena;

static struct text_list words(const char *const *properties)
{
	struct text_list list = { 0 };

	for (; *properties != NULL; properties++)
		text_list_add(&arena, &list, arena_text(&arena, *properties));
	return list;
}

/* "FILE=TEXT " for each. */
static const char *shown(const char *const *properties)
{
	struct text_list list = words(properties);
	struct limits limits;
	const char *text = "";

	ck_assert_msg(limits_read(&arena, &limits, &list) == 0, "%s", fail_recorded()->text);
	for (size_t i = 0; i < limits.count; i++)
		text = arena_format(&arena, "%s%s=%s ", text, limits.items[i].file,
				    limits.items[i].text);
	return text;
}

#define SHOWN(...) shown((const char *const[]){ __VA_ARGS__, NULL })

static void check_refused(const char *property, const char *why)
{
	struct text_list list = words((const char *const[]){ property, NULL });
	struct limits limits;

	ck_assert_msg(limits_read(&arena, &limits, &list) < 0, "%s", property);
	ck_assert_msg(strstr(fail_recorded()->text, why) != NULL, "%s", fail_recorded()->text);
}

START_TEST(properties_become_files)
{
	ck_assert_str_eq(SHOWN("MemoryMax=1G", "MemoryHigh=infinity", "MemoryLow="),
			 "memory.max=1073741824 memory.high=max memory.low=0 ");
	ck_assert_str_eq(SHOWN("MemorySwapMax=0", "TasksMax=10", "TasksMax=infinity"),
			 "memory.swap.max=0 pids.max=10 pids.max=max ");
	ck_assert_str_eq(SHOWN("CPUWeight=50"), "cpu.idle=0 cpu.weight=50 ");
	ck_assert_str_eq(SHOWN("CPUWeight=idle"), "cpu.idle=1 ");
	ck_assert_str_eq(SHOWN("IOWeight=200"), "io.weight=default 200 ");
	ck_assert_str_eq(SHOWN("AllowedCPUs=0-2,5 7"), "cpuset.cpus=0-2,5-5,7-7 ");
	ck_assert_str_eq(SHOWN("AllowedCPUs="), "cpuset.cpus=\n ");
	ck_assert_str_eq(SHOWN("MemoryAccounting=yes", "Delegate=yes"), "");
}
END_TEST

START_TEST(a_quota_has_a_period)
{
	ck_assert_str_eq(SHOWN("CPUQuota=150%"), "cpu.max=150000 100000 ");
	ck_assert_str_eq(SHOWN("CPUQuota=20%", "CPUQuotaPeriodSec=10ms"), "cpu.max=2000 10000 ");
	ck_assert_str_eq(SHOWN("CPUQuotaPeriodSec=10ms", "CPUQuota=20%"), "cpu.max=2000 10000 ");
	ck_assert_str_eq(SHOWN("CPUQuota="), "cpu.max=max 100000 ");
	/* the kernel's least is a millisecond */
	ck_assert_str_eq(SHOWN("CPUQuota=0.5%"), "cpu.max=1000 200000 ");
	check_refused("CPUQuota=0.05%", "0.1%");
	check_refused("CPUQuotaPeriodSec=10ms", "CPUQuota=");
	check_refused("CPUQuotaPeriodSec=2s", "between");
}
END_TEST

START_TEST(a_share_is_of_this_host)
{
	struct text_list list = words(
		(const char *const[]){ "MemoryMax=50%", "TasksMax=10%", NULL });
	unsigned long long half = (unsigned long long)sysconf(_SC_PHYS_PAGES) *
				  (unsigned long long)sysconf(_SC_PAGESIZE) / 2;
	struct limits limits;

	ck_assert_int_eq(limits_read(&arena, &limits, &list), 0);
	ck_assert_uint_eq(strtoull(limits.items[0].text, NULL, 10), half);
	ck_assert_uint_gt(strtoull(limits.items[1].text, NULL, 10), 0);
}
END_TEST

START_TEST(devices_become_rules)
{
	static const char *const given[] = { "DeviceAllow=/dev/null r", "DevicePolicy=strict",
					     "DeviceAllow=char-pts rw", NULL };
	struct text_list list = words(given);
	struct limits limits;

	ck_assert_int_eq(limits_read(&arena, &limits, &list), 0);
	ck_assert_uint_eq(limits.count, 0);
	ck_assert(limits.devices && limits.strict);
	ck_assert_ptr_nonnull(text_after(limits.device_rules, "c 1:3 r, c 136:* rw"));
	check_refused("DeviceAllow=/etc/passwd", "no device node");
	check_refused("DeviceAllow=/dev/none-such", "No such file");
	check_refused("DevicePolicy=open", "closed");
}
END_TEST

START_TEST(what_cannot_be_done_is_said)
{
	check_refused("Foo=1", "no property of this name");
	check_refused("MemoryMax=-1", "not a value");
	check_refused("KillMode=none", "service manager");
	check_refused("Delegate=no", "own");
	check_refused("IOReadBandwidthMax=", "give the device");
	check_refused("IOReadBandwidthMax=/proc 1M", "block device");
}
END_TEST

/* A directory that looks like a cgroup is enough to see what is written, and when nothing is. */
START_TEST(all_is_looked_at_before_the_first_is_written)
{
	struct text_list list = words((const char *const[]){ "MemoryMax=5", "TasksMax=6", NULL });
	struct limits limits;
	char text[32];

	scratch_put("cgroup.controllers", "memory pids\n");
	scratch_put("memory.max", "max\n");
	ck_assert_int_eq(limits_read(&arena, &limits, &list), 0);
	ck_assert_int_lt(limits_check(&limits, scratch_fd, "/x"), 0);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "has no 'pids.max'"));
	scratch_put("pids.max", "max\n");
	ck_assert_int_eq(limits_check(&limits, scratch_fd, "/x"), 0);
	ck_assert_int_eq(limits_write(&limits, scratch_fd), 0);
	ck_assert_int_ge(file_read_line(text, sizeof(text), scratch_fd, "memory.max"), 0);
	ck_assert_ptr_nonnull(text_after(text, "5"));
	ck_assert_int_ge(file_read_line(text, sizeof(text), scratch_fd, "pids.max"), 0);
	ck_assert_ptr_nonnull(text_after(text, "6"));
	scratch_put("cgroup.controllers", "pids\n");
	ck_assert_int_eq(limits_check(&limits, scratch_fd, ""), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "'memory' controller"));
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("machine/limits", properties_become_files, a_quota_has_a_period,
			   a_share_is_of_this_host, devices_become_rules,
			   what_cannot_be_done_is_said,
			   all_is_looked_at_before_the_first_is_written);
}
