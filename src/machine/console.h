/* machine/console - forwards between a terminal and a pty.
 *
 * Bounded buffers, never blocks: a terminal that is stopped stops the guest's output,
 * not us (class S25). Knows the keys ^]^]^], ^]^]r, ^]^]p (reference 11.4). Quiet.
 * Runs in: supervisor; later whoever enters a machine.
 */
#pragma once
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/terminal.h"

enum console_key { CONSOLE_KEY_NONE, CONSOLE_KEY_KILL, CONSOLE_KEY_REBOOT, CONSOLE_KEY_POWEROFF };

#define CONSOLE_BUFFER 2048

struct console_flow {
	char data[CONSOLE_BUFFER];
	size_t start, end;
};

struct console {
	int master;  /* owned */
	int in, out; /* of ours; -EBADF: not forwarded */
	bool out_is_socket;
	bool unread; /* who read from OUT is gone, so nothing is forwarded there any more */
	struct terminal_state raw;
	struct console_flow to_guest, from_guest;
	uint64_t escape_since_us;
	int escape_count;
};

#define CONSOLE_EMPTY                                                             \
	{                                                                         \
		.master = -EBADF, .in = -EBADF, .out = -EBADF, .raw = {.fd = -1 } \
	}

/* Takes master. READ: forward our standard input, in raw mode; WRITE: show the output. */
void console_take(struct console *console, int master, bool read, bool write);

/* Fill up to three entries; returns how many. */
#define CONSOLE_POLLS 3
size_t console_poll(const struct console *console, struct pollfd *polls);

/* After poll(2). A key is reported once. */
enum console_key console_forward(struct console *console, const struct pollfd *polls, size_t count);

/* SIGWINCH: our terminal's size becomes the pty's. */
void console_resize(struct console *console);

/* The guest is gone: show what it still wrote, as far as the terminal takes it, then restore the
 * terminal. */
void console_done(struct console *console);
