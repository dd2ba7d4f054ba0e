#include "declare/import-kube.h"

#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/import-words.h"
#include "declare/yaml.h"

struct kube {
	struct import *import;
	const char *path, *pod; /* the Pod's name */
	const struct yaml_node *spec, *container;
	struct import_machine *machine;
	struct text_list environment;
};

typedef void take_fn(struct kube *kube, const struct yaml_node *node, struct import_at at);

static const char *text_at(const struct yaml_node *node, const char *key)
{
	const char *text = yaml_text(yaml_find(node, key));

	return text ? text : "";
}

static bool is_true(const struct yaml_node *node, const char *key)
{
	return text_equal(text_at(node, key), "true");
}

static struct import_at below(struct kube *kube, struct import_at at, const char *key,
			      const struct yaml_node *node)
{
	return (struct import_at){ at.file, node->line,
				   arena_format(kube->import->arena, "%s.%s", at.key, key) };
}

static bool is_kind(struct kube *kube, const struct yaml_node *node, enum yaml_kind kind,
		    struct import_at at)
{
	return import_is_kind(kube->import, at, node, kind);
}

static void note_others(struct kube *kube, const struct yaml_node *node, struct import_at at,
			const char *const *known)
{
	import_note_others(kube->import, kube->machine, at, node, known);
}

static void words(struct kube *kube, struct text_list *list, const struct yaml_node *node,
		  struct import_at at)
{
	if (!is_kind(kube, node, YAML_SEQUENCE, at))
		return;
	for (size_t i = 0; i < node->count; i++) {
		const char *text = yaml_text(node->items[i]);

		if (!text)
			import_refuse(kube->import, at, "this is no list of words");
		else
			text_list_add(kube->import->arena, list,
				      arena_text(kube->import->arena, text));
	}
}

/* ---- what runs ---- */

static void take_command(struct kube *kube)
{
	const struct yaml_node *command = yaml_find(kube->container, "command");
	const struct yaml_node *arguments = yaml_find(kube->container, "args");
	const struct yaml_node *first = command ? command : arguments;
	struct text_list entrypoint = { 0 }, rest = { 0 };
	struct import_at at = { kube->path, first ? first->line : 1,
				arena_format(kube->import->arena, "%s.%s.%s", kube->pod,
					     text_at(kube->container, "name"),
					     command ? "command" : "args") };

	words(kube, &entrypoint, command, at);
	words(kube, &rest, arguments, at);
	import_command(kube->import, kube->machine, at, &entrypoint, command != NULL, &rest);
}

static void take_environment(struct kube *kube, const struct yaml_node *node, struct import_at at)
{
	bool list = is_kind(kube, node, YAML_SEQUENCE, at);

	for (size_t i = 0; list && i < node->count; i++) {
		const struct yaml_node *item = node->items[i];

		at.line = item->line;
		if (yaml_find(item, "valueFrom"))
			import_note(kube->import, kube->machine, at,
				    "what '%.80s' is comes from the cluster",
				    text_printable(kube->import->arena, text_at(item, "name")));
		else
			import_environment(kube->import, &kube->environment, at,
					   arena_format(kube->import->arena, "%s=%s",
							text_at(item, "name"),
							text_at(item, "value")));
	}
}

static void take_ports(struct kube *kube, const struct yaml_node *node, struct import_at at)
{
	bool list = is_kind(kube, node, YAML_SEQUENCE, at);

	for (size_t i = 0; list && i < node->count; i++) {
		const struct yaml_node *item = node->items[i];
		const char *host = text_at(item, "hostPort"), *address = text_at(item, "hostIP");
		const char *protocol = text_at(item, "protocol");

		at.line = item->line;
		/* One that is only named is nothing to lead on. */
		if (!*host && is_kind(kube, item, YAML_MAPPING, at))
			continue;
		import_port(kube->import, kube->machine, at,
			    arena_format(kube->import->arena, "%s%s%s:%s/%s", address,
					 *address ? ":" : "", host, text_at(item, "containerPort"),
					 text_equal(protocol, "UDP")   ? "udp"
					 : text_equal(protocol, "TCP") ? "tcp"
					 : *protocol		       ? protocol
								       : "tcp"));
	}
}

