#include "format/nixos-script.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/text.h"
#include "base/unit.h"

/* What comes before the command, in a form that such scripts have. */
#define HEAD                                                                        \
	"#!/nix/store/a-bash/bin/bash\nset -euo pipefail\ndeclare root\n"           \
	"mkdir -p \"$root/etc\"\nif ! [[ -e \"$root/etc/x\" ]]; then touch y; fi\n" \
	"declare -a extraFlags\n"                                                   \
	"if [[ \"${PRIVATE_NETWORK-}\" = 1 ]]; then\n"                              \
	"  extraFlags+=(\"--private-network\")\nfi\n"                               \
	"for i in $HOST_PORT\ndo\n  extraFlags+=(\"--port=$i\")\ndone\n"
#define COMMAND                                                                             \
	"exec /nix/store/a-systemd/bin/systemd-nspawn \\\n  --keep-unit \\\n"               \
	"  -M \"$INSTANCE\" -D \"$root\" \"${extraFlags[@]}\" \\\n"                         \
	"  --notify-ready=yes --bind-ro=/nix/store:/nix/store$NIX_BIND_OPT \\\n  --setenv " \
	"A=\"$A\" "
#define TAIL "${EXTRA_NSPAWN_FLAGS-} /nix/store/a-init/bin/init \"${SYSTEM_PATH:-/x}/init\"\n"

static int start(struct arena *arena, struct nixos_script *script, const char *text)
{
	return nixos_script_start(arena, script, text, strlen(text));
}

static const char *joined(struct arena *arena, const struct text_list *list)
{
	const char *text = "";

	for (size_t i = 0; i < list->count; i++)
		text = arena_format(arena, "%s%s ", text, list->items[i]);
	return text;
}

START_TEST(literals_of_the_command_are_read)
{
	autoarena struct arena arena = {};
	struct nixos_script script;

	ck_assert_int_eq(start(&arena, &script, HEAD COMMAND TAIL), 0);
	ck_assert(!script.ephemeral);
	ck_assert_uint_eq(script.tmpfs.count + script.capabilities.count + script.link_count, 0);
	ck_assert_str_eq(script.init, "/nix/store/a-init/bin/init");
	ck_assert_int_eq(
		start(&arena, &script,
		      HEAD "extraFlags+=(--network-veth-extra=lan0 '--network-veth-extra=lan1')\n"
			   "extraFlags+=()\n" COMMAND
			   "--ephemeral --capability=\"CAP_NET_ADMIN,CAP_SYS_TIME\" \\\n \\\n"
			   " --tmpfs=/var --tmpfs='/a b:size=1M' " TAIL),
		0);
	ck_assert(script.ephemeral);
	ck_assert_str_eq(joined(&arena, &script.capabilities), "CAP_NET_ADMIN,CAP_SYS_TIME ");
	ck_assert_str_eq(joined(&arena, &script.tmpfs), "/var /a b:size=1M ");
	ck_assert_uint_eq(script.link_count, 2);
	ck_assert_str_eq(script.links[1].name, "lan1");
	/* as it was once written */
	ck_assert_int_eq(
		start(&arena, &script,
		      "if x; then\nextraFlags+=\" --private-network\"\nfi\n"
		      "extraFlags+=\" --network-veth-extra=lan0 --network-veth-extra=lan1\"\n"
		      "exec /n/bin/systemd-nspawn -M \"$INSTANCE\" $extraFlags "
		      "$EXTRA_NSPAWN_FLAGS /nix/store/i /init\n"),
		0);
	ck_assert_uint_eq(script.link_count, 2);
}
END_TEST

