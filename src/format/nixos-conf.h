/* format/nixos-conf - NAME.conf of /etc/nixos-containers: what a NixOS container should be.
 *
 * Read as systemd reads an EnvironmentFile=, written so that line by line readers agree: without
 * quotes where they are not needed. Keys that are not ours are kept. Values are the file's words
 * until nixos_conf_check() has looked at them. Pure, quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "format/ip.h"

struct arena;

#define NIXOS_CONF_DIRECTORY "/etc/nixos-containers"
#define NIXOS_OLD_CONF_DIRECTORY "/etc/containers" /* where podman keeps files too */

#define NIXOS_CONF_SIZE_MAX (64 * 1024) /* what a caller should read at most */
#define NIXOS_CONF_LINES_MAX 4096

/* In the order in which they are written. */
enum nixos_conf_key {
	NIXOS_CONF_PRIVATE_NETWORK,
	NIXOS_CONF_HOST_ADDRESS,
	NIXOS_CONF_LOCAL_ADDRESS,
	NIXOS_CONF_HOST_BRIDGE,
	NIXOS_CONF_HOST_PORT, /* "tcp:8080:80,udp:53:53" */
	NIXOS_CONF_AUTO_START,
	NIXOS_CONF_FLAKE,
	NIXOS_CONF_SYSTEM_PATH,
	NIXOS_CONF_COPY_RESOLV_CONF,
	NIXOS_CONF_HOST_ADDRESS6,
	NIXOS_CONF_LOCAL_ADDRESS6,
	NIXOS_CONF_LOCAL_MAC_ADDRESS,
	NIXOS_CONF_NETWORK_NAMESPACE_PATH,
	NIXOS_CONF_PRIVATE_USERS, /* "no", "identity", "pick" or the first id */
	NIXOS_CONF_INTERFACES,
	NIXOS_CONF_MACVLANS,
	NIXOS_CONF_EXTRA_NSPAWN_FLAGS,
	NIXOS_CONF_KEYS
};

struct nixos_conf {
	const char *values[NIXOS_CONF_KEYS]; /* NULL: not there; "" is there, and empty */
	struct text_list others;	     /* "NAME=VALUE" of other keys, in the file's order */
};

const char *nixos_conf_name(enum nixos_conf_key key);

/* The last line of a key counts. -EINVAL: there is a NUL byte in it. -E2BIG: over the limits. */
int nixos_conf_parse(struct arena *arena, struct nixos_conf *ret, const char *text, size_t size);

/* Some key is ours: not one of the other programs' files that lie in /etc/containers. */
bool nixos_conf_is_ours(const struct nixos_conf *conf);

/* The whole file. -EINVAL: a value has a character that no line can hold, or it is too large. */
int nixos_conf_text(struct arena *arena, char **ret, const struct nixos_conf *conf);

/* The value if it is there and not empty, else NULL. */
const char *nixos_conf_value(const struct nixos_conf *conf, enum nixos_conf_key key);

/* "1"; UNSET where the key is absent or empty. */
bool nixos_conf_flag(const struct nixos_conf *conf, enum nixos_conf_key key, bool unset);

/* 1: an address, whose length is that of a single one if none is given; 0: none; -EINVAL: not of
 * the key's family. */
int nixos_conf_address(struct ip_prefix *ret, const struct nixos_conf *conf,
		       enum nixos_conf_key key);

/* Words of a list: HOST_PORT between commas, others between blanks; empty ones are dropped. */
void nixos_conf_words(struct arena *arena, struct text_list *ret, const struct nixos_conf *conf,
		      enum nixos_conf_key key);

/* One of the five that make a virtual cable. */
bool nixos_conf_has_link(const struct nixos_conf *conf);

/* Every key has a value of its kind. -EINVAL: which has not, and why as a clause. */
int nixos_conf_check(struct arena *arena, const struct nixos_conf *conf,
		     enum nixos_conf_key *ret_key, const char **ret_why);
