#include "machine/record.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/text.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "machine/bind-notes.h"
#include "machine/network-file.h"
#include "machine/reap.h"
#include "machine/refusals.h"

#define MAGIC "redd-record=1"
#define TRIES_MAX 1024
#define YIELDS 16
#define PATIENCE_US 1000
#define SUPERVISOR_FORM "%010d" /* written over */
#define SUPERVISOR_AT (sizeof(MAGIC "\ntag=\nsupervisor=") - 1 + RECORD_TAG_ROOM - 1)

/* Not pointers: those would be relocated, which costs each supervisor memory of its own. */
static const char kind_names[RECORD_KINDS][12] = {
	[RECORD_DIRECTORY] = "directory",
	[RECORD_LEADER] = "leader",
	[RECORD_CGROUP] = "cgroup",
	[RECORD_CGROUP_ID] = "cgroup-id",
	[RECORD_TEMPORARY] = "temporary",
	[RECORD_LOCK] = "lock",
	[RECORD_MOUNT] = "mount",
	[RECORD_ID_BASE] = "id-base",
	[RECORD_NETNS] = "netns",
	[RECORD_ID] = "id",
	[RECORD_SERVICE] = "service",
	[RECORD_STARTED] = "started",
	[RECORD_PAYLOAD] = "payload",
	[RECORD_UNIT] = "unit",
	[RECORD_CONFINE] = "confine",
	[RECORD_INIT] = "init",
	[RECORD_PROGRAM] = "program",
	[RECORD_READY] = "ready",
	[RECORD_KEEP] = "keep",
	[RECORD_HOLDER] = "holder",
	[RECORD_RUNS] = "runs",
	[RECORD_REEXEC] = "reexec",
	[RECORD_STATE] = "state",
	[RECORD_ORIGIN] = "origin",
	[RECORD_LEASE] = "lease",
	[RECORD_LINK] = "link",
	[RECORD_ZONE] = "zone",
	[RECORD_INTERFACE] = "interface",
	[RECORD_STOPPING] = "stopping",
	[RECORD_NETWORK] = "network",
	[RECORD_LEADER_ID] = "leader-id",
	[RECORD_HEALTH] = "health",
	[RECORD_GENERATION] = "generation",
};

int record_try_lock(int fd)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_SETLK, &range) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

int record_open_runtime(const char *runtime, const char *below)
{
	const int flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	autoclose int top = open(runtime, O_PATH | flags);
	struct stat st;
	int fd;

	if (top < 0)
		return errno == ENOTDIR ? -EPERM : -errno;
	if (fstat(top, &st) < 0)
		return -errno;
	/* Root's, looked at by somebody else: root is trusted by all. */
	if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & 022))
		return -EPERM;
	fd = openat(top, below, O_RDONLY | flags);
	return fd < 0 ? -errno : fd;
}

int record_fail_foreign(const char *runtime)
{
	return fail_plain(-EPERM,
			  "cannot use '%s': it belongs to somebody else, or others may write to it "
			  "(set $XDG_RUNTIME_DIR to a directory of yours)",
			  runtime);
}

int record_make_runtime(struct arena *arena, int *ret_fd, const char *runtime)
{
	const char *path = arena_format(arena, "%s/machines", runtime);
	int fd = record_open_runtime(runtime, "machines"), r;

	if (fd == -ENOENT) {
		r = dir_make_all(path, 0755);
		if (r < 0)
			return fail(r, "cannot make '%s'", path);
		fd = record_open_runtime(runtime, "machines");
	}
	if (fd == -EPERM)
		return record_fail_foreign(runtime);
	if (fd < 0)
		return fail(fd, "cannot open '%s'", path);
	*ret_fd = fd;
	return 0;
}

/* The lock is also held for a moment by who reaps the record, and by who has just made it: only one
 * that names a living supervisor is a running machine's. */
