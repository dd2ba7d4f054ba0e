#include "transfer/download.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/macros.h"
#include "base/text.h"
#include "base/version.h"
#include "io/clock.h"
#include "io/file.h"
#include "transfer/download-body.h"

#define PARALLEL_DEFAULT 4
#define CONNECT_SECONDS 30L
#define TRIES_MAX 7	   /* without a new byte: 25 seconds */
#define STALLED_MAX 3	   /* answered, and ended where the last one did, or was slow */
#define ENOUGH (16 * 1024) /* new bytes that are worth more tries */
#define WAIT_US 200000u	   /* doubled each time */
#define WAIT_MAX_US (30 * 1000000u)
#define BUNDLE_MAX (8 * 1024 * 1024)

static const char *shown(struct transfer *transfer)
{
	return download_shown(&transfer->all->arena, transfer->download->url);
}

static bool is_get(const struct download *download)
{
	return download->method == NULL || text_equal(download->method, "GET") ||
	       text_equal(download->method, "HEAD");
}

/* ---- one attempt ---- */

static size_t take_header(char *line, size_t size, size_t count, void *context)
{
	struct transfer *transfer = context;
	int r = download_take_header(transfer, line, size * count);

	if (r < 0)
		transfer->error = fail_plain(r, "'%s': the answer's head is larger than %d bytes",
					     shown(transfer), DOWNLOAD_HEADERS_MAX);
	return r < 0 ? 0 : size * count;
}

static size_t give_body(char *to, size_t size, size_t count, void *context)
{
	struct transfer *transfer = context;
	ssize_t n = read(transfer->download->body_fd, to, size * count);

	return n < 0 ? CURL_READFUNC_ABORT : (size_t)n;
}

static void add_header(struct transfer *transfer, const char *line)
{
	struct curl_slist *more = curl_slist_append(transfer->headers, line);

	if (more == NULL)
		abort();
	transfer->headers = more;
}

/* Only with a strong validator the same bytes are certainly meant. */
static void ask_for_rest(struct transfer *transfer)
{
	char line[512];
	const char *validator = transfer->validator;

	transfer->ranged = transfer->received > 0 && !transfer->no_range && validator[0] != '\0';
	if (!transfer->ranged)
		return;
	snprintf(line, sizeof(line), "Range: bytes=%llu-", (unsigned long long)transfer->received);
	add_header(transfer, line);
	snprintf(line, sizeof(line), "If-Range: %s", validator);
	add_header(transfer, line);
}

static void set_headers(struct transfer *transfer)
{
	struct download *download = transfer->download;

	curl_slist_free_all(transfer->headers);
	transfer->headers = NULL;
	for (const char *const *at = download->headers; at != NULL && *at != NULL; at++)
		add_header(transfer, *at);
	if (download->authorization != NULL && !transfer->foreign)
		add_header(transfer, arena_format(&transfer->all->arena, "Authorization: %s",
						  download->authorization));
	if (!is_get(download))
		add_header(transfer, "Expect:");
	ask_for_rest(transfer);
	curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
	curl_easy_setopt(transfer->easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
}

static void set_method(struct transfer *transfer)
{
	struct download *download = transfer->download;
	CURL *easy = transfer->easy;

	if (text_equal(download->method, "HEAD")) {
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
		return;
	}
	if (is_get(download))
		return;
	if (download->body_fd > 0) {
		curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_body);
		curl_easy_setopt(easy, CURLOPT_READDATA, transfer);
		curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)download->body_size);
	} else {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
				 download->body == NULL ? "" : download->body);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
				 (curl_off_t)(download->body == NULL ? 0 : download->body_size));
	}
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, download->method);
}

static void set_place(struct transfer *transfer)
{
	const struct download_trust *trust = transfer->all->trust;
	CURL *easy = transfer->easy;

	curl_easy_setopt(easy, CURLOPT_CURLU, transfer->now);
	if (download_is_host_local(transfer->now))
		curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (trust != NULL && trust->size > 0) {
		struct curl_blob blob = {
			.data = (void *)trust->bundle,
			.len = trust->size,
			.flags = CURL_BLOB_NOCOPY,
		};

		curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
	}
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, download_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
}

static void set_flow(struct transfer *transfer)
{
	unsigned int patience = transfer->download->patience;
	CURL *easy = transfer->easy;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->sentence);
	curl_easy_setopt(easy, CURLOPT_USERAGENT,
			 arena_format(&transfer->all->arena, "Redd/%s", version_number));
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, download_take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L * 1024);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, download_watch);
	curl_easy_setopt(easy, CURLOPT_XFERINFODATA, transfer);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
			 (long)(patience > 0 ? patience : PATIENCE_SECONDS));
}

