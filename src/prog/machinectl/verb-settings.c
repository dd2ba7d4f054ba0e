/* Settings files of machines: the reference's catalogue of machinectl, section 5. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "image/find.h"
#include "io/child.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "io/settings.h"
#include "kernel/terminal.h"
#include "prog/machinectl/machinectl.h"

#define TEXT_LIMIT (1024 * 1024)

struct named_settings {
	char *path; /* the file, or where a new one belongs */
	char *from; /* whose text a new one starts with; NULL: it is there, or starts empty */
	char *text; /* of that file; NULL: there is none */
	size_t size;
	bool applied; /* what `redd apply` made current goes before all of these files */
};

/* 1: there is such a file, and it was read. */
static int try_file(struct arena *arena, struct named_settings *settings, char *path)
{
	int r;

	r = file_read(arena, &settings->text, &settings->size, AT_FDCWD, path, TEXT_LIMIT);
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r < 0)
		return fail(r, "cannot read the settings file '%s'", path);
	settings->path = path;
	return 1;
}

/* Where what is declared of FILE's machine was applied, if it was. */
static char *applied_path(const struct context *context, const char *file)
{
	const char *home = text_variable(context->program.environment, "HOME");
	char *name = arena_text_n(context->arena, file, strlen(file) - strlen(".nspawn"));
	char *path = settings_applied(context->arena, geteuid(), home, name);

	return path != NULL && access(path, F_OK) == 0 ? path : NULL;
}

static int find_by_name(struct context *context, struct named_settings *ret, const char *name)
{
	const struct find_scope scope = find_scope_of(geteuid(), context->program.environment);
	struct arena *arena = context->arena;
	struct named_settings settings = { 0 };
	struct text_list places = { 0 };
	const char *file;
	char *pool, *applied;
	int r = 0;

	if (*name == '\0' || *name == '.' || strchr(name, '/') != NULL)
		return fail_input("cannot use '%s' as the name of a machine or of its settings "
				  "(try a name, or an absolute path)",
				  name);
	file = text_ends(name, ".nspawn") ? name : arena_format(arena, "%s.nspawn", name);
	find_settings(arena, &places, &scope);
	for (size_t i = 0; i < places.count && r == 0; i++)
		r = try_file(arena, &settings, path_join(arena, places.items[i], file));
	applied = applied_path(context, file);
	settings.applied = applied != NULL;
	if (r == 0 && applied != NULL)
		r = try_file(arena, &settings, applied);
	pool = find_pool_path(arena, file, &scope);
	if (r == 0 && pool != NULL)
		r = try_file(arena, &settings, pool);
	if (r < 0)
		return r;
	if (places.count == 0)
		return fail_plain(-ENOENT,
				  "cannot tell where settings of '%s' belong: $HOME is "
				  "not set",
				  name);
	if (r == 0 || text_equal(settings.path, pool) || text_equal(settings.path, applied)) {
		settings.from = settings.path;
		settings.path = path_join(arena, places.items[0], file);
	}
	*ret = settings;
	return 0;
}

static int find(struct context *context, struct named_settings *ret, const char *word)
{
	struct named_settings settings = { 0 };
	int r;

	if (!path_is_absolute(word))
		return find_by_name(context, ret, word);
	r = try_file(context->arena, &settings, arena_text(context->arena, word));
	if (r < 0)
		return r;
	settings.path = arena_text(context->arena, word);
	*ret = settings;
	return 0;
}

/* ---- cat ---- */

/* A file that came with a tree may hold anything (class S24); four bytes show one that is unsafe.
 */
static char *printable_lines(struct arena *arena, const char *text)
{
	char *out = arena_take(arena, strlen(text) * 4 + 1), *at = out;

	while (*text != '\0') {
		size_t length = strcspn(text, "\n\t");

		at = stpcpy(at, text_printable(arena, arena_text_n(arena, text, length)));
		text += length;
		if (*text != '\0')
			*at++ = *text++;
	}
	return out;
}

static int print_settings(struct context *context, const struct named_settings *settings,
			  bool first)
{
	const char *path = settings->from == NULL ? settings->path : settings->from;
	const char *text = settings->text;

	if (context->program.terminal)
		text = printable_lines(context->arena, text);
	return program_print(&context->program,
			     arena_format(context->arena, "%s# %s\n%s%s", first ? "" : "\n", path,
					  text,
					  *text == '\0' || text_ends(text, "\n") ? "" : "\n"));
}

int verb_cat(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	int status = EXIT_SUCCESS;
	bool first = true;

	for (size_t i = 0; i < words->count; i++) {
		struct named_settings settings;
		int r = find(context, &settings, words->items[i]);

		if (r < 0)
			return r;
		if (settings.text == NULL) {
			log_error("No settings file found for machine '%s'.",
				  text_printable(context->arena, words->items[i]));
			status = EXIT_FAILURE;
			continue;
		}
		r = print_settings(context, &settings, first);
		if (r < 0)
			return r;
		first = false;
	}
	return status;
}

/* ---- edit ---- */

