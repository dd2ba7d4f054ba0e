#include "machine/service.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/unit.h"
#include "format/specifier.h"
#include "io/settings.h"

static struct arena arena;
static struct service service;

static void add(const char *text)
{
	const struct specifiers known = { .machine = "web", .machine_id = "0123", .host = "box" };

	service_add(&arena, &service, text, strlen(text), &known);
}

START_TEST(systemds_words_are_understood)
{
	service = (struct service){ 0 };
	add("[X-Service]\nRestart=always\nRestartSec=250ms\nTimeoutStopSec=5\n"
	    "TimeoutStartSec=infinity\nExecStartPre=/bin/false\n"
	    "[X-Unit]\nRequires=db.nspawn "
	    "network.target\nBindsTo=%i-cache.nspawn\nWants=mail.nspawn\n"
	    "After=db.nspawn\nRequiresMountsFor=/srv /mnt\nConditionPathExists=!/etc/off\n");
	ck_assert_int_eq(service.restart, SERVICE_RESTART_ALWAYS);
	ck_assert_uint_eq(service.pause_us, 250000);
	ck_assert_uint_eq(service.stop_us, 5000000);
	ck_assert_uint_gt(service.start_us, 1000000ull * 3600 * 24 * 300);
	ck_assert_uint_eq(service.requires.count, 2);
	ck_assert_str_eq(service.requires.items[0], "db");
	ck_assert_str_eq(service.requires.items[1], "web-cache");
	ck_assert_str_eq(service.wants.items[0], "mail");
	ck_assert_uint_eq(service.after.count, 1);
	ck_assert_uint_eq(service.paths.count, 2);
	ck_assert_str_eq(service.conditions.items[0], "!/etc/off");
}
END_TEST

START_TEST(a_condition_is_one_path)
{
	service = (struct service){ 0 };
	add("[X-Unit]\nConditionPathExists=/srv/%H/my data\nConditionPathExists=!/srv/%m\n");
	ck_assert_uint_eq(service.conditions.count, 2);
	ck_assert_str_eq(service.conditions.items[0], "/srv/box/my data");
	ck_assert_str_eq(service.conditions.items[1], "!/srv/0123");
	add("[X-Unit]\nConditionPathExists=\n");
	ck_assert_uint_eq(service.conditions.count, 0);
}
END_TEST

START_TEST(the_host_is_asked_for_what_is_mentioned)
{
	char text[] = "a%H";
	struct settings_part part = { .path = "/x", .text = text, .size = 3 };
	const struct settings settings = { .parts = &part, .count = 1 };
	struct specifiers known;

	service_specifiers(&arena, &known, &settings, "web");
	ck_assert_str_eq(known.machine, "web");
	ck_assert_ptr_nonnull(known.host);
	part.size = 1;
	service_specifiers(&arena, &known, &settings, "web");
	ck_assert_ptr_null(known.host);
}
END_TEST

START_TEST(nonsense_changes_nothing)
{
	service = (struct service){ 0 };
	add("[X-Service]\nRestart=sometimes\nRestartSec=-1\n[X-Unit]\nRequires=../x.nspawn\n"
	    "RequiresMountsFor=relative\n[Exec]\nRestart=no\n");
	ck_assert_int_eq(service.restart, SERVICE_RESTART_DEFAULT);
	ck_assert_uint_eq(service.pause_us, 0);
	ck_assert_uint_eq(service.requires.count, 0);
	ck_assert_uint_eq(service.paths.count, 0);
}
END_TEST

START_TEST(what_is_needed_must_be_there)
{
	service = (struct service){ 0 };
	add("[X-Unit]\nRequiresMountsFor=/proc\nConditionPathExists=/proc\n"
	    "ConditionPathExists=!/proc/none\n");
	ck_assert_int_eq(service_check(&service, "web"), 0);
	add("[X-Unit]\nConditionPathExists=/proc/none\n");
	ck_assert_int_eq(service_check(&service, "web"), -ECANCELED);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "/proc/none"));
	add("[X-Unit]\nRequiresMountsFor=/proc/none\n");
	fail_forget();
	ck_assert_int_lt(service_check(&service, "web"), 0);
}
END_TEST

START_TEST(each_policy_knows_which_ends_it_means)
{
	ck_assert(service_restarts(SERVICE_RESTART_DEFAULT, 1));
	ck_assert(!service_restarts(SERVICE_RESTART_DEFAULT, 0));
	ck_assert(!service_restarts(SERVICE_RESTART_NO, -9));
	ck_assert(!service_restarts(SERVICE_RESTART_ON_ABNORMAL, 1));
	ck_assert(service_restarts(SERVICE_RESTART_ON_ABNORMAL, -9));
	ck_assert(service_restarts(SERVICE_RESTART_ON_SUCCESS, 0));
	ck_assert(service_restarts(SERVICE_RESTART_ALWAYS, 0));
}
END_TEST

int main(void)
{
	return UNIT_RUN("machine/service", systemds_words_are_understood, a_condition_is_one_path,
			the_host_is_asked_for_what_is_mentioned, nonsense_changes_nothing,
			what_is_needed_must_be_there, each_policy_knows_which_ends_it_means);
}
