#include "transfer/fetch.h"

#include <errno.h>
#include <openssl/evp.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "io/fd.h"
#include "transfer/verify.h"

char *fetch_sibling(struct arena *arena, const char *url, const char *name)
{
	size_t end = strcspn(url, "?#");

	while (end > 0 && url[end - 1] != '/')
		end--;
	return arena_format(arena, "%.*s%s", (int)end, url, name);
}

/* ---- from the network ---- */

struct state {
	const struct fetch *fetch;
	struct worker_side *side;
	struct arena arena;
	struct download main, sums, signature, sides[FETCH_SIDES_MAX];
	size_t list;	  /* FETCH_SUMS_… */
	size_t signed_by; /* the ending that was tried last */
	bool found_list;
	bool is_missing; /* there is nothing to verify by */
};

static const char *const signature_endings[2][2] = {
	[FETCH_SUMS_PER_FILE] = { ".asc", ".gpg" },
	[FETCH_SUMS_PER_DIRECTORY] = { ".gpg", ".asc" },
};

static int tell(struct state *state, enum fetch_tells what, const struct download *download,
		uint32_t id)
{
	struct download_answer answer = download->answer;

	answer.id = id;
	return worker_tell(state->side, what, &answer, sizeof(answer));
}

/* All of it, into a file that has perhaps something of another try. */
static int put(int fd, const struct download *download)
{
	if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return fail(-errno, "cannot keep '%s'", download->url);
	return fd_write_all(fd, download->text, download->text_size);
}

static int fail_missing(struct state *state);

static int main_begun(struct downloads *all, struct download *download)
{
	struct state *state = download->context;

	(void)all;
	if (state->is_missing)
		return fail_missing(state);
	return tell(download->context, FETCH_TELLS_BEGUN, download, FETCH_MAIN);
}

static int refused(struct state *state, const struct download *download)
{
	return fail_plain(-ENOENT, "cannot download '%s': the server says %u",
			  download_shown(&state->arena, download->url), download->answer.status);
}

static int main_done(struct downloads *all, struct download *download)
{
	struct state *state = download->context;

	(void)all;
	if (download->result < 0)
		return download->result;
	if (download->answer.status != 200 && download->answer.status != 304)
		return refused(state, download);
	/* Who reads it learns of the end before the small files are there. */
	close(state->fetch->main_fd);
	return tell(state, FETCH_TELLS_MAIN, download, FETCH_MAIN);
}

static download_fn sums_done, signature_done;

static const char *list_name(struct state *state)
{
	return state->list == FETCH_SUMS_PER_DIRECTORY
		       ? "SHA256SUMS"
		       : arena_format(&state->arena, "%s.sha256", state->fetch->last);
}

static int add(struct downloads *all, struct state *state, struct download *download,
	       const char *name, download_fn *done)
{
	*download = (struct download){
		.url = fetch_sibling(&state->arena, state->fetch->url, name),
		.fd = -EBADF,
		.limit = DOWNLOAD_SMALL_MAX,
		.quiet = true,
		.done = done,
		.context = state,
	};
	return download_add(all, download);
}

static int ask_for_sums(struct downloads *all, struct state *state, size_t list)
{
	struct download *download = arena_new(&state->arena, struct download);

	state->list = list;
	state->signed_by = 0;
	return add(all, state, download, list_name(state), sums_done);
}

static int ask_for_signature(struct downloads *all, struct state *state)
{
	struct download *download = arena_new(&state->arena, struct download);
	const char *name = arena_format(&state->arena, "%s%s", list_name(state),
					signature_endings[state->list][state->signed_by]);

	return add(all, state, download, name, signature_done);
}

static int fail_missing(struct state *state)
{
	return fail_plain(-ENOENT,
			  "cannot verify '%s': there is no %s beside it (looked for '%s.sha256' "
			  "and 'SHA256SUMS'%s)",
			  download_shown(&state->arena, state->fetch->url),
			  state->found_list ? "signature" : "list of checksums", state->fetch->last,
			  state->fetch->signature ? ", '.asc' and '.gpg'" : "");
}

/* Nothing of that is there: the list of the whole directory is next, if it was not. What did not
 * change since it was verified needs none. */
static int missing(struct downloads *all, struct state *state)
{
	if (state->list == FETCH_SUMS_PER_FILE)
		return ask_for_sums(all, state, FETCH_SUMS_PER_DIRECTORY);
	state->is_missing = true;
	if (state->fetch->if_none_match != NULL && state->main.answer.status != 200)
		return 0;
	return fail_missing(state);
}

static bool is_missing(const struct download *download)
{
	return download->answer.status == 404 || download->answer.status == 410 ||
	       download->answer.status == 403; /* of stores that do not tell */
}

static int sums_done(struct downloads *all, struct download *download)
{
	struct state *state = download->context;
	int r;

	if (download->result < 0)
		return download->result;
	if (is_missing(download))
		return missing(all, state);
	if (download->answer.status != 200)
		return refused(state, download);
	state->found_list = true;
	r = put(state->fetch->sums_fd, download);
	if (r >= 0)
		r = tell(state, FETCH_TELLS_SUMS, download, (uint32_t)state->list);
	if (r < 0 || !state->fetch->signature ||
	    verify_is_inline(download->text, download->text_size))
		return r;
	return ask_for_signature(all, state);
}

