/* Layers come: up to five are fetched at once, while as many are unpacked as there are processors
 * (transfer/oci-image). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/text.h"
#include "image/blob.h"
#include "image/layers.h"
#include "io/fd.h"
#include "transfer/archive.h"
#include "transfer/between.h"
#include "transfer/download.h"
#include "transfer/job.h"
#include "transfer/oci-image.h"
#include "transfer/oci-read.h"
#include "transfer/registry.h"
#include "transfer/stream.h"
#include "transfer/unpack.h"
#include "transfer/worker.h"

#define UNPACKERS_MAX 8
#define FILES_OPEN 8192

/* UNPACKED: whether it is what it should be is not known yet. */
enum phase { WANTED, FETCHING, FETCHED, UNPACKING, UNPACKED, FAILED, READY, DONE };

struct filling {
	enum phase phase;
	size_t number;
	const struct oci_blob *blob; /* digest "": it is not known */
	const struct digest *id;
	struct digest sum;     /* of the blob's bytes; "": not known yet */
	struct digest content; /* of what came to who unpacked it */
	struct worker worker;
	struct between between;
	char part[JOB_PART_ROOM]; /* what it is called while it comes */
	unsigned int notices;
};

struct filler {
	struct arena *arena;
	struct oci_image *image;
	const struct oci_fill *fill;
	struct filling *all;
	size_t count, fetching, unpacking, unpackers;
	uint64_t fetched, total;
	struct filling *heard; /* whose worker speaks */
	struct filling *summed;
	struct oci_hash *hash; /* of it */
};

/* ---- unpacking, inside ---- */

enum told { TOLD_NOTICE };

struct unpacking {
	int input;
	const char *name;
	bool lazy;
};

static int tell_notice(void *context, const char *sentence)
{
	return worker_tell(context, TOLD_NOTICE, sentence, strlen(sentence));
}

static int unpack(struct worker_side *side, void *context)
{
	const struct unpacking *unpacking = context;
	const struct stream_wish from = { .name = unpacking->name, .plain = true };
	const struct unpack_context where = {
		.tree_fd = worker_tree(side),
		.side = side,
		.notice = tell_notice,
		.context = side,
	};
	const struct unpack_wish wish = { .layer = true, .lazy = unpacking->lazy };
	struct stream_result result;
	struct unpack_result unpacked;
	autostream struct stream *stream = NULL;
	int r = stream_open(&stream, unpacking->input, &from);

	if (r >= 0)
		r = unpack_tar(&where, stream, &wish, &unpacked);
	return r < 0 ? r : stream_finish(stream, &result);
}

/* ---- unpacking, outside ---- */

/* A blob that is kept has its name by what is found here, not by what a worker says of it. */
static bool is_summed_here(const struct filler *filler, const struct filling *filling)
{
	return filler->fill->keep && filler->image->blobs[filling->number].room_fd >= 0;
}

/* From its start, and only to read: who unpacks it does not change it. */
static int open_blob(const struct store_part *blob)
{
	int fd = fd_reopen(blob->fd, O_RDONLY);

	return fd < 0 ? fail(fd, "cannot read a layer") : fd;
}

static int open_input(struct filler *filler, const struct filling *filling)
{
	struct oci_source *source = filler->fill->source;

	if (source->registry != NULL)
		return open_blob(&filler->image->blobs[filling->number]);
	return source->docker ? oci_source_open(source, filler->image->paths.items[filling->number])
			      : oci_source_open_blob(source, &filling->blob->digest);
}

static int check_size(const struct filling *filling, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail(-errno, "cannot look at layer '%s'", filling->part);
	if (filling->blob->digest.text[0] == '\0' || (uint64_t)st.st_size == filling->blob->size)
		return 0;
	return fail_plain(-EBADMSG,
			  "cannot use layer '%s': it has %llu bytes, and should have %llu",
			  filling->part, (unsigned long long)st.st_size,
			  (unsigned long long)filling->blob->size);
}

/* By its first bytes. */
static bool is_compressed(int fd)
{
	char magic[DECODE_MAGIC_MAX];
	ssize_t n = pread(fd, magic, sizeof(magic), 0);

	return n > 0 && compression_detect(magic, (size_t)n) != COMPRESSION_NONE;
}

/* Who decompresses, who sums and who unpacks are three: the layer's name is the word of the one who
 * looks at nothing. */
