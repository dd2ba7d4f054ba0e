/* The keys of a service that are written in several ways, or mean what stands elsewhere. */
#include "declare/compose.h"

#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/names.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/import-words.h"
#include "declare/yaml.h"

static const char *text_at(struct compose *compose, const struct yaml_node *node, const char *key,
			   struct import_at at)
{
	return compose_text(compose, yaml_find(node, key), at);
}

static bool is_true(struct compose *compose, const struct yaml_node *node, const char *key,
		    struct import_at at)
{
	const struct yaml_node *value = yaml_find(node, key);

	return value && compose_bool(compose, value, at);
}

/* ---- volumes ---- */

/* The directory of the host that a declared volume is bound from; NULL: it is none. */
static const char *bound_device(struct compose *compose, const char *name, struct import_at at)
{
	const struct yaml_node *volume = yaml_find(yaml_find(compose->top, "volumes"), name);
	const struct yaml_node *options = yaml_find(volume, "driver_opts");
	const char *options_text = text_at(compose, options, "o", at);
	const char *device = text_at(compose, options, "device", at);

	if (strstr(options_text, "bind") && path_is_absolute(device))
		return device;
	if (options)
		import_note(compose->import, compose->machine, at,
			    "the volume '%s' has options of a driver: it is kept in the machine",
			    name);
	else if (yaml_find(volume, "external"))
		import_note(compose->import, compose->machine, at,
			    "what is in the volume '%s' already stays where it is: copy it", name);
	return NULL;
}

static void named_volume(struct compose *compose, struct import_at at, const char *name,
			 const char *place, bool read_only)
{
	const char *device;

	name = text_printable(compose->import->arena, name);
	if (!yaml_find(yaml_find(compose->top, "volumes"), name)) {
		import_refuse(compose->import, at,
			      "the volume '%.80s' is not among the volumes of the file", name);
		return;
	}
	device = bound_device(compose, name, at);
	if (device) {
		import_bind(compose->import, compose->machine, at, device, place, read_only);
		return;
	}
	import_volume(compose->import, compose->machine, at, name, place, read_only);
}

static void short_volume(struct compose *compose, const char *text, struct import_at at)
{
	size_t length = strcspn(text, ":");
	bool is_name = text[length] == ':' && !strchr("/.~", text[0]);
	const char *place = text + length + 1;
	size_t end = is_name ? strcspn(place, ":") : 0;

	if (!is_name || !path_is_absolute(place))
		import_mount(compose->import, compose->machine, at, text, compose->base,
			     compose->home);
	else
		named_volume(compose, at, arena_text_n(compose->import->arena, text, length),
			     arena_text_n(compose->import->arena, place, end),
			     text_equal(place + end, ":ro"));
}

static void long_tmpfs(struct compose *compose, const struct yaml_node *node, struct import_at at,
		       const char *target)
{
	const char *size = text_at(compose, yaml_find(node, "tmpfs"), "size", at);
	uint64_t bytes;

	if (*size && import_size(&bytes, size) == 0)
		target = arena_format(compose->import->arena, "%s:size=%llu", target,
				      (unsigned long long)bytes);
	import_tmpfs(compose->import, compose->machine, at, target);
}

static void long_volume(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	static const char *const known[] = {
		"type", "source", "target", "read_only", "tmpfs", NULL
	};
	static const char *const known_of_tmpfs[] = { "size", NULL };
	const char *type = text_at(compose, node, "type", at);
	const char *source = text_at(compose, node, "source", at);
	const char *target = text_at(compose, node, "target", at);
	bool read_only = is_true(compose, node, "read_only", at);

	import_note_others(compose->import, compose->machine, at, node, known);
	import_note_others(compose->import, compose->machine,
			   compose_at(compose, at, "tmpfs", node), yaml_find(node, "tmpfs"),
			   known_of_tmpfs);
	if (text_equal(type, "bind"))
		import_bind(compose->import, compose->machine, at, compose_path(compose, source),
			    target, read_only);
	else if (text_equal(type, "tmpfs"))
		long_tmpfs(compose, node, at, target);
	else if (text_equal(type, "volume") && *source)
		named_volume(compose, at, source, target, read_only);
	else if (text_equal(type, "volume"))
		import_volume(compose->import, compose->machine, at, NULL, target, read_only);
	else
		import_note(compose->import, compose->machine, at,
			    "there are no volumes of the type '%.40s'",
			    text_printable(compose->import->arena, type));
}

void compose_volumes(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	bool list = import_is_kind(compose->import, at, node, YAML_SEQUENCE);

	for (size_t i = 0; list && i < node->count && compose->import->status >= 0; i++) {
		at.line = node->items[i]->line;
		if (node->items[i]->kind == YAML_MAPPING)
			long_volume(compose, node->items[i], at);
		else
			short_volume(compose, compose_text(compose, node->items[i], at), at);
	}
}

