/* declare/nixos-arguments - what a NixOS container's conf means as options of the runner.
 *
 * The host's facts come in from outside, so that this is a table and nothing else. What the conf
 * cannot say stands in the companion file: the runner reads that itself, but for its lists of
 * mounts and cables, which options of the same kind would hide: they are passed on. Pure but for
 * warnings; speaking.
 */
#pragma once
#include <stdbool.h>

struct arena;
struct nixos;
struct nixos_store;
struct settings;
struct text_list;

enum nixos_resolver {
	NIXOS_RESOLVER_HOST, /* /etc/resolv.conf names servers that can be reached from inside */
	NIXOS_RESOLVER_LOOPBACK, /* it names some at the host's loopback */
	NIXOS_RESOLVER_UPLINK,	 /* the same, and systemd-resolved tells whom it asks itself */
};

struct nixos_host {
	const char *machine; /* as uname(2) tells: "x86_64" */
	const char *system;  /* of the closure: "i686-linux"; NULL: it does not tell */
	bool emulates;	     /* the kernel runs programs of that system all the same */
	enum nixos_resolver resolver;
	const struct settings *companion; /* what stands beside the conf; NULL: nothing */
};

/* The options, without the runner's own name, in the order in which it would be typed. */
int nixos_arguments(struct arena *arena, struct text_list *ret, const struct nixos *nixos,
		    const struct nixos_store *store, const struct nixos_host *host);

/* Those alone by which its system is seen and started, for a machine whose other settings come from
 * elsewhere. SHIFTED: it has user ids of its own. */
int nixos_arguments_system(struct arena *arena, struct text_list *ret, const struct nixos *nixos,
			   const struct nixos_store *store, const struct nixos_host *host,
			   bool shifted);
