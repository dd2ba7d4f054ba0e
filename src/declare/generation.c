#include "declare/generation.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/generation-text.h"
#include "image/store.h"
#include "io/clock.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"

#define LOCK ".lock"
#define LINK_GROWING ".current.tmp"
#define GROWING ".tmp"

/* ---- the directory ---- */

static int open_directory(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int make_directory(int dir_fd, const char *name)
{
	if (mkdirat(dir_fd, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	return open_directory(dir_fd, name);
}

int generations_open(struct arena *arena, struct generations *ret, const char *path, bool make)
{
	struct generations made CLEANUP(generations_done) = GENERATIONS_EMPTY;
	int r = make ? dir_make_all(path, 0700) : 0;

	if (r < 0)
		return fail(r, "cannot make '%s'", path);
	made.path = arena_text(arena, path);
	made.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (made.fd < 0)
		return errno == ENOENT ? -ENOENT : fail(-errno, "cannot open '%s'", path);
	made.all_fd = make ? make_directory(made.fd, GENERATION_DIRECTORY)
			   : open_directory(made.fd, GENERATION_DIRECTORY);
	if (made.all_fd == -ENOENT)
		return -ENOENT;
	if (made.all_fd < 0)
		return fail(made.all_fd, "cannot open '%s/%s'", path, GENERATION_DIRECTORY);
	*ret = made;
	made = (struct generations)GENERATIONS_EMPTY;
	return 0;
}

void generations_done(struct generations *generations)
{
	fd_close(&generations->fd);
	fd_close(&generations->all_fd);
	fd_close(&generations->lock_fd);
}

static int sweep(int dir_fd, const char *name, unsigned char type, void *context)
{
	(void)type;
	(void)context;
	return text_ends(name, GROWING) ? dir_remove_all(dir_fd, name) : 0;
}

/* Whoever has it said so in the file; what works for a killed one keeps it. */
static void tell_holder(const struct generations *generations, int fd)
{
	char text[16];
	ssize_t size = pread(fd, text, sizeof(text) - 1, 0);
	uint32_t pid = 0;

	text[MAX(size, 0)] = '\0';
	if (parse_u32(&pid, text) < 0 || pid == 0 || pid > INT_MAX)
		log_notice("Waiting for another redd to let go of '%s'.", generations->path);
	else if (kill((pid_t)pid, 0) < 0 && errno == ESRCH)
		log_notice("Waiting for what process %" PRIu32 ", which has ended, left at work in "
			   "'%s' (see 'importctl list-transfers').",
			   pid, generations->path);
	else
		log_notice("Waiting for process %" PRIu32 " to let go of '%s'.", pid,
			   generations->path);
}

static int lock(const struct generations *generations, int fd)
{
	int r = fd_lock(fd, LOCK_EX | LOCK_NB);

	if (r == -EWOULDBLOCK) {
		tell_holder(generations, fd);
		r = fd_lock(fd, LOCK_EX);
	}
	/* For who waits; it does without, too. */
	if (r >= 0 && ftruncate(fd, 0) >= 0)
		(void)dprintf(fd, "%d", (int)getpid());
	return r;
}

int generations_lock(struct generations *generations)
{
	int fd = openat(generations->all_fd, LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : lock(generations, fd);

	fd_close(&generations->lock_fd);
	generations->lock_fd = fd;
	if (r < 0)
		return fail(r, "cannot lock '%s/%s'", generations->path, GENERATION_DIRECTORY);
	(void)unlinkat(generations->fd, LINK_GROWING, 0);
	r = dir_walk(generations->all_fd, sweep, NULL);
	return r < 0 ? fail(r, "cannot remove what an interrupted program left in '%s/%s'",
			    generations->path, GENERATION_DIRECTORY)
		     : 0;
}

/* 0: no generation is called so. */
static unsigned int number_of(const char *name)
{
	uint32_t number;

	if (name[0] == '0' || parse_u32(&number, name) < 0 || number > GENERATION_NUMBER_MAX)
		return 0;
	return number;
}

int generations_current(const struct generations *generations)
{
	char target[64];
	ssize_t size = readlinkat(generations->fd, GENERATION_CURRENT, target, sizeof(target) - 1);
	const char *name;

	if (size < 0 && errno == ENOENT)
		return 0;
	target[MAX(size, 0)] = '\0';
	name = size < 0 ? NULL : text_after(target, GENERATION_DIRECTORY "/");
	if (name == NULL || number_of(name) == 0)
		return fail_plain(-EBADMSG,
				  "cannot use '%s/%s': it is no link to a generation (try 'redd "
				  "generations', then 'redd rollback N')",
				  generations->path, GENERATION_CURRENT);
	return (int)number_of(name);
}

struct numbers {
	struct arena *arena;
	unsigned int *items;
	size_t count;
};

static int add_number(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct numbers *numbers = context;
	unsigned int number = type == DT_DIR ? number_of(name) : 0, *slot;

	(void)dir_fd;
	if (number == 0)
		return 0;
	slot = list_grow(numbers->arena, (void **)&numbers->items, &numbers->count, sizeof(*slot));
	*slot = number;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const unsigned int *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

int generations_list(struct arena *arena, const struct generations *generations, unsigned int **ret,
		     size_t *ret_count)
{
	struct numbers numbers = { .arena = arena };
	int r = dir_walk(generations->all_fd, add_number, &numbers);

	if (r < 0)
		return fail(r, "cannot read '%s/%s'", generations->path, GENERATION_DIRECTORY);
	if (numbers.count > 0)
		qsort(numbers.items, numbers.count, sizeof(*numbers.items), by_number);
	*ret = numbers.items;
	*ret_count = numbers.count;
	return 0;
}

/* ---- reading ---- */

struct reading {
	struct arena *arena;
	struct generation *generation;
	const char *failed; /* name of the file that could not be read */
};

static int add_machine(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct reading *reading = context;
	struct generation_machine machine = {
		.source = "", .digest = "", .file = "", .target = ""
	};
	struct generation_machine *slot;
	char *text;
	int r;

	if (type != DT_REG || !text_ends(name, ".nspawn"))
		return 0;
	reading->failed = arena_text(reading->arena, name);
	machine.name = arena_text_n(reading->arena, name, strlen(name) - strlen(".nspawn"));
	if (!name_is_machine(machine.name))
		return -EBADMSG;
	r = file_read(reading->arena, &text, &machine.size, dir_fd, name, GENERATION_FILE_MAX);
	if (r < 0)
		return r;
	machine.text = text;
	if (reading->generation->count >= GENERATION_MACHINES_MAX)
		return -E2BIG;
	slot = list_grow(reading->arena, (void **)&reading->generation->machines,
			 &reading->generation->count, sizeof(*slot));
	*slot = machine;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct generation_machine *left = a, *right = b;

	return strcmp(left->name, right->name);
}

static void sort(struct generation *generation)
{
	if (generation->count > 0)
		qsort(generation->machines, generation->count, sizeof(*generation->machines),
		      by_name);
}

const struct generation_machine *generation_find(const struct generation *generation,
						 const char *name)
{
	const struct generation_machine key = { .name = name };

	if (generation->count == 0)
		return NULL;
	return bsearch(&key, generation->machines, generation->count, sizeof(*generation->machines),
		       by_name);
}

bool generation_same(const struct generation_machine *a, const struct generation_machine *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return a->size == b->size && memcmp(a->text, b->text, a->size) == 0 &&
	       text_equal(a->source, b->source) && text_equal(a->digest, b->digest) &&
	       text_equal(a->file, b->file) && text_equal(a->target, b->target);
}

static int read_machines(struct reading *reading, int fd)
{
	autoclose int files = open_directory(fd, "files");
	int r = files < 0 ? files : dir_walk(files, add_machine, reading);

	if (r < 0)
		return r;
	sort(reading->generation);
	return 0;
}

static int read_lock(struct reading *reading, int fd)
{
	char *text;
	size_t size;
	int r;

	reading->failed = "images.lock";
	r = file_read(reading->arena, &text, &size, fd, reading->failed, GENERATION_LOCK_MAX);
	return r < 0 ? r
		     : generation_text_parse_lock(reading->arena, reading->generation, text, size);
}

/* Whole lines of its beginning and of its end; what is torn becomes empty ones. */
static ssize_t read_both_ends(char *text, size_t room, int log, off_t log_size)
{
	ssize_t head = pread(log, text, MIN(room, (size_t)GENERATION_LOG_HEAD), 0), tail;
	off_t at;

	if (head < 0)
		return -errno;
	while (head == GENERATION_LOG_HEAD && text[head - 1] != '\n')
		head--;
	at = MAX((off_t)head, log_size - GENERATION_LOG_TAIL);
	tail = pread(log, text + head, room - (size_t)head, at);
	if (tail < 0)
		return -errno;
	for (ssize_t i = head; at > head && i < head + tail && text[i] != '\n'; i++)
		text[i] = '\n';
	return head + tail;
}

/* It grows with each apply that had something to do. */
static int read_log(struct reading *reading, int fd)
{
	autoclose int log = -EBADF;
	struct stat st;
	ssize_t size;
	size_t room;
	char *text;

	reading->failed = "log";
	log = openat(fd, "log", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (log < 0 || fstat(log, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADFD;
	room = (size_t)MIN(st.st_size, (off_t)(GENERATION_LOG_HEAD + GENERATION_LOG_TAIL));
	text = arena_take(reading->arena, room + 1);
	size = read_both_ends(text, room, log, st.st_size);
	if (size < 0)
		return (int)size;
	text[size] = '\0';
	return generation_text_parse_log(reading->arena, reading->generation, text, (size_t)size);
}

static int read_parts(struct arena *arena, struct generation *ret,
		      const struct generations *generations, unsigned int number, bool machines)
{
	const char *name = arena_format(arena, "%u", number);
	autoclose int fd = open_directory(generations->all_fd, name);
	struct generation generation = { .number = number, .reason = "" };
	struct reading reading = { arena, &generation, "files" };
	int r;

	if (fd == -ENOENT)
		return fail_plain(fd, "cannot find generation %u (see 'redd generations')", number);
	r = MIN(fd, 0);
	if (r >= 0 && machines)
		r = read_machines(&reading, fd);
	if (r >= 0 && machines)
		r = read_lock(&reading, fd);
	if (r >= 0)
		r = read_log(&reading, fd);
	if (r < 0)
		return fail(r, "cannot read '%s' of generation %u", reading.failed, number);
	*ret = generation;
	return 0;
}

int generation_read(struct arena *arena, struct generation *ret,
		    const struct generations *generations, unsigned int number)
{
	return read_parts(arena, ret, generations, number, true);
}

int generation_read_log(struct arena *arena, struct generation *ret,
			const struct generations *generations, unsigned int number)
{
	return read_parts(arena, ret, generations, number, false);
}

/* ---- making ---- */

struct making {
	struct arena *arena;
	const struct generations *generations;
	const struct generation *generation;
	int fd;	      /* "N.tmp" */
	int older_fd; /* files of the one before: what is the same is the same file; or negative */
	struct text_list written; /* paths below FD that are not on disk yet */
	const char *failed;
};

static int write_file(struct making *making, const char *path, const void *data, size_t size)
{
	autoclose int fd = openat(making->fd, path,
				  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	making->failed = path;
	text_list_add(making->arena, &making->written, arena_text(making->arena, path));
	return fd < 0 ? -errno : fd_write_all(fd, data, size);
}

/* All at the end: most file systems then have one thing to wait for. */
static int sync_all(struct making *making)
{
	text_list_add(making->arena, &making->written, arena_text(making->arena, "files"));
	text_list_add(making->arena, &making->written, arena_text(making->arena, "images"));
	text_list_add(making->arena, &making->written, arena_text(making->arena, "."));
	for (size_t i = 0; i < making->written.count; i++) {
		autoclose int fd = openat(making->fd, making->written.items[i],
					  O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

		making->failed = making->written.items[i];
		if (fd < 0 || fsync(fd) < 0)
			return -errno;
	}
	return 0;
}

/* A file that is on disk already need not be written again: of hundreds few change. */
static bool link_same(struct making *making, int files_fd, const char *name,
		      const struct generation_machine *machine)
{
	char *text;
	size_t size;

	return making->older_fd >= 0 &&
	       file_read(making->arena, &text, &size, making->older_fd, name,
			 GENERATION_FILE_MAX) >= 0 &&
	       size == machine->size && memcmp(text, machine->text, size) == 0 &&
	       linkat(making->older_fd, name, files_fd, name, 0) == 0;
}

/* What the image says of how it is run lies beside it in the store, and so does how a system of
 * NixOS is shown. */
static int link_words(struct making *making, int images_fd, const char *hex, const char *suffix,
		      const char *name)
{
	const char *says = arena_format(making->arena, STORE_TREES "/%s%s", hex, suffix);

	if (faccessat(making->generations->fd, says, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	return symlinkat(arena_format(making->arena, "../../../%s", says), images_fd, name) < 0
		       ? -errno
		       : 0;
}

static int link_image(struct making *making, int images_fd,
		      const struct generation_machine *machine)
{
	struct arena *arena = making->arena;
	const char *hex = machine->digest == NULL ? NULL : store_digest_name(machine->digest);
	const char *name = arena_format(arena, "%s.nspawn", machine->name);
	int r;

	if (machine->file[0] != '\0' && symlinkat(machine->target, images_fd, machine->file) < 0)
		return -errno;
	if (hex == NULL)
		return 0;
	r = link_words(making, images_fd, hex, ".nspawn", name);
	return r < 0 ? r
		     : link_words(making, images_fd, hex, STORE_SYSTEM_SUFFIX,
				  arena_format(arena, "%s" STORE_SYSTEM_SUFFIX, name));
}

static int write_machines(struct making *making)
{
	autoclose int files = make_directory(making->fd, "files");
	autoclose int images = make_directory(making->fd, "images");
	const struct generation *generation = making->generation;

	if (files < 0 || images < 0)
		return MIN(files, images);
	for (size_t i = 0; i < generation->count; i++) {
		const struct generation_machine *machine = &generation->machines[i];
		const char *name = arena_format(making->arena, "%s.nspawn", machine->name);
		int r = link_same(making, files, name, machine)
				? 0
				: write_file(making, arena_format(making->arena, "files/%s", name),
					     machine->text, machine->size);

		if (r < 0)
			return r;
		making->failed = machine->file;
		r = link_image(making, images, machine);
		if (r < 0)
			return r;
	}
	return 0;
}

static int write_text(struct making *making, const char *name, const char *text)
{
	return write_file(making, name, text, strlen(text));
}

static int write_all(struct making *making)
{
	const struct generation *generation = making->generation;
	int r = write_machines(making);

	if (r >= 0)
		r = write_text(making, "images.lock",
			       generation_text_lock(making->arena, generation));
	if (r >= 0)
		r = write_text(making, "manifest.json",
			       generation_text_manifest(making->arena, generation));
	if (r >= 0)
		r = write_text(making, "log", generation_text_begin(making->arena, generation));
	return r < 0 ? r : sync_all(making);
}

static int open_older(const struct generations *generations, struct arena *arena,
		      unsigned int number)
{
	return number == 0 ? -ENOENT
			   : open_directory(generations->all_fd,
					    arena_format(arena, "%u/files", number));
}

/* One more than all that there were: also than what an interrupted one is about to get. */
static int next_number(struct arena *arena, const struct generations *generations,
		       unsigned int *ret, unsigned int least)
{
	unsigned int *numbers;
	size_t count;
	int r = generations_list(arena, generations, &numbers, &count);

	if (r < 0)
		return r;
	*ret = MAX(count == 0 ? 0 : numbers[count - 1], least) + 1;
	return 0;
}

int generation_make(struct arena *arena, const struct generations *generations,
		    struct generation *generation)
{
	struct making making = {
		.arena = arena,
		.generations = generations,
		.generation = generation,
		.fd = -EBADF,
		.older_fd = -EBADF,
		.failed = "files",
	};
	const char *name, *growing;
	int r;

	r = next_number(arena, generations, &generation->number, generation->previous);
	if (r < 0)
		return r;
	sort(generation);
	generation->created_us = clock_realtime_us();
	name = arena_format(arena, "%u", generation->number);
	growing = arena_format(arena, "%s" GROWING, name);
	making.older_fd = open_older(generations, arena, generation->previous);
	r = making.fd = make_directory(generations->all_fd, growing);
	if (r >= 0)
		r = write_all(&making);
	if (r >= 0 && renameat(generations->all_fd, growing, generations->all_fd, name) < 0)
		r = -errno;
	if (r >= 0 && fsync(generations->all_fd) < 0)
		r = -errno;
	fd_close(&making.fd);
	fd_close(&making.older_fd);
	if (r >= 0)
		return 0;
	(void)dir_remove_all(generations->all_fd, growing);
	return fail(r, "cannot write '%s' of generation %u in '%s/%s'", making.failed,
		    generation->number, generations->path, GENERATION_DIRECTORY);
}

int generations_switch(const struct generations *generations, unsigned int number)
{
	char target[64];

	if (number == 0) {
		if (unlinkat(generations->fd, GENERATION_CURRENT, 0) < 0 && errno != ENOENT)
			return fail(-errno, "cannot remove '%s/" GENERATION_CURRENT "'",
				    generations->path);
		return fsync(generations->fd) < 0
			       ? fail(-errno, "cannot write '%s'", generations->path)
			       : 0;
	}
	snprintf(target, sizeof(target), GENERATION_DIRECTORY "/%u", number);
	if (faccessat(generations->fd, target, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(-errno, "cannot make generation %u the current one", number);
	(void)unlinkat(generations->fd, LINK_GROWING, 0);
	if (symlinkat(target, generations->fd, LINK_GROWING) < 0 ||
	    renameat(generations->fd, LINK_GROWING, generations->fd, GENERATION_CURRENT) < 0 ||
	    fsync(generations->fd) < 0)
		return fail(-errno, "cannot make generation %u the current one in '%s'", number,
			    generations->path);
	return 0;
}

int generation_remove(const struct generations *generations, unsigned int number)
{
	int current = generations_current(generations), r = 0;
	char name[32], going[40];

	if (current < 0)
		return current;
	if ((unsigned int)current == number)
		return fail_plain(-EBUSY, "cannot remove generation %u: it is the current one",
				  number);
	snprintf(name, sizeof(name), "%u", number);
	snprintf(going, sizeof(going), "%u" GROWING, number);
	if (renameat(generations->all_fd, name, generations->all_fd, going) < 0)
		r = -errno;
	if (r >= 0)
		r = dir_remove_all(generations->all_fd, going);
	return r < 0 ? fail(r, "cannot remove generation %u", number) : 0;
}

/* ---- the log ---- */

int generation_note(struct arena *arena, const struct generations *generations, unsigned int number,
		    const char *event, const char *text)
{
	const char *line = generation_text_line(arena, clock_realtime_us(), event, text);
	const char *path = arena_format(arena, "%u/log", number);
	autoclose int fd = openat(generations->all_fd, path,
				  O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? -errno : fd_write_all(fd, line, strlen(line));

	return r < 0 ? fail(r, "cannot write the log of generation %u", number) : 0;
}

int generation_end(struct arena *arena, const struct generations *generations, unsigned int number,
		   enum generation_end end)
{
	return generation_note(arena, generations, number, "end", generation_end_name(end));
}