static int attempt(struct transfer *transfer)
{
	struct download *download = transfer->download;

	transfer->judged = transfer->refused = transfer->slow = false;
	transfer->window_us = transfer->window_bytes = 0;
	transfer->skip = 0;
	transfer->header_bytes = 0;
	transfer->attempt = transfer->received;
	transfer->error = 0;
	transfer->sentence[0] = '\0';
	transfer->heard = (struct download_answer){ .length = DOWNLOAD_LENGTH_UNKNOWN };
	if (transfer->suspect && download_is_host_refused(transfer->now))
		return fail_plain(-EACCES, "refusing to connect to the link-local address of '%s'",
				  shown(transfer));
	if (download->body_fd > 0 && lseek(download->body_fd, 0, SEEK_SET) < 0)
		return fail(-errno, "cannot send a file to '%s'", shown(transfer));
	curl_easy_reset(transfer->easy);
	set_place(transfer);
	set_flow(transfer);
	set_method(transfer);
	set_headers(transfer);
	transfer->phase = DOWNLOAD_RUNS;
	if (curl_multi_add_handle(transfer->all->multi, transfer->easy) != CURLM_OK)
		return fail(-ENOMEM, "cannot download '%s'", shown(transfer));
	return 0;
}

/* ---- after an attempt ---- */

static int over(struct transfer *transfer, int result)
{
	struct download *download = transfer->download;

	transfer->phase = DOWNLOAD_OVER;
	download->foreign = transfer->foreign;
	download->answer.size = transfer->received;
	download->result = result < 0 ? result : download_end_body(transfer);
	if (download->done != NULL)
		return download->done(transfer->all, download);
	return download->result;
}

static void remember_validator(struct transfer *transfer)
{
	const struct download_answer *answer = &transfer->download->answer;

	if (transfer->validator[0] != '\0' || answer->etag[0] != '"')
		return; /* a weak one says nothing of bytes, and a date little */
	memcpy(transfer->validator, answer->etag, sizeof(answer->etag));
}

/* From the start of its way, since a redirect may be good only once. */
static int again(struct transfer *transfer, uint64_t at_least_us)
{
	uint64_t wait = MIN((uint64_t)WAIT_US << transfer->tries, WAIT_MAX_US);

	remember_validator(transfer);
	transfer->tries++;
	transfer->redirects = 0;
	transfer->foreign = false;
	transfer->suspect = transfer->download->pointed;
	curl_url_cleanup(transfer->now);
	transfer->now = curl_url_dup(transfer->first);
	if (transfer->now == NULL)
		return over(transfer, fail(-ENOMEM, "cannot download '%s'", shown(transfer)));
	transfer->not_before_us = clock_monotonic_us() + MAX(wait, MIN(at_least_us, WAIT_MAX_US));
	transfer->phase = DOWNLOAD_WAITS;
	return 0;
}

static bool may_try_again(struct transfer *transfer, bool answered)
{
	uint64_t more = transfer->received - transfer->attempt;

	if (more >= ENOUGH)
		transfer->tries = 0;
	if (more > 0 && !transfer->slow)
		transfer->stalled = 0;
	else if (answered)
		transfer->stalled++;
	return is_get(transfer->download) && transfer->tries < TRIES_MAX &&
	       transfer->stalled < STALLED_MAX;
}

static bool is_lost(CURLcode code)
{
	switch (code) {
	case CURLE_ABORTED_BY_CALLBACK: /* it was slow */
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
	case CURLE_OPERATION_TIMEDOUT: return true;
	default: return false;
	}
}

static bool is_unreachable(CURLcode code)
{
	return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
	       code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_SSL_CONNECT_ERROR;
}

static int number_of(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY: return -EHOSTUNREACH;
	case CURLE_COULDNT_CONNECT: return -ECONNREFUSED;
	case CURLE_ABORTED_BY_CALLBACK:
	case CURLE_OPERATION_TIMEDOUT: return -ETIMEDOUT;
	case CURLE_PEER_FAILED_VERIFICATION: return -EKEYREJECTED;
	case CURLE_OUT_OF_MEMORY: return -ENOMEM;
	default: return -EIO;
	}
}

