/* Files out of images: the reference's catalogue of machinectl, section 10.2. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "image/growing.h"
#include "image/image.h"
#include "image/mstack.h"
#include "image/raw-serve.h"
#include "image/view.h"
#include "io/fd.h"
#include "kernel/btrfs.h"
#include "kernel/terminal.h"
#include "prog/importctl/importctl.h"
#include "prog/importctl/transfer.h"

/* What the job has: the caller opened the output, as the caller. */
struct export
{
	struct context *context;
	struct found image;
	const char *name;
	enum compression compression;
	int output;
	const char *made; /* a file that was not there before: nothing half-written stays */
};

/* ---- the image ---- */

static int find(struct context *context, struct found *ret, const char *name)
{
	enum class class = context->options.class;
	struct text_list directories = { 0 };

	if (class == CLASS_UNSET)
		return fail_input("cannot export image '%s' without a class (try --class=machine, "
				  "or -m)",
				  name);
	if (!find_is_name(name))
		return fail_input("cannot use '%s' as the name of an image", name);
	class_directories(context->arena, &directories, class, &context->images);
	for (size_t i = 0; i < directories.count; i++) {
		int r = find_in(context->arena, ret, directories.items[i], name);

		if (r >= 0)
			return 0;
		if (r != -ENOENT)
			return fail(r, "cannot look for image '%s' in '%s'", name,
				    directories.items[i]);
	}
	return fail_plain(-ENOENT, "cannot find the image '%s' (see importctl list-images)", name);
}

/* A tree at rest, if the file system can: what runs in it meanwhile changes nothing then. */
static int open_tree(struct export *export, struct growing *snapshot)
{
	struct arena *arena = export->context->arena;
	const char *path = export->image.path;
	autoclose int tree = -EBADF, parent = -EBADF;
	struct mstack stack;
	int r;

	if (export->image.kind == FIND_MSTACK) {
		r = mstack_read(arena, &stack, path);
		return r < 0 ? r : view_open(arena, &stack, true);
	}
	tree = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tree < 0)
		return fail(-errno, "cannot open image '%s'", path);
	if (!btrfs_is_subvolume(tree) || btrfs_is_read_only(tree) > 0)
		return take_fd(&tree);
	parent = open(path_parent(arena, path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0 || growing_snapshot(arena, snapshot, parent, export->name, tree) < 0)
		return take_fd(&tree);
	snapshot->dir_fd = take_fd(&parent);
	return fd_duplicate(snapshot->fd);
}

/* ---- the jobs ---- */

static int write_tar(struct export *export, struct job *job)
{
	struct archive_listener listener = transfer_listener(job);
	struct growing snapshot = GROWING_EMPTY;
	autoclose int seen = open(export->image.path, O_PATH | O_CLOEXEC);
	autoclose int tree = open_tree(export, &snapshot);
	struct archive_result result;
	int r = tree;

	if (r >= 0)
		r = archive_export_tar(tree, export->output, export->compression, false, &result,
				       &listener);
	if (r >= 0 && snapshot.fd < 0)
		r = image_still_there(export->context->arena, seen, export->name);
	(void)growing_remove(&snapshot);
	fd_close(&snapshot.dir_fd);
	return r;
}

static int write_raw(struct export *export, struct job *job)
{
	struct archive_listener listener = transfer_listener(job);
	autoclose int image = open(export->image.path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	struct archive_result result;

	if (image < 0)
		return fail(-errno, "cannot open image '%s'", export->image.path);
	(void)raw_serve_await(image);
	return archive_export_raw(image, export->output, export->compression, &result, &listener);
}

/* What standard output is told to be, a file system may refuse to sync. */
static int to_disk(const struct export *export, int r)
{
	if (r >= 0 && fsync(export->output) < 0 && errno != EINVAL && errno != EROFS)
		r = fail(-errno, "cannot write the export of '%s'", export->name);
	if (r < 0 && export->made != NULL)
		(void)unlink(export->made);
	return r;
}

static int export_tar(struct job *job, void *context)
{
	return to_disk(context, write_tar(context, job));
}

static int export_raw(struct job *job, void *context)
{
	return to_disk(context, write_raw(context, job));
}

/* ---- the verbs ---- */

static int open_output(struct transfer *transfer, const struct export *export, const char *path)
{
	if (!transfer_is_standard(path))
		return transfer_open_output(transfer, path, export->image.path);
	if (terminal_is(STDOUT_FILENO))
		return fail_input("cannot write image '%s' to a terminal (say which file, or lead "
				  "standard output to one)",
				  export->name);
	return fd_duplicate(STDOUT_FILENO);
}

static enum compression compression(const struct options *options, const char *path)
{
	if (options->format != NULL)
		return text_equal(options->format, "uncompressed")
			       ? COMPRESSION_NONE
			       : (enum compression)compression_parse(options->format);
	return transfer_is_standard(path) ? COMPRESSION_NONE : compression_of_file(path);
}

static int run(struct context *context, const struct text_list *words, struct transfer *transfer,
	       bool raw)
{
	const char *path = words->count > 1 ? words->items[1] : NULL;
	struct export export = { .context = context, .name = words->items[0], .output = -EBADF };
	autoclose int fd = -EBADF;
	bool is_tree;
	int r = find(context, &export.image, words->items[0]);

	if (r < 0)
		return r;
	is_tree = export.image.kind == FIND_DIRECTORY || export.image.kind == FIND_MSTACK;
	if (is_tree == raw)
		return fail_plain(-EMEDIUMTYPE,
				  "cannot export image '%s' so: it is a %s (try export-%s)",
				  export.name, is_tree ? "directory tree" : "disk image",
				  is_tree ? "tar" : "raw");
	export.compression = compression(&context->options, path);
	fd = open_output(transfer, &export, path);
	if (fd < 0)
		return fd;
	export.output = fd;
	export.made = transfer->made;
	transfer->local = export.name;
	transfer->pool = path_parent(context->arena, export.image.path);
	transfer->output_taken = transfer_is_standard(path);
	transfer->context = &export;
	return transfer_run(context, transfer);
}

int verb_export_tar(void *context, const struct text_list *words)
{
	struct transfer transfer = { .type = "export-tar", .run = export_tar };

	return run(context, words, &transfer, false);
}

int verb_export_raw(void *context, const struct text_list *words)
{
	struct transfer transfer = { .type = "export-raw", .run = export_raw };

	return run(context, words, &transfer, true);
}
