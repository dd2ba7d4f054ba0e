/* A .nspawn file: the rows of the settings table that have a key (reference, section 3). Nothing
 * that such a file says stops a start: what cannot be used is told and left out. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/text.h"
#include "format/ini.h"
#include "spec/readers.h"
#include "spec/settings.h"

#define WARNINGS_MAX 25 /* a hostile file has room for 65,536 */

struct nspawn_file {
	struct setting_reader reader;
	struct spec *spec;  /* what the file is about */
	struct spec *start; /* what it says about the start mode, until all of that is known */
	const char *path;
	bool trusted, override;
	bool replaced[GROUP_COUNT]; /* groups that the file took over from the command line */
	unsigned warnings;
};

static PRINTF(3, 4) void warn(struct nspawn_file *file, unsigned line, const char *format, ...)
{
	va_list args;

	if (++file->warnings > WARNINGS_MAX)
		return;
	va_start(args, format);
	log_warning("%s line %u: %s, going on without", file->path, line,
		    arena_format_v(file->reader.arena, format, args));
	va_end(args);
}

static bool is_known_section(const char *section)
{
	return text_equal(section, "Exec") || text_equal(section, "Network") ||
	       text_equal(section, "Files") || text_equal(section, "X-Network");
}

static bool may_set(const struct nspawn_file *file, const struct setting *row, const char *value)
{
	if (file->trusted)
		return true;
	if (row->flags & SETTING_TRUSTED)
		return false;
	/* To forbid more is anybody's right, to allow more is not. */
	return !(row->flags & SETTING_TRUSTED_ALLOW) || text_after(value, "~");
}

/* An option of the same group goes before the file, unless the file was made to win. */
static bool claim_group(struct nspawn_file *file, enum setting_group group)
{
	if (file->spec->group_origin[group] != BY_OPTION || file->replaced[group])
		return true;
	if (!file->override)
		return false;
	file->replaced[group] = true;
	if (group != GROUP_START_MODE)
		spec_forget_group(file->spec, group);
	return true;
}

static void refuse(struct nspawn_file *file, const struct ini_item *item, const char *value, int r)
{
	struct setting_reader *reader = &file->reader;
	const char *expected = setting_expectation(reader->arena, reader->row);

	warn(file, item->line, "cannot use '%s=%.80s': %s%s%s%s", item->key, value,
	     setting_refusal(reader, r), *expected ? " (" : "", expected, *expected ? ")" : "");
}

static void reset_list(struct nspawn_file *file, const struct setting *row)
{
	/* Every list of the spec is an array and a count. */
	memset((char *)file->reader.spec + row->offset, 0, sizeof(struct text_list));
	file->spec->group_origin[row->group] = BY_FILE;
}

static void apply_values(struct nspawn_file *file, const struct setting *row,
			 const struct ini_item *item)
{
	struct text_list values = { 0 };

	if (row->flags & SETTING_SPACES)
		text_split(file->reader.arena, &values, item->value, " \t");
	else
		text_list_add(file->reader.arena, &values,
			      arena_text(file->reader.arena, item->value));
	for (size_t i = 0; i < values.count; i++) {
		int r = setting_apply(&file->reader, row, values.items[i]);

		if (r < 0)
			refuse(file, item, values.items[i], r);
	}
}

static void apply_assignment(struct nspawn_file *file, const struct ini_item *item)
{
	const struct setting *row;

	if (!item->section) {
		warn(file, item->line, "'%.80s=' stands before the first section", item->key);
		return;
	}
	if (!is_known_section(item->section) || text_after(item->key, "X-"))
		return;
	row = setting_by_key(item->section, item->key);
	if (!row) {
		warn(file, item->line, "there is no setting '%.80s=' in [%s]", item->key,
		     item->section);
		return;
	}
	if (!may_set(file, row, item->value)) {
		warn(file, item->line, "'%s=' is for trusted files (see --settings=)", item->key);
		return;
	}
	if (!claim_group(file, row->group)) {
		log_debug("%s line %u: an option goes before '%s='", file->path, item->line,
			  item->key);
		return;
	}
	file->reader.spec = row->group == GROUP_START_MODE ? file->start : file->spec;
	file->reader.line = item->line;
	if (row->flags & SETTING_RESETS && text_empty(item->value))
		reset_list(file, row);
	else
		apply_values(file, row, item);
}

/* Parameters without a word on how to start mean nothing; the command line's stay then. */
static void apply_start(struct nspawn_file *file)
{
	const struct spec *start = file->start;
	struct spec *spec = file->spec;

	if (start->boot == TRISTATE_UNSET && start->as_pid2 == TRISTATE_UNSET)
		return;
	if (start->boot == TRISTATE_YES && start->as_pid2 == TRISTATE_YES) {
		log_warning("%s: 'Boot=' and 'ProcessTwo=' exclude each other, going on without",
			    file->path);
		return;
	}
	spec->boot = start->boot;
	spec->as_pid2 = start->as_pid2;
	spec->parameters = start->parameters;
	spec->group_origin[GROUP_START_MODE] = BY_FILE;
	for (size_t i = 0; i < spec_settings_count; i++)
		if (spec_settings[i].group == GROUP_START_MODE)
			spec->setting_line[i] = start->setting_line[i];
}

static int read_items(struct nspawn_file *file, struct ini *ini)
{
	struct ini_item item;
	int r;

	while ((r = ini_next(ini, &item)) > 0) {
		if (item.kind == INI_BAD)
			warn(file, item.line, "%s", item.value);
		else if (item.kind == INI_ASSIGNMENT)
			apply_assignment(file, &item);
		else if (!is_known_section(item.section) && !text_after(item.section, "X-"))
			warn(file, item.line, "there is no section [%.80s]", item.section);
	}
	return r;
}

/* The administrator's own file must be readable; one that came with a tree may be left out. */
static int refuse_file(const struct nspawn_file *file, const char *why)
{
	if (file->trusted)
		return fail_input("cannot use '%s': %s (try --settings=no)", file->path, why);
	log_warning("cannot use '%s': %s, going on without", file->path, why);
	return 0;
}

int nspawn_file_parse(struct arena *arena, struct spec *spec, const struct reader_facts *facts,
		      const char *text, size_t size, const char *path, bool trusted)
{
	struct nspawn_file file = {
		.reader = {
			.arena = arena,
			.origin = BY_FILE,
			.working_directory = facts->working_directory,
			.environment = facts->environment,
		},
		.spec = spec,
		.path = arena_text(arena, path),
		.trusted = trusted,
		.override = spec->settings == SETTINGS_OVERRIDE,
	};
	struct ini ini;

	if (size > NSPAWN_FILE_LIMIT)
		return refuse_file(&file, "it is too long");
	if (ini_start(&ini, arena, text, size) < 0)
		return refuse_file(&file, "there is a zero byte in it");

	spec->settings_file = file.path;
	file.start = arena_new(arena, struct spec);
	spec_init(file.start);
	file.start->settings_file = file.path;
	if (read_items(&file, &ini) < 0)
		return refuse_file(&file, "it has too many lines");
	apply_start(&file);
	if (file.warnings > WARNINGS_MAX)
		log_warning("%s: %u more lines cannot be used", file.path,
			    file.warnings - WARNINGS_MAX);
	return 0;
}
