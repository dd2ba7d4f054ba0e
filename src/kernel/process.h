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

/* For what execs at once: RUN has the caller's memory, as after vfork(2), on a stack of its own,
 * and the caller goes on when it has exec'ed or returned its exit status. FLAGS: CLONE_PARENT or 0.
 * The child's number. */
pid_t process_spawn(int (*run)(void *context), void *context, int flags);

/* What only a process somewhere else can tell, of a child that goes there: RUN fills ANSWER, of
 * SIZE bytes, which is handed over if it returns 0 or more. Its result; -EIO: it ended without one.
 * -ETIMEDOUT: it has been killed after TIMEOUT_MS (negative: never), and ends by itself when the
 * kernel lets it. */
int process_ask(int (*run)(void *context, void *answer), void *context, void *answer, size_t size,
		int timeout_ms);

int process_signal(int pidfd, int signal);

/* SIGNAL reaches it: 1: it is caught; 2: it is blocked, as by one that waits in sigwait(3), but
 * also for a moment while libc makes a process. 0: an init that has not come that far ignores it
 * (pid_namespaces(7)). Also 1 when that cannot be told. */
int process_hears(pid_t pid, int signal);

/* The caller's own dispositions and mask, as a fresh program expects them. */
void process_reset_signals(void);

/* Reap by pidfd; -EAGAIN with WNOHANG and nothing to reap. OPTIONS: WNOHANG, WNOWAIT. */
int process_wait(int pidfd, siginfo_t *ret, int options);

/* Reap what has ended. But whoever traces it hears of that first, and may keep it for ever: -EBUSY,
 * so it is after TIMEOUT_MS. */
int process_reap(int pidfd, siginfo_t *ret, int timeout_ms);

/* It runs no more, reaped or not. */
bool process_has_ended(int pidfd);

/* How a process that is not our child ended, as from wait(2). -ENODATA: it was reaped, and this
 * kernel (before 6.15) does not tell. */
int process_exit_status(int pidfd, pid_t pid, int *ret);

/* The kernel's number of a process: the inode of its pidfds. No other gets it before the next boot;
 * where inode numbers have 32 bits (32-bit kernels), only after 2^32 others. 0: it has none (before
 * 6.9). */
uint64_t process_id(int pidfd);

/* It is the process that has this number, not 0. */
bool process_is(int pidfd, uint64_t id);

/* Identity that survives pid recycling: start time from /proc/PID/stat (field 22).
 * -ESRCH: there is no such process. -ENOENT: that cannot be told, /proc is not mounted. */
int process_start_time(pid_t pid, uint64_t *ret);

/* As process_start_time(). PROCESS_FD: its directory in /proc, which is never another process's. */
int process_start_time_at(int process_fd, uint64_t *ret);
