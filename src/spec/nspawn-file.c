/* A .nspawn file: the rows of the settings table that have a key (reference, section 3). Nothing
 * that such a file says stops a start: what cannot be used is told and left out. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/text.h"
#include "format/ini.h"
#include "format/specifier.h"
#include "spec/readers.h"
#include "spec/settings.h"

#define WARNINGS_MAX 25 /* a hostile file has room for 65,536 */

struct nspawn_file {
	struct setting_reader reader;
	struct spec *spec; /* what the file is about */
	/* What it says about the start mode, until all of that is known; and what its image does.
	 */
	struct spec *start, *image_start;
	const char *path; /* of the part that is read */
	unsigned part;
	bool of_image;
	const struct specifiers *specifiers;
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

#define LINK_SECTION "X-Network:"
#define EXTRA_LINKS_MAX 64

/* Whose keys are all ours. */
static bool is_known_section(const char *section)
{
	static const char *const known[] = { "Exec",	  "Network",	  "Files",
					     "X-Network", "X-Credential", "X-Health" };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (text_equal(section, known[i]))
			return true;
	return text_after(section, LINK_SECTION) != NULL;
}

/* Where there are others beside them: of a unit, or of `redd apply`. */
static bool is_shared_section(const char *section)
{
	return text_equal(section, "X-Image") || text_equal(section, "X-Service") ||
	       text_equal(section, "X-Nix");
}

static bool is_believed(const struct nspawn_file *file)
{
	return file->trusted && !file->of_image;
}

static bool may_set(const struct nspawn_file *file, const struct setting *row, const char *value)
{
	if (is_believed(file))
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

/* ---- [X-Network:LINK] ---- */

/* One place for each name, however often its section comes. */
static struct extra_link *extra_link(struct nspawn_file *file, const char *name)
{
	struct extra_link_list *list = &file->spec->extra_links;
	struct extra_link *link;

	for (size_t i = 0; i < list->count; i++)
		if (text_equal(list->items[i].name, name))
			return &list->items[i];
	if (list->count == EXTRA_LINKS_MAX)
		return NULL;
	link = list_grow(file->reader.arena, (void **)&list->items, &list->count, sizeof(*link));
	link->name = arena_text(file->reader.arena, name);
	link->addressing.nat = TRISTATE_UNSET;
	return link;
}

static bool is_of_extra_links(const char *key)
{
	static const char *const keys[] = { "Address", "HostAddress", "Route", "MACAddress",
					    "Bridge" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (text_equal(key, keys[i]))
			return true;
	return false;
}

/* The rows know of one link only: they are lent another one. */
static void apply_to_link(struct nspawn_file *file, const struct ini_item *item)
{
	const char *section = text_equal(item->key, "Bridge") ? "Network" : "X-Network";
	const struct setting *row = setting_by_key(section, item->key);
	const char *name = text_after(item->section, LINK_SECTION);
	struct extra_link *link;
	struct spec *lent;

	if (!row || !is_of_extra_links(item->key)) {
		warn(file, item->line, "'%.80s=' is no setting of a further link", item->key);
		return;
	}
	if (!is_believed(file)) {
		warn(file, item->line, "'%s=' is for trusted files (see --settings=)", item->key);
		return;
	}
	link = name_is_interface(name) ? extra_link(file, name) : NULL;
	if (!link) {
		warn(file, item->line, "'%.80s' is not the name of a link, or there are too many",
		     name);
		return;
	}
	lent = arena_new(file->reader.arena, struct spec);
	lent->settings_files = file->spec->settings_files;
	lent->addressing = link->addressing;
	lent->network_bridge = link->bridge;
	file->reader.spec = lent;
	apply_values(file, row, item);
	if (lent->addressing.mode == ADDRESSES_OFF) {
		warn(file, item->line, "a further link has the addresses that it is given");
		return;
	}
	link->addressing = lent->addressing;
	link->bridge = lent->network_bridge;
	link->reason = setting_reason(file->reader.arena, lent, row);
}

/* ---- */

static void apply_assignment(struct nspawn_file *file, struct ini_item *item)
{
	const struct setting *row;
	bool shared;

	if (!item->section) {
		warn(file, item->line, "'%.80s=' stands before the first section", item->key);
		return;
	}
	/* A name is the machine's, whichever link it stands with. */
	if (text_after(item->section, LINK_SECTION) && text_equal(item->key, "Names"))
		item->section = arena_text(file->reader.arena, "X-Network");
	shared = is_shared_section(item->section);
	if ((!shared && !is_known_section(item->section)) || text_after(item->key, "X-"))
		return;
	file->reader.line = SPEC_LINE(file->part, item->line);
	row = setting_by_key(item->section, item->key);
	if (!row && shared)
		return;
	/* In Redd's own sections; the others mean what they always meant. What is not believed has
	 * nothing in them to be set, and is not worth the memory. */
	if (is_believed(file) && file->specifiers && text_after(item->section, "X-"))
		item->value = specifier_expand(file->reader.arena, item->value, file->specifiers);
	if (text_after(item->section, LINK_SECTION)) {
		apply_to_link(file, item);
		return;
	}
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
	file->reader.spec = row->group != GROUP_START_MODE ? file->spec
			    : file->of_image		   ? file->image_start
							   : file->start;
	if (row->flags & SETTING_RESETS && text_empty(item->value))
		reset_list(file, row);
	else
		apply_values(file, row, item);
}

static void take_row(struct spec *to, const struct spec *from, const char *key)
{
	size_t row = (size_t)(setting_by_key("Exec", key) - spec_settings);

	to->setting_line[row] = from->setting_line[row];
}

/* The image's words are for its program, or for its init. */
static void take_image_start(struct spec *start, const struct spec *image)
{
	if (start->boot == TRISTATE_UNSET && start->as_pid2 == TRISTATE_UNSET) {
		start->boot = image->boot;
		take_row(start, image, "Boot");
	}
	if (start->parameters.count == 0 &&
	    (start->boot == TRISTATE_YES) == (image->boot == TRISTATE_YES)) {
		start->parameters = image->parameters;
		take_row(start, image, "Parameters");
	}
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
	if (start->init != NULL)
		spec->init = start->init;
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
	if (file->trusted && !file->of_image)
		return fail_input("cannot use '%s': %s (try --settings=no)", file->path, why);
	log_warning("cannot use '%s': %s, going on without", file->path, why);
	return 0;
}

static int read_part(struct nspawn_file *file, const struct nspawn_part *part)
{
	struct arena *arena = file->reader.arena;
	struct ini ini;

	file->path = part->path;
	file->of_image = part->of_image;
	if (part->size > NSPAWN_FILE_LIMIT)
		return refuse_file(file, "it is too long");
	if (ini_start(&ini, arena, part->text, part->size) < 0)
		return refuse_file(file, "there is a zero byte in it");
	return read_items(file, &ini) < 0 ? refuse_file(file, "it has too many lines") : 0;
}

/* Quiet: it is read again. */
static bool says_boot(struct arena *arena, const struct nspawn_part *part, bool before)
{
	struct ini_item item;
	struct ini ini;
	bool boot = before;

	if (part->size > NSPAWN_FILE_LIMIT || ini_start(&ini, arena, part->text, part->size) < 0)
		return before;
	while (ini_next(&ini, &item) > 0)
		if (item.kind == INI_ASSIGNMENT && text_equal(item.section, "Exec") &&
		    text_equal(item.key, "Boot"))
			(void)parse_bool(&boot, item.value);
	return boot;
}

/* What an image says of its program (a user, a signal to stop it) is not for an init. */
static bool boots_another(struct arena *arena, const struct nspawn_part *parts, size_t count)
{
	bool boot = false;

	for (size_t i = 1; i < count; i++)
		boot = says_boot(arena, &parts[i], boot);
	return boot && !says_boot(arena, &parts[0], false);
}

int nspawn_file_parse_parts(struct arena *arena, struct spec *spec,
			    const struct reader_facts *facts, const struct nspawn_part *parts,
			    size_t count, bool trusted)
{
	struct nspawn_file file = {
		.reader = {
			.arena = arena,
			.origin = BY_FILE,
			.working_directory = facts->working_directory,
			.environment = facts->environment,
		},
		.spec = spec,
		.specifiers = facts->specifiers,
		.trusted = trusted,
		.override = spec->settings == SETTINGS_OVERRIDE,
	};
	int r = 0;

	file.start = arena_new(arena, struct spec);
	file.image_start = arena_new(arena, struct spec);
	spec_init(file.start);
	spec_init(file.image_start);
	text_list_clear(&spec->settings_files);
	for (size_t i = 0; i < count; i++)
		text_list_add(arena, &spec->settings_files, arena_text(arena, parts[i].path));
	file.start->settings_files = file.image_start->settings_files = spec->settings_files;
	for (size_t i = 0; i < count && r >= 0; i++) {
		if (parts[i].of_image && boots_another(arena, parts, count))
			continue;
		file.part = (unsigned)i;
		r = read_part(&file, &parts[i]);
	}
	if (r < 0)
		return r;
	take_image_start(file.start, file.image_start);
	apply_start(&file);
	if (file.warnings > WARNINGS_MAX)
		log_warning("%s: %u more lines cannot be used", file.path,
			    file.warnings - WARNINGS_MAX);
	return 0;
}

int nspawn_file_parse(struct arena *arena, struct spec *spec, const struct reader_facts *facts,
		      const char *text, size_t size, const char *path, bool trusted)
{
	const struct nspawn_part part = { path, text, size };

	return nspawn_file_parse_parts(arena, spec, facts, &part, 1, trusted);
}
