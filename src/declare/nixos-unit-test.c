#include "declare/nixos-unit.h"

#include <string.h>

#include "base/arena.h"
#include "base/unit.h"
#include "declare/nixos.h"
#include "io/settings.h"

static const struct nixos_unit_places places = { "/usr/bin", "/usr/libexec/redd" };

static struct nixos sample(struct arena *arena, const char *conf)
{
	struct nixos nixos = {
		.name = "web",
		.conf_path = "/etc/nixos-containers/web.conf",
		.root = "/var/lib/nixos-containers/web",
	};

	ck_assert_int_eq(nixos_conf_parse(arena, &nixos.conf, conf, strlen(conf)), 0);
	return nixos;
}

static bool has(const char *text, const char *line)
{
	const char *at = strstr(text, line);

	return at != NULL && at > text && at[-1] == '\n' && at[strlen(line)] == '\n';
}

START_TEST(the_settings_are_those_of_nixos)
{
	static const char *const lines[] = {
		"SourcePath=/etc/nixos-containers/web.conf",
		"RequiresMountsFor=/var/lib/nixos-containers/web",
		"Type=notify",
		"ExecStart=/usr/libexec/redd/redd-nixos start %i --keep-unit",
		"ExecReload=/usr/libexec/redd/redd-nixos reload %i",
		"Restart=on-failure",
		"RestartForceExitStatus=133",
		"SuccessExitStatus=133",
		"TimeoutStartSec=1min",
		"KillMode=mixed",
		"Slice=machine.slice",
		"Delegate=yes",
		"DevicePolicy=closed",
		"SyslogIdentifier=container %i",
	};
	autoarena struct arena arena = {};
	struct nixos nixos = sample(&arena, "");
	const char *text = nixos_unit_text(&arena, &nixos, NULL, &places);

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		ck_assert_msg(has(text, lines[i]), "%s is not in\n%s", lines[i], text);
}
END_TEST

START_TEST(what_is_bound_must_be_mounted)
{
	autoarena struct arena arena = {};
	struct nixos nixos = sample(&arena, "EXTRA_NSPAWN_FLAGS=\"--bind-ro=/a:/b --bind=/c --bind="
					    "/x%i:/y --tmpfs=/d\"\nINTERFACES=eth1:lan\n");
	const char *text = nixos_unit_text(&arena, &nixos, NULL, &places);

	ck_assert(has(text, "RequiresMountsFor=/a"));
	ck_assert(has(text, "RequiresMountsFor=/c"));
	ck_assert_ptr_null(strstr(text, "/d"));
	ck_assert_ptr_null(strstr(text, "/x%i"));
	ck_assert(has(text, "After=sys-subsystem-net-devices-eth1.device"));
}
END_TEST

START_TEST(the_companion_adds_to_it)
{
	static const char companion[] =
		"[Exec]\nBoot=yes\n[X-Service]\nMemoryMax=1G\n"
		"DeviceAllow=/dev/net/tun rwm\n[X-Unit]\nRequires=x.service\n"
		"[X-Install]\nWantedBy=machines.target\n";
	autoarena struct arena arena = {};
	struct nixos nixos = sample(&arena, "AUTO_START=0\n");
	struct settings_part part = { "web.nspawn", (char *)companion, strlen(companion) };
	struct settings settings = { .parts = &part, .count = 1 };
	const char *text = nixos_unit_text(&arena, &nixos, &settings, &places);

	ck_assert(strstr(text, "\nMemoryMax=1G\n") > strstr(text, "\n[Service]\n"));
	ck_assert(strstr(text, "\nRequires=x.service\n") < strstr(text, "\n[Service]\n"));
	ck_assert(has(text, "DeviceAllow=/dev/net/tun rwm"));
	ck_assert_ptr_null(strstr(text, "Boot="));
	ck_assert(nixos_unit_starts_at_boot(&arena, &nixos, &settings));
	ck_assert(!nixos_unit_starts_at_boot(&arena, &nixos, NULL));
	nixos = sample(&arena, "AUTO_START=1\n");
	ck_assert(nixos_unit_starts_at_boot(&arena, &nixos, NULL));
}
END_TEST

/* systemd ends a line at a carriage return as well. */
START_TEST(nothing_begins_a_line_of_its_own)
{
	static const char companion[] = "[X-Service]\nMemoryMax=1G\rExecStartPre=/evil\nA\rB=1\n"
					"CPUWeight=7\n[X-Unit]\nWants=a\\";
	autoarena struct arena arena = {};
	struct nixos nixos = sample(&arena, "EXTRA_NSPAWN_FLAGS=--bind=/a\rExecStartPre=/evil\n");
	struct settings_part part = { "web.nspawn", (char *)companion, strlen(companion) };
	struct settings settings = { .parts = &part, .count = 1 };
	const char *text = nixos_unit_text(&arena, &nixos, &settings, &places);

	ck_assert_ptr_null(strchr(text, '\r'));
	ck_assert_ptr_null(strstr(text, "evil"));
	ck_assert_ptr_null(strstr(text, "\\\n"));
	ck_assert(has(text, "CPUWeight=7"));
}
END_TEST

int main(void)
{
	return UNIT_RUN("declare/nixos-unit", the_settings_are_those_of_nixos,
			what_is_bound_must_be_mounted, the_companion_adds_to_it,
			nothing_begins_a_line_of_its_own);
}
