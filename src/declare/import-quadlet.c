#include "declare/import-quadlet.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/import-words.h"
#include "format/ini.h"

struct unit {
	const char *path;
	struct ini_item *items;
	size_t count;
};

struct quadlet {
	struct import *import;
	const char *directory, *home;
	const struct text_list *names;
	const struct unit *unit; /* of the container */
	struct import_machine *machine;
	struct text_list environment, add, drop, entrypoint, command;
	bool has_entrypoint, has_network;
	const char *health; /* HealthCmd= */
};

typedef void take_fn(struct quadlet *quadlet, struct import_at at, const char *value);

/* ---- files ---- */

/* An empty value takes back what was said of its key; units of the manager have their own rules. */
static bool takes_back(struct unit *unit, const struct ini_item *empty)
{
	static const char *const others[] = { "Unit", "Service", "Install" };
	size_t kept = 0;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (text_equal(empty->section, others[i]))
			return false;
	for (size_t i = 0; i < unit->count; i++)
		if (!text_equal(unit->items[i].section, empty->section) ||
		    !text_equal(unit->items[i].key, empty->key))
			unit->items[kept++] = unit->items[i];
	unit->count = kept;
	return true;
}

static bool read_unit(struct quadlet *quadlet, struct unit *ret, const char *name)
{
	struct import *import = quadlet->import;
	struct import_at at = { path_join(import->arena, quadlet->directory, name), 1, name };
	struct ini ini;
	struct ini_item item, *added;
	char *text;
	size_t size;
	int r = import->read(import->read_context, import->arena, at.file, &text, &size);

	*ret = (struct unit){ .path = at.file };
	if (r == 0)
		r = ini_start(&ini, import->arena, text, size);
	if (r < 0) {
		import_refuse(import, at, "cannot read it: %s", strerror(-r));
		return false;
	}
	while ((r = ini_next(&ini, &item)) > 0) {
		at.line = item.line;
		if (item.kind == INI_BAD || (item.kind == INI_ASSIGNMENT && !item.section)) {
			import_refuse(import, at, "%s",
				      item.kind == INI_BAD ? item.value
							   : "this stands before any section");
			return false;
		}
		if (item.kind != INI_ASSIGNMENT || (!*item.value && takes_back(ret, &item)))
			continue;
		added = list_grow(import->arena, (void **)&ret->items, &ret->count, sizeof(*added));
		*added = item;
	}
	if (r < 0)
		import_refuse(import, at, "there are too many lines");
	return r == 0;
}

/* The last value; NULL: none. */
static const char *find(const struct unit *unit, const char *section, const char *key)
{
	for (size_t i = unit->count; i > 0; i--)
		if (text_equal(unit->items[i - 1].section, section) &&
		    text_equal(unit->items[i - 1].key, key))
			return unit->items[i - 1].value;
	return NULL;
}

static bool has_file(const struct quadlet *quadlet, const char *name)
{
	return text_list_has(quadlet->names, name);
}

/* ---- values ---- */

/* "%%" and "%h"; what else the service manager would put in is not known here. */
static const char *specifiers(struct quadlet *quadlet, struct import_at at, const char *value)
{
	struct arena *arena = quadlet->import->arena;
	char *out = arena_text(arena, "");

	if (!strchr(value, '%'))
		return value;
	while (*value) {
		size_t length = strcspn(value, "%");

		out = arena_format(arena, "%s%.*s", out, (int)length, value);
		value += length;
		if (*value == '\0')
			break;
		if (value[1] == 'h' && quadlet->home) {
			out = arena_format(arena, "%s%s", out, quadlet->home);
		} else if (value[1] == '%') {
			out = arena_format(arena, "%s%%", out);
		} else {
			import_note(quadlet->import, quadlet->machine, at,
				    "what '%.2s' stands for is not known here: it stays", value);
			out = arena_format(arena, "%s%.2s", out, value);
		}
		value += value[1] ? 2 : 1;
	}
	return out;
}

static void quoted(struct quadlet *quadlet, struct import_at at, struct text_list *list,
		   const char *value)
{
	if (text_split_quoted(quadlet->import->arena, list, value) < 0)
		import_refuse(quadlet->import, at, "a quote is open, or an escape is not known");
}

/* ---- [Container] ---- */

