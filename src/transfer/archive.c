#include "transfer/archive.h"

#include <errno.h>
#include <string.h>

#include "base/fail.h"
#include "transfer/unpack.h"
#include "transfer/worker.h"

enum told { TOLD_NOTICE, TOLD_RESULT };

/* ---- inside the worker ---- */

struct inside {
	int input, output;
	const struct archive_wish *wish;
};

static int tell_notice(void *context, const char *sentence)
{
	return worker_tell(context, TOLD_NOTICE, sentence, strlen(sentence));
}

static struct stream_wish stream_wish(const struct archive_wish *wish)
{
	return (struct stream_wish){
		.name = wish->name,
		.bytes_max = wish->bytes_max,
		.ratio = wish->ratio,
		.digest_in = wish->digests,
		.digest_out = wish->digests,
	};
}

static int import_tar(struct worker_side *side, void *context)
{
	const struct inside *inside = context;
	const struct unpack_context where = {
		.tree_fd = worker_tree(side),
		.side = side,
		.notice = tell_notice,
		.context = side,
	};
	const struct unpack_wish wish = {
		.bytes_max = inside->wish->bytes_max,
		.files_max = inside->wish->files_max,
		.layer = inside->wish->layer,
		.lift = inside->wish->lift,
	};
	struct stream_wish from = stream_wish(inside->wish);
	struct archive_result result = { 0 };
	struct unpack_result unpacked;
	autostream struct stream *stream = NULL;
	int r = stream_open(&stream, inside->input, &from);

	if (r >= 0)
		r = unpack_tar(&where, stream, &wish, &unpacked);
	if (r >= 0)
		r = stream_finish(stream, &result.stream);
	if (r < 0)
		return r;
	result.files = unpacked.files;
	result.bytes = unpacked.bytes;
	return worker_tell(side, TOLD_RESULT, &result, sizeof(result));
}

/* ---- outside ---- */

struct outside {
	const struct archive_listener *listener;
	struct archive_result result;
	bool has_result;
};

static void hear_progress(void *context, uint64_t done, uint64_t total)
{
	const struct archive_listener *listener = ((struct outside *)context)->listener;

	if (listener && listener->progress)
		listener->progress(listener->context, done, total);
}

static int hear_told(void *context, unsigned int what, const void *data, size_t size)
{
	struct outside *outside = context;
	const struct archive_listener *listener = outside->listener;

	switch (what) {
	case TOLD_NOTICE: /* worker_hear() has put a NUL behind it */
		if (listener && listener->notice)
			listener->notice(listener->context, data);
		return 0;
	case TOLD_RESULT:
		if (size != sizeof(outside->result))
			break;
		memcpy(&outside->result, data, size);
		if ((unsigned int)outside->result.stream.compression >= COMPRESSIONS)
			break;
		outside->has_result = true;
		return 0;
	default: break;
	}
	return fail_plain(-EBADMSG, "a worker said something that it cannot mean");
}

static int run(const struct worker_request *request, struct archive_result *ret,
	       const struct archive_listener *listener)
{
	struct outside outside = { .listener = listener };
	const struct worker_listener hear = { hear_progress, hear_told, &outside };
	int r = worker_run(request, &hear);

	if (r < 0)
		return r;
	if (!outside.has_result)
		return fail_plain(-EBADMSG, "a worker ended without a result");
	*ret = outside.result;
	return 0;
}

int archive_import_tar(int input_fd, int tree_fd, const struct archive_wish *wish,
		       struct archive_result *ret, const struct archive_listener *listener)
{
	struct inside inside = { .input = input_fd, .output = -EBADF, .wish = wish };
	const struct worker_request request = {
		.name = "unpack",
		.run = import_tar,
		.context = &inside,
		.view = WORKER_SEES_TREE,
		.tree_fd = tree_fd,
		.fds = &input_fd,
		.fd_count = 1,
	};

	return run(&request, ret, listener);
}
