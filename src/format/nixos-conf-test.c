#include "format/nixos-conf.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/unit.h"

static struct nixos_conf parsed(struct arena *arena, const char *text)
{
	struct nixos_conf conf = { 0 };

	ck_assert_int_eq(nixos_conf_parse(arena, &conf, text, strlen(text)), 0);
	return conf;
}

static const char *written(struct arena *arena, const struct nixos_conf *conf)
{
	char *text = NULL;

	ck_assert_int_eq(nixos_conf_text(arena, &text, conf), 0);
	return text;
}

START_TEST(every_key_is_read_bare_and_quoted)
{
	autoarena struct arena arena = {};

	for (int key = 0; key < NIXOS_CONF_KEYS; key++) {
		const char *name = nixos_conf_name(key);
		const char *const forms[] = {
			arena_format(&arena, "%s=a b\n", name),
			arena_format(&arena, "\n\n  %s=\"a b\"  \n", name),
			arena_format(&arena, "# x\n; y\n%s='a b'", name),
			arena_format(&arena, "%s=old\n%s=a \\\nb\n", name, name),
		};

		for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
			struct nixos_conf conf = parsed(&arena, forms[i]);

			ck_assert_str_eq(conf.values[key], "a b");
			ck_assert(nixos_conf_is_ours(&conf));
			ck_assert_uint_eq(conf.others.count, 0);
		}
	}
}
END_TEST

START_TEST(what_create_writes_is_written_the_same)
{
	static const char text[] = "PRIVATE_NETWORK=1\nHOST_ADDRESS=10.233.1.1\n"
				   "LOCAL_ADDRESS=10.233.1.2\nHOST_BRIDGE=\nHOST_PORT=\n"
				   "AUTO_START=0\nFLAKE=git+https://example.org/x?ref=main\n";
	autoarena struct arena arena = {};
	struct nixos_conf conf = parsed(&arena, text);

	ck_assert_str_eq(written(&arena, &conf), text);
	ck_assert_ptr_null(nixos_conf_value(&conf, NIXOS_CONF_HOST_BRIDGE));
	ck_assert_ptr_null(nixos_conf_value(&conf, NIXOS_CONF_SYSTEM_PATH));
	ck_assert(nixos_conf_has_link(&conf));
}
END_TEST

START_TEST(unknown_keys_are_kept)
{
	autoarena struct arena arena = {};
	struct nixos_conf conf = parsed(&arena, "MINE='it is '\nAUTO_START=1\nOTHER=a=b\n");

	ck_assert_str_eq(written(&arena, &conf), "AUTO_START=1\nMINE=\"it is \"\nOTHER=a=b\n");
}
END_TEST

START_TEST(files_of_other_programs_are_not_ours)
{
	static const char *const texts[] = {
		"",
		"[storage]\ndriver = \"overlay\"\ngraphroot = \"/var/lib/containers/storage\"\n",
		"unqualified-search-registries = ['docker.io']\n",
		"runtime=\"crun\"\n",
		"# HOST_ADDRESS=1\n",
	};
	autoarena struct arena arena = {};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct nixos_conf conf = parsed(&arena, texts[i]);

		ck_assert(!nixos_conf_is_ours(&conf));
	}
}
END_TEST

START_TEST(values_survive_writing_and_reading)
{
	static const char *const values[] = { "",   " a", "a ",	 "a b", "\"a\"", "it's",
					      "\\", "$x", "`x`", "#a",	"a#b",	 "\\\"" };
	autoarena struct arena arena = {};

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		struct nixos_conf conf = {
			.values[NIXOS_CONF_EXTRA_NSPAWN_FLAGS] = values[i],
		};
		struct nixos_conf again = parsed(&arena, written(&arena, &conf));

		ck_assert_str_eq(again.values[NIXOS_CONF_EXTRA_NSPAWN_FLAGS], values[i]);
	}
}
END_TEST

START_TEST(what_no_line_can_hold_is_not_written)
{
	autoarena struct arena arena = {};
	struct nixos_conf conf = { .values[NIXOS_CONF_FLAKE] = "a\nAUTO_START=1" };
	char *text;

	ck_assert_int_eq(nixos_conf_text(&arena, &text, &conf), -EINVAL);
	ck_assert_int_eq(nixos_conf_parse(&arena, &conf, "A=\0", 3), -EINVAL);
	ck_assert_int_eq(nixos_conf_parse(&arena, &conf, "", NIXOS_CONF_SIZE_MAX + 1), -E2BIG);
}
END_TEST

START_TEST(addresses_may_have_masks)
{
	autoarena struct arena arena = {};
	struct nixos_conf conf = parsed(&arena,
					"HOST_ADDRESS=10.0.0.1\nLOCAL_ADDRESS=10.0.0.2/24\n"
					"LOCAL_ADDRESS6=fd00::2/64\nHOST_ADDRESS6=10.0.0.1\n");
	struct ip_prefix address;
	char text[IP_TEXT_ROOM];

	ck_assert_int_eq(nixos_conf_address(&address, &conf, NIXOS_CONF_HOST_ADDRESS), 1);
	ck_assert_str_eq(ip_text_prefix(text, &address), "10.0.0.1");
	ck_assert_int_eq(nixos_conf_address(&address, &conf, NIXOS_CONF_LOCAL_ADDRESS), 1);
	ck_assert_str_eq(ip_text_prefix(text, &address), "10.0.0.2/24");
	ck_assert_int_eq(nixos_conf_address(&address, &conf, NIXOS_CONF_LOCAL_ADDRESS6), 1);
	ck_assert_str_eq(ip_text_prefix(text, &address), "fd00::2/64");
	ck_assert_int_eq(nixos_conf_address(&address, &conf, NIXOS_CONF_HOST_ADDRESS6), -EINVAL);
	conf = parsed(&arena, "HOST_ADDRESS=\n");
	ck_assert_int_eq(nixos_conf_address(&address, &conf, NIXOS_CONF_HOST_ADDRESS), 0);
	ck_assert(!nixos_conf_has_link(&conf));
}
END_TEST

