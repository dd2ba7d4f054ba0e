/* compose.yaml, as docker compose and podman-compose read it. Strings are written as JSON writes
 * them, which is YAML too. */
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/text.h"
#include "declare/definition.h"
#include "declare/export-part.h"
#include "format/json-out.h"

/* A dollar sign begins a variable there. */
static char *quoted(struct arena *arena, const char *value)
{
	char *text = arena_take(arena, strlen(value) * 2 + 1), *at = text, *json;
	struct json_out out;

	for (; *value != '\0'; value++) {
		*at++ = *value;
		if (*value == '$')
			*at++ = '$';
	}
	json_out_init(&out, arena, false);
	json_out_text(&out, NULL, text);
	json = arena_text(arena, json_out_done(&out));
	json[strcspn(json, "\n")] = '\0';
	return json;
}

static bool machines(struct export *export, const struct export_row *row, const char *value)
{
	struct text_list words = { 0 };
	bool all = true;

	text_split(export->arena, &words, value, " \t");
	for (size_t i = 0; i < words.count; i++) {
		const char *word = words.items[i];
		char *name;

		if (!text_ends(word, ".nspawn")) {
			all = false;
			continue;
		}
		name = arena_text_n(export->arena, word, strlen(word) - strlen(".nspawn"));
		for (size_t k = 0; name != NULL && k < export->count; k++)
			if (text_equal(export->lines[k].key, row->key) &&
			    text_equal(export->lines[k].value, name))
				name = NULL;
		if (name != NULL)
			export_add(export, row->group, row->key, name);
	}
	return all;
}

static bool cpus(struct export *export, const struct export_row *row, const char *value)
{
	uint32_t percent;

	if (!text_ends(value, "%") ||
	    parse_u32(&percent, arena_text_n(export->arena, value, strlen(value) - 1)) < 0)
		return false;
	return export_as_is(export, row,
			    arena_format(export->arena, "%u.%02u", percent / 100, percent % 100));
}

static bool bytes(struct export *export, const struct export_row *row, const char *value)
{
	uint64_t size;

	return parse_size(&size, value) >= 0 &&
	       export_as_is(export, row,
			    arena_format(export->arena, "%llu", (unsigned long long)size));
}

static bool number(struct export *export, const struct export_row *row, const char *value)
{
	uint32_t ignored;

	return parse_u32(&ignored, value) >= 0 && export_as_is(export, row, value);
}

static bool restart(struct export *export, const struct export_row *row, const char *value)
{
	return (text_equal(value, "no") || text_equal(value, "always") ||
		text_equal(value, "on-failure")) &&
	       export_as_is(export, row, value);
}

static bool root(struct export *export, const struct export_row *row, const char *value)
{
	(void)export;
	(void)row;
	return text_equal(value, "overlay") || text_equal(value, "ephemeral");
}

static bool new_privileges(struct export *export, const struct export_row *row, const char *value)
{
	return export_if_yes(export, &(struct export_row){ 0 }, value) &&
	       export_as_is(export, row, "no-new-privileges:true");
}

static bool health(struct export *export, const struct export_row *row, const char *value)
{
	export_add(export, row->group, row->key, "CMD");
	return export_each_quoted(export, row, value);
}

static const struct export_row rows[] = {
	{ "X-Image.Source", "text", "image", export_image },
	{ "X-Image.Persist", "list", "volumes", export_persist },
	{ "X-Image.Root", NULL, NULL, root },
	{ "Exec.ProcessTwo", "word", "init", export_if_yes },
	{ "Exec.Parameters", "list", "command", export_each_quoted },
	{ "Exec.Environment", "list", "environment", export_each_quoted },
	{ "Exec.User", "text", "user", export_as_is },
	{ "Exec.WorkingDirectory", "text", "working_dir", export_as_is },
	{ "Exec.Hostname", "text", "hostname", export_as_is },
	{ "Exec.KillSignal", "text", "stop_signal", export_as_is },
	{ "Exec.Capability", "list", "cap_add", export_each },
	{ "Exec.DropCapability", "list", "cap_drop", export_each },
	{ "Exec.NoNewPrivileges", "list", "security_opt", new_privileges },
	{ "Files.ReadOnly", "word", "read_only", export_if_yes },
	{ "Files.Bind", "list", "volumes", export_bind },
	{ "Files.BindReadOnly", "list", "volumes", export_bind },
	{ "Files.TemporaryFileSystem", "list", "tmpfs", export_as_is },
	{ "Network.VirtualEthernet", NULL, NULL, export_if_yes },
	{ "Network.Port", "list", "ports", export_port },
	{ "X-Network.NAT", NULL, NULL, export_if_yes },
	{ "X-Service.MemoryMax", "text", "mem_limit", bytes },
	{ "X-Service.CPUQuota", "text", "cpus", cpus },
	{ "X-Service.AllowedCPUs", "text", "cpuset", export_as_is },
	{ "X-Service.TasksMax", "word", "pids_limit", number },
	{ "X-Service.Restart", "text", "restart", restart },
	{ "X-Unit.After", "list", "depends_on", machines },
	{ "X-Unit.Requires", "list", "depends_on", machines },
	{ "X-Unit.Wants", "list", "depends_on", machines },
	{ "X-Health.Command", "health list", "test", health },
	{ "X-Health.Interval", "health text", "interval", export_time },
	{ "X-Health.Timeout", "health text", "timeout", export_time },
	{ "X-Health.StartPeriod", "health text", "start_period", export_time },
	{ "X-Health.Retries", "health word", "retries", number },
};

/* Those of one key come together, where the first of them is. */
static const char *print_lines(struct export *export, const char *text, bool health_wanted)
{
	const char *indent = health_wanted ? "      " : "    ";
	struct arena *arena = export->arena;

	for (size_t i = 0; i < export->count; i++) {
		const struct export_line *line = &export->lines[i];
		const char *kind = text_after(line->group, "health ");
		bool done = (kind != NULL) != health_wanted;

		kind = kind == NULL ? line->group : kind;
		for (size_t k = 0; k < i && !done; k++)
			done = text_equal(export->lines[k].key, line->key);
		if (done)
			continue;
		if (!text_equal(kind, "list")) {
			text = arena_format(arena, "%s%s%s: %s\n", text, indent, line->key,
					    text_equal(kind, "word") ? line->value
								     : quoted(arena, line->value));
			continue;
		}
		text = arena_format(arena, "%s%s%s:\n", text, indent, line->key);
		for (size_t k = i; k < export->count; k++)
			if (text_equal(export->lines[k].key, line->key))
				text = arena_format(arena, "%s%s  - %s\n", text, indent,
						    quoted(arena, export->lines[k].value));
	}
	return text;
}

int export_compose(struct export *export, const char **ret)
{
	const struct definition *definition = export->definition;
	const struct text_list *persist = &definition->image.persist;
	struct arena *arena = export->arena;
	const char *text;

	export_walk(export, rows, ARRAY_SIZE(rows));
	text = arena_format(arena, "services:\n  %s:\n", quoted(arena, definition->name));
	text = print_lines(export, text, false);
	if (definition->health.command.count > 0)
		text = print_lines(export, arena_format(arena, "%s    healthcheck:\n", text), true);
	if (persist->count > 0)
		text = arena_format(arena, "%svolumes:\n", text);
	for (size_t i = 0; i < persist->count; i++)
		text = arena_format(arena, "%s  %s: {}\n", text,
				    quoted(arena, export_volume(export, persist->items[i])));
	*ret = text;
	return 0;
}
