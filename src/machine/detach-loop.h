/* machine/detach-loop - the stand-alone supervisor's life.
 *
 * It runs the runner, tells the starter once that the machine is ready, starts it again at once
 * when it asks for that (exit status 133), or after a pause when it failed once it had been ready,
 * and keeps its log small; where the definition has a policy or times of its own (machine/service),
 * by those, as they are when the machine ends or is stopped. SIGUSR1 stops the machine, SIGKILL
 * following after DETACH_STOP_US; SIGTERM and SIGUSR2 only end the wish to start it again, for init
 * programs that send SIGTERM to everybody at shutdown. Runs in: the supervisor.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DETACH_LOG_MAX (1024 * 1024)
#define DETACH_TRIES 10
#define DETACH_READY "ready"

struct detach;

struct detach_loop {
	const struct detach *detach;
	char *const *environment; /* of the runner */
	const char *log_path, *old_log_path;
	int log_fd;    /* O_APPEND */
	int notify_fd; /* the runner says here that it is ready */
	int answer_fd; /* numbers for the starter, uint64_t: 0: ready, else for how many
			* microseconds from now on it goes on waiting; closed without 0: failed */
	int lock_fd;   /* detach_note() says here whether the machine is ready */

	/* state */
	int signal_fd, watch_fd, pidfd;
	pid_t pid;
	bool leaving, forced;
	unsigned int failures; /* in a row */
	uint64_t started_us;   /* the last time */
	uint64_t again_us;     /* when to start it again; 0: not */
	uint64_t kill_us;      /* when to use force; 0: not */
};

/* Until the machine ended for good. */
void detach_loop(struct detach_loop *loop);

/* What the lock's file tells: this process, and whether what it runs is ready. Quiet. */
int detach_note(int lock_fd, bool ready);

/* EXTEND_TIMEOUT_USEC= of a notification; 0: there is none. Pure. */
uint64_t detach_extension(const char *text);

/* How long to wait after FAILURES in a row: 100 ms, doubled each time, at most 30 s. Pure. */
uint64_t detach_pause_us(unsigned int failures);