static int start_between(struct filler *filler, struct filling *filling, const char *name)
{
	autoclose int input = open_input(filler, filling);
	const struct between_wish wish = {
		.name = name,
		.input = input,
		.decompress = is_compressed(input),
		.digest_in = !is_summed_here(filler, filling),
	};
	int r = input < 0 ? input : check_size(filling, input);

	return r < 0 ? r : between_start(&filling->between, &wish);
}

static int start_unpacking(struct filler *filler, struct filling *filling)
{
	struct store_part *layer = &filler->image->layers[filling->number];
	struct unpacking unpacking = {
		.name = arena_format(filler->arena, "layer %s", filling->part),
		.lazy = filler->fill->lazy,
	};
	struct worker_request request = {
		.name = "unpack",
		.run = unpack,
		.context = &unpacking,
		.view = WORKER_SEES_TREE,
		.fds = &unpacking.input,
		.fd_count = 1,
	};
	int r = start_between(filler, filling, unpacking.name);

	if (r >= 0)
		r = layer_begin(filler->fill->store, layer);
	if (r < 0)
		return r;
	unpacking.input = filling->between.output;
	request.tree_fd = layer->fd;
	r = worker_start(&filling->worker, &request);
	if (r < 0)
		return r;
	filling->phase = UNPACKING;
	filler->unpacking++;
	return 0;
}

static void hear_progress(void *context, uint64_t done, uint64_t total)
{
	struct filler *filler = context;
	char part[JOB_PART_ROOM];

	if (filler->fill->job == NULL)
		return;
	snprintf(part, sizeof(part), "%.40s: unpack", filler->heard->part);
	job_progress(filler->fill->job, part, done, total);
}

static int hear_told(void *context, unsigned int what, const void *data, size_t size)
{
	autoarena struct arena arena = { 0 };
	struct filler *filler = context;

	if (what == TOLD_NOTICE) {
		if (filler->heard->notices++ < ARCHIVE_NOTICES_MAX)
			log_notice("layer %s: %s", filler->heard->part,
				   text_printable(&arena, arena_text_n(&arena, data, size)));
		return 0;
	}
	return fail_plain(-EBADMSG, "a worker said something that it cannot mean");
}

static int check_digests(struct filling *filling)
{
	if (filling->blob->digest.text[0] != '\0' &&
	    !digest_equal(&filling->sum, &filling->blob->digest))
		return fail_plain(-EBADMSG,
				  "cannot use layer '%s': its bytes are not those of its digest",
				  filling->part);
	if (!digest_equal(&filling->content, filling->id))
		return fail_plain(-EBADMSG,
				  "cannot use layer '%s': what is in it is not what the image's "
				  "configuration says",
				  filling->part);
	return 0;
}

/* Only now it may be called by its digest, whatever becomes of the others. */
static int settle(struct filling *filling)
{
	int r;

	if (filling->phase != UNPACKED || filling->sum.text[0] == '\0')
		return 0;
	r = check_digests(filling);
	filling->phase = r < 0 ? FAILED : READY;
	return r;
}

static int ended(struct filler *filler, struct filling *filling, int r)
{
	worker_done(&filling->worker);
	between_done(&filling->between);
	filler->unpacking--;
	filling->phase = r < 0 ? FAILED : UNPACKED;
	return r;
}

static int hear_unpacker(struct filler *filler, struct filling *filling)
{
	struct worker_listener listener = { .told = hear_told, .context = filler };
	struct stream_result came;
	int r;

	filler->heard = filling;
	r = worker_hear(&filling->worker, &listener);
	if (r > 0)
		return 0;
	if (r < 0) {
		int cause = between_cause(&filling->between);

		return ended(filler, filling, cause < 0 ? cause : r);
	}
	r = ended(filler, filling, between_finish(&filling->between, &came));
	if (r < 0)
		return r;
	(void)digest_make(&filling->content, DIGEST_SHA256, came.digest_out, STREAM_DIGEST);
	if (!is_summed_here(filler, filling))
		(void)digest_make(&filling->sum, DIGEST_SHA256, came.digest_in, STREAM_DIGEST);
	return settle(filling);
}

/* Who reads the blob. */
static int hear_reader(struct filler *filler, struct filling *filling)
{
	struct worker_listener listener = { .progress = hear_progress, .context = filler };
	int r;

	filler->heard = filling;
	r = between_hear(&filling->between, &listener);
	return r < 0 ? ended(filler, filling, r) : 0;
}

