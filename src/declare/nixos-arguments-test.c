#include "declare/nixos-arguments.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/text.h"
#include "base/unit.h"
#include "declare/nixos-store.h"
#include "declare/nixos.h"
#include "io/settings.h"

/* What does not depend on keys: names, the shared directories, nine variables, the init. */
#define ALWAYS                                                                                  \
	"--machine=web --directory=/tree --bind-ro=/nix/store --bind-ro=/nix/var/nix/db "       \
	"--bind-ro=/nix/var/nix/daemon-socket --bind=/profiles/web:/nix/var/nix/profiles "      \
	"--bind=/gcroots/web:/nix/var/nix/gcroots --link-journal=try-guest --notify-ready=yes " \
	"--kill-signal=SIGRTMIN+3 --init=/nix/var/nix/profiles/system/init "

static struct nixos sample(struct arena *arena, const char *conf)
{
	struct nixos nixos = {
		.name = "web",
		.conf_path = "/etc/nixos-containers/web.conf",
		.root = "/tree",
		.profiles = "/profiles/web",
		.system = "/profiles/web/system",
		.gcroots = "/gcroots/web",
		.companion = "/etc/systemd/nspawn/web.nspawn",
	};

	ck_assert_int_eq(nixos_conf_parse(arena, &nixos.conf, conf, strlen(conf)), 0);
	return nixos;
}

static int arguments(struct arena *arena, struct text_list *ret, const char *conf,
		     const struct nixos_store *store, struct nixos_host host)
{
	struct nixos nixos = sample(arena, conf);

	if (host.machine == NULL)
		host.machine = "x86_64";
	return nixos_arguments(arena, ret, &nixos, store, &host);
}

static const struct nixos_store whole = { .daemon = true, .database = true };

/* Those that are not always there, in their order; and that the others are. */
static const char *special(struct arena *arena, const char *conf, const struct nixos_store *store,
			   struct nixos_host host)
{
	struct text_list list = { 0 }, always = { 0 };
	char *all = arena_text(arena, "");
	size_t common = 0;

	ck_assert_int_eq(arguments(arena, &list, conf, store, host), 0);
	text_split(arena, &always, ALWAYS, " ");
	for (size_t i = 0; i < list.count; i++) {
		if (text_after(list.items[i], "--setenv=") != NULL)
			continue;
		if (text_list_has(&always, list.items[i]))
			common++;
		else
			all = arena_format(arena, "%s%s%s", all, *all ? " " : "", list.items[i]);
	}
	if (store == &whole && strstr(all, ":idmap") == NULL && strstr(all, "--init=") == NULL)
		ck_assert_uint_eq(common, always.count);
	return all;
}

#define HOST_DNS "--resolv-conf=replace-host"

START_TEST(each_key_becomes_options)
{
	static const struct {
		const char *conf, *options;
	} rows[] = {
		{ "", "--private-users=no " HOST_DNS },
		{ "UNKNOWN=1\nAUTO_START=1\nFLAKE=/x\n", "--private-users=no " HOST_DNS },
		{ "PRIVATE_NETWORK=1\n", "--private-users=no --private-network " HOST_DNS },
		{ "PRIVATE_NETWORK=0\n", "--private-users=no " HOST_DNS },
		{ "COPY_RESOLV_CONF=1\n", "--private-users=no " HOST_DNS },
		{ "COPY_RESOLV_CONF=0\n", "--private-users=no --resolv-conf=off" },
		{ "HOST_ADDRESS=10.0.0.1\nLOCAL_ADDRESS=10.0.0.2\nHOST_BRIDGE=\nHOST_PORT=\n",
		  "--private-users=no --network-veth --network-host-address=10.0.0.1 "
		  "--network-name=eth0 --network-address=10.0.0.2 " HOST_DNS },
		{ "HOST_ADDRESS6=fc00::1\nLOCAL_ADDRESS6=fc00::2/64\n",
		  "--private-users=no --network-veth --network-host-address=fc00::1 "
		  "--network-name=eth0 --network-address=fc00::2/64 " HOST_DNS },
		{ "LOCAL_MAC_ADDRESS=02:00:00:00:00:01\n",
		  "--private-users=no --network-veth --network-address=no --network-name=eth0 "
		  "--network-mac=02:00:00:00:00:01 " HOST_DNS },
		{ "HOST_BRIDGE=br0\n",
		  "--private-users=no --network-bridge=br0 --network-name=eth0 " HOST_DNS },
		{ "HOST_BRIDGE=br0\nHOST_ADDRESS=10.0.0.1\nLOCAL_ADDRESS=10.0.0.2/24\n",
		  "--private-users=no --network-bridge=br0 --network-gateway=10.0.0.1 "
		  "--network-name=eth0 --network-address=10.0.0.2/24 " HOST_DNS },
		{ "HOST_PORT=tcp:8080:80,udp:53:53\nPRIVATE_NETWORK=1\n",
		  "--private-users=no --private-network --port=tcp:8080:80 "
		  "--port=udp:53:53 " HOST_DNS },
		{ "NETWORK_NAMESPACE_PATH=/run/netns/a\n",
		  "--private-users=no --network-namespace-path=/run/netns/a " HOST_DNS },
		{ "INTERFACES=\"eth1 eth2:lan\"\nMACVLANS='eth0'\n",
		  "--private-users=no --network-interface=eth1 --network-interface=eth2:lan "
		  "--network-macvlan=eth0 " HOST_DNS },
		{ "PRIVATE_USERS=no\n", "--private-users=no " HOST_DNS },
		{ "PRIVATE_USERS=identity\n", "--private-users=identity " HOST_DNS },
		{ "PRIVATE_USERS=0\n", "--private-users=0 " HOST_DNS },
		{ "EXTRA_NSPAWN_FLAGS=\"--bind-ro=/a:/b  --tmpfs=/x *\"\n",
		  "--private-users=no " HOST_DNS " --bind-ro=/a:/b --tmpfs=/x *" },
		{ "SYSTEM_PATH=/nix/store/s\n",
		  "--private-users=no " HOST_DNS " --init=/nix/store/s/init" },
	};
	autoarena struct arena arena = {};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_str_eq(special(&arena, rows[i].conf, &whole, (struct nixos_host){ 0 }),
				 rows[i].options);
}
END_TEST