static bool is_running(int fd)
{
	struct record_content content = { 0 };
	struct arena scratch = { 0 };
	char text[160];
	ssize_t size = pread(fd, text, sizeof(text), 0);
	bool running;

	/* The first lines are written at once, and a torn last one is dropped. */
	running = size > 0 && record_parse(&scratch, &content, text, (size_t)size) >= 0 &&
		  content.supervisor > 0 && (kill(content.supervisor, 0) == 0 || errno == EPERM);
	arena_done(&scratch);
	return running;
}

static int fail_running(const char *name)
{
	return fail_plain(-EBUSY,
			  "cannot start machine '%s': one of this name is running (choose another "
			  "with --machine=)",
			  name);
}

static int fail_abandoned(const char *name)
{
	return fail_plain(-EBUSY,
			  "cannot start machine '%s': one of this name runs without a supervisor "
			  "(take it with 'machinectl adopt %s', end it with 'machinectl terminate "
			  "%s', or choose another name with --machine=)",
			  name, name, name);
}

/* The locked and empty file NAME. Not readable by others: a lock that anybody could take for
 * reading would let anybody keep a machine from starting. */
static int open_file(struct arena *arena, const char *runtime, int dir_fd, const char *name)
{
	const int flags = O_CREAT | O_RDWR | O_NOFOLLOW | O_CLOEXEC;

	for (int i = 0; i < TRIES_MAX; i++) {
		autoclose int fd = -EBADF;
		struct stat st;
		int r;

		fd = openat(dir_fd, name, flags, 0600);
		if (fd < 0)
			return fail(-errno, "cannot make the record of machine '%s'", name);
		r = record_try_lock(fd);
		if (r == -EBUSY && is_running(fd))
			return fail_running(name);
		if (r == -EBUSY) {
			/* On a busy host who holds it may not run for some milliseconds. */
			if (i < YIELDS)
				sched_yield();
			else
				usleep(PATIENCE_US);
			continue;
		}
		if (r < 0)
			return fail(r, "cannot lock the record of machine '%s'", name);
		if (fstat(fd, &st) < 0)
			return fail(-errno, "cannot look at the record of machine '%s'", name);
		if (st.st_nlink == 0)
			continue; /* its holder removed it while we opened it */
		if (st.st_size > 0) {
			r = reap_content(arena, runtime, dir_fd, name, fd);
			if (r == REAP_LIVES)
				return fail_abandoned(name);
			if (r < 0)
				return fail_in(r,
					       "cannot clean up after the last run of machine '%s'",
					       name);
			if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
				return fail(-errno, "cannot empty the old record of '%s'", name);
			record_unlink_notes(dir_fd, name);
		}
		return take_fd(&fd);
	}
	return fail_plain(-EBUSY,
			  "cannot start machine '%s': others of this name start or are cleaned up "
			  "(try again)",
			  name);
}

static int begin(struct record *record)
{
	uint64_t random;
	char text[160];
	int length, r;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return fail(-EIO, "cannot get random numbers");
	snprintf(record->tag, sizeof(record->tag), "%016llx", (unsigned long long)random);
	length = snprintf(text, sizeof(text), MAGIC "\ntag=%s\nsupervisor=" SUPERVISOR_FORM "\n",
			  record->tag, (int)getpid());
	r = fd_write_all(record->fd, text, (size_t)length);
	return r < 0 ? fail(r, "cannot write the record of machine '%s'", record->name) : 0;
}

int record_create(struct arena *arena, struct record *ret, const char *runtime, const char *name)
{
	struct record record = RECORD_EMPTY;
	int r;

	if (!name_is_machine(name))
		return fail_input("cannot record machine '%s': this is no machine name", name);
	record.name = arena_text(arena, name);
	record.runtime = arena_text(arena, runtime);
	r = record_make_runtime(arena, &record.dir_fd, runtime);
	if (r < 0)
		return r;
	record.fd = open_file(arena, runtime, record.dir_fd, name);
	r = record.fd < 0 ? record.fd : begin(&record);
	if (r < 0) {
		record_close(&record);
		return r;
	}
	*ret = record;
	return 0;
}

