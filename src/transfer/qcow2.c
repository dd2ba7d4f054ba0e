#include "transfer/qcow2.h"

#include <assert.h>
#include <errno.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "format/qcow2.h"
#include "transfer/qcow2-unpack.h"

enum {
	CHUNK = 4 << 20,    /* what a thread takes at once: of the disk, whole clusters */
	ENTRIES = 4096,	    /* bytes of a second table that a chunk needs at most */
	BUFFER = 256 << 10, /* what is copied at once */
	BLOCK = 4096,	    /* so much that is zero becomes a hole */
	L1_PART = 64 << 10  /* bytes of the first table that are in memory */
};

/* What the threads share. */
struct work {
	const struct qcow2_job *job;
	const struct qcow2_ends *ends;
	struct qcow2 image;
	pthread_mutex_t lock; /* for all below */
	uint64_t next;	      /* what of the disk nobody has taken yet begins here */
	uint64_t done;	      /* of the disk */
	uint64_t used;	      /* bytes of the image that were data */
	uint64_t l1_first;
	uint64_t l1_count; /* entries in l1 */
	int result;	   /* of who failed first */
	const char *why;
	uint8_t l1[L1_PART];
};

struct chunk {
	uint64_t start, size; /* of the disk */
	uint64_t entries;     /* where they are in the image */
};

/* Parts of the image that follow each other, as they shall on the disk. */
struct run {
	uint64_t to, from, size;
};

/* Of the image's own holes: from BEGIN to DATA is one, then comes data. */
struct known {
	uint64_t begin, data, end;
};

struct worker {
	struct work *work;
	const char *why;
	struct qcow2_unpack *unpack;
	uint8_t *buffer, *packed, *cluster;
	struct run run;
	struct known known;
	uint64_t used;
	uint64_t reported; /* of the caller's thread: how much its step knows of */
};

static int damaged(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EBADMSG;
}

/* ---- writing and copying ---- */

static bool is_zero(const uint8_t *data, size_t size)
{
	return data[0] == 0 && memcmp(data, data + 1, size - 1) == 0;
}

static int write_part(const struct qcow2_ends *ends, const uint8_t *data, size_t begin, size_t end,
		      uint64_t to)
{
	if (begin == end)
		return 0;
	return ends->write(ends->context, data + begin, end - begin, to + begin);
}

static int write_data(const struct qcow2_ends *ends, const uint8_t *data, size_t size, uint64_t to)
{
	size_t begin = 0;

	for (size_t at = 0, n; at < size; at += n) {
		int r;

		n = MIN(size - at, (size_t)(BLOCK - (to + at) % BLOCK));
		if (!is_zero(data + at, n))
			continue;
		r = write_part(ends, data, begin, at, to);
		if (r < 0)
			return r;
		begin = at + n;
	}
	return write_part(ends, data, begin, size, to);
}

static int copy(const struct worker *worker, uint64_t to, uint64_t from, uint64_t size)
{
	const struct qcow2_ends *ends = worker->work->ends;

	while (size > 0) {
		size_t n = (size_t)MIN(size, (uint64_t)BUFFER);
		int r = ends->read(ends->context, worker->buffer, n, from);

		if (r < 0)
			return r;
		r = write_data(ends, worker->buffer, n, to);
		if (r < 0)
			return r;
		to += n;
		from += n;
		size -= n;
	}
	return 0;
}

/* Move AT to the next data; false: there is none before END. To ask costs some kernels as much as
 * there is data, so nothing is asked twice. */
static bool find_data(struct worker *worker, uint64_t *at, uint64_t *ret_end, uint64_t end)
{
	const struct qcow2_ends *ends = worker->work->ends;
	struct known *known = &worker->known;

	if (*at < known->begin || *at >= known->end) {
		*known = (struct known){ .begin = *at, .data = *at, .end = UINT64_MAX };
		if (ends->find != NULL)
			ends->find(ends->context, &known->data, &known->end, *at);
	}
	*at = MAX(*at, known->data);
	*ret_end = MIN(end, known->end);
	return *at < end;
}

static int copy_run(struct worker *worker)
{
	const struct qcow2_ends *ends = worker->work->ends;
	struct run run = worker->run;
	uint64_t at = run.from, end = run.from + run.size, part_end;

	worker->run.size = 0;
	worker->used += run.size;
	if (run.size == 0 ||
	    (ends->share != NULL && ends->share(ends->context, run.to, run.from, run.size) >= 0))
		return 0;
	while (find_data(worker, &at, &part_end, end)) {
		int r = copy(worker, run.to + (at - run.from), at, part_end - at);

		if (r < 0)
			return r;
		at = part_end;
	}
	return 0;
}

