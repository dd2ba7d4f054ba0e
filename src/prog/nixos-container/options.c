#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/text.h"
#include "cli/option-set.h"
#include "prog/nixos-container/nixos-container.h"

#define DEFAULT_ATTRIBUTE "container"

FLAG(help)
FLAG(version)
FLAG(unique)
FLAG(auto_start)
FLAG(host_network)
FLAG(state_only)
FLAG(follow)

WORD(system_path)
WORD(nixos_path)
WORD(config)
WORD(config_file)
WORD(flake)
WORD(bridge)
WORD(private_users)
WORD(extra_flags)
WORD(host_address)
WORD(local_address)
WORD(host_address6)
WORD(local_address6)
WORD(mac)
WORD(lines)
WORD(strategy)

static void add(struct arena *arena, struct text_list *list, const char *word)
{
	text_list_add(arena, list, arena_text(arena, word));
}

/* --FIELD=WORD, any number of times */
#define WORDS(field)                                                                 \
	static int add_##field(struct arena *arena, void *target, const char *value) \
	{                                                                            \
		add(arena, &((struct options *)target)->field, value);               \
		return 0;                                                            \
	}

WORDS(ports)
WORDS(interfaces)
WORDS(macvlans)
WORDS(keep)

/* ---- the runner's own ---- */

static void check_later(struct arena *arena, struct options *options, const char *option,
			const char *value)
{
	text_list_add(arena, &options->checked, arena_format(arena, "%s=%s", option, value));
}

/* The conf has no place for these: they are for the companion file. */
#define SETTING(name, option, key)                                                               \
	static int add_##name(struct arena *arena, void *target, const char *value)              \
	{                                                                                        \
		struct options *options = target;                                                \
                                                                                                 \
		text_list_add(arena, &options->settings, arena_format(arena, key "=%s", value)); \
		check_later(arena, options, option, value);                                      \
		return 0;                                                                        \
	}

/* Nor has it for blanks; but what it has, NixOS's own program honours. */
static int add_mount(struct arena *arena, struct options *options, const char *option,
		     const char *key, const char *value)
{
	if (strpbrk(value, " \t\n") != NULL)
		text_list_add(arena, &options->mounts, arena_format(arena, "%s=%s", key, value));
	else
		text_list_add(arena, &options->flags, arena_format(arena, "%s=%s", option, value));
	check_later(arena, options, option, value);
	return 0;
}

#define MOUNT(name, option, key)                                                    \
	static int add_##name(struct arena *arena, void *target, const char *value) \
	{                                                                           \
		return add_mount(arena, target, option, key, value);                \
	}

MOUNT(bind, "--bind", "Bind")
MOUNT(bind_ro, "--bind-ro", "BindReadOnly")
MOUNT(tmpfs, "--tmpfs", "TemporaryFileSystem")
SETTING(capability, "--capability", "Capability")
SETTING(drop_capability, "--drop-capability", "DropCapability")
SETTING(filter, "--system-call-filter", "SystemCallFilter")

/* ---- what is nix's ---- */

#define NIX_FLAG(name, option)                                                       \
	static int pass_##name(struct arena *arena, void *target, const char *value) \
	{                                                                            \
		(void)value;                                                         \
		add(arena, &((struct options *)target)->nix, option);                \
		return 0;                                                            \
	}

#define NIX_WORD(name, option)                                                       \
	static int pass_##name(struct arena *arena, void *target, const char *value) \
	{                                                                            \
		add(arena, &((struct options *)target)->nix, option);                \
		add(arena, &((struct options *)target)->nix, value);                 \
		return 0;                                                            \
	}

#define NIX_PAIR(name, option)                                                       \
	static int pass_##name(struct arena *arena, void *target, const char *first, \
			       const char *second)                                   \
	{                                                                            \
		add(arena, &((struct options *)target)->nix_pairs, option);          \
		add(arena, &((struct options *)target)->nix_pairs, first);           \
		add(arena, &((struct options *)target)->nix_pairs, second);          \
		return 0;                                                            \
	}

