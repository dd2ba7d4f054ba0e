#include "declare/import-compose.h"

#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/compose.h"
#include "declare/import-words.h"
#include "declare/yaml.h"

typedef void take_fn(struct compose *compose, const struct yaml_node *node, struct import_at at);

/* ---- what runs ---- */

static void take_image(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	import_image(compose->import, compose->machine, at, compose_text(compose, node, at));
}

static void take_build(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	(void)node;
	if (yaml_find(compose->service, "image")) {
		import_note(compose->import, compose->machine, at,
			    "images are not built here: the registry's is taken");
		return;
	}
	import_note(compose->import, compose->machine, at,
		    "images are not built here: build it, name it by image: and import again; no "
		    "file is written for this service");
	compose->machine->left_out = true;
}

static void take_command(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	const struct yaml_node *first = yaml_find(compose->service, "entrypoint");
	struct text_list entrypoint = { 0 }, command = { 0 };

	compose_words(compose, &entrypoint, first, at, true);
	if (node != first)
		compose_words(compose, &command, node, at, true);
	import_command(compose->import, compose->machine, at, &entrypoint, first != NULL, &command);
}

/* Where there is a command too, that is asked first. */
static void take_entrypoint(struct compose *compose, const struct yaml_node *node,
			    struct import_at at)
{
	if (!yaml_find(compose->service, "command"))
		take_command(compose, node, at);
}

static void take_init(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	if (compose_bool(compose, node, at))
		import_set(compose->import, compose->machine, at, "Exec", "ProcessTwo", "yes");
}

static void take_environment(struct compose *compose, const struct yaml_node *node,
			     struct import_at at)
{
	compose_environment(compose, node, at);
}

/* Files come before what is said in place, which wins. */
static void take_env_file(struct compose *compose, const struct yaml_node *node,
			  struct import_at at)
{
	size_t count = node->kind == YAML_SEQUENCE ? node->count : 1;

	for (size_t i = 0; i < count; i++) {
		const struct yaml_node *item = node->kind == YAML_SEQUENCE ? node->items[i] : node;
		const struct yaml_node *path = item->kind == YAML_MAPPING ? yaml_find(item, "path")
									  : item;
		const char *required = yaml_text(yaml_find(item, "required"));
		const char *text = compose_text(compose, path, at);

		at.line = item->line;
		if (*text)
			import_environment_file(compose->import, compose->machine,
						&compose->environment, at,
						compose_path(compose, text),
						!text_equal(required, "false"));
	}
}

/* ---- one setting for one ---- */

struct plain_key {
	const char *key, *section, *name;
};

static const struct plain_key plain_keys[] = {
	{ "working_dir", "Exec", "WorkingDirectory" }, { "hostname", "Exec", "Hostname" },
	{ "oom_score_adj", "Exec", "OOMScoreAdjust" }, { "cpuset", "X-Service", "AllowedCPUs" },
	{ "mac_address", "X-Network", "MACAddress" },
};

static bool take_plain(struct compose *compose, const char *key, const struct yaml_node *node,
		       struct import_at at)
{
	for (size_t i = 0; i < ARRAY_SIZE(plain_keys); i++) {
		if (!text_equal(key, plain_keys[i].key))
			continue;
		import_set(compose->import, compose->machine, at, plain_keys[i].section,
			   plain_keys[i].name, compose_text(compose, node, at));
		return true;
	}
	return false;
}

static void take_read_only(struct compose *compose, const struct yaml_node *node,
			   struct import_at at)
{
	if (compose_bool(compose, node, at))
		import_set(compose->import, compose->machine, at, "Files", "ReadOnly", "yes");
}

static void take_user(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	import_user(compose->import, compose->machine, at, compose_text(compose, node, at));
}

static void take_stop_signal(struct compose *compose, const struct yaml_node *node,
			     struct import_at at)
{
	import_signal(compose->import, compose->machine, at, compose_text(compose, node, at));
}

static void take_stop_grace(struct compose *compose, const struct yaml_node *node,
			    struct import_at at)
{
	import_span(compose->import, compose->machine, at, "X-Service", "TimeoutStopSec",
		    compose_text(compose, node, at));
}

static void take_restart(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	import_restart(compose->import, compose->machine, at, compose_text(compose, node, at));
}

static void take_profiles(struct compose *compose, const struct yaml_node *node,
			  struct import_at at)
{
	if (node->count == 0)
		return;
	compose->machine->manual = true;
	import_note(compose->import, compose->machine, at,
		    "there are no profiles: the machine is not started with the host");
}

