/* prog/stub - PID 1 for --as-pid2: reaps, and turns signals into a shutdown.
 *
 * Freestanding and static: it runs from a sealed memfd inside a tree that may have
 * no libc, and the container's root can look at /proc/1/exe (class S1). Behaviour: reference
 * 11.6. Its one child when it starts is the payload.
 */
#include <asm/unistd.h>
#include <linux/prctl.h>
#include <linux/reboot.h>
#include <linux/signal.h>
#include <linux/time_types.h>
#include <linux/wait.h>
#include <stddef.h>

#include "prog/stub/call.h"

#define STOP_SECONDS 90
#define RTMIN 34	/* glibc's SIGRTMIN: the kernel's 32 and two of its own */
#define LEAKED_MAX 1024 /* without close_range(2) */

enum ending { RUN_ON, POWER_OFF, REBOOT };

static enum ending wanted(long signal)
{
	switch (signal) {
	case RTMIN + 3:
	case RTMIN + 4:
	case RTMIN + 13:
	case RTMIN + 14: return POWER_OFF;
	case SIGINT:
	case RTMIN + 5:
	case RTMIN + 6:
	case RTMIN + 15:
	case RTMIN + 16: return REBOOT;
	default: return RUN_ON;
	}
}

/* The payload is the lowest pid but ours: PID 2, unless the guest's root forged one before we ran.
 */
#define PAYLOAD 2

/* Reap all there is. True: the payload is among them. */
static int reap(int *status)
{
	int any;

	for (;;) {
		long pid = call(__NR_wait4, -1, (long)&any, WNOHANG, 0, 0, 0);

		if (pid <= 0)
			return 0;
		if (pid == PAYLOAD) {
			*status = any;
			return 1;
		}
	}
}

static int exit_code(int status)
{
	return (status & 0x7f) == 0 ? (status >> 8) & 0xff : 255;
}

static void finish(enum ending ending)
{
	if (ending == REBOOT)
		call(__NR_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		     LINUX_REBOOT_CMD_RESTART, 0, 0, 0);
	if (ending == POWER_OFF)
		call(__NR_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		     LINUX_REBOOT_CMD_POWER_OFF, 0, 0, 0);
}

static long seconds(void)
{
	struct __kernel_timespec now;

	call(__NR_clock_gettime, 1 /* CLOCK_MONOTONIC */, (long)&now, 0, 0, 0, 0);
	return (long)now.tv_sec;
}

int stub_main(void)
{
	unsigned long all = ~0UL;
	enum ending ending = RUN_ON;
	long deadline = 0;
	int status = 0;

	call(__NR_prctl, PR_SET_NAME, (long)"(sd-stubinit)", 0, 0, 0, 0);
	call(__NR_rt_sigprocmask, SIG_SETMASK, (long)&all, 0, sizeof(all), 0, 0);
	/* Whoever waits for us learns by this that we are ready. */
	if (call(__NR_close_range, 3, ~0U, 0, 0, 0, 0) < 0)
		for (long fd = 3; fd < LEAKED_MAX; fd++)
			call(__NR_close, fd, 0, 0, 0, 0, 0);
	for (;;) {
		struct __kernel_timespec left = { .tv_sec = STOP_SECONDS };
		enum ending asked;
		long signal;

		if (reap(&status))
			break;
		if (ending != RUN_ON) {
			left.tv_sec = deadline - seconds();
			if (left.tv_sec <= 0)
				break;
		}
		signal = call(__NR_rt_sigtimedwait, (long)&all, 0,
			      (long)(ending == RUN_ON ? NULL : &left), sizeof(all), 0, 0);
		asked = wanted(signal);
		if (ending != RUN_ON || asked == RUN_ON)
			continue;
		ending = asked;
		deadline = seconds() + STOP_SECONDS;
		call(__NR_kill, PAYLOAD, SIGTERM, 0, 0, 0, 0);
		call(__NR_kill, PAYLOAD, SIGCONT, 0, 0, 0, 0);
		call(__NR_kill, PAYLOAD, SIGHUP, 0, 0, 0, 0);
	}
	finish(ending);
	return ending == REBOOT ? 1 : exit_code(status);
}
