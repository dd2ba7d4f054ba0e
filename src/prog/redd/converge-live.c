#include "prog/redd/converge-live.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"
#include "bus/client.h"
#include "bus/systemd.h"
#include "declare/compare.h"
#include "declare/definition.h"
#include "declare/key.h"
#include "format/port.h"
#include "io/credential.h"
#include "io/fd.h"
#include "io/file.h"
#include "machine/bind.h"
#include "machine/credentials.h"
#include "machine/find.h"
#include "machine/limits.h"
#include "machine/network-names.h"
#include "machine/network-policy.h"
#include "machine/network-ports.h"

/* ---- limits ---- */

static bool is_limit(const char *section, const char *name)
{
	struct key key;

	return text_equal(section, "X-Service") && key_find(&key, section, name) &&
	       key.consequence == CONSEQUENCE_LIVE && text_after(name, "Device") == NULL;
}

/* All that it says of limits: a key may be in several files of the cgroup. */
static void limits_of(struct arena *arena, struct text_list *ret,
		      const struct definition *definition)
{
	for (size_t i = 0; i < definition->items.count; i++) {
		const struct definition_item *item = &definition->items.items[i];

		if (is_limit(item->section, item->key))
			text_list_add(arena, ret,
				      arena_format(arena, "%s=%s", item->key, item->value));
	}
}

/* What is said no more goes back to what it is without. */
static void resets_of(struct arena *arena, struct text_list *ret, const struct definition *had,
		      const struct definition *wanted)
{
	for (size_t i = 0; i < had->items.count; i++) {
		const struct definition_item *item = &had->items.items[i];

		if (is_limit(item->section, item->key) &&
		    definition_value(wanted, item->section, item->key) == NULL)
			text_list_add(arena, ret, arena_format(arena, "%s=", item->key));
	}
}

static int set_by_systemd(const struct machine *machine, const struct text_list *properties)
{
	autobus struct bus *bus = NULL;
	int r = bus_open(&bus, geteuid() == 0 ? BUS_SYSTEM : BUS_USER, BUS_TIMEOUT_MS);

	if (r < 0)
		return fail(r, "cannot ask systemd to change '%s'", machine->unit);
	r = systemd_set_properties(bus, machine->unit, true, (const char *const *)properties->items,
				   properties->count);
	return r < 0 ? fail_plain(r, "cannot change '%s': %s", machine->unit, bus_error(bus)) : 0;
}

static int set_in(struct arena *arena, int cgroup, const char *path,
		  const struct text_list *properties)
{
	struct limits limits;
	int r = limits_read(arena, &limits, properties);

	if (r >= 0)
		r = limits_check(&limits, cgroup, path);
	return r < 0 ? r : limits_write(&limits, cgroup);
}

/* As at a start: a definition is for many hosts, and not each of them can do all of it. */
static int set_by_hand(struct arena *arena, const struct machine *machine,
		       const struct text_list *properties)
{
	autoclose int cgroup = machine_open_cgroup(arena, machine, false);
	const char *path = machine_cgroup(arena, machine, false);

	if (cgroup < 0)
		return fail(cgroup, "cannot open the cgroup of machine '%s'", machine->name);
	if (set_in(arena, cgroup, path, properties) >= 0)
		return 0;
	for (size_t i = 0; i < properties->count; i++) {
		const struct text_list one = { &properties->items[i], 1 };

		fail_forget();
		if (set_in(arena, cgroup, path, &one) < 0)
			log_warning("%s, going on without", fail_recorded()->text);
	}
	fail_forget();
	return 0;
}

/* Its limits are those of its drop-in, which systemd has read, and applied, when that became
 * another one. A property that is set would stay above it, in later generations too. */
static bool is_generated(const struct machine *machine)
{
	return machine->unit != NULL && systemd_is_running() &&
	       text_after(machine->unit, "container@") != NULL &&
	       text_ends(machine->unit, ".service");
}

static int set_limits(struct arena *arena, const struct machine *machine,
		      const struct text_list *properties)
{
	if (properties->count == 0 || is_generated(machine))
		return 0;
	return machine->unit != NULL && systemd_is_running()
		       ? set_by_systemd(machine, properties)
		       : set_by_hand(arena, machine, properties);
}

/* ---- ports and binds ---- */

static bool is_port(const struct compare_change *change)
{
	return text_equal(change->section, "Network") && text_equal(change->key, "Port");
}

static bool is_new_bind(const struct compare_change *change)
{
	return text_equal(change->section, "Files") && text_after(change->key, "Bind") != NULL &&
	       change->old == NULL && change->consequence == CONSEQUENCE_LIVE;
}

static int change_ports(struct arena *arena, const struct machine *machine,
			const struct compare *changes, bool add)
{
	struct port *ports = arena_take_array(arena, changes->count, sizeof(*ports));
	size_t count = 0;
	const char *why;

	for (size_t i = 0; i < changes->count; i++) {
		const struct compare_change *change = &changes->changes[i];
		const char *value = add ? change->new : change->old;

		if (!is_port(change) || value == NULL)
			continue;
		if (port_parse(&ports[count++], value, &why) < 0)
			return fail_input("cannot understand the port '%s': %s", value, why);
	}
	if (count == 0)
		return 0;
	return add ? network_ports_ensure(arena, machine, ports, count)
		   : network_ports_forget(arena, machine, ports, count);
}

