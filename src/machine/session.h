/* machine/session - between our standard streams and a program that runs in a machine.
 *
 * With a terminal on both sides the program has a pty of its own, and we are its window. Else it
 * has what we have: pipes, files and sockets as they are. But what it could reach more through than
 * it was given stays with us, and the bytes go through a pipe: a terminal (its input could be
 * forged, class S23), and, where the guest shares ids with us, a file, which it could open anew for
 * more than it was opened for (class S2). Nothing waits for anybody: buffers are bounded, and who
 * does not read stops only what he does not read (class S25). Signals that we get, the program
 * gets. Speaking. Runs in: who enters.
 */
#pragma once
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "machine/console.h"

struct enter;

#define SESSION_BUFFER 8192

/* Reads when it is empty, writes until it is. */
struct session_relay {
	int from, to; /* -EBADF: ended, or not needed */
	bool owns_from, owns_to;
	size_t start, end;
	char data[SESSION_BUFFER];
};

struct session {
	int stdio[3]; /* for enter_start() */
	int terminal; /* for enter_start(), and kept: a pty nobody has open any more tells no end */
	int master;   /* until it runs */
	bool given[3]; /* stdio[] is a pipe's end that only the program needs */
	struct session_relay relays[3];
	struct console console;
	int signals;
	bool left; /* ^]^]^], or our terminal went away */
};

/* To be called first: whatever was not opened for us is /dev/null, or a descriptor of ours would
 * take its number. A directory, and what only names something, is refused (class S2). */
int session_check(void);

/* PTY: with a pty, if standard input and output are terminals. From now on signals wait for
 * session_run(). */
int session_open(struct session *ret, const struct enter *enter, bool pty);
bool session_has_pty(const struct session *session);

/* After enter_start(): forward until the program ends, then show what it still wrote. */
int session_run(struct session *session, int pidfd, siginfo_t *ret);

/* Accepts the empty session. */
void session_done(struct session *session);

#define SESSION_EMPTY                                                                      \
	{                                                                                  \
		.stdio = { -EBADF, -EBADF, -EBADF }, .terminal = -EBADF, .master = -EBADF, \
		.console = CONSOLE_EMPTY, .signals = -EBADF,                               \
	}