/* Of the last cluster only what is on the disk. */
static int add_data(struct worker *worker, uint64_t to, uint64_t from, uint64_t size)
{
	const struct qcow2 *image = &worker->work->image;
	struct run *run = &worker->run;
	int r;

	if (to >= image->size)
		return 0;
	size = MIN(size, image->size - to);
	if (from > image->file_size || size > image->file_size - from)
		return damaged(&worker->why, "it ends before its data does: it was cut short");
	if (run->size > 0 && (run->to + run->size != to || run->from + run->size != from)) {
		r = copy_run(worker);
		if (r < 0)
			return r;
	}
	if (run->size == 0)
		*run = (struct run){ .to = to, .from = from };
	run->size += size;
	return 0;
}

/* ---- clusters ---- */

static int convert_parts(struct worker *worker, uint64_t to, const struct qcow2_cluster *cluster)
{
	uint64_t size = (UINT64_C(1) << worker->work->image.cluster_bits) / QCOW2_PARTS;

	for (unsigned i = 0; i < QCOW2_PARTS; i++) {
		int r;

		if ((cluster->parts >> i & 1) == 0)
			continue;
		r = add_data(worker, to + i * size, cluster->offset + i * size, size);
		if (r < 0)
			return r;
	}
	return 0;
}

static int convert_packed(struct worker *worker, uint64_t to, const struct qcow2_cluster *cluster)
{
	const struct qcow2_ends *ends = worker->work->ends;
	const struct qcow2 *image = &worker->work->image;
	size_t size = (size_t)1 << image->cluster_bits;
	int r;

	r = ends->read(ends->context, worker->packed, cluster->size, cluster->offset);
	if (r < 0)
		return r;
	r = qcow2_unpack(worker->unpack, worker->cluster, size, worker->packed, cluster->size);
	if (r < 0)
		return damaged(&worker->why, "a part of it cannot be unpacked: it is damaged");
	worker->used += (uint64_t)r;
	return write_data(ends, worker->cluster, (size_t)MIN(size, image->size - to), to);
}

static int convert_cluster(struct worker *worker, uint64_t to, const uint8_t *entry)
{
	const struct qcow2 *image = &worker->work->image;
	struct qcow2_cluster cluster;
	int r;

	r = qcow2_l2_entry(image, &cluster, entry, &worker->why);
	if (r < 0 || cluster.kind == QCOW2_HOLE)
		return r;
	if (cluster.kind == QCOW2_COMPRESSED)
		return convert_packed(worker, to, &cluster);
	if (cluster.parts != UINT32_MAX)
		return convert_parts(worker, to, &cluster);
	return add_data(worker, to, cluster.offset, UINT64_C(1) << image->cluster_bits);
}

static int convert_chunk(struct worker *worker, const struct chunk *chunk)
{
	const struct qcow2_ends *ends = worker->work->ends;
	const struct qcow2 *image = &worker->work->image;
	uint64_t cluster = UINT64_C(1) << image->cluster_bits;
	size_t size = (size_t)((chunk->size + cluster - 1) >> image->cluster_bits) *
		      image->l2_entry;
	uint8_t entries[ENTRIES];
	int r;

	if (chunk->entries > image->file_size || size > image->file_size - chunk->entries)
		return damaged(&worker->why, "it ends before its tables do: it was cut short");
	r = ends->read(ends->context, entries, size, chunk->entries);
	if (r < 0)
		return r;
	for (size_t i = 0; i < size / image->l2_entry; i++) {
		r = convert_cluster(worker, chunk->start + i * cluster,
				    entries + i * image->l2_entry);
		if (r < 0)
			return r;
	}
	return copy_run(worker);
}

/* ---- threads ---- */

