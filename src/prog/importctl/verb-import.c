/* Images out of what is on this host: the reference's catalogue of machinectl, section 10.2. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "format/digest.h"
#include "image/image.h"
#include "image/tree.h"
#include "io/fd.h"
#include "kernel/terminal.h"
#include "prog/importctl/importctl.h"
#include "prog/importctl/transfer.h"
#include "transfer/archive.h"
#include "transfer/naming.h"

struct import;

/* Puts what comes in to where it grows. */
typedef int fill_fn(struct import *import, struct publish *publish, struct job *job);

/* What the job has: the caller opened the input, as the caller. */
struct import {
	struct context *context;
	struct publish_request target;
	int input;
	const char *shown; /* of the input, in sentences */
	fill_fn *fill;
};

/* It is the sum of the very bytes that were read, if one was given. */
static int check_sum(const struct import *import, const struct archive_result *result)
{
	const struct verify *verify = &import->context->options.verify;
	struct digest digest;

	if (verify->mode != VERIFY_SUM)
		return 0;
	(void)digest_make(&digest, DIGEST_SHA256, result->stream.digest_in, STREAM_DIGEST);
	return text_equal(text_after(digest.text, "sha256:"), verify->sum)
		       ? 0
		       : fail_plain(-EBADMSG, "cannot use '%s': it is '%s', and not 'sha256:%s'",
				    import->shown, digest.text, verify->sum);
}

static int import_any(struct job *job, void *context)
{
	struct import *import = context;
	struct publish publish;
	int r = publish_begin(import->context->arena, &publish, &import->target);

	if (r < 0)
		return r;
	r = import->fill(import, &publish, job);
	if (r >= 0)
		r = publish_commit(&publish);
	publish_abort(&publish);
	return r;
}

/* ---- what is put there ---- */

/* Also archives that hold a directory with the tree, instead of the tree, are taken. */
static int fill_from_tar(struct import *import, struct publish *publish, struct job *job)
{
	struct archive_listener listener = transfer_listener(job);
	struct archive_wish wish = {
		.name = import->shown,
		.lift = true,
		.lazy = publish->request.lazy,
		.digest_in = import->context->options.verify.mode == VERIFY_SUM,
	};
	struct archive_result result;
	int r = archive_import_tar(import->input, publish_fd(publish), &wish, &result, &listener);

	if (r >= 0)
		r = check_sum(import, &result);
	if (r >= 0)
		job_progress(job, NULL, result.stream.in, result.stream.in);
	return r;
}

static int fill_from_raw(struct import *import, struct publish *publish, struct job *job)
{
	struct archive_listener listener = transfer_listener(job);
	struct archive_wish wish = {
		.name = import->shown,
		.digest_in = import->context->options.verify.mode == VERIFY_SUM,
	};
	/* Some disk images must be read here and there, and do not come so. */
	autoclose int scratch = openat(publish->pool_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	struct archive_result result;
	int r = archive_import_raw(import->input, publish_fd(publish), scratch, &wish, &result,
				   &listener);

	if (r >= 0)
		r = check_sum(import, &result);
	if (r >= 0)
		job_progress(job, NULL, result.stream.in, result.stream.in);
	return r;
}

static int fill_from_directory(struct import *import, struct publish *publish, struct job *job)
{
	int r = tree_copy(publish_fd(publish), import->input, NULL);

	(void)job;
	if (r == -EOVERFLOW)
		return fail_plain(
			r,
			"cannot copy '%s' to image '%s': it has files of others, for "
			"whom you have no ids (see subuid(5), or import an archive of it, "
			"whose files become yours)",
			import->shown, import->target.name);
	if (r < 0)
		return fail(r, "cannot copy '%s' to image '%s'", import->shown,
			    import->target.name);
	return image_still_there(import->context->arena, import->input, import->shown);
}

/* ---- import-tar, import-raw ---- */

/* The descriptor is the caller's; of standard input a duplicate. */
static int open_input(const char *path)
{
	autoclose int fd = transfer_is_standard(path) ? fd_duplicate(STDIN_FILENO)
						      : open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return fail(transfer_is_standard(path) ? fd : -errno, "cannot open '%s'", path);
	if (fstat(fd, &st) < 0)
		return fail(-errno, "cannot look at '%s'", path);
	if (S_ISDIR(st.st_mode))
		return fail_input("cannot read '%s': it is a directory (try import-fs)", path);
	if (terminal_is(fd))
		return fail_input("cannot read '%s': it is a terminal (say which file, or lead "
				  "one here: importctl … - NAME <FILE)",
				  path);
	return take_fd(&fd);
}

typedef char *naming_fn(struct arena *arena, const char *path);

static int import_file(struct context *context, const struct text_list *words,
		       struct transfer *transfer, naming_fn *naming, fill_fn *fill,
		       enum publish_kind kind)
{
	const char *path = words->items[0];
	const char *name = words->count > 1 ? words->items[1] : NULL;
	struct import import = { .context = context, .shown = path, .fill = fill };
	autoclose int fd = -EBADF;
	int r;

	if (transfer_is_standard(name)) {
		if (transfer_is_standard(path))
			return fail_input("cannot tell what to call the image (name it: importctl "
					  "%s - NAME)",
					  transfer->type);
		name = naming(context->arena, path);
	}
	r = transfer_target(context, &import.target, name, kind);
	if (r < 0)
		return r;
	fd = open_input(path);
	if (fd < 0)
		return fd;
	import.input = fd;
	if (transfer_is_standard(path))
		import.shown = "standard input";
	transfer->local = name;
	transfer->pool = import.target.pool;
	transfer->context = &import;
	return transfer_run(context, transfer);
}

int verb_import_tar(void *context, const struct text_list *words)
{
	struct transfer transfer = { .type = "import-tar", .run = import_any };

	return import_file(context, words, &transfer, naming_of_tar, fill_from_tar, PUBLISH_TREE);
}

int verb_import_raw(void *context, const struct text_list *words)
{
	struct transfer transfer = { .type = "import-raw", .run = import_any };

	return import_file(context, words, &transfer, naming_of_raw, fill_from_raw, PUBLISH_FILE);
}

/* ---- import-fs ---- */

int verb_import_fs(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	const char *path = transfer_is_standard(words->items[0]) ? "." : words->items[0];
	char here[PATH_MAX];
	autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct import import = {
		.context = context, .input = fd, .shown = path, .fill = fill_from_directory
	};
	struct transfer transfer = { .type = "import-fs", .run = import_any, .context = &import };
	const char *name = words->count > 1 ? words->items[1] : NULL;
	int r;

	if (fd < 0)
		return fail(-errno, "cannot open the directory '%s'", path);
	if (transfer_is_standard(name)) {
		/* "." and ".." have no name of their own. */
		if (realpath(path, here) == NULL)
			return fail(-errno, "cannot find out what '%s' is called", path);
		name = naming_last(context->arena, here);
		if (text_empty(name))
			return fail_input("cannot tell what to call an image of '%s' (name it: "
					  "importctl import-fs %s NAME)",
					  path, path);
	}
	r = transfer_target(context, &import.target, name, PUBLISH_TREE);
	if (r < 0)
		return r;
	transfer.local = name;
	transfer.pool = import.target.pool;
	return transfer_run(context, &transfer);
}