START_TEST(flags_have_a_default)
{
	autoarena struct arena arena = {};
	struct nixos_conf conf = parsed(&arena, "AUTO_START=1\nPRIVATE_NETWORK=\n");

	ck_assert(nixos_conf_flag(&conf, NIXOS_CONF_COPY_RESOLV_CONF, true));
	ck_assert(nixos_conf_flag(&conf, NIXOS_CONF_AUTO_START, false));
	ck_assert(!nixos_conf_flag(&conf, NIXOS_CONF_PRIVATE_NETWORK, false));
	conf = parsed(&arena, "COPY_RESOLV_CONF=0\n");
	ck_assert(!nixos_conf_flag(&conf, NIXOS_CONF_COPY_RESOLV_CONF, true));
}
END_TEST

START_TEST(wrong_values_are_told_by_key)
{
	static const char *const bad[] = {
		"PRIVATE_NETWORK=yes",
		"HOST_ADDRESS=fd00::1",
		"LOCAL_ADDRESS=10.0.0",
		"HOST_BRIDGE=a/b",
		"HOST_PORT=tcp:80:80,x:1:1",
		"AUTO_START=2",
		"SYSTEM_PATH=nix",
		"COPY_RESOLV_CONF=copy",
		"HOST_ADDRESS6=10.0.0.1",
		"LOCAL_ADDRESS6=fd00::g",
		"LOCAL_MAC_ADDRESS=00:11",
		"NETWORK_NAMESPACE_PATH=x",
		"PRIVATE_USERS=maybe",
		"INTERFACES=a/b",
		"MACVLANS=eth0:a:b",
		"SYSTEM_PATH=/nix/../x",
		"FLAKE=\"a\rb\"",
		"EXTRA_NSPAWN_FLAGS=--bind=/a\x7f",
	};
	static const char good[] =
		"PRIVATE_NETWORK=1\nHOST_ADDRESS=10.0.0.1\nLOCAL_ADDRESS=10.0.0.2/24\n"
		"HOST_BRIDGE=br0\nHOST_PORT=tcp:80:80,udp:53:53\nAUTO_START=0\nFLAKE=.#x\n"
		"SYSTEM_PATH=/nix/store/x\nCOPY_RESOLV_CONF=1\nHOST_ADDRESS6=fd00::1\n"
		"LOCAL_ADDRESS6=fd00::2/64\nLOCAL_MAC_ADDRESS=02:00:00:00:00:01\n"
		"NETWORK_NAMESPACE_PATH=/run/netns/x\nPRIVATE_USERS=65536\n"
		"INTERFACES=\"eth1 eth2:lan\"\nMACVLANS=eth0\nEXTRA_NSPAWN_FLAGS=--bind=/x\n";
	autoarena struct arena arena = {};
	struct nixos_conf conf = parsed(&arena, good);
	enum nixos_conf_key key;
	const char *why = NULL;

	ck_assert_int_eq(nixos_conf_check(&arena, &conf, &key, &why), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		conf = parsed(&arena, bad[i]);
		ck_assert_int_eq(nixos_conf_check(&arena, &conf, &key, &why), -EINVAL);
		ck_assert_int_eq(
			strncmp(bad[i], nixos_conf_name(key), strlen(nixos_conf_name(key))), 0);
		ck_assert_ptr_nonnull(why);
	}
}
END_TEST

START_TEST(lists_are_split)
{
	autoarena struct arena arena = {};
	struct nixos_conf conf = parsed(&arena,
					"INTERFACES=\" a  b \"\nHOST_PORT=tcp:1:1,,udp:2:2\n");
	struct text_list links = { 0 }, ports = { 0 }, none = { 0 };

	nixos_conf_words(&arena, &links, &conf, NIXOS_CONF_INTERFACES);
	nixos_conf_words(&arena, &ports, &conf, NIXOS_CONF_HOST_PORT);
	nixos_conf_words(&arena, &none, &conf, NIXOS_CONF_MACVLANS);
	ck_assert_uint_eq(links.count, 2);
	ck_assert_str_eq(links.items[1], "b");
	ck_assert_uint_eq(ports.count, 2);
	ck_assert_str_eq(ports.items[1], "udp:2:2");
	ck_assert_uint_eq(none.count, 0);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/nixos-conf", every_key_is_read_bare_and_quoted,
			what_create_writes_is_written_the_same, unknown_keys_are_kept,
			files_of_other_programs_are_not_ours, values_survive_writing_and_reading,
			what_no_line_can_hold_is_not_written, addresses_may_have_masks,
			flags_have_a_default, wrong_values_are_told_by_key, lists_are_split);
}
