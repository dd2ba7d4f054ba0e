/* kernel/process - processes by pidfd. Any process. Quiet. */
#pragma once
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

/* Identity that survives pid recycling: start time from /proc/PID/stat (field 22).
 * -ESRCH: there is no such process. */
int process_start_time(pid_t pid, uint64_t *ret);
