#include "machine/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/text.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/cgroup.h"
#include "kernel/namespace.h"
#include "machine/find.h"

#define TEXT_ROOM 8192
#define CGROUP_DEPTH_MAX 64

/* ---- texts of the kernel ---- */

uint64_t usage_sum_io(const char *text, const char *key)
{
	uint64_t sum = 0;

	for (const char *at = strstr(text, key); at != NULL; at = strstr(at + 1, key)) {
		if (at == text || at[-1] != ' ' || at[strlen(key)] != '=')
			continue;
		sum += strtoull(at + strlen(key) + 1, NULL, 10);
	}
	return sum;
}

bool usage_sum_network(uint64_t *ret_received, uint64_t *ret_sent, const char *text)
{
	uint64_t received = 0, sent = 0;
	bool any = false;

	for (const char *at = text; *at != '\0'; at += *at == '\n') {
		const char *end = strchrnul(at, '\n');
		const char *colon = memchr(at, ':', (size_t)(end - at));
		unsigned long long in, out;

		at += strspn(at, " ");
		if (colon != NULL &&
		    sscanf(colon + 1, "%llu %*u %*u %*u %*u %*u %*u %*u %llu", &in, &out) == 2) {
			any = true;
			if (colon - at != 2 || memcmp(at, "lo", 2) != 0) {
				received += in;
				sent += out;
			}
		}
		at = end;
	}
	if (any) {
		*ret_received = received;
		*ret_sent = sent;
	}
	return any;
}

uint64_t usage_pressure_total(const char *text)
{
	const char *total;

	if (text_after(text, "some ") == NULL)
		return USAGE_UNKNOWN;
	total = strstr(text, "total=");
	return total == NULL ? USAGE_UNKNOWN : strtoull(total + strlen("total="), NULL, 10);
}

/* ---- the cgroup ---- */

/* "max" is unknown as well: there is no limit. */
static uint64_t read_number(int fd, const char *file)
{
	uint64_t number;
	char text[32];

	if (file_read_line(text, sizeof(text), fd, file) < 0 || parse_u64(&number, text) < 0)
		return USAGE_UNKNOWN;
	return number;
}

static uint64_t read_key(int fd, const char *file, const char *key)
{
	uint64_t number;

	return cgroup_read_key(&number, fd, file, key) < 0 ? USAGE_UNKNOWN : number;
}

static void read_io(struct usage *usage, int fd)
{
	char text[TEXT_ROOM];

	if (file_read_line(text, sizeof(text), fd, "io.stat") < 0)
		return;
	usage->read = usage_sum_io(text, "rbytes");
	usage->written = usage_sum_io(text, "wbytes");
}

static void read_cgroup(struct usage *usage, int fd)
{
	static const char *const pressure[] = { "cpu.pressure", "memory.pressure", "io.pressure" };
	char text[256];

	usage->memory = read_number(fd, "memory.current");
	usage->memory_peak = read_number(fd, "memory.peak");
	usage->memory_max = read_number(fd, "memory.max");
	usage->swap = read_number(fd, "memory.swap.current");
	usage->tasks = read_number(fd, "pids.current");
	usage->tasks_max = read_number(fd, "pids.max");
	usage->cpu_us = read_key(fd, "cpu.stat", "usage_usec");
	usage->throttled_us = read_key(fd, "cpu.stat", "throttled_usec");
	usage->oom_kills = read_key(fd, "memory.events", "oom_kill");
	read_io(usage, fd);
	for (size_t i = 0; i < ARRAY_SIZE(pressure); i++)
		if (file_read_line(text, sizeof(text), fd, pressure[i]) >= 0)
			usage->pressure_us[i] = usage_pressure_total(text);
}

/* ---- the processes, where nobody counts them ---- */

struct pids {
	struct arena *arena;
	pid_t *items;
	size_t count;
	unsigned int depth;
};

static void add_pids(struct pids *pids, const char *text, const char *between)
{
	struct text_list words = { 0 };
	uint32_t pid;

	text_split(pids->arena, &words, text, between);
	for (size_t i = 0; i < words.count && pids->count < USAGE_PROCESSES_MAX; i++)
		if (parse_u32(&pid, words.items[i]) >= 0 && pid > 0)
			*(pid_t *)list_grow(pids->arena, (void **)&pids->items, &pids->count,
					    sizeof(pid_t)) = (pid_t)pid;
}