static void take_platform(struct compose *compose, const struct yaml_node *node,
			  struct import_at at)
{
	import_note(compose->import, compose->machine, at,
		    "the image for this host is taken, not that for '%.40s'",
		    text_printable(compose->import->arena, compose_text(compose, node, at)));
}

/* ---- limits ---- */

static void take_memory(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	import_set_size(compose->import, compose->machine, at, "MemoryMax",
			compose_text(compose, node, at));
}

static void take_reservation(struct compose *compose, const struct yaml_node *node,
			     struct import_at at)
{
	import_set_size(compose->import, compose->machine, at, "MemoryLow",
			compose_text(compose, node, at));
}

/* There it is the sum of both. */
static void take_swap(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	const char *memory_text = compose_text(compose, yaml_find(compose->service, "mem_limit"),
					       at);
	const char *both_text = compose_text(compose, node, at);
	uint64_t memory = 0, both;

	if (*both_text == '-')
		return;
	if (import_size(&both, both_text) < 0 || import_size(&memory, memory_text) < 0 ||
	    both < memory)
		import_refuse(compose->import, at,
			      "'%.40s' is no size of at least that of mem_limit", both_text);
	else
		import_setf(compose->import, compose->machine, at, "X-Service", "MemorySwapMax",
			    "%llu", (unsigned long long)(both - memory));
}

static void take_cpus(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	import_cpus(compose->import, compose->machine, at, compose_text(compose, node, at));
}

static void take_cpu_shares(struct compose *compose, const struct yaml_node *node,
			    struct import_at at)
{
	import_cpu_shares(compose->import, compose->machine, at, compose_text(compose, node, at));
}

static void take_pids(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	const char *text = compose_text(compose, node, at);
	uint32_t count;

	if (*text == '-' || text_equal(text, "0"))
		return;
	if (parse_u32(&count, text) < 0)
		import_refuse(compose->import, at, "'%.40s' is no number", text);
	else
		import_set(compose->import, compose->machine, at, "X-Service", "TasksMax", text);
}

static void take_ulimits(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	bool mapping = import_is_kind(compose->import, at, node, YAML_MAPPING);

	for (size_t i = 0; mapping && i < node->count; i++) {
		const struct yaml_node *limit = node->items[i];
		const char *value;

		at.line = limit->line;
		value = limit->kind != YAML_MAPPING
				? compose_text(compose, limit, at)
				: arena_format(compose->import->arena, "%s:%s",
					       compose_text(compose, yaml_find(limit, "soft"), at),
					       compose_text(compose, yaml_find(limit, "hard"), at));
		import_ulimit(compose->import, compose->machine, at, node->keys[i]->text, value);
	}
}

static void take_deploy_limits(struct compose *compose, const struct yaml_node *limits,
			       struct import_at at)
{
	static const struct {
		const char *key;
		take_fn *take;
	} rows[] = {
		{ "memory", take_memory },
		{ "cpus", take_cpus },
		{ "pids", take_pids },
	};
	static const char *const known[] = { "memory", "cpus", "pids", NULL };

	if (import_is_kind(compose->import, at, limits, YAML_MAPPING))
		import_note_others(compose->import, compose->machine, at, limits, known);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct yaml_node *node = yaml_find(limits, rows[i].key);

		if (node)
			rows[i].take(compose, node, compose_at(compose, at, rows[i].key, node));
	}
}

static void take_resources(struct compose *compose, const struct yaml_node *node,
			   struct import_at at)
{
	static const char *const known[] = { "limits", "reservations", NULL };
	static const char *const reserved[] = { "memory", NULL };
	const struct yaml_node *reservations = yaml_find(node, "reservations");
	const struct yaml_node *memory = yaml_find(reservations, "memory");

	(void)import_is_kind(compose->import, at, node, YAML_MAPPING);
	import_note_others(compose->import, compose->machine, at, node, known);
	take_deploy_limits(compose, yaml_find(node, "limits"), at);
	if (memory)
		take_reservation(compose, memory, at);
	if (reservations)
		import_note_others(compose->import, compose->machine,
				   compose_at(compose, at, "reservations", reservations),
				   reservations, reserved);
}

static void take_restart_policy(struct compose *compose, const struct yaml_node *policy,
				struct import_at at)
{
	static const char *const known[] = { "condition", "delay", NULL };
	const char *condition = yaml_text(yaml_find(policy, "condition"));
	const struct yaml_node *delay = yaml_find(policy, "delay");

