#include "machine/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/names.h"
#include "base/text.h"
#include "io/clock.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/cgroup.h"
#include "kernel/process.h"
#include "machine/find.h"

#define RECORD_CREATED (IN_CREATE | IN_MOVED_TO)
#define RECORD_EVENTS (RECORD_CREATED | IN_MODIFY | IN_DELETE)
#define NO_WATCH (-1)
#define READY_ROUNDS 16

/* How far one came whom nobody has looked at. A record is made empty, and an empty one may be
 * removed for one that was left behind. */
enum passage { UNKNOWN, CREATED, NOTED, PASSED };

/* A machine as it was when it was looked at last. */
struct watched {
	struct watched *next;
	char name[NAME_MAX_LENGTH + 1];
	bool seen;  /* looked at once */
	bool stale; /* to be looked at, whatever wakes us */
	enum passage passage;
	char tag[RECORD_TAG_ROOM];
	enum machine_state state;
	pid_t supervisor, leader;
	uint64_t leader_start, ready_us, stopping_us, oom_kills;
	bool paused;
	int supervisor_fd, leader_fd; /* pidfds */
	int events, memory;	      /* watches of cgroup.events and memory.events */
	bool refused;		      /* there may be more in: */
	struct refusals_reader refusals;
};

static const char *const kind_names[WATCH_KINDS] = {
	[WATCH_RUNNING] = "running", [WATCH_OPENING] = "opening",   [WATCH_STARTED] = "started",
	[WATCH_READY] = "ready",     [WATCH_REBOOTED] = "rebooted", [WATCH_PAUSED] = "paused",
	[WATCH_RESUMED] = "resumed", [WATCH_OOM] = "oom",	    [WATCH_ABANDONED] = "abandoned",
	[WATCH_ADOPTED] = "adopted", [WATCH_ENDED] = "ended",	    [WATCH_STOPPING] = "stopping",
	[WATCH_REFUSED] = "refused",
};

const char *watch_kind_name(enum watch_kind kind)
{
	return kind_names[kind];
}

/* ---- the list ---- */

static struct watched *add(struct watch *watch, const char *name)
{
	struct watched *machine = watch->unused;

	if (machine == NULL)
		machine = arena_new(&watch->arena, struct watched);
	else
		watch->unused = machine->next;
	*machine = (struct watched){
		.next = watch->first,
		.supervisor_fd = -EBADF,
		.leader_fd = -EBADF,
		.events = NO_WATCH,
		.memory = NO_WATCH,
		.refusals = REFUSALS_READER_EMPTY,
	};
	snprintf(machine->name, sizeof(machine->name), "%s", name);
	watch->first = machine;
	return machine;
}

static void forget_file(struct watch *watch, int *wd)
{
	if (*wd != NO_WATCH)
		inotify_rm_watch(watch->inotify_fd, *wd);
	*wd = NO_WATCH;
}

/* Closing takes a descriptor out of the epoll set as well: there is no other of the same file. */
static void drop(struct watch *watch, struct watched *machine)
{
	struct watched **link = &watch->first;

	while (*link != machine)
		link = &(*link)->next;
	*link = machine->next;
	fd_close(&machine->supervisor_fd);
	fd_close(&machine->leader_fd);
	forget_file(watch, &machine->events);
	forget_file(watch, &machine->memory);
	refusals_reader_done(&machine->refusals);
	machine->next = watch->gone;
	watch->gone = machine;
}

static void reuse_gone(struct watch *watch)
{
	while (watch->gone != NULL) {
		struct watched *machine = watch->gone;

		watch->gone = machine->next;
		machine->next = watch->unused;
		watch->unused = machine;
	}
}

static struct watched *find(const struct watch *watch, const char *name)
{
	struct watched *machine = watch->first;

	while (machine != NULL && !text_equal(machine->name, name))
		machine = machine->next;
	return machine;
}

static bool is_wanted(const struct watch *watch, const char *name)
{
	return name_is_machine(name) &&
	       (watch->names->count == 0 || text_list_has(watch->names, name));
}

/* ---- one look ---- */

static struct watch_event *push(struct watch *watch, const struct watched *machine,
				enum watch_kind kind)
{
	struct watch_event *event = &watch->queue[watch->queued++];

	*event = (struct watch_event){
		.kind = kind,
		.realtime_us = clock_realtime_us(),
		.machine = machine->name,
		.leader = machine->leader,
	};
	return event;
}

