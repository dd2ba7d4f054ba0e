/* Other programs' definitions, written as ours. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/import-kinds.h"
#include "declare/import.h"
#include "format/json-out.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "prog/redd/redd.h"

#define NAMES_MAX 4096 /* files of a directory */

struct source {
	const char *path; /* absolute */
	const struct import_kind *kind;
	char *text; /* of a file */
	size_t size;
	struct text_list names; /* of a directory */
	struct arena *arena;
	mode_t mode; /* what is written may be read by who may read all of what was read */
};

/* ---- what is read ---- */

static int read_named(void *context, struct arena *arena, const char *path, char **ret,
		      size_t *ret_size)
{
	struct source *source = context;
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return -errno;
	if (S_ISDIR(status.st_mode))
		return -EISDIR;
	source->mode &= status.st_mode;
	return file_read_fd(arena, ret, ret_size, fd, IMPORT_FILE_MAX);
}

static int add_name(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct source *source = context;

	(void)dir_fd;
	if (type == DT_DIR)
		return 0;
	if (source->names.count >= NAMES_MAX)
		return -E2BIG;
	text_list_add(source->arena, &source->names, arena_text(source->arena, name));
	return 0;
}

static int read_source(struct source *source)
{
	autoclose int fd = -EBADF;
	int r;

	if (!source->kind->directory) {
		r = read_named(source, source->arena, source->path, &source->text, &source->size);
		return r < 0 ? fail(r, "cannot read '%s'", source->path) : 0;
	}
	fd = open(source->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? -errno : dir_walk(fd, add_name, source);
	text_list_sort(&source->names);
	return r < 0 ? fail(r, "cannot read the directory '%s'", source->path) : 0;
}

static int find_source(struct arena *arena, struct source *ret, const struct text_list *words)
{
	const char *place = words->items[words->count - 1];
	char here[PATH_MAX];

	*ret = (struct source){ .arena = arena, .mode = 0644 };
	ret->kind = words->count > 1 ? import_kind(words->items[0]) : import_kind_of(place);
	if (ret->kind == NULL)
		return fail_input("cannot tell what '%s' is (before its path, one of these says "
				  "it: %s)",
				  words->items[0], import_kinds_text(arena));
	if (path_is_absolute(place))
		ret->path = path_simplify(arena, place);
	else if (getcwd(here, sizeof(here)) != NULL)
		ret->path = path_simplify(arena, path_join(arena, here, place));
	else
		return fail(-errno, "cannot tell where '%s' is", place);
	return 0;
}

/* ---- what is written ---- */

struct target {
	const char *path;
	int fd;
	struct text_list names; /* "web.nspawn" */
	struct text_list texts;
	mode_t mode;
	bool force;
};

static int open_target(struct context *context, struct target *target)
{
	target->path = context->options.output;
	if (target->path == NULL && context->templates.count > 0)
		target->path = context->templates.items[0];
	if (target->path == NULL)
		return fail_input("cannot tell where definitions are: say --output=");
	target->fd = open(target->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (target->fd < 0 && errno == ENOENT && dir_make_all(target->path, 0755) >= 0)
		target->fd = open(target->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return target->fd < 0 ? fail(-errno, "cannot open the directory '%s'", target->path) : 0;
}

static int check_target(const struct target *target)
{
	for (size_t i = 0; i < target->names.count && !target->force; i++)
		if (faccessat(target->fd, target->names.items[i], F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
			return fail_input("cannot write '%s/%s': it is there already, and nothing "
					  "was written (--force writes it anew)",
					  target->path, target->names.items[i]);
	return 0;
}

static int write_target(const struct target *target)
{
	for (size_t i = 0; i < target->names.count; i++) {
		const char *text = target->texts.items[i];
		int r = file_replace(target->fd, target->names.items[i], text, strlen(text),
				     target->mode);

		if (r >= 0)
			continue;
		/* All or nothing, as far as nothing was overwritten. */
		for (size_t n = 0; n < i && !target->force; n++)
			unlinkat(target->fd, target->names.items[n], 0);
		return fail(r, "cannot write '%s/%s'", target->path, target->names.items[i]);
	}
	return 0;
}

/* ---- what is told ---- */

static int print_json(struct context *context, const struct target *target,
		      const struct import *import)
{
	struct json_out json;

	json_out_init(&json, context->arena, context->options.table_format == TABLE_JSON_PRETTY);
	json_out_begin_object(&json, NULL);
	json_out_begin_array(&json, "written");
	for (size_t i = 0; i < target->names.count; i++)
		json_out_text(&json, NULL,
			      path_join(context->arena, target->path, target->names.items[i]));
	json_out_end_array(&json);
	json_out_begin_array(&json, "left_out");
	for (size_t i = 0; i < import->note_count; i++) {
		const struct import_note *note = &import->notes[i];

		json_out_begin_object(&json, NULL);
		json_out_text(&json, "file", note->at.file);
		json_out_unsigned(&json, "line", note->at.line);
		json_out_text(&json, "key", note->at.key);
		json_out_text(&json, "machine", note->machine);
		json_out_text(&json, "why", note->why);
		json_out_end_object(&json);
	}
	json_out_end_array(&json);
	json_out_end_object(&json);
	return program_print(&context->program, json_out_done(&json));
}

static int tell(struct context *context, const struct target *target, const struct import *import)
{
	int r = 0;

	if (context->options.json)
		return print_json(context, target, import);
	for (size_t i = 0; i < import->note_count; i++)
		log_notice("%s", import_note_text(context->arena, &import->notes[i]));
	for (size_t i = 0; i < target->names.count && r >= 0; i++)
		r = program_print(&context->program,
				  arena_format(context->arena, "%s/%s\n", target->path,
					       target->names.items[i]));
	return r;
}

int verb_import(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct arena *arena = context->arena;
	struct target target = { .fd = -EBADF, .force = context->options.force };
	struct source source;
	struct import import;
	int r;

	r = find_source(arena, &source, words);
	if (r >= 0)
		r = read_source(&source);
	if (r < 0)
		return r;
	import_begin(&import, arena, read_named, &source, context->program.environment);
	import_run(&import, source.kind->word, source.path, source.text, source.size,
		   &source.names);
	r = import_end(&import);
	if (r < 0)
		return r;
	for (size_t i = 0; i < import.machine_count; i++) {
		if (import.machines[i]->left_out)
			continue;
		text_list_add(arena, &target.names,
			      arena_format(arena, "%s.nspawn", import.machines[i]->name));
		text_list_add(arena, &target.texts, import_print(arena, import.machines[i]));
	}
	target.mode = source.mode | 0600;
	r = open_target(context, &target);
	if (r >= 0)
		r = check_target(&target);
	if (r >= 0)
		r = write_target(&target);
	if (r >= 0)
		r = tell(context, &target, &import);
	fd_close(&target.fd);
	return r;
}
