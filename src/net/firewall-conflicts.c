#include "net/firewall-conflicts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fail.h"
#include "base/text.h"
#include "kernel/nftables.h"
#include "net/firewall-sets.h"
#include "net/firewall-xtables.h"

/* Numbers of hooks (NF_INET_*), whose header does not go together with <arpa/inet.h>. */
enum { HOOK_INPUT = 1, HOOK_FORWARD = 2 };

#define MARKED "meta mark and 0x10000000 == 0x10000000 accept comment redd"
#define MATCHED "-m mark --mark 0x10000000/0x10000000 -m comment --comment redd -j ACCEPT"

_Static_assert(FIREWALL_MARK == 0x10000000, "the remedies tell the mark");

#define FOUND_MAX 32 /* tables and chains that are looked at */

/* A table that drops, or may. */
struct found {
	unsigned int family;
	char table[NFTABLES_NAME_SIZE];
	char forward[NFTABLES_NAME_SIZE],
		input[NFTABLES_NAME_SIZE]; /* chains that drop; "": none */
	bool docker, ufw;
	bool forward_remedied, input_remedied;
};

struct search {
	struct found found[FOUND_MAX];
	size_t count;
	const struct firewall_address *pools;
	size_t pool_count;
	struct firewall_conflict *ret;
	size_t conflicts;
};

/* ---- chains ---- */

static struct found *table_of(struct search *search, const struct nftables_chain *chain)
{
	struct found *found;

	for (size_t i = 0; i < search->count; i++) {
		found = &search->found[i];
		if (found->family == chain->family && strcmp(found->table, chain->table) == 0)
			return found;
	}
	if (search->count == FOUND_MAX)
		return NULL;
	found = &search->found[search->count++];
	*found = (struct found){ .family = chain->family };
	memcpy(found->table, chain->table, sizeof(found->table));
	return found;
}

static bool is_ours(const char *table)
{
	return strncmp(table, FIREWALL_TABLE, strlen(FIREWALL_TABLE)) == 0;
}

static int look_at_chain(const struct nftables_chain *chain, void *context)
{
	struct found *found;

	if ((chain->family != NFTABLES_INET && chain->family != NFTABLES_IPV4 &&
	     chain->family != NFTABLES_IPV6) ||
	    is_ours(chain->table))
		return 0;
	found = table_of(context, chain);
	if (!found)
		return 0;
	if (chain->base && chain->drops && chain->hook == HOOK_FORWARD)
		memcpy(found->forward, chain->name, sizeof(found->forward));
	if (chain->base && chain->drops && chain->hook == HOOK_INPUT)
		memcpy(found->input, chain->name, sizeof(found->input));
	found->docker = found->docker || strcmp(chain->name, "DOCKER-USER") == 0;
	found->ufw = found->ufw || strcmp(chain->name, "ufw-before-forward") == 0 ||
		     strcmp(chain->name, "ufw6-before-forward") == 0;
	return 0;
}

/* ---- rules ---- */

struct trace {
	const struct search *search;
	struct found *found;
};

static bool holds(struct netlink_reader reader, const void *bytes, size_t size)
{
	return reader.size > 0 && memmem(reader.bytes, reader.size, bytes, size) != NULL;
}

/* The network's bytes that count, and, as it stands in a rule, at least four. */
static bool holds_pool(struct netlink_reader reader, const struct firewall_address *pool)
{
	size_t size = pool->bits / 8;

	return size > 0 && holds(reader, pool->bytes, size < 4 ? 4 : size);
}

static bool is_about_us(const struct nftables_rule *rule, const struct search *search)
{
	for (size_t i = 0; i < search->pool_count; i++)
		if (holds_pool(rule->expressions, &search->pools[i]))
			return true;
	return holds(rule->user, "redd", 4) || holds(rule->expressions, "redd", 4) ||
	       holds(rule->expressions, "ve-", 3) || holds(rule->expressions, "vz-", 3);
}

static bool is_of_input(const char *chain)
{
	while (*chain != '\0' && text_after_loose(chain, "input") == NULL)
		chain++;
	return *chain != '\0';
}

static int look_at_rule(const struct nftables_rule *rule, void *context)
{
	struct trace *trace = context;

	if (!is_about_us(rule, trace->search))
		return 0;
	if (is_of_input(rule->chain) || strcmp(rule->chain, trace->found->input) == 0)
		trace->found->input_remedied = true;
	else
		trace->found->forward_remedied = true;
	return 0;
}

static bool is_firewalld(const struct found *found)
{
	return strcmp(found->table, "firewalld") == 0;
}

static int look_at_rules(struct firewall *firewall, const struct search *search,
			 struct found *found)
{
	struct trace trace = { .search = search, .found = found };
	int r;

	if (!found->forward[0] && !found->input[0] && !is_firewalld(found))
		return 0;
	r = nftables_list_rules(&firewall->filter, found->family, found->table, look_at_rule,
				&trace);
	if (found->forward_remedied)
		found->forward[0] = '\0';
	if (found->input_remedied)
		found->input[0] = '\0';
	return r == -EAGAIN || r == -ENOENT ? 0 : r;
}

/* ---- what to do ---- */

static struct firewall_conflict *next(struct search *search, const char *who)
{
	struct firewall_conflict *conflict;

	/* One program has tables of several families, and one word to be told. */
	for (size_t i = 0; i < search->conflicts; i++)
		if (strcmp(search->ret[i].who, who) == 0)
			return &search->ret[i];
	if (search->conflicts == FIREWALL_CONFLICTS_MAX)
		return NULL;
	conflict = &search->ret[search->conflicts++];
	*conflict = (struct firewall_conflict){};
	snprintf(conflict->who, sizeof(conflict->who), "%s", who);
	return conflict;
}

