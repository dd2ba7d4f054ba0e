/* Random definitions: exported as a file and read again, they are the same. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/text.h"
#include "base/unit.h"
#include "declare/compare.h"
#include "declare/definition.h"

#define DEFINITIONS 3000
#define LINES_MAX 40

/* Those of one line do not exclude each other, so that any choice of lines is a definition. */
static const struct {
	const char *section, *key, *values[5];
} pool[] = {
	{ "Exec", "Boot", { "yes", "no", "true", "" } },
	{ "Exec", "Parameters", { "/bin/a -x", "'/bin/b c' \"d\\n\"", "%i %H %%", "" } },
	{ "Exec", "Environment", { "A=1", "A=2", "'B=x y'", "C=%m 100=%%", "" } },
	{ "Exec", "PrivateUsers", { "pick", "no", "65536:65536" } },
	{ "Exec", "Capability", { "CAP_NET_ADMIN", "CAP_SYS_TIME CAP_SYS_NICE", "all" } },
	{ "Exec", "SystemCallFilter", { "@keyring", "~mount bpf" } },
	{ "Exec", "LimitNOFILE", { "1024", "1024:4096", "infinity" } },
	{ "Exec", "Hostname", { "%i", "web-%H", "www.example.org" } },
	{ "Exec", "X-Note", { "for people", "" } },
	{ "Files", "Bind", { "/srv/a", "/srv/%i:/b:idmap", "/srv/c\\:d:/e" } },
	{ "Files", "BindReadOnly", { "/srv/a", "+/srv/b:/c" } },
	{ "Files", "TemporaryFileSystem", { "/var/tmp", "/t:size=10%,mode=0755" } },
	{ "Files", "Inaccessible", { "/proc/x" } },
	{ "Files", "BindUser", { "alice bob", "" } },
	{ "Network", "VirtualEthernet", { "yes", "no" } },
	{ "Network", "VirtualEthernetExtra", { "lan1:eth1", "lan2" } },
	{ "Network", "Port", { "tcp:8080:80", "udp:53", "127.0.0.1:1-3:4" } },
	{ "Network", "Zone", { "shop", "lan" } },
	{ "X-Network", "Address", { "10.0.0.2/24 fd00:7::2/64", "10.0.0.3", "" } },
	{ "X-Network", "MACAddress", { "stable", "02:00:00:00:00:01" } },
	{ "X-Network", "DNS", { "auto", "no", "10.0.0.1" } },
	{ "X-Network", "Egress", { "", "example.org:443 10.0.0.0/8" } },
	{ "X-Network", "Names", { "www", "www mail", "" } },
	{ "X-Network:lan1", "Address", { "10.1.0.2/24", "10.1.0.3" } },
	{ "X-Network:lan2", "InterfaceName", { "eth7" } },
	{ "X-Image", "Source", { "oci:web:12", "dir:/srv/%i", "nix:/nix/store/a", "" } },
	{ "X-Image", "Template", { "base" } },
	{ "X-Image", "Update", { "never", "digest", "" } },
	{ "X-Image", "Root", { "overlay", "copy", "ephemeral" } },
	{ "X-Unit", "After", { "db.nspawn %i.target", "network.target", "" } },
	{ "X-Unit", "StartLimitBurst", { "3", "" } },
	{ "X-Service", "MemoryMax", { "512M", "10%", "infinity", "" } },
	{ "X-Service", "CPUQuota", { "150%", "20%" } },
	{ "X-Service", "DeviceAllow", { "/dev/fuse rw", "char-pts", "" } },
	{ "X-Service", "ExecStartPre", { "/bin/a %n", "-/bin/b", "" } },
	{ "X-Install", "WantedBy", { "machines.target", "" } },
	{ "X-Health", "Command", { "/bin/a 'b c'", "true", "" } },
	{ "X-Health", "Interval", { "10s", "1min 5s", "" } },
	{ "X-Health", "OnFailure", { "rollback", "none" } },
	{ "X-Reload", "Strategy", { "auto", "restart" } },
	{ "X-Nix", "Store", { "full", "closure" } },
	{ "X-Nix", "Daemon", { "yes", "off" } },
	{ "X-Backup", "When", { "daily" } },
};