START_TEST(shifted_ids_shift_what_is_shared)
{
	static const char *const users[] = { "pick", "524288" };
	autoarena struct arena arena = {};

	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		struct text_list list = { 0 };

		ck_assert_int_eq(arguments(&arena, &list,
					   arena_format(&arena, "PRIVATE_USERS=%s\n", users[i]),
					   &whole, (struct nixos_host){ 0 }),
				 0);
		ck_assert(text_list_has(&list, "--private-users-ownership=auto"));
		ck_assert(text_list_has(&list, "--bind-ro=/nix/store:/nix/store:idmap"));
		ck_assert(text_list_has(&list, "--bind-ro=/nix/var/nix/db:/nix/var/nix/db:idmap"));
		ck_assert(text_list_has(&list, "--bind=/profiles/web:/nix/var/nix/profiles:idmap"));
		ck_assert(text_list_has(&list, "--bind=/gcroots/web:/nix/var/nix/gcroots:idmap"));
	}
}
END_TEST

START_TEST(variables_are_all_there)
{
	autoarena struct arena arena = {};
	struct text_list list = { 0 };

	ck_assert_int_eq(arguments(&arena, &list, "HOST_PORT=tcp:1:2\nPRIVATE_NETWORK=1\n", &whole,
				   (struct nixos_host){ 0 }),
			 0);
	ck_assert(text_list_has(&list, "--setenv=HOST_PORT=tcp:1:2"));
	ck_assert(text_list_has(&list, "--setenv=PRIVATE_NETWORK=1"));
	ck_assert(text_list_has(&list, "--setenv=LOCAL_MAC_ADDRESS="));
	ck_assert(text_list_has(&list, "--setenv=PRIVATE_USERS="));
}
END_TEST

START_TEST(a_resolver_at_the_hosts_loopback_is_replaced)
{
	static const char cable[] = "HOST_ADDRESS=10.0.0.1\nLOCAL_ADDRESS=10.0.0.2\n";
	static const struct {
		const char *conf;
		enum nixos_resolver resolver;
		const char *option;
	} rows[] = {
		{ cable, NIXOS_RESOLVER_LOOPBACK, "--network-dns=auto" },
		{ cable, NIXOS_RESOLVER_UPLINK, "--network-dns=auto" },
		{ "HOST_BRIDGE=br0\n", NIXOS_RESOLVER_UPLINK, "--resolv-conf=replace-uplink" },
		{ "HOST_BRIDGE=br0\n", NIXOS_RESOLVER_LOOPBACK, HOST_DNS },
		{ "", NIXOS_RESOLVER_LOOPBACK, HOST_DNS },
		{ "COPY_RESOLV_CONF=0\n", NIXOS_RESOLVER_UPLINK, "--resolv-conf=off" },
	};
	autoarena struct arena arena = {};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct text_list list = { 0 };

		ck_assert_int_eq(arguments(&arena, &list, rows[i].conf, &whole,
					   (struct nixos_host){ .resolver = rows[i].resolver }),
				 0);
		ck_assert_msg(text_list_has(&list, rows[i].option), "%s", rows[i].conf);
	}
}
END_TEST

