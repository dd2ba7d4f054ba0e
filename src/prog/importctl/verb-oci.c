/* Images of registries, of OCI layouts, and of archives of both kinds: the reference's catalogue of
 * machinectl, section 12.3. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/name-clean.h"
#include "base/text.h"
#include "format/imageref.h"
#include "io/fd.h"
#include "prog/importctl/importctl.h"
#include "prog/importctl/transfer.h"
#include "transfer/job.h"
#include "transfer/naming.h"
#include "transfer/oci-ask.h"
#include "transfer/oci-transfer.h"
#include "transfer/registry-login.h"

static int prepare(struct context *context, struct oci_transfer *ret, const char *name)
{
	enum class class = context->options.class;

	if (class != CLASS_UNSET && class != CLASS_MACHINE)
		return fail_input("cannot make '%s' of an image like this: it becomes a machine "
				  "(try --class=machine)",
				  name);
	ret->arena = context->arena;
	ret->scope = &context->images;
	ret->keep = context->options.keep_download != 0;
	ret->input = -EBADF;
	return transfer_target(context, &ret->target, name, PUBLISH_TREE);
}

static int read_name(struct imageref *ret, const char *text)
{
	const char *why;

	if (imageref_parse(ret, text, &why) < 0)
		return fail_input("cannot use '%s' as the name of an image: %s", text, why);
	return 0;
}

static int find_login(struct context *context, struct registry_login *ret,
		      const struct imageref *ref)
{
	return registry_login_find(context->arena, ret, ref, context->images.uid,
				   context->program.environment);
}

static int read_reference(struct context *context, struct imageref *ret,
			  struct registry_login *ret_login, const char *text)
{
	int r = read_name(ret, text);

	return r < 0 ? r : find_login(context, ret_login, ret);
}

int verb_pull_oci(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct oci_transfer pull = { 0 };
	struct transfer transfer = { .type = "pull-oci", .run = oci_pull, .context = &pull };
	const char *name = words->count > 1 ? words->items[1] : NULL;
	int r = read_reference(context, &pull.ref, &pull.login, words->items[0]);

	if (r < 0)
		return r;
	if (text_empty(name) || strcmp(name, "-") == 0)
		name = imageref_machine(context->arena, &pull.ref);
	if (text_empty(name))
		return fail_input("cannot tell what to call an image of '%s' (name it: importctl "
				  "pull-oci %s NAME)",
				  words->items[0], words->items[0]);
	r = prepare(context, &pull, name);
	if (r >= 0)
		r = download_read_trust(context->arena, &pull.trust, context->program.environment);
	if (r < 0)
		return r;
	transfer.local = name;
	transfer.remote = imageref_text(context->arena, &pull.ref);
	transfer.pool = pull.target.pool;
	return transfer_run(context, &transfer);
}

/* ---- without fetching anything ---- */

#define RESOLVE_TIMEOUT_US (10 * UINT64_C(1000000))

static const struct column resolved[] = {
	{ .title = "REFERENCE" },
	{ .title = "DIGEST" },
	{ .title = "PROBLEM" },
};

/* Of whom the login cannot be found is not asked, but the others are. */
static int read_references(struct context *context, struct oci_ask *items,
			   const struct text_list *words)
{
	int r = 0;

	for (size_t i = 0; i < words->count && r >= 0; i++)
		r = read_name(&items[i].ref, words->items[i]);
	for (size_t i = 0; i < words->count && r >= 0; i++)
		if (find_login(context, &items[i].login, &items[i].ref) < 0) {
			items[i].why = arena_text(context->arena, fail_recorded()->text);
			fail_forget();
		}
	return r;
}

