#include "transfer/between.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "io/fd.h"
#include "transfer/ring.h"

#define PIECE ((size_t)64 * 1024)
#define PIPE_SIZE (1024 * 1024)

enum told { TOLD_RESULT };

struct passing {
	const struct between_wish *wish;
	int from, to; /* TO negative: to nobody */
	bool whole;   /* a file, from its start */
	bool quiet;
};

/* ---- inside: who sums ---- */

static ssize_t read_piece(const struct passing *passing, char *data, uint64_t at)
{
	ssize_t n;

	do
		n = passing->whole ? pread(passing->from, data, PIECE, (off_t)at)
				   : read(passing->from, data, PIECE);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int pass_all(struct worker_side *side, const struct passing *passing, EVP_MD_CTX *sum,
		    struct stream_result *result)
{
	uint64_t total = 0;
	char data[PIECE];
	struct stat st;
	ssize_t n;
	int r = 0;

	if (fstat(passing->from, &st) == 0 && S_ISREG(st.st_mode))
		total = (uint64_t)st.st_size;
	while (r >= 0 && (n = read_piece(passing, data, result->out)) != 0) {
		if (n < 0)
			return (int)n;
		if (EVP_DigestUpdate(sum, data, (size_t)n) != 1)
			return -EIO;
		result->out += (uint64_t)n;
		if (passing->to >= 0)
			r = fd_write_all(passing->to, data, (size_t)n);
		if (!passing->quiet)
			worker_progress(side, result->out, total);
	}
	if (r >= 0 && EVP_DigestFinal_ex(sum, result->digest_out, NULL) != 1)
		r = -EIO;
	return r;
}

static const char *name_of(const struct passing *passing)
{
	return passing->wish != NULL && passing->wish->name != NULL ? passing->wish->name
								    : "the archive";
}

static int sum_all(struct worker_side *side, void *context)
{
	const struct passing *passing = context;
	struct stream_result result = { 0 };
	EVP_MD_CTX *sum = EVP_MD_CTX_new();
	int r = sum != NULL && EVP_DigestInit_ex(sum, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;

	signal(SIGPIPE, SIG_IGN);
	if (r >= 0)
		r = pass_all(side, passing, sum, &result);
	EVP_MD_CTX_free(sum);
	return r < 0 ? fail(r, "cannot pass on '%s'", name_of(passing))
		     : worker_tell(side, TOLD_RESULT, &result, sizeof(result));
}

/* ---- inside: who decompresses ---- */

static int decode_all(struct worker_side *side, void *context)
{
	const struct passing *passing = context;
	const struct stream_wish wish = {
		.name = passing->wish->name,
		.digest_in = passing->wish->digest_in,
	};
	autostream struct stream *stream = NULL;
	struct stream_result result;
	const void *data;
	ssize_t n = 0;
	int r = stream_open(&stream, passing->from, &wish);

	signal(SIGPIPE, SIG_IGN);
	while (r >= 0 && (n = stream_take(stream, &data, RING_SIZE)) > 0) {
		r = fd_write_all(passing->to, data, (size_t)n);
		if (r < 0)
			return fail(r, "cannot pass on '%s'", name_of(passing));
		if (!passing->quiet)
			worker_progress(side, stream_in(stream), stream_total(stream));
	}
	if (r < 0 || n < 0)
		return r < 0 ? r : (int)n;
	r = stream_finish(stream, &result);
	return r < 0 ? r : worker_tell(side, TOLD_RESULT, &result, sizeof(result));
}

/* ---- outside ---- */

static int take(struct stream_result *ret, bool *ret_told, unsigned int what, const void *data,
		size_t size)
{
	if (what != TOLD_RESULT || size != sizeof(*ret))
		return fail_plain(-EBADMSG, "a worker said something that it cannot mean");
	memcpy(ret, data, size);
	*ret_told = true;
	return 0;
}

struct hearing {
	struct between *between;
	const struct worker_listener *listener; /* may be NULL */
};

static int hear_decoder(void *context, unsigned int what, const void *data, size_t size)
{
	struct between *between = ((struct hearing *)context)->between;

	return take(&between->decoded, &between->has_decoded, what, data, size);
}

static int hear_summer(void *context, unsigned int what, const void *data, size_t size)
{
	struct between *between = ((struct hearing *)context)->between;

	return take(&between->summed, &between->has_summed, what, data, size);
}

static void hear_progress(void *context, uint64_t done, uint64_t total)
{
	const struct worker_listener *listener = ((struct hearing *)context)->listener;

	if (listener != NULL && listener->progress != NULL)
		listener->progress(listener->context, done, total);
}

static int start(struct worker *ret, worker_fn *run, struct passing *passing)
{
	const int fds[] = { passing->from, passing->to };
	const struct worker_request request = {
		.name = run == sum_all ? "sum" : "decompress",
		.run = run,
		.context = passing,
		.tree_fd = -EBADF,
		.fds = fds,
		.fd_count = passing->to < 0 ? 1 : 2,
	};

	return worker_start(ret, &request);
}

/* It writes to a pipe, whose other end is RET. */
static int start_before(struct worker *worker, int *ret, worker_fn *run, struct passing *passing)
{
	autoclose int from = -EBADF, to = -EBADF;
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail(-errno, "cannot make a pipe");
	from = ends[0];
	to = ends[1];
	(void)fcntl(to, F_SETPIPE_SZ, PIPE_SIZE);
	passing->to = to;
	r = start(worker, run, passing);
	if (r < 0)
		return r;
	*ret = take_fd(&from);
	return 0;
}

int between_start(struct between *ret, const struct between_wish *wish)
{
	struct passing passing = { .wish = wish, .from = wish->input, .quiet = wish->quiet };
	struct between between = BETWEEN_EMPTY;
	autoclose int plain = -EBADF;
	int r = 0;

	if (wish->decompress) {
		r = start_before(&between.decoder, &plain, decode_all, &passing);
		passing.from = plain;
		passing.quiet = true; /* one of them tells it */
	}
	if (r >= 0)
		r = start_before(&between.summer, &between.output, sum_all, &passing);
	if (r < 0) {
		between_done(&between);
		return r;
	}
	between.decodes = wish->decompress;
	*ret = between;
	return 0;
}

static struct worker *reader(struct between *between)
{
	return between->decodes ? &between->decoder : &between->summer;
}

int between_fd(struct between *between)
{
	return reader(between)->pid > 0 ? worker_fd(reader(between)) : -EBADF;
}

static int hear(struct between *between, struct worker *worker,
		const struct worker_listener *listener)
{
	bool is_decoder = worker == &between->decoder;
	struct hearing hearing = { between, listener };
	const struct worker_listener own = {
		.progress = hear_progress,
		.told = is_decoder ? hear_decoder : hear_summer,
		.context = &hearing,
	};
	int r = worker_hear(worker, &own);

	if (r > 0)
		return r;
	worker_done(worker);
	if (r >= 0 && !(is_decoder ? between->has_decoded : between->has_summed))
		r = fail_plain(-EBADMSG, "a worker ended without a result");
	return r;
}

int between_hear(struct between *between, const struct worker_listener *listener)
{
	return hear(between, reader(between), listener);
}

int between_finish(struct between *between, struct stream_result *ret)
{
	struct worker *const workers[] = { &between->decoder, &between->summer };
	int r = 0;

	/* Nobody reads from there any more: who has not written all by now never will. */
	fd_close(&between->output);
	for (size_t i = 0; i < 2 && r >= 0; i++)
		while (workers[i]->pid > 0 && (r = hear(between, workers[i], NULL)) > 0)
			;
	if (r < 0)
		return r;
	*ret = between->decodes ? between->decoded : between->summed;
	ret->out = between->summed.out;
	memcpy(ret->digest_out, between->summed.digest_out, STREAM_DIGEST);
	if (!between->decodes) {
		ret->in = ret->out;
		memcpy(ret->digest_in, ret->digest_out, STREAM_DIGEST);
	}
	return 0;
}

int between_cause(struct between *between)
{
	struct worker *const workers[] = { &between->decoder, &between->summer };
	struct failure parsing = *fail_recorded();

	/* Before its end of the pipe went it has said why. One that waits for a reader has not. */
	for (size_t i = 0; i < 2; i++) {
		struct pollfd said = { .fd = worker_fd(workers[i]), .events = POLLIN };
		int r = 1;

		fail_forget();
		while (workers[i]->pid > 0 && r > 0 && poll(&said, 1, 0) > 0)
			r = hear(between, workers[i], NULL);
		if (r < 0)
			return r;
	}
	fail_adopt(&parsing);
	return 0;
}

void between_done(struct between *between)
{
	worker_done(&between->decoder);
	worker_done(&between->summer);
	fd_close(&between->output);
}

int between_sum(unsigned char ret[STREAM_DIGEST], int fd)
{
	struct passing passing = { .from = fd, .to = -EBADF, .whole = true, .quiet = true };
	struct between between = BETWEEN_EMPTY;
	struct stream_result result;
	int r = start(&between.summer, sum_all, &passing);

	if (r >= 0)
		r = between_finish(&between, &result);
	between_done(&between);
	if (r >= 0)
		memcpy(ret, result.digest_out, STREAM_DIGEST);
	return r;
}
