#include "transfer/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
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
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/process.h"
#include "kernel/syscall.h"

#define DIRECTORY "transfers"
#define LAST_ID "last"
#define RECORD_MAX (6 * JOBS_TEXT_MAX + 256)
#define JOBS_MAX 4096
#define PATIENCE_MS 3000
#define WORKERS_MAX 16

/* The first line is rewritten in place, so it always has the same length. */
#define PROGRESS "%020" PRIu64 "/%020" PRIu64 "\n"

/* ---- the directory, whose lock holds while something in it changes ---- */

static int open_directory(struct arena *arena, const char *runtime)
{
	const char *path = path_join(arena, runtime, DIRECTORY);
	autoclose int fd = -EBADF;
	struct stat st;
	int r;

	r = dir_make_all(path, 0700);
	if (r < 0)
		return fail(r, "cannot make the directory '%s'", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(-errno, "cannot open the directory '%s'", path);
	/* Below /tmp it may be anybody's. */
	if (st.st_uid != geteuid())
		return fail_plain(-EPERM,
				  "cannot use the directory '%s': it belongs to another "
				  "user (is $XDG_RUNTIME_DIR set?)",
				  path);
	r = fd_lock(fd, LOCK_EX);
	return r < 0 ? fail(r, "cannot lock the directory '%s'", path) : take_fd(&fd);
}

/* ---- one file ---- */

static bool has_dead(int fd)
{
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return false;
	(void)flock(fd, LOCK_UN);
	return true;
}

static const char **field(struct jobs_entry *entry, const char *name, size_t length)
{
	const struct {
		const char *name;
		const char **value;
	} fields[] = {
		{ "TYPE", &entry->type },   { "CLASS", &entry->class },
		{ "LOCAL", &entry->local }, { "REMOTE", &entry->remote },
		{ "POOL", &entry->pool },   { "MADE", &entry->made },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (strlen(fields[i].name) == length && strncmp(fields[i].name, name, length) == 0)
			return fields[i].value;
	return NULL;
}

static int read_lines(struct arena *arena, struct jobs_entry *entry, char *text)
{
	char *rest = text, *line;

	line = strsep(&rest, "\n");
	if (sscanf(line, "%" SCNu64 "/%" SCNu64, &entry->done, &entry->total) != 2)
		return -EBADMSG;
	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		const char *equals = strchr(line, '='), **value;
		uint32_t pid;

		if (equals == NULL)
			return -EBADMSG;
		if (text_after(line, "PID=") != NULL && parse_u32(&pid, equals + 1) >= 0)
			entry->pid = (pid_t)pid;
		value = field(entry, line, (size_t)(equals - line));
		if (value != NULL && equals[1] != '\0')
			*value = arena_text(arena, equals + 1);
	}
	return entry->pid > 0 && entry->type != NULL ? 0 : -EBADMSG;
}

static int read_entry(struct arena *arena, struct jobs_entry *ret, int dir_fd, uint32_t id)
{
	autoclose int fd = -EBADF;
	struct jobs_entry entry = { .id = id };
	char name[16], *text;
	size_t size;
	int r;

	snprintf(name, sizeof(name), "%" PRIu32, id);
	fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	entry.alive = !has_dead(fd);
	r = file_read_fd(arena, &text, &size, fd, RECORD_MAX);
	if (r >= 0)
		r = read_lines(arena, &entry, text);
	if (r < 0) {
		/* Killed while it noted itself. */
		if (!entry.alive)
			(void)unlinkat(dir_fd, name, 0);
		return r;
	}
	*ret = entry;
	return 0;
}

/* Without line breaks, so that a word is a line. */
static const char *one_line(struct arena *arena, const char *text)
{
	char *copy;

	if (text == NULL)
		return "";
	copy = arena_text_n(arena, text, strnlen(text, JOBS_TEXT_MAX - 1));
	for (char *at = copy; *at != '\0'; at++)
		if (*at == '\n')
			*at = ' ';
	return copy;
}

/* What is to be removed has this name or none. */
static bool is_one_line(const char *path)
{
	return path != NULL && strlen(path) < JOBS_TEXT_MAX && strchr(path, '\n') == NULL;
}

static int write_entry(struct arena *arena, int fd, const struct jobs_entry *entry)
{
	const char *text = arena_format(
		arena,
		PROGRESS "PID=%d\nTYPE=%s\nCLASS=%s\nLOCAL=%s\nREMOTE=%s\nPOOL=%s\n"
			 "MADE=%s\n",
		entry->done, entry->total, (int)entry->pid, one_line(arena, entry->type),
		one_line(arena, entry->class), one_line(arena, entry->local),
		one_line(arena, entry->remote), one_line(arena, entry->pool),
		is_one_line(entry->made) ? entry->made : "");

	return fd_write_all(fd, text, strlen(text));
}

/* ---- all ---- */

struct walk {
	struct arena *arena;
	struct jobs_entry *entries;
	size_t count;
	int r;
};

static int visit(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct walk *walk = context;
	struct jobs_entry entry;
	uint32_t id;

	/* Whoever wrote that was killed: we have the lock. */
	if (text_after(name, ".#" LAST_ID) != NULL)
		(void)unlinkat(dir_fd, name, 0);
	if (type != DT_REG || parse_u32(&id, name) < 0 || walk->count == JOBS_MAX)
		return 0;
	/* What cannot be read is nothing that we wrote, or half of it. */
	if (read_entry(walk->arena, &entry, dir_fd, id) < 0)
		return 0;
	*(struct jobs_entry *)list_grow(walk->arena, (void **)&walk->entries, &walk->count,
					sizeof(entry)) = entry;
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct jobs_entry *left = a, *right = b;

	return (left->id > right->id) - (left->id < right->id);
}

static int list_in(struct arena *arena, struct jobs_entry **ret, size_t *ret_count, int dir_fd)
{
	struct walk walk = { .arena = arena };
	int r = dir_walk(dir_fd, visit, &walk);

	if (r < 0)
		return r;
	if (walk.count > 0)
		qsort(walk.entries, walk.count, sizeof(walk.entries[0]), by_id);
	*ret = walk.entries;
	*ret_count = walk.count;
	return 0;
}

int jobs_list(struct arena *arena, struct jobs_entry **ret, size_t *ret_count, const char *runtime)
{
	autoclose int directory = -EBADF;
	int r;

	if (access(path_join(arena, runtime, DIRECTORY), F_OK) < 0 && errno == ENOENT) {
		*ret = NULL;
		*ret_count = 0;
		return 0;
	}
	directory = open_directory(arena, runtime);
	if (directory < 0)
		return directory;
	r = list_in(arena, ret, ret_count, directory);
	return r < 0 ? fail(r, "cannot read the directory '%s/" DIRECTORY "'", runtime) : 0;
}

/* ---- adding ---- */

static int next_id(struct arena *arena, uint32_t *ret, int dir_fd)
{
	uint32_t last = 0;
	char *text;
	size_t size;

	/* Unreadable: the records that are there still are in the way, and others are not. */
	if (file_read(arena, &text, &size, dir_fd, LAST_ID, 64) >= 0)
		(void)parse_u32(&last, text);
	*ret = last + 1;
	text = arena_format(arena, "%" PRIu32, last + 1);
	return file_replace(dir_fd, LAST_ID, text, strlen(text), 0600);
}

static int goes_on(struct arena *arena, const struct jobs_entry *entry, int dir_fd)
{
	struct jobs_entry *entries;
	size_t count;
	int r;

	if (entry->remote == NULL)
		return 0;
	r = list_in(arena, &entries, &count, dir_fd);
	for (size_t i = 0; r >= 0 && i < count; i++)
		if (entries[i].alive && text_equal(entries[i].remote, entry->remote) &&
		    text_equal(entries[i].type, entry->type))
			return fail_plain(-EALREADY,
					  "cannot transfer '%s': transfer %" PRIu32
					  " does that already (importctl list-transfers shows it)",
					  entry->remote, entries[i].id);
	return r;
}

static int add(struct arena *arena, int *ret_fd, struct jobs_entry *entry, int dir_fd)
{
	autoclose int fd = -EBADF;
	char name[16];
	int r = next_id(arena, &entry->id, dir_fd);

	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "%" PRIu32, entry->id);
	fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : write_entry(arena, fd, entry);
	if (r < 0) {
		(void)unlinkat(dir_fd, name, 0);
		return r;
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

int jobs_add(struct arena *arena, int *ret_fd, struct jobs_entry *entry, const char *runtime)
{
	autoclose int directory = open_directory(arena, runtime);
	int r;

	if (directory < 0)
		return directory;
	entry->pid = getpid();
	r = goes_on(arena, entry, directory);
	if (r < 0)
		return r;
	r = add(arena, ret_fd, entry, directory);
	return r < 0 ? fail(r, "cannot note the transfer in '%s/" DIRECTORY "'", runtime) : 0;
}

void jobs_note(int fd, uint64_t done, uint64_t total)
{
	char line[64];
	int size = snprintf(line, sizeof(line), PROGRESS, done, total);

	(void)!pwrite(fd, line, (size_t)size, 0);
}

void jobs_forget(const char *runtime, uint32_t id)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s/" DIRECTORY "/%" PRIu32, runtime, id) <
	    sizeof(path))
		(void)unlink(path);
}