static int find_editor(struct context *context, struct text_list *ret)
{
	static const char *const asked[] = { "SYSTEMD_EDITOR", "EDITOR", "VISUAL" };
	static const char *const known[] = { "nano", "vim", "vi" };
	const char *path = text_variable(context->program.environment, "PATH");
	struct arena *arena = context->arena;

	for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
		const char *value = text_variable(context->program.environment, asked[i]);

		if (text_empty(value))
			continue;
		text_split(arena, ret, value, " \t\n");
		if (ret->count == 0 || child_find(arena, path, ret->items[0]) == NULL)
			return fail_input("cannot run '%s', which $%s names as the editor", value,
					  asked[i]);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(known) && ret->count == 0; i++)
		if (child_find(arena, path, known[i]) != NULL)
			text_list_add(arena, ret, arena_text(arena, known[i]));
	if (ret->count == 0)
		return fail_plain(-ENOENT, "cannot find an editor (set $EDITOR)");
	return 0;
}

static int run_editor(struct context *context, const char *path)
{
	struct child_request request = {
		.environment = (char *const *)context->program.environment,
		.stdio = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO },
		.timeout_us = CHILD_FOREVER,
	};
	struct text_list words = { 0 };
	int r, status;

	r = find_editor(context, &words);
	if (r < 0)
		return r;
	text_list_add(context->arena, &words, arena_text(context->arena, path));
	request.path = child_find(context->arena,
				  text_variable(context->program.environment, "PATH"),
				  words.items[0]);
	request.arguments = words.items;
	r = child_run(&status, &request);
	if (r < 0)
		return fail(r, "cannot run the editor '%s'", request.path);
	if (status != 0)
		return fail_plain(-ECANCELED,
				  "cannot go on: the editor '%s' failed, so nothing "
				  "is changed",
				  request.path);
	return 0;
}

/* In /tmp anybody may have been there first. */
static bool is_ours(const char *directory)
{
	struct stat st;

	return lstat(directory, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       (st.st_mode & 022) == 0;
}

/* A copy in a place of our own: beside the file somebody else might swap it. */
static int make_copy(const struct context *context, char **ret,
		     const struct named_settings *settings)
{
	autoclose int fd = -EBADF;
	char *copy = arena_format(context->arena, "%s/%s-XXXXXX.nspawn", context->runtime,
				  path_name(settings->path));
	int r;

	r = dir_make_all(context->runtime, 0755);
	if (r < 0)
		return r;
	if (!is_ours(context->runtime))
		return -EPERM;
	fd = mkostemps(copy, (int)strlen(".nspawn"), O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (settings->text != NULL)
		r = fd_write_all(fd, settings->text, settings->size);
	if (r < 0)
		unlink(copy);
	else
		*ret = copy;
	return r;
}

static int take_over(struct arena *arena, const struct named_settings *settings, const char *copy)
{
	const char *parent = path_parent(arena, settings->path);
	autoclose int directory = -EBADF;
	struct stat before;
	char *text;
	size_t size;
	int r;

	r = file_read(arena, &text, &size, AT_FDCWD, copy, TEXT_LIMIT);
	if (r < 0)
		return fail(r, "cannot read what the editor wrote to '%s'", copy);
	if (text[strspn(text, " \t\n")] == '\0')
		return fail_plain(-ENODATA, "cannot use empty settings, so '%s' is not changed",
				  settings->path);
	r = dir_make_all(parent, 0755);
	if (r < 0)
		return fail(r, "cannot make the directory '%s'", parent);
	directory = open(parent, O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return fail(-errno, "cannot open the directory '%s'", parent);
	if (settings->from != NULL || stat(settings->path, &before) < 0)
		before.st_mode = 0644;
	r = file_replace(directory, path_name(settings->path), text, size, before.st_mode & 07777);
	return r < 0 ? fail(r, "cannot write '%s'", settings->path) : 0;
}

static int edit(struct context *context, const struct named_settings *settings)
{
	char *copy;
	int r;

	if (settings->applied && settings->from != NULL)
		return fail_plain(-EPERM,
				  "cannot edit '%s': it is what was applied (change the definition "
				  "that it was made of, then 'redd apply')",
				  settings->from);
	r = make_copy(context, &copy, settings);
	if (r < 0)
		return fail(r, "cannot make a copy of '%s' to edit", settings->path);
	r = run_editor(context, copy);
	if (r >= 0)
		r = take_over(context->arena, settings, copy);
	unlink(copy);
	if (r >= 0 && settings->applied)
		log_notice("what was applied counts until 'redd apply' reads '%s'", settings->path);
	return r;
}

int verb_edit(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	int r = 0;

	if (!context->program.terminal || !terminal_is(STDIN_FILENO))
		return fail_input("cannot edit settings without a terminal");
	for (size_t i = 0; i < words->count && r >= 0; i++) {
		struct named_settings settings;

		r = find(context, &settings, words->items[i]);
		if (r >= 0)
			r = edit(context, &settings);
	}
	return r;
}