static void take_image(struct quadlet *quadlet, struct import_at at, const char *value)
{
	struct unit image;

	if (text_ends(value, ".build")) {
		import_note(quadlet->import, quadlet->machine, at,
			    "images are not built here: build it, name it by Image= and import "
			    "again; no file is written for this container");
		quadlet->machine->left_out = true;
		return;
	}
	if (text_ends(value, ".image")) {
		if (!has_file(quadlet, value)) {
			import_refuse(quadlet->import, at, "there is no '%.80s' in the directory",
				      text_printable(quadlet->import->arena, value));
			return;
		}
		if (!read_unit(quadlet, &image, value))
			return;
		value = find(&image, "Image", "Image");
		value = value ? value : "";
	}
	import_image(quadlet->import, quadlet->machine, at, value);
}

static void take_rootfs(struct quadlet *quadlet, struct import_at at, const char *value)
{
	import_setf(quadlet->import, quadlet->machine, at, "X-Image", "Source", "dir:%s", value);
	import_set(quadlet->import, quadlet->machine, at, "X-Image", "Root", "direct");
}

static void take_entrypoint(struct quadlet *quadlet, struct import_at at, const char *value)
{
	quadlet->has_entrypoint = true;
	quadlet->entrypoint = (struct text_list){ 0 };
	if (*value == '[')
		import_note(quadlet->import, quadlet->machine, at,
			    "a list in brackets is not read: write it into Parameters=");
	else
		quoted(quadlet, at, &quadlet->entrypoint, value);
}

static void take_exec(struct quadlet *quadlet, struct import_at at, const char *value)
{
	quadlet->command = (struct text_list){ 0 };
	quoted(quadlet, at, &quadlet->command, value);
}

static void take_environment(struct quadlet *quadlet, struct import_at at, const char *value)
{
	struct text_list words = { 0 };

	quoted(quadlet, at, &words, value);
	for (size_t i = 0; i < words.count; i++)
		import_environment(quadlet->import, &quadlet->environment, at, words.items[i]);
}

static void take_environment_file(struct quadlet *quadlet, struct import_at at, const char *value)
{
	bool required = *value != '-';

	value += !required;
	import_environment_file(quadlet->import, quadlet->machine, &quadlet->environment, at,
				path_is_absolute(value) ? value
							: path_join(quadlet->import->arena,
								    quadlet->directory, value),
				required);
}

/* NAME.volume is a file here, or it has nothing to say. */
static void declared_volume(struct quadlet *quadlet, struct import_at at, const char *name,
			    const char *place, bool read_only)
{
	struct unit unit = { 0 };
	const char *device, *options;

	if (has_file(quadlet, name) && !read_unit(quadlet, &unit, name))
		return;
	device = find(&unit, "Volume", "Device");
	options = find(&unit, "Volume", "Options");
	if (device && path_is_absolute(device) && options && strstr(options, "bind")) {
		import_bind(quadlet->import, quadlet->machine, at, device, place, read_only);
		return;
	}
	if (device || find(&unit, "Volume", "Driver") || find(&unit, "Volume", "Image"))
		import_note(quadlet->import, quadlet->machine, at,
			    "what '%.80s' says of a device, driver or image is left out: it is "
			    "kept in the machine",
			    text_printable(quadlet->import->arena, name));
	import_volume(quadlet->import, quadlet->machine, at, name, place, read_only);
}

static void take_volume(struct quadlet *quadlet, struct import_at at, const char *value)
{
	struct arena *arena = quadlet->import->arena;
	size_t length = strcspn(value, ":");
	char *source = arena_text_n(arena, value, length);
	const char *place = value + length + 1;

	if (value[length] == ':' && text_ends(source, ".volume"))
		declared_volume(quadlet, at, source,
				arena_text_n(arena, place, strcspn(place, ":")),
				text_equal(place + strcspn(place, ":"), ":ro"));
	else
		import_mount(quadlet->import, quadlet->machine, at, value, quadlet->directory,
			     quadlet->home);
}

