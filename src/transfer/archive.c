#include "transfer/archive.h"

#include <errno.h>
#include <limits.h>
#include <linux/fs.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "transfer/between.h"
#include "transfer/pack.h"
#include "transfer/qcow2.h"
#include "transfer/raw.h"
#include "transfer/sink.h"
#include "transfer/unpack.h"
#include "transfer/worker.h"

#define CONVERT_THREADS 2 /* of a qcow2 image: one decompresses while the other writes */

enum told { TOLD_NOTICE, TOLD_RESULT };

/* ---- inside the worker ---- */

struct inside {
	int input, output, scratch;
	const struct archive_wish *wish;
	enum compression compression;
	bool digests;
	bool layer;
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
		.no_devices = inside->wish->no_devices,
		.lazy = inside->wish->lazy,
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

/* ---- disk images, inside ---- */

static bool share(const struct inside *inside)
{
	struct stat st;

	return fstat(inside->input, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
	       ioctl(inside->output, FICLONE, inside->input) == 0;
}

struct steps {
	struct worker_side *side;
	uint64_t done;
};

static int step(void *context, uint64_t bytes)
{
	struct steps *steps = context;

	steps->done += bytes;
	worker_progress(steps->side, steps->done, 0);
	return 0;
}

static int convert(struct worker_side *side, const struct inside *inside, int image)
{
	struct steps steps = { .side = side };
	const struct qcow2_job job = {
		.size_max = inside->wish->bytes_max > 0 ? inside->wish->bytes_max
							: STREAM_BYTES_MAX,
		.threads = CONVERT_THREADS,
		.step = step,
		.context = &steps,
	};
	const char *why = NULL;
	int r = qcow2_convert_file(&job, inside->output, image, &why);

	if (r < 0 && why)
		return fail_plain(r, "cannot convert '%s': %s",
				  inside->wish->name ? inside->wish->name : "the image", why);
	return r < 0 ? fail(r, "cannot convert the image") : 0;
}

/* A qcow2 image must be read here and there. */
static int write_image(struct worker_side *side, const struct inside *inside, struct stream *stream,
		       bool plain, struct archive_result *result)
{
	struct raw_result raw = { 0 };
	struct stat st;
	int r;

	if (!result->qcow2) {
		r = raw_write(side, inside->output, stream, &raw);
		result->bytes = raw.bytes;
		return r;
	}
	if (plain)
		return convert(side, inside, inside->input);
	if (inside->scratch < 0)
		return fail_plain(-EINVAL, "cannot convert '%s': decompress it into a file first",
				  stream_name(stream));
	r = raw_write(side, inside->scratch, stream, &raw);
	if (r >= 0)
		r = convert(side, inside, inside->scratch);
	if (r >= 0 && fstat(inside->output, &st) == 0)
		result->bytes = (uint64_t)st.st_size;
	return r;
}

static int import_raw(struct worker_side *side, void *context)
{
	const struct inside *inside = context;
	struct stream_wish from = stream_wish(inside->wish);
	struct archive_result result = { .files = 1 };
	autostream struct stream *stream = NULL;
	bool plain;
	int r;

	from.ratio = UINT_MAX; /* zeros become holes: transfer/raw looks at the rest */
	r = stream_open(&stream, inside->input, &from);
	if (r >= 0)
		r = raw_is_qcow2(stream);
	if (r < 0)
		return r;
	result.qcow2 = r > 0;
	plain = stream_total(stream) > 0 && stream_compression(stream) == COMPRESSION_NONE;
	r = 0;
	if (plain && !result.qcow2 && stream_total(stream) <= stream_limit(stream))
		result.shared = share(inside);
	if (result.shared)
		result.bytes = stream_total(stream);
	if (!result.shared)
		r = write_image(side, inside, stream, plain, &result);
	if (r >= 0 && !result.shared)
		r = stream_finish(stream, &result.stream);
	return r < 0 ? r : worker_tell(side, TOLD_RESULT, &result, sizeof(result));
}

/* ---- out, inside ---- */

/* The sink writes what no file with holes can be made of: pipes, and what is compressed. */
static int export_raw(struct worker_side *side, const struct inside *inside, struct sink *sink,
		      struct raw_result *ret)
{
	int r = inside->compression == COMPRESSION_NONE && !inside->digests
			? raw_copy(side, inside->output, inside->input, ret)
			: 0;

	return r == 0 ? raw_read(side, inside->input, sink, ret) : r;
}

static int export_any(struct worker_side *side, void *context)
{
	const struct inside *inside = context;
	const struct unpack_context where = {
		.tree_fd = worker_tree(side),
		.side = side,
		.notice = tell_notice,
		.context = side,
	};
	struct archive_result result = { .files = 1 };
	struct pack_result packed = { 0 };
	struct raw_result raw = { 0 };
	autosink struct sink *sink = NULL;
	int r;

	signal(SIGPIPE, SIG_IGN); /* a sentence instead */
	r = sink_open(&sink, inside->output, inside->compression, inside->digests);
	if (r >= 0 && inside->input < 0) {
		r = inside->layer ? pack_layer(&where, sink, &packed)
				  : pack_tar(&where, sink, &packed);
		result.files = packed.files;
		result.bytes = packed.bytes;
	} else if (r >= 0) {
		r = export_raw(side, inside, sink, &raw);
		result.bytes = raw.bytes;
	}
	if (r >= 0)
		r = sink_finish(sink, &result.stream);
	return r < 0 ? r : worker_tell(side, TOLD_RESULT, &result, sizeof(result));
}

/* ---- outside ---- */

struct outside {
	const struct archive_listener *listener;
	uint64_t total; /* of what comes through a pipe; 0: not known */
	struct archive_result result;
	bool has_result;
	unsigned int notices; /* a worker could go on for ever */
};

static void hear_progress(void *context, uint64_t done, uint64_t total)
{
	const struct outside *outside = context;
	const struct archive_listener *listener = outside->listener;

	if (listener && listener->progress)
		listener->progress(listener->context, done, total > 0 ? total : outside->total);
}

static int hear_told(void *context, unsigned int what, const void *data, size_t size)
{
	struct outside *outside = context;
	const struct archive_listener *listener = outside->listener;

	switch (what) {
	case TOLD_NOTICE: /* worker_hear() has put a NUL behind it */
		if (listener && listener->notice && outside->notices++ < ARCHIVE_NOTICES_MAX)
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

static int run_of(const struct worker_request *request, uint64_t total, struct archive_result *ret,
		  const struct archive_listener *listener)
{
	struct outside outside = { .listener = listener, .total = total };
	const struct worker_listener hear = { hear_progress, hear_told, &outside };
	int r = worker_run(request, &hear);

	if (r < 0)
		return r;
	if (!outside.has_result)
		return fail_plain(-EBADMSG, "a worker ended without a result");
	*ret = outside.result;
	return 0;
}

static int run(const struct worker_request *request, struct archive_result *ret,
	       const struct archive_listener *listener)
{
	return run_of(request, 0, ret, listener);
}

/* ---- in, outside ---- */

/* The worker that parses reads what another one has summed. */
static int run_summed(struct worker_request *request, struct inside *inside, int *fds,
		      struct archive_result *ret, const struct archive_listener *listener)
{
	const struct between_wish wish = {
		.name = inside->wish->name,
		.input = inside->input,
		.quiet = true,
	};
	struct between between = BETWEEN_EMPTY;
	struct archive_result result;
	struct stream_result came;
	struct stat st;
	int r = fstat(inside->input, &st) < 0 ? fail(-errno, "cannot look at the archive")
					      : between_start(&between, &wish);

	if (r < 0)
		return r;
	fds[0] = inside->input = between.output;
	r = run_of(request, S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0, &result, listener);
	if (r < 0) {
		int cause = between_cause(&between);

		r = cause < 0 ? cause : r;
	} else {
		r = between_finish(&between, &came);
	}
	between_done(&between);
	if (r < 0)
		return r;
	memcpy(result.stream.digest_in, came.digest_in, STREAM_DIGEST);
	*ret = result;
	return 0;
}

int archive_import_tar(int input_fd, int tree_fd, const struct archive_wish *wish,
		       struct archive_result *ret, const struct archive_listener *listener)
{
	struct inside inside = { .input = input_fd, .output = -EBADF, .wish = wish };
	int fds[] = { input_fd };
	struct worker_request request = {
		.name = "unpack",
		.run = import_tar,
		.context = &inside,
		.view = WORKER_SEES_TREE,
		.tree_fd = tree_fd,
		.fds = fds,
		.fd_count = 1,
	};

	return wish->digest_in ? run_summed(&request, &inside, fds, ret, listener)
			       : run(&request, ret, listener);
}

/* What is written is what was read, byte for byte. */
static bool is_plain(int fd)
{
	char magic[DECODE_MAGIC_MAX];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	n = pread(fd, magic, sizeof(magic), 0);
	return n >= 0 && compression_detect(magic, (size_t)n) == COMPRESSION_NONE &&
	       (n < (ssize_t)strlen(RAW_QCOW2_MAGIC) ||
		memcmp(magic, RAW_QCOW2_MAGIC, strlen(RAW_QCOW2_MAGIC)) != 0);
}

int archive_import_raw(int input_fd, int output_fd, int scratch_fd, const struct archive_wish *wish,
		       struct archive_result *ret, const struct archive_listener *listener)
{
	int fds[] = { input_fd, output_fd, scratch_fd }, r;
	struct inside inside = {
		.input = input_fd,
		.output = output_fd,
		.scratch = scratch_fd,
		.wish = wish,
	};
	struct worker_request request = {
		.name = "write-image",
		.run = import_raw,
		.context = &inside,
		.tree_fd = -EBADF,
		.fds = fds,
		.fd_count = scratch_fd >= 0 ? 3 : 2,
	};
	struct archive_result result;

	if (!wish->digest_in)
		return run(&request, ret, listener);
	if (!is_plain(input_fd))
		return run_summed(&request, &inside, fds, ret, listener);
	/* Its blocks may be shared, and it is read once: what counts is what was written. */
	r = run(&request, &result, listener);
	if (r >= 0)
		r = between_sum(result.stream.digest_in, output_fd);
	if (r < 0)
		return r;
	*ret = result;
	return 0;
}

static int export_tree(int tree_fd, int output_fd, enum compression compression, bool digests,
		       bool layer, struct archive_result *ret,
		       const struct archive_listener *listener)
{
	struct inside inside = {
		.input = -EBADF,
		.output = output_fd,
		.compression = compression,
		.digests = digests,
		.layer = layer,
	};
	const struct worker_request request = {
		.name = "pack",
		.run = export_any,
		.context = &inside,
		.view = WORKER_SEES_TREE,
		.tree_fd = tree_fd,
		.read_only = true,
		.fds = &output_fd,
		.fd_count = 1,
	};

	return run(&request, ret, listener);
}

int archive_export_tar(int tree_fd, int output_fd, enum compression compression, bool digests,
		       struct archive_result *ret, const struct archive_listener *listener)
{
	return export_tree(tree_fd, output_fd, compression, digests, false, ret, listener);
}

int archive_export_layer(int tree_fd, int output_fd, enum compression compression,
			 struct archive_result *ret, const struct archive_listener *listener)
{
	return export_tree(tree_fd, output_fd, compression, true, true, ret, listener);
}

int archive_export_raw(int input_fd, int output_fd, enum compression compression,
		       struct archive_result *ret, const struct archive_listener *listener)
{
	const int fds[] = { input_fd, output_fd };
	struct inside inside = {
		.input = input_fd,
		.output = output_fd,
		.compression = compression,
	};
	const struct worker_request request = {
		.name = "read-image",
		.run = export_any,
		.context = &inside,
		.tree_fd = -EBADF,
		.fds = fds,
		.fd_count = 2,
	};

	return run(&request, ret, listener);
}
