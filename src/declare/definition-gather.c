/* The files of a definition: templates, the file itself, drop-ins. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/definition.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"

struct gather {
	struct arena *arena;
	const struct definition_facts *facts;
	struct text_list *files;
};

struct names {
	struct arena *arena;
	struct text_list list;
};

/* -ENOENT, with nothing recorded: there is none. */
static int read_file(struct gather *gather, struct definition_items *items, const char *path)
{
	char *text;
	size_t size;
	int r;

	r = file_read(gather->arena, &text, &size, AT_FDCWD, path, DEFINITION_FILE_LIMIT);
	if (r == -ENOENT || r == -ENOTDIR)
		return -ENOENT;
	if (r == -EFBIG)
		return fail_plain(r, "cannot use '%s': it is larger than %d KiB", path,
				  DEFINITION_FILE_LIMIT / 1024);
	if (r < 0)
		return fail(r, "cannot read '%s'", path);
	text_list_add(gather->arena, gather->files, arena_text(gather->arena, path));
	if (gather->files->count > DEFINITION_FILES_MAX)
		return fail_input("cannot use '%s': more than %d files belong to one definition",
				  path, DEFINITION_FILES_MAX);
	definition_add_text(gather->arena, items, text, size, path);
	return 0;
}

static int note_name(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct names *names = context;

	(void)dir_fd;
	if (name[0] != '.' && type != DT_DIR && text_ends(name, ".conf"))
		text_list_add(names->arena, &names->list, arena_text(names->arena, name));
	return 0;
}

static int read_drop_ins(struct gather *gather, struct definition_items *items, const char *path)
{
	const char *directory = arena_format(gather->arena, "%s.d", path);
	struct names names = { .arena = gather->arena };
	autoclose int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? 0
			       : fail(-errno, "cannot open the directory '%s'", directory);
	r = dir_walk(fd, note_name, &names);
	if (r < 0)
		return fail(r, "cannot read the directory '%s'", directory);
	text_list_sort(&names.list);
	for (size_t i = 0; i < names.list.count && r >= 0; i++) {
		r = read_file(gather, items,
			      path_join(gather->arena, directory, names.list.items[i]));
		if (r == -ENOENT) /* removed since */
			r = 0;
	}
	return r;
}

static int gather_file(struct gather *gather, struct definition_items *ret, const char *path,
		       unsigned int depth);

static int gather_template(struct gather *gather, struct definition_items *ret,
			   const struct definition_item *item, const char *name, unsigned int depth)
{
	const struct text_list *places = gather->facts->templates;
	const char *file = arena_format(gather->arena, "%s.nspawn", name);
	int r;

	if (!path_is_file_name(file))
		return fail_input("cannot use '%s' line %u: '%.80s' is no name of a template",
				  item->file, item->line, text_printable(gather->arena, name));
	if (depth == 0)
		return fail_input("cannot use '%s' line %u: templates are nested deeper than %d, "
				  "or in a circle",
				  item->file, item->line, DEFINITION_TEMPLATE_DEPTH);
	r = gather_file(gather, ret,
			path_join(gather->arena, path_parent(gather->arena, item->file), file),
			depth - 1);
	for (size_t i = 0; places != NULL && i < places->count && r == -ENOENT; i++)
		r = gather_file(gather, ret, path_join(gather->arena, places->items[i], file),
				depth - 1);
	if (r == -ENOENT)
		return fail_input("cannot use '%s' line %u: there is no template '%s'", item->file,
				  item->line, file);
	return r;
}

static int gather_templates(struct gather *gather, struct definition_items *ret,
			    const struct definition_items *own, unsigned int depth)
{
	int r = 0;

	for (size_t i = 0; i < own->count && r >= 0; i++) {
		const struct definition_item *item = &own->items[i];
		struct text_list names = { 0 };

		if (!text_equal(item->section, "X-Image") || !text_equal(item->key, "Template"))
			continue;
		text_split(gather->arena, &names, item->value, " \t");
		for (size_t k = 0; k < names.count && r >= 0; k++)
			r = gather_template(gather, ret, item, names.items[k], depth);
	}
	return r;
}

static int gather_file(struct gather *gather, struct definition_items *ret, const char *path,
		       unsigned int depth)
{
	struct definition_items own = { 0 };
	int r;

	r = read_file(gather, &own, path);
	if (r >= 0 && !gather->facts->flat)
		r = read_drop_ins(gather, &own, path);
	if (r >= 0 && !gather->facts->flat)
		r = gather_templates(gather, ret, &own, depth);
	if (r < 0)
		return r;
	if (ret->count == 0) {
		*ret = own;
		return 0;
	}
	for (size_t i = 0; i < own.count; i++)
		*(struct definition_item *)list_grow(gather->arena, (void **)&ret->items,
						     &ret->count,
						     sizeof(own.items[i])) = own.items[i];
	return 0;
}

int definition_gather(struct arena *arena, struct definition_items *ret,
		      struct text_list *ret_files, const char *path,
		      const struct definition_facts *facts)
{
	struct gather gather = { .arena = arena, .facts = facts, .files = ret_files };
	int r;

	*ret = (struct definition_items){ 0 };
	*ret_files = (struct text_list){ 0 };
	r = gather_file(&gather, ret, path, DEFINITION_TEMPLATE_DEPTH);
	return r == -ENOENT ? fail(r, "cannot read '%s'", path) : r;
}

int definition_load(struct arena *arena, struct definition *ret, const char *path,
		    const struct definition_facts *facts)
{
	struct definition_items items;
	const char *file = path_name(path);
	struct text_list files;
	int r;

	if (!text_ends(file, ".nspawn"))
		return fail_input("cannot use '%s' as a definition: its name does not end in "
				  "'.nspawn'",
				  path);
	r = definition_gather(arena, &items, &files, path, facts);
	if (r < 0)
		return r;
	r = definition_make(arena, ret, arena_text_n(arena, file, strlen(file) - strlen(".nspawn")),
			    path, &items, facts);
	if (r >= 0)
		ret->files = files;
	return r;
}
