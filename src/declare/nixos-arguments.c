#include "declare/nixos-arguments.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/text.h"
#include "declare/nixos-store.h"
#include "declare/nixos.h"
#include "machine/settings-items.h"

#define PROFILES_INSIDE "/nix/var/nix/profiles"
#define GCROOTS_INSIDE "/nix/var/nix/gcroots"

struct writer {
	struct arena *arena;
	struct text_list *list;
	const struct nixos *nixos;
	const struct nixos_conf *conf;
	const char *idmap; /* behind the paths of a bind */
};

static void add(struct writer *writer, const char *option, const char *value)
{
	text_list_add(writer->arena, writer->list,
		      arena_format(writer->arena, "--%s%s%s", option, value != NULL ? "=" : "",
				   value != NULL ? value : ""));
}

static void add_value(struct writer *writer, const char *option, enum nixos_conf_key key)
{
	const char *value = nixos_conf_value(writer->conf, key);

	if (value != NULL)
		add(writer, option, value);
}

static void add_each(struct writer *writer, const char *option, enum nixos_conf_key key)
{
	struct text_list words = { 0 };

	nixos_conf_words(writer->arena, &words, writer->conf, key);
	for (size_t i = 0; i < words.count; i++)
		add(writer, option, words.items[i]);
}

/* ---- the network ---- */

static bool has(const struct writer *writer, enum nixos_conf_key key)
{
	return nixos_conf_value(writer->conf, key) != NULL;
}

/* The bridge's side of a link is the administrator's; the host's address is only where to send. */
static void add_bridged(struct writer *writer)
{
	add_value(writer, "network-bridge", NIXOS_CONF_HOST_BRIDGE);
	if (has(writer, NIXOS_CONF_LOCAL_ADDRESS))
		add_value(writer, "network-gateway", NIXOS_CONF_HOST_ADDRESS);
	if (has(writer, NIXOS_CONF_LOCAL_ADDRESS6))
		add_value(writer, "network-gateway", NIXOS_CONF_HOST_ADDRESS6);
}

static void add_cable(struct writer *writer)
{
	bool local = has(writer, NIXOS_CONF_LOCAL_ADDRESS) ||
		     has(writer, NIXOS_CONF_LOCAL_ADDRESS6);

	add(writer, "network-veth", NULL);
	if (local) {
		add_value(writer, "network-host-address", NIXOS_CONF_HOST_ADDRESS);
		add_value(writer, "network-host-address", NIXOS_CONF_HOST_ADDRESS6);
		return;
	}
	add(writer, "network-address", "no");
	if (has(writer, NIXOS_CONF_HOST_ADDRESS) || has(writer, NIXOS_CONF_HOST_ADDRESS6))
		log_warning("HOST_ADDRESS= is of no use without LOCAL_ADDRESS=, going on without");
}

static void add_network(struct writer *writer)
{
	bool bridged = has(writer, NIXOS_CONF_HOST_BRIDGE);

	if (nixos_conf_flag(writer->conf, NIXOS_CONF_PRIVATE_NETWORK, false))
		add(writer, "private-network", NULL);
	if (bridged)
		add_bridged(writer);
	else if (nixos_conf_has_link(writer->conf))
		add_cable(writer);
	if (bridged || nixos_conf_has_link(writer->conf)) {
		add(writer, "network-name", "eth0");
		add_value(writer, "network-address", NIXOS_CONF_LOCAL_ADDRESS);
		add_value(writer, "network-address", NIXOS_CONF_LOCAL_ADDRESS6);
		add_value(writer, "network-mac", NIXOS_CONF_LOCAL_MAC_ADDRESS);
	}
	add_each(writer, "port", NIXOS_CONF_HOST_PORT);
	add_each(writer, "network-interface", NIXOS_CONF_INTERFACES);
	add_each(writer, "network-macvlan", NIXOS_CONF_MACVLANS);
	add_value(writer, "network-namespace-path", NIXOS_CONF_NETWORK_NAMESPACE_PATH);
}

/* A server at the host's loopback is no use in another network. There our own stands in for it,
 * where the host's end of the link is ours. */
