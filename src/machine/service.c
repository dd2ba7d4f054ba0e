#include "machine/service.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "format/ini.h"
#include "format/specifier.h"
#include "io/file.h"
#include "io/settings.h"

#define US 1000000ull
#define ENDLESS_US (365 * 24 * 3600 * US) /* "infinity" */
#define SUFFIX ".nspawn"
#define NAMES_MAX 256

static const char *const restarts[] = {
	[SERVICE_RESTART_NO] = "no",
	[SERVICE_RESTART_ON_SUCCESS] = "on-success",
	[SERVICE_RESTART_ON_FAILURE] = "on-failure",
	[SERVICE_RESTART_ON_ABNORMAL] = "on-abnormal",
	[SERVICE_RESTART_ALWAYS] = "always",
};

static int set_restart(struct service *service, const char *value)
{
	for (size_t i = SERVICE_RESTART_NO; i < ARRAY_SIZE(restarts); i++)
		if (text_equal(value, restarts[i])) {
			service->restart = (enum service_restart)i;
			return 0;
		}
	return -EINVAL;
}

static int set_span(uint64_t *ret, const char *value)
{
	uint64_t us;

	if (parse_seconds_us(&us, value, US) < 0)
		return -EINVAL;
	/* For systemd both mean that there is no end of waiting. */
	*ret = us == 0 ? ENDLESS_US : MIN(us, ENDLESS_US);
	return 0;
}

static int set_pause(uint64_t *ret, const char *value)
{
	uint64_t us;

	if (parse_seconds_us(&us, value, US) < 0)
		return -EINVAL;
	*ret = MAX(MIN(us, ENDLESS_US), 1u);
	return 0;
}

static void add_machines(struct arena *arena, struct text_list *list, const char *value)
{
	struct text_list words = { 0 };

	if (*value == '\0')
		text_list_clear(list);
	text_split(arena, &words, value, " \t");
	for (size_t i = 0; i < words.count; i++) {
		char *word = words.items[i];

		if (!text_ends(word, SUFFIX) || list->count == NAMES_MAX)
			continue;
		word[strlen(word) - strlen(SUFFIX)] = '\0';
		if (name_is_machine(word))
			text_list_add(arena, list, word);
	}
}

static int add_path(struct arena *arena, struct text_list *list, const char *path)
{
	if (!path_is_absolute(path + (path[0] == '!')))
		return -EINVAL;
	if (list->count < NAMES_MAX)
		text_list_add(arena, list, arena_text(arena, path));
	return 0;
}

static int add_paths(struct arena *arena, struct text_list *list, const char *value)
{
	struct text_list words = { 0 };
	int r = 0;

	if (*value == '\0')
		text_list_clear(list);
	text_split(arena, &words, value, " \t");
	for (size_t i = 0; i < words.count && r >= 0; i++)
		r = add_path(arena, list, words.items[i]);
	return r;
}

/* One path, whatever blanks are in it. */
static int add_condition(struct arena *arena, struct text_list *list, const char *value)
{
	if (*value != '\0')
		return add_path(arena, list, value);
	text_list_clear(list);
	return 0;
}

static int set_of_service(struct service *service, const char *key, const char *value)
{
	if (text_equal(key, "Restart"))
		return set_restart(service, value);
	if (text_equal(key, "RestartSec"))
		return set_pause(&service->pause_us, value);
	if (text_equal(key, "TimeoutStartSec"))
		return set_span(&service->start_us, value);
	if (text_equal(key, "TimeoutStopSec"))
		return set_span(&service->stop_us, value);
	return 0;
}

static int set_of_unit(struct arena *arena, struct service *service, const char *key,
		       const char *value)
{
	if (text_equal(key, "Requires") || text_equal(key, "BindsTo"))
		add_machines(arena, &service->requires, value);
	else if (text_equal(key, "Wants"))
		add_machines(arena, &service->wants, value);
	else if (text_equal(key, "After"))
		add_machines(arena, &service->after, value);
	else if (text_equal(key, "RequiresMountsFor"))
		return add_paths(arena, &service->paths, value);
	else if (text_equal(key, "ConditionPathExists"))
		return add_condition(arena, &service->conditions, value);
	return 0;
}

