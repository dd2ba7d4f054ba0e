#include "format/nixos-conf.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "format/ini.h"
#include "format/envfile.h"
#include "format/port.h"

enum kind { TEXT, FLAG, ADDRESS, ADDRESS6, MAC, PATH, INTERFACE, PORTS, USERS, LINKS };

static const struct {
	const char *name;
	enum kind kind;
} keys[NIXOS_CONF_KEYS] = {
	[NIXOS_CONF_PRIVATE_NETWORK] = { "PRIVATE_NETWORK", FLAG },
	[NIXOS_CONF_HOST_ADDRESS] = { "HOST_ADDRESS", ADDRESS },
	[NIXOS_CONF_LOCAL_ADDRESS] = { "LOCAL_ADDRESS", ADDRESS },
	[NIXOS_CONF_HOST_BRIDGE] = { "HOST_BRIDGE", INTERFACE },
	[NIXOS_CONF_HOST_PORT] = { "HOST_PORT", PORTS },
	[NIXOS_CONF_AUTO_START] = { "AUTO_START", FLAG },
	[NIXOS_CONF_FLAKE] = { "FLAKE", TEXT },
	[NIXOS_CONF_SYSTEM_PATH] = { "SYSTEM_PATH", PATH },
	[NIXOS_CONF_COPY_RESOLV_CONF] = { "COPY_RESOLV_CONF", FLAG },
	[NIXOS_CONF_HOST_ADDRESS6] = { "HOST_ADDRESS6", ADDRESS6 },
	[NIXOS_CONF_LOCAL_ADDRESS6] = { "LOCAL_ADDRESS6", ADDRESS6 },
	[NIXOS_CONF_LOCAL_MAC_ADDRESS] = { "LOCAL_MAC_ADDRESS", MAC },
	[NIXOS_CONF_NETWORK_NAMESPACE_PATH] = { "NETWORK_NAMESPACE_PATH", PATH },
	[NIXOS_CONF_PRIVATE_USERS] = { "PRIVATE_USERS", USERS },
	[NIXOS_CONF_INTERFACES] = { "INTERFACES", LINKS },
	[NIXOS_CONF_MACVLANS] = { "MACVLANS", LINKS },
	[NIXOS_CONF_EXTRA_NSPAWN_FLAGS] = { "EXTRA_NSPAWN_FLAGS", TEXT },
};

const char *nixos_conf_name(enum nixos_conf_key key)
{
	return keys[key].name;
}

/* ---- reading ---- */

static bool assign(struct nixos_conf *conf, const char *name, const char *value)
{
	for (size_t i = 0; i < NIXOS_CONF_KEYS; i++)
		if (strcmp(keys[i].name, name) == 0) {
			conf->values[i] = value;
			return true;
		}
	return false;
}

int nixos_conf_parse(struct arena *arena, struct nixos_conf *ret, const char *text, size_t size)
{
	struct nixos_conf conf = { 0 };
	struct envfile file;
	char *name, *value;
	size_t lines = 0;
	int r;

	if (size > NIXOS_CONF_SIZE_MAX)
		return -E2BIG;
	r = envfile_start(&file, arena, text, size);
	if (r < 0)
		return r;
	while (envfile_next(&file, &name, &value) > 0) {
		if (++lines > NIXOS_CONF_LINES_MAX)
			return -E2BIG;
		if (!assign(&conf, name, value))
			text_list_add(arena, &conf.others,
				      arena_format(arena, "%s=%s", name, value));
	}
	*ret = conf;
	return 0;
}

bool nixos_conf_is_ours(const struct nixos_conf *conf)
{
	for (size_t i = 0; i < NIXOS_CONF_KEYS; i++)
		if (conf->values[i] != NULL)
			return true;
	return false;
}

const char *nixos_conf_value(const struct nixos_conf *conf, enum nixos_conf_key key)
{
	return text_empty(conf->values[key]) ? NULL : conf->values[key];
}

bool nixos_conf_flag(const struct nixos_conf *conf, enum nixos_conf_key key, bool unset)
{
	const char *value = nixos_conf_value(conf, key);

	return value == NULL ? unset : strcmp(value, "1") == 0;
}

int nixos_conf_address(struct ip_prefix *ret, const struct nixos_conf *conf,
		       enum nixos_conf_key key)
{
	const char *value = nixos_conf_value(conf, key);
	struct ip_prefix address;

	if (value == NULL)
		return 0;
	if (ip_parse_prefix(&address, value) < 0 ||
	    address.ip.family != (keys[key].kind == ADDRESS6 ? AF_INET6 : AF_INET))
		return -EINVAL;
	*ret = address;
	return 1;
}

void nixos_conf_words(struct arena *arena, struct text_list *ret, const struct nixos_conf *conf,
		      enum nixos_conf_key key)
{
	const char *value = nixos_conf_value(conf, key);

	if (value != NULL)
		text_split(arena, ret, value, keys[key].kind == PORTS ? ", \t\n" : " \t\n");
}

bool nixos_conf_has_link(const struct nixos_conf *conf)
{
	return nixos_conf_value(conf, NIXOS_CONF_HOST_ADDRESS) != NULL ||
	       nixos_conf_value(conf, NIXOS_CONF_LOCAL_ADDRESS) != NULL ||
	       nixos_conf_value(conf, NIXOS_CONF_HOST_ADDRESS6) != NULL ||
	       nixos_conf_value(conf, NIXOS_CONF_LOCAL_ADDRESS6) != NULL ||
	       nixos_conf_value(conf, NIXOS_CONF_LOCAL_MAC_ADDRESS) != NULL;
}

/* ---- checking ---- */

