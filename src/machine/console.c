#include "machine/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io/fd.h"

#define ESCAPE '\x1d' /* ^] */
#define ESCAPE_WITHIN_US UINT64_C(1000000)
#define DRAIN_MS 1000

/* O_NONBLOCK belongs to the open file, which the shell shares with us: a terminal or pipe is
 * opened once more. */
static void open_output(struct console *console)
{
	char path[32];
	struct stat info;
	int fd;

	console->out = STDOUT_FILENO;
	if (fstat(STDOUT_FILENO, &info) < 0)
		return;
	if (S_ISSOCK(info.st_mode)) {
		console->out_is_socket = true;
		return;
	}
	if (!S_ISCHR(info.st_mode) && !S_ISFIFO(info.st_mode))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", STDOUT_FILENO);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return;
	/* In the place of the shared one: no descriptor more. */
	if (dup2(fd, STDOUT_FILENO) < 0) {
		fd_close(&fd);
		return;
	}
	fd_close(&fd);
}

void console_take(struct console *console, int master, bool read_input, bool write_output)
{
	int flags;

	console->master = master;
	flags = fcntl(master, F_GETFL);
	if (flags >= 0)
		fcntl(master, F_SETFL, flags | O_NONBLOCK);
	if (write_output)
		open_output(console);
	if (read_input) {
		console->in = STDIN_FILENO;
		terminal_copy_size(master, STDIN_FILENO);
		terminal_make_raw(&console->raw, STDIN_FILENO);
	}
}

static size_t waiting(const struct console_flow *flow)
{
	return flow->end - flow->start;
}

static size_t room(const struct console_flow *flow)
{
	return sizeof(flow->data) - flow->end;
}

size_t console_poll(const struct console *console, struct pollfd *polls)
{
	size_t count = 0;
	short events = 0;

	if (console->master < 0)
		return 0;
	if (room(&console->from_guest) > 0)
		events |= POLLIN;
	if (waiting(&console->to_guest) > 0)
		events |= POLLOUT;
	polls[count++] = (struct pollfd){ .fd = console->master, .events = events };
	if (console->in >= 0 && room(&console->to_guest) > 0)
		polls[count++] = (struct pollfd){ .fd = console->in, .events = POLLIN };
	if (console->out >= 0 && waiting(&console->from_guest) > 0)
		polls[count++] = (struct pollfd){ .fd = console->out, .events = POLLOUT };
	return count;
}

/* 0: nothing more to come; positive: bytes; negative: try later. */
static ssize_t fill(struct console_flow *flow, int fd)
{
	ssize_t n = read(fd, flow->data + flow->end, room(flow));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : 0;
	flow->end += (size_t)n;
	return n;
}

static ssize_t drain(struct console_flow *flow, int fd, bool is_socket)
{
	const char *data = flow->data + flow->start;
	ssize_t n = is_socket ? send(fd, data, waiting(flow), MSG_DONTWAIT | MSG_NOSIGNAL)
			      : write(fd, data, waiting(flow));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : -errno;
	flow->start += (size_t)n;
	if (flow->start == flow->end)
		flow->start = flow->end = 0;
	return n;
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static enum console_key look_for_key(struct console *console, const char *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (data[i] == ESCAPE) {
			uint64_t now = now_us();

			if (console->escape_count == 0 ||
			    now - console->escape_since_us > ESCAPE_WITHIN_US) {
				console->escape_since_us = now;
				console->escape_count = 0;
			}
			if (++console->escape_count == 3) {
				console->escape_count = 0;
				return CONSOLE_KEY_KILL;
			}
			continue;
		}
		if (console->escape_count == 2 &&
		    now_us() - console->escape_since_us <= ESCAPE_WITHIN_US) {
			console->escape_count = 0;
			if (data[i] == 'r')
				return CONSOLE_KEY_REBOOT;
			if (data[i] == 'p')
				return CONSOLE_KEY_POWEROFF;
		}
		console->escape_count = 0;
	}
	return CONSOLE_KEY_NONE;
}

static enum console_key read_input(struct console *console)
{
	size_t before = console->to_guest.end;

	if (fill(&console->to_guest, console->in) == 0) {
		console->in = -EBADF;
		return CONSOLE_KEY_NONE;
	}
	return look_for_key(console, console->to_guest.data + before,
			    console->to_guest.end - before);
}

static void show_output(struct console *console)
{
	if (console->out >= 0 && waiting(&console->from_guest) > 0) {
		ssize_t n = drain(&console->from_guest, console->out, console->out_is_socket);

		if (n < 0 && n != -EAGAIN) {
			console->out = -EBADF;
			console->unread = n == -EPIPE;
		}
	}
	/* Passive, or our reader is gone: what the guest writes is thrown away, for it must not
	 * block. */
	if (console->out < 0)
		console->from_guest.start = console->from_guest.end = 0;
}

enum console_key console_forward(struct console *console, const struct pollfd *polls, size_t count)
{
	enum console_key key = CONSOLE_KEY_NONE;

	for (size_t i = 0; i < count; i++) {
		short events = polls[i].revents;

		if (events == 0)
			continue;
		if (polls[i].fd == console->master) {
			if (events & POLLOUT)
				drain(&console->to_guest, console->master, false);
			if ((events & (POLLIN | POLLHUP)) && room(&console->from_guest) > 0)
				fill(&console->from_guest, console->master);
		} else if (polls[i].fd == console->in) {
			key = read_input(console);
		}
	}
	show_output(console);
	return key;
}

void console_resize(struct console *console)
{
	if (console->master >= 0 && console->in >= 0)
		terminal_copy_size(console->master, console->in);
}

void console_done(struct console *console)
{
	uint64_t until = now_us() + DRAIN_MS * 1000;

	while (console->master >= 0 && console->out >= 0) {
		struct pollfd poll_out = { .fd = console->out, .events = POLLOUT };

		if (waiting(&console->from_guest) == 0 &&
		    fill(&console->from_guest, console->master) <= 0)
			break;
		if (now_us() > until || poll(&poll_out, 1, DRAIN_MS) <= 0)
			break;
		show_output(console);
	}
	terminal_restore(&console->raw);
	fd_close(&console->master);
	*console = (struct console)CONSOLE_EMPTY;
}