static bool are_machines(struct arena *arena, const char *value)
{
	struct text_list words = { 0 };
	size_t i = 0;

	text_split(arena, &words, value, " \t");
	while (i < words.count && text_ends(words.items[i], SUFFIX))
		i++;
	return i == words.count;
}

bool service_takes(struct arena *arena, const char *section, const char *key, const char *value)
{
	static const char *const lists[] = { "Requires", "BindsTo", "Wants", "After" };
	struct service service = { 0 };

	if (text_equal(section, "X-Service"))
		return set_of_service(&service, key, value) >= 0;
	if (!text_equal(section, "X-Unit"))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		if (text_equal(key, lists[i]) && !are_machines(arena, value))
			return false;
	return set_of_unit(arena, &service, key, value) >= 0;
}

void service_specifiers(struct arena *arena, struct specifiers *ret,
			const struct settings *settings, const char *name)
{
	struct utsname host;
	char id[40];

	*ret = (struct specifiers){ .machine = name };
	for (size_t i = 0; i < settings->count; i++) {
		if (memchr(settings->parts[i].text, '%', settings->parts[i].size) == NULL)
			continue;
		if (uname(&host) >= 0)
			ret->host = arena_text(arena, host.nodename);
		if (file_read_line(id, sizeof(id), AT_FDCWD, "/etc/machine-id") >= 0)
			ret->machine_id = arena_text(arena, id);
		return;
	}
}

void service_add(struct arena *arena, struct service *ret, const char *text, size_t size,
		 const struct specifiers *known)
{
	struct ini_item item;
	struct ini ini;

	if (ini_start(&ini, arena, text, size) < 0)
		return;
	while (ini_next(&ini, &item) > 0) {
		const char *value = item.value;
		int r = 0;

		if (item.kind != INI_ASSIGNMENT || item.section == NULL)
			continue;
		value = specifier_expand(arena, value, known);
		if (text_equal(item.section, "X-Service"))
			r = set_of_service(ret, item.key, value);
		else if (text_equal(item.section, "X-Unit"))
			r = set_of_unit(arena, ret, item.key, value);
		if (r < 0)
			log_warning("cannot use '%s=%.80s' of machine '%s', going on without",
				    item.key, text_printable(arena, value), known->machine);
	}
}

int service_read(struct arena *arena, struct service *ret, const char *const *environment,
		 const char *name)
{
	struct settings settings;
	struct specifiers known;
	int r = settings_read(arena, &settings, geteuid(), environment, name);

	*ret = (struct service){ 0 };
	if (r < 0)
		return fail(r, "cannot use '%s' for machine '%s'", settings.blame, name);
	ret->applied = settings.applied;
	service_specifiers(arena, &known, &settings, name);
	for (size_t i = 0; i < settings.count; i++)
		service_add(arena, ret, settings.parts[i].text, settings.parts[i].size, &known);
	return (int)settings.count;
}

int service_check(const struct service *service, const char *name)
{
	for (size_t i = 0; i < service->paths.count; i++)
		if (access(service->paths.items[i], F_OK) < 0)
			return fail(-errno,
				    "cannot start machine '%s': it needs '%s' "
				    "(RequiresMountsFor=)",
				    name, service->paths.items[i]);
	for (size_t i = 0; i < service->conditions.count; i++) {
		const char *path = service->conditions.items[i];
		bool absent = path[0] == '!';

		if ((access(path + absent, F_OK) < 0) != absent)
			return fail_plain(-ECANCELED,
					  "cannot start machine '%s': its condition "
					  "'ConditionPathExists=%s' is not met",
					  name, path);
	}
	return 0;
}

bool service_restarts(enum service_restart restart, int status)
{
	switch (restart) {
	case SERVICE_RESTART_NO: return false;
	case SERVICE_RESTART_ON_SUCCESS: return status == 0;
	case SERVICE_RESTART_ON_ABNORMAL: return status < 0;
	case SERVICE_RESTART_ALWAYS: return true;
	case SERVICE_RESTART_DEFAULT:
	case SERVICE_RESTART_ON_FAILURE: break;
	}
	return status != 0;
}
