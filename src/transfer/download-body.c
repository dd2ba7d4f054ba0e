#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/macros.h"
#include "io/clock.h"
#include "io/fd.h"
#include "transfer/download-body.h"
#include "transfer/worker.h"

#define PART_US (100 * 1000)
#define BLOCKED_US 1000000 /* then it was not the server that was slow */

static const char *shown(struct transfer *transfer)
{
	return download_shown(&transfer->all->arena, transfer->download->url);
}

static uint64_t limit_of(const struct transfer *transfer)
{
	return transfer->download->limit > 0 ? transfer->download->limit : DOWNLOAD_SMALL_MAX;
}

static bool is_for_fd(const struct transfer *transfer)
{
	return transfer->download->fd > 0 && transfer->heard.status == 200;
}

static int too_large(struct transfer *transfer)
{
	return fail_plain(-EFBIG, "'%s' is larger than %llu bytes", shown(transfer),
			  (unsigned long long)limit_of(transfer));
}

static int changed(struct transfer *transfer)
{
	return fail_plain(-ESTALE, "'%s' changed on the server while it was downloaded (try again)",
			  shown(transfer));
}

/* ---- where it is ---- */

static void tell_part(struct transfer *transfer)
{
	struct download_part part = {
		.id = transfer->download->id,
		.done = transfer->received,
		.total = transfer->download->answer.length,
	};
	struct downloads *all = transfer->all;
	uint64_t now = clock_monotonic_us(), done = 0, total = 0;
	bool known = true;

	if (transfer->download->quiet || now - transfer->told_us < PART_US)
		return;
	transfer->told_us = now;
	if (part.total == DOWNLOAD_LENGTH_UNKNOWN)
		part.total = 0;
	worker_tell(all->side, DOWNLOAD_TELLS_PART, &part, sizeof(part));
	for (struct transfer *at = all->all; at != NULL; at = at->next) {
		if (at->download->quiet)
			continue;
		done += at->received;
		known = known && at->download->answer.length != DOWNLOAD_LENGTH_UNKNOWN;
		total += at->download->answer.length;
	}
	worker_progress(all->side, done, known ? total : 0);
}

/* ---- what the answer means for its body ---- */

static int begin(struct transfer *transfer)
{
	struct download *download = transfer->download;

	if (transfer->began || !is_for_fd(transfer))
		return 0;
	transfer->began = true;
	return download->began == NULL ? 0 : download->began(transfer->all, download);
}

static int judge_range(struct transfer *transfer)
{
	uint64_t start, total;

	if (!transfer->ranged ||
	    download_parse_range(&start, &total, transfer->content_range) < 0 ||
	    start != transfer->received)
		return fail_plain(-EPROTO, "'%s': the server sent another part than was asked for",
				  shown(transfer));
	if (transfer->download->answer.status == 0) { /* begun another time */
		transfer->heard.length = total;
		transfer->heard.status = 200;
		transfer->download->answer = transfer->heard;
	} else if (total != DOWNLOAD_LENGTH_UNKNOWN &&
		   transfer->download->answer.length != DOWNLOAD_LENGTH_UNKNOWN &&
		   total != transfer->download->answer.length) {
		return changed(transfer);
	}
	transfer->heard.status = 200;
	return 0;
}

/* The first SIZE bytes of the file, in the sum of what came. */
static int sum_file(struct transfer *transfer, uint64_t size)
{
	char data[64 * 1024];

	for (uint64_t at = 0; at < size;) {
		ssize_t n = pread(transfer->download->fd, data, MIN(sizeof(data), size - at),
				  (off_t)at);

		if (n <= 0)
			return fail(n < 0 ? -errno : -EIO, "cannot read what is there of '%s'",
				    shown(transfer));
		EVP_DigestUpdate(transfer->sum, data, (size_t)n);
		at += (uint64_t)n;
	}
	return 0;
}

/* From its start again: what is there already is read over, and compared by its sum. */
static int judge_again(struct transfer *transfer)
{
	bool unsummed = transfer->download->unsummed;

	if (transfer->over == NULL)
		transfer->over = EVP_MD_CTX_new();
	if (transfer->over == NULL || EVP_DigestInit_ex(transfer->over, EVP_sha256(), NULL) != 1)
		return fail(-ENOMEM, "cannot compute a sum");
	transfer->skip = transfer->received;
	if (transfer->download->answer.status == 0)
		transfer->download->answer = transfer->heard;
	if (unsummed && EVP_DigestInit_ex(transfer->sum, EVP_sha256(), NULL) != 1)
		return fail(-ENOMEM, "cannot compute a sum");
	return unsummed ? sum_file(transfer, transfer->received) : 0;
}

static int judge_first(struct transfer *transfer)
{
	transfer->download->answer = transfer->heard;
	transfer->memory_size = 0;
	if (transfer->heard.status == 200 && transfer->heard.length != DOWNLOAD_LENGTH_UNKNOWN &&
	    transfer->heard.length > limit_of(transfer))
		return too_large(transfer);
	return 0;
}

int download_judge(struct transfer *transfer)
{
	uint32_t status = transfer->heard.status;
	int r = 0;

	if (transfer->judged)
		return 0;
	transfer->judged = true;
	if (status == 206)
		r = judge_range(transfer);
	else if (transfer->received > 0 && status == 200)
		r = judge_again(transfer);
	else if (transfer->received == 0)
		r = judge_first(transfer);
	return r < 0 ? r : begin(transfer);
}

/* ---- the bytes ---- */

