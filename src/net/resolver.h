/* net/resolver - the DNS responder of one machine.
 *
 * It lives in the supervisor's loop: one descriptor to poll, and resolver_serve() does what is
 * ready without ever waiting. All memory is taken by resolver_open(), and what the guest sends is
 * bounded in number, size and rate.
 *
 * A query is answered, in this order: what is malformed, about another class than IN, a transfer
 * or ANY is refused; "localhost" and other names with a meaning of their own as RFC 6761 says;
 * names and addresses that the callbacks know, further names last; unknown names below "machine"
 * and of one label do not exist (address queries only: there are no search domains here); what
 * `allowed` does not allow is refused; the rest is asked of the host's resolvers (resolv.conf, read
 * anew when it changes), in whose network namespace the caller is.
 *
 * Runs in: supervisor. resolver_open() leaves a sentence, the rest is quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESOLVER_LISTEN_MAX 4
#define RESOLVER_CLIENTS_MAX 8	/* prefixes */
#define RESOLVER_OUTSTANDING 64 /* queries to the host's resolvers; more are answered SERVFAIL */
#define RESOLVER_STREAMS 8	/* clients over TCP; one more takes the place of one that idles */
#define RESOLVER_QUERIES_PER_S 4096 /* more wait in the sockets' queues, and are lost there */
#define RESOLVER_ADDRESSES_MAX 32   /* of one answer; what is beyond is left out */
#define RESOLVER_LOCAL_TTL_S 5

struct resolver;

struct resolver_address {
	int family; /* AF_INET, AF_INET6 */
	uint8_t bytes[16];
	uint32_t ttl; /* seconds; resolver_learned_fn only */
	bool refused; /* resolver_learned_fn: set it, and the guest does not see this one */
};

struct resolver_prefix {
	int family;
	uint8_t bytes[16];
	unsigned int length;
};

/* The addresses of NAME in FAMILY, at most ROOM. NAME has no ".machine" or ".DOMAIN" at the end any
 * more, may be "_host" or "_gateway", and may have dots. It is asked for in lower case first, then
 * as the guest spelled it. Returns how many; 0: the name exists, without such an address; -ENOENT:
 * not known here; -ENXIO: it certainly does not exist. Must not block. */
typedef int resolver_lookup_fn(void *context, struct resolver_address *ret, size_t room,
			       const char *name, int family);

/* The name of an address. 0; -ENOENT and -ENXIO as above. */
typedef int resolver_reverse_fn(void *context, char *ret, size_t room, int family,
				const uint8_t *bytes);

/* May NAME (form of format/dns) be asked of the host's resolvers? It is the queried name alone
 * that decides, not what an alias leads to. */
typedef bool resolver_allowed_fn(void *context, const char *name);

/* These addresses are about to be told to the guest as those of NAME, which it asked for. Nothing
 * is told if the result is negative. */
typedef int resolver_learned_fn(void *context, const char *name, struct resolver_address *addresses,
				size_t count);

struct resolver_config {
	/* Addresses to listen on (ttl is not looked at); all zero: any. They need not exist yet. A
	 * family that the kernel lacks is left out. */
	const struct resolver_address *listen;
	size_t listen_count;
	uint16_t port; /* tried first (the one before the supervisor was renewed); 0: any */

	/* Who may ask; without any: everybody who can reach the port. */
	const struct resolver_prefix *clients;
	size_t client_count;

	const char *domain;	 /* the zone: NAME.domain is NAME; NULL: none */
	const char *resolv_conf; /* NULL: /etc/resolv.conf */

	/* Addresses to ask instead of those in resolv.conf (ttl is not looked at). */
	const struct resolver_address *servers;
	size_t server_count;

	uint64_t timeout_us; /* of one try with one server; 0: as resolv.conf says, or 2 s */

	void *context; /* of the callbacks, each of which may be NULL */
	resolver_lookup_fn *lookup;
	/* Of a name that `lookup` does not know in any form, in lower case only. */
	resolver_lookup_fn *further;
	resolver_reverse_fn *reverse;
	resolver_allowed_fn *allowed;
	resolver_learned_fn *learned;
};

struct resolver_counts {
	uint64_t asked, local, forwarded, refused, failed, dropped;
};

/* CONFIG and what it points to is copied, but for the context. */
int resolver_open(struct resolver **ret, const struct resolver_config *config);
void resolver_done(struct resolver **resolver); /* accepts NULL */

/* Other callbacks of the same context, from the next question and the next reply on. */
void resolver_restrict(struct resolver *resolver, resolver_allowed_fn *allowed,
		       resolver_learned_fn *learned);

/* UDP and TCP of all addresses have the same one. */
uint16_t resolver_port(const struct resolver *resolver);

/* To be polled for POLLIN; nothing else need be watched, not even a time. */
int resolver_poll_fd(const struct resolver *resolver);

/* Do what is ready; a part of it if that is much. */
void resolver_serve(struct resolver *resolver);

struct resolver_counts resolver_counts(const struct resolver *resolver);