	import_note_others(compose->import, compose->machine, at, policy, known);
	if (text_equal(condition, "none"))
		condition = "no";
	else if (!condition || text_equal(condition, "any"))
		condition = "always";
	import_restart(compose->import, compose->machine, at, condition);
	if (delay)
		import_span(compose->import, compose->machine, at, "X-Service", "RestartSec",
			    compose_text(compose, delay, at));
}

static void take_deploy(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	bool mapping = import_is_kind(compose->import, at, node, YAML_MAPPING);

	for (size_t i = 0; mapping && i < node->count; i++) {
		const char *key = node->keys[i]->text;
		const struct yaml_node *item = node->items[i];
		struct import_at here = compose_at(compose, at, key, node->keys[i]);

		if (text_equal(key, "resources")) {
			take_resources(compose, item, here);
		} else if (text_equal(key, "restart_policy")) {
			take_restart_policy(compose, item, here);
		} else if ((text_equal(key, "replicas") &&
			    text_equal(compose_text(compose, item, here), "1")) ||
			   text_equal(key, "labels")) {
			continue;
		} else {
			import_note(compose->import, compose->machine, here,
				    "a service is one machine on one host");
		}
	}
}

/* ---- rights ---- */

static void take_capabilities(struct compose *compose, const struct yaml_node *node,
			      struct import_at at)
{
	const struct yaml_node *adds = yaml_find(compose->service, "cap_add");
	const struct yaml_node *drops = yaml_find(compose->service, "cap_drop");
	struct text_list add = { 0 }, drop = { 0 };

	if (node == drops && adds)
		return; /* both were taken together */
	compose_words(compose, &add, adds, at, false);
	compose_words(compose, &drop, drops, at, false);
	import_capabilities(compose->import, compose->machine, at, &add, &drop);
}

static void take_security(struct compose *compose, const struct yaml_node *node,
			  struct import_at at)
{
	struct text_list words = { 0 };

	compose_words(compose, &words, node, at, false);
	for (size_t i = 0; i < words.count; i++)
		import_security(compose->import, compose->machine, at, words.items[i]);
}

static void take_privileged(struct compose *compose, const struct yaml_node *node,
			    struct import_at at)
{
	if (compose_bool(compose, node, at))
		import_note(compose->import, compose->machine, at,
			    "nothing gives all rights at once: name what is needed by "
			    "Capability=, Bind= and DeviceAllow=");
}

/* ---- files ---- */

static void take_tmpfs(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	struct text_list words = { 0 };

	compose_words(compose, &words, node, at, false);
	for (size_t i = 0; i < words.count; i++)
		import_tmpfs(compose->import, compose->machine, at, words.items[i]);
}

static void take_devices(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	struct text_list words = { 0 };

	compose_words(compose, &words, node, at, false);
	for (size_t i = 0; i < words.count; i++)
		import_device(compose->import, compose->machine, at, words.items[i]);
}

/* ---- services ---- */

static const struct row {
	const char *key;
	take_fn *take;
} rows[] = {
	/* In an order that makes what is written readable; init goes before command. */
	{ "profiles", take_profiles },
	{ "image", take_image },
	{ "build", take_build },
	{ "platform", take_platform },
	{ "init", take_init },
	{ "command", take_command },
	{ "entrypoint", take_entrypoint },
	{ "env_file", take_env_file },
	{ "environment", take_environment },
	{ "user", take_user },
	{ "stop_signal", take_stop_signal },
	{ "cap_add", take_capabilities },
	{ "cap_drop", take_capabilities },
	{ "privileged", take_privileged },
	{ "security_opt", take_security },
	{ "ulimits", take_ulimits },
	{ "read_only", take_read_only },
	{ "volumes", compose_volumes },
	{ "secrets", compose_secrets },
	{ "configs", compose_configs },
	{ "tmpfs", take_tmpfs },
	{ "devices", take_devices },
	{ "ports", compose_ports },
	{ "dns", compose_dns },
	{ "depends_on", compose_depends },
	{ "restart", take_restart },
	{ "stop_grace_period", take_stop_grace },
	{ "mem_limit", take_memory },
	{ "mem_reservation", take_reservation },
	{ "memswap_limit", take_swap },
	{ "cpus", take_cpus },
	{ "cpu_shares", take_cpu_shares },
	{ "pids_limit", take_pids },
	{ "deploy", take_deploy },
	{ "healthcheck", compose_health },
};

/* What says nothing that a machine could do, and what is looked at elsewhere. */
static const char *const silent_keys[] = {
	"labels",   "annotations",  "expose", "tty",	 "stdin_open",
	"networks", "network_mode", "attach", "develop", "pull_policy",
};