static int read_l1(struct work *work, uint64_t *ret_offset, uint64_t index, const char **ret_why)
{
	const struct qcow2_ends *ends = work->ends;
	const struct qcow2 *image = &work->image;
	uint64_t count;
	int r;

	if (index < work->l1_first || index >= work->l1_first + work->l1_count) {
		count = MIN(image->l1_count - index, (uint64_t)L1_PART / QCOW2_L1_ENTRY);
		r = ends->read(ends->context, work->l1, (size_t)count * QCOW2_L1_ENTRY,
			       image->l1_offset + index * QCOW2_L1_ENTRY);
		if (r < 0)
			return r;
		work->l1_first = index;
		work->l1_count = count;
	}
	return qcow2_l1_entry(image, ret_offset,
			      work->l1 + (index - work->l1_first) * QCOW2_L1_ENTRY, ret_why);
}

/* 1, or 0: all is taken. What has no second table is done at once. */
static int take_chunk(struct work *work, struct chunk *ret, const char **ret_why)
{
	const struct qcow2 *image = &work->image;
	unsigned bits = image->cluster_bits + image->l2_bits;

	while (work->next < image->size) {
		uint64_t start = work->next, index = start >> bits, table = 0;
		uint64_t end = MIN((index + 1) << bits, image->size);
		int r = read_l1(work, &table, index, ret_why);

		if (r < 0)
			return r;
		work->next = table == 0 ? end : MIN(end, start + CHUNK);
		if (table == 0) {
			work->done += end - start;
			continue;
		}
		*ret = (struct chunk){
			.start = start,
			.size = work->next - start,
			.entries = table + ((start - (index << bits)) >> image->cluster_bits) *
						   image->l2_entry,
		};
		return 1;
	}
	return 0;
}

/* CHUNK was done, and becomes the next. 0: there is no more to do. */
static int next_chunk(struct worker *worker, struct chunk *chunk)
{
	struct work *work = worker->work;
	int r;

	pthread_mutex_lock(&work->lock);
	work->done += chunk->size;
	work->used += worker->used;
	worker->used = 0;
	/* Else a small image could fill any disk. */
	if (work->used > work->image.file_size)
		r = damaged(&worker->why, "its tables name the same data more than once");
	else if (work->result < 0)
		r = 0;
	else
		r = take_chunk(work, chunk, &worker->why);
	pthread_mutex_unlock(&work->lock);
	return r;
}

static int report(struct worker *worker)
{
	struct work *work = worker->work;
	uint64_t more;

	pthread_mutex_lock(&work->lock);
	more = work->done - worker->reported;
	worker->reported = work->done;
	pthread_mutex_unlock(&work->lock);
	if (more == 0 || work->job->step == NULL)
		return 0;
	return work->job->step(work->job->context, more);
}

static void convert(struct worker *worker, bool reports)
{
	struct work *work = worker->work;
	struct chunk chunk = {};
	int r;

	while ((r = next_chunk(worker, &chunk)) > 0) {
		r = convert_chunk(worker, &chunk);
		if (r >= 0 && reports)
			r = report(worker);
		if (r < 0)
			break;
	}
	if (r >= 0)
		return;
	pthread_mutex_lock(&work->lock);
	if (work->result == 0) {
		work->result = r;
		work->why = worker->why;
	}
	pthread_mutex_unlock(&work->lock);
}

static void *convert_beside(void *worker)
{
	convert(worker, false);
	return NULL;
}

static int worker_init(struct arena *arena, struct worker *worker, struct work *work)
{
	size_t cluster = (size_t)1 << work->image.cluster_bits;

	*worker = (struct worker){
		.work = work,
		.unpack = qcow2_unpack_new(work->image.zstd),
		.buffer = arena_take(arena, BUFFER),
		.packed = arena_take(arena, 2 * cluster),
		.cluster = arena_take(arena, cluster),
	};
	return worker->unpack == NULL ? -ENOMEM : 0;
}

/* Where a second thread cannot be had, one does it all. */
static int convert_all(struct arena *arena, struct work *work)
{
	struct worker workers[QCOW2_THREADS] = {};
	pthread_t threads[QCOW2_THREADS];
	unsigned count = MIN(work->job->threads, (unsigned)QCOW2_THREADS), started = 1;
	int r = 0;

	for (unsigned i = 0; i < count && r == 0; i++)
		r = worker_init(arena, &workers[i], work);
	if (r == 0) {
		while (started < count && pthread_create(&threads[started], NULL, convert_beside,
							 &workers[started]) == 0)
			started++;
		convert(&workers[0], true);
		while (started > 1)
			pthread_join(threads[--started], NULL);
		r = work->result;
	}
	if (r == 0)
		r = report(&workers[0]);
	for (unsigned i = 0; i < count; i++)
		qcow2_unpack_free(workers[i].unpack);
	return r;
}

