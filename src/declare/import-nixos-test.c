#include "declare/import-nixos.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "base/unit.h"
#include "declare/import.h"

static struct arena arena;

static int read_conf(struct import *import, const char *text)
{
	fail_forget();
	import_begin(import, &arena, NULL, NULL, NULL);
	import_nixos(import, "/etc/nixos-containers/web.conf", text, strlen(text));
	return import_end(import);
}

/* The file's lines but for the comment, with blanks between. */
static const char *lines_of(const struct import *import)
{
	struct text_list lines = { 0 };
	const char *text = "";

	text_split(&arena, &lines, import_print(&arena, import->machines[0]), "\n");
	for (size_t i = 1; i < lines.count; i++)
		text = arena_format(&arena, "%s%s%s", text, i > 1 ? " " : "", lines.items[i]);
	return text;
}

static const char *read(const char *text)
{
	struct import import;

	ck_assert_int_eq(read_conf(&import, text), 0);
	ck_assert_uint_eq(import.note_count, 0);
	return lines_of(&import);
}

#define NIX "[X-Nix] Store=full Daemon=yes"
#define PROFILE "[X-Image] Source=nix-profile:/nix/var/nix/profiles/per-container/web/system"

START_TEST(an_empty_conf_is_a_container_too)
{
	ck_assert_str_eq(read(""), "[Exec] PrivateUsers=no " PROFILE " " NIX);
}
END_TEST

START_TEST(systems_are_sources)
{
	ck_assert_str_eq(read("SYSTEM_PATH=/nix/store/0a-nixos\nAUTO_START=1\n"),
			 "[Exec] PrivateUsers=no [X-Image] Source=nix:/nix/store/0a-nixos " NIX
			 " [X-Install] WantedBy=machines.target");
}
END_TEST

START_TEST(links_have_addresses)
{
	const char *text = read(
		"PRIVATE_NETWORK=1\nHOST_ADDRESS=10.0.0.1\nLOCAL_ADDRESS=10.0.0.2/24\n"
		"HOST_ADDRESS6=fc00::1\nLOCAL_ADDRESS6=fc00::2\nHOST_BRIDGE=br0\n"
		"HOST_PORT=tcp:1:2,udp:3:4\nLOCAL_MAC_ADDRESS=02:00:00:00:00:01\n");

	ck_assert_ptr_nonnull(strstr(text, "Private=yes"));
	ck_assert_ptr_nonnull(strstr(text, "VirtualEthernet=yes"));
	ck_assert_ptr_nonnull(strstr(text, "Bridge=br0"));
	ck_assert_ptr_nonnull(strstr(text, "Port=tcp:1:2 Port=udp:3:4"));
	ck_assert_ptr_nonnull(strstr(text, "HostAddress=10.0.0.1"));
	ck_assert_ptr_nonnull(strstr(text, "Address=10.0.0.2/24"));
	ck_assert_ptr_nonnull(strstr(text, "Address=fc00::2"));
	ck_assert_ptr_nonnull(strstr(text, "InterfaceName=eth0"));
	ck_assert_ptr_nonnull(strstr(text, "MACAddress=02:00:00:00:00:01"));
}
END_TEST

START_TEST(options_of_the_runner_are_keys)
{
	struct import import;
	const char *text;

	ck_assert_int_eq(read_conf(&import, "\nEXTRA_NSPAWN_FLAGS='--bind=/a:/b --bind-ro /c "
					    "--read-only --no-such stray'\n"),
			 0);
	text = lines_of(&import);
	ck_assert_ptr_nonnull(strstr(text, "Bind=/a:/b"));
	ck_assert_ptr_nonnull(strstr(text, "BindReadOnly=/c"));
	ck_assert_ptr_nonnull(strstr(text, "ReadOnly=yes"));
	ck_assert_uint_eq(import.note_count, 2);
	ck_assert_str_eq(import_note_text(&arena, &import.notes[0]),
			 "web.conf:2: EXTRA_NSPAWN_FLAGS: no definition says '--no-such'");
}
END_TEST

START_TEST(what_is_bad_is_refused)
{
	struct import import;

	ck_assert_int_lt(read_conf(&import, "AUTO_START=0\nHOST_PORT=x\n"), 0);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "web.conf': line 2: HOST_PORT"));
}
END_TEST

int main(void)
{
	return UNIT_RUN("declare/import-nixos", an_empty_conf_is_a_container_too,
			systems_are_sources, links_have_addresses, options_of_the_runner_are_keys,
			what_is_bad_is_refused);
}
