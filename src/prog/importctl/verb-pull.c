/* Images that are published: the reference's catalogue of machinectl, sections 10.2 and 12. */
#include "base/arena.h"
#include "base/text.h"
#include "prog/importctl/importctl.h"
#include "prog/importctl/transfer.h"
#include "transfer/naming.h"
#include "transfer/pull.h"

struct pulling {
	struct context *context;
	struct pull_request request;
};

static int run(struct job *job, void *context)
{
	const struct archive_listener listener = transfer_listener(job);
	struct pulling *pulling = context;

	return pull(pulling->context->arena, &pulling->request, &listener);
}

/* NULL: none is wished, only what is kept. */
static const char *name_of(struct context *context, const struct text_list *words,
			   enum pull_kind kind)
{
	if (words->count > 1) {
		const char *name = words->items[1];

		return text_empty(name) || text_equal(name, "-") ? NULL : name;
	}
	return kind == PULL_TAR ? naming_of_tar(context->arena, words->items[0])
				: naming_of_raw(context->arena, words->items[0]);
}

/* What the caller may read is read before the transfer is a process of its own. */
static int prepare(struct pulling *pulling)
{
	const char *const *environment = pulling->context->program.environment;
	struct arena *arena = pulling->context->arena;
	int r = download_read_trust(arena, &pulling->request.trust, environment);

	if (r >= 0 && pulling->request.verify.mode == VERIFY_SIGNATURE)
		r = verify_read_keyrings(arena, &pulling->request.keyrings, environment);
	return r;
}

static int pull_image(struct context *context, const struct text_list *words, const char *type,
		      enum pull_kind kind)
{
	const struct options *options = &context->options;
	struct pulling pulling = {
		.context = context,
		.request = {
			.kind = kind,
			.url = words->items[0],
			.verify = options->verify,
			.keep = options->keep_download < 0 ? options->class == CLASS_MACHINE
							   : options->keep_download,
		},
	};
	struct transfer transfer = { .type = type, .run = run, .context = &pulling };
	const char *name = name_of(context, words, kind);
	int r = pull_check_url(words->items[0], &options->verify);

	if (r >= 0)
		r = transfer_target(context, &pulling.request.target, name,
				    kind == PULL_TAR ? PUBLISH_TREE : PUBLISH_FILE);
	if (r >= 0)
		r = prepare(&pulling);
	if (r < 0)
		return r;
	transfer.local = name;
	transfer.remote = download_shown(context->arena, words->items[0]);
	transfer.pool = pulling.request.target.pool;
	return transfer_run(context, &transfer);
}

int verb_pull_tar(void *context, const struct text_list *words)
{
	return pull_image(context, words, "pull-tar", PULL_TAR);
}

int verb_pull_raw(void *context, const struct text_list *words)
{
	return pull_image(context, words, "pull-raw", PULL_RAW);
}
