#include <errno.h>
#include <fcntl.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/path.h"
#include "image/clone.h"
#include "image/tree.h"
#include "io/fd.h"
#include "io/file.h"
#include "transfer/pull-state.h"

/* What belongs to the kept one, to the new one. */
static int copy_sides(struct pull *pull, struct publish *to, const char *kept)
{
	static const char *const suffixes[] = { ".nspawn", ".roothash", ".roothash.p7s",
						".verity" };

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		char *path = arena_format(pull->arena, "%s/%s%s", pull->kept.pool, kept,
					  suffixes[i]);
		char *data;
		size_t size;
		int r = file_read(pull->arena, &data, &size, AT_FDCWD, path, DOWNLOAD_SMALL_MAX);

		if (r == -ENOENT)
			continue;
		if (r >= 0)
			r = publish_side(to, suffixes[i], data, size);
		else
			r = fail(r, "cannot read '%s'", path);
		if (r < 0)
			return r;
	}
	return 0;
}

static int fill(struct pull *pull, struct publish *to, const char *kept)
{
	char *path = arena_format(pull->arena, "%s/%s%s", pull->kept.pool, kept, pull->kept.suffix);
	autoclose int from = open(path, O_RDONLY | O_CLOEXEC);
	int r;

	if (from < 0)
		return fail(-errno, "cannot open '%s'", path);
	r = pull->request->kind == PULL_TAR ? tree_copy(publish_fd(to), from, NULL)
					    : file_copy_fd(publish_fd(to), from);
	if (r < 0)
		return fail(r, "cannot copy '%s' to image '%s'", path, to->request.name);
	return copy_sides(pull, to, kept);
}

/* A copy, whose blocks are shared where that can be; in place of another image, if that is wished.
 */
static int copy(struct pull *pull, const char *kept)
{
	struct publish publish;
	int r = publish_begin(pull->arena, &publish, &pull->request->target);

	if (r < 0)
		return r;
	r = fill(pull, &publish, kept);
	if (r >= 0)
		r = publish_commit(&publish);
	publish_abort(&publish);
	return r;
}

int pull_make_local(struct pull *pull, const char *kept)
{
	const struct publish_request *target = &pull->request->target;
	const struct clone_request request = {
		.from = kept,
		.to = target->name,
		.read_only = target->read_only,
	};

	if (target->name == NULL)
		return 0;
	if (target->search == NULL || target->force)
		return copy(pull, kept);
	return clone_image(pull->arena, target->search, &request);
}
