#include "declare/import-nixos.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/import.h"
#include "declare/nixos.h"
#include "format/nixos-conf.h"
#include "spec/settings.h"

#define SUFFIX ".conf"

struct reader {
	struct import *import;
	struct import_machine *machine;
	const char *path, *text;
	struct nixos_conf conf;
};

/* The last line that begins with the key: that one counts. */
static unsigned int line_of(const struct reader *reader, enum nixos_conf_key key)
{
	const char *name = nixos_conf_name(key), *line = reader->text;
	unsigned int found = 0;

	for (unsigned int number = 1; line != NULL; number++) {
		line += strspn(line, " \t");
		if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == '=')
			found = number;
		line = strchr(line, '\n');
		line = line == NULL ? NULL : line + 1;
	}
	return found;
}

static struct import_at at(const struct reader *reader, enum nixos_conf_key key)
{
	return (struct import_at){ reader->path, line_of(reader, key), nixos_conf_name(key) };
}

static const char *value_of(const struct reader *reader, enum nixos_conf_key key)
{
	return nixos_conf_value(&reader->conf, key);
}

static void set(struct reader *reader, enum nixos_conf_key key, const char *section,
		const char *name, const char *value)
{
	import_set(reader->import, reader->machine, at(reader, key), section, name, value);
}

/* ---- what runs ---- */

static void take_system(struct reader *reader)
{
	const char *path = value_of(reader, NIXOS_CONF_SYSTEM_PATH);
	struct arena *arena = reader->import->arena;

	if (path == NULL)
		set(reader, NIXOS_CONF_SYSTEM_PATH, "X-Image", "Source",
		    arena_format(arena, "nix-profile:" NIXOS_PROFILES_DIRECTORY "/%s/system",
				 reader->machine->name));
	else if (text_after(path, "/nix/store/") != NULL)
		set(reader, NIXOS_CONF_SYSTEM_PATH, "X-Image", "Source",
		    arena_format(arena, "nix:%s", path));
	else
		set(reader, NIXOS_CONF_SYSTEM_PATH, "X-Image", "Source",
		    arena_format(arena, "nix-profile:%s", path));
	if (value_of(reader, NIXOS_CONF_FLAKE) != NULL)
		import_note(reader->import, reader->machine, at(reader, NIXOS_CONF_FLAKE),
			    "a flake is built by 'nixos-container update', into the profile");
	/* As the original shows it: the whole store, and the host's daemon. */
	set(reader, NIXOS_CONF_SYSTEM_PATH, "X-Nix", "Store", "full");
	set(reader, NIXOS_CONF_SYSTEM_PATH, "X-Nix", "Daemon", "yes");
	if (nixos_conf_flag(&reader->conf, NIXOS_CONF_AUTO_START, false))
		set(reader, NIXOS_CONF_AUTO_START, "X-Install", "WantedBy", "machines.target");
}

static void take_users(struct reader *reader)
{
	const char *users = value_of(reader, NIXOS_CONF_PRIVATE_USERS);

	set(reader, NIXOS_CONF_PRIVATE_USERS, "Exec", "PrivateUsers", users != NULL ? users : "no");
	if (!nixos_conf_flag(&reader->conf, NIXOS_CONF_COPY_RESOLV_CONF, true))
		set(reader, NIXOS_CONF_COPY_RESOLV_CONF, "Exec", "ResolvConf", "off");
}

/* ---- its network ---- */

static void take_words(struct reader *reader, enum nixos_conf_key key, const char *section,
		       const char *name)
{
	struct text_list words = { 0 };

	nixos_conf_words(reader->import->arena, &words, &reader->conf, key);
	for (size_t i = 0; i < words.count; i++)
		set(reader, key, section, name, words.items[i]);
}

