/* machine/detach-loop - the stand-alone supervisor's life.
 *
 * It runs the runner, tells the starter once that the machine is ready, starts it again at once
 * when it asks for that (exit status 133), or after a pause when it failed once it had been ready,
 * and keeps its log small. SIGUSR1 stops the machine, SIGKILL following after DETACH_STOP_US;
 * SIGTERM and SIGUSR2 only end the wish to start it again, for init programs that send SIGTERM to
 * everybody at shutdown. Allocates nothing. Runs in: the supervisor.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DETACH_LOG_MAX (1024 * 1024)
#define DETACH_TRIES 10

struct detach;

struct detach_loop {
	const struct detach *detach;
	char *const *environment; /* of the runner */
	const char *log_path, *old_log_path;
	int log_fd;    /* O_APPEND */
	int notify_fd; /* the runner says here that it is ready */
	int answer_fd; /* a byte for the starter: ready; closed without one: failed */

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

/* How long to wait after FAILURES in a row: 100 ms, doubled each time, at most 30 s. Pure. */
uint64_t detach_pause_us(unsigned int failures);