/* One more command, behind those that are there. */
static void add_command(struct firewall_conflict *conflict, const char *format, ...) PRINTF(2, 3);

static void add_command(struct firewall_conflict *conflict, const char *format, ...)
{
	size_t used = strlen(conflict->remedy);
	va_list args;

	if (used > 0 && used < sizeof(conflict->remedy))
		used += (size_t)snprintf(conflict->remedy + used, sizeof(conflict->remedy) - used,
					 " && ");
	if (used >= sizeof(conflict->remedy))
		return;
	va_start(args, format);
	vsnprintf(conflict->remedy + used, sizeof(conflict->remedy) - used, format, args);
	va_end(args);
}

static void tell_firewalld(struct search *search)
{
	struct firewall_conflict *conflict = next(search, "firewalld");

	if (!conflict)
		return;
	conflict->forwarding = conflict->input = true;
	add_command(conflict, "firewall-cmd --permanent --zone=trusted --add-interface=ve-+ "
			      "--add-interface=vz-+");
	add_command(conflict, "firewall-cmd --reload");
}

static void tell_ufw(struct search *search, const struct found *found)
{
	struct firewall_conflict *conflict = next(search, "ufw");

	if (!conflict)
		return;
	conflict->forwarding = conflict->forwarding || found->forward[0];
	conflict->input = conflict->input || found->input[0];
	for (size_t i = 0; i < search->pool_count; i++) {
		const struct firewall_address *pool = &search->pools[i];
		char text[INET6_ADDRSTRLEN];

		if ((pool->family == AF_INET6) != (found->family == NFTABLES_IPV6) ||
		    !inet_ntop(pool->family, pool->bytes, text, sizeof(text)))
			continue;
		if (found->input[0])
			add_command(conflict, "ufw allow from %s/%u", text, pool->bits);
		if (found->forward[0]) {
			add_command(conflict, "ufw route allow from %s/%u", text, pool->bits);
			add_command(conflict, "ufw route allow to %s/%u", text, pool->bits);
		}
	}
}

/* The rules of the program iptables, whichever half of the kernel they are in. */
static void tell_iptables(struct search *search, const char *program, bool docker, bool forward,
			  bool input)
{
	struct firewall_conflict *conflict = next(search, docker ? "Docker" : "iptables");

	if (!conflict)
		return;
	conflict->forwarding = conflict->forwarding || forward;
	conflict->input = conflict->input || input;
	if (forward)
		add_command(conflict, "%s -I %s " MATCHED, program,
			    docker ? "DOCKER-USER" : "FORWARD");
	if (input)
		add_command(conflict, "%s -I INPUT " MATCHED, program);
}

static void tell_other(struct search *search, const struct found *found, const char *chain,
		       bool forward)
{
	const char *family = found->family == NFTABLES_IPV4   ? "ip"
			     : found->family == NFTABLES_IPV6 ? "ip6"
							      : "inet";
	struct firewall_conflict *conflict;
	char who[sizeof(conflict->who)];

	snprintf(who, sizeof(who), "the chain '%s' of the table '%s %s'", chain, family,
		 found->table);
	conflict = next(search, who);
	if (!conflict)
		return;
	conflict->forwarding = forward;
	conflict->input = !forward;
	add_command(conflict, "nft insert rule %s %s %s " MARKED, family, found->table, chain);
}

static void tell(struct search *search, const struct found *found)
{
	bool iptables = found->family != NFTABLES_INET && strcmp(found->table, "filter") == 0 &&
			(strcmp(found->forward, "FORWARD") == 0 ||
			 strcmp(found->input, "INPUT") == 0);

	/* It refuses by its last rules, not by what is said of the rest. */
	if (is_firewalld(found)) {
		if (!found->forward_remedied && !found->input_remedied)
			tell_firewalld(search);
		return;
	}
	if (!found->forward[0] && !found->input[0])
		return;
	if (found->ufw) {
		tell_ufw(search, found);
		return;
	}
	if (iptables) {
		tell_iptables(search, found->family == NFTABLES_IPV6 ? "ip6tables" : "iptables",
			      found->docker, found->forward[0], found->input[0]);
		return;
	}
	if (found->forward[0])
		tell_other(search, found, found->forward, true);
	if (found->input[0])
		tell_other(search, found, found->input, false);
}

static void tell_older(struct search *search)
{
	static const struct {
		int family;
		const char *program;
	} versions[] = {
		{ AF_INET, "iptables-legacy" },
		{ AF_INET6, "ip6tables-legacy" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		struct firewall_xtables tables;

		if (firewall_xtables_read(&tables, versions[i].family) < 0 || tables.remedied ||
		    (!tables.forward_drops && !tables.input_drops))
			continue;
		tell_iptables(search, versions[i].program, tables.docker, tables.forward_drops,
			      tables.input_drops);
	}
}

int firewall_conflicts(struct firewall *firewall, const struct firewall_address *pools,
		       size_t pool_count, struct firewall_conflict ret[FIREWALL_CONFLICTS_MAX])
{
	struct search search = { .pools = pools, .pool_count = pool_count, .ret = ret };
	int r;

	r = nftables_list_chains(&firewall->filter, look_at_chain, &search);
	if (r < 0 && r != -EAGAIN)
		return fail(r, "cannot see what other packet filters do");
	for (size_t i = 0; i < search.count; i++) {
		r = look_at_rules(firewall, &search, &search.found[i]);
		if (r < 0)
			return fail(r, "cannot see what other packet filters do");
		tell(&search, &search.found[i]);
	}
	tell_older(&search);
	return (int)search.conflicts;
}
