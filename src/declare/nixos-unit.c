#include "declare/nixos-unit.h"

#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/nixos.h"
#include "machine/settings-items.h"
#include "format/ini.h"

struct writer {
	struct arena *arena;
	char *text;
};

static void add(struct writer *writer, const char *line)
{
	writer->text = arena_format(writer->arena, "%s%s\n", writer->text, line);
}

/* For systemd, too, which would take the rest for an assignment of its own. */
static bool is_one_line(const char *text)
{
	return ini_is_line(text) && !text_ends(text, "\\");
}

/* The companion's assignments of SECTION, one a line. */
static void add_section(struct writer *writer, const struct settings *companion,
			const char *section)
{
	struct settings_items items;
	struct ini_item item;

	settings_items_begin(&items, writer->arena, companion);
	while (settings_items_next(&items, &item, section) > 0)
		if (is_one_line(item.key) && is_one_line(item.value))
			add(writer, arena_format(writer->arena, "%s=%s", item.key, item.value));
}

/* A path that stands for itself in a unit. */
static bool is_plain(const char *path)
{
	return path_is_absolute(path) && path_is_normal(path) && ini_is_line(path) &&
	       strpbrk(path, " \t\\\"'%:;") == NULL;
}

/* Where the mounts are that it must not start without, nor go on: a bind of an empty mount point
 * would show nothing, and be written to. */
static void add_mounts(struct writer *writer, const struct nixos *nixos)
{
	struct text_list words = { 0 };

	add(writer, arena_format(writer->arena, "RequiresMountsFor=%s", nixos->root));
	nixos_conf_words(writer->arena, &words, &nixos->conf, NIXOS_CONF_EXTRA_NSPAWN_FLAGS);
	for (size_t i = 0; i < words.count; i++) {
		const char *bind = text_after(words.items[i], "--bind=");
		char *source;

		if (bind == NULL)
			bind = text_after(words.items[i], "--bind-ro=");
		if (bind == NULL)
			continue;
		source = arena_text_n(writer->arena, bind, strcspn(bind, ":"));
		if (is_plain(source))
			add(writer, arena_format(writer->arena, "RequiresMountsFor=%s", source));
	}
}

static void add_devices(struct writer *writer, const struct nixos *nixos)
{
	struct text_list words = { 0 };

	nixos_conf_words(writer->arena, &words, &nixos->conf, NIXOS_CONF_INTERFACES);
	for (size_t i = 0; i < words.count; i++) {
		const char *device = arena_text_n(writer->arena, words.items[i],
						  strcspn(words.items[i], ":"));

		/* Others would have to be escaped, and are rare. */
		if (strspn(device, "abcdefghijklmnopqrstuvwxyz0123456789_.") == strlen(device))
			add(writer, arena_format(writer->arena,
						 "Wants=sys-subsystem-net-devices-%s.device\n"
						 "After=sys-subsystem-net-devices-%s.device",
						 device, device));
	}
}

char *nixos_unit_text(struct arena *arena, const struct nixos *nixos,
		      const struct settings *companion, const struct nixos_unit_places *places)
{
	struct writer writer = { arena, arena_text(arena, "") };

	add(&writer, arena_format(arena,
				  "# Made from %s when systemd looked at its units.\n\n"
				  "[Unit]\n"
				  "Description=Container '%s'\n"
				  "Documentation=man:nixos-container(1) man:redd-units(7)\n"
				  "SourcePath=%s\n"
				  "PartOf=machines.target\n"
				  "Before=machines.target\n"
				  "Wants=network.target\n"
				  "After=network.target",
				  nixos->conf_path, nixos->name, nixos->conf_path));
	add_mounts(&writer, nixos);
	add_devices(&writer, nixos);
	add_section(&writer, companion, "X-Unit");
	add(&writer, arena_format(arena,
				  "\n[Service]\n"
				  "Type=notify\n"
				  "ExecStart=%s/redd-nixos start %%i --keep-unit\n"
				  "ExecReload=%s/redd-nixos reload %%i\n"
				  "ExecStopPost=%s/nspawn --cleanup --machine=%%i\n"
				  "# 133: the guest rebooted, and wants everything made anew. A "
				  "power-off stays.\n"
				  "Restart=on-failure\n"
				  "RestartForceExitStatus=133\n"
				  "SuccessExitStatus=133\n"
				  "TimeoutStartSec=1min\n"
				  "TimeoutStopSec=2min\n"
				  "KillMode=mixed\n"
				  "Slice=machine.slice\n"
				  "Delegate=yes\n"
				  "DelegateSubgroup=supervisor\n"
				  "TasksMax=16384\n"
				  "DevicePolicy=closed\n"
				  "SyslogIdentifier=container %%i",
				  places->helpers, places->helpers, places->programs));
	add_section(&writer, companion, "X-Service");
	return writer.text;
}

bool nixos_unit_starts_at_boot(struct arena *arena, const struct nixos *nixos,
			       const struct settings *companion)
{
	return nixos_conf_flag(&nixos->conf, NIXOS_CONF_AUTO_START, false) ||
	       settings_items_start_at_boot(arena, companion);
}
