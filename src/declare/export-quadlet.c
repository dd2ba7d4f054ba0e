/* NAME.container, as podman's generator for systemd reads it (podman-systemd.unit(5)). */
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/text.h"
#include "declare/definition.h"
#include "declare/export-part.h"

/* systemd resolves specifiers in what becomes a command line, we have done so. */
static char *doubled(struct arena *arena, const char *value)
{
	char *text = arena_take(arena, strlen(value) * 2 + 1), *at = text;

	for (; *value != '\0'; value++) {
		*at++ = *value;
		if (*value == '%')
			*at++ = '%';
	}
	return text;
}

static bool literal(struct export *export, const struct export_row *row, const char *value)
{
	return export_as_is(export, row, doubled(export->arena, value));
}

/* Machines are services of their names. */
static bool units(struct export *export, const struct export_row *row, const char *value)
{
	struct text_list words = { 0 };
	const char *text = NULL;

	text_split(export->arena, &words, value, " \t");
	for (size_t i = 0; i < words.count; i++) {
		const char *word = words.items[i];

		if (text_ends(word, ".nspawn"))
			word = arena_format(export->arena, "%.*s.service",
					    (int)(strlen(word) - strlen(".nspawn")), word);
		text = text == NULL ? word : arena_format(export->arena, "%s %s", text, word);
	}
	return text == NULL || export_as_is(export, row, text);
}

static bool users(struct export *export, const struct export_row *row, const char *value)
{
	if (text_equal(value, "pick"))
		return export_as_is(export, row, "auto");
	return text_equal(value, "no") && export_as_is(export, row, "host");
}

static bool as_systemd(struct export *export, const struct export_row *row, const char *value)
{
	return export_if_yes(export, &(struct export_row){ 0 }, value)
		       ? export_as_is(export, row, "--systemd=always")
		       : true;
}

static bool update(struct export *export, const struct export_row *row, const char *value)
{
	return !text_equal(value, "digest") || export_as_is(export, row, "registry");
}

/* There every container's changes lie over its image, and are gone with it. */
static bool root(struct export *export, const struct export_row *row, const char *value)
{
	(void)export;
	(void)row;
	return text_equal(value, "overlay") || text_equal(value, "ephemeral");
}

static bool on_failure(struct export *export, const struct export_row *row, const char *value)
{
	if (text_equal(value, "rollback"))
		return false;
	return export_as_is(export, row, text_equal(value, "restart") ? "kill" : value);
}

static bool address(struct export *export, const struct export_row *row, const char *value)
{
	struct text_list words = { 0 };

	if (text_equal(value, "auto"))
		return true;
	text_split(export->arena, &words, value, " \t");
	for (size_t i = 0; i < words.count; i++) {
		const char *word = words.items[i];

		export_add(export, row->group, strchr(word, ':') ? "IP6" : "IP",
			   arena_text_n(export->arena, word, strcspn(word, "/")));
	}
	return !text_equal(value, "no");
}

static const struct export_row rows[] = {
	{ "X-Unit.*", "Unit", NULL, units },
	{ "X-Image.Source", "Container", "Image", export_image },
	{ "X-Image.Persist", "Container", "Volume", export_persist },
	{ "X-Image.Update", "Container", "AutoUpdate", update },
	{ "X-Image.Root", NULL, NULL, root },
	{ "Exec.Boot", "Container", "PodmanArgs", as_systemd },
	{ "Exec.ProcessTwo", "Container", "RunInit", export_if_yes },
	{ "Exec.Parameters", "Container", "Exec", literal },
	{ "Exec.Environment", "Container", "Environment", literal },
	{ "Exec.User", "Container", "User", literal },
	{ "Exec.WorkingDirectory", "Container", "WorkingDir", literal },
	{ "Exec.Hostname", "Container", "HostName", literal },
	{ "Exec.KillSignal", "Container", "StopSignal", export_as_is },
	{ "Exec.Capability", "Container", "AddCapability", export_each },
	{ "Exec.DropCapability", "Container", "DropCapability", export_each },
	{ "Exec.NoNewPrivileges", "Container", "NoNewPrivileges", export_as_is },
	{ "Exec.PrivateUsers", "Container", "UserNS", users },
	{ "Files.ReadOnly", "Container", "ReadOnly", export_as_is },
	{ "Files.Bind", "Container", "Volume", export_bind },
	{ "Files.BindReadOnly", "Container", "Volume", export_bind },
	{ "Files.TemporaryFileSystem", "Container", "Tmpfs", export_as_is },
	{ "Network.VirtualEthernet", NULL, NULL, export_if_yes },
	{ "Network.Port", "Container", "PublishPort", export_port },
	{ "X-Network.Address", "Container", NULL, address },
	{ "X-Network.NAT", NULL, NULL, export_if_yes },
	{ "X-Network.Names", "Container", "NetworkAlias", export_each },
	{ "X-Health.Command", "Container", "HealthCmd", literal },
	{ "X-Health.Interval", "Container", "HealthInterval", export_time },
	{ "X-Health.Timeout", "Container", "HealthTimeout", export_time },
	{ "X-Health.Retries", "Container", "HealthRetries", export_as_is },
	{ "X-Health.StartPeriod", "Container", "HealthStartPeriod", export_time },
	{ "X-Health.OnFailure", "Container", "HealthOnFailure", on_failure },
	{ "X-Service.*", "Service", NULL, export_as_is },
	{ "X-Install.*", "Install", NULL, export_as_is },
};

int export_quadlet(struct export *export, const char **ret)
{
	static const char *const groups[] = { "Unit", "Container", "Service", "Install" };
	struct arena *arena = export->arena;
	const char *text = "";

	export_add(export, "Container", "ContainerName", export->definition->name);
	export_walk(export, rows, ARRAY_SIZE(rows));
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		bool begun = false;

		for (size_t k = 0; k < export->count; k++) {
			const struct export_line *line = &export->lines[k];

			if (!text_equal(line->group, groups[i]))
				continue;
			if (!begun)
				text = arena_format(arena, "%s%s[%s]\n", text, *text ? "\n" : "",
						    groups[i]);
			begun = true;
			text = arena_format(arena, "%s%s=%s\n", text, line->key, line->value);
		}
	}
	*ret = text;
	return 0;
}