/* ---- ending ---- */

static bool has_ended(int pidfd)
{
	struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

	for (;;) {
		int r = poll(&poll_fd, 1, PATIENCE_MS);

		if (r >= 0 || errno != EINTR)
			return r > 0;
	}
}

static bool ends(int pidfd, int signal)
{
	(void)process_signal(pidfd, signal);
	return has_ended(pidfd);
}

/* Who ends by itself forgets itself: then it has removed what it made, or all of it is there. */
static void remove_made(struct arena *arena, const char *runtime, const struct jobs_entry *job)
{
	autoclose int directory = open_directory(arena, runtime);
	struct jobs_entry entry;

	if (job->made != NULL && directory >= 0 &&
	    read_entry(arena, &entry, directory, job->id) >= 0)
		(void)unlink(job->made);
}

/* They die with it, but a moment later, and until then what they make cannot be removed. Some
 * kernels do not tell them; then what is left is removed the next time. */
static size_t open_workers(struct arena *arena, int ret[WORKERS_MAX], pid_t pid)
{
	char *path = arena_format(arena, "/proc/%d/task/%d/children", (int)pid, (int)pid), *rest;
	char line[256], *word;
	size_t count = 0;
	uint32_t number;

	if (file_read_line(line, sizeof(line), AT_FDCWD, path) < 0)
		return 0;
	for (word = strtok_r(line, " ", &rest); word != NULL && count < WORKERS_MAX;
	     word = strtok_r(NULL, " ", &rest)) {
		int fd = parse_u32(&number, word) < 0 ? -EINVAL : sys_pidfd_open((pid_t)number, 0);

		if (fd >= 0)
			ret[count++] = fd;
	}
	return count;
}

