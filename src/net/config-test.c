#include "net/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "io/scratch.h"

#define PREFIX "\xfd\x00\x12\x34\x56\x78"

static struct arena arena;

static int parse(struct config *ret, const char *text)
{
	return config_parse(&arena, ret, text, strlen(text), "network.conf");
}

START_TEST(without_a_file_there_is_a_default)
{
	char path[sizeof(scratch_path) + 16];
	struct config config;

	snprintf(path, sizeof(path), "%s/none", scratch_path);
	ck_assert_int_eq(config_read(&arena, &config, path), 0);
	ck_assert_str_eq(config_ranges_text(&arena, &config), "10.213.0.0/16, 172.29.0.0/16");
	ck_assert_int_eq(config.ipv6, CONFIG_IPV6_AUTO);
	ck_assert_int_eq(parse(&config, ""), 0);
	ck_assert_uint_eq(config.count, 2);
}
END_TEST

START_TEST(ranges_are_taken_in_their_order)
{
	char path[sizeof(scratch_path) + 16];
	struct config config;

	scratch_put("network.conf", "# ours\n[Network]\nPool=192.168.64.0/18  10.0.0.0/8\n"
				    "PoolIPv6=fd00:1234:5678::/48\n");
	snprintf(path, sizeof(path), "%s/network.conf", scratch_path);
	ck_assert_int_eq(config_read(&arena, &config, path), 0);
	ck_assert_str_eq(config_ranges_text(&arena, &config), "192.168.64.0/18, 10.0.0.0/8");
	ck_assert_int_eq(config.ipv6, CONFIG_IPV6_GIVEN);
	ck_assert_mem_eq(config.prefix, PREFIX, 6);
	ck_assert_int_eq(parse(&config, "[Network]\nPoolIPv6=no\n"), 0);
	ck_assert_int_eq(config.ipv6, CONFIG_IPV6_NONE);
	ck_assert_uint_eq(config.count, 2);
}
END_TEST

START_TEST(what_is_not_known_is_a_warning)
{
	struct config config;

	ck_assert_int_eq(parse(&config, "[Network]\nX=1\n[Other]\nPool=x\n"), 0);
	ck_assert_uint_eq(config.count, 2);
}
END_TEST

START_TEST(what_cannot_be_used_stops)
{
	static const char *const bad[] = {
		"[Network]\nPool=\n",
		"[Network]\nPool=10.0.0.0\n",
		"[Network]\nPool=10.0.0.0/\n",
		"[Network]\nPool=10.0.0.0/7\n",
		"[Network]\nPool=10.0.0.0/24\n",
		"[Network]\nPool=10.0.0.0/99999999999\n",
		"[Network]\nPool=10.213.0.1/16\n",
		"[Network]\nPool=10.213.0.0/16 10.213.128.0/17\n",
		"[Network]\nPool=10.213.128.0/17 10.213.0.0/16\n",
		"[Network]\nPool=1.0.0.0/8 2.0.0.0/8 3.0.0.0/8 4.0.0.0/8 5.0.0.0/8 6.0.0.0/8 "
		"7.0.0.0/8 8.0.0.0/8 9.0.0.0/8\n",
		"[Network]\nPool=fd00::/48\n",
		"[Network]\nPoolIPv6=fd00::/64\n",
		"[Network]\nPoolIPv6=fd00::1/48\n",
		"[Network]\nPoolIPv6=\n",
		"[Network]\nPoolIPv6=yes\n",
		"[Network]\nPool\n",
	};
	struct config config = { .count = 77 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		fail_forget();
		ck_assert_msg(parse(&config, bad[i]) < 0, "%s", bad[i]);
		ck_assert_msg(strstr(fail_recorded()->text, "network.conf line 2") != NULL, "%s",
			      fail_recorded()->text);
	}
	ck_assert_int_lt(config_parse(&arena, &config, "a\0b", 3, "network.conf"), 0);
	ck_assert_uint_eq(config.count, 77);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("net/config", without_a_file_there_is_a_default,
			   ranges_are_taken_in_their_order, what_is_not_known_is_a_warning,
			   what_cannot_be_used_stops);
}
