/* NAME.conf of /etc/nixos-containers. What has no key there is said by an option of
 * systemd-nspawn's, if it has one and fits in the list of them. */
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/text.h"
#include "declare/definition.h"
#include "declare/export-part.h"
#include "format/nixos-conf.h"
#include "spec/settings.h"

/* The key's values, in the grammar of its variable. */
static bool set(struct export *export, const struct export_row *row, const char *value)
{
	export_add(export, "conf", row->key, value);
	return true;
}

static bool yes(struct export *export, const struct export_row *row, const char *value)
{
	return export_if_yes(export, &(struct export_row){ 0 }, value) && set(export, row, "1");
}

/* One address of each kind. */
static bool address(struct export *export, const struct export_row *row, const char *value)
{
	struct text_list words = { 0 };

	text_split(export->arena, &words, value, " \t");
	for (size_t i = 0; i < words.count; i++) {
		const char *key = strchr(words.items[i], ':') == NULL
					  ? row->key
					  : arena_format(export->arena, "%s6", row->key);

		if (strspn(words.items[i], "0123456789abcdefABCDEF.:/") != strlen(words.items[i]))
			return false;
		for (size_t k = 0; k < export->count; k++)
			if (text_equal(export->lines[k].key, key))
				return false;
		export_add(export, "conf", key, words.items[i]);
	}
	return true;
}

static bool system_path(struct export *export, const struct export_row *row, const char *value)
{
	const char *path = text_after(value, "nix:");

	return path != NULL && set(export, row, path);
}

static bool mac(struct export *export, const struct export_row *row, const char *value)
{
	return text_equal(value, "stable") || set(export, row, value);
}

static bool users(struct export *export, const struct export_row *row, const char *value)
{
	return (text_equal(value, "no") || text_equal(value, "pick") ||
		text_equal(value, "identity") || strspn(value, "0123456789") == strlen(value)) &&
	       set(export, row, value);
}

/* A container there is booted, and has the store. */
static bool boot(struct export *export, const struct export_row *row, const char *value)
{
	(void)row;
	return export_if_yes(export, &(struct export_row){ 0 }, value);
}

static bool flag(struct export *export, const char *option, const char *value)
{
	if (value[strcspn(value, " \t\"'\\$")] != '\0')
		return false;
	export_add(export, "conf", "EXTRA_NSPAWN_FLAGS",
		   *value == '\0' ? arena_format(export->arena, "--%s", option)
				  : arena_format(export->arena, "--%s=%s", option, value));
	return true;
}

static const char *key_of(const struct export_row *row)
{
	return strchr(row->from, '.') + 1;
}

/* By the option of the same row of the settings table. */
static bool by_option(struct export *export, const struct export_row *row, const char *value)
{
	char *section = arena_text_n(export->arena, row->from,
				     (size_t)(key_of(row) - row->from) - 1);
	const struct setting *setting = setting_by_key(section, row->key);

	if (setting == NULL || setting->option == NULL || setting->unbuilt != NULL)
		return false;
	if (setting->value == NULL)
		return export_if_yes(export, &(struct export_row){ 0 }, value) &&
		       flag(export, setting->option, "");
	return flag(export, setting->option, value);
}

static const struct export_row rows[] = {
	{ "X-Image.Source", NULL, "SYSTEM_PATH", system_path },
	{ "X-Network.HostAddress", NULL, "HOST_ADDRESS", address },
	{ "X-Network.Address", NULL, "LOCAL_ADDRESS", address },
	{ "X-Network.MACAddress", NULL, "LOCAL_MAC_ADDRESS", mac },
	{ "Exec.Boot", NULL, "", boot },
	{ "Exec.PrivateUsers", NULL, "PRIVATE_USERS", users },
	{ "Network.Private", NULL, "PRIVATE_NETWORK", yes },
	{ "Network.VirtualEthernet", NULL, "PRIVATE_NETWORK", yes },
	{ "Network.Bridge", NULL, "HOST_BRIDGE", set },
	{ "Network.Port", NULL, "HOST_PORT", set },
	{ "Network.Interface", NULL, "INTERFACES", set },
	{ "Network.MACVLAN", NULL, "MACVLANS", set },
	{ "Network.NamespacePath", NULL, "NETWORK_NAMESPACE_PATH", set },
	{ "X-Install.WantedBy", NULL, "AUTO_START", set },
	{ "Exec.*", NULL, NULL, by_option },
	{ "Files.*", NULL, NULL, by_option },
	{ "Network.*", NULL, NULL, by_option },
};

/* What is said of KEY; lists there have separators of their own. */
static const char *value_of(struct export *export, enum nixos_conf_key key)
{
	const char *name = nixos_conf_name(key), *text = NULL;
	const char *separator = key == NIXOS_CONF_HOST_PORT ? "," : " ";

	for (size_t i = 0; i < export->count; i++) {
		const char *value = export->lines[i].value;

		if (!text_equal(export->lines[i].key, name))
			continue;
		if (key == NIXOS_CONF_AUTO_START || key == NIXOS_CONF_PRIVATE_NETWORK)
			return "1";
		text = text == NULL ? value
				    : arena_format(export->arena, "%s%s%s", text, separator, value);
	}
	return text;
}

int export_nixos_conf(struct export *export, const char **ret)
{
	struct nixos_conf conf = { 0 };
	enum nixos_conf_key bad;
	const char *why;
	char *text;
	int r;

	export_walk(export, rows, ARRAY_SIZE(rows));
	for (enum nixos_conf_key key = 0; key < NIXOS_CONF_KEYS; key++)
		conf.values[key] = value_of(export, key);
	if (nixos_conf_check(export->arena, &conf, &bad, &why) < 0)
		return fail_input("cannot write '%s' for NixOS: %s=%s: %s",
				  export->definition->name, nixos_conf_name(bad), conf.values[bad],
				  why);
	r = nixos_conf_text(export->arena, &text, &conf);
	if (r < 0)
		return fail_plain(r, "cannot write '%s' for NixOS: its words do not fit in lines",
				  export->definition->name);
	*ret = text;
	return 0;
}
