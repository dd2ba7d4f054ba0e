/* A machine of whatever there is: the word for the source says which other command that is. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "format/imageref.h"
#include "image/find.h"
#include "prog/machinectl/machinectl.h"

/* What stands before a source. */
static const struct {
	const char *prefix, *verb;
	bool keeps_prefix;
} schemes[] = {
	{ "docker://", "pull-oci", true },
	{ "oci:", "import-oci", false },
	{ "oci-archive:", "import-oci", false },
	{ "docker-archive:", "import-oci", false },
};

/* How a file is called that is no archive of a tree. */
static const char *const disk_suffixes[] = { ".raw", ".qcow2", ".img" };
static const char *const compressions[] = { ".gz", ".xz", ".zst", ".bz2", ".lz4" };

static bool is_disk(struct arena *arena, const char *name)
{
	char *plain = arena_text(arena, name);

	plain[strcspn(plain, "?#")] = '\0'; /* of an URL */
	for (size_t i = 0; i < ARRAY_SIZE(compressions); i++)
		if (text_ends(plain, compressions[i])) {
			plain[strlen(plain) - strlen(compressions[i])] = '\0';
			break;
		}
	for (size_t i = 0; i < ARRAY_SIZE(disk_suffixes); i++)
		if (text_ends(plain, disk_suffixes[i]))
			return true;
	return false;
}

static bool is_tar(const char *name)
{
	return strstr(name, ".tar") != NULL || text_ends(name, ".tgz") || text_ends(name, ".txz") ||
	       text_ends(name, ".tzst");
}

static const char *by_scheme(struct arena *arena, const char **source)
{
	if (text_after(*source, "https://") || text_after(*source, "http://"))
		return is_disk(arena, *source) ? "pull-raw" : "pull-tar";
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		const char *rest = text_after(*source, schemes[i].prefix);

		if (rest == NULL)
			continue;
		if (!schemes[i].keeps_prefix)
			*source = rest;
		return schemes[i].verb;
	}
	return NULL;
}

static const char *by_file(struct arena *arena, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return NULL;
	if (S_ISDIR(st.st_mode))
		return access(path_join(arena, path, "oci-layout"), F_OK) == 0 ? "import-oci"
									       : "import-fs";
	if (is_tar(path))
		return "import-tar";
	return is_disk(arena, path) || S_ISBLK(st.st_mode) ? "import-raw" : NULL;
}

static bool is_reference(const char *text)
{
	struct imageref ref;
	const char *why;

	return imageref_parse(&ref, text, &why) >= 0;
}

static bool is_image(const struct context *context, const char *name)
{
	const struct find_scope scope = context_scope(context);
	struct found found;

	return find_image(context->arena, &found, name, &scope) >= 0;
}

/* NULL: nothing that is known. */
static const char *choose(const struct context *context, const char **source)
{
	struct arena *arena = context->arena;
	bool is_path = (*source)[0] == '/' || (*source)[0] == '.';
	const char *verb = by_scheme(arena, source);

	if (verb == NULL && !is_path && is_image(context, *source))
		return "clone";
	if (verb == NULL)
		verb = by_file(arena, *source);
	if (verb == NULL && !is_path && access(*source, F_OK) < 0 && is_reference(*source)) {
		log_info("There is neither an image nor a file '%s': it is looked for in a "
			 "registry.",
			 *source);
		verb = "pull-oci";
	}
	return verb;
}

int verb_create(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	const char *name = words->items[0], *source = context->options.image, *verb;
	struct text_list rest = { 0 };

	if (text_empty(source))
		return fail_input(
			"cannot create machine '%s': say of what, with --image=SOURCE (a "
			"directory, an archive, a disk image, an image's name, an URL, or "
			"a reference like docker://alpine)",
			name);
	if (is_image(context, name) && !context->options.force)
		return fail_plain(-EEXIST,
				  "cannot create machine '%s': there is an image of this name "
				  "(remove it, or --force)",
				  name);
	verb = choose(context, &source);
	if (verb == NULL && access(source, F_OK) == 0)
		return fail_input(
			"cannot tell what '%s' is by its name: try machinectl import-tar, "
			"import-raw or importctl import-oci",
			source);
	if (verb == NULL)
		return fail_plain(-ENOENT,
				  "cannot find '%s': it is no file, no image, no URL and no "
				  "reference like docker://alpine",
				  source);
	text_list_add(context->arena, &rest, arena_text(context->arena, source));
	text_list_add(context->arena, &rest, arena_text(context->arena, name));
	if (text_equal(verb, "clone"))
		return verb_clone(context, &rest);
	return transfer_as(context, verb, &rest);
}
