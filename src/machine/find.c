#include "machine/find.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "io/clock.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/cgroup.h"
#include "kernel/namespace.h"
#include "kernel/process.h"
#include "kernel/syscall.h"
#include "machine/reap.h"

#define FAIL_RECORD "cannot read the record of machine '%s'"
#define REAP_MAX 8			 /* of a list: the next one takes more */
#define BEGIN_US (5 * UINT64_C(1000000)) /* a busy host's supervisor may not run for a while */

char *machine_runtime_directory(struct arena *arena, unsigned int uid,
				const char *const *environment)
{
	const char *directory = text_variable(environment, "XDG_RUNTIME_DIR");

	if (uid == 0)
		return arena_text(arena, "/run/redd");
	/* From cron, su or a container: a place of the user's own, which machine/record checks. */
	if (text_empty(directory) || !path_is_absolute(directory))
		return arena_format(arena, "/tmp/redd-%u", uid);
	return arena_format(arena, "%s/redd", directory);
}

const char *machine_note(const struct machine *machine, enum record_kind kind)
{
	const char *value = NULL;

	for (size_t i = 0; i < machine->content.count; i++)
		if (machine->content.notes[i].kind == kind)
			value = machine->content.notes[i].value;
	return value;
}

/* Asking does not take the lock, so that nobody who starts a machine meets us. */
static bool is_held(int fd)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

static void read_times(struct machine *machine, const char *value)
{
	const char *blank = value == NULL ? NULL : strchr(value, ' ');

	if (blank == NULL)
		return;
	machine->realtime_us = strtoull(value, NULL, 10);
	machine->monotonic_us = strtoull(blank + 1, NULL, 10);
}

/* A leader that nobody has reaped yet is no machine any more. Who cannot tell (no /proc, no more
 * descriptors) has to leave it alone. */
static bool leader_lives(const struct machine *machine)
{
	autoclose int pidfd = -EBADF;
	uint64_t start;
	int r;

	if (machine->leader <= 0)
		return false;
	pidfd = sys_pidfd_open(machine->leader, 0);
	/* Nobody's number, or that of a thread. */
	if (pidfd == -ESRCH || pidfd == -EINVAL || pidfd == -ENOENT ||
	    (pidfd >= 0 && process_has_ended(pidfd)))
		return false;
	r = process_start_time(machine->leader, &start);
	return r < 0 ? r != -ESRCH : start == machine->leader_start;
}

static void judge(struct machine *machine, const char *runs, bool held)
{
	/* Until its program runs, a leader may still have the host in sight. */
	machine->begins = held && runs != NULL && atoi(runs) != (int)machine->leader;
	if (machine->begins)
		machine->leader = 0;
	if (held)
		machine->state = machine->leader > 0 ? MACHINE_RUNNING : MACHINE_OPENING;
	else
		machine->state = leader_lives(machine) ? MACHINE_ABANDONED : MACHINE_DEAD;
	machine->supervisor = held ? machine->content.supervisor : 0;
}

/* One read(2): records are small; the whole of a large one is read again with more room. */
static int read_content(struct arena *arena, struct record_content *ret, int fd)
{
	char buffer[4096], *text = buffer;
	ssize_t size = pread(fd, buffer, sizeof(buffer), 0);

	if (size == (ssize_t)sizeof(buffer)) {
		text = arena_take(arena, RECORD_SIZE_MAX);
		size = pread(fd, text, RECORD_SIZE_MAX, 0);
	}
	return size < 0 ? -errno : record_parse(arena, ret, text, (size_t)size);
}

/* While a guest restarts, it may be noted already of the leader that comes. */
static void read_leader_id(struct machine *machine, const char *value)
{
	uint64_t id;
	pid_t pid;

	if (value != NULL && record_parse_process(&pid, &id, value) >= 0 && pid == machine->leader)
		machine->leader_id = id;
}