static void add_resolver(struct writer *writer, enum nixos_resolver resolver)
{
	const struct nixos_conf *conf = writer->conf;
	bool apart = nixos_conf_flag(conf, NIXOS_CONF_PRIVATE_NETWORK, false) ||
		     nixos_conf_has_link(conf) || has(writer, NIXOS_CONF_HOST_BRIDGE);
	bool ours =
		!has(writer, NIXOS_CONF_HOST_BRIDGE) &&
		((has(writer, NIXOS_CONF_HOST_ADDRESS) && has(writer, NIXOS_CONF_LOCAL_ADDRESS)) ||
		 (has(writer, NIXOS_CONF_HOST_ADDRESS6) && has(writer, NIXOS_CONF_LOCAL_ADDRESS6)));

	if (!nixos_conf_flag(conf, NIXOS_CONF_COPY_RESOLV_CONF, true))
		add(writer, "resolv-conf", "off");
	else if (!apart || resolver == NIXOS_RESOLVER_HOST)
		add(writer, "resolv-conf", "replace-host");
	else if (ours)
		add(writer, "network-dns", "auto");
	else if (resolver == NIXOS_RESOLVER_UPLINK)
		add(writer, "resolv-conf", "replace-uplink");
	else
		add(writer, "resolv-conf", "replace-host");
}

/* ---- users and the store ---- */

static bool is_shifted(const char *users)
{
	uint32_t first;

	return text_equal(users, "pick") || (parse_u32(&first, users) == 0 && first > 0);
}

static void add_users(struct writer *writer)
{
	const char *users = nixos_conf_value(writer->conf, NIXOS_CONF_PRIVATE_USERS);

	if (users == NULL) {
		/* As the unit of NixOS has it. The runner's own default is better, and another. */
		add(writer, "private-users", "no");
		return;
	}
	add(writer, "private-users", users);
	if (!is_shifted(users))
		return;
	add(writer, "private-users-ownership", "auto");
	writer->idmap = ":idmap";
}

static void add_bind(struct writer *writer, const char *option, const char *from, const char *to)
{
	bool same = strcmp(from, to) == 0 && *writer->idmap == '\0';

	add(writer, option,
	    same ? from : arena_format(writer->arena, "%s:%s%s", from, to, writer->idmap));
}

static void add_store(struct writer *writer, const struct nixos_store *store)
{
	if (store->kind == NIXOS_STORE_FULL)
		add_bind(writer, "bind-ro", NIXOS_STORE_DIRECTORY, NIXOS_STORE_DIRECTORY);
	if (store->kind == NIXOS_STORE_CLOSURE) {
		add(writer, "tmpfs", NIXOS_STORE_DIRECTORY ":mode=0755");
		for (size_t i = 0; i < store->paths.count; i++)
			add_bind(writer, "bind-ro", store->paths.items[i], store->paths.items[i]);
	}
	if (store->database)
		add_bind(writer, "bind-ro", "/nix/var/nix/db", "/nix/var/nix/db");
	if (store->daemon)
		add_bind(writer, "bind-ro", "/nix/var/nix/daemon-socket",
			 "/nix/var/nix/daemon-socket");
}

static void add_profiles(struct writer *writer, const struct nixos_store *store)
{
	/* What the profile leads to is what it sees of the store at its next start: with only a
	 * part of that for it, which part is not its own choice. */
	add_bind(writer, store->kind == NIXOS_STORE_CLOSURE ? "bind-ro" : "bind",
		 writer->nixos->profiles, PROFILES_INSIDE);
	add_bind(writer, "bind", writer->nixos->gcroots, GCROOTS_INSIDE);
}

/* ---- the rest ---- */

/* NixOS's own words for a processor are those of uname(2) with "-linux", but for 32 bits. */
static int add_personality(struct writer *writer, const struct nixos_host *host)
{
	static const struct {
		const char *machine, *system, *personality;
	} rows[] = {
		{ "x86_64", "i686-linux", "x86" },
		{ "aarch64", "armv7l-linux", "arm" },
		{ "aarch64", "armv6l-linux", "arm" },
	};

	if (host->system == NULL || text_equal(text_after(host->system, host->machine), "-linux"))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].machine, host->machine) == 0 &&
		    strcmp(rows[i].system, host->system) == 0) {
			add(writer, "personality", rows[i].personality);
			return 0;
		}
	if (host->emulates)
		return 0;
	return fail_input("cannot start container '%s': its system is for %s, this host is %s (try "
			  "installing qemu-user-binfmt)",
			  writer->nixos->name, host->system, host->machine);
}