/* ---- fetching ---- */

static struct filling *next_in(struct filler *filler, enum phase phase)
{
	for (size_t i = 0; i < filler->count; i++)
		if (filler->all[i].phase == phase)
			return &filler->all[i];
	return NULL;
}

/* 1: one more is asked for; 0: there is none. */
static int fetch_next(struct filler *filler, bool more)
{
	struct filling *filling = next_in(filler, WANTED);
	struct registry_question question = { .verb = REGISTRY_GET_BLOB, .more = more };
	struct store_part *blob;
	int r;

	if (filling == NULL)
		return 0;
	blob = &filler->image->blobs[filling->number];
	question.id = (uint32_t)filling->number + 1;
	question.size = filling->blob->size;
	memcpy(question.reference, filling->blob->digest.text, DIGEST_ROOM);
	r = blob_begin(filler->fill->store, blob);
	if (r >= 0)
		r = registry_put(filler->fill->source->registry, &question, blob->fd);
	if (r < 0)
		return r;
	filling->phase = FETCHING;
	filler->fetching++;
	return 1;
}

static int hear_registry(struct filler *filler)
{
	struct registry *registry = filler->fill->source->registry;
	struct registry_question over = { .verb = REGISTRY_NOTHING };
	struct registry_answer answer;
	struct filling *filling;
	int r = registry_hear(registry, &answer);

	if (r <= 0)
		return r;
	if (answer.verb != REGISTRY_GET_BLOB || answer.id == 0 || answer.id > filler->count ||
	    filler->all[answer.id - 1].phase != FETCHING)
		return fail_plain(-EBADMSG, "a worker said something that it cannot mean");
	filling = &filler->all[answer.id - 1];
	filling->phase = FETCHED;
	filler->fetching--;
	filler->fetched += filling->blob->size;
	if (filler->fill->job != NULL) {
		job_progress(filler->fill->job, filling->part, filling->blob->size,
			     filling->blob->size);
		job_progress(filler->fill->job, NULL, filler->fetched, filler->total);
	}
	r = fetch_next(filler, false);
	if (r == 0 && filler->fetching == 0)
		registry_done(registry);
	else if (r == 0)
		r = registry_put(registry, &over, -EBADF);
	return MIN(r, 0);
}

static int hear_part(void *context, unsigned int what, const void *data, size_t size)
{
	struct filler *filler = context;
	struct download_part part;

	if (what != DOWNLOAD_TELLS_PART || size != sizeof(part) || filler->fill->job == NULL)
		return 0;
	memcpy(&part, data, size);
	if (part.id > 0 && part.id <= filler->count)
		job_progress(filler->fill->job, filler->all[part.id - 1].part, part.done,
			     filler->all[part.id - 1].blob->size);
	return 0;
}

/* ---- sums of what is kept ---- */

/* Who has fetched it can write to it as long as he lives. */
static struct filling *next_to_sum(struct filler *filler)
{
	const struct registry *registry = filler->fill->source->registry;

	if (registry == NULL || registry->worker.pid > 0)
		return NULL;
	for (size_t i = 0; i < filler->count; i++) {
		struct filling *filling = &filler->all[i];

		if (filling->phase >= FETCHED && filling->phase <= UNPACKED &&
		    filling->sum.text[0] == '\0' && is_summed_here(filler, filling))
			return filling;
	}
	return NULL;
}

/* A piece. 1: it was one; 0: there is nothing to sum. */
static int sum_some(struct filler *filler)
{
	struct filling *filling = next_to_sum(filler);
	int r;

	if (filling == NULL)
		return 0;
	if (filling != filler->summed) {
		oci_hash_end(filler->hash);
		filler->hash = oci_hash_begin(filler->image->blobs[filling->number].fd);
		filler->summed = filling;
	}
	r = filler->hash == NULL ? fail(-ENOMEM, "cannot verify a layer")
				 : oci_hash_step(filler->hash, &filling->sum);
	if (r == 0)
		r = settle(filling);
	else if (r < 0)
		filling->phase = FAILED;
	return r < 0 ? r : 1;
}