START_TEST(only_the_closure_may_be_seen)
{
	autoarena struct arena arena = {};
	struct nixos_store store = { .kind = NIXOS_STORE_CLOSURE };
	struct text_list list = { 0 };

	text_list_add(&arena, &store.paths, arena_text(&arena, "/nix/store/a"));
	ck_assert_int_eq(arguments(&arena, &list, "", &store, (struct nixos_host){ 0 }), 0);
	ck_assert(text_list_has(&list, "--tmpfs=/nix/store:mode=0755"));
	ck_assert(text_list_has(&list, "--bind-ro=/nix/store/a"));
	ck_assert(!text_list_has(&list, "--bind-ro=/nix/store"));
	ck_assert(!text_list_has(&list, "--bind-ro=/nix/var/nix/daemon-socket"));
	/* Nor may it choose another one. */
	ck_assert(text_list_has(&list, "--bind-ro=/profiles/web:/nix/var/nix/profiles"));
}
END_TEST

START_TEST(a_processor_has_its_personality)
{
	static const struct {
		const char *machine, *system, *option;
		bool emulates;
	} rows[] = {
		{ "x86_64", "i686-linux", "--personality=x86", false },
		{ "x86_64", "x86_64-linux", NULL, false },
		{ "x86_64", NULL, NULL, false },
		{ "x86_64", "aarch64-linux", NULL, true },
		{ "aarch64", "armv7l-linux", "--personality=arm", false },
	};
	autoarena struct arena arena = {};
	struct text_list list = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct nixos_host host = { .machine = rows[i].machine,
					   .system = rows[i].system,
					   .emulates = rows[i].emulates };
		const char *options = special(&arena, "", &whole, host);

		ck_assert_msg(rows[i].option == NULL ? strstr(options, "personality") == NULL
						     : strstr(options, rows[i].option) != NULL,
			      "%s", options);
	}
	ck_assert_int_eq(arguments(&arena, &list, "", &whole,
				   (struct nixos_host){ .system = "aarch64-linux" }),
			 -EINVAL);
}
END_TEST

START_TEST(lists_of_the_companion_are_passed_on)
{
	static const char text[] = "[Exec]\nCapability=CAP_SYS_ADMIN\n[Files]\nBind=/a:/b:idmap\n"
				   "TemporaryFileSystem=/scratch\nBindReadOnly=\n"
				   "[Network]\nVirtualEthernetExtra=ex-web:lan\nPort=1:2\n",
			  drop_in[] = "Bind=/lost\n[Files]\nBind=/c\nTemporaryFileSystem=\n"
				      "BindReadOnly=/d\n";
	struct settings_part parts[] = { { "web.nspawn", (char *)text, strlen(text) },
					 { "a.conf", (char *)drop_in, strlen(drop_in) } };
	struct settings companion = { .parts = parts, .count = 1 };
	const struct nixos_host host = { .companion = &companion };
	autoarena struct arena arena = {};

	ck_assert_str_eq(special(&arena, "", &whole, host),
			 "--private-users=no " HOST_DNS " --bind=/a:/b:idmap --tmpfs=/scratch "
			 "--network-veth-extra=ex-web:lan");
	companion.count = 2;
	ck_assert_str_eq(special(&arena, "", &whole, host),
			 "--private-users=no " HOST_DNS
			 " --bind=/a:/b:idmap --bind=/c --bind-ro=/d "
			 "--network-veth-extra=ex-web:lan");
}
END_TEST

START_TEST(a_wrong_value_is_refused)
{
	autoarena struct arena arena = {};
	struct text_list list = { 0 };

	ck_assert_int_eq(arguments(&arena, &list, "HOST_ADDRESS=10\n", &whole,
				   (struct nixos_host){ 0 }),
			 -EINVAL);
}
END_TEST

int main(void)
{
	return UNIT_RUN("declare/nixos-arguments", each_key_becomes_options,
			shifted_ids_shift_what_is_shared, variables_are_all_there,
			a_resolver_at_the_hosts_loopback_is_replaced, only_the_closure_may_be_seen,
			a_processor_has_its_personality, lists_of_the_companion_are_passed_on,
			a_wrong_value_is_refused);
}