/* Files of the kernel have no size: read until there is no more. */
static void add_from_file(struct pids *pids, int dir_fd, const char *path, const char *between)
{
	autoclose int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	char text[TEXT_ROOM];
	size_t used = 0;
	ssize_t n;

	while (fd >= 0 && (n = read(fd, text + used, sizeof(text) - 1 - used)) > 0) {
		char *last;

		used += (size_t)n;
		text[used] = '\0';
		last = strrchr(text, *between);
		if (last == NULL)
			continue;
		*last = '\0';
		add_pids(pids, text, between);
		used -= (size_t)(last + 1 - text);
		memmove(text, last + 1, used);
	}
}

static int add_cgroup(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct pids *pids = context;
	autoclose int fd = -EBADF;

	if (type != DT_DIR || pids->depth == CGROUP_DEPTH_MAX)
		return 0;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return 0;
	add_from_file(pids, fd, "cgroup.procs", "\n");
	pids->depth++;
	dir_walk(fd, add_cgroup, pids);
	pids->depth--;
	return 0;
}

/* Without a cgroup: the leader and all that descends from it. */
static void add_descendants(struct pids *pids, pid_t leader)
{
	char path[64];

	*(pid_t *)list_grow(pids->arena, (void **)&pids->items, &pids->count,
			    sizeof(pid_t)) = leader;
	for (size_t i = 0; i < pids->count; i++) {
		snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pids->items[i],
			 (int)pids->items[i]);
		add_from_file(pids, AT_FDCWD, path, " ");
	}
}

struct sums {
	uint64_t memory, tasks, ticks;
};

/* Time of children that were waited for belongs to nobody who is left but their parent. */
static void add_process(struct sums *sums, pid_t pid)
{
	unsigned long long times[4], threads, resident;
	char path[48], text[1024], *at;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (file_read_line(text, sizeof(text), AT_FDCWD, path) < 0)
		return;
	at = strrchr(text, ')'); /* its name is the process's choice */
	if (at == NULL ||
	    sscanf(at + 1,
		   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu %*d %*d %llu",
		   &times[0], &times[1], &times[2], &times[3], &threads) != 5)
		return;
	sums->ticks += times[0] + times[1] + times[2] + times[3];
	sums->tasks += threads;
	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	if (file_read_line(text, sizeof(text), AT_FDCWD, path) >= 0 &&
	    sscanf(text, "%*u %llu", &resident) == 1)
		sums->memory += resident * (unsigned long long)sysconf(_SC_PAGESIZE);
}

static void sum_processes(struct arena *arena, struct usage *usage, const struct machine *machine)
{
	struct pids pids = { .arena = arena };
	autoclose int payload = -EBADF;
	struct sums sums = { 0 };

	payload = machine_open_cgroup(arena, machine, true);
	if (payload >= 0) {
		add_from_file(&pids, payload, "cgroup.procs", "\n");
		dir_walk(payload, add_cgroup, &pids);
	} else if (machine->leader > 0) {
		add_descendants(&pids, machine->leader);
	}
	for (size_t i = 0; i < pids.count; i++)
		add_process(&sums, pids.items[i]);
	if (sums.tasks == 0)
		return;
	if (usage->memory == USAGE_UNKNOWN)
		usage->memory = sums.memory;
	if (usage->tasks == USAGE_UNKNOWN)
		usage->tasks = sums.tasks;
	if (usage->cpu_us == USAGE_UNKNOWN)
		usage->cpu_us = sums.ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* ---- the network ---- */

static void read_network(struct usage *usage, int proc_fd)
{
	char text[TEXT_ROOM];

	if (namespace_is_shared(proc_fd, "net") != 0)
		return;
	if (file_read_line(text, sizeof(text), proc_fd, "net/dev") >= 0)
		usage_sum_network(&usage->received, &usage->sent, text);
}

void usage_read(struct arena *arena, struct usage *ret, const struct machine *machine)
{
	autoclose int own = -EBADF, payload = -EBADF, proc = -EBADF;
	struct usage usage;

	memset(&usage, 0xff, sizeof(usage)); /* all unknown */
	usage.paused = false;
	own = machine_open_cgroup(arena, machine, false);
	payload = machine_open_cgroup(arena, machine, true);
	if (own >= 0)
		read_cgroup(&usage, own);
	if (payload >= 0)
		usage.paused = read_key(payload, "cgroup.events", "frozen") == 1;
	if (usage.memory == USAGE_UNKNOWN || usage.tasks == USAGE_UNKNOWN ||
	    usage.cpu_us == USAGE_UNKNOWN)
		sum_processes(arena, &usage, machine);
	proc = machine_open_proc(machine);
	if (proc >= 0)
		read_network(&usage, proc);
	*ret = usage;
}
