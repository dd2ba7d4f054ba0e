/* kernel/process - processes by pidfd. Any process. Quiet. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/wait.h>

/* clone3(2) as fork: 0 in the child. FLAGS: CLONE_NEW*; cgroup_fd < 0: none; pidfd is stored.
 * Falls back to clone(2) (and -EOPNOTSUPP for cgroup_fd when CLONE_INTO_CGROUP is missing:
 * the caller attaches). No handler of pthread_atfork() runs. */
pid_t process_clone(uint64_t flags, int cgroup_fd, int *ret_pidfd);

int process_signal(int pidfd, int signal);

/* Reap by pidfd; -EAGAIN with WNOHANG and nothing to reap. OPTIONS: WNOHANG, WNOWAIT. */
int process_wait(int pidfd, siginfo_t *ret, int options);

/* It has ended (it may be a zombie still). Also for processes that are not our children. */
bool process_has_ended(int pidfd);

/* Identity that survives pid recycling: start time from /proc/PID/stat (field 22).
 * -ESRCH: there is no such process. */
int process_start_time(pid_t pid, uint64_t *ret);

/* PDEATHSIG, then -ESRCH when the parent is gone already. PARENT: its pid as the caller sees it.
 * A parent in an outer pid namespace is 0 whether it lives or not: the caller must ask
 * something else then (end of file on a channel, a pidfd). */
int process_die_with_parent(int signal, pid_t parent);