/* "type=bind,source=/a,destination=/b,ro" */
static void take_mount(struct quadlet *quadlet, struct import_at at, const char *value)
{
	struct arena *arena = quadlet->import->arena;
	struct text_list words = { 0 };
	const char *type = "volume", *source = NULL, *place = "", *found;
	bool read_only = false;

	text_split(arena, &words, value, ",");
	for (size_t i = 0; i < words.count; i++) {
		const char *word = words.items[i];

		if ((found = text_assigned(word, "type")))
			type = found;
		else if ((found = text_assigned(word, "source")) ||
			 (found = text_assigned(word, "src")))
			source = found;
		else if ((found = text_assigned(word, "destination")) ||
			 (found = text_assigned(word, "target")) ||
			 (found = text_assigned(word, "dst")))
			place = found;
		else if (text_equal(word, "ro") || text_equal(word, "readonly") ||
			 text_equal(word, "ro=true") || text_equal(word, "readonly=true"))
			read_only = true;
		else
			import_note(quadlet->import, quadlet->machine, at,
				    "the mount option '%.40s' is left out",
				    text_printable(arena, word));
	}
	if (text_equal(type, "bind") && source)
		import_bind(quadlet->import, quadlet->machine, at,
			    path_is_absolute(source) ? source
						     : path_join(arena, quadlet->directory, source),
			    place, read_only);
	else if (text_equal(type, "tmpfs"))
		import_tmpfs(quadlet->import, quadlet->machine, at, place);
	else if (text_equal(type, "volume") && source && text_ends(source, ".volume"))
		declared_volume(quadlet, at, source, place, read_only);
	else if (text_equal(type, "volume"))
		import_volume(quadlet->import, quadlet->machine, at, source, place, read_only);
	else
		import_note(quadlet->import, quadlet->machine, at,
			    "there are no mounts of the type '%.40s'", text_printable(arena, type));
}

static void declared_network(struct quadlet *quadlet, struct import_at at, char *name)
{
	struct unit unit = { 0 };
	const char *internal;

	if (has_file(quadlet, name) && !read_unit(quadlet, &unit, name))
		return;
	for (size_t i = 0; i < unit.count; i++)
		if (text_equal(unit.items[i].section, "Network") &&
		    !text_equal(unit.items[i].key, "Internal") &&
		    !text_equal(unit.items[i].key, "NetworkName") &&
		    !text_equal(unit.items[i].key, "Label"))
			import_note(quadlet->import, quadlet->machine,
				    (struct import_at){ unit.path, unit.items[i].line,
							unit.items[i].key },
				    "the zone's own addresses are taken");
	internal = find(&unit, "Network", "Internal");
	name[strlen(name) - strlen(".network")] = '\0';
	import_zone(quadlet->import, quadlet->machine, at, name);
	if (text_equal(internal, "true") || text_equal(internal, "yes"))
		import_set(quadlet->import, quadlet->machine, at, "X-Network", "NAT", "no");
}

static void take_network(struct quadlet *quadlet, struct import_at at, const char *value)
{
	size_t length = strcspn(value, ":");
	char *name = arena_text_n(quadlet->import->arena, value, length);

	if (quadlet->has_network) {
		import_note(quadlet->import, quadlet->machine, at,
			    "a machine is in one zone: not in that of '%.80s'",
			    text_printable(quadlet->import->arena, name));
		return;
	}
	quadlet->has_network = true;
	if (value[length] == ':' && !text_equal(name, "container"))
		import_note(quadlet->import, quadlet->machine, at,
			    "the network's options '%.80s' are left out",
			    text_printable(quadlet->import->arena, value + length + 1));
	if (text_equal(name, "host") || text_equal(name, "none")) {
		import_set(quadlet->import, quadlet->machine, at, "Network", "Private",
			   text_equal(name, "host") ? "no" : "yes");
	} else if (text_ends(name, ".network") && strlen(name) > strlen(".network")) {
		declared_network(quadlet, at, name);
	} else {
		if (!text_equal(name, "bridge") && !text_equal(name, "private") &&
		    !text_equal(name, "pasta") && !text_equal(name, "slirp4netns"))
			import_note(quadlet->import, quadlet->machine, at,
				    "a machine has its own network, not '%.80s'",
				    text_printable(quadlet->import->arena, value));
		import_set(quadlet->import, quadlet->machine, at, "Network", "VirtualEthernet",
			   "yes");
	}
}