/* A file of the host that is declared at the top and shown at a place inside. */
static void shown_files(struct compose *compose, const struct yaml_node *node, struct import_at at,
			const char *kind, const char *directory)
{
	static const char *const known[] = { "source", "target", NULL };
	struct arena *arena = compose->import->arena;
	bool list = import_is_kind(compose->import, at, node, YAML_SEQUENCE);

	for (size_t i = 0; list && i < node->count; i++) {
		const struct yaml_node *item = node->items[i];
		bool is_long = item->kind == YAML_MAPPING;
		const char *source, *target = "", *file;

		at.line = item->line;
		import_note_others(compose->import, compose->machine, at, item, known);
		source = is_long ? text_at(compose, item, "source", at)
				 : compose_text(compose, item, at);
		if (is_long)
			target = text_at(compose, item, "target", at);
		target = *target ? target : source;
		file = text_at(compose, yaml_find(yaml_find(compose->top, kind), source), "file",
			       at);
		if (!*file)
			import_note(compose->import, compose->machine, at,
				    "'%.80s' is no file of this host: put it into one",
				    text_printable(arena, source));
		else
			import_bind(compose->import, compose->machine, at,
				    compose_path(compose, file),
				    path_is_absolute(target) ? target
							     : path_join(arena, directory, target),
				    true);
	}
}

void compose_secrets(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	shown_files(compose, node, at, "secrets", "/run/secrets");
}

void compose_configs(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	shown_files(compose, node, at, "configs", "/");
}

/* ---- network ---- */

static void long_port(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	/* What the last three say is about clusters, and for people. */
	static const char *const known[] = { "target", "published", "protocol",	    "host_ip",
					     "mode",   "name",	    "app_protocol", NULL };
	const char *protocol = text_at(compose, node, "protocol", at);
	const char *address = text_at(compose, node, "host_ip", at);
	const char *published = text_at(compose, node, "published", at);

	import_note_others(compose->import, compose->machine, at, node, known);
	import_port(compose->import, compose->machine, at,
		    arena_format(compose->import->arena, "%s%s%s%s%s%s%s%s%s",
				 strchr(address, ':') ? "[" : "", address,
				 strchr(address, ':') ? "]" : "", *address ? ":" : "", published,
				 *published || *address ? ":" : "",
				 text_at(compose, node, "target", at), *protocol ? "/" : "",
				 protocol));
}

void compose_ports(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	bool list = import_is_kind(compose->import, at, node, YAML_SEQUENCE);

	for (size_t i = 0; list && i < node->count && compose->import->status >= 0; i++) {
		at.line = node->items[i]->line;
		if (node->items[i]->kind == YAML_MAPPING)
			long_port(compose, node->items[i], at);
		else
			import_port(compose->import, compose->machine, at,
				    compose_text(compose, node->items[i], at));
	}
}

void compose_dns(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	struct text_list words = { 0 };

	compose_words(compose, &words, node, at, false);
	for (size_t i = 0; i < words.count; i++) {
		if (i == 0)
			import_set(compose->import, compose->machine, at, "X-Network", "DNS",
				   words.items[i]);
		else
			import_note(compose->import, compose->machine, at,
				    "one resolver is asked: not '%.80s'",
				    text_printable(compose->import->arena, words.items[i]));
	}
}

static void named_network(struct compose *compose, const char *name, struct import_at at,
			  bool first)
{
	const struct yaml_node *network = yaml_find(yaml_find(compose->top, "networks"), name);
	bool is_default = text_equal(name, "default");

	name = text_printable(compose->import->arena, name);
	if (!network && !is_default) {
		import_refuse(compose->import, at,
			      "the network '%.80s' is not among the networks of the file", name);
		return;
	}
	if (!first) {
		import_note(compose->import, compose->machine, at,
			    "a machine is in one zone: not in that of '%.80s'", name);
		return;
	}
	import_zone(compose->import, compose->machine, at,
		    is_default ? compose->project
			       : arena_format(compose->import->arena, "%s-%s", compose->project,
					      name));
	if (network && is_true(compose, network, "internal", at))
		import_set(compose->import, compose->machine, at, "X-Network", "NAT", "no");
}

static void attachments(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	if (node->kind == YAML_SCALAR)
		import_refuse(compose->import, at, "this is neither a list nor a mapping");
	for (size_t i = 0; i < node->count && compose->import->status >= 0; i++) {
		const struct yaml_node *item = node->items[i];
		const char *name = node->kind == YAML_MAPPING ? node->keys[i]->text
							      : compose_text(compose, item, at);

		at.line = item->line;
		named_network(compose, name, at, i == 0);
		for (size_t n = 0; item->kind == YAML_MAPPING && n < item->count; n++)
			import_note(compose->import, compose->machine,
				    compose_at(compose, at, item->keys[n]->text, item->keys[n]),
				    "the zone chooses addresses, and names are the machines' own");
	}
}