static int broken(struct transfer *transfer, CURLcode code)
{
	const char *why = transfer->sentence[0] ? transfer->sentence : curl_easy_strerror(code);
	struct arena *arena = &transfer->all->arena;
	int r;

	if (transfer->slow)
		why = arena_format(arena, "for %u seconds fewer than %d bytes a second came",
				   download_window(transfer), DOWNLOAD_SLOWEST);

	if (transfer->error < 0)
		return over(transfer, transfer->error);
	if (transfer->refused)
		return over(transfer, fail_plain(-EACCES,
						 "refusing to be sent to a link-local address by "
						 "'%s'",
						 shown(transfer)));
	if ((is_lost(code) || (is_unreachable(code) && transfer->received > 0)) &&
	    may_try_again(transfer, is_lost(code)))
		return again(transfer, 0);
	if (code == CURLE_PEER_FAILED_VERIFICATION)
		r = fail_plain(-EKEYREJECTED, "cannot trust the server of '%s': %s",
			       shown(transfer), text_printable(arena, why));
	else if (transfer->received > 0)
		r = fail_plain(number_of(code), "cannot download '%s': lost after %llu bytes: %s",
			       shown(transfer), (unsigned long long)transfer->received,
			       text_printable(arena, why));
	else
		r = fail_plain(number_of(code), "cannot %s '%s': %s",
			       transfer->download->method == NULL ? "download" : "reach",
			       shown(transfer), text_printable(arena, why));
	return over(transfer, r);
}

static bool is_redirect(const struct transfer *transfer)
{
	uint32_t status = transfer->heard.status;

	if (transfer->heard.location[0] == '\0')
		return false;
	if (status == 307 || status == 308)
		return true;
	return is_get(transfer->download) && status >= 301 && status <= 303;
}

static bool is_for_now(uint32_t status)
{
	return status == 429 || status == 502 || status == 503 || status == 504;
}

static int answered(struct transfer *transfer)
{
	uint32_t status = transfer->heard.status;
	curl_off_t later = 0;
	int r;

	if (is_redirect(transfer)) {
		r = download_redirect(transfer);
		return r < 0 ? over(transfer, r) : (transfer->phase = DOWNLOAD_WAITS, 0);
	}
	if (is_for_now(status) && may_try_again(transfer, true)) {
		curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &later);
		return again(transfer, later > 0 ? (uint64_t)later * 1000000 : 0);
	}
	if (status == 416 && transfer->ranged) {
		transfer->no_range = true;
		return again(transfer, 0);
	}
	r = download_judge(transfer);
	if (r >= 0 && transfer->received > 0 && transfer->heard.status != 200)
		r = fail_plain(-EIO, "cannot go on with '%s' after %llu bytes: status %u",
			       shown(transfer), (unsigned long long)transfer->received, status);
	return over(transfer, r);
}

static int attempted(struct transfer *transfer, CURLcode code)
{
	curl_multi_remove_handle(transfer->all->multi, transfer->easy);
	return code == CURLE_OK && transfer->error == 0 ? answered(transfer)
							: broken(transfer, code);
}

/* ---- all of them ---- */

int download_open(struct downloads **ret, struct worker_side *side,
		  const struct download_trust *trust, unsigned int parallel)
{
	struct downloads *all = calloc(1, sizeof(*all));

	/* Who reads the pipe may be gone: then a write fails, and is told. */
	signal(SIGPIPE, SIG_IGN);
	if (all == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(all);
		return fail(-ENOMEM, "cannot prepare downloads");
	}
	all->side = side;
	all->trust = trust;
	all->parallel = parallel > 0 ? parallel : PARALLEL_DEFAULT;
	all->multi = curl_multi_init();
	if (all->multi == NULL) {
		free(all);
		return fail(-ENOMEM, "cannot prepare downloads");
	}
	*ret = all;
	return 0;
}

static void drop(struct transfer *transfer)
{
	curl_easy_cleanup(transfer->easy);
	curl_slist_free_all(transfer->headers);
	curl_url_cleanup(transfer->first);
	curl_url_cleanup(transfer->now);
	EVP_MD_CTX_free(transfer->sum);
	EVP_MD_CTX_free(transfer->over);
	free(transfer->memory);
	free(transfer);
}

static int prepare(struct transfer *transfer)
{
	struct download *download = transfer->download;
	const char *validator = download->validator;

	transfer->first = download_parse_url(download->url);
	if (transfer->first == NULL)
		return fail_input("cannot download '%s': this is no http:// or https:// URL",
				  download_shown(&transfer->all->arena, download->url));
	transfer->now = curl_url_dup(transfer->first);
	transfer->easy = curl_easy_init();
	transfer->sum = EVP_MD_CTX_new();
	if (transfer->now == NULL || transfer->easy == NULL || transfer->sum == NULL ||
	    EVP_DigestInit_ex(transfer->sum, EVP_sha256(), NULL) != 1)
		return fail(-ENOMEM, "cannot download '%s'", shown(transfer));
	if (validator != NULL && strlen(validator) < sizeof(transfer->validator))
		memcpy(transfer->validator, validator, strlen(validator) + 1);
	return download->have > 0 ? download_take_up(transfer) : 0;
}