/* Each, whatever becomes of the others. */
static int sum_rest(struct filler *filler)
{
	int r, first = 0;

	while ((r = sum_some(filler)) != 0)
		first = first < 0 ? first : MIN(r, 0);
	oci_hash_end(filler->hash);
	filler->hash = NULL;
	filler->summed = NULL;
	return first;
}

/* ---- all of it ---- */

static int start_fetching(struct filler *filler)
{
	size_t wanted = 0;
	int r = 0;

	for (size_t i = 0; i < filler->count; i++)
		wanted += filler->all[i].phase == WANTED;
	wanted = MIN(wanted, (size_t)REGISTRY_PARALLEL);
	for (size_t i = 0; i < wanted && r >= 0; i++)
		r = fetch_next(filler, i + 1 < wanted);
	return MIN(r, 0);
}

static int start_unpackers(struct filler *filler)
{
	bool fetched = filler->fill->source->registry != NULL;

	while (filler->unpacking < filler->unpackers) {
		struct filling *filling = next_in(filler, fetched ? FETCHED : WANTED);
		int r;

		if (filling == NULL)
			break;
		r = start_unpacking(filler, filling);
		if (r < 0)
			return r;
	}
	return 0;
}

struct waiting {
	struct filling *who[UNPACKERS_MAX * 2];
	struct pollfd fds[UNPACKERS_MAX * 2 + 1];
	nfds_t readers, count; /* readers come first: they are the cause of what others say */
};