static int keep_in_memory(struct transfer *transfer, const char *data, size_t size)
{
	size_t room = transfer->memory_room;

	while (room < transfer->memory_size + size + 1)
		room = room == 0 ? 16 * 1024 : room * 2;
	if (room > transfer->memory_room) {
		char *larger = realloc(transfer->memory, room);

		if (larger == NULL)
			return fail(-ENOMEM, "cannot keep '%s'", shown(transfer));
		transfer->memory = larger;
		transfer->memory_room = room;
	}
	memcpy(transfer->memory + transfer->memory_size, data, size);
	transfer->memory_size += size;
	transfer->memory[transfer->memory_size] = '\0';
	return 0;
}

static bool is_same_so_far(struct transfer *transfer)
{
	unsigned char then[EVP_MAX_MD_SIZE], now[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *copy = EVP_MD_CTX_new();
	bool same = copy != NULL && EVP_MD_CTX_copy_ex(copy, transfer->sum) == 1 &&
		    EVP_DigestFinal_ex(copy, then, NULL) == 1 &&
		    EVP_DigestFinal_ex(transfer->over, now, NULL) == 1 &&
		    memcmp(then, now, 32) == 0;

	EVP_MD_CTX_free(copy);
	return same;
}

static int deliver(struct transfer *transfer, const char *data, size_t size)
{
	uint64_t limit = limit_of(transfer), begun_us = clock_monotonic_us();
	int r;

	if (size > limit || transfer->received > limit - size)
		return too_large(transfer);
	if (is_for_fd(transfer)) {
		r = fd_write_all(transfer->download->fd, data, size);
		if (clock_monotonic_us() - begun_us > BLOCKED_US)
			transfer->window_us = 0;
		if (r < 0)
			return fail(r, "cannot write what was downloaded from '%s'",
				    shown(transfer));
	} else {
		r = keep_in_memory(transfer, data, size);
		if (r < 0)
			return r;
	}
	if (!transfer->download->unsummed && EVP_DigestUpdate(transfer->sum, data, size) != 1)
		return fail(-EIO, "cannot compute a sum");
	transfer->received += size;
	tell_part(transfer);
	return 0;
}

/* The page of an error: as much as is of use. It does not count as received. */
static int take_page(struct transfer *transfer, const char *data, size_t size)
{
	uint64_t limit = MIN(limit_of(transfer), DOWNLOAD_SMALL_MAX);

	if (transfer->received > 0 || transfer->memory_size >= limit)
		return 0;
	return keep_in_memory(transfer, data, MIN(size, limit - transfer->memory_size));
}

static int take(struct transfer *transfer, const char *data, size_t size)
{
	int r = download_judge(transfer);
	size_t over = MIN(size, transfer->skip); /* as just judged */

	if (r < 0)
		return r;
	if (transfer->heard.status != 200)
		return take_page(transfer, data, size);
	if (over > 0) {
		EVP_DigestUpdate(transfer->over, data, over);
		transfer->skip -= over;
		if (transfer->skip == 0 && !is_same_so_far(transfer))
			return changed(transfer);
	}
	return size > over ? deliver(transfer, data + over, size - over) : 0;
}

size_t download_take_body(char *data, size_t size, size_t count, void *context)
{
	struct transfer *transfer = context;

	transfer->error = take(transfer, data, size * count);
	return transfer->error < 0 ? 0 : size * count;
}

/* ---- how quickly they come ---- */

unsigned int download_window(const struct transfer *transfer)
{
	unsigned int patience = transfer->download->patience;

	return 2 * (patience > 0 ? patience : PATIENCE_SECONDS);
}

/* Over all of the window: curl itself is content with a byte, or a second of many. */
int download_watch(void *context, curl_off_t total_in, curl_off_t in, curl_off_t total_out,
		   curl_off_t out)
{
	struct transfer *transfer = context;
	uint64_t now = clock_monotonic_us(), bytes = (uint64_t)in + (uint64_t)out;
	uint64_t passed = now - transfer->window_us;

	(void)total_in;
	(void)total_out;
	if (transfer->window_us != 0) {
		if (passed < download_window(transfer) * UINT64_C(1000000))
			return 0;
		transfer->slow = bytes - transfer->window_bytes <
				 passed / 1000000 * DOWNLOAD_SLOWEST;
	}
	transfer->window_us = now;
	transfer->window_bytes = bytes;
	return transfer->slow;
}

/* ---- its end ---- */

int download_end_body(struct transfer *transfer)
{
	struct download_answer *answer = &transfer->download->answer;
	unsigned char sum[EVP_MAX_MD_SIZE];

	if (transfer->skip > 0)
		return changed(transfer);
	if (transfer->memory_size == 0 && keep_in_memory(transfer, "", 0) < 0)
		return -ENOMEM;
	if (!transfer->download->unsummed) {
		if (EVP_DigestFinal_ex(transfer->sum, sum, NULL) != 1)
			return fail(-EIO, "cannot compute a sum");
		for (size_t i = 0; i < 32; i++) {
			answer->sha256[2 * i] = "0123456789abcdef"[sum[i] >> 4];
			answer->sha256[2 * i + 1] = "0123456789abcdef"[sum[i] & 15];
		}
		answer->sha256[64] = '\0';
	}
	transfer->download->text = transfer->memory;
	transfer->download->text_size = transfer->memory_size;
	transfer->told_us = 0;
	tell_part(transfer);
	return 0;
}

/* What was there before belongs to the sum. */
int download_take_up(struct transfer *transfer)
{
	uint64_t have = transfer->download->have;
	int r = transfer->download->unsummed ? 0 : sum_file(transfer, have);

	if (r >= 0 && lseek(transfer->download->fd, (off_t)have, SEEK_SET) < 0)
		r = fail(-errno, "cannot go on with '%s'", shown(transfer));
	if (r < 0)
		return r;
	transfer->received = have;
	return 0;
}