/* ---- limits and rights ---- */

static void take_resources(struct kube *kube, const struct yaml_node *node, struct import_at at)
{
	static const char *const known[] = { "limits", "requests", NULL };
	static const char *const requested[] = { "memory", NULL };
	const struct yaml_node *limits = yaml_find(node, "limits");
	const struct yaml_node *requests = yaml_find(node, "requests");
	const struct yaml_node *memory = yaml_find(requests, "memory");
	bool mapping = is_kind(kube, node, YAML_MAPPING, at) &&
		       is_kind(kube, limits, YAML_MAPPING, at);

	note_others(kube, node, at, known);
	if (requests)
		note_others(kube, requests, below(kube, at, "requests", requests), requested);
	for (size_t i = 0; mapping && i < limits->count; i++) {
		const char *key = limits->keys[i]->text, *value = yaml_text(limits->items[i]);

		at.line = limits->keys[i]->line;
		value = value ? value : "";
		if (text_equal(key, "memory"))
			import_set_size(kube->import, kube->machine, at, "MemoryMax", value);
		else if (text_equal(key, "cpu"))
			import_cpus(kube->import, kube->machine, at, value);
		else
			import_note(kube->import, kube->machine, at,
				    "there is no limit for '%.40s'",
				    text_printable(kube->import->arena, key));
	}
	if (yaml_text(memory))
		import_set_size(kube->import, kube->machine, at, "MemoryLow", yaml_text(memory));
}

static void take_security(struct kube *kube, const struct yaml_node *node, struct import_at at)
{
	static const char *const known[] = { "capabilities",
					     "runAsUser",
					     "runAsGroup",
					     "readOnlyRootFilesystem",
					     "allowPrivilegeEscalation",
					     "privileged",
					     "seccompProfile",
					     NULL };
	const struct yaml_node *capabilities = yaml_find(node, "capabilities");
	struct text_list add = { 0 }, drop = { 0 };

	(void)is_kind(kube, node, YAML_MAPPING, at);
	(void)is_kind(kube, capabilities, YAML_MAPPING, at);
	note_others(kube, node, at, known);
	if (*text_at(node, "runAsUser"))
		import_user(kube->import, kube->machine, at, text_at(node, "runAsUser"));
	if (is_true(node, "readOnlyRootFilesystem"))
		import_set(kube->import, kube->machine, at, "Files", "ReadOnly", "yes");
	if (text_equal(text_at(node, "allowPrivilegeEscalation"), "false"))
		import_set(kube->import, kube->machine, at, "Exec", "NoNewPrivileges", "yes");
	if (is_true(node, "privileged"))
		import_note(kube->import, kube->machine, at,
			    "nothing gives all rights at once: name what is needed by "
			    "Capability=, Bind= and DeviceAllow=");
	if (yaml_find(node, "runAsGroup"))
		import_note(kube->import, kube->machine, at,
			    "the group is that of the user in the machine's own list");
	if (yaml_find(node, "seccompProfile"))
		import_security(kube->import, kube->machine, at, "seccompProfile");
	words(kube, &add, yaml_find(capabilities, "add"), at);
	words(kube, &drop, yaml_find(capabilities, "drop"), at);
	import_capabilities(kube->import, kube->machine, at, &add, &drop);
}

/* ---- volumes ---- */

static const struct yaml_node *find_volume(const struct kube *kube, const char *name)
{
	const struct yaml_node *list = yaml_find(kube->spec, "volumes");

	for (size_t i = 0; list && list->kind == YAML_SEQUENCE && i < list->count; i++)
		if (text_equal(text_at(list->items[i], "name"), name))
			return list->items[i];
	return NULL;
}