static void take_dns(struct quadlet *quadlet, struct import_at at, const char *value)
{
	if (text_equal(value, "none"))
		value = "off";
	if (import_get(quadlet->machine, "X-Network", "DNS"))
		import_note(quadlet->import, quadlet->machine, at,
			    "one resolver is asked: not '%.80s'",
			    text_printable(quadlet->import->arena, value));
	else
		import_set(quadlet->import, quadlet->machine, at, "X-Network", "DNS", value);
}

static void take_add(struct quadlet *quadlet, struct import_at at, const char *value)
{
	(void)at;
	import_split(quadlet->import->arena, &quadlet->add, value, " \t");
}

static void take_drop(struct quadlet *quadlet, struct import_at at, const char *value)
{
	(void)at;
	import_split(quadlet->import->arena, &quadlet->drop, value, " \t");
}

static void take_device(struct quadlet *quadlet, struct import_at at, const char *value)
{
	import_device(quadlet->import, quadlet->machine, at, value + (*value == '-'));
}

static void take_ulimit(struct quadlet *quadlet, struct import_at at, const char *value)
{
	size_t length = strcspn(value, "=");

	import_ulimit(quadlet->import, quadlet->machine, at,
		      arena_text_n(quadlet->import->arena, value, length),
		      value[length] ? value + length + 1 : "");
}

static void take_memory(struct quadlet *quadlet, struct import_at at, const char *value)
{
	import_set_size(quadlet->import, quadlet->machine, at, "MemoryMax", value);
}

static void take_user(struct quadlet *quadlet, struct import_at at, const char *value)
{
	import_user(quadlet->import, quadlet->machine, at, value);
}

static void take_publish(struct quadlet *quadlet, struct import_at at, const char *value)
{
	import_port(quadlet->import, quadlet->machine, at, value);
}

static void take_tmpfs(struct quadlet *quadlet, struct import_at at, const char *value)
{
	import_tmpfs(quadlet->import, quadlet->machine, at, value);
}

static void take_signal(struct quadlet *quadlet, struct import_at at, const char *value)
{
	import_signal(quadlet->import, quadlet->machine, at, value);
}

static void take_health(struct quadlet *quadlet, struct import_at at, const char *value)
{
	struct text_list words = { 0 };

	if (text_equal(value, "none"))
		return;
	if (*value == '[') {
		import_note(quadlet->import, quadlet->machine, at,
			    "a list in brackets is not read: write it into Command=");
		return;
	}
	text_list_add(quadlet->import->arena, &words,
		      arena_text(quadlet->import->arena, "/bin/sh"));
	text_list_add(quadlet->import->arena, &words, arena_text(quadlet->import->arena, "-c"));
	text_list_add(quadlet->import->arena, &words, arena_text(quadlet->import->arena, value));
	import_set(quadlet->import, quadlet->machine, at, "X-Health", "Command",
		   import_words(quadlet->import->arena, &words, 0));
}

/* It is called so anyway. */
static void take_name(struct quadlet *quadlet, struct import_at at, const char *value)
{
	if (!text_equal(value, quadlet->machine->name))
		import_note(quadlet->import, quadlet->machine, at,
			    "the machine is called as the file");
}

/* As PrivateUsers=pick has them. */
static void take_users(struct quadlet *quadlet, struct import_at at, const char *value)
{
	if (!text_equal(value, "auto"))
		import_note(quadlet->import, quadlet->machine, at,
			    "users are mapped as PrivateUsers= says");
}

static void take_failure(struct quadlet *quadlet, struct import_at at, const char *value)
{
	import_set(quadlet->import, quadlet->machine, at, "X-Health", "OnFailure",
		   text_equal(value, "kill") ? "stop" : value);
}

/* ---- keys ---- */

enum form { VALUE, BOOL, SPAN };

static const struct {
	const char *key, *section, *name;
	enum form form;
} plain_keys[] = {
	{ "WorkingDir", "Exec", "WorkingDirectory", VALUE },
	{ "HostName", "Exec", "Hostname", VALUE },
	{ "ReadOnly", "Files", "ReadOnly", BOOL },
	{ "NoNewPrivileges", "Exec", "NoNewPrivileges", BOOL },
	{ "RunInit", "Exec", "ProcessTwo", BOOL },
	{ "PidsLimit", "X-Service", "TasksMax", VALUE },
	{ "StopTimeout", "X-Service", "TimeoutStopSec", SPAN },
	{ "HealthInterval", "X-Health", "Interval", SPAN },
	{ "HealthTimeout", "X-Health", "Timeout", SPAN },
	{ "HealthStartPeriod", "X-Health", "StartPeriod", SPAN },
	{ "HealthRetries", "X-Health", "Retries", VALUE },
};

