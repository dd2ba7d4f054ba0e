/* config.json of an OCI bundle (runtime specification 1.0), whose root is in "rootfs" beside it. */
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/text.h"
#include "declare/definition.h"
#include "declare/export-part.h"
#include "format/json-out.h"

static bool bind(struct export *export, const struct export_row *row, const char *value)
{
	(void)row;
	return export_find_bind(export, value) != NULL;
}

/* It has to be one that can be said as a number. */
static bool bytes(struct export *export, const struct export_row *row, const char *value)
{
	uint64_t size;

	return parse_size(&size, value) >= 0 &&
	       export_as_is(export, row,
			    arena_format(export->arena, "%llu", (unsigned long long)size));
}

static bool quota(struct export *export, const struct export_row *row, const char *value)
{
	uint32_t percent;

	return text_ends(value, "%") &&
	       parse_u32(&percent, arena_text_n(export->arena, value, strlen(value) - 1)) >= 0 &&
	       export_as_is(export, row, arena_format(export->arena, "%u", percent * 1000));
}

static bool number(struct export *export, const struct export_row *row, const char *value)
{
	uint32_t ignored;

	return parse_u32(&ignored, value) >= 0 && export_as_is(export, row, value);
}

static bool tmpfs(struct export *export, const struct export_row *row, const char *value)
{
	export_add(export, row->group, row->key, value);
	return strchr(value, '\\') == NULL;
}

static bool boot(struct export *export, const struct export_row *row, const char *value)
{
	return export_if_yes(export, &(struct export_row){ 0 }, value) &&
	       export_as_is(export, row, "/sbin/init");
}

static const struct export_row rows[] = {
	{ "Exec.Boot", "process", "args", boot },
	{ "Exec.Parameters", "process", "args", export_each_quoted },
	{ "Exec.Environment", "process", "env", export_each_quoted },
	{ "Exec.WorkingDirectory", "process", "cwd", export_as_is },
	{ "Exec.Hostname", "top", "hostname", export_as_is },
	{ "Exec.NoNewPrivileges", "process", "noNewPrivileges", export_as_is },
	{ "Exec.OOMScoreAdjust", "process", "oomScoreAdj", export_as_is },
	{ "Files.ReadOnly", "root", "readonly", export_as_is },
	{ "Files.Bind", NULL, NULL, bind },
	{ "Files.BindReadOnly", NULL, NULL, bind },
	{ "Files.TemporaryFileSystem", "tmpfs", "tmpfs", tmpfs },
	{ "X-Service.MemoryMax", "memory", "limit", bytes },
	{ "X-Service.CPUQuota", "cpu", "quota", quota },
	{ "X-Service.AllowedCPUs", "cpu", "cpus", export_as_is },
	{ "X-Service.TasksMax", "pids", "limit", number },
	{ "Network.Private", NULL, NULL, export_if_yes },
	{ "Exec.PrivateUsers", NULL, NULL, export_if_no },
};

static const char *said(const struct export *export, const char *group, const char *key)
{
	for (size_t i = 0; i < export->count; i++)
		if (text_equal(export->lines[i].group, group) &&
		    text_equal(export->lines[i].key, key))
			return export->lines[i].value;
	return NULL;
}

static void texts(const struct export *export, struct json_out *json, const char *group,
		  const char *key)
{
	json_out_begin_array(json, key);
	for (size_t i = 0; i < export->count; i++)
		if (text_equal(export->lines[i].group, group) &&
		    text_equal(export->lines[i].key, key))
			json_out_text(json, NULL, export->lines[i].value);
	json_out_end_array(json);
}

static void numbers(const struct export *export, struct json_out *json, const char *group,
		    const char *key)
{
	const char *value = said(export, group, key);
	uint64_t found;

	if (value != NULL && parse_u64(&found, value) >= 0)
		json_out_unsigned(json, key, found);
}

static void process(const struct export *export, struct json_out *json)
{
	const struct spec *spec = export->definition->spec;
	const char *directory = said(export, "process", "cwd");

	json_out_begin_object(json, "process");
	json_out_begin_object(json, "user");
	json_out_unsigned(json, "uid", 0);
	json_out_unsigned(json, "gid", 0);
	json_out_end_object(json);
	texts(export, json, "process", "args");
	texts(export, json, "process", "env");
	json_out_text(json, "cwd", directory == NULL ? "/" : directory);
	json_out_bool(json, "noNewPrivileges", spec->no_new_privileges == TRISTATE_YES);
	if (spec->oom_score_set)
		json_out_signed(json, "oomScoreAdj", spec->oom_score);
	json_out_end_object(json);
}