START_TEST(nothing_is_guessed)
{
	static const struct {
		const char *text, *why;
		unsigned int line;
	} rows[] = {
		{ "", "no systemd-nspawn", 1 },
		{ HEAD, "no systemd-nspawn", 14 },
		{ HEAD COMMAND TAIL "echo more\n", "goes on behind", 19 },
		{ HEAD COMMAND TAIL COMMAND TAIL, "goes on behind", 19 },
		{ HEAD "if a; then\n" COMMAND TAIL "fi\n", "only sometimes", 15 },
		{ HEAD "nice " COMMAND TAIL, "unknown way", 14 },
		{ HEAD COMMAND "--read-only " TAIL, "none that is known", 18 },
		{ HEAD COMMAND "--tmpfs=$A " TAIL, "no literal", 18 },
		{ HEAD COMMAND "--tmpfs= " TAIL, "no literal", 18 },
		{ HEAD COMMAND "--tmpfs='/a\nBind=/' " TAIL, "no literal", 18 },
		{ HEAD COMMAND "--capability=* " TAIL, "no literal", 18 },
		{ HEAD COMMAND "$MORE " TAIL, "none that is known", 18 },
		{ HEAD COMMAND "--network-veth-extra=a/b " TAIL, "no literal name", 18 },
		{ HEAD "extraFlags+=(--ephemeral --read-only)\n" COMMAND TAIL, "none that is known",
		  14 },
		{ HEAD "extraFlags+=(--private-network)\n" COMMAND TAIL, "none that is known", 14 },
		{ HEAD "if a; then extraFlags+=(--ephemeral); fi\n" COMMAND TAIL,
		  "none that is known", 14 },
		{ HEAD "extraFlags+=(--port=tcp:1:2)\n" COMMAND TAIL, "none that is known", 14 },
		{ HEAD "extraFlags+=x y\n" COMMAND TAIL, "unknown way", 14 },
		{ HEAD "read extraFlags\n" COMMAND TAIL, "unknown way", 14 },
		{ HEAD "cat <<E\n" COMMAND TAIL, "no shell script", 14 },
		{ HEAD "a='\n" COMMAND TAIL, "no shell script", 20 },
	};
	autoarena struct arena arena = {};
	struct nixos_script script;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ck_assert_msg(start(&arena, &script, rows[i].text) == -EINVAL, "%s", rows[i].text);
		ck_assert_msg(strstr(script.why, rows[i].why) != NULL, "%s: %s", rows[i].text,
			      script.why);
		ck_assert_msg(script.line == rows[i].line, "%s: %u", rows[i].text, script.line);
	}
	ck_assert_int_eq(nixos_script_start(&arena, &script, "a\0b", 3), -EINVAL);
	ck_assert_ptr_nonnull(script.why);
}
END_TEST

/* Two links: one with addresses, one in a bridge. */
static void two_links(struct arena *arena, struct nixos_script *script)
{
	ck_assert_int_eq(
		start(arena, script,
		      HEAD
		      "extraFlags+=(--network-veth-extra=lan0 --network-veth-extra=lan1)\n" COMMAND
			      TAIL),
		0);
}

START_TEST(further_links_have_addresses_and_bridges)
{
	static const char
		host[] = "if [[ -n \"$HOST_ADDRESS\" ]]; then\nifaceHost=ve-$INSTANCE\n"
			 "ip link set dev \"$ifaceHost\" up\n"
			 "ip addr add 10.0.0.1 dev \"$ifaceHost\"\nfi\n"
			 "echo \"Bring lan0 up\"\nip link set dev \"lan0\" up\n"
			 "ip addr add 10.1.0.1 dev \"lan0\"\nip -6 addr add fc00::1 dev lan0\n"
			 "ip route add 10.1.0.2 dev \"lan0\"\n"
			 "ip link set dev lan1 master br0 up\n",
		inside[] = "ip link set host0 name eth0\nip addr add $LOCAL_ADDRESS dev eth0\n"
			   "ip addr add 10.1.0.2 dev lan0\nip route add 10.1.0.1 dev lan0\n"
			   "ip addr add 10.2.0.2/24 dev lan1\nip route add 10.2.0.9 dev lan1\n"
			   ". \"$1\"\n";
	autoarena struct arena arena = {};
	struct nixos_script script;

	two_links(&arena, &script);
	ck_assert_int_eq(nixos_script_links(&arena, &script, host, strlen(host), false), 0);
	ck_assert_int_eq(nixos_script_links(&arena, &script, inside, strlen(inside), true), 0);
	ck_assert_str_eq(joined(&arena, &script.links[0].host), "10.1.0.1 fc00::1 ");
	ck_assert_str_eq(joined(&arena, &script.links[0].local), "10.1.0.2 ");
	ck_assert_ptr_null(script.links[0].bridge);
	ck_assert_str_eq(script.links[1].bridge, "br0");
	ck_assert_str_eq(joined(&arena, &script.links[1].host), "10.2.0.9 ");
	ck_assert_str_eq(joined(&arena, &script.links[1].local), "10.2.0.2/24 ");
}
END_TEST

START_TEST(unknown_ways_with_our_links_are_refused)
{
	static const char *const texts[] = {
		"ip link set dev lan0 mtu 9000\n", "ip link set dev lan0 master $BRIDGE up\n",
		"ip link set lan0 up\n",	   "ip addr add $A dev lan0\n",
		"ip addr add 'a b' dev lan0\n",	   "ip route add default via 10.0.0.1 dev lan0\n",
		"ip link set dev lan0 netns 1\n",  "ip addr del 10.0.0.1 dev lan0\n",
		"ip link set dev lan0 master\n",
	};
	autoarena struct arena arena = {};
	struct nixos_script script;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		two_links(&arena, &script);
		ck_assert_msg(nixos_script_links(&arena, &script, texts[i], strlen(texts[i]),
						 false) == -EINVAL,
			      "%s", texts[i]);
		ck_assert_uint_eq(script.line, 1);
		ck_assert_ptr_nonnull(script.why);
	}
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/nixos-script", literals_of_the_command_are_read, nothing_is_guessed,
			further_links_have_addresses_and_bridges,
			unknown_ways_with_our_links_are_refused);
}
