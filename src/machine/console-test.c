#include "machine/console.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "io/fd.h"
#include "kernel/fixture.h"

#define ESC "\x1d"

static struct console console = CONSOLE_EMPTY;
static int slave = -EBADF;    /* what the guest has */
static int keyboard = -EBADF; /* we type here */
static int screen = -EBADF;   /* and look here */

static int open_pair(int *ret_slave)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios raw;

	ck_assert_int_ge(master, 0);
	ck_assert_int_eq(grantpt(master), 0);
	ck_assert_int_eq(unlockpt(master), 0);
	*ret_slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(*ret_slave, 0);
	/* A guest that edits no lines, so that bytes are counted as they are. */
	ck_assert_int_eq(tcgetattr(*ret_slave, &raw), 0);
	cfmakeraw(&raw);
	ck_assert_int_eq(tcsetattr(*ret_slave, TCSANOW, &raw), 0);
	return master;
}

/* With pipes as our standard input and output. */
static void enter(bool read_input, bool write_output)
{
	int in[2], out[2];

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	ck_assert_int_ge(dup2(in[0], STDIN_FILENO), 0);
	ck_assert_int_ge(dup2(out[1], STDOUT_FILENO), 0);
	fd_close(&in[0]);
	fd_close(&out[1]);
	keyboard = in[1];
	screen = out[0];
	ck_assert_int_eq(fcntl(screen, F_SETFL, O_NONBLOCK), 0);
	console_take(&console, open_pair(&slave), read_input, write_output);
	signal(SIGPIPE, SIG_IGN); /* as the supervisor does */
}

/* One turn of the supervisor's loop; does not wait. */
static enum console_key turn(void)
{
	struct pollfd polls[CONSOLE_POLLS];
	size_t count = console_poll(&console, polls);

	ck_assert_uint_le(count, CONSOLE_POLLS);
	ck_assert_int_ge(poll(polls, count, 0), 0);
	ck_assert_uint_le(console.to_guest.end, CONSOLE_BUFFER);
	ck_assert_uint_le(console.from_guest.end, CONSOLE_BUFFER);
	return console_forward(&console, polls, count);
}

static enum console_key type(const char *text)
{
	ck_assert_int_eq(write(keyboard, text, strlen(text)), (ssize_t)strlen(text));
	return turn();
}

static void expect(int fd, const char *text)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	char seen[256] = "";
	size_t used = 0;

	while (used < strlen(text)) {
		ssize_t n;

		turn();
		if (poll(&readable, 1, 1) == 0)
			continue;
		n = read(fd, seen + used, sizeof(seen) - 1 - used);
		ck_assert_int_gt(n, 0);
		used += (size_t)n;
	}
	ck_assert_str_eq(seen, text);
}

START_TEST(what_is_typed_reaches_the_guest_and_back)
{
	enter(true, true);
	type("hello\n");
	expect(slave, "hello\n");
	ck_assert_int_eq(write(slave, "answer", 6), 6);
	expect(screen, "answer");
	console_done(&console);
	ck_assert_int_lt(console.master, 0);
	console_done(&console);
}
END_TEST

START_TEST(keys_are_known)
{
	enter(true, true);
	ck_assert_int_eq(type(ESC ESC ESC), CONSOLE_KEY_KILL);
	ck_assert_int_eq(type(ESC ESC "r"), CONSOLE_KEY_REBOOT);
	ck_assert_int_eq(type(ESC ESC "p"), CONSOLE_KEY_POWEROFF);
	ck_assert_int_eq(type("some text " ESC ESC "r and more"), CONSOLE_KEY_REBOOT);
	/* In pieces; and each is told once. */
	ck_assert_int_eq(type(ESC), CONSOLE_KEY_NONE);
	ck_assert_int_eq(type(ESC), CONSOLE_KEY_NONE);
	ck_assert_int_eq(type(ESC), CONSOLE_KEY_KILL);
	ck_assert_int_eq(type(ESC), CONSOLE_KEY_NONE);
	ck_assert_int_eq(type(ESC), CONSOLE_KEY_NONE);
	ck_assert_int_eq(type("p"), CONSOLE_KEY_POWEROFF);
	ck_assert_int_eq(type("p"), CONSOLE_KEY_NONE);
}
END_TEST

