#include "declare/definitions.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/definition.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"

struct names {
	struct arena *arena;
	struct text_list list;
};

void definitions_facts(struct arena *arena, struct definition_facts *ret)
{
	struct utsname host;
	char id[64];

	*ret = (struct definition_facts){
		.machine_id = "00000000000000000000000000000000",
		.host_name = "localhost",
	};
	if (file_read_line(id, sizeof(id), AT_FDCWD, "/etc/machine-id") >= 0)
		ret->machine_id = arena_text(arena, id);
	if (uname(&host) >= 0)
		ret->host_name = arena_text(arena, host.nodename);
}

static bool has(const struct definitions *definitions, const char *file)
{
	for (size_t i = 0; i < definitions->count; i++) {
		const char *rest = text_after(file, definitions->items[i]->name);

		if (text_equal(rest, ".nspawn"))
			return true;
	}
	return false;
}

static void keep(struct arena *arena, struct definitions *definitions,
		 struct definition *definition)
{
	*(struct definition **)list_grow(arena, (void **)&definitions->items, &definitions->count,
					 sizeof(struct definition *)) = definition;
}

static int add(struct arena *arena, struct definitions *definitions, const char *path,
	       const struct definition_facts *facts, bool must)
{
	const char *file = path_name(path);
	struct definition *definition;
	struct definition_items items;
	struct text_list files;
	int r;

	r = definition_gather(arena, &items, &files, path, facts);
	if (r < 0)
		return r;
	if (!definition_is_managed(&items)) {
		if (must)
			return fail_input("cannot use '%s' as a definition: it has no section "
					  "[X-Image]",
					  path);
		return definition_check_plain(arena, &items);
	}
	if (definitions->count >= DEFINITIONS_MAX)
		return fail_input("cannot use '%s': more than %d machines are defined", path,
				  DEFINITIONS_MAX);
	definition = arena_new(arena, struct definition);
	r = definition_make(arena, definition,
			    arena_text_n(arena, file, strlen(file) - strlen(".nspawn")), path,
			    &items, facts);
	if (r < 0)
		return r;
	definition->files = files;
	keep(arena, definitions, definition);
	return 0;
}

static int note_name(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct names *names = context;

	(void)dir_fd;
	if (name[0] != '.' && type != DT_DIR && text_ends(name, ".nspawn"))
		text_list_add(names->arena, &names->list, arena_text(names->arena, name));
	return 0;
}

static int list_directory(struct arena *arena, struct text_list *ret, const char *path)
{
	struct names names = { .arena = arena };
	autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	*ret = (struct text_list){ 0 };
	if (fd < 0)
		return errno == ENOENT ? 0 : fail(-errno, "cannot open the directory '%s'", path);
	r = dir_walk(fd, note_name, &names);
	if (r < 0)
		return fail(r, "cannot read the directory '%s'", path);
	text_list_sort(&names.list);
	*ret = names.list;
	return 0;
}

static int add_directory(struct arena *arena, struct definitions *definitions, const char *path,
			 const struct definition_facts *facts)
{
	size_t before = definitions->count;
	struct text_list names;
	int r = list_directory(arena, &names, path);

	for (size_t i = 0; i < names.count && r >= 0; i++) {
		struct definitions earlier = { definitions->items, before };

		if (!has(&earlier, names.items[i]))
			r = add(arena, definitions, path_join(arena, path, names.items[i]), facts,
				false);
	}
	return r;
}

static int compare_names(const void *a, const void *b)
{
	const struct definition *const *first = a, *const *second = b;

	return strcmp((*first)->name, (*second)->name);
}

void definitions_sort(struct definitions *definitions)
{
	if (definitions->count > 0)
		qsort(definitions->items, definitions->count, sizeof(struct definition *),
		      compare_names);
}

static int add_place(struct arena *arena, struct definitions *definitions, const char *path,
		     const struct definition_facts *facts)
{
	struct stat st = { 0 };

	if (stat(path, &st) < 0 && errno != ENOENT)
		return fail(-errno, "cannot read '%s'", path);
	if (text_ends(path, ".nspawn") && !S_ISDIR(st.st_mode))
		return has(definitions, path_name(path))
			       ? 0
			       : add(arena, definitions, path, facts, true);
	return add_directory(arena, definitions, path, facts);
}

int definitions_load(struct arena *arena, struct definitions *ret, const struct text_list *places,
		     const struct definition_facts *facts)
{
	struct definitions definitions = { 0 };
	int r = 0;

	for (size_t i = 0; i < places->count && r >= 0; i++)
		r = add_place(arena, &definitions, places->items[i], facts);
	if (r < 0)
		return r;
	definitions_sort(&definitions);
	*ret = definitions;
	return 0;
}

/* The one that FILE, a generation's, says the same as; NULL: none. */
static struct definition *find_same(struct arena *arena, const struct definitions *desired,
				    const char *path)
{
	const char *file = path_name(path);
	char *name = arena_text_n(arena, file, strlen(file) - strlen(".nspawn")), *text;
	size_t place = desired != NULL ? definitions_place(desired, name) : 0, size;

	if (desired == NULL || place == desired->count ||
	    file_read(arena, &text, &size, AT_FDCWD, path, DEFINITION_FILE_LIMIT) < 0 ||
	    !text_equal(text, definition_print(arena, desired->items[place], false)))
		return NULL;
	return desired->items[place];
}

int definitions_load_applied(struct arena *arena, struct definitions *ret, const char *directory,
			     const struct definitions *desired)
{
	const struct definition_facts flat = { .flat = true };
	struct definitions definitions = { 0 };
	struct text_list names;
	int r = list_directory(arena, &names, directory);

	for (size_t i = 0; i < names.count && r >= 0; i++) {
		const char *path = path_join(arena, directory, names.items[i]);
		struct definition *same = find_same(arena, desired, path);

		if (same == NULL)
			r = add(arena, &definitions, path, &flat, false);
		else
			keep(arena, &definitions, same);
	}
	if (r < 0)
		return r;
	definitions_sort(&definitions);
	*ret = definitions;
	return 0;
}

size_t definitions_place(const struct definitions *definitions, const char *name)
{
	size_t low = 0, high = definitions->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(definitions->items[middle]->name, name);

		if (order == 0)
			return middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return definitions->count;
}

const struct definition *definitions_find(const struct definitions *definitions, const char *name)
{
	size_t place = definitions_place(definitions, name);

	return place < definitions->count ? definitions->items[place] : NULL;
}
