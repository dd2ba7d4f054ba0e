#include "declare/nixos-started.h"

#include <fcntl.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/text.h"
#include "bus/systemd.h"
#include "declare/compare.h"
#include "declare/definition.h"
#include "declare/nixos.h"
#include "io/fd.h"
#include "io/file.h"
#include "io/settings.h"
#include "kernel/process.h"
#include "machine/find.h"

#define CONF "REDD_NIXOS_CONF"
#define SETTINGS "REDD_NIXOS_SETTINGS"
#define SETTINGS_MAX (96 * 1024) /* one variable may have 128 KiB */
#define ENVIRONMENT_MAX (1024 * 1024)

/* ---- what is said ---- */

/* One file after the other, as they count. */
static const char *settings_text(struct arena *arena, const struct settings *companion)
{
	const char *text = "";

	for (size_t i = 0; i < companion->count; i++)
		text = arena_format(arena, "%s%s\n", text, companion->parts[i].text);
	return text;
}

void nixos_started_note(struct arena *arena, struct text_list *variables, const struct nixos *nixos,
			const struct settings *companion)
{
	const char *settings = settings_text(arena, companion);
	char *conf;

	if (nixos_conf_text(arena, &conf, &nixos->conf) >= 0)
		text_list_assign(arena, variables, arena_format(arena, CONF "=%s", conf));
	if (strlen(settings) <= SETTINGS_MAX)
		text_list_assign(arena, variables, arena_format(arena, SETTINGS "=%s", settings));
}

/* ---- what was said ---- */

/* *RET_SIZE 0: that cannot be told. */
static char *read_environment(struct arena *arena, size_t *ret_size, const struct machine *machine)
{
	const char *path = arena_format(arena, "/proc/%d/environ", (int)machine->supervisor);
	autoclose int pidfd = machine_open_supervisor(arena, machine);
	char *text = NULL;

	if (pidfd < 0 || file_read(arena, &text, ret_size, AT_FDCWD, path, ENVIRONMENT_MAX) < 0 ||
	    process_has_ended(pidfd))
		*ret_size = 0;
	return text;
}

static const char *find_variable(const char *environment, size_t size, const char *name)
{
	for (const char *at = environment; at < environment + size; at += strlen(at) + 1) {
		const char *value = text_assigned(at, name);

		if (value != NULL)
			return value;
	}
	return NULL;
}

/* ---- the conf ---- */

static bool counts(enum nixos_conf_key key)
{
	return key != NIXOS_CONF_SYSTEM_PATH && key != NIXOS_CONF_FLAKE &&
	       key != NIXOS_CONF_AUTO_START;
}

static bool differs_in_conf(struct arena *arena, struct nixos_started_difference *ret,
			    const struct nixos *nixos, const char *text)
{
	struct nixos_conf before;

	if (text == NULL || nixos_conf_parse(arena, &before, text, strlen(text)) < 0)
		return false;
	for (enum nixos_conf_key key = 0; key < NIXOS_CONF_KEYS; key++)
		if (counts(key) && !text_equal(nixos_conf_value(&before, key),
					       nixos_conf_value(&nixos->conf, key))) {
			ret->what = arena_format(arena, "%s=", nixos_conf_name(key));
			ret->path = nixos->conf_path;
			return true;
		}
	return false;
}

/* ---- settings ---- */

/* NULL: they cannot be understood. */
static const struct definition *definition_of(struct arena *arena, const struct nixos *nixos,
					      const char *text)
{
	const struct definition_facts flat = { .flat = true };
	struct definition *definition = arena_new(arena, struct definition);
	struct definition_items items = { 0 };

	definition_add_text(arena, &items, text, strlen(text), nixos->companion);
	if (definition_make(arena, definition, nixos->name, nixos->companion, &items, &flat) >= 0)
		return definition;
	fail_forget();
	return NULL;
}

/* What systemd reads of its unit, with "daemon-reload", it makes so at once. */
static bool is_followed(const struct compare_change *change, const struct machine *machine)
{
	return text_equal(change->section, "X-Service") && machine->unit != NULL &&
	       text_after(machine->unit, "container@") != NULL && systemd_is_running();
}

/* What is changed in a declared machine while it runs, nobody changes in this one. */
static bool costs_a_start(const struct compare_change *change, const struct machine *machine)
{
	switch (change->consequence) {
	case CONSEQUENCE_NONE:
	case CONSEQUENCE_RELOAD: return false;
	case CONSEQUENCE_LIVE: return !is_followed(change, machine);
	default: return true;
	}
}

static bool differs_in_settings(struct arena *arena, struct nixos_started_difference *ret,
				const struct nixos *nixos, const struct settings *companion,
				const struct machine *machine, const char *text)
{
	const char *now = settings_text(arena, companion);
	const struct definition *had, *wanted;
	struct compare compare;

	if (text == NULL || text_equal(text, now) || strlen(now) > SETTINGS_MAX)
		return false;
	ret->what = "something";
	ret->path = companion->count > 0 ? companion->parts[0].path : nixos->companion;
	had = definition_of(arena, nixos, text);
	wanted = definition_of(arena, nixos, now);
	if (had == NULL || wanted == NULL)
		return true;
	compare_definitions(arena, &compare, had, wanted, false);
	for (size_t i = 0; i < compare.count && !compare.deferred; i++) {
		const struct compare_change *change = &compare.changes[i];

		if (!costs_a_start(change, machine))
			continue;
		ret->what = arena_format(arena, "[%s] %s=", change->section, change->key);
		return true;
	}
	return false;
}

bool nixos_started_differs(struct arena *arena, struct nixos_started_difference *ret,
			   const struct nixos *nixos, const struct settings *companion,
			   const char *runtime)
{
	struct machine machine;
	const char *environment;
	size_t size;

	if (machine_open(arena, &machine, runtime, nixos->name) < 0) {
		fail_forget();
		return false;
	}
	environment = read_environment(arena, &size, &machine);
	return differs_in_conf(arena, ret, nixos, find_variable(environment, size, CONF)) ||
	       differs_in_settings(arena, ret, nixos, companion, &machine,
				   find_variable(environment, size, SETTINGS));
}