void compose_networks(struct compose *compose, struct import_at at)
{
	const struct yaml_node *node = yaml_find(compose->service, "network_mode");
	const char *mode = compose_text(compose, node, at);

	if (text_equal(mode, "host") || text_equal(mode, "none")) {
		import_set(compose->import, compose->machine, at, "Network", "Private",
			   text_equal(mode, "host") ? "no" : "yes");
		return;
	}
	if (*mode && !text_equal(mode, "bridge")) {
		at = compose_at(compose, at, "network_mode", node);
		import_note(compose->import, compose->machine, at,
			    "a machine has its own network, not '%.80s'",
			    text_printable(compose->import->arena, mode));
	}
	node = yaml_find(compose->service, "networks");
	if (!*mode && node && !yaml_is_null(node) && node->count > 0)
		attachments(compose, node, compose_at(compose, at, "networks", node));
	else
		named_network(compose, "default", at, true);
}

/* ---- other services, and health ---- */

static bool has_health(const struct yaml_node *service)
{
	const struct yaml_node *health = yaml_find(service, "healthcheck");

	return health && yaml_find(health, "test");
}

static void depend(struct compose *compose, const char *name, const struct yaml_node *how,
		   struct import_at at)
{
	static const char *const known[] = { "condition", "required", NULL };
	const struct yaml_node *other = yaml_find(yaml_find(compose->top, "services"), name);
	const char *condition = text_at(compose, how, "condition", at);
	const char *machine = import_name(compose->import, name);
	const char *required = text_at(compose, how, "required", at);

	if (!other || !machine) {
		import_refuse(compose->import, at, "there is no service '%.80s'",
			      text_printable(compose->import->arena, name));
		return;
	}
	if (!yaml_find(other, "image")) {
		import_note(compose->import, compose->machine, at,
			    "'%s' has no image, so nothing waits for it", machine);
		return;
	}
	import_note_others(compose->import, compose->machine, at, how, known);
	if (text_equal(condition, "service_completed_successfully"))
		import_note(compose->import, compose->machine, at,
			    "that '%s' has ended is not waited for, only that it runs", machine);
	if (text_equal(condition, "service_healthy") && !has_health(other))
		import_note(compose->import, compose->machine, at,
			    "'%s' does not say what healthy is: that it is ready is waited for",
			    machine);
	import_requires(compose->import, compose->machine, at, machine,
			text_equal(required, "false"));
}

void compose_depends(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	if (node->kind == YAML_SCALAR)
		import_refuse(compose->import, at, "this is neither a list nor a mapping");
	for (size_t i = 0; i < node->count; i++) {
		at.line = node->items[i]->line;
		if (node->kind == YAML_MAPPING)
			depend(compose, node->keys[i]->text, node->items[i], at);
		else
			depend(compose, compose_text(compose, node->items[i], at), NULL, at);
	}
}

/* The check's words; none: there is no check. */
static void health_command(struct compose *compose, const struct yaml_node *test,
			   struct import_at at, struct text_list *ret)
{
	struct arena *arena = compose->import->arena;
	struct text_list words = { 0 };
	bool shell = test && test->kind == YAML_SCALAR;

	compose_words(compose, &words, test, at, false);
	if (words.count == 0 || (!shell && text_equal(words.items[0], "NONE")))
		return;
	if (!shell && !text_equal(words.items[0], "CMD") &&
	    !text_equal(words.items[0], "CMD-SHELL")) {
		import_refuse(compose->import, at, "a test begins with CMD, CMD-SHELL or NONE");
		return;
	}
	if (shell || text_equal(words.items[0], "CMD-SHELL")) {
		text_list_add(arena, ret, arena_text(arena, "/bin/sh"));
		text_list_add(arena, ret, arena_text(arena, "-c"));
	}
	for (size_t i = shell ? 0 : 1; i < words.count; i++)
		text_list_add(arena, ret, words.items[i]);
}

void compose_health(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	static const struct {
		const char *key, *name;
	} spans[] = {
		{ "interval", "Interval" },
		{ "timeout", "Timeout" },
		{ "start_period", "StartPeriod" },
	};
	static const char *const known[] = { "test",	     "interval", "timeout", "retries",
					     "start_period", "disable",	 NULL };
	const char *retries = text_at(compose, node, "retries", at);
	struct text_list command = { 0 };

	if (import_is_kind(compose->import, at, node, YAML_MAPPING))
		import_note_others(compose->import, compose->machine, at, node, known);
	if (is_true(compose, node, "disable", at))
		return;
	if (!yaml_find(node, "test")) {
		import_note(compose->import, compose->machine, at,
			    "the image's own check is not known here: write it into Command=");
		return;
	}
	health_command(compose, yaml_find(node, "test"), at, &command);
	if (command.count == 0)
		return;
	import_set(compose->import, compose->machine, at, "X-Health", "Command",
		   import_words(compose->import->arena, &command, 0));
	for (size_t i = 0; i < ARRAY_SIZE(spans); i++) {
		const struct yaml_node *span = yaml_find(node, spans[i].key);

		if (span)
			import_span(compose->import, compose->machine, at, "X-Health",
				    spans[i].name, compose_text(compose, span, at));
	}
	if (*retries)
		import_set(compose->import, compose->machine, at, "X-Health", "Retries", retries);
}