static const struct {
	const char *key;
	take_fn *take;
} rows[] = {
	{ "Image", take_image },
	{ "Rootfs", take_rootfs },
	{ "Entrypoint", take_entrypoint },
	{ "Exec", take_exec },
	{ "Environment", take_environment },
	{ "EnvironmentFile", take_environment_file },
	{ "User", take_user },
	{ "StopSignal", take_signal },
	{ "AddCapability", take_add },
	{ "DropCapability", take_drop },
	{ "Ulimit", take_ulimit },
	{ "Volume", take_volume },
	{ "Mount", take_mount },
	{ "Tmpfs", take_tmpfs },
	{ "AddDevice", take_device },
	{ "PublishPort", take_publish },
	{ "Network", take_network },
	{ "DNS", take_dns },
	{ "Memory", take_memory },
	{ "HealthCmd", take_health },
	{ "HealthOnFailure", take_failure },
	{ "ContainerName", take_name },
	{ "UserNS", take_users },
};

static const char *const silent_keys[] = {
	"Label", "Annotation", "Pull", "ReadOnlyTmpfs", "StartWithPod",
};

static const struct {
	const char *key, *why;
} reasons[] = {
	{ "PodmanArgs", "there is no podman to take them: use the keys that say the same" },
	{ "GlobalArgs", "there is no podman to take them" },
	{ "Pod", "a machine has its own network: put both into one zone" },
	{ "Secret", "secrets are in podman's store: put it into a file, and name it by "
		    "[X-Credential] Load=" },
	{ "AutoUpdate", "images are looked for when 'redd apply' is called: Update=digest" },
	{ "Group", "the group is that of the user in the machine's own list" },
	{ "LogDriver", "what a machine prints goes to the journal, or to its log" },
	{ "Notify",
	  "a machine says that it is ready by NotifyReady=, or is healthy by [X-Health]" },
};

static void take_key(struct quadlet *quadlet, const char *key, struct import_at at,
		     const char *value)
{
	struct import *import = quadlet->import;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (text_equal(key, rows[i].key)) {
			rows[i].take(quadlet, at, value);
			return;
		}
	for (size_t i = 0; i < ARRAY_SIZE(silent_keys); i++)
		if (text_equal(key, silent_keys[i]))
			return;
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (text_equal(key, reasons[i].key)) {
			import_note(import, quadlet->machine, at, "%s", reasons[i].why);
			return;
		}
	for (size_t i = 0; i < ARRAY_SIZE(plain_keys); i++) {
		if (!text_equal(key, plain_keys[i].key))
			continue;
		if (plain_keys[i].form == SPAN)
			import_span(import, quadlet->machine, at, plain_keys[i].section,
				    plain_keys[i].name, value);
		else
			import_set(import, quadlet->machine, at, plain_keys[i].section,
				   plain_keys[i].name, value);
		return;
	}
	import_note(import, quadlet->machine, at, "there is no setting for it");
}

/* ---- the sections of the service manager ---- */

/* Services of containers here are machines; those of volumes and networks are nothing to wait
 * for. */
static void take_units(struct quadlet *quadlet, struct import_at at, const char *key,
		       const char *value)
{
	struct arena *arena = quadlet->import->arena;
	struct text_list words = { 0 }, units = { 0 };

	text_split(arena, &words, value, " \t");
	for (size_t i = 0; i < words.count; i++) {
		char *word = words.items[i];
		size_t length = strlen(word) - (text_ends(word, ".service") ? strlen(".service")
						: text_ends(word, ".container")
							? strlen(".container")
							: 0);
		char *stem = arena_text_n(arena, word, length);
		char *name = import_name(quadlet->import, stem);

		if (text_ends(stem, "-volume") || text_ends(stem, "-network") ||
		    text_ends(stem, "-image") || text_ends(stem, ".volume") ||
		    text_ends(stem, ".network"))
			continue;
		if (name && has_file(quadlet, arena_format(arena, "%s.container", stem)))
			word = arena_format(arena, "%s.nspawn", name);
		text_list_add(arena, &units, word);
	}
	if (units.count > 0)
		import_set(quadlet->import, quadlet->machine, at, "X-Unit", key,
			   import_words(arena, &units, 0));
}