static void push_end(struct watch *watch, struct watched *machine)
{
	struct watch_event *event = push(watch, machine, WATCH_ENDED);
	int status;

	event->leader = 0;
	if (machine->leader_fd < 0 ||
	    process_exit_status(machine->leader_fd, machine->leader, &status) < 0)
		return;
	event->status_known = true;
	if (WIFSIGNALED(status))
		event->signal = WTERMSIG(status);
	else
		event->status = WEXITSTATUS(status);
}

static void wait_for_end(struct watch *watch, struct watched *machine, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = machine };

	if (fd >= 0)
		epoll_ctl(watch->poll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void watch_file(struct watch *watch, int *wd, const char *path, const char *file)
{
	autoarena struct arena scratch = { 0 };
	autoclose int root = -EBADF;
	const char *mount;

	forget_file(watch, wd);
	if (path == NULL || cgroup_open_root(&root, &mount) < 0)
		return;
	*wd = inotify_add_watch(watch->inotify_fd,
				arena_format(&scratch, "%s%s/%s", mount, path, file), IN_MODIFY);
}

static void compare_leader(struct watch *watch, struct watched *machine, struct arena *scratch,
			   const struct machine *now)
{
	bool again = machine->leader != 0;

	if (now->leader == 0 ||
	    (now->leader == machine->leader && now->leader_start == machine->leader_start))
		return;
	machine->leader = now->leader;
	machine->leader_start = now->leader_start;
	fd_close(&machine->leader_fd);
	machine->leader_fd = machine_open_leader(now);
	wait_for_end(watch, machine, machine->leader_fd);
	/* Every start has a new cgroup in the machine's. */
	watch_file(watch, &machine->events, now->payload, "cgroup.events");
	watch_file(watch, &machine->memory, machine_cgroup(scratch, now, false), "memory.events");
	if (!watch->beginning)
		push(watch, machine, again ? WATCH_REBOOTED : WATCH_STARTED);
}

static void compare_supervisor(struct watch *watch, struct watched *machine, struct arena *scratch,
			       const struct machine *now)
{
	bool was = machine->state == MACHINE_ABANDONED, is = now->state == MACHINE_ABANDONED;

	if (machine->supervisor != now->supervisor) {
		machine->supervisor = now->supervisor;
		fd_close(&machine->supervisor_fd);
		machine->supervisor_fd = machine_open_supervisor(scratch, now);
		wait_for_end(watch, machine, machine->supervisor_fd);
	}
	machine->state = now->state;
	if (was != is && !(watch->beginning && !is))
		push(watch, machine, is ? WATCH_ABANDONED : WATCH_ADOPTED);
}

/* What is noted with its time: LAST is that of the last one. */
static void compare_time(struct watch *watch, struct watched *machine, uint64_t *last,
			 const char *value, enum watch_kind kind)
{
	const char *blank = value == NULL ? NULL : strchr(value, ' ');
	uint64_t time = blank == NULL ? 0 : strtoull(blank + 1, NULL, 10);

	if (time != 0 && time != *last && !watch->beginning)
		push(watch, machine, kind);
	*last = time;
}

static void compare_cgroup(struct watch *watch, struct watched *machine, struct arena *scratch,
			   const struct machine *now)
{
	autoclose int own = -EBADF, payload = -EBADF;
	uint64_t number;

	if (now->payload == NULL)
		return;
	/* By name, and only to be read: a leader that was killed for want of memory is gone. */
	payload = cgroup_open(now->payload);
	if (payload >= 0 && cgroup_read_key(&number, payload, "cgroup.events", "frozen") >= 0 &&
	    (number == 1) != machine->paused) {
		machine->paused = number == 1;
		push(watch, machine, machine->paused ? WATCH_PAUSED : WATCH_RESUMED);
	}
	own = cgroup_open(machine_cgroup(scratch, now, false));
	if (own >= 0 && cgroup_read_key(&number, own, "memory.events", "oom_kill") >= 0) {
		if (number > machine->oom_kills && !watch->beginning)
			push(watch, machine, WATCH_OOM)->count = number;
		machine->oom_kills = number;
	}
}

static bool is_over(const struct watched *machine, const struct machine *now)
{
	if (machine->seen && !text_equal(machine->tag, now->content.tag))
		return true; /* another one of its name */
	/* Until it is reaped its number is still there. */
	return now->state == MACHINE_ABANDONED && now->leader == machine->leader &&
	       machine->leader_fd >= 0 && process_has_ended(machine->leader_fd);
}

static void look(struct watch *watch, struct watched *machine)
{
	autoarena struct arena scratch = { 0 };
	struct machine now;
	int r;

	machine->stale = false;
	r = machine_open(&scratch, &now, watch->runtime, machine->name);
	if (r >= 0 && is_over(machine, &now)) {
		bool another = !text_equal(machine->tag, now.content.tag);

		push_end(watch, machine);
		drop(watch, machine);
		if (another)
			add(watch, machine->name)->stale = true;
		return;
	}
	if (r < 0) {
		fail_forget();
		/* Somebody is about to write what it is. */
		if (machine->passage == CREATED || machine->passage == NOTED)
			return;
		if (machine->passage == PASSED)
			push(watch, machine, WATCH_OPENING);
		if (machine->passage == PASSED || machine->seen)
			push_end(watch, machine);
		drop(watch, machine);
		return;
	}
	if (!machine->seen) {
		machine->seen = true;
		machine->passage = UNKNOWN;
		memcpy(machine->tag, now.content.tag, sizeof(machine->tag));
		machine->leader = watch->beginning ? now.leader : 0;
		push(watch, machine, watch->beginning ? WATCH_RUNNING : WATCH_OPENING);
		machine->leader = 0;
		machine->refused = true;
		/* As with all else: what was before is not told. */
		if (watch->beginning)
			refusals_skip(&machine->refusals, watch->runtime, machine->name);
	}
	compare_leader(watch, machine, &scratch, &now);
	compare_supervisor(watch, machine, &scratch, &now);
	compare_time(watch, machine, &machine->ready_us, machine_note(&now, RECORD_READY),
		     WATCH_READY);
	compare_time(watch, machine, &machine->stopping_us, machine_note(&now, RECORD_STOPPING),
		     WATCH_STOPPING);
	compare_cgroup(watch, machine, &scratch, &now);
}

/* ---- what it was refused ---- */

/* Of who was looked at: its beginning is told first. 0: nobody has any. */
static int next_refusal(struct watch *watch, struct watch_event *ret)
{
	for (struct watched *machine = watch->first; machine != NULL; machine = machine->next) {
		if (!machine->refused || !machine->seen)
			continue;
		machine->refused = refusals_read(&machine->refusals, &watch->refusal,
						 watch->runtime, machine->name) > 0;
		if (!machine->refused)
			continue;
		*ret = (struct watch_event){
			.kind = WATCH_REFUSED,
			.realtime_us = watch->refusal.realtime_us,
			.machine = machine->name,
			.refusal = &watch->refusal,
		};
		return 1;
	}
	return 0;
}

/* ---- what wakes us ---- */

/* A file of a known machine. */
static void mark_file(struct watch *watch, const char *file)
{
	char name[REFUSALS_ROOM];
	struct watched *machine = refusals_machine(name, file) < 0 ? NULL : find(watch, name);

	if (machine != NULL)
		machine->refused = true;
}

static struct watched *mark(struct watch *watch, const char *name)
{
	struct watched *machine = find(watch, name);

	if (machine == NULL && is_wanted(watch, name))
		machine = add(watch, name);
	if (machine != NULL)
		machine->stale = true;
	return machine;
}

/* All of a machine's life may be told at once. */
static void mark_told(struct watch *watch, const char *name, uint32_t mask)
{
	struct watched *machine = mark(watch, name);

	if (machine == NULL || machine->seen)
		return;
	if (mask & RECORD_CREATED)
		machine->passage = CREATED;
	else if (mask & IN_DELETE)
		machine->passage = machine->passage == NOTED ? PASSED : UNKNOWN;
	else if (machine->passage == CREATED)
		machine->passage = NOTED;
}

static int mark_record(int dir_fd, const char *name, unsigned char type, void *context)
{
	(void)dir_fd;
	if (type == DT_REG)
		(void)mark(context, name);
	return 0;
}

static int mark_all(struct watch *watch)
{
	autoclose int dir = -EBADF;
	int r;

	for (struct watched *machine = watch->first; machine != NULL; machine = machine->next) {
		machine->stale = machine->refused = true;
		machine->passage = UNKNOWN; /* its end may not have been told */
	}
	dir = record_open_runtime(watch->runtime, "machines");
	if (dir == -EPERM)
		return record_fail_foreign(watch->runtime);
	r = dir < 0 ? dir : dir_walk(dir, mark_record, watch);
	return r < 0 ? fail(r, "cannot read the machines' records below '%s'", watch->runtime) : 0;
}

static int mark_notified(struct watch *watch)
{
	ssize_t size = read(watch->inotify_fd, watch->buffer, sizeof(watch->buffer));

	for (ssize_t at = 0; at < size;) {
		const struct inotify_event *event =
			(const struct inotify_event *)(const void *)(watch->buffer + at);

		at += (ssize_t)(sizeof(*event) + event->len);
		if (event->mask & IN_Q_OVERFLOW)
			return mark_all(watch);
		if (event->wd == watch->records) {
			if (event->len > 0 && event->name[0] == '.')
				mark_file(watch, event->name);
			else if (event->len > 0)
				mark_told(watch, event->name, event->mask);
			continue;
		}
		for (struct watched *m = watch->first; m != NULL; m = m->next)
			if (event->wd == m->events || event->wd == m->memory)
				m->stale = true;
	}
	return 0;
}

/* A process that has ended is told once; its descriptor is kept for its status. */
static void mark_ended(struct watch *watch, struct watched *machine)
{
	const int fds[] = { machine->supervisor_fd, machine->leader_fd };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0 && process_has_ended(fds[i]))
			epoll_ctl(watch->poll_fd, EPOLL_CTL_DEL, fds[i], NULL);
	machine->stale = true;
}

