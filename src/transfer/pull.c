#include "transfer/pull.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/text.h"
#include "format/checksums.h"
#include "io/clock.h"
#include "io/fd.h"
#include "transfer/naming.h"
#include "transfer/pull-state.h"

/* When it cannot be unpacked: how long and how much of it is still worth to be looked at. */
#define REST_US 1000000
#define REST_MAX (64 * 1024 * 1024)

/* Its path ends with a name. */
static bool names_file(const char *url)
{
	size_t length = strcspn(url, "?#");
	const char *path = strchr(strstr(url, "://") + 3, '/');

	return path != NULL && path < url + length && url[length - 1] != '/';
}

int pull_check_url(const char *url, const struct verify *verify)
{
	autoarena struct arena arena = { 0 };
	const char *last = naming_last(&arena, url), *shown = download_shown(&arena, url);

	if (text_after(url, "file:///") == NULL && !download_is_url(url))
		return fail_input("cannot download '%s': this is no URL (try http://, https:// or "
				  "file:///)",
				  shown);
	if (!names_file(url))
		return fail_input("cannot download '%s': it names no file", shown);
	if (verify->mode == VERIFY_NO || verify->mode == VERIFY_SUM)
		return 0;
	if (text_equal(last, "SHA256SUMS") || text_ends(last, ".sha256") ||
	    text_ends(last, ".asc") || text_ends(last, ".gpg"))
		return fail_input("cannot download '%s' as an image: it is a list of checksums or "
				  "a signature",
				  shown);
	return 0;
}

void pull_notice(const struct pull *pull, const char *sentence)
{
	if (pull->listener != NULL && pull->listener->notice != NULL)
		pull->listener->notice(pull->listener->context, sentence);
}

/* ---- the bytes ---- */

/* Of the pipe nobody knows the length; of the download one does. */
static void hear_progress(void *context, uint64_t done, uint64_t total)
{
	struct pull *pull = context;

	if (total == 0 && pull->main_answer.length != DOWNLOAD_LENGTH_UNKNOWN)
		total = pull->main_answer.length;
	if (pull->listener != NULL && pull->listener->progress != NULL)
		pull->listener->progress(pull->listener->context, done, total);
}

static void hear_notice(void *context, const char *sentence)
{
	pull_notice(context, sentence);
}

static int begin(struct pull *pull)
{
	struct publish_request request = pull->request->target;

	if (!pull->request->keep)
		return publish_begin(pull->arena, &pull->publish, &request);
	request.name = kept_name(pull->arena, &pull->kept, pull->main_answer.etag);
	request.search = NULL;
	request.read_only = request.unseen = true;
	request.force = true; /* the name is chosen when it is known what came */
	return publish_begin(pull->arena, &pull->publish, &request);
}