/* The last of each kind counts. */
static int read_notes(struct machine *machine, bool held)
{
	const struct record_content *content = &machine->content;
	const char *last[RECORD_KINDS] = { NULL };

	for (size_t i = 0; i < content->count; i++)
		last[content->notes[i].kind] = content->notes[i].value;
	if (last[RECORD_LEADER] != NULL &&
	    record_parse_process(&machine->leader, &machine->leader_start, last[RECORD_LEADER]) < 0)
		return -EBADMSG;
	read_leader_id(machine, last[RECORD_LEADER_ID]);
	read_times(machine, last[RECORD_STARTED]);
	machine->root = last[RECORD_DIRECTORY] != NULL ? last[RECORD_DIRECTORY] : "";
	machine->service = last[RECORD_SERVICE];
	machine->id = last[RECORD_ID];
	machine->unit = last[RECORD_UNIT];
	machine->payload = last[RECORD_PAYLOAD];
	machine->confine = last[RECORD_CONFINE];
	machine->init = last[RECORD_INIT];
	judge(machine, last[RECORD_RUNS], held);
	return 0;
}

static int read_machine(struct arena *arena, struct machine *ret, int dir_fd, const char *runtime,
			const char *name)
{
	struct machine machine = { .name = arena_text(arena, name), .runtime = runtime };
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	autoclose int fd = -EBADF;
	int r;

	fd = openat(dir_fd, name, flags);
	if (fd < 0)
		return -errno;
	r = read_content(arena, &machine.content, fd);
	if (r >= 0)
		r = read_notes(&machine, is_held(fd));
	if (r >= 0)
		*ret = machine;
	return r;
}

int machine_open(struct arena *arena, struct machine *ret, const char *runtime, const char *name)
{
	autoclose int dir = -EBADF;
	struct machine machine;
	int r;

	if (text_equal(name, MACHINE_HOST))
		return fail_input("cannot look for machine '%s': that is the host itself, not a "
				  "machine",
				  name);
	if (!name_is_machine(name))
		return fail_input("cannot look for machine '%s': this is no machine name (letters, "
				  "digits, '-' and '.', 64 at most)",
				  text_printable(arena, name));
	dir = record_open_runtime(runtime, "machines");
	if (dir == -EPERM)
		return record_fail_foreign(runtime);
	r = dir < 0 ? dir : read_machine(arena, &machine, dir, runtime, name);
	if (r >= 0 && machine.state == MACHINE_DEAD)
		(void)reap_one(runtime, name);
	if (r == -ENOENT || r == -EBADMSG || (r >= 0 && machine.state == MACHINE_DEAD))
		return fail_plain(-ENXIO,
				  "cannot find machine '%s': none of this name is running (try "
				  "'machinectl list')",
				  name);
	if (r == -EACCES)
		return fail_plain(r,
				  "cannot reach machine '%s': it is another user's (try as root)",
				  name);
	if (r < 0)
		return fail(r, FAIL_RECORD, name);
	*ret = machine;
	return 0;
}

int machine_watch_record(struct arena *arena, const char *runtime, const char *name)
{
	autoclose int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	const char *path = arena_format(arena, "%s/machines/%s", runtime, name);

	if (fd < 0)
		return -errno;
	if (inotify_add_watch(fd, path, IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF) <
	    0)
		return errno == ENOENT ? -ENXIO : -errno;
	return take_fd(&fd);
}

/* False: it takes too long. */
static bool await_change(int watch, uint64_t deadline)
{
	struct pollfd changed = { .fd = watch, .events = POLLIN };
	uint64_t now = clock_monotonic_us();
	char events[4096];

	if (watch < 0 || now >= deadline ||
	    poll(&changed, 1, (int)((deadline - now) / 1000 + 1)) <= 0)
		return false;
	return read(watch, events, sizeof(events)) > 0;
}

int machine_open_begun(struct arena *arena, struct machine *ret, const char *runtime,
		       const char *name)
{
	const uint64_t deadline = clock_monotonic_us() + BEGIN_US;
	autoclose int watch = -EBADF;
	int r = machine_open(arena, ret, runtime, name);

	if (r < 0 || !ret->begins)
		return r;
	watch = machine_watch_record(arena, runtime, name);
	/* Looked at again after that: it may have been noted in between. */
	do {
		r = machine_open(arena, ret, runtime, name);
	} while (r >= 0 && ret->begins && await_change(watch, deadline));
	return r;
}

void machine_host(struct machine *ret)
{
	struct machine machine = {
		.name = MACHINE_HOST,
		.is_host = true,
		.state = MACHINE_RUNNING,
		.leader = 1,
		.root = "/",
	};

	(void)process_start_time(machine.leader, &machine.leader_start);
	*ret = machine;
}