NIX_FLAG(impure, "--impure")
NIX_FLAG(commit_lock_file, "--commit-lock-file")
NIX_FLAG(no_registries, "--no-registries")
NIX_FLAG(no_update_lock_file, "--no-update-lock-file")
NIX_FLAG(no_write_lock_file, "--no-write-lock-file")
NIX_FLAG(no_allow_dirty, "--no-allow-dirty")
NIX_FLAG(recreate_lock_file, "--recreate-lock-file")
NIX_WORD(log_format, "--log-format")
NIX_WORD(update_input, "--update-input")
NIX_PAIR(option, "--option")
NIX_PAIR(override_input, "--override-input")

/* ---- others ---- */

static int set_ephemeral(struct arena *arena, void *target, const char *value)
{
	(void)value;
	add(arena, &((struct options *)target)->settings, "Ephemeral=yes");
	return 0;
}

/* A relic: scripts give it, nothing ever used it. */
static int ignore(struct arena *arena, void *target, const char *value)
{
	(void)arena;
	(void)target;
	(void)value;
	return 0;
}

static int set_json(struct arena *arena, void *target, const char *value)
{
	(void)arena;
	((struct options *)target)->format = text_equal(value, "short") ? TABLE_JSON_SHORT
					     : text_equal(value, "off") ? TABLE_TEXT
									: TABLE_JSON_PRETTY;
	return 0;
}

static const char *const strategy_words[] = { "auto", "reload", "restart", "none", NULL };

static const char *const json_words[] = { "short", "pretty", "off", NULL };