static const struct custom_mount *find_bind(const struct definition *definition, const char *words)
{
	const struct custom_mount_list *mounts = &definition->spec->mounts;

	for (size_t i = 0; i < mounts->count; i++)
		if (mounts->items[i].kind == MOUNT_BIND &&
		    text_equal(mounts->items[i].words, words))
			return &mounts->items[i];
	return NULL;
}

static int add_binds(struct arena *arena, const struct machine *machine,
		     const struct definition *wanted, const struct compare *changes)
{
	int r = 0;

	for (size_t i = 0; i < changes->count && r >= 0; i++) {
		const struct compare_change *change = &changes->changes[i];
		const struct custom_mount *mount = find_bind(wanted, change->new);
		char *source;

		if (!is_new_bind(change) || mount == NULL)
			continue;
		source = realpath(mount->source, NULL);
		if (source == NULL)
			return fail(-errno, "cannot find '%s'", mount->source);
		r = bind_add(arena, &(struct bind_request){ .machine = machine,
							    .source = arena_text(arena, source),
							    .target = mount->destination,
							    .read_only = mount->read_only,
							    .make_target = true,
							    .once = true });
		free(source);
	}
	return r;
}

/* ---- credentials ---- */

static bool is_credential(const struct compare_change *change)
{
	return text_equal(change->section, "X-Credential") &&
	       change->consequence == CONSEQUENCE_LIVE;
}

static int read_credential(struct arena *arena, struct credentials_item *ret,
			   const struct definition_credential *credential)
{
	char *data;
	int r = credential->source == CREDENTIAL_SET
			? text_unescape(arena, &data, &ret->size, credential->value)
			: credential_read(arena, &data, &ret->size, credential->value);

	if (r < 0)
		return fail(r, "cannot load credential '%s'%s%s%s", credential->id,
			    credential->source == CREDENTIAL_SET ? "" : " from '",
			    credential->source == CREDENTIAL_SET ? "" : credential->value,
			    credential->source == CREDENTIAL_SET ? "" : "'");
	ret->id = credential->id;
	ret->data = data;
	return 0;
}

/* All of them, as at a start. */
static int set_credentials(struct arena *arena, const struct machine *machine,
			   const struct definition *wanted, const struct compare *changes)
{
	size_t count = wanted->credential_count;
	struct credentials_item *items = arena_take_array(arena, count, sizeof(*items));
	bool changed = false;
	int r = 0;

	for (size_t i = 0; i < changes->count; i++)
		changed = changed || is_credential(&changes->changes[i]);
	if (!changed)
		return 0;
	for (size_t i = 0; i < count && r >= 0; i++)
		r = read_credential(arena, &items[i], &wanted->credentials[i]);
	return r < 0 ? r : credentials_replace(arena, machine, items, count);
}

/* ---- what the host does for its network ---- */

static bool is_policy(const struct compare_change *change)
{
	static const char *const keys[] = { "DNS", "NAT", "Egress" };
	bool found = false;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		found = found || text_equal(change->key, keys[i]);
	return found && text_equal(change->section, "X-Network") &&
	       change->consequence == CONSEQUENCE_LIVE;
}

/* As the runner reads it: nothing at all is "". */
static const char *egress_of(struct arena *arena, const struct addressing *addressing)
{
	char *text = arena_text(arena, "");

	if (!addressing->egress_set)
		return NULL;
	for (size_t i = 0; i < addressing->egress.count; i++)
		text = arena_format(arena, "%s%s%s", text, i == 0 ? "" : " ",
				    addressing->egress.items[i]);
	return text;
}

/* All of it, whatever is different: an interrupted one may have done any part. */
static int set_policy(struct arena *arena, const struct machine *machine,
		      const struct definition *wanted, const struct compare *changes)
{
	const struct spec *spec = wanted->spec;
	const struct addressing *addressing = &spec->addressing;
	struct network_policy policy = {
		.nat = addressing->nat == TRISTATE_UNSET ? NETWORK_POLICY_NAT_POOL
		       : addressing->nat == TRISTATE_YES ? NETWORK_POLICY_NAT_YES
							 : NETWORK_POLICY_NAT_NO,
		.egress = egress_of(arena, addressing),
		.dns = addressing->dns == DNS_AUTO,
		.server = addressing->dns == DNS_GIVEN ? &addressing->dns_server : NULL,
	};
	bool changed = false;

	for (size_t i = 0; i < changes->count; i++) {
		const struct compare_change *change = &changes->changes[i];

		changed = changed || is_policy(change);
		policy.resolv_conf = policy.resolv_conf ||
				     (is_policy(change) && text_equal(change->key, "DNS"));
	}
	return changed ? network_policy_set(arena, machine, &policy) : 0;
}