static void take_mount(struct kube *kube, const struct yaml_node *mount, struct import_at at)
{
	static const char *const known[] = { "name",	"mountPath",   "readOnly",
					     "subPath", "subPathExpr", NULL };
	const char *name = text_at(mount, "name"), *place = text_at(mount, "mountPath");
	const struct yaml_node *volume = find_volume(kube, name), *empty;
	const char *host = text_at(yaml_find(volume, "hostPath"), "path");
	bool read_only = is_true(mount, "readOnly");

	name = text_printable(kube->import->arena, name);
	empty = yaml_find(volume, "emptyDir");
	note_others(kube, mount, at, known);
	if (!volume)
		import_refuse(kube->import, at, "the volume '%.80s' is not among the volumes",
			      name);
	else if (yaml_find(mount, "subPath") || yaml_find(mount, "subPathExpr"))
		import_note(kube->import, kube->machine, at,
			    "a part of the volume '%.80s' is not shown alone: bind it", name);
	else if (*host)
		import_bind(kube->import, kube->machine, at, host, place, read_only);
	else if (empty && text_equal(text_at(empty, "medium"), "Memory"))
		import_tmpfs(kube->import, kube->machine, at, place);
	else if (empty || yaml_find(volume, "persistentVolumeClaim"))
		import_volume(kube->import, kube->machine, at, name, place, read_only);
	else
		import_note(kube->import, kube->machine, at,
			    "the volume '%.80s' comes from the cluster: put it into a directory, "
			    "and bind that",
			    name);
}

static void take_mounts(struct kube *kube, const struct yaml_node *node, struct import_at at)
{
	bool list = is_kind(kube, node, YAML_SEQUENCE, at);

	for (size_t i = 0; list && i < node->count; i++) {
		at.line = node->items[i]->line;
		take_mount(kube, node->items[i], at);
	}
}

/* ---- health ---- */

static void take_liveness(struct kube *kube, const struct yaml_node *node, struct import_at at)
{
	static const struct {
		const char *key, *name;
	} spans[] = {
		{ "periodSeconds", "Interval" },
		{ "timeoutSeconds", "Timeout" },
		{ "initialDelaySeconds", "StartPeriod" },
	};
	struct text_list command = { 0 };

	words(kube, &command, yaml_find(yaml_find(node, "exec"), "command"), at);
	if (command.count == 0) {
		import_note(kube->import, kube->machine, at,
			    "health is asked by a command inside: write one into Command=");
		return;
	}
	import_set(kube->import, kube->machine, at, "X-Health", "Command",
		   import_words(kube->import->arena, &command, 0));
	for (size_t i = 0; i < ARRAY_SIZE(spans); i++)
		if (*text_at(node, spans[i].key))
			import_span(kube->import, kube->machine, at, "X-Health", spans[i].name,
				    text_at(node, spans[i].key));
	if (*text_at(node, "failureThreshold"))
		import_set(kube->import, kube->machine, at, "X-Health", "Retries",
			   text_at(node, "failureThreshold"));
	import_set(kube->import, kube->machine, at, "X-Health", "OnFailure", "restart");
}

/* ---- containers ---- */

static const struct {
	const char *key;
	take_fn *take;
} rows[] = {
	{ "env", take_environment },	 { "ports", take_ports },
	{ "resources", take_resources }, { "securityContext", take_security },
	{ "volumeMounts", take_mounts }, { "livenessProbe", take_liveness },
};

static const char *const silent_keys[] = {
	"name",
	"image",
	"command",
	"args",
	"workingDir",
	"stdin",
	"tty",
	"imagePullPolicy",
	"terminationMessagePath",
	"terminationMessagePolicy",
};

static void take_key(struct kube *kube, const char *key, const struct yaml_node *node,
		     struct import_at at)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (text_equal(key, rows[i].key)) {
			rows[i].take(kube, node, at);
			return;
		}
	for (size_t i = 0; i < ARRAY_SIZE(silent_keys); i++)
		if (text_equal(key, silent_keys[i]))
			return;
	import_note(kube->import, kube->machine, at, "there is no setting for it");
}

/* What the Pod says of all of its containers. */
static void take_pod(struct kube *kube, struct import_at at)
{
	const char *restart = text_at(kube->spec, "restartPolicy");
	struct import *import = kube->import;

	if (is_true(kube->spec, "hostNetwork"))
		import_set(import, kube->machine, at, "Network", "Private", "no");
	else
		import_zone(import, kube->machine, at, kube->pod);
	if (*text_at(kube->spec, "hostname"))
		import_set(import, kube->machine, at, "Exec", "Hostname",
			   text_at(kube->spec, "hostname"));
	if (*text_at(kube->spec, "terminationGracePeriodSeconds"))
		import_span(import, kube->machine, at, "X-Service", "TimeoutStopSec",
			    text_at(kube->spec, "terminationGracePeriodSeconds"));
	import_restart(import, kube->machine, at,
		       text_equal(restart, "Never")	  ? "no"
		       : text_equal(restart, "OnFailure") ? "on-failure"
							  : "always");
}