/* Its record as it is now; -ESTALE: of another machine. */
static int read_again(struct arena *arena, struct machine *ret, const struct machine *machine)
{
	autoclose int dir = -EBADF;
	int r;

	dir = record_open_runtime(machine->runtime, "machines");
	if (dir < 0)
		return dir;
	r = read_machine(arena, ret, dir, machine->runtime, machine->name);
	if (r < 0)
		return r;
	return text_equal(ret->content.tag, machine->content.tag) ? 0 : -ESTALE;
}

/* What else may fail says nothing about the machine. */
static bool is_gone(int r)
{
	return r == -ENOENT || r == -ESTALE || r == -EBADMSG;
}

bool machine_is_there(struct arena *arena, struct machine *ret, const struct machine *machine)
{
	struct machine now;

	int r = read_again(arena, &now, machine);

	if (is_gone(r) || (r >= 0 && now.state == MACHINE_DEAD))
		return false;
	*ret = r < 0 ? *machine : now;
	return true;
}

int machine_open_supervisor(struct arena *arena, const struct machine *machine)
{
	autoclose int pidfd = -EBADF;
	struct machine now;
	int r;

	if (machine->supervisor == 0)
		return -ENXIO;
	pidfd = sys_pidfd_open(machine->supervisor, 0);
	if (pidfd < 0)
		return pidfd == -ESRCH ? -ENXIO : pidfd;
	/* Asked after the pidfd was opened: whoever holds the lock now lived then. */
	r = read_again(arena, &now, machine);
	if (r < 0 && !is_gone(r))
		return r;
	if (r < 0 || now.supervisor != machine->supervisor)
		return -ENXIO;
	return take_fd(&pidfd);
}

struct collector {
	struct arena *arena;
	const char *runtime;
	struct machine *items;
	size_t count;
	struct text_list dead;
	bool whole, told;
};

static int collect(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct collector *collector = context;
	struct machine machine;
	int r;

	if (type != DT_REG || !name_is_machine(name))
		return 0;
	r = read_machine(collector->arena, &machine, dir_fd, collector->runtime, name);
	if (r < 0 && r != -ENOENT && r != -EBADMSG) {
		collector->told = collector->whole;
		if (collector->whole)
			return fail(r, FAIL_RECORD, name);
		log_warning(FAIL_RECORD ": %s, going on without", name, strerror(-r));
	}
	if (r >= 0 && machine.state == MACHINE_DEAD && collector->dead.count < REAP_MAX)
		text_list_add(collector->arena, &collector->dead,
			      arena_text(collector->arena, name));
	if (r < 0 || machine.state == MACHINE_DEAD)
		return 0;
	*(struct machine *)list_grow(collector->arena, (void **)&collector->items,
				     &collector->count, sizeof(machine)) = machine;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct machine *)a)->name, ((const struct machine *)b)->name);
}

static int list(struct arena *arena, struct machine **ret, size_t *ret_count, const char *runtime,
		bool whole)
{
	struct collector collector = { .arena = arena, .runtime = runtime, .whole = whole };
	autoclose int dir = -EBADF;
	int r;

	dir = record_open_runtime(runtime, "machines");
	if (dir == -EPERM)
		return record_fail_foreign(runtime);
	r = dir < 0 ? dir : dir_walk(dir, collect, &collector);
	if (collector.told)
		return r;
	if (r < 0 && r != -ENOENT)
		return fail(r, "cannot read the machines' records below '%s'", runtime);
	for (size_t i = 0; i < collector.dead.count; i++)
		(void)reap_one(runtime, collector.dead.items[i]);
	if (collector.count > 0)
		qsort(collector.items, collector.count, sizeof(*collector.items), by_name);
	*ret = collector.items;
	*ret_count = collector.count;
	return 0;
}

int machine_list(struct arena *arena, struct machine **ret, size_t *ret_count, const char *runtime)
{
	return list(arena, ret, ret_count, runtime, false);
}

int machine_list_whole(struct arena *arena, struct machine **ret, size_t *ret_count,
		       const char *runtime)
{
	return list(arena, ret, ret_count, runtime, true);
}

int machine_list_roots(struct arena *arena, struct text_list *ret, const char *runtime)
{
	struct machine *machines;
	size_t count;
	int r = machine_list_whole(arena, &machines, &count, runtime);

	for (size_t i = 0; r >= 0 && i < count; i++)
		if (!text_empty(machines[i].root))
			text_list_add(arena, ret, arena_text(arena, machines[i].root));
	return r;
}