/* One line to TEXT; its length, or -EINVAL: it would not be one line, or does not fit. */
static int line(char *text, size_t room, enum record_kind kind, const char *value)
{
	int length;

	if (strchr(value, '\n'))
		return -EINVAL;
	length = snprintf(text, room, "%s=%s\n", kind_names[kind], value);
	return length < 0 || (size_t)length >= room ? -EINVAL : length;
}

int record_note(struct record *record, enum record_kind kind, const char *value)
{
	char text[sizeof(record->buffer) + 4352]; /* what waits, a path, and its name */
	int length, r;

	memcpy(text, record->buffer, record->pending);
	length = line(text + record->pending, sizeof(text) - record->pending, kind, value);
	if (length < 0)
		return fail(length, "cannot record '%s' of machine '%s'", value, record->name);
	r = fd_write_all(record->fd, text, record->pending + (size_t)length);
	if (r < 0)
		return fail(r, "cannot write the record of machine '%s'", record->name);
	record->pending = 0;
	return 0;
}

void record_note_later(struct record *record, enum record_kind kind, const char *value)
{
	int length = line(record->buffer + record->pending,
			  sizeof(record->buffer) - record->pending, kind, value);

	if (length >= 0)
		record->pending += (size_t)length;
	else
		(void)record_note(record, kind, value); /* no room to wait in */
}

/* Append the line of KIND, or write it over where it is. */
static int renew(struct record *record, off_t *at, enum record_kind kind, const char *value)
{
	char text[64];
	int length = line(text, sizeof(text), kind, value), r;

	if (*at == 0) {
		r = record_note(record, kind, value);
		if (r >= 0)
			*at = lseek(record->fd, 0, SEEK_CUR) - length;
		return r;
	}
	/* In place: a guest may restart as often as it likes, and a record has a limit. */
	if (pwrite(record->fd, text, (size_t)length, *at) != length)
		return fail(-EIO, "cannot write the record of machine '%s'", record->name);
	return 0;
}

static int renew_process(struct record *record, off_t *at, enum record_kind kind, pid_t pid,
			 uint64_t start)
{
	char value[48];

	snprintf(value, sizeof(value), "%010d %020llu", (int)pid, (unsigned long long)start);
	return renew(record, at, kind, value);
}

int record_leader(struct record *record, pid_t pid, uint64_t start)
{
	return renew_process(record, &record->leader_at, RECORD_LEADER, pid, start);
}

int record_leader_id(struct record *record, pid_t pid, uint64_t id)
{
	return renew_process(record, &record->leader_id_at, RECORD_LEADER_ID, pid, id);
}

int record_runs(struct record *record, pid_t pid)
{
	char value[16];

	snprintf(value, sizeof(value), "%010d", (int)pid);
	return renew(record, &record->runs_at, RECORD_RUNS, value);
}

int record_holder(struct record *record, pid_t pid, uint64_t start)
{
	return renew_process(record, &record->holder_at, RECORD_HOLDER, pid, start);
}

static int renew_result(struct record *record, off_t *at, enum record_kind kind, unsigned int times,
			int result)
{
	char value[48];

	snprintf(value, sizeof(value), "%010u %05d", times, -result);
	return renew(record, at, kind, value);
}

int record_reexec(struct record *record, int result)
{
	return renew_result(record, &record->reexec_at, RECORD_REEXEC, ++record->reexecs, result);
}

int record_network(struct record *record, int result)
{
	return renew_result(record, &record->network_at, RECORD_NETWORK, ++record->networks,
			    result);
}

int record_health(struct record *record, const char *report)
{
	return renew(record, &record->health_at, RECORD_HEALTH, report);
}

/* ---- taking over ---- */