static void wait_for(struct waiting *waiting, struct filling *filling, int fd)
{
	waiting->who[waiting->count] = filling;
	waiting->fds[waiting->count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

static void list_waiting(struct filler *filler, struct waiting *waiting)
{
	for (size_t i = 0; i < filler->count; i++)
		if (filler->all[i].phase == UNPACKING && between_fd(&filler->all[i].between) >= 0)
			wait_for(waiting, &filler->all[i], between_fd(&filler->all[i].between));
	waiting->readers = waiting->count;
	for (size_t i = 0; i < filler->count; i++)
		if (filler->all[i].phase == UNPACKING)
			wait_for(waiting, &filler->all[i], worker_fd(&filler->all[i].worker));
}

static int wait_and_hear(struct filler *filler)
{
	struct registry *registry = filler->fill->source->registry;
	struct waiting waiting = { .count = 0 };
	nfds_t count;
	int r;

	list_waiting(filler, &waiting);
	count = waiting.count;
	if (filler->fetching > 0)
		waiting.fds[count++] = (struct pollfd){
			.fd = worker_fd(&registry->worker),
			.events = POLLIN,
		};
	r = poll(waiting.fds, count, next_to_sum(filler) != NULL ? 0 : -1);
	if (r < 0)
		return errno == EINTR ? 0 : fail(-errno, "cannot wait for layers");
	if (r == 0)
		return sum_some(filler);
	for (nfds_t i = 0; i < count && r >= 0; i++) {
		if (waiting.fds[i].revents == 0)
			continue;
		if (i == waiting.count)
			r = hear_registry(filler);
		else if (i < waiting.readers)
			r = hear_reader(filler, waiting.who[i]);
		else
			r = hear_unpacker(filler, waiting.who[i]);
	}
	return r;
}

static int run(struct filler *filler)
{
	struct registry *registry = filler->fill->source->registry;
	int r = 0;

	if (registry != NULL)
		r = start_fetching(filler);
	while (r >= 0) {
		r = start_unpackers(filler);
		if (r < 0 || (filler->unpacking == 0 && filler->fetching == 0))
			break;
		r = wait_and_hear(filler);
	}
	for (size_t i = 0; i < filler->count; i++) {
		worker_done(&filler->all[i].worker);
		between_done(&filler->all[i].between);
		if (r < 0 && filler->all[i].phase < UNPACKED)
			filler->all[i].phase = FAILED;
	}
	return r;
}

/* ---- names ---- */

static int keep_blob(struct filler *filler, struct filling *filling)
{
	struct store_part *blob = &filler->image->blobs[filling->number];

	if (blob->fd < 0 || blob->room_fd < 0)
		return 0;
	if (!filler->fill->keep) {
		store_part_done(blob);
		return 0;
	}
	return blob_commit(blob, filling->blob->digest.text);
}

/* Also when another one failed: the next time it need not be fetched again. */
static int commit(struct filler *filler)
{
	int sums = sum_rest(filler), r = 0;
	size_t ready = 0;

	for (size_t i = 0; i < filler->count; i++)
		ready += filler->all[i].phase == READY;
	if (ready > 0 && !filler->fill->lazy && syncfs(filler->fill->store->fd) < 0)
		return fail(-errno, "cannot write the store '%s' to disk",
			    filler->fill->store->path);
	for (size_t i = 0; i < filler->count && r >= 0; i++) {
		struct filling *filling = &filler->all[i];

		if (filling->phase != READY)
			continue;
		r = layer_commit(&filler->image->layers[i], filling->id->text, true);
		if (r >= 0)
			r = keep_blob(filler, filling);
		filling->phase = DONE;
	}
	return r < 0 ? r : sums;
}

static const struct filling *same_before(const struct filler *filler, const struct filling *filling)
{
	for (size_t i = 0; i < filling->number; i++)
		if (digest_equal(filler->all[i].id, filling->id))
			return &filler->all[i];
	return NULL;
}

/* What it is unpacked from may be there, without it. */
static int look_for_blob(struct filler *filler, struct filling *filling)
{
	struct store_part *blob = &filler->image->blobs[filling->number];

	if (filler->fill->source->registry == NULL)
		return 0;
	blob->fd = blob_find(filler->fill->store, filling->blob->digest.text);
	if (blob->fd >= 0)
		filling->phase = FETCHED;
	else if (blob->fd != -ENOENT)
		return blob->fd;
	else {
		blob->fd = -EBADF;
		filler->total += filling->blob->size;
	}
	return 0;
}

static int look(struct filler *filler, size_t number)
{
	struct filling *filling = &filler->all[number];
	const struct oci_image *image = filler->image;
	struct store_part *layer = &image->layers[number];

	*filling = (struct filling){
		.number = number,
		.blob = &image->document.layers[number],
		.id = &image->config.layers[number],
		.worker = WORKER_EMPTY,
		.between = BETWEEN_EMPTY,
	};
	*layer = image->blobs[number] = (struct store_part)STORE_PART_EMPTY;
	snprintf(filling->part, sizeof(filling->part), "%.12s",
		 digest_hex(filling->blob->digest.text[0] != '\0' ? &filling->blob->digest
								  : filling->id));
	if (same_before(filler, filling) != NULL) {
		filling->phase = DONE;
		return 0;
	}
	layer->fd = layer_find(filler->fill->store, filling->id->text);
	if (layer->fd >= 0) {
		filling->phase = DONE;
		log_debug("layer %s is in the store already", filling->part);
		return 0;
	}
	if (layer->fd != -ENOENT)
		return layer->fd;
	layer->fd = -EBADF;
	return look_for_blob(filler, filling);
}

/* Each layer has some open until there is a machine. */
static void allow_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= FILES_OPEN)
		return;
	limit.rlim_cur = MIN((rlim_t)FILES_OPEN, limit.rlim_max);
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

int oci_fill(struct arena *arena, struct oci_image *image, const struct oci_fill *fill)
{
	size_t count = image->document.layer_count;
	struct filler filler = {
		.arena = arena,
		.image = image,
		.fill = fill,
		.all = arena_take_array(arena, count, sizeof(*filler.all)),
		.count = count,
	};
	struct worker_listener listener = { .told = hear_part, .context = &filler };
	cpu_set_t processors;
	int r = 0;

	CPU_ZERO(&processors);
	filler.unpackers = sched_getaffinity(0, sizeof(processors), &processors) < 0
				   ? 2
				   : MIN(MAX((size_t)CPU_COUNT(&processors), (size_t)2),
					 (size_t)UNPACKERS_MAX);
	allow_files();
	image->layers = arena_take_array(arena, count, sizeof(*image->layers));
	image->blobs = arena_take_array(arena, count, sizeof(*image->blobs));
	for (size_t i = 0; i < count; i++)
		image->layers[i] = image->blobs[i] = (struct store_part)STORE_PART_EMPTY;
	for (size_t i = 0; i < count && r >= 0; i++)
		r = look(&filler, i);
	if (fill->source->registry != NULL)
		fill->source->registry->listener = &listener;
	if (r >= 0)
		r = run(&filler);
	if (fill->source->registry != NULL)
		registry_done(fill->source->registry);
	if (r < 0) {
		struct failure why = *fail_recorded();

		(void)commit(&filler);
		fail_adopt(&why);
		return r;
	}
	return commit(&filler);
}