int download_add(struct downloads *all, struct download *download)
{
	struct transfer *transfer = calloc(1, sizeof(*transfer)), **at = &all->all;
	int r;

	if (transfer == NULL)
		return fail(-ENOMEM, "cannot prepare a download");
	transfer->download = download;
	transfer->all = all;
	transfer->suspect = download->pointed;
	download->result = 0;
	download->foreign = false;
	download->answer = (struct download_answer){
		.id = download->id,
		.length = DOWNLOAD_LENGTH_UNKNOWN,
	};
	download->text = "";
	download->text_size = 0;
	r = prepare(transfer);
	if (r < 0) {
		drop(transfer);
		return r;
	}
	while (*at != NULL)
		at = &(*at)->next;
	*at = transfer;
	return 0;
}

/* Starts what may start. *RET_MS: when the next one may; 0 of them: none is left. */
static int start_some(struct downloads *all, int *ret_ms)
{
	uint64_t now = clock_monotonic_us(), next = now + 1000000;
	unsigned int running = 0, left = 0;
	int r;

	for (struct transfer *at = all->all; at != NULL; at = at->next) {
		running += at->phase == DOWNLOAD_RUNS;
		left += at->phase != DOWNLOAD_OVER;
	}
	for (struct transfer *at = all->all; at != NULL && running < all->parallel; at = at->next) {
		if (at->phase != DOWNLOAD_WAITS)
			continue;
		if (at->not_before_us > now) {
			next = MIN(next, at->not_before_us);
			continue;
		}
		r = attempt(at);
		if (r < 0) {
			r = over(at, r);
			next = now;
		}
		if (r < 0)
			return r;
		running++;
	}
	*ret_ms = (int)((next - now + 999) / 1000);
	return left > 0;
}

/* How many have ended. */
static int hear_ends(struct downloads *all)
{
	struct transfer *transfer;
	CURLMsg *message;
	int left, ended = 0, r = 0;

	while (r >= 0 && (message = curl_multi_info_read(all->multi, &left)) != NULL) {
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
		r = attempted(transfer, code);
		ended++;
	}
	return r < 0 ? r : ended;
}

int download_run(struct downloads *all)
{
	int wait_ms, running, r;

	for (;;) {
		r = start_some(all, &wait_ms);
		if (r <= 0)
			return r;
		if (curl_multi_perform(all->multi, &running) != CURLM_OK)
			return fail(-EIO, "cannot download");
		r = hear_ends(all);
		if (r < 0)
			return r;
		if (r > 0)
			continue; /* a redirect is followed at once */
		if (curl_multi_poll(all->multi, NULL, 0, wait_ms, NULL) != CURLM_OK)
			return fail(-EIO, "cannot wait for downloads");
	}
}

void download_close(struct downloads *all)
{
	if (all == NULL)
		return;
	while (all->all != NULL) {
		struct transfer *transfer = all->all;

		all->all = transfer->next;
		if (transfer->phase == DOWNLOAD_RUNS)
			curl_multi_remove_handle(all->multi, transfer->easy);
		drop(transfer);
	}
	curl_multi_cleanup(all->multi);
	arena_done(&all->arena);
	free(all);
}

int download_one(struct arena *arena, struct worker_side *side, const struct download_trust *trust,
		 struct download *download)
{
	struct downloads *all;
	int r = download_open(&all, side, trust, 1);

	if (r < 0)
		return r;
	r = download_add(all, download);
	if (r >= 0)
		r = download_run(all);
	download->text = arena_text_n(arena, download->text, download->text_size);
	download_close(all);
	return r < 0 ? r : download->result;
}

int download_read_trust(struct arena *arena, struct download_trust *ret,
			const char *const *environment)
{
	const char *path = text_variable(environment, "SSL_CERT_FILE");
	char *bundle;
	size_t size;
	int r;

	*ret = (struct download_trust){ 0 };
	if (text_empty(path))
		return 0;
	r = file_read(arena, &bundle, &size, AT_FDCWD, path, BUNDLE_MAX);
	if (r < 0)
		return fail(r, "cannot read the certificates in '%s' ($SSL_CERT_FILE)", path);
	ret->bundle = bundle;
	ret->size = size;
	return 0;
}