/* Where the lines are that may be written over. */
static void find_lines(struct record *record, const char *text)
{
	for (const char *at = text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
		const char *reexecs = text_after(at, "reexec=");
		const char *networks = text_after(at, "network=");

		if (text_after(at, "leader=") != NULL)
			record->leader_at = at - text;
		if (text_after(at, "leader-id=") != NULL)
			record->leader_id_at = at - text;
		if (text_after(at, "runs=") != NULL)
			record->runs_at = at - text;
		if (text_after(at, "holder=") != NULL)
			record->holder_at = at - text;
		if (text_after(at, "health=") != NULL)
			record->health_at = at - text;
		if (reexecs != NULL) {
			record->reexec_at = at - text;
			record->reexecs = (unsigned int)strtoul(reexecs, NULL, 10);
		}
		if (networks != NULL) {
			/* The shorter line of an earlier program stays: what comes after it would
			 * be written over. */
			record->network_at = memchr(networks, ' ', (size_t)(end - networks))
						     ? at - text
						     : 0;
			record->networks = (unsigned int)strtoul(networks, NULL, 10);
		}
	}
}

int record_resume(struct arena *arena, struct record *ret, int fd, const char *runtime,
		  const char *name)
{
	struct record record = RECORD_EMPTY;
	struct record_content content;
	char *text, supervisor[16];
	size_t size;
	int length, r;

	record.fd = fd;
	record.name = arena_text(arena, name);
	record.runtime = arena_text(arena, runtime);
	r = lseek(fd, 0, SEEK_SET) < 0 ? -errno
				       : file_read_fd(arena, &text, &size, fd, RECORD_SIZE_MAX);
	if (r >= 0)
		r = record_parse(arena, &content, text, size);
	if (r < 0) {
		record_close(&record);
		return fail(r, "cannot read the record of machine '%s'", name);
	}
	memcpy(record.tag, content.tag, sizeof(record.tag));
	find_lines(&record, text);
	length = snprintf(supervisor, sizeof(supervisor), SUPERVISOR_FORM, (int)getpid());
	if (pwrite(fd, supervisor, (size_t)length, SUPERVISOR_AT) != length) {
		record_close(&record);
		return fail(-EIO, "cannot write the record of machine '%s'", name);
	}
	*ret = record;
	return 0;
}

int record_adopt(struct arena *arena, struct record *ret, const char *runtime, const char *name)
{
	autoclose int directory = -EBADF, fd = -EBADF;
	struct stat st;
	int r;

	r = record_make_runtime(arena, &directory, runtime);
	if (r < 0)
		return r;
	fd = openat(directory, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return fail(-errno, "cannot open the record of machine '%s'", name);
	r = fd < 0 ? 0 : record_try_lock(fd);
	if (r == -EBUSY)
		return fail_plain(r, "cannot adopt machine '%s': it has a supervisor", name);
	if (r < 0)
		return fail(r, "cannot lock the record of machine '%s'", name);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_nlink == 0)
		return fail_plain(-ENXIO, "cannot adopt machine '%s': it is not running", name);
	return record_resume(arena, ret, take_fd(&fd), runtime, name);
}

/* ---- */

void record_rest(struct record *record)
{
	fd_close(&record->dir_fd);
}

int record_wake(struct record *record)
{
	char path[PATH_MAX];

	if (record->dir_fd >= 0)
		return 0;
	snprintf(path, sizeof(path), "%s/machines", record->runtime);
	record->dir_fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return record->dir_fd < 0 ? -errno : 0;
}

void record_unlink_notes(int dir_fd, const char *name)
{
	char binds[BIND_NOTES_ROOM], network[NETWORK_FILE_ROOM], refused[REFUSALS_ROOM];

	bind_notes_name(binds, name);
	(void)unlinkat(dir_fd, binds, 0);
	network_file_name(network, name);
	(void)unlinkat(dir_fd, network, 0);
	refusals_name(refused, name);
	(void)unlinkat(dir_fd, refused, 0);
}

void record_remove(struct record *record)
{
	/* While the lock is held, so that who waits for the name finds out by re-checking. */
	if (record->fd >= 0 && record_wake(record) >= 0) {
		record_unlink_notes(record->dir_fd, record->name);
		(void)unlinkat(record->dir_fd, record->name, 0);
	}
	record_close(record);
}