static void take_manager(struct quadlet *quadlet, struct import_at at, const struct ini_item *item)
{
	static const char *const lists[] = { "After",	"Before", "Requires",  "Wants",
					     "BindsTo", "PartOf", "Requisite", "Conflicts" };

	if (text_equal(item->section, "Unit"))
		for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
			if (text_equal(item->key, lists[i])) {
				take_units(quadlet, at, item->key, item->value);
				return;
			}
	if (text_equal(item->section, "Service") && text_after(item->key, "Exec"))
		import_note(quadlet->import, quadlet->machine, at,
			    "commands around the container's own are not taken over");
	else
		import_set(quadlet->import, quadlet->machine, at,
			   arena_format(quadlet->import->arena, "X-%s", item->section), item->key,
			   item->value);
}

/* ---- containers ---- */

static void take_item(struct quadlet *quadlet, const struct ini_item *item)
{
	struct import_at at = { quadlet->unit->path, item->line,
				arena_format(quadlet->import->arena, "%s.%s", item->section,
					     item->key) };

	if (text_equal(item->section, "Container")) {
		take_key(quadlet, item->key, at, specifiers(quadlet, at, item->value));
	} else if (text_equal(item->section, "Unit") || text_equal(item->section, "Service") ||
		   text_equal(item->section, "Install")) {
		take_manager(quadlet, at, item);
	} else if (!text_after(item->section, "X-")) {
		import_note(quadlet->import, quadlet->machine, at, "there is no setting for it");
	}
}

static void take_container(struct quadlet *quadlet, const char *name)
{
	struct import *import = quadlet->import;
	struct import_at at = { path_join(import->arena, quadlet->directory, name), 1, name };
	char *stem = arena_text_n(import->arena, name, strlen(name) - strlen(".container"));
	struct unit unit;

	if (text_ends(stem, "@")) {
		import_note(import, NULL, at, "there are no instances: copy it for each machine");
		return;
	}
	if (!read_unit(quadlet, &unit, name))
		return;
	*quadlet = (struct quadlet){ .import = import,
				     .directory = quadlet->directory,
				     .home = quadlet->home,
				     .names = quadlet->names,
				     .unit = &unit };
	quadlet->machine = import_add(import, at, stem, name);
	if (!quadlet->machine)
		return;
	if (!find(&unit, "Container", "Image") && !find(&unit, "Container", "Rootfs"))
		import_refuse(import, at, "it has no image");
	for (size_t i = 0; i < unit.count && import->status >= 0; i++)
		take_item(quadlet, &unit.items[i]);
	import_environment_set(import, quadlet->machine, at, &quadlet->environment);
	import_capabilities(import, quadlet->machine, at, &quadlet->add, &quadlet->drop);
	import_command(import, quadlet->machine, at, &quadlet->entrypoint, quadlet->has_entrypoint,
		       &quadlet->command);
	if (!quadlet->has_network)
		take_network(quadlet, at, "private");
}

void import_quadlet(struct import *import, const char *directory, const struct text_list *names)
{
	static const char *const aside[] = { ".pod", ".kube", ".build" };
	struct quadlet quadlet = { .import = import, .directory = directory, .names = names };
	size_t containers = 0;

	quadlet.home = text_variable(import->environment, "HOME");
	for (size_t i = 0; i < names->count && import->status >= 0; i++) {
		const char *name = names->items[i];

		if (text_ends(name, ".container") && strlen(name) > strlen(".container")) {
			take_container(&quadlet, name);
			containers++;
		}
		for (size_t n = 0; n < ARRAY_SIZE(aside); n++)
			if (text_ends(name, aside[n]))
				import_note(import, NULL,
					    (struct import_at){
						    path_join(import->arena, directory, name), 1,
						    name },
					    "files of this kind become nothing");
	}
	if (containers == 0)
		import_refuse(import, (struct import_at){ directory, 1, "*.container" },
			      "there is no container in the directory");
}
