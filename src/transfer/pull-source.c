#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "format/digest.h"
#include "io/fd.h"
#include "io/file.h"
#include "transfer/naming.h"
#include "transfer/pull-state.h"

/* ---- what a worker tells ---- */

int pull_hear(void *context, unsigned int what, const void *data, size_t size)
{
	struct pull *pull = context;
	struct download_answer answer;

	if (what == DOWNLOAD_TELLS_PART)
		return 0;
	if (download_hear(&answer, data, size) < 0)
		return fail_plain(-EBADMSG, "a worker said something that it cannot mean");
	switch (what) {
	case FETCH_TELLS_BEGUN:
		pull->begun = true;
		pull->main_answer = answer;
		return 0;
	case FETCH_TELLS_MAIN:
		pull->main = true;
		pull->main_answer = answer;
		return 0;
	case FETCH_TELLS_SUMS:
		pull->sums = true;
		pull->signature = false; /* of the other list */
		pull->list_name = answer.id == FETCH_SUMS_PER_DIRECTORY
					  ? "SHA256SUMS"
					  : arena_format(pull->arena, "%s.sha256", pull->last);
		return 0;
	case FETCH_TELLS_SIGNATURE: pull->signature = true; return 0;
	case FETCH_TELLS_SIDE:
		if (answer.id >= FETCH_SIDES_MAX)
			break;
		pull->sides[answer.id].came = true;
		return 0;
	default: break;
	}
	return fail_plain(-EBADMSG, "a worker said something that it cannot mean");
}

/* ---- what it left in memory ---- */

/* Who writes is gone, or could have passed the file on: what is verified is what is used. */
static int seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK) < 0 ? -errno : 0;
}

int pull_read_small(struct pull *pull, char **ret, size_t *ret_size, int fd)
{
	int r = seal(fd);

	if (r >= 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r >= 0)
		r = file_read_fd(pull->arena, ret, ret_size, fd, DOWNLOAD_SMALL_MAX);
	return r < 0 ? fail(r, "cannot read what came with '%s'", pull->shown) : 0;
}

void pull_write_sum(char ret[65], const unsigned char digest[32])
{
	struct digest made;

	digest_make(&made, DIGEST_SHA256, digest, 32);
	memcpy(ret, digest_hex(&made), 65);
}

static int read_side(struct pull_side *side, int fd, uint64_t limit)
{
	unsigned char digest[32];
	struct stat st;
	int r = seal(fd);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size > limit)
		return -EFBIG;
	if (st.st_size > 0) {
		void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

		if (data == MAP_FAILED)
			return -errno;
		side->data = data;
		side->size = (size_t)st.st_size;
	}
	if (EVP_Digest(side->size > 0 ? side->data : "", side->size, digest, NULL, EVP_sha256(),
		       NULL) != 1)
		return -EIO;
	pull_write_sum(side->sum, digest);
	return 0;
}

int pull_read_sides(struct pull *pull)
{
	for (size_t i = 0; i < FETCH_SIDES_MAX; i++) {
		struct pull_side *side = &pull->sides[i];
		int r;

		if (!side->came || side->sum[0] != '\0')
			continue;
		r = read_side(side, pull->fetch.side_fds[i], pull->fetch.side_limits[i]);
		if (r < 0)
			return fail(r, "cannot read '%s', which came with '%s'",
				    pull->fetch.sides[i], pull->shown);
	}
	return 0;
}

int pull_add_sides(struct pull *pull, struct publish *to)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < FETCH_SIDES_MAX; i++) {
		const struct pull_side *side = &pull->sides[i];

		if (side->came)
			r = publish_side(to, side->suffix, side->data, side->size);
	}
	return r;
}

/* ---- which files ---- */