void record_close(struct record *record)
{
	fd_close(&record->fd);
	fd_close(&record->dir_fd);
}

static bool is_tag(const char *text)
{
	return strlen(text) == RECORD_TAG_ROOM - 1 &&
	       strspn(text, "0123456789abcdef") == RECORD_TAG_ROOM - 1;
}

int record_parse_process(pid_t *ret_pid, uint64_t *ret_start, const char *value)
{
	const char *blank = strchr(value, ' ');
	char digits[16];
	uint64_t start;
	uint32_t pid;

	if (!blank || (size_t)(blank - value) >= sizeof(digits))
		return -EBADMSG;
	memcpy(digits, value, (size_t)(blank - value));
	digits[blank - value] = '\0';
	/* 1 is no machine's leader, and 0 and less are groups to kill(2). */
	if (parse_u32(&pid, digits) < 0 || pid <= 1 || pid > INT32_MAX ||
	    parse_u64(&start, blank + 1) < 0)
		return -EBADMSG;
	*ret_pid = (pid_t)pid;
	*ret_start = start;
	return 0;
}

int record_parse_result(const char *value)
{
	const char *blank = value == NULL ? NULL : strchr(value, ' ');
	uint32_t error;

	if (blank == NULL || parse_u32(&error, blank + 1) < 0 || error > INT32_MAX)
		return 0;
	return -(int)error;
}

/* RECORD_KINDS: none of this name. */
static enum record_kind find_kind(const char *name, size_t length)
{
	char padded[sizeof(kind_names[0])] = "";
	size_t kind = 0;

	if (length >= sizeof(padded))
		return RECORD_KINDS;
	memcpy(padded, name, length);
	/* As many bytes as the compiler compares itself. */
	while (kind < RECORD_KINDS && memcmp(kind_names[kind], padded, sizeof(padded)) != 0)
		kind++;
	return (enum record_kind)kind;
}

/* There is room for as many notes as lines, or as may be. */
static int parse_line(struct record_content *content, const char *text)
{
	const char *value = strchr(text, '=');
	enum record_kind kind;

	kind = value == NULL ? RECORD_KINDS : find_kind(text, (size_t)(value - text));
	if (kind != RECORD_KINDS) {
		if (content->count >= RECORD_NOTES_MAX)
			return -EBADMSG;
		content->notes[content->count++] = (struct record_note_read){ .kind = kind,
									      .value = value + 1 };
		return 0;
	}
	value = text_after(text, "tag=");
	if (value) {
		/* Only the first counts, so that no later line changes what is ours. */
		if (!is_tag(value) || content->tag[0])
			return -EBADMSG;
		memcpy(content->tag, value, RECORD_TAG_ROOM);
		return 0;
	}
	value = text_after(text, "supervisor=");
	if (value) {
		uint32_t pid;

		if (parse_u32(&pid, value) < 0 || pid <= 1 || pid > INT32_MAX)
			return -EBADMSG;
		content->supervisor = (pid_t)pid;
	}
	return 0;
}

int record_parse(struct arena *arena, struct record_content *ret, const char *text, size_t size)
{
	struct record_content content = { 0 };
	bool first = true;
	const char *end = text + size;
	size_t lines = 0;
	char *copy;

	if (size > RECORD_SIZE_MAX || memchr(text, '\0', size))
		return -EBADMSG;
	for (const char *at = text; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
		lines++;
	content.notes = arena_take_array(arena, MIN(lines, (size_t)RECORD_NOTES_MAX),
					 sizeof(*content.notes));
	copy = arena_text_n(arena, text, size);
	for (char *stop; (stop = strchr(copy, '\n')); copy = stop + 1) {
		int r = 0;

		*stop = '\0';
		if (first && !text_equal(copy, MAGIC))
			return -EBADMSG;
		if (!first)
			r = parse_line(&content, copy);
		if (r < 0)
			return r;
		first = false;
	}
	if (first || !content.tag[0])
		return -EBADMSG;
	*ret = content;
	return 0;
}