static int fail_gone(const struct machine *machine)
{
	if (machine->leader == 0)
		return fail_plain(-ENXIO,
				  "cannot reach machine '%s': it is still starting (try again)",
				  machine->name);
	if (access("/proc/self", F_OK) < 0)
		return fail_plain(-ENOENT, "cannot reach machine '%s': /proc is not mounted here",
				  machine->name);
	return fail_plain(-ENXIO, "cannot reach machine '%s': it has just ended", machine->name);
}

/* Asked after the pidfd was opened: if it is the one that was noted, the pidfd is too. */
static bool is_leader(const struct machine *machine, int pidfd)
{
	uint64_t start;

	if (machine->leader_id != 0)
		return process_is(pidfd, machine->leader_id);
	return process_start_time(machine->leader, &start) >= 0 && start == machine->leader_start;
}

int machine_open_leader(const struct machine *machine)
{
	autoclose int pidfd = -EBADF;

	if (machine->leader == 0)
		return fail_gone(machine);
	pidfd = sys_pidfd_open(machine->leader, 0);
	if (pidfd < 0 && pidfd != -ESRCH)
		return fail(pidfd, "cannot open the leader of machine '%s'", machine->name);
	if (pidfd < 0 || !is_leader(machine, pidfd))
		return fail_gone(machine);
	return take_fd(&pidfd);
}

/* -ESRCH: it is gone, or not there yet. */
static int open_own_proc(const struct machine *machine)
{
	autoclose int fd = -EBADF;
	uint64_t start;

	if (machine->leader == 0)
		return -ESRCH;
	fd = namespace_open_process(machine->leader);
	if (fd < 0)
		return take_fd(&fd);
	/* The directory stays that of one process, and is empty when that has ended. */
	if (process_start_time_at(fd, &start) < 0 || start != machine->leader_start)
		return -ESRCH;
	return take_fd(&fd);
}

int machine_open_proc(const struct machine *machine)
{
	int fd = open_own_proc(machine);

	if (fd == -ESRCH)
		return fail_gone(machine);
	return fd < 0 ? fail(fd, "cannot open the leader of machine '%s' in /proc", machine->name)
		      : fd;
}

int machine_open_root_at(const struct machine *machine, int proc_fd)
{
	int fd = openat(proc_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno != ENOENT && errno != ESRCH)
		return fail(-errno, "cannot open the root of machine '%s'", machine->name);
	return fd < 0 ? fail_gone(machine) : fd;
}

int machine_guess_root(const struct machine *machine)
{
	char path[sizeof("/proc/-2147483648/root")];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/root", (int)machine->leader);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int machine_open_root(const struct machine *machine)
{
	autoclose int proc = machine_open_proc(machine);

	return proc < 0 ? proc : machine_open_root_at(machine, proc);
}

const char *machine_cgroup(struct arena *arena, const struct machine *machine, bool payload)
{
	const char *path = machine->payload;
	size_t length = path == NULL ? 0 : strlen(path);

	if (path == NULL || payload || !text_ends(path, "/payload"))
		return path;
	length -= strlen("/payload");
	return length == 0 ? "/" : arena_text_n(arena, path, length);
}

int machine_open_cgroup(struct arena *arena, const struct machine *machine, bool payload)
{
	const char *path = machine_cgroup(arena, machine, payload);
	autoclose int proc = -EBADF;
	char own[PATH_MAX];
	int r;

	if (path == NULL || !path_is_absolute(path))
		return -ENOENT;
	proc = open_own_proc(machine);
	if (proc < 0)
		return -ENOENT;
	/* What was noted may be gone and made again by others; where the leader is cannot. A path
	 * that is longer than the kernel tells is one of the guest's own digging. */
	r = cgroup_process_path_at(own, sizeof(own), proc);
	if (r != -ENAMETOOLONG && (r < 0 || !path_is_below(own, path)))
		return -ENOENT;
	return cgroup_open(path);
}

bool machine_is_paused(struct arena *arena, const struct machine *machine)
{
	autoclose int cgroup = machine_open_cgroup(arena, machine, true);
	uint64_t frozen;

	return cgroup >= 0 && cgroup_read_key(&frozen, cgroup, "cgroup.events", "frozen") >= 0 &&
	       frozen == 1;
}