static int signature_done(struct downloads *all, struct download *download)
{
	struct state *state = download->context;
	int r;

	if (download->result < 0)
		return download->result;
	if (is_missing(download))
		return ++state->signed_by < 2 ? ask_for_signature(all, state) : missing(all, state);
	if (download->answer.status != 200)
		return refused(state, download);
	r = put(state->fetch->signature_fd, download);
	return r < 0 ? r : tell(state, FETCH_TELLS_SIGNATURE, download, (uint32_t)state->list);
}

/* An image that has lost its settings or its root hash on the way is another image. */
static int side_done(struct downloads *all, struct download *download)
{
	struct state *state = download->context;

	(void)all;
	if (download->result < 0)
		return download->result;
	if (is_missing(download))
		return 0;
	if (download->answer.status != 200)
		return refused(state, download);
	return tell(state, FETCH_TELLS_SIDE, download, (uint32_t)(download - state->sides));
}

static int add_side(struct downloads *all, struct state *state, size_t number)
{
	struct download *download = &state->sides[number];

	*download = (struct download){
		.url = fetch_sibling(&state->arena, state->fetch->url, state->fetch->sides[number]),
		.fd = state->fetch->side_fds[number],
		.limit = state->fetch->side_limits[number],
		.quiet = true,
		.done = side_done,
		.context = state,
	};
	return download_add(all, download);
}

static int add_all(struct downloads *all, struct state *state)
{
	const struct fetch *fetch = state->fetch;
	const char **headers = arena_take_array(&state->arena, 2, sizeof(char *));
	int r;

	if (fetch->if_none_match != NULL)
		headers[0] = arena_format(&state->arena, "If-None-Match: %s", fetch->if_none_match);
	state->main = (struct download){
		.id = FETCH_MAIN,
		.url = fetch->url,
		.headers = headers,
		.fd = fetch->main_fd,
		.limit = DOWNLOAD_SIZE_MAX,
		.quiet = true, /* who reads the pipe tells how far it is */
		.began = main_begun,
		.done = main_done,
		.context = state,
	};
	r = download_add(all, &state->main);
	if (r >= 0 && fetch->sums)
		r = ask_for_sums(all, state, FETCH_SUMS_PER_FILE);
	for (size_t i = 0; r >= 0 && i < FETCH_SIDES_MAX; i++)
		if (fetch->sides[i] != NULL)
			r = add_side(all, state, i);
	return r;
}

int fetch_web(struct worker_side *side, void *context)
{
	struct state state = { .fetch = context, .side = side };
	struct downloads *all;
	int r = download_open(&all, side, &state.fetch->trust, 8);

	if (r < 0)
		return r;
	r = add_all(all, &state);
	if (r >= 0)
		r = download_run(all);
	download_close(all);
	arena_done(&state.arena);
	return r;
}

/* ---- from this host ---- */

/* The sum is for people, if who reads the pipe cannot use what comes. */
static int copy(int from, int to, struct download_answer *ret)
{
	EVP_MD_CTX *sum = EVP_MD_CTX_new();
	unsigned char digest[EVP_MAX_MD_SIZE];
	char data[64 * 1024];
	ssize_t n = 0;
	int r = sum != NULL && EVP_DigestInit_ex(sum, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;

	while (r >= 0 && (n = read(from, data, sizeof(data))) > 0) {
		EVP_DigestUpdate(sum, data, (size_t)n);
		ret->size += (uint64_t)n;
		r = fd_write_all(to, data, (size_t)n);
	}
	if (r >= 0 && n < 0)
		r = -errno;
	if (r >= 0 && EVP_DigestFinal_ex(sum, digest, NULL) != 1)
		r = -EIO;
	for (size_t i = 0; r >= 0 && i < 32; i++)
		snprintf(ret->sha256 + 2 * i, 3, "%02x", digest[i]);
	EVP_MD_CTX_free(sum);
	return r < 0 ? fail(r, "cannot read the file") : 0;
}

int fetch_file(struct worker_side *side, void *context)
{
	const struct fetch_file *fetch = context;
	struct download_answer answer = { .status = 200, .length = DOWNLOAD_LENGTH_UNKNOWN };
	struct stat st;
	int r;

	signal(SIGPIPE, SIG_IGN);
	if (fstat(fetch->from_fd, &st) == 0 && S_ISREG(st.st_mode)) {
		answer.length = (uint64_t)st.st_size;
		answer.modified = st.st_mtime;
	}
	r = worker_tell(side, FETCH_TELLS_BEGUN, &answer, sizeof(answer));
	if (r >= 0)
		r = copy(fetch->from_fd, fetch->main_fd, &answer);
	if (r < 0)
		return r;
	close(fetch->main_fd);
	return worker_tell(side, FETCH_TELLS_MAIN, &answer, sizeof(answer));
}
