/* Images are made, changed and removed: the reference's catalogue of machinectl, sections 2.3, 5.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"
#include "image/change.h"
#include "image/clone.h"
#include "image/collect.h"
#include "image/companion.h"
#include "image/own-ids.h"
#include "image/quota.h"
#include "image/together.h"
#include "io/fd.h"
#include "machine/find.h"
#include "prog/machinectl/machinectl.h"

/* A user's images belong to all of his ids, so that he must be root over these. The scope stays his
 * own. */
static int begin(const struct context *context, struct find_scope *ret)
{
	*ret = context_scope(context);
	return ret->uid == 0 ? 0
			     : own_ids_become_root(context->arena, context->program.environment);
}

int verb_clone(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	const struct clone_request request = {
		.from = words->items[0],
		.to = words->items[1],
		.read_only = context->options.read_only,
		.copy = context->options.copy,
	};
	struct find_scope scope;
	int r = begin(context, &scope);

	return r < 0 ? r : clone_image(context->arena, &scope, &request);
}

int verb_rename(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct find_scope scope;
	int r = begin(context, &scope);

	return r < 0 ? r : change_rename(context->arena, &scope, words->items[0], words->items[1]);
}

int verb_read_only(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct find_scope scope;
	bool read_only = true;
	int r;

	if (words->count > 1 && parse_bool(&read_only, words->items[1]) < 0)
		return fail_input("cannot use '%s': it is neither yes nor no", words->items[1]);
	r = begin(context, &scope);
	return r < 0 ? r : change_read_only(context->arena, &scope, words->items[0], read_only);
}

/* ---- layers ---- */

static int add_running(struct arena *arena, struct text_list *ret, void *runtime)
{
	return machine_list_roots(arena, ret, runtime);
}

/* What an image shared with no other one goes with it. It is gone already: a failure of this is
 * nobody's who asked for that. */
static void collect_layers(const struct context *context, const struct find_scope *scope,
			   bool downloads)
{
	struct collect_result result;
	int r = collect(context->arena, &result, scope, downloads, add_running,
			(void *)context->runtime);

	if (r < 0) {
		log_warning("%s, going on without", fail_recorded()->text);
		fail_forget();
	} else if (result.layers > 0) {
		log_info("Removed %zu layers that nothing is made of any more.", result.layers);
	}
}

int verb_remove(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct find_scope scope;
	struct failure why;
	size_t removed = 0;
	uint64_t freed;
	int r = begin(context, &scope);

	while (r >= 0 && removed < words->count) {
		r = change_remove(context->arena, &scope, words->items[removed], &freed);
		removed += r >= 0;
	}
	if (removed == 0)
		return r;
	/* Also where the next one was refused. */
	why = *fail_recorded();
	collect_layers(context, &scope, false);
	if (r < 0)
		fail_adopt(&why);
	return r;
}

static int read_limit(uint64_t *ret, const char *word)
{
	if (text_equal(word, "-") || text_equal(word, "none") || text_equal(word, "infinity")) {
		*ret = QUOTA_UNLIMITED;
		return 0;
	}
	if (parse_size(ret, word) < 0 || *ret == QUOTA_UNLIMITED)
		return fail_input("cannot use '%s' as a limit (try a number of bytes, with K, M, G "
				  "or T behind it, or none)",
				  word);
	return 0;
}

int verb_set_limit(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	const char *name = words->count > 1 ? words->items[0] : NULL;
	struct find_scope scope;
	uint64_t limit;
	int r;

	r = read_limit(&limit, words->items[words->count - 1]);
	if (r >= 0)
		r = begin(context, &scope);
	return r < 0 ? r : change_limit(context->arena, &scope, name, limit);
}

/* ---- clean ---- */

struct cleaning {
	size_t count, kept; /* kept: what could not be removed */
	uint64_t freed;
	bool unknown; /* of one of them it is not known */
};

static int clean_one(const struct context *context, const struct find_scope *scope,
		     const char *name, struct cleaning *cleaning)
{
	uint64_t freed;
	int r = change_remove(context->arena, scope, name, &freed);

	if (r < 0)
		return r;
	cleaning->count++;
	if (freed == IMAGE_UNKNOWN) {
		cleaning->unknown = true;
		log_info("Removed image '%s'.", name);
		return 0;
	}
	cleaning->freed += freed;
	log_info("Removed image '%s'. Freed exclusive disk space: %s", name,
		 table_size_text(context->arena, freed));
	return 0;
}

static void tell(const struct context *context, const struct cleaning *cleaning)
{
	if (cleaning->unknown || cleaning->count == 0)
		log_info("Removed %zu images in total.", cleaning->count);
	else
		log_info("Removed %zu images in total. Total freed exclusive disk space: %s.",
			 cleaning->count, table_size_text(context->arena, cleaning->freed));
}

/* The pristine copy of a download is a layer of the machine (transfer/pull) where it could not be
 * copied at once. */
static bool is_needed(const struct context *context, const struct find_scope *scope,
		      const struct image *image)
{
	struct text_list names = { 0 };
	autoclose int fd = -EBADF;

	if (image->found.kind != FIND_DIRECTORY)
		return false;
	fd = open(image->path, O_PATH | O_CLOEXEC);
	if (fd >= 0)
		image_layered_on(context->arena, &names, scope, fd);
	return names.count > 0;
}

/* Layered images go before what they are made of. */
static void clean_kind(const struct context *context, const struct find_scope *scope,
		       const struct image *images, size_t count, bool layered,
		       struct cleaning *cleaning)
{
	for (size_t i = 0; i < count; i++) {
		const struct image *image = &images[i];

		if ((image->found.kind == FIND_MSTACK) != layered || image->found.vendor ||
		    image->found.declared || text_equal(image->name, FIND_HOST) ||
		    (!context->options.all && (!image->hidden || is_needed(context, scope, image))))
			continue;
		if (clean_one(context, scope, image->name, cleaning) >= 0)
			continue;
		/* What is in use stays; the others need not wait for it. */
		log_error("%s", fail_recorded()->text);
		fail_forget();
		cleaning->kept++;
	}
}

/* What was left behind by somebody who was killed goes whenever somebody opens the pool; of
 * transfers, here. */
static int clean_left_behind(const struct context *context, const struct find_scope *scope)
{
	struct companions companions;
	struct tidy pool = TIDY_EMPTY;
	int r = change_open_pool(context->arena, &pool, scope);

	if (r >= 0) {
		(void)together_sweep(pool.fd, pool.path);
		companion_begin(&companions, context->arena, scope, NULL);
		companion_end(&companions);
	}
	tidy_end(&pool);
	return r;
}

int verb_clean(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct cleaning cleaning = { .count = 0 };
	struct find_scope scope;
	struct image *images;
	size_t count;
	int r;

	(void)words;
	r = begin(context, &scope);
	if (r >= 0)
		r = clean_left_behind(context, &scope);
	if (r >= 0)
		r = image_list(context->arena, &images, &count, &scope, true);
	if (r < 0)
		return r;
	clean_kind(context, &scope, images, count, true, &cleaning);
	clean_kind(context, &scope, images, count, false, &cleaning);
	tell(context, &cleaning);
	collect_layers(context, &scope, true);
	if (cleaning.kept > 0)
		return fail_plain(-EBUSY, "cannot remove %zu of the images", cleaning.kept);
	return 0;
}