static const char *check_ports(struct arena *arena, const struct nixos_conf *conf,
			       enum nixos_conf_key key)
{
	struct text_list words = { 0 };
	struct port port;
	const char *why;

	nixos_conf_words(arena, &words, conf, key);
	for (size_t i = 0; i < words.count; i++)
		if (port_parse(&port, words.items[i], &why) < 0)
			return arena_format(arena, "in '%s' %s", words.items[i], why);
	return NULL;
}

static const char *check_links(struct arena *arena, const struct nixos_conf *conf,
			       enum nixos_conf_key key)
{
	struct text_list words = { 0 };

	nixos_conf_words(arena, &words, conf, key);
	for (size_t i = 0; i < words.count; i++) {
		struct text_list pair = { 0 };

		text_split(arena, &pair, words.items[i], ":");
		if (pair.count == 0 || pair.count > 2 || !name_is_alternative(pair.items[0]) ||
		    (pair.count == 2 && !name_is_interface(pair.items[1])))
			return arena_format(arena, "'%s' names no interface", words.items[i]);
	}
	return NULL;
}

static bool is_users(const char *value)
{
	uint32_t first;

	return text_equal(value, "no") || text_equal(value, "identity") ||
	       text_equal(value, "pick") || parse_u32(&first, value) == 0;
}

/* NULL: it is what it should be. */
static const char *check_value(struct arena *arena, const struct nixos_conf *conf,
			       enum nixos_conf_key key)
{
	const char *value = nixos_conf_value(conf, key);
	struct ip_prefix address;
	uint8_t mac[6];

	if (value == NULL)
		return NULL;
	if (!ini_is_line(value))
		return "there is a control character in it";
	switch (keys[key].kind) {
	case TEXT: return NULL;
	case FLAG:
		return text_equal(value, "0") || text_equal(value, "1") ? NULL
									: "it must be 0 or 1";
	case ADDRESS:
		return nixos_conf_address(&address, conf, key) > 0 ? NULL
								   : "it must be an IPv4 address";
	case ADDRESS6:
		return nixos_conf_address(&address, conf, key) > 0 ? NULL
								   : "it must be an IPv6 address";
	case MAC: return ip_parse_mac(mac, value) == 0 ? NULL : "it must be a hardware address";
	case PATH:
		return path_is_absolute(value) && path_is_normal(value)
			       ? NULL
			       : "it must be a path from / without '..'";
	case INTERFACE: return name_is_alternative(value) ? NULL : "it must be an interface's name";
	case PORTS: return check_ports(arena, conf, key);
	case USERS: return is_users(value) ? NULL : "it must be no, identity, pick or a number";
	case LINKS: return check_links(arena, conf, key);
	}
	return NULL;
}

int nixos_conf_check(struct arena *arena, const struct nixos_conf *conf,
		     enum nixos_conf_key *ret_key, const char **ret_why)
{
	for (size_t i = 0; i < NIXOS_CONF_KEYS; i++) {
		const char *why = check_value(arena, conf, (enum nixos_conf_key)i);

		if (why != NULL) {
			*ret_key = (enum nixos_conf_key)i;
			*ret_why = why;
			return -EINVAL;
		}
	}
	return 0;
}

/* ---- writing ---- */

/* Line by line readers take all after the "=", so quotes are for what systemd would read otherwise:
 * blanks at the ends, quotes and backslashes. */
static bool needs_quotes(const char *value)
{
	size_t length = strlen(value);

	return strpbrk(value, "\"'\\`$") != NULL ||
	       (length > 0 && (value[0] == ' ' || value[0] == '#' || value[length - 1] == ' '));
}

/* TO has room for twice the value and two quotes; its end. */
static char *put_value(char *to, const char *value)
{
	if (!needs_quotes(value))
		return stpcpy(to, value);
	*to++ = '"';
	for (; *value != '\0'; value++) {
		if (strchr("\"\\`$", *value) != NULL)
			*to++ = '\\';
		*to++ = *value;
	}
	*to++ = '"';
	return to;
}

static char *put_line(char *to, const char *name, size_t name_length, const char *value)
{
	to = mempcpy(to, name, name_length);
	*to++ = '=';
	to = put_value(to, value);
	*to++ = '\n';
	return to;
}

/* Room for its line; 0: no line can hold it. */
static size_t room_for(const char *name, const char *value)
{
	for (const char *at = value; *at != '\0'; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			return 0;
	return strlen(name) + 2 * strlen(value) + 4;
}

int nixos_conf_text(struct arena *arena, char **ret, const struct nixos_conf *conf)
{
	size_t room = 1;
	char *text, *to;

	for (size_t i = 0; i < NIXOS_CONF_KEYS; i++) {
		if (conf->values[i] == NULL)
			continue;
		if (room_for(keys[i].name, conf->values[i]) == 0)
			return -EINVAL;
		room += room_for(keys[i].name, conf->values[i]);
	}
	for (size_t i = 0; i < conf->others.count; i++) {
		if (strchr(conf->others.items[i], '=') == NULL ||
		    room_for("", conf->others.items[i]) == 0)
			return -EINVAL;
		room += room_for("", conf->others.items[i]);
	}
	to = text = arena_take(arena, room);
	for (size_t i = 0; i < NIXOS_CONF_KEYS; i++)
		if (conf->values[i] != NULL)
			to = put_line(to, keys[i].name, strlen(keys[i].name), conf->values[i]);
	for (size_t i = 0; i < conf->others.count; i++) {
		const char *name = conf->others.items[i], *end = strchr(name, '=');

		to = put_line(to, name, (size_t)(end - name), end + 1);
	}
	if ((size_t)(to - text) > NIXOS_CONF_SIZE_MAX)
		return -EINVAL;
	*ret = text;
	return 0;
}