START_TEST(other_keys_are_none)
{
	static const char *const texts[] = {
		ESC ESC "x",  ESC "r",	   ESC "x" ESC "r",	ESC ESC "xr",
		ESC ESC " r", ESC ESC "R", ESC "x" ESC "x" ESC, "r",
		"]]]",	      "^]^]^]",	   ESC ESC "\n",	"\x1b\x1b\x1b",
	};

	enter(true, true);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		ck_assert_msg(type(texts[i]) == CONSOLE_KEY_NONE, "%s", texts[i]);
		ck_assert_int_eq(type("x"), CONSOLE_KEY_NONE);
	}
}
END_TEST

START_TEST(keys_are_typed_within_a_second)
{
	static const char *const last[] = { ESC, "r", "p" };

	enter(true, true);
	for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++) {
		ck_assert_int_eq(type(ESC ESC), CONSOLE_KEY_NONE);
		console.escape_since_us -= 1000001; /* instead of waiting */
		ck_assert_int_eq(type(last[i]), CONSOLE_KEY_NONE);
		ck_assert_int_eq(type("x"), CONSOLE_KEY_NONE);
	}
	/* The late one is the first of the next three. */
	ck_assert_int_eq(type(ESC ESC), CONSOLE_KEY_NONE);
	console.escape_since_us -= 1000001;
	ck_assert_int_eq(type(ESC), CONSOLE_KEY_NONE);
	ck_assert_int_eq(type(ESC ESC), CONSOLE_KEY_KILL);
}
END_TEST

/* What the guest gets rid of while nobody looks; it never waits itself. */
static size_t shout(size_t limit)
{
	static char text[4096];
	struct pollfd writable = { .fd = slave, .events = POLLOUT };
	size_t total = 0;
	int quiet = 0;

	memset(text, 'x', sizeof(text));
	ck_assert_int_eq(fcntl(slave, F_SETFL, O_NONBLOCK), 0);
	while (total < limit && quiet < 100) {
		ssize_t n = write(slave, text, sizeof(text));

		quiet = n > 0 ? 0 : quiet + 1;
		total += n > 0 ? (size_t)n : 0;
		turn();
		poll(&writable, 1, quiet ? 1 : 0);
	}
	return total;
}

START_TEST(a_reader_that_stopped_stops_the_guest_and_not_us)
{
	struct pollfd polls[CONSOLE_POLLS];

	enter(true, true);
	ck_assert_int_eq(fcntl(screen, F_SETPIPE_SZ, 4096), 4096);
	ck_assert_uint_lt(shout(1024 * 1024), 256 * 1024);
	ck_assert_uint_eq(console.from_guest.end, CONSOLE_BUFFER);
	/* Nothing is asked that would wake us at once, for nothing. */
	ck_assert_uint_ge(console_poll(&console, polls), 1);
	ck_assert_int_eq(polls[0].fd, console.master);
	ck_assert_int_eq(polls[0].events & POLLIN, 0);
	/* and the keys work (class S25) */
	ck_assert_int_eq(type(ESC ESC ESC), CONSOLE_KEY_KILL);
}
END_TEST

START_TEST(the_output_goes_on_when_the_reader_does)
{
	static char text[65536];
	size_t total = 0, wanted;

	enter(true, true);
	ck_assert_int_eq(fcntl(screen, F_SETPIPE_SZ, 4096), 4096);
	wanted = shout(16 * 1024);
	while (total < wanted) {
		ssize_t n = read(screen, text, sizeof(text));

		for (ssize_t i = 0; i < n; i++)
			ck_assert_int_eq(text[i], 'x');
		total += n > 0 ? (size_t)n : 0;
		turn();
	}
	ck_assert_uint_eq(total, wanted);
}
END_TEST