static const struct option_row rows[] = {
	{ "help", 'h', NULL, "Show this help", NULL, set_help, OPTION_LAST },
	{ "version", 0, NULL, "Show the version", NULL, set_version, OPTION_LAST },
	{ "ensure-unique-name", 0, NULL, "Append a number if the name is taken, and print it", NULL,
	  set_unique, 0 },
	{ "auto-start", 0, NULL, "Start the container at boot", NULL, set_auto_start, 0 },
	{ "nixos-path", 0, "PATH", "The NixOS to build with", NULL, set_nixos_path, 0 },
	{ "system-path", 0, "PATH", "A system that is built already", NULL, set_system_path, 0 },
	{ "config", 0, "TEXT", "Configuration to build", NULL, set_config, 0 },
	{ "config-file", 0, "FILE", "The same, from a file", NULL, set_config_file, 0 },
	{ "flake", 0, "FLAKE[#NAME]", "The same, from a flake", NULL, set_flake, 0 },
	{ "bridge", 0, "BRIDGE", "Bridge of the host to connect to", NULL, set_bridge, 0 },
	{ "port", 0, "PORT", "Port of the host that leads to the container", NULL, add_ports, 0 },
	{ "host-address", 0, "ADDRESS", "Address of the host's end", NULL, set_host_address, 0 },
	{ "local-address", 0, "ADDRESS", "Address of the container's end", NULL, set_local_address,
	  0 },
	{ "host-address6", 0, "ADDRESS", "The same for IPv6", NULL, set_host_address6, 0 },
	{ "local-address6", 0, "ADDRESS", "The same for IPv6", NULL, set_local_address6, 0 },
	{ "mac", 0, "ADDRESS", "Hardware address of the container's end", NULL, set_mac, 0 },
	{ "interface", 0, "INTERFACE", "Interface of the host to move there", NULL, add_interfaces,
	  0 },
	{ "macvlan", 0, "INTERFACE", "Interface of the host to share", NULL, add_macvlans, 0 },
	{ "use-host-network", 0, NULL, "Use the network of the host", NULL, set_host_network, 0 },
	{ "private-users", 0, "USERS", "User ids of its own: no, identity, pick or a number", NULL,
	  set_private_users, 0 },
	{ "bind", 0, "PATH[:PATH]", "Show a path of the host", NULL, add_bind, 0 },
	{ "bind-ro", 0, "PATH[:PATH]", "The same, read-only", NULL, add_bind_ro, 0 },
	{ "tmpfs", 0, "PATH[:OPTIONS]", "A directory in memory", NULL, add_tmpfs, 0 },
	{ "capability", 0, "NAME", "Capability to keep", NULL, add_capability, 0 },
	{ "drop-capability", 0, "NAME", "Capability to take away", NULL, add_drop_capability, 0 },
	{ "system-call-filter", 0, "NAME", "System calls to allow, or with ~ to refuse", NULL,
	  add_filter, 0 },
	{ "extra-flags", 0, "WORDS", "More options for the runner", NULL, set_extra_flags, 0 },
	{ "ephemeral", 0, NULL, "Forget all changes at the end", NULL, set_ephemeral, 0 },
	{ "state-only", 0, NULL, "Destroy the files only, not the definition", NULL, set_state_only,
	  0 },
	{ "strategy", 0, "WORD", "How a running container gets another system", NULL, set_strategy,
	  0, strategy_words },
	{ "keep", 0, "PATH", "What reset leaves as it is", NULL, add_keep, 0 },
	{ "lines", 'n', "N", "Number of log lines to show", NULL, set_lines, 0 },
	{ "follow", 'f', NULL, "Go on with what is logged next", NULL, set_follow, 0 },
	{ "json", 0, "MODE", "Print as JSON", NULL, set_json, OPTION_OPTIONAL, json_words },
	{ "log-format", 0, "FORMAT", "For nix", NULL, pass_log_format, 0 },
	{ "option", 0, "NAME VALUE", "For nix", NULL, NULL, 0, NULL, NULL, pass_option },
	{ "impure", 0, NULL, "For nix", NULL, pass_impure, 0 },
	{ "update-input", 0, "INPUT", "For nix", NULL, pass_update_input, 0 },
	{ "override-input", 0, "INPUT FLAKE", "For nix", NULL, NULL, 0, NULL, NULL,
	  pass_override_input },
	{ "commit-lock-file", 0, NULL, "For nix", NULL, pass_commit_lock_file, 0 },
	{ "no-registries", 0, NULL, "For nix", NULL, pass_no_registries, 0 },
	{ "no-update-lock-file", 0, NULL, "For nix", NULL, pass_no_update_lock_file, 0 },
	{ "no-write-lock-file", 0, NULL, "For nix", NULL, pass_no_write_lock_file, 0 },
	{ "no-allow-dirty", 0, NULL, "For nix", NULL, pass_no_allow_dirty, 0 },
	{ "recreate-lock-file", 0, NULL, "For nix", NULL, pass_recreate_lock_file, 0 },
	{ "signal", 0, "SIGNAL", NULL, NULL, ignore, OPTION_HIDDEN },
};

const struct option_table nixos_options = { rows, ARRAY_SIZE(rows) };

/* At the last "#", if a name that may stand in quotes follows. */
static void split_flake(struct arena *arena, struct options *options)
{
	const char *mark = options->flake == NULL ? NULL : strrchr(options->flake, '#');

	options->attribute = DEFAULT_ATTRIBUTE;
	if (mark == NULL || mark[1] == '\0' || strchr(mark, '"') != NULL)
		return;
	options->attribute = mark + 1;
	options->flake = arena_text_n(arena, options->flake, (size_t)(mark - options->flake));
}

int options_check_addresses(const struct options *options)
{
	if ((options->host_address == NULL) != (options->local_address == NULL))
		return fail_input("cannot use %s alone (try --host-address= and --local-address= "
				  "together)",
				  options->host_address ? "--host-address=" : "--local-address=");
	if ((options->host_address6 == NULL) != (options->local_address6 == NULL))
		return fail_input("cannot use %s alone (try --host-address6= and --local-address6= "
				  "together)",
				  options->host_address6 ? "--host-address6="
							 : "--local-address6=");
	return 0;
}

int options_check_sources(struct arena *arena, struct options *options)
{
	if (options->config != NULL && options->config_file != NULL)
		return fail_input("cannot use --config= and --config-file= together: only one "
				  "configuration can be built");
	split_flake(arena, options);
	return 0;
}