/* Why, where more can be said than that there is none of it. */
static const struct {
	const char *key, *why;
} reasons[] = {
	{ "container_name", "the machine is called as the service, which others find it by" },
	{ "extends", "write out what is taken from the other service" },
	{ "logging", "what a machine prints goes to the journal, or to its log" },
	{ "scale", "a service is one machine" },
	{ "links", "machines of one zone find each other by their names" },
	{ "extra_hosts", "names beside those of machines stand in the machine's own /etc/hosts" },
	{ "sysctls", "write them into the machine's own /etc/sysctl.d, or on the host" },
	{ "shm_size", "the size of /dev/shm is the half of the memory" },
	{ "userns_mode", "users are mapped as PrivateUsers= says" },
	{ "runtime", "Redd is the runtime" },
};

static bool is_taken(struct compose *compose, const char *key, const struct yaml_node *node,
		     struct import_at at)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (text_equal(key, rows[i].key))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(silent_keys); i++)
		if (text_equal(key, silent_keys[i]))
			return true;
	return text_after(key, "x-") || take_plain(compose, key, node, at);
}

static void take_rest(struct compose *compose, const char *key, struct import_at at)
{
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (text_equal(key, reasons[i].key)) {
			import_note(compose->import, compose->machine, at, "%s", reasons[i].why);
			return;
		}
	import_note(compose->import, compose->machine, at, "there is no setting for it");
}

static void take_service(struct compose *compose, const struct yaml_node *key,
			 const struct yaml_node *service)
{
	struct arena *arena = compose->import->arena;
	struct import_at at = { compose->path, key->line,
				arena_format(arena, "services.%s", key->text) };

	if (service->kind != YAML_MAPPING) {
		import_refuse(compose->import, at, "a service is a mapping");
		return;
	}
	compose->service = service;
	compose->environment = (struct text_list){ 0 };
	compose->machine = import_add(compose->import, at, key->text,
				      arena_format(arena, "%s, service %s",
						   path_name(compose->path), key->text));
	if (!compose->machine)
		return;
	if (!yaml_find(service, "image") && !yaml_find(service, "build"))
		import_refuse(compose->import, at, "it has no image");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct yaml_node *node = yaml_find(service, rows[i].key);

		if (node && !yaml_is_null(node))
			rows[i].take(compose, node, compose_at(compose, at, rows[i].key, node));
	}
	import_environment_set(compose->import, compose->machine, at, &compose->environment);
	compose_networks(compose, at);
	for (size_t i = 0; i < service->count; i++) {
		const char *name = service->keys[i]->text;
		struct import_at here = compose_at(compose, at, name, service->keys[i]);

		if (!yaml_is_null(service->items[i]) &&
		    !is_taken(compose, name, service->items[i], here))
			take_rest(compose, name, here);
	}
}

static void look_at_top(struct compose *compose)
{
	static const char *const known[] = { "services", "networks", "volumes", "secrets",
					     "configs",	 "name",     "version" };

	for (size_t i = 0; i < compose->top->count; i++) {
		const struct yaml_node *key = compose->top->keys[i];
		bool found = text_after(key->text, "x-");

		for (size_t n = 0; n < ARRAY_SIZE(known); n++)
			found = found || text_equal(key->text, known[n]);
		if (!found)
			import_note(compose->import, NULL,
				    (struct import_at){ compose->path, key->line, key->text },
				    text_equal(key->text, "include")
					    ? "import each file that is included by itself"
					    : "there is no setting for it");
	}
}

void import_compose(struct import *import, const char *path, const char *text, size_t size)
{
	struct compose compose = { .import = import, .path = path };
	const struct yaml_node *services;
	struct yaml yaml;
	int r = yaml_parse(import->arena, &yaml, text, size, path);

	if (r < 0) {
		import->status = r;
		return;
	}
	compose.base = path_parent(import->arena, path);
	compose.top = yaml.count > 0 ? yaml.documents[0] : NULL;
	services = yaml_find(compose.top, "services");
	if (yaml.count != 1 || !services || services->kind != YAML_MAPPING ||
	    services->count == 0) {
		import_refuse(import, (struct import_at){ path, 1, "services" },
			      "a compose file is one document with services in it");
		return;
	}
	compose_begin(&compose);
	look_at_top(&compose);
	for (size_t i = 0; i < services->count && import->status >= 0; i++)
		take_service(&compose, services->keys[i], services->items[i]);
}