START_TEST(a_passive_console_shows_nothing_and_stops_nobody)
{
	struct pollfd polls[CONSOLE_POLLS];
	char byte;

	enter(false, false);
	ck_assert_uint_ge(shout(1024 * 1024), 1024 * 1024);
	ck_assert_int_lt(read(screen, &byte, 1), 0);
	ck_assert_int_eq(type(ESC ESC ESC), CONSOLE_KEY_NONE);
	ck_assert_uint_eq(console_poll(&console, polls), 1);
}
END_TEST

START_TEST(a_console_to_look_at_takes_no_input)
{
	enter(false, true);
	ck_assert_int_eq(type(ESC ESC ESC "text"), CONSOLE_KEY_NONE);
	ck_assert_uint_eq(console.to_guest.end, 0);
	ck_assert_int_eq(write(slave, "seen", 4), 4);
	expect(screen, "seen");
}
END_TEST

START_TEST(the_container_runs_on_when_the_reader_is_gone)
{
	enter(true, true);
	fd_close(&screen);
	ck_assert(!console.unread);
	ck_assert_uint_ge(shout(1024 * 1024), 1024 * 1024);
	ck_assert(console.unread);
	ck_assert_int_eq(type(ESC ESC ESC), CONSOLE_KEY_KILL);
	console_done(&console);
}
END_TEST

/* With all that the console can hold waiting for it. */
START_TEST(the_container_runs_on_when_a_reader_that_stopped_is_gone)
{
	struct pollfd polls[CONSOLE_POLLS];

	enter(true, true);
	ck_assert_int_eq(fcntl(screen, F_SETPIPE_SZ, 4096), 4096);
	ck_assert_uint_lt(shout(1024 * 1024), 1024 * 1024);
	fd_close(&screen);
	turn();
	ck_assert(console.unread);
	ck_assert_uint_gt(console_poll(&console, polls), 0);
	ck_assert(polls[0].events & POLLIN);
	ck_assert_uint_ge(shout(1024 * 1024), 1024 * 1024);
}
END_TEST

START_TEST(the_end_of_our_input_is_no_end)
{
	struct pollfd polls[CONSOLE_POLLS];

	enter(true, true);
	type("last");
	fd_close(&keyboard);
	turn();
	expect(slave, "last");
	ck_assert_uint_eq(console_poll(&console, polls), 1);
	ck_assert_int_eq(write(slave, "still", 5), 5);
	expect(screen, "still");
}
END_TEST

START_TEST(a_guest_that_does_not_read_does_not_stop_us)
{
	static char text[2048];
	struct pollfd writable;
	size_t taken = 0;
	int quiet = 0;

	enter(true, true);
	writable = (struct pollfd){ .fd = keyboard, .events = POLLOUT };
	memset(text, 'x', sizeof(text));
	ck_assert_int_eq(fcntl(keyboard, F_SETFL, O_NONBLOCK), 0);
	while (quiet < 20 && taken < 4 * 1024 * 1024) {
		ssize_t n = write(keyboard, text, sizeof(text));

		quiet = n > 0 ? 0 : quiet + 1;
		taken += n > 0 ? (size_t)n : 0;
		turn();
		poll(&writable, 1, quiet ? 1 : 0);
	}
	ck_assert_uint_lt(taken, 4 * 1024 * 1024);
	/* Its output is still shown. */
	ck_assert_int_eq(write(slave, "alive", 5), 5);
	expect(screen, "alive");
}
END_TEST

START_TEST(a_socket_is_an_output_too)
{
	int pair[2];

	enter(true, false);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_ge(dup2(pair[0], STDOUT_FILENO), 0);
	fd_close(&pair[0]);
	console_done(&console);
	fd_close(&slave);
	console_take(&console, open_pair(&slave), true, true);
	ck_assert(console.out_is_socket);
	ck_assert_int_eq(write(slave, "text", 4), 4);
	expect(pair[1], "text");
	ck_assert_uint_lt(shout(8 * 1024 * 1024), 8 * 1024 * 1024);
	/* The other end of the socket is someone's terminal: its mode is his. */
	ck_assert_int_eq(fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK, 0);
}
END_TEST