static void add_environment(struct writer *writer)
{
	static const enum nixos_conf_key keys[] = {
		NIXOS_CONF_PRIVATE_NETWORK, NIXOS_CONF_PRIVATE_USERS,	  NIXOS_CONF_HOST_BRIDGE,
		NIXOS_CONF_HOST_ADDRESS,    NIXOS_CONF_LOCAL_ADDRESS,	  NIXOS_CONF_HOST_ADDRESS6,
		NIXOS_CONF_LOCAL_ADDRESS6,  NIXOS_CONF_LOCAL_MAC_ADDRESS, NIXOS_CONF_HOST_PORT,
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *value = writer->conf->values[keys[i]];

		add(writer, "setenv",
		    arena_format(writer->arena, "%s=%s", nixos_conf_name(keys[i]),
				 value != NULL ? value : ""));
	}
}

/* An empty value takes back what was said before. */
static int add_list(struct writer *writer, const struct settings *companion, const char *section,
		    const char *key, const char *option)
{
	struct settings_items items;
	struct text_list values = { 0 };
	struct ini_item item;
	int r;

	settings_items_begin(&items, writer->arena, companion);
	while ((r = settings_items_next(&items, &item, section)) > 0) {
		if (strcmp(item.key, key) != 0)
			continue;
		if (*item.value == '\0')
			text_list_clear(&values);
		else
			text_list_add(writer->arena, &values,
				      arena_text(writer->arena, item.value));
	}
	if (r < 0)
		return fail(r, "cannot read '%s'", items.path);
	for (size_t i = 0; i < values.count; i++)
		add(writer, option, values.items[i]);
	return 0;
}

static int add_companion(struct writer *writer, const struct settings *companion)
{
	static const struct {
		const char *section, *key, *option;
	} rows[] = {
		{ "Files", "Bind", "bind" },
		{ "Files", "BindReadOnly", "bind-ro" },
		{ "Files", "TemporaryFileSystem", "tmpfs" },
		{ "Files", "Inaccessible", "inaccessible" },
		{ "Files", "Overlay", "overlay" },
		{ "Files", "OverlayReadOnly", "overlay-ro" },
		{ "Network", "VirtualEthernetExtra", "network-veth-extra" },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows) && r >= 0; i++)
		r = add_list(writer, companion, rows[i].section, rows[i].key, rows[i].option);
	return r;
}

/* How a system of NixOS is started, and says that it has. */
static void add_contract(struct writer *writer)
{
	add(writer, "notify-ready", "yes");
	add(writer, "kill-signal", "SIGRTMIN+3");
}

static void add_init(struct writer *writer)
{
	add(writer, "init",
	    arena_format(writer->arena, "%s/init", nixos_system_inside(writer->nixos)));
}

int nixos_arguments_system(struct arena *arena, struct text_list *ret, const struct nixos *nixos,
			   const struct nixos_store *store, const struct nixos_host *host,
			   bool shifted)
{
	struct writer writer = { arena, ret, nixos, &nixos->conf, shifted ? ":idmap" : "" };

	add_store(&writer, store);
	/* Without the host's nix, nothing inside makes any. */
	if (store->database || store->daemon)
		add_profiles(&writer, store);
	add_contract(&writer);
	add_init(&writer);
	return add_personality(&writer, host);
}

int nixos_arguments(struct arena *arena, struct text_list *ret, const struct nixos *nixos,
		    const struct nixos_store *store, const struct nixos_host *host)
{
	struct writer writer = { arena, ret, nixos, &nixos->conf, "" };
	struct text_list extra = { 0 };
	int r = nixos_check(arena, nixos);

	if (r < 0)
		return r;
	add(&writer, "machine", nixos->name);
	add(&writer, "directory", nixos->root);
	add_users(&writer);
	add_network(&writer);
	add_resolver(&writer, host->resolver);
	add_store(&writer, store);
	add_profiles(&writer, store);
	r = add_personality(&writer, host);
	if (r >= 0)
		r = add_companion(&writer, host->companion);
	if (r < 0)
		return r;
	add(&writer, "link-journal", "try-guest");
	add_contract(&writer);
	add_environment(&writer);
	add_init(&writer);
	/* Words between blanks, as a shell would split them; but no pattern is looked up on the
	 * host, whose files are none of the conf's business. Last, so that they count. */
	nixos_conf_words(arena, &extra, &nixos->conf, NIXOS_CONF_EXTRA_NSPAWN_FLAGS);
	for (size_t i = 0; i < extra.count; i++)
		text_list_add(arena, ret, extra.items[i]);
	return 0;
}
