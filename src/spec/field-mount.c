/* --bind=, --tmpfs=, --overlay=, --inaccessible= and their keys (reference, section 8). */
#include "spec/field.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/path.h"
#include "base/text.h"

static const char *const not_absolute = "the place in the container is not an absolute path";

static void add_mount(struct setting_reader *reader, const struct custom_mount *mount,
		      const char *value)
{
	struct custom_mount_list *list = &reader->spec->mounts;
	struct custom_mount *added = list_grow(reader->arena, (void **)&list->items, &list->count,
					       sizeof(*added));

	*added = *mount;
	added->words = arena_text(reader->arena, value);
	added->reason = setting_reason(reader->arena, reader->spec, reader->row);
	added->origin = reader->origin;
}

/* "+PATH" is a path in the tree, anything else one of the host. */
static int read_source(struct setting_reader *reader, const char **ret, bool *ret_in_tree,
		       const char *text)
{
	const char *in_tree = text_after(text, "+");

	if (in_tree && !path_is_absolute(in_tree))
		return field_refuse(reader, "what follows '+' is not an absolute path");
	*ret = in_tree ? path_simplify(reader->arena, in_tree) : field_absolute(reader, text);
	*ret_in_tree = in_tree != NULL;
	return 0;
}

static int read_destination(struct setting_reader *reader, const char **ret, const char *text)
{
	if (!path_is_absolute(text))
		return field_refuse(reader, not_absolute);
	*ret = path_simplify(reader->arena, text);
	return 0;
}

static int read_bind_options(struct setting_reader *reader, struct custom_mount *mount,
			     const char *text)
{
	static const struct {
		const char *word;
		enum mount_idmap idmap;
	} maps[] = {
		{ "noidmap", IDMAP_NONE },
		{ "idmap", IDMAP_FULL },
		{ "rootidmap", IDMAP_ROOT },
		{ "owneridmap", IDMAP_OWNER },
	};
	struct text_list words = { 0 };

	text_split(reader->arena, &words, text, ",");
	for (size_t i = 0; i < words.count; i++) {
		size_t map = 0;

		if (text_equal(words.items[i], "rbind") || text_equal(words.items[i], "norbind")) {
			mount->recursive = words.items[i][0] == 'r';
			continue;
		}
		while (map < ARRAY_SIZE(maps) && !text_equal(words.items[i], maps[map].word))
			map++;
		if (map == ARRAY_SIZE(maps))
			return field_refuse(reader,
					    "the options are rbind, norbind, idmap, noidmap, "
					    "rootidmap and owneridmap");
		mount->idmap = maps[map].idmap;
	}
	return 0;
}

int field_bind(struct setting_reader *reader, const char *value)
{
	struct custom_mount mount = {
		.kind = MOUNT_BIND,
		.recursive = true,
		.read_only = reader->row->constant & 1,
	};
	struct text_list fields = { 0 };
	const char *destination;
	int r;

	if (text_split_escaped(reader->arena, &fields, value, ':') < 0)
		return field_refuse(reader, "a lone backslash stands at the end");
	if (fields.count == 0)
		return field_refuse(reader, "no path is given");
	if (fields.count > 3)
		return field_refuse(reader,
				    "there are too many ':'; one in a path is written '\\:'");

	if (!text_empty(fields.items[0])) {
		r = read_source(reader, &mount.source, &mount.source_in_tree, fields.items[0]);
		if (r < 0)
			return r;
	}
	destination = fields.count > 1 ? fields.items[1] : mount.source;
	if (text_empty(destination))
		return field_refuse(reader, fields.count > 1 ? not_absolute : "no path is given");
	r = read_destination(reader, &mount.destination, destination);
	if (r < 0)
		return r;
	if (fields.count > 2) {
		r = read_bind_options(reader, &mount, fields.items[2]);
		if (r < 0)
			return r;
	}
	add_mount(reader, &mount, value);
	return 0;
}

/* The options are mount(2) data and may hold anything, so only the path is unescaped. */
int field_tmpfs(struct setting_reader *reader, const char *value)
{
	struct custom_mount mount = { .kind = MOUNT_TMPFS };
	struct text_list path = { 0 };
	size_t length = 0;
	int r;

	while (value[length] && value[length] != ':')
		length += value[length] == '\\' && value[length + 1] ? 2 : 1;
	if (text_split_escaped(reader->arena, &path, arena_text_n(reader->arena, value, length),
			       ':') < 0)
		return field_refuse(reader, "a lone backslash stands at the end");
	r = read_destination(reader, &mount.destination, path.count > 0 ? path.items[0] : "");
	if (r < 0)
		return r;
	if (value[length] == ':' && value[length + 1])
		mount.options = arena_text(reader->arena, value + length + 1);
	add_mount(reader, &mount, value);
	return 0;
}

static int read_lowers(struct setting_reader *reader, struct custom_mount *mount,
		       char *const *texts, size_t count)
{
	mount->lower_in_tree = arena_take_array(reader->arena, count, sizeof(bool));
	for (size_t i = 0; i < count; i++) {
		const char *path;
		int r;

		if (text_empty(texts[i]))
			return field_refuse(reader, "a lower directory is empty");
		r = read_source(reader, &path, &mount->lower_in_tree[i], texts[i]);
		if (r < 0)
			return r;
		text_list_add(reader->arena, &mount->lowers, arena_text(reader->arena, path));
	}
	return 0;
}

int field_overlay(struct setting_reader *reader, const char *value)
{
	struct custom_mount mount = {
		.kind = MOUNT_OVERLAY,
		.read_only = reader->row->constant & 1,
	};
	struct text_list fields = { 0 };
	size_t upper;
	int r;

	if (text_split_escaped(reader->arena, &fields, value, ':') < 0)
		return field_refuse(reader, "a lone backslash stands at the end");
	if (fields.count < 2)
		return field_refuse(reader, "at least two directories are needed");

	/* Two directories: the upper one is also the place. */
	upper = fields.count == 2 ? 1 : fields.count - 2;
	r = read_lowers(reader, &mount, fields.items, upper);
	if (r < 0)
		return r;
	if (!text_empty(fields.items[upper])) {
		r = read_source(reader, &mount.source, &mount.source_in_tree, fields.items[upper]);
		if (r < 0)
			return r;
	}
	if (fields.count == 2 && !mount.source)
		return field_refuse(reader, not_absolute);
	r = read_destination(reader, &mount.destination,
			     fields.count == 2 ? mount.source : fields.items[fields.count - 1]);
	if (r < 0)
		return r;
	add_mount(reader, &mount, value);
	return 0;
}

int field_inaccessible(struct setting_reader *reader, const char *value)
{
	struct custom_mount mount = { .kind = MOUNT_INACCESSIBLE };
	int r = read_destination(reader, &mount.destination, value);

	if (r < 0)
		return r;
	add_mount(reader, &mount, value);
	return 0;
}

char *field_print_mounts(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	struct text_list words = { 0 };

	for (size_t i = 0; i < spec->mounts.count; i++) {
		const struct custom_mount *mount = &spec->mounts.items[i];

		if (FIELD_MOUNT(mount->kind, mount->read_only) == row->constant)
			text_list_add(arena, &words, arena_text(arena, mount->words));
	}
	return field_join(arena, &words, "\n");
}
