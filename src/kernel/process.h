/* kernel/process - processes by pidfd, and the attributes a payload gets. Quiet. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/wait.h>

/* clone3(2) as fork: 0 in the child. FLAGS: CLONE_NEW*; cgroup_fd < 0: none; pidfd is stored.
 * Falls back to clone(2) (and -EOPNOTSUPP for cgroup_fd when CLONE_INTO_CGROUP is missing: the caller attaches). */
pid_t process_clone(uint64_t flags, int cgroup_fd, int *ret_pidfd);

int process_signal(int pidfd, int signal);

/* Reap by pidfd; -EAGAIN with WNOHANG and nothing to reap. */
int process_wait(int pidfd, siginfo_t *ret, int options);

/* Identity that survives pid recycling: start time from /proc/PID/stat (field 22). */
int process_start_time(pid_t pid, uint64_t *ret);

int process_die_with_parent(int signal, pid_t parent); /* PDEATHSIG, then -ESRCH when the parent is gone already */