static int wait_for_any(struct watch *watch, int timeout_ms)
{
	struct epoll_event events[READY_ROUNDS];
	int count = epoll_wait(watch->poll_fd, events, ARRAY_SIZE(events), timeout_ms), r = 0;

	if (count < 0)
		return -errno;
	for (int i = 0; i < count && r >= 0; i++) {
		if (events[i].data.ptr == NULL)
			r = mark_notified(watch);
		else
			mark_ended(watch, events[i].data.ptr);
	}
	return r < 0 ? r : count;
}

static struct watched *next_stale(struct watch *watch)
{
	struct watched *machine = watch->first;

	while (machine != NULL && !machine->stale)
		machine = machine->next;
	return machine;
}

int watch_next(struct watch *watch, struct watch_event *ret, int timeout_ms)
{
	for (;;) {
		struct watched *machine;
		int r;

		if (watch->taken < watch->queued) {
			*ret = watch->queue[watch->taken++];
			return 1;
		}
		watch->taken = watch->queued = 0;
		reuse_gone(watch);
		/* First: who is found to have ended is forgotten. */
		if (next_refusal(watch, ret) > 0)
			return 1;
		machine = next_stale(watch);
		if (machine != NULL) {
			look(watch, machine);
			continue;
		}
		watch->beginning = false;
		r = wait_for_any(watch, timeout_ms);
		if (r <= 0)
			return r == 0 || r == -EINTR ? r : fail(r, "cannot wait for machines");
	}
}

int watch_open(struct watch *watch, const char *runtime, const struct text_list *names)
{
	struct epoll_event event = { .events = EPOLLIN };
	const char *path;
	int r;

	*watch = (struct watch){ .names = names, .beginning = true };
	watch->runtime = arena_text(&watch->arena, runtime);
	path = arena_format(&watch->arena, "%s/machines", runtime);
	watch->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	watch->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch->poll_fd < 0 || watch->inotify_fd < 0 ||
	    epoll_ctl(watch->poll_fd, EPOLL_CTL_ADD, watch->inotify_fd, &event) < 0)
		return fail(-errno, "cannot watch machines (see fs.inotify.max_user_instances)");
	r = dir_make_all(path, 0755);
	if (r < 0)
		return fail(r, "cannot make '%s'", path);
	watch->records = inotify_add_watch(watch->inotify_fd, path, RECORD_EVENTS);
	if (watch->records < 0)
		return fail(-errno, "cannot watch '%s'", path);
	return mark_all(watch);
}

void watch_done(struct watch *watch)
{
	while (watch->first != NULL)
		drop(watch, watch->first);
	fd_close(&watch->inotify_fd);
	fd_close(&watch->poll_fd);
	arena_done(&watch->arena);
}
