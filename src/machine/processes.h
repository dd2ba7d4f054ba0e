/* machine/processes - the processes of a running machine, as the tree of its cgroups.
 *
 * Without a cgroup (not every host and user has one) the leader and its descendants are all that
 * is known. Command lines are the
 * guest's own choice: printed only escaped. Quiet. Any process.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct arena;
struct machine;

#define PROCESSES_MAX 2048 /* a guest may have more, and more groups: then MORE is set */
#define PROCESSES_GROUPS_MAX 512
#define PROCESSES_COMMAND_MAX 512

struct process {
	pid_t pid;
	const char *command; /* its arguments; "[name]" if it has none; "" if it is gone */
};

struct process_group {
	const char *name;	   /* last component */
	struct process *processes; /* sorted by number */
	size_t count;
	struct process_group *groups; /* without empty ones, sorted by name */
	size_t group_count;
};

struct processes {
	struct process_group top; /* the machine's own cgroup */
	size_t total;
	bool more;
};

/* CGROUP_FD: machine_open_cgroup() of the payload, or negative. */
void processes_read(struct arena *arena, struct processes *ret, const struct machine *machine,
		    int cgroup_fd);

/* Send SIGNAL to each process of the machine, by pidfd and only while it certainly is one. Returns
 * how many got it. */
int processes_signal(struct arena *arena, const struct machine *machine, int cgroup_fd, int signal);

/* The name of the process whose directory in /proc is PROC_FD; "" if it is gone. */
char *processes_name(struct arena *arena, int proc_fd);
