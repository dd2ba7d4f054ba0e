#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/text.h"
#include "image/clone.h"
#include "image/image.h"
#include "image/tree.h"
#include "io/fd.h"
#include "io/file.h"
#include "transfer/pull-state.h"

/* ---- what is kept ---- */

static char *path_of(struct pull *pull, const char *name)
{
	return arena_format(pull->arena, "%s/%s%s", pull->kept.pool, name, pull->kept.suffix);
}

static bool is_there(struct pull *pull, const char *name)
{
	struct stat st;

	return lstat(path_of(pull, name), &st) == 0;
}

/* ---- what stands beside it ---- */

static const char *const suffixes[] = { ".nspawn", ".roothash", ".roothash.p7s", ".verity" };

/* 1: it is there; 0: it is not. */
static int read_side(struct pull *pull, const char *kept, const char *suffix, char **ret,
		     size_t *ret_size)
{
	char *path = arena_format(pull->arena, "%s/%s%s", pull->kept.pool, kept, suffix);
	int r = file_read(pull->arena, ret, ret_size, AT_FDCWD, path, FETCH_VERITY_MAX);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? fail(r, "cannot read '%s'", path) : 1;
}

static const struct pull_side *find_side(const struct pull *pull, const char *suffix)
{
	for (size_t i = 0; i < FETCH_SIDES_MAX; i++)
		if (pull->sides[i].came && text_equal(pull->sides[i].suffix, suffix))
			return &pull->sides[i];
	return NULL;
}

int pull_has_sides(struct pull *pull, const char *kept)
{
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		const struct pull_side *side = find_side(pull, suffixes[i]);
		char *data;
		size_t size;
		int r = read_side(pull, kept, suffixes[i], &data, &size);

		if (r < 0)
			return r;
		if ((r > 0) != (side != NULL))
			return 0;
		if (r > 0 &&
		    (size != side->size || (size > 0 && memcmp(data, side->data, size) != 0)))
			return 0;
	}
	return 1;
}

/* ---- what is kept, found and made ---- */

/* By its etag, so that the server can be asked for what is newer. Some servers give none, or the
 * same one for something else, or send again what is here. */
int pull_publish_kept(struct pull *pull, const char **ret)
{
	const struct download_answer *answer = &pull->main_answer;
	char *tag = kept_tag(pull->arena, pull->sum);
	const char *name = kept_name(pull->arena, &pull->kept, answer->etag);

	if (!kept_is(path_of(pull, name), pull->sum) && is_there(pull, name))
		name = kept_name(pull->arena, &pull->kept, tag);
	*ret = name;
	if (is_there(pull, name)) {
		int r;

		publish_abort(&pull->publish);
		r = pull_has_sides(pull, name);
		pull->own_sides = r == 0;
		return MIN(r, 0);
	}
	pull->publish.request.name = name;
	pull->publish.request.force = false;
	return publish_commit(&pull->publish);
}

static const char *without_weak(const char *etag)
{
	const char *strong = text_after(etag, "W/");

	return strong != NULL ? strong : etag;
}

/* The answer names one of those that were asked about; if it names none, it means the only one. */
int pull_find_kept(struct pull *pull, const char **ret)
{
	const char *answered = pull->main_answer.etag;

	for (size_t i = 0; i < pull->etags.count; i++) {
		const char *etag = pull->etags.items[i];
		const char *name = kept_name(pull->arena, &pull->kept, etag);

		if (!is_there(pull, name))
			continue;
		if (*answered == '\0' ? pull->etags.count != 1
				      : !text_equal(without_weak(etag), without_weak(answered)))
			continue;
		pull_notice(pull,
			    arena_format(pull->arena, "'%s' is here already, as the server has it",
					 pull->shown));
		*ret = name;
		return 0;
	}
	return fail_plain(-EPROTO,
			  "cannot download '%s': the server says that it did not change, but not "
			  "from what (try --keep-download=no)",
			  pull->shown);
}

/* ---- a copy of it ---- */

/* What belongs to the kept one, to the new one. */
static int copy_sides(struct pull *pull, struct publish *to, const char *kept)
{
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		char *data;
		size_t size;
		int r = read_side(pull, kept, suffixes[i], &data, &size);

		if (r > 0)
			r = publish_side(to, suffixes[i], data, size);
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
	if (pull->request->kind == PULL_TAR)
		r = image_still_there(pull->arena, from, path);
	if (r < 0)
		return r;
	return pull->own_sides ? pull_add_sides(pull, to) : copy_sides(pull, to, kept);
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
	if (target->search == NULL || target->force || pull->own_sides)
		return copy(pull, kept);
	return clone_image(pull->arena, target->search, &request);
}