/* ---- names ---- */

static bool is_name(const struct compare_change *change)
{
	return text_equal(change->key, "Names") && text_after(change->section, "X-Network") != NULL;
}

static int change_names(struct arena *arena, const struct machine *machine,
			const struct text_list *names, const struct compare *changes)
{
	bool changed = false;

	for (size_t i = 0; i < changes->count; i++)
		changed = changed || is_name(&changes->changes[i]);
	return changed ? network_names_set(arena, machine, names) : 0;
}

static void names_of_both(struct arena *arena, struct text_list *ret, const struct definition *had,
			  const struct definition *wanted)
{
	for (size_t i = 0; i < had->names.count; i++)
		if (text_list_has(&wanted->names, had->names.items[i]))
			text_list_add(arena, ret, had->names.items[i]);
}

/* ---- all of them ---- */

bool converge_live_can(const struct compare *changes)
{
	for (size_t i = 0; i < changes->count; i++) {
		const struct compare_change *change = &changes->changes[i];

		if (change->consequence == CONSEQUENCE_NONE ||
		    is_limit(change->section, change->key) || is_port(change) || is_name(change) ||
		    is_credential(change) || is_policy(change))
			continue;
		if (!is_new_bind(change))
			return false;
	}
	return true;
}

bool converge_live_frees(const struct compare *changes)
{
	for (size_t i = 0; i < changes->count; i++)
		if (changes->changes[i].old != NULL &&
		    (is_port(&changes->changes[i]) || is_name(&changes->changes[i])))
			return true;
	return false;
}

int converge_live_free(struct arena *arena, const struct machine *machine,
		       const struct definition *had, const struct definition *wanted,
		       const struct compare *changes)
{
	struct text_list names = { 0 };
	int r = change_ports(arena, machine, changes, false);

	names_of_both(arena, &names, had, wanted);
	return r < 0 ? r : change_names(arena, machine, &names, changes);
}

int converge_live(struct arena *arena, const struct machine *machine, const struct definition *had,
		  const struct definition *wanted, const struct compare *changes, bool limited)
{
	struct text_list properties = { 0 };
	int r = 0;

	for (size_t i = 0; i < changes->count; i++)
		limited = limited || is_limit(changes->changes[i].section, changes->changes[i].key);
	if (limited) {
		resets_of(arena, &properties, had, wanted);
		limits_of(arena, &properties, wanted);
		r = set_limits(arena, machine, &properties);
	}
	if (r >= 0)
		r = set_policy(arena, machine, wanted, changes);
	if (r >= 0)
		r = change_ports(arena, machine, changes, true);
	if (r >= 0)
		r = set_credentials(arena, machine, wanted, changes);
	if (r >= 0)
		r = change_names(arena, machine, &wanted->names, changes);
	return r < 0 ? r : add_binds(arena, machine, wanted, changes);
}

/* ---- drift ---- */

/* The kernel keeps memory in pages. */
static bool is_same(const char *file, const char *text, const char *found)
{
	unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE);
	uint64_t a, b;

	if (text_equal(text, found))
		return true;
	return text_after(file, "memory.") && parse_u64(&a, text) >= 0 &&
	       parse_u64(&b, found) >= 0 && a / page == b / page;
}

/* Others are read in another form than they are written in. */
static bool can_compare(const char *file)
{
	static const char *const files[] = { "memory.min",	"memory.low",	   "memory.high",
					     "memory.max",	"memory.swap.max", "pids.max",
					     "cpu.weight",	"cpu.max",	   "io.weight",
					     "memory.zswap.max" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (text_equal(file, files[i]))
			return true;
	return false;
}

/* What the kernel or systemd makes of a part of all is not for us to correct. */
static bool is_part(const struct limits_item *item)
{
	return text_ends(item->property, "%") && text_after(item->file, "cpu.") == NULL;
}

int converge_live_drift(struct arena *arena, struct text_list *ret, const struct machine *machine,
			const struct definition *had, bool mendable)
{
	autoclose int cgroup = -EBADF;
	struct text_list properties = { 0 };
	struct limits limits;
	char found[256];
	int r;

	limits_of(arena, &properties, had);
	if (properties.count == 0 || (mendable && is_generated(machine)))
		return 0;
	r = limits_read(arena, &limits, &properties);
	if (r < 0)
		return r;
	cgroup = machine_open_cgroup(arena, machine, false);
	for (size_t i = 0; i < limits.count && cgroup >= 0; i++) {
		const struct limits_item *item = &limits.items[i];

		if (!can_compare(item->file) || (mendable && is_part(item)) ||
		    file_read_line(found, sizeof(found), cgroup, item->file) < 0 ||
		    is_same(item->file, item->text, found))
			continue;
		text_list_add(arena, ret,
			      arena_text_n(arena, item->property, strcspn(item->property, "=")));
		text_list_add(arena, ret, arena_text(arena, strchr(item->property, '=') + 1));
		text_list_add(arena, ret, arena_format(arena, "%s (%s)", found, item->file));
	}
	return 0;
}