int verb_resolve_oci(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct oci_ask *items = arena_take_array(context->arena, words->count, sizeof(*items));
	struct download_trust trust;
	struct table table;
	bool known = true;
	int r = download_read_trust(context->arena, &trust, context->program.environment);

	if (r >= 0)
		r = read_references(context, items, words);
	if (r < 0)
		return r;
	r = job_become_root(context->arena, context->program.environment);
	if (r < 0)
		return r;
	oci_ask(context->arena, items, words->count, &trust, RESOLVE_TIMEOUT_US);
	table_init(&table, context->arena, resolved, ARRAY_SIZE(resolved));
	for (size_t i = 0; i < words->count; i++) {
		bool found = items[i].digest.text[0] != '\0';

		table_text(&table, words->items[i]);
		table_text(&table, items[i].digest.text);
		table_text(&table, found ? NULL : text_printable(context->arena, items[i].why));
		known = known && found;
	}
	r = program_print_table(&context->program, &table, "references");
	return r < 0 ? r : known ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- in ---- */

/* Where skopeo(1) says what kind it is, the same words are understood. */
static const char *read_form(enum oci_form *ret, const char *path)
{
	static const struct {
		const char *word;
		enum oci_form form;
	} forms[] = {
		{ "oci:", OCI_FORM_LAYOUT },
		{ "oci-archive:", OCI_FORM_ARCHIVE },
		{ "docker-archive:", OCI_FORM_DOCKER },
	};
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		if (text_after(path, forms[i].word) != NULL) {
			*ret = forms[i].form;
			return text_after(path, forms[i].word);
		}
	*ret = stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? OCI_FORM_LAYOUT : OCI_FORM_ARCHIVE;
	return path;
}

/* "PATH" or "PATH:IMAGE". */
static int open_input(struct context *context, struct oci_transfer *import, const char *path)
{
	enum oci_form form;
	const char *colon;

	path = read_form(&form, path);
	colon = strrchr(path, ':');
	import->shown = path;
	import->input = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	if (import->input >= 0 || errno != ENOENT || colon == NULL || colon == path)
		return import->input < 0 ? fail(-errno, "cannot open '%s'", path) : 0;
	/* A tag has no slash, but what it belongs to may have: "x.tar:a.example.com/b:1". */
	for (const char *at = strchr(path + 1, ':'); at != NULL && import->input < 0;
	     at = strchr(at + 1, ':')) {
		import->shown = arena_text_n(context->arena, path, (size_t)(at - path));
		import->name = arena_text(context->arena, at + 1);
		import->input = open(import->shown, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	}
	return import->input < 0 ? fail(-ENOENT, "cannot open '%s'", path) : 0;
}

static int import_oci(struct context *context, struct oci_transfer *import, const char *name)
{
	struct transfer transfer = { .type = "import-oci", .run = oci_import, .context = import };
	int input = import->input, r;

	if (text_empty(name) || strcmp(name, "-") == 0)
		name = name_clean(context->arena, naming_of_tar(context->arena, import->shown));
	if (text_empty(name))
		return fail_input("cannot tell what to call an image of '%s' (name it: importctl "
				  "import-oci %s NAME)",
				  import->shown, import->shown);
	r = prepare(context, import, name);
	import->input = input;
	if (r < 0)
		return r;
	transfer.local = name;
	transfer.pool = import->target.pool;
	return transfer_run(context, &transfer);
}

int verb_import_oci(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	const struct verify *verify = &context->options.verify;
	struct oci_transfer import = { .input = -EBADF };
	int r = 0;

	if (verify->mode == VERIFY_SUM)
		r = digest_parse(&import.digest,
				 arena_format(context->arena, "sha256:%s", verify->sum));
	if (r >= 0)
		r = open_input(context, &import, words->items[0]);

	if (r >= 0)
		r = import_oci(context, &import, words->count > 1 ? words->items[1] : NULL);
	fd_close(&import.input);
	return r;
}

/* ---- out ---- */

static int find_local(struct context *context, struct oci_transfer *ret, const char *name)
{
	enum class class = context->options.class;

	if (class != CLASS_UNSET && class != CLASS_MACHINE)
		return fail_input("cannot make an OCI image of '%s': that is for machines (try "
				  "--class=machine)",
				  name);
	ret->arena = context->arena;
	ret->scope = &context->images;
	ret->local = name;
	if (!find_is_name(name))
		return fail_input("cannot use '%s' as the name of an image", name);
	if (find_image(context->arena, &ret->image, name, &context->images) < 0)
		return fail_plain(-ENOENT, "cannot find the image '%s' (see importctl list-images)",
				  name);
	return 0;
}

int verb_push_oci(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct oci_transfer push = { .input = -EBADF };
	struct transfer transfer = { .type = "push-oci", .run = oci_push, .context = &push };
	int r = find_local(context, &push, words->items[0]);

	if (r >= 0)
		r = read_reference(context, &push.ref, &push.login, words->items[1]);
	if (r < 0)
		return r;
	if (push.ref.digest.text[0] != '\0')
		return fail_input(
			"cannot push to '%s': a digest comes out, it is not chosen (try a "
			"tag)",
			words->items[1]);
	r = download_read_trust(context->arena, &push.trust, context->program.environment);
	if (r < 0)
		return r;
	transfer.local = push.local;
	transfer.remote = imageref_text(context->arena, &push.ref);
	return transfer_run(context, &transfer);
}

static int open_layout(const char *path)
{
	int fd;

	if (mkdir(path, 0777) < 0 && errno != EEXIST)
		return fail(-errno, "cannot make the directory '%s'", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(-errno, "cannot open the directory '%s'", path);
	if (faccessat(fd, "index.json", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return fd;
	fd_close(&fd);
	return fail_plain(-EEXIST, "cannot write to '%s': there is an image in it already", path);
}

int verb_export_oci(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct oci_transfer export = { .input = -EBADF };
	struct transfer transfer = { .type = "export-oci", .run = oci_export, .context = &export };
	autoclose int fd = -EBADF;
	const char *path;
	int r = find_local(context, &export, words->items[0]);

	if (r < 0)
		return r;
	path = read_form(&export.form, words->items[1]);
	if (*path == '\0')
		return fail_input("cannot write to '%s': it names no file", words->items[1]);
	fd = export.form == OCI_FORM_LAYOUT
		     ? open_layout(path)
		     : transfer_open_output(&transfer, path, export.image.path);
	if (fd < 0)
		return fd;
	export.output = fd;
	export.made = transfer.made;
	transfer.local = export.local;
	return transfer_run(context, &transfer);
}