int qcow2_convert(const struct qcow2_job *job, const struct qcow2_ends *ends, uint64_t *ret_size,
		  const char **ret_why)
{
	autoarena struct arena arena = {};
	struct work *work = arena_new(&arena, struct work);
	size_t size = (size_t)MIN(ends->file_size, (uint64_t)QCOW2_HEADER_SIZE);
	uint8_t header[QCOW2_HEADER_SIZE];
	int r;

	assert(job->threads > 0);
	*ret_why = NULL;
	work->job = job;
	work->ends = ends;
	r = ends->read(ends->context, header, size, 0);
	if (r < 0)
		return r;
	r = qcow2_header(&work->image, header, size, ends->file_size, job->size_max, ret_why);
	if (r < 0)
		return r;
	pthread_mutex_init(&work->lock, NULL);
	r = convert_all(&arena, work);
	pthread_mutex_destroy(&work->lock);
	*ret_why = work->why;
	if (r < 0)
		return r;
	*ret_size = work->image.size;
	return 0;
}

/* ---- files ---- */

struct files {
	int image_fd, raw_fd;
	atomic_bool can_share;
};

static int read_file(void *context, void *data, size_t size, uint64_t offset)
{
	const struct files *files = context;

	for (size_t done = 0; done < size;) {
		ssize_t n = pread(files->image_fd, (uint8_t *)data + done, size - done,
				  (off_t)(offset + done));

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -EIO; /* the file shrank under us */
		done += (size_t)MAX(n, 0);
	}
	return 0;
}

static int write_file(void *context, const void *data, size_t size, uint64_t offset)
{
	const struct files *files = context;

	for (size_t done = 0; done < size;) {
		ssize_t n = pwrite(files->raw_fd, (const uint8_t *)data + done, size - done,
				   (off_t)(offset + done));

		if (n < 0 && errno != EINTR)
			return -errno;
		done += (size_t)MAX(n, 0);
	}
	return 0;
}

/* What was refused once is not asked for again: the file system cannot. Runs that no file system
 * would take, at the end of a disk or of small clusters, are no reason for that. */
static int share_file(void *context, uint64_t to, uint64_t from, uint64_t size)
{
	struct files *files = context;
	struct file_clone_range range = {
		.src_fd = files->image_fd,
		.src_offset = from,
		.src_length = size,
		.dest_offset = to,
	};

	if (!files->can_share || ((to | from | size) % BLOCK) != 0)
		return -EOPNOTSUPP;
	if (ioctl(files->raw_fd, FICLONERANGE, &range) == 0)
		return 0;
	files->can_share = false;
	return -errno;
}

/* All threads move the descriptor's offset; nobody reads by it. */
static void find_file(void *context, uint64_t *ret_begin, uint64_t *ret_end, uint64_t offset)
{
	const struct files *files = context;
	off_t data = lseek(files->image_fd, (off_t)offset, SEEK_DATA), hole;

	if (data < 0 && errno == ENXIO) {
		*ret_begin = *ret_end = UINT64_MAX;
		return;
	}
	/* Where the file system does not know, all is data. */
	hole = data < 0 ? -1 : lseek(files->image_fd, data, SEEK_HOLE);
	*ret_begin = data < 0 ? offset : (uint64_t)data;
	*ret_end = hole < 0 ? UINT64_MAX : (uint64_t)hole;
}

int qcow2_convert_file(const struct qcow2_job *job, int raw_fd, int image_fd, const char **ret_why)
{
	struct files files = { image_fd, raw_fd, true };
	struct qcow2_ends ends = {
		.read = read_file,
		.write = write_file,
		.share = share_file,
		.context = &files,
	};
	struct stat st;
	uint64_t size;
	int r;

	*ret_why = NULL;
	if (fstat(image_fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADFD;
	ends.file_size = (uint64_t)st.st_size;
	if ((uint64_t)st.st_blocks * 512 < ends.file_size)
		ends.find = find_file;
	/* ext4 takes a file that is emptied for one that is replaced, and writes it out at
	 * close(2). */
	if (fstat(raw_fd, &st) < 0 || (st.st_size > 0 && ftruncate(raw_fd, 0) < 0))
		return -errno;
	r = qcow2_convert(job, &ends, &size, ret_why);
	if (r < 0)
		return r;
	return ftruncate(raw_fd, (off_t)size) < 0 ? -errno : 0;
}