/* What may stand beside an image; whether it may say anything is decided where it is read. */
static void name_sides(struct pull *pull)
{
	static const char *const suffixes[FETCH_SIDES_MAX] = { ".nspawn", ".roothash",
							       ".roothash.p7s", ".verity" };
	bool raw = pull->request->kind == PULL_RAW;
	const char *stem = raw ? naming_of_raw(pull->arena, pull->request->url)
			       : naming_of_tar(pull->arena, pull->request->url);

	if (pull->request->verify.mode == VERIFY_SUM) /* nothing says what they have to be */
		return;
	for (size_t i = 0; i < (raw ? FETCH_SIDES_MAX : 1); i++) {
		pull->sides[i].suffix = suffixes[i];
		pull->fetch.sides[i] = arena_format(pull->arena, "%s%s", stem, suffixes[i]);
		pull->fetch.side_limits[i] = text_equal(suffixes[i], ".verity")
						     ? FETCH_VERITY_MAX
						     : DOWNLOAD_SMALL_MAX;
	}
}

/* What is kept counts only if it was verified as it is wished now. */
static bool is_good_enough(struct pull *pull, const char *etag)
{
	const struct verify *verify = &pull->request->verify;
	char *path = arena_format(pull->arena, "%s/%s%s", pull->kept.pool,
				  kept_name(pull->arena, &pull->kept, etag), pull->kept.suffix);

	if (verify->mode == VERIFY_NO)
		return true;
	if (verify->mode == VERIFY_SUM)
		return kept_is(path, verify->sum);
	return kept_is_verified(path, verify_word(VERIFY_SIGNATURE)) ||
	       (verify->mode == VERIFY_CHECKSUM &&
		kept_is_verified(path, verify_word(VERIFY_CHECKSUM)));
}

static const char *known_etags(struct pull *pull)
{
	struct text_list etags = { 0 };
	char *all = NULL;

	if (!pull->request->keep || kept_etags(pull->arena, &etags, &pull->kept) < 0)
		return NULL;
	for (size_t i = 0; i < etags.count; i++) {
		if (!is_good_enough(pull, etags.items[i]))
			continue;
		text_list_add(pull->arena, &pull->etags, etags.items[i]);
		all = all == NULL ? etags.items[i]
				  : arena_format(pull->arena, "%s, %s", all, etags.items[i]);
	}
	return all;
}

static int make_small(int *ret)
{
	int fd = memfd_create("pulled", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return fail(-errno, "cannot make a file in memory");
	*ret = fd;
	return 0;
}

static int make_all(struct pull *pull)
{
	int r = make_small(&pull->fetch.sums_fd);

	if (r >= 0)
		r = make_small(&pull->fetch.signature_fd);
	for (size_t i = 0; r >= 0 && i < FETCH_SIDES_MAX; i++)
		if (pull->fetch.sides[i] != NULL)
			r = make_small(&pull->fetch.side_fds[i]);
	if (r >= 0 && pipe2(pull->pipe, O_CLOEXEC) < 0)
		r = fail(-errno, "cannot make a pipe");
	if (r < 0)
		return r;
	fcntl(pull->pipe[1], F_SETPIPE_SZ, 1024 * 1024);
	pull->fetch.main_fd = pull->pipe[1];
	return 0;
}

/* ---- from the network ---- */

static int start_web(struct pull *pull)
{
	int fds[WORKER_FDS_MAX] = { pull->pipe[1], pull->fetch.sums_fd, pull->fetch.signature_fd };
	struct worker_request request = {
		.name = "download",
		.run = fetch_web,
		.context = &pull->fetch,
		.view = WORKER_SEES_NETWORK,
		.tree_fd = -EBADF,
		.fds = fds,
		.fd_count = 3,
	};

	for (size_t i = 0; i < FETCH_SIDES_MAX; i++)
		if (pull->fetch.side_fds[i] >= 0)
			fds[request.fd_count++] = pull->fetch.side_fds[i];
	return worker_start(&pull->worker, &request);
}

/* ---- from this host ---- */

/* What a URL has as %20 is a blank here. */
static const char *local_path(struct arena *arena, const char *text)
{
	char *path = arena_take(arena, strlen(text) + 1), *to = path;

	for (; *text != '\0'; text++) {
		int high = *text == '%' ? parse_hex_digit(text[1]) : -1;
		int low = high < 0 ? -1 : parse_hex_digit(text[2]);

		if (low >= 0 && high + low > 0) {
			*to++ = (char)(high * 16 + low);
			text += 2;
		} else {
			*to++ = *text;
		}
	}
	return path;
}

/* 1: it is there, and TO has it. */
static int copy_small(struct pull *pull, int to, const char *text, uint64_t limit)
{
	const char *path = local_path(pull->arena, text);
	autoclose int from = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	int r;

	if (from < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (from < 0 || fstat(from, &st) < 0)
		return fail(-errno, "cannot open '%s'", path);
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > limit)
		return fail_plain(-EFBIG, "'%s' is larger than %llu bytes", path,
				  (unsigned long long)limit);
	r = file_copy_fd(to, from);
	return r < 0 ? fail(r, "cannot read '%s'", path) : 1;
}

/* The first list that there is, with the signature beside it. */
static int copy_sums(struct pull *pull, const char *path)
{
	static const char *const endings[] = { ".asc", ".gpg" };
	char *const names[] = { arena_format(pull->arena, "%s.sha256", pull->last),
				arena_text(pull->arena, "SHA256SUMS") };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char *list = fetch_sibling(pull->arena, path, names[i]);
		int r = copy_small(pull, pull->fetch.sums_fd, list, DOWNLOAD_SMALL_MAX);

		if (r < 0)
			return r;
		if (r == 0)
			continue;
		pull->sums = true;
		pull->list_name = names[i];
		for (size_t j = 0; r >= 0 && j < 2 && !pull->signature; j++) {
			r = copy_small(pull, pull->fetch.signature_fd,
				       arena_format(pull->arena, "%s%s", list, endings[j]),
				       DOWNLOAD_SMALL_MAX);
			pull->signature = r > 0;
		}
		return r;
	}
	return 0;
}

