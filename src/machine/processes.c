#include "machine/processes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/path.h"
#include "base/text.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/cgroup.h"
#include "kernel/namespace.h"
#include "kernel/process.h"
#include "kernel/syscall.h"
#include "machine/find.h"

#define DEPTH_MAX 24
#define NUMBERS_ROOM (PROCESSES_MAX * 11)

/* ---- one process ---- */

char *processes_name(struct arena *arena, int proc_fd)
{
	char name[64];

	if (file_read_line(name, sizeof(name), proc_fd, "comm") < 0)
		name[0] = '\0';
	return arena_text(arena, name);
}

static const char *command_of(struct arena *arena, pid_t pid)
{
	char text[PROCESSES_COMMAND_MAX + 1];
	autoclose int proc = namespace_open_process(pid), fd = -EBADF;
	ssize_t size = 0;

	if (proc < 0)
		return "";
	fd = openat(proc, "cmdline", O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		size = read(fd, text, sizeof(text) - 1);
	while (size > 0 && text[size - 1] == '\0')
		size--;
	if (size <= 0)
		return arena_format(arena, "[%s]", processes_name(arena, proc));
	for (ssize_t i = 0; i < size; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	return arena_text_n(arena, text, (size_t)size);
}

static int by_pid(const void *a, const void *b)
{
	pid_t first = ((const struct process *)a)->pid, second = ((const struct process *)b)->pid;

	return first < second ? -1 : first > second;
}

/* ---- many ---- */

struct walk {
	struct arena *arena;
	struct processes *processes;
	size_t groups;
	unsigned int depth;
};

static void add(struct walk *walk, struct process_group *group, pid_t pid)
{
	struct process *process;

	if (walk->processes->total >= PROCESSES_MAX) {
		walk->processes->more = true;
		return;
	}
	process = list_grow(walk->arena, (void **)&group->processes, &group->count,
			    sizeof(*process));
	process->pid = pid;
	walk->processes->total++;
}

/* Numbers as the kernel lists them, between blanks or line breaks. 0 is one that we cannot see. */
static void add_numbers(struct walk *walk, struct process_group *group, int fd)
{
	char *text = arena_take(walk->arena, NUMBERS_ROOM + 1), *end;
	size_t used = 0;
	ssize_t size;

	while (used < NUMBERS_ROOM && (size = read(fd, text + used, NUMBERS_ROOM - used)) > 0)
		used += (size_t)size;
	if (used == NUMBERS_ROOM)
		walk->processes->more = true;
	for (char *at = text; *at != '\0'; at = end) {
		long pid = strtol(at, &end, 10);

		if (end == at)
			break;
		/* The last one may have been cut. */
		if (pid > 0 && (*end == '\n' || *end == ' '))
			add(walk, group, (pid_t)pid);
		end += *end != '\0';
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct process_group *)a)->name,
		      ((const struct process_group *)b)->name);
}

struct subgroups {
	struct walk *walk;
	struct process_group *group;
};

static int visit_group(int dir_fd, const char *name, unsigned char type, void *context);

static void read_group(struct walk *walk, struct process_group *group, int fd)
{
	struct subgroups subgroups = { walk, group };
	autoclose int numbers = openat(fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);

	if (numbers >= 0)
		add_numbers(walk, group, numbers);
	if (walk->depth == DEPTH_MAX) {
		walk->processes->more = true;
		return;
	}
	walk->depth++;
	(void)dir_walk(fd, visit_group, &subgroups);
	walk->depth--;
	if (group->group_count > 0)
		qsort(group->groups, group->group_count, sizeof(*group->groups), by_name);
}

static int visit_group(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct subgroups *subgroups = context;
	struct walk *walk = subgroups->walk;
	struct process_group group = { .name = arena_text(walk->arena, name) };
	struct process_group *parent = subgroups->group;
	autoclose int fd = -EBADF;

	if (type != DT_DIR)
		return 0;
	if (walk->groups++ == PROCESSES_GROUPS_MAX) {
		walk->processes->more = true;
		return 1;
	}
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return 0;
	read_group(walk, &group, fd);
	if (group.count > 0 || group.group_count > 0)
		*(struct process_group *)list_grow(walk->arena, (void **)&parent->groups,
						   &parent->group_count, sizeof(group)) = group;
	return 0;
}

