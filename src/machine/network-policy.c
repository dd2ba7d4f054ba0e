#include "machine/network-policy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "format/ip.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/resolve.h"
#include "machine/copy.h"
#include "machine/find.h"
#include "machine/network-change.h"
#include "machine/network-file.h"

#define RESOLV_CONF "/etc/resolv.conf"

/* ---- /etc/resolv.conf ---- */

static const struct ip *first(const struct facts *facts, int family)
{
	for (size_t i = 0; i < facts->gateway_count; i++)
		if (facts->gateways[i].ip.family == family)
			return &facts->gateways[i].ip;
	return NULL;
}

/* "": it tells nothing. */
static const char *servers(struct arena *arena, const struct facts *facts,
			   const struct network_policy *policy)
{
	static const int families[] = { AF_INET, AF_INET6 };
	char room[IP_TEXT_ROOM], *text = arena_text(arena, "");

	if (policy->server != NULL)
		return arena_format(arena, "nameserver %s\n", ip_text(room, policy->server));
	for (size_t i = 0; i < ARRAY_SIZE(families) && policy->dns; i++) {
		const struct ip *gateway = first(facts, families[i]);

		if (gateway != NULL)
			text = arena_format(arena, "%snameserver %s\n", text,
					    ip_text(room, gateway));
	}
	return text;
}

/* A link is somebody's inside who asks by DHCP. */
static int is_link(const struct machine *machine)
{
	autoclose int root = machine_open_root(machine), parent = -EBADF;
	const char *name;
	struct stat st;

	if (root < 0)
		return root;
	parent = resolve_open_parent(root, RESOLV_CONF, &name);
	if (parent == -ENOENT)
		return 0;
	if (parent < 0)
		return parent;
	return fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

/* As machinectl copy-to does it: as the machine's root, and at once. */
static int write_resolv_conf(struct arena *arena, const struct machine *machine, const char *text)
{
	const char *name = arena_format(arena, NETWORK_FILE_RESOLV, machine->name);
	autoclose int directory = record_open_runtime(machine->runtime, "machines");
	struct copy_request request = {
		.machine = machine,
		.host = arena_format(arena, "%s/machines/%s", machine->runtime, name),
		.guest = RESOLV_CONF,
		.force = true,
	};
	int r = is_link(machine);

	if (r > 0 || *text == '\0')
		return 0;
	if (r >= 0)
		r = directory;
	if (r >= 0)
		r = file_replace(directory, name, text, strlen(text), 0644);
	if (r < 0)
		return fail(r, "cannot make '%s' for machine '%s'", RESOLV_CONF, machine->name);
	r = copy_run(arena, &request);
	(void)unlinkat(directory, name, 0);
	return r;
}

/* ---- what is noted ---- */

static int fail_links(const struct machine *machine)
{
	return fail_plain(-EOPNOTSUPP,
			  "cannot restrict what machine '%s' reaches: the addresses of both ends "
			  "of its link are not ours (try Address=auto, or HostAddress=)",
			  machine->name);
}

/* What leads elsewhere is nobody's to restrict, as at a start. */
static void set_parts(struct facts *facts)
{
	for (size_t i = 0; i < facts->part_count; i++)
		if (facts->parts[i].fixed && facts->parts[i].gateway_count > 0)
			facts->parts[i].egress = facts->egress;
}

/* As at a start: further links do not count. */
static bool is_pooled(const struct machine *machine, const struct facts *facts)
{
	for (size_t i = 0; i < facts->pooled_count; i++)
		if (facts->pooled[i].link == 0)
			return true;
	/* An older program did not note it. */
	return facts->pooled_count == 0 && machine_note(machine, RECORD_LEASE) != NULL;
}

static void set(struct network_change *change, const struct network_policy *policy)
{
	struct facts *facts = &change->facts;

	/* As at a start: what gives itself addresses is not ours to hide. */
	facts->nat = !facts->chosen && (policy->nat == NETWORK_POLICY_NAT_YES ||
					(policy->nat == NETWORK_POLICY_NAT_POOL &&
					 is_pooled(change->machine, facts)));
	facts->egress = policy->egress;
	facts->names = policy->dns ? FACTS_NAMES_YES : FACTS_NAMES_NO;
	facts->turning = true;
	set_parts(facts);
}

/* It may have been done in part, and stays noted: the next change finishes it, or the next
 * supervisor. But what was restricted stays so. */
static void take_back(struct network_change *change, const struct facts *before)
{
	struct facts *facts = &change->facts;

	if (before->egress == NULL || facts->egress != NULL || network_change_again(change) < 0)
		return;
	facts->nat = before->nat;
	facts->egress = before->egress;
	facts->names = before->names;
	facts->turning = true;
	set_parts(facts);
	if (network_change_save(change) >= 0)
		(void)network_change_follow(change);
}

static int fail_supervisor(const struct machine *machine, int r)
{
	const char *name = machine->name;

	if (r == -ENXIO)
		return fail_plain(r,
				  "cannot change the network of machine '%s': it has no "
				  "supervisor (try 'machinectl adopt %s')",
				  name, name);
	return fail(r, "cannot change the network of machine '%s': its supervisor cannot follow",
		    name);
}

static int change_rules(struct network_change *change, const struct network_policy *policy)
{
	autoclose int supervisor = machine_open_supervisor(change->arena, change->machine);
	struct facts before = change->facts;
	struct failure failure;
	int r;

	if (supervisor < 0)
		return fail_supervisor(change->machine, -ENXIO);
	set(change, policy);
	r = network_change_save(change);
	if (r < 0)
		return r;
	r = network_change_follow(change);
	if (r >= 0)
		return 0;
	r = fail_supervisor(change->machine, r);
	failure = *fail_recorded();
	take_back(change, &before);
	fail_adopt(&failure);
	return r;
}

int network_policy_set(struct arena *arena, const struct machine *machine,
		       const struct network_policy *policy)
{
	struct network_change change = NETWORK_CHANGE_EMPTY;
	const char *text = "";
	bool ours;
	int r = network_change_open(arena, &change, machine);

	if (r < 0)
		return r;
	ours = facts_has_rules(&change.facts);
	if (policy->egress != NULL &&
	    !(ours && change.facts.fixed && change.facts.gateway_count > 0))
		r = fail_links(machine);
	if (r >= 0 && policy->resolv_conf)
		text = servers(arena, &change.facts, policy);
	if (r >= 0 && ours)
		r = change_rules(&change, policy);
	network_change_done(&change);
	/* Not while it is locked: the machine may take its time, as it likes. */
	return r < 0 ? r : write_resolv_conf(arena, machine, text);
}