static uint32_t random_state;

/* The same ones at each run. */
static size_t random_below(size_t limit)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % limit;
}

static char *random_text(struct arena *arena)
{
	size_t lines = 1 + random_below(LINES_MAX);
	char *text = arena_text(arena, "");

	for (size_t i = 0; i < lines; i++) {
		size_t row = random_below(ARRAY_SIZE(pool)), values = 0;

		while (values < 5 && pool[row].values[values] != NULL)
			values++;
		text = arena_format(arena, "%s[%s]\n%s=%s\n", text, pool[row].section,
				    pool[row].key, pool[row].values[random_below(values)]);
	}
	return text;
}

static int make(struct arena *arena, struct definition *ret, const char *text, bool flat)
{
	const struct definition_facts facts = {
		.machine_id = "0123",
		.host_name = "host",
		.flat = flat,
	};
	struct definition_items items = { 0 };

	definition_add_text(arena, &items, text, strlen(text), "web.nspawn");
	return definition_make(arena, ret, "web", "web.nspawn", &items, &facts);
}

START_TEST(random_definitions_are_read_again_as_the_same)
{
	size_t good = 0, empty = 0;

	for (uint32_t seed = 1; seed <= DEFINITIONS; seed++) {
		autoarena struct arena arena = { 0 };
		struct definition first, second;
		struct compare compare;
		const char *text, *printed;

		random_state = seed;
		text = random_text(&arena);
		fail_forget();
		if (make(&arena, &first, text, false) < 0)
			continue; /* addresses of one kind may be too many, and the like */
		good++;
		printed = definition_print(&arena, &first, false);
		empty += *printed == '\0';
		ck_assert_msg(make(&arena, &second, printed, true) == 0, "%u: %s\n%s", seed,
			      fail_recorded()->text, printed);
		ck_assert_str_eq(definition_print(&arena, &second, false), printed);
		compare_definitions(&arena, &compare, &first, &second, false);
		ck_assert_uint_eq(compare.count, 0);
		ck_assert_int_eq(first.managed, second.managed);
		ck_assert_int_eq(first.image.source, second.image.source);
		ck_assert_int_eq(first.image.root, second.image.root);
		ck_assert_uint_eq(first.network_count, second.network_count);
		ck_assert_uint_eq(first.health.interval_us, second.health.interval_us);
		ck_assert_int_eq(first.autostart, second.autostart);
	}
	/* Or else this would show nothing. */
	ck_assert_uint_gt(good, DEFINITIONS / 2);
	ck_assert_uint_lt(empty, DEFINITIONS / 10);
}
END_TEST

/* A value that is another one is a difference. */
START_TEST(a_changed_line_is_found)
{
	struct arena arena = { 0 };

	for (size_t row = 0; row < ARRAY_SIZE(pool); row++) {
		struct definition had, wanted;
		struct compare compare;
		const char *text = arena_format(&arena, "[%s]\n%s=%s\n", pool[row].section,
						pool[row].key, pool[row].values[0]);
		bool counts = text_after(pool[row].section, "X-Backup") == NULL &&
			      !text_equal(pool[row].key, "Template") &&
			      !text_equal(pool[row].key, "X-Note");

		ck_assert_msg(make(&arena, &had, "", false) == 0 &&
				      make(&arena, &wanted, text, false) == 0,
			      "%s: %s", text, fail_recorded()->text);
		compare_definitions(&arena, &compare, &had, &wanted, false);
		ck_assert_msg((compare.count > 0) == counts, "%s: %zu", text, compare.count);
	}
	arena_done(&arena);
}
END_TEST

int main(void)
{
	return UNIT_RUN("declare/definition-print", random_definitions_are_read_again_as_the_same,
			a_changed_line_is_found);
}