static int unpack(struct pull *pull)
{
	const struct archive_listener listener = { hear_progress, hear_notice, pull };
	const struct archive_wish wish = {
		.name = pull->shown,
		.lift = true,
		.lazy = pull->request->target.lazy,
		.digest_in = true,
	};
	int output = publish_fd(&pull->publish), r;
	autoclose int scratch = -EBADF;
	struct archive_result result;

	if (pull->request->kind == PULL_TAR) {
		r = archive_import_tar(pull->pipe[0], output, &wish, &result, &listener);
	} else {
		/* Some disk images must be read here and there, and do not come so. */
		scratch = openat(pull->publish.pool_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		r = archive_import_raw(pull->pipe[0], output, scratch, &wish, &result, &listener);
	}
	/* Who downloads, and who unpacks, may say what it likes: this is what the image was made
	 * of, by who looks at none of it. */
	if (r >= 0)
		pull_write_sum(pull->sum, result.stream.digest_in);
	return r;
}

/* Nobody writes there any more. A little of what is still to come is waited for. */
static bool is_at_end(int fd)
{
	uint64_t end_us = clock_monotonic_us() + REST_US, now_us;
	struct pollfd writer = { .fd = fd, .events = POLLIN };
	size_t rest = 0;
	char data[64 * 1024];

	while (rest < REST_MAX && (now_us = clock_monotonic_us()) < end_us) {
		ssize_t n;

		if (poll(&writer, 1, (int)((end_us - now_us) / 1000) + 1) <= 0)
			continue;
		n = read(fd, data, sizeof(data));
		if (n <= 0)
			return n == 0;
		rest += (size_t)n;
	}
	return false;
}

static int verify(struct pull *pull);

/* What was cut short or is not what was published has a better reason than that it cannot be
 * unpacked, if the download has ended. */
static int explain(struct pull *pull, int r)
{
	const struct worker_listener listener = { .told = pull_hear, .context = pull };
	struct failure unpacked = *fail_recorded();
	int better;

	if (!is_at_end(pull->pipe[0])) {
		worker_done(&pull->worker);
		return r;
	}
	fail_forget();
	better = worker_finish(&pull->worker, &listener);
	if (better >= 0 && pull->main) {
		memcpy(pull->sum, pull->main_answer.sha256, sizeof(pull->sum));
		better = verify(pull);
	}
	if (better < 0)
		return better;
	fail_adopt(&unpacked);
	return r;
}

/* Until the first byte comes, or it is known that none will; then all of them. */
static int transfer(struct pull *pull)
{
	const struct worker_listener listener = { .told = pull_hear, .context = pull };
	int r;

	do
		r = worker_hear(&pull->worker, &listener);
	while (r > 0 && !pull->begun);
	if (r < 0 || !pull->begun)
		return r;
	r = begin(pull);
	if (r < 0)
		return r;
	r = unpack(pull);
	if (r < 0)
		return explain(pull, r);
	fd_close(&pull->pipe[0]);
	return worker_finish(&pull->worker, &listener);
}

/* ---- is it what was published? ---- */

static void tell_signers(struct pull *pull, const struct verified *verified)
{
	for (size_t i = 0; i < verified->signer_count; i++)
		pull_notice(pull, arena_format(pull->arena, "Signature of '%s' by %s (%s)",
					       pull->list_name, verified->signers[i].key,
					       verified->signers[i].user));
}

static int read_list(struct pull *pull, struct verified *ret)
{
	char *list, *signature = NULL;
	size_t size, signature_size = 0;
	int r;

	if (!pull->sums)
		return fail_plain(-ENOENT, "cannot verify '%s': there is no list of checksums",
				  pull->shown);
	r = pull_read_small(pull, &list, &size, pull->fetch.sums_fd);
	if (r < 0)
		return r;
	*ret = (struct verified){ .text = list, .size = size };
	if (pull->request->verify.mode == VERIFY_CHECKSUM)
		return 0;
	if (pull->signature) {
		r = pull_read_small(pull, &signature, &signature_size, pull->fetch.signature_fd);
		if (r < 0)
			return r;
	} else if (!verify_is_inline(list, size)) {
		return fail_plain(-ENOENT, "cannot verify '%s': '%s' is not signed", pull->shown,
				  pull->list_name);
	}
	r = verify_signature(pull->arena, ret, &pull->request->keyrings, pull->list_name, list,
			     size, signature, signature_size);
	if (r >= 0)
		tell_signers(pull, ret);
	return r;
}

/* All that belongs to the image has to be what the list says, and all that the list says has to be
 * here: an image without its root hash would be used without it. */
static int verify_sides(struct pull *pull, const struct verified *list)
{
	int r = pull_read_sides(pull);

	for (size_t i = 0; r >= 0 && i < FETCH_SIDES_MAX; i++) {
		const char *name = pull->fetch.sides[i];
		char wanted[CHECKSUMS_DIGITS + 1];

		if (pull->sides[i].came)
			r = verify_sum(list->text, list->size, pull->list_name, name,
				       pull->sides[i].sum);
		else if (name != NULL &&
			 checksums_find(wanted, list->text, list->size, name) != -ENOENT)
			r = fail_plain(-EBADMSG,
				       "DOWNLOAD INVALID: '%s' has a sum of '%s', which is not "
				       "beside the image",
				       pull->list_name, name);
	}
	return r;
}

static int verify(struct pull *pull)
{
	const struct verify *wanted = &pull->request->verify;
	struct verified list;
	int r;

	if (wanted->mode == VERIFY_NO)
		return 0;
	if (wanted->mode == VERIFY_SUM) {
		if (text_equal(wanted->sum, pull->sum))
			return 0;
		return fail_plain(-EBADMSG,
				  "DOWNLOAD INVALID: the sum of '%s' is %s, but %s was asked for",
				  pull->last, pull->sum, wanted->sum);
	}
	r = read_list(pull, &list);
	if (r >= 0)
		r = verify_sum(list.text, list.size, pull->list_name, pull->last, pull->sum);
	return r < 0 ? r : verify_sides(pull, &list);
}

/* ---- what it becomes ---- */

static int note_source(struct pull *pull)
{
	const struct download_answer *answer = &pull->main_answer;
	int fd = publish_fd(&pull->publish);
	struct timespec times[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ .tv_sec = (time_t)answer->modified },
	};
	int r = kept_forget(fd);

	if (r < 0)
		return fail(r, "cannot remove what '%s' says of where it is from", pull->shown);
	r = kept_note(fd, pull->shown, answer->etag, pull->sum,
		      verify_word(pull->request->verify.mode));
	if (r < 0 && r != -EOPNOTSUPP)
		pull_notice(pull, arena_format(pull->arena,
					       "Cannot note what was downloaded, so that it may be "
					       "downloaded again the next time: %s",
					       strerror(-r)));
	if (pull->request->kind == PULL_RAW && answer->modified > 0)
		(void)futimens(fd, times);
	return 0;
}