static void take_container(struct kube *kube, const struct yaml_node *container, bool alone)
{
	struct import *import = kube->import;
	const char *name = text_at(container, "name"),
		   *directory = text_at(container, "workingDir");
	struct import_at at = { kube->path, container->line,
				arena_format(import->arena, "%s.%s", kube->pod, name) };

	kube->container = container;
	kube->environment = (struct text_list){ 0 };
	kube->machine = import_add(
		import, at,
		alone ? kube->pod : arena_format(import->arena, "%s-%s", kube->pod, name),
		arena_format(import->arena, "%s, container %s", path_name(kube->path), name));
	if (!kube->machine)
		return;
	import_image(import, kube->machine, at, text_at(container, "image"));
	take_command(kube);
	if (*directory)
		import_set(import, kube->machine, at, "Exec", "WorkingDirectory", directory);
	for (size_t i = 0; i < container->count && import->status >= 0; i++)
		take_key(kube, container->keys[i]->text, container->items[i],
			 below(kube, at, container->keys[i]->text, container->keys[i]));
	import_environment_set(import, kube->machine, at, &kube->environment);
	take_pod(kube, at);
}

/* A document. False: it makes no Pod. */
static bool take_document(struct kube *kube, const struct yaml_node *document)
{
	static const char *const makers[] = { "Deployment", "StatefulSet", "DaemonSet" };
	static const char *const known[] = { "containers",  "volumes",
					     "hostNetwork", "restartPolicy",
					     "hostname",    "terminationGracePeriodSeconds",
					     NULL };
	const char *kind = text_at(document, "kind");
	const char *name = text_at(yaml_find(document, "metadata"), "name");
	const struct yaml_node *spec = yaml_find(document, "spec"), *containers;
	struct import_at at = { kube->path, document->line,
				arena_format(kube->import->arena, "%s.%s", kind, name) };
	bool makes = false;

	for (size_t i = 0; i < ARRAY_SIZE(makers); i++)
		makes = makes || text_equal(kind, makers[i]);
	if (!makes && !text_equal(kind, "Pod")) {
		import_note(kube->import, NULL, at, "objects of this kind become nothing");
		return false;
	}
	if (makes && *text_at(spec, "replicas") && !text_equal(text_at(spec, "replicas"), "1"))
		import_note(kube->import, NULL, at, "there is one machine of each, not %.20s",
			    text_printable(kube->import->arena, text_at(spec, "replicas")));
	if (makes)
		spec = yaml_find(yaml_find(spec, "template"), "spec");
	containers = yaml_find(spec, "containers");
	if (!containers || containers->kind != YAML_SEQUENCE || containers->count == 0) {
		import_refuse(kube->import, at, "it has no containers");
		return true;
	}
	kube->spec = spec;
	kube->pod = import_name(kube->import, name);
	if (!kube->pod) {
		import_refuse(kube->import, at, "it has no name that a machine can have");
		return true;
	}
	kube->machine = NULL; /* of all of them */
	note_others(kube, spec, at, known);
	for (size_t i = 0; i < containers->count && kube->import->status >= 0; i++)
		take_container(kube, containers->items[i], containers->count == 1);
	return true;
}

void import_kube(struct import *import, const char *path, const char *text, size_t size)
{
	struct kube kube = { .import = import, .path = path };
	struct yaml yaml;
	bool any = false;
	int r = yaml_parse(import->arena, &yaml, text, size, path);

	if (r < 0) {
		import->status = r;
		return;
	}
	for (size_t i = 0; i < yaml.count && import->status >= 0; i++)
		if (!yaml_is_null(yaml.documents[i]) && take_document(&kube, yaml.documents[i]))
			any = true;
	if (!any)
		import_refuse(import, (struct import_at){ path, 1, "kind" },
			      "there is no Pod in it, nor what makes one");
}