static int start_file(struct pull *pull)
{
	const char *text = text_after(pull->request->url, "file://");
	const char *path = local_path(pull->arena, text);
	autoclose int from = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	struct fetch_file fetch = {
		.from_fd = from,
		.main_fd = pull->pipe[1],
	};
	int fds[WORKER_FDS_MAX] = { from, pull->pipe[1] };
	struct worker_request request = {
		.name = "read",
		.run = fetch_file,
		.context = &fetch,
		.view = WORKER_SEES_NOTHING,
		.tree_fd = -EBADF,
		.fds = fds,
		.fd_count = 2,
	};
	int r;

	if (from < 0)
		return fail(-errno, "cannot open '%s'", path);
	r = pull->fetch.sums ? copy_sums(pull, text) : 0;
	for (size_t i = 0; r >= 0 && i < FETCH_SIDES_MAX; i++) {
		if (pull->fetch.sides[i] == NULL)
			continue;
		r = copy_small(pull, pull->fetch.side_fds[i],
			       fetch_sibling(pull->arena, text, pull->fetch.sides[i]),
			       pull->fetch.side_limits[i]);
		pull->sides[i].came = r > 0;
	}
	return r < 0 ? r : worker_start(&pull->worker, &request);
}

int pull_start(struct pull *pull)
{
	enum verify_mode mode = pull->request->verify.mode;
	int r;

	pull->fetch.url = pull->request->url;
	pull->fetch.last = pull->last;
	pull->fetch.sums = mode == VERIFY_CHECKSUM || mode == VERIFY_SIGNATURE;
	pull->fetch.signature = mode == VERIFY_SIGNATURE;
	pull->fetch.if_none_match = known_etags(pull);
	pull->fetch.trust = pull->request->trust;
	name_sides(pull);
	r = make_all(pull);
	if (r >= 0)
		r = download_is_url(pull->request->url) ? start_web(pull) : start_file(pull);
	fd_close(&pull->pipe[1]);
	return r;
}

void pull_source_done(struct pull *pull)
{
	worker_done(&pull->worker);
	fd_close(&pull->pipe[0]);
	fd_close(&pull->pipe[1]);
	fd_close(&pull->fetch.sums_fd);
	fd_close(&pull->fetch.signature_fd);
	for (size_t i = 0; i < FETCH_SIDES_MAX; i++) {
		fd_close(&pull->fetch.side_fds[i]);
		if (pull->sides[i].size > 0)
			munmap(pull->sides[i].data, pull->sides[i].size);
	}
}