/* Breadth first: what was added last is looked at in its turn. */
static void read_descendants(struct walk *walk, struct process_group *group, pid_t leader)
{
	add(walk, group, leader);
	for (size_t i = 0; i < group->count; i++) {
		pid_t pid = group->processes[i].pid;
		autoclose int fd = -EBADF;
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			add_numbers(walk, group, fd);
	}
}

static void collect(struct arena *arena, struct processes *ret, const struct machine *machine,
		    int cgroup_fd)
{
	struct walk walk = { .arena = arena, .processes = ret };

	if (cgroup_fd >= 0)
		read_group(&walk, &ret->top, cgroup_fd);
	else if (machine->leader > 0)
		read_descendants(&walk, &ret->top, machine->leader);
}

static void describe(struct arena *arena, struct process_group *group)
{
	if (group->count > 0)
		qsort(group->processes, group->count, sizeof(*group->processes), by_pid);
	for (size_t i = 0; i < group->count; i++)
		group->processes[i].command = command_of(arena, group->processes[i].pid);
	for (size_t i = 0; i < group->group_count; i++)
		describe(arena, &group->groups[i]);
}

void processes_read(struct arena *arena, struct processes *ret, const struct machine *machine,
		    int cgroup_fd)
{
	*ret = (struct processes){ .top = { .name = "" } };
	collect(arena, ret, machine, cgroup_fd);
	describe(arena, &ret->top);
}

/* ---- signals ---- */

struct target {
	const struct machine *machine;
	bool has_cgroup;
	int signal, sent;
	char pid_namespace[64];
};

static void read_namespace(char *buffer, size_t room, int proc_fd)
{
	ssize_t size = readlinkat(proc_fd, "ns/pid", buffer, room - 1);

	buffer[size < 0 ? 0 : size] = '\0';
}

/* Asked while its pidfd is open. A process can leave neither the cgroups below the machine's nor
 * its pid namespace. */
static bool is_member(const struct target *target, int proc_fd)
{
	char buffer[PATH_MAX];

	if (target->has_cgroup)
		return cgroup_process_path_at(buffer, sizeof(buffer), proc_fd) >= 0 &&
		       path_is_below(buffer, target->machine->payload);
	read_namespace(buffer, sizeof(target->pid_namespace), proc_fd);
	return buffer[0] != '\0' && text_equal(buffer, target->pid_namespace);
}

static void signal_one(struct target *target, pid_t pid)
{
	autoclose int pidfd = sys_pidfd_open(pid, 0), proc = namespace_open_process(pid);

	if (pidfd >= 0 && proc >= 0 && is_member(target, proc) &&
	    process_signal(pidfd, target->signal) >= 0)
		target->sent++;
}

static void signal_group(struct target *target, const struct process_group *group)
{
	for (size_t i = 0; i < group->count; i++)
		signal_one(target, group->processes[i].pid);
	for (size_t i = 0; i < group->group_count; i++)
		signal_group(target, &group->groups[i]);
}

int processes_signal(struct arena *arena, const struct machine *machine, int cgroup_fd, int signal)
{
	struct target target = { .machine = machine,
				 .has_cgroup = cgroup_fd >= 0,
				 .signal = signal };
	struct processes processes = { .top = { .name = "" } };
	autoclose int proc = -EBADF;

	if (cgroup_fd < 0) {
		proc = machine_open_proc(machine);
		if (proc < 0)
			return -ENXIO;
		/* Then nothing tells its processes from others. */
		if (namespace_is_shared(proc, "pid") != 0)
			return -EOPNOTSUPP;
		read_namespace(target.pid_namespace, sizeof(target.pid_namespace), proc);
	}
	collect(arena, &processes, machine, cgroup_fd);
	signal_group(&target, &processes.top);
	return target.sent;
}