START_TEST(the_last_words_are_shown)
{
	char seen[32] = "";

	enter(true, true);
	ck_assert_int_eq(write(slave, "good bye", 8), 8);
	fd_close(&slave);
	console_done(&console);
	ck_assert_int_eq(read(screen, seen, sizeof(seen) - 1), 8);
	ck_assert_str_eq(seen, "good bye");
}
END_TEST

START_TEST(the_last_words_are_not_waited_for_for_ever)
{
	enter(true, true);
	ck_assert_int_eq(fcntl(screen, F_SETPIPE_SZ, 4096), 4096);
	shout(1024 * 1024);
	console_done(&console); /* the case's time limit is the check */
}
END_TEST

START_TEST(our_terminal_is_raw_meanwhile)
{
	struct winsize size = { .ws_row = 31, .ws_col = 77 }, seen;
	struct termios before, raw, after;
	int master, terminal;

	enter(false, false);
	console_done(&console);
	fd_close(&slave);
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_eq(unlockpt(master), 0);
	terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
	ck_assert_int_ge(dup2(terminal, STDIN_FILENO), 0);
	ck_assert_int_eq(ioctl(terminal, TIOCSWINSZ, &size), 0);
	ck_assert_int_eq(tcgetattr(terminal, &before), 0);
	ck_assert(before.c_lflag & ICANON);

	console_take(&console, open_pair(&slave), true, true);
	ck_assert_int_eq(tcgetattr(terminal, &raw), 0);
	ck_assert_uint_eq(raw.c_lflag & (ICANON | ECHO | ISIG), 0);
	ck_assert_int_eq(ioctl(slave, TIOCGWINSZ, &seen), 0);
	ck_assert(seen.ws_row == 31 && seen.ws_col == 77);
	size.ws_row = 12;
	ck_assert_int_eq(ioctl(terminal, TIOCSWINSZ, &size), 0);
	console_resize(&console);
	ck_assert_int_eq(ioctl(slave, TIOCGWINSZ, &seen), 0);
	ck_assert_uint_eq(seen.ws_row, 12);

	console_done(&console);
	console_resize(&console);
	ck_assert_int_eq(tcgetattr(terminal, &after), 0);
	ck_assert_uint_eq(after.c_lflag, before.c_lflag);
	close(master);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("console");

	tcase_set_timeout(cases, 20);
	tcase_add_test(cases, what_is_typed_reaches_the_guest_and_back);
	tcase_add_test(cases, keys_are_known);
	tcase_add_test(cases, other_keys_are_none);
	tcase_add_test(cases, keys_are_typed_within_a_second);
	tcase_add_test(cases, a_reader_that_stopped_stops_the_guest_and_not_us);
	tcase_add_test(cases, the_output_goes_on_when_the_reader_does);
	tcase_add_test(cases, a_passive_console_shows_nothing_and_stops_nobody);
	tcase_add_test(cases, a_console_to_look_at_takes_no_input);
	tcase_add_test(cases, the_container_runs_on_when_the_reader_is_gone);
	tcase_add_test(cases, the_container_runs_on_when_a_reader_that_stopped_is_gone);
	tcase_add_test(cases, the_end_of_our_input_is_no_end);
	tcase_add_test(cases, a_guest_that_does_not_read_does_not_stop_us);
	tcase_add_test(cases, a_socket_is_an_output_too);
	tcase_add_test(cases, the_last_words_are_shown);
	tcase_add_test(cases, the_last_words_are_not_waited_for_for_ever);
	tcase_add_test(cases, our_terminal_is_raw_meanwhile);
	return fixture_run(cases, "machine/console");
}