/* KEPT: the name of what is kept, if that is wished. */
static int publish(struct pull *pull, const char **kept)
{
	int r = verify(pull);

	if (r < 0)
		return r;
	r = note_source(pull);
	if (r >= 0)
		r = pull_read_sides(pull);
	if (r >= 0)
		r = pull_add_sides(pull, &pull->publish);
	if (r < 0)
		return r;
	return pull->request->keep ? pull_publish_kept(pull, kept) : publish_commit(&pull->publish);
}

/* As it is wished: by a list, and that by a signature. */
static bool can_verify(struct pull *pull)
{
	enum verify_mode mode = pull->request->verify.mode;
	size_t size;
	char *list;

	if (mode == VERIFY_NO || mode == VERIFY_SUM)
		return true;
	if (!pull->sums || mode == VERIFY_CHECKSUM || pull->signature)
		return pull->sums;
	return pull_read_small(pull, &list, &size, pull->fetch.sums_fd) >= 0 &&
	       verify_is_inline(list, size);
}

/* The image is what it was, and needs no list for that. What stands beside it may be newer, and
 * then does. */
static int take_unchanged(struct pull *pull, const char **kept)
{
	enum verify_mode mode = pull->request->verify.mode;
	struct verified list;
	int r = pull_find_kept(pull, kept);

	if (r >= 0)
		r = pull_read_sides(pull);
	if (r >= 0)
		r = pull_has_sides(pull, *kept);
	if (r != 0)
		return MIN(r, 0);
	if (!can_verify(pull)) {
		pull_notice(pull, arena_format(pull->arena,
					       "What stands beside '%s' is not what it was, and "
					       "cannot be verified: that of then is taken",
					       pull->shown));
		return 0;
	}
	pull->own_sides = true;
	if (mode == VERIFY_NO || mode == VERIFY_SUM)
		return 0;
	r = read_list(pull, &list);
	return r < 0 ? r : verify_sides(pull, &list);
}

static int run(struct pull *pull)
{
	const char *kept = NULL;
	int r = pull_start(pull);

	if (r >= 0)
		r = transfer(pull);
	if (r < 0)
		return r;
	if (!pull->main || (pull->main_answer.status != 304 && pull->sum[0] == '\0'))
		return fail_plain(-EIO, "cannot download '%s': it did not come", pull->shown);
	r = pull->main_answer.status == 304 ? take_unchanged(pull, &kept) : publish(pull, &kept);
	return r < 0 || kept == NULL ? r : pull_make_local(pull, kept);
}

int pull(struct arena *arena, const struct pull_request *request,
	 const struct archive_listener *listener)
{
	bool raw = request->kind == PULL_RAW;
	struct pull pull = {
		.arena = arena,
		.request = request,
		.listener = listener,
		.shown = download_shown(arena, request->url),
		.last = naming_last(arena, request->url),
		.fetch = { .sums_fd = -EBADF, .signature_fd = -EBADF },
		.worker = WORKER_EMPTY,
		.pipe = { -EBADF, -EBADF },
		.publish = PUBLISH_EMPTY,
	};
	int r;

	pull.kept = (struct kept){
		.pool = request->target.pool,
		.prefix = raw ? ".raw-" : ".tar-",
		.suffix = raw ? ".raw" : "",
		.url = pull.shown,
	};
	for (size_t i = 0; i < FETCH_SIDES_MAX; i++)
		pull.fetch.side_fds[i] = -EBADF;
	if (!request->keep && request->target.name == NULL)
		return fail_input("cannot download '%s' and leave nothing: neither a name was "
				  "given nor what is downloaded kept",
				  pull.shown);
	r = run(&pull);
	publish_abort(&pull.publish);
	pull_source_done(&pull);
	return r;
}