static void mount(struct json_out *json, const char *type, const char *source, const char *place,
		  const char *const *options)
{
	json_out_begin_object(json, NULL);
	json_out_text(json, "destination", place);
	json_out_text(json, "type", type);
	json_out_text(json, "source", source);
	json_out_begin_array(json, "options");
	for (; *options != NULL; options++)
		json_out_text(json, NULL, *options);
	json_out_end_array(json);
	json_out_end_object(json);
}

static void mounts(const struct export *export, struct json_out *json)
{
	static const char *const none[] = { NULL };
	const struct custom_mount_list *list = &export->definition->spec->mounts;

	json_out_begin_array(json, "mounts");
	mount(json, "proc", "proc", "/proc", none);
	mount(json, "tmpfs", "tmpfs", "/dev",
	      (const char *const[]){ "nosuid", "strictatime", "mode=755", NULL });
	mount(json, "devpts", "devpts", "/dev/pts",
	      (const char *const[]){ "newinstance", "ptmxmode=0666", "mode=0620", NULL });
	mount(json, "sysfs", "sysfs", "/sys",
	      (const char *const[]){ "nosuid", "noexec", "nodev", "ro", NULL });
	for (size_t i = 0; i < list->count; i++) {
		const struct custom_mount *one = &list->items[i];
		struct text_list words = { 0 };

		if (one->kind == MOUNT_TMPFS) {
			text_split(export->arena, &words,
				   one->options == NULL ? "mode=0755" : one->options, ",");
			mount(json, "tmpfs", "tmpfs", one->destination,
			      (const char *const *)words.items);
		} else if (export_find_bind(export, one->words) == one) {
			mount(json, "bind", one->source, one->destination,
			      (const char *const[]){ one->recursive ? "rbind" : "bind",
						     one->read_only ? "ro" : "rw", NULL });
		}
	}
	json_out_end_array(json);
}

static void linux_part(const struct export *export, struct json_out *json)
{
	static const char *const namespaces[] = { "pid", "mount", "ipc", "uts", "cgroup" };
	const char *cpus = said(export, "cpu", "cpus");

	json_out_begin_object(json, "linux");
	json_out_begin_array(json, "namespaces");
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		json_out_begin_object(json, NULL);
		json_out_text(json, "type", namespaces[i]);
		json_out_end_object(json);
	}
	if (spec_has_private_network(export->definition->spec)) {
		json_out_begin_object(json, NULL);
		json_out_text(json, "type", "network");
		json_out_end_object(json);
	}
	json_out_end_array(json);
	json_out_begin_object(json, "resources");
	json_out_begin_object(json, "memory");
	numbers(export, json, "memory", "limit");
	json_out_end_object(json);
	json_out_begin_object(json, "cpu");
	numbers(export, json, "cpu", "quota");
	if (said(export, "cpu", "quota") != NULL)
		json_out_unsigned(json, "period", 100000);
	if (cpus != NULL)
		json_out_text(json, "cpus", cpus);
	json_out_end_object(json);
	if (said(export, "pids", "limit") != NULL) {
		json_out_begin_object(json, "pids");
		numbers(export, json, "pids", "limit");
		json_out_end_object(json);
	}
	json_out_end_object(json);
	json_out_end_object(json);
}

int export_oci(struct export *export, const char **ret)
{
	const char *hostname;
	struct json_out json;

	export_walk(export, rows, ARRAY_SIZE(rows));
	hostname = said(export, "top", "hostname");
	json_out_init(&json, export->arena, true);
	json_out_begin_object(&json, NULL);
	json_out_text(&json, "ociVersion", "1.0.2");
	process(export, &json);
	json_out_begin_object(&json, "root");
	json_out_text(&json, "path", "rootfs");
	json_out_bool(&json, "readonly", export->definition->spec->read_only == TRISTATE_YES);
	json_out_end_object(&json);
	json_out_text(&json, "hostname", hostname == NULL ? export->definition->name : hostname);
	mounts(export, &json);
	linux_part(export, &json);
	json_out_end_object(&json);
	*ret = json_out_done(&json);
	return 0;
}