/* The lock is looked at after the process was opened: then its number still was the job's. */
static int open_job(struct arena *arena, struct jobs_entry *ret, const char *runtime, uint32_t id)
{
	autoclose int directory = open_directory(arena, runtime), pidfd = -EBADF;
	int r;

	if (directory < 0)
		return directory;
	r = read_entry(arena, ret, directory, id);
	if (r >= 0) {
		pidfd = sys_pidfd_open(ret->pid, 0);
		r = read_entry(arena, ret, directory, id);
	}
	if (r < 0 || !ret->alive)
		return fail_plain(-ENXIO, "cannot find transfer %" PRIu32 ": there is none", id);
	return pidfd < 0 ? fail(pidfd, "cannot find the process of transfer %" PRIu32, id)
			 : take_fd(&pidfd);
}

int jobs_cancel(struct arena *arena, struct jobs_entry *ret, const char *runtime, uint32_t id)
{
	autoclose int pidfd = open_job(arena, ret, runtime, id);
	int workers[WORKERS_MAX];
	size_t count;
	bool ended;

	if (pidfd < 0)
		return pidfd;
	count = open_workers(arena, workers, ret->pid);
	ended = ends(pidfd, SIGTERM) || ends(pidfd, SIGKILL);
	for (size_t i = 0; i < count; i++) {
		if (ended)
			(void)has_ended(workers[i]);
		fd_close(&workers[i]);
	}
	if (!ended)
		return fail_plain(-ETIMEDOUT,
				  "cannot end transfer %" PRIu32 ": the kernel does "
				  "not let go of its process",
				  id);
	remove_made(arena, runtime, ret);
	return 0;
}