static void take_network(struct reader *reader)
{
	static const struct {
		enum nixos_conf_key key;
		const char *section, *name;
	} single[] = {
		{ NIXOS_CONF_HOST_BRIDGE, "Network", "Bridge" },
		{ NIXOS_CONF_HOST_ADDRESS, "X-Network", "HostAddress" },
		{ NIXOS_CONF_LOCAL_ADDRESS, "X-Network", "Address" },
		{ NIXOS_CONF_HOST_ADDRESS6, "X-Network", "HostAddress" },
		{ NIXOS_CONF_LOCAL_ADDRESS6, "X-Network", "Address" },
		{ NIXOS_CONF_LOCAL_MAC_ADDRESS, "X-Network", "MACAddress" },
		{ NIXOS_CONF_NETWORK_NAMESPACE_PATH, "X-Network", "NamespacePath" },
	};

	if (nixos_conf_flag(&reader->conf, NIXOS_CONF_PRIVATE_NETWORK, false))
		set(reader, NIXOS_CONF_PRIVATE_NETWORK, "Network", "Private", "yes");
	if (nixos_conf_has_link(&reader->conf)) {
		set(reader, NIXOS_CONF_HOST_ADDRESS, "Network", "VirtualEthernet", "yes");
		set(reader, NIXOS_CONF_HOST_ADDRESS, "X-Network", "InterfaceName", "eth0");
	}
	for (size_t i = 0; i < ARRAY_SIZE(single); i++)
		if (value_of(reader, single[i].key) != NULL)
			set(reader, single[i].key, single[i].section, single[i].name,
			    value_of(reader, single[i].key));
	take_words(reader, NIXOS_CONF_HOST_PORT, "Network", "Port");
	take_words(reader, NIXOS_CONF_INTERFACES, "Network", "Interface");
	take_words(reader, NIXOS_CONF_MACVLANS, "Network", "MACVLAN");
}

/* ---- options of the runner ---- */

static const struct setting *row_of(const char *option, size_t length)
{
	for (size_t i = 0; i < spec_settings_count; i++) {
		const char *name = spec_settings[i].option;

		if (name != NULL && strlen(name) == length && strncmp(name, option, length) == 0)
			return spec_settings[i].key == NULL ? NULL : &spec_settings[i];
	}
	return NULL;
}

/* "--bind=/a" and "--bind /a"; NEXT may be NULL. How many words it was. */
static size_t take_flag(struct reader *reader, const char *word, const char *next)
{
	const enum nixos_conf_key key = NIXOS_CONF_EXTRA_NSPAWN_FLAGS;
	const char *option = text_after(word, "--");
	size_t length = option == NULL ? 0 : strcspn(option, "=");
	const struct setting *row = length == 0 ? NULL : row_of(option, length);
	const char *value = "yes", *dot;
	size_t taken = 1;

	if (row == NULL) {
		import_note(reader->import, reader->machine, at(reader, key),
			    "no definition says '%s'", word);
		return taken;
	}
	if (option[length] == '=')
		value = option + length + 1;
	else if (row->value != NULL && next != NULL)
		value = next, taken = 2;
	dot = strchr(row->key, '.');
	set(reader, key, arena_text_n(reader->import->arena, row->key, (size_t)(dot - row->key)),
	    dot + 1, value);
	return taken;
}

static void take_flags(struct reader *reader)
{
	struct text_list words = { 0 };

	nixos_conf_words(reader->import->arena, &words, &reader->conf,
			 NIXOS_CONF_EXTRA_NSPAWN_FLAGS);
	for (size_t i = 0; i < words.count;)
		i += take_flag(reader, words.items[i],
			       i + 1 < words.count ? words.items[i + 1] : NULL);
}

/* ---- all of it ---- */

void import_nixos(struct import *import, const char *path, const char *text, size_t size)
{
	struct import_at whole = { path, 1, path_name(path) };
	struct reader reader = { .import = import, .path = path, .text = text };
	const char *file = path_name(path), *why;
	enum nixos_conf_key key;

	if (nixos_conf_parse(import->arena, &reader.conf, text, size) < 0 ||
	    (text[strspn(text, " \t\n")] && !nixos_conf_is_ours(&reader.conf))) {
		import_refuse(import, whole, "this is no conf of a container");
		return;
	}
	if (nixos_conf_check(import->arena, &reader.conf, &key, &why) < 0) {
		import_refuse(import, at(&reader, key), "%s", why);
		return;
	}
	if (text_ends(file, SUFFIX))
		file = arena_text_n(import->arena, file, strlen(file) - strlen(SUFFIX));
	reader.machine = import_add(import, whole, file,
				    arena_format(import->arena, "%s", path_name(path)));
	if (reader.machine == NULL)
		return;
	take_system(&reader);
	take_users(&reader);
	take_network(&reader);
	take_flags(&reader);
}
