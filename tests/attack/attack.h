/* attack - what the probes share: one line for each thing tried, "ok NAME detail" or "FAIL NAME
 * detail".
 *
 * "ok" means that the container held. A weakened run must turn at least one line of each class into
 * FAIL: the drivers check that too, so that a silent probe is noticed.
 */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((format(printf, 3, 4))) static inline bool report(bool held, const char *name,
								const char *format, ...)
{
	va_list list;

	printf("%s %s ", held ? "ok" : "FAIL", name);
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	putchar('\n');
	fflush(stdout);
	return held;
}

/* 0 or errno of the call that just returned R. */
static inline int code(long r)
{
	return r < 0 ? errno : 0;
}

static inline const char *words(int error)
{
	return error ? strerror(error) : "done";
}
