#include "engine/supervise.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "engine/channel.h"
#include "io/fd.h"
#include "kernel/fixture.h"
#include "kernel/process.h"
#include "machine/record.h"

#undef fail /* an old macro of Check */

#define STOP SIGUSR1

/* What the container's PID 1 does; it never returns. */
typedef void payload_fn(void);

static struct channel channel = { -EBADF, -EBADF };
static struct console console = CONSOLE_EMPTY;
static struct supervise supervised;
static int notify_pair[2] = { -EBADF, -EBADF };
static int manager = -EBADF;
static char manager_name[64];
static int started_count, killed_count, request_count, request_result;
static bool request_reboot, started_stops, started_fails;

static int when_started(void *context)
{
	(void)context;
	started_count++;
	if (started_stops)
		raise(SIGTERM);
	return started_fails ? fail(-EIO, "cannot settle") : 0;
}

static int when_asked(void *context, bool reboot)
{
	(void)context;
	request_count++;
	request_reboot = reboot;
	if (request_result > 0)
		process_signal(supervised.pidfd, SIGUSR2);
	return request_result;
}

static void when_killed(void *context)
{
	(void)context;
	killed_count++;
}

/* The manager's socket, as $NOTIFY_SOCKET names it. */
static void listen_as_manager(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t length;

	snprintf(manager_name, sizeof(manager_name), "@redd-test-%d", (int)getpid());
	memcpy(address.sun_path + 1, manager_name + 1, strlen(manager_name) - 1);
	length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(manager_name));
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(manager, (struct sockaddr *)&address, length), 0);
}

static void enter(payload_fn *payload)
{
	static const int signals[] = { STOP, SIGUSR2, SIGHUP, SIGINT, SIGTERM };
	int on = 1;

	ck_assert_int_eq(supervise_take_signals(), 0);
	ck_assert_int_eq(channel_open(&channel), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, notify_pair), 0);
	ck_assert_int_eq(setsockopt(notify_pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	supervised = (struct supervise){
		.name = "web",
		.channel = &channel,
		.console = &console,
		.notify_fd = notify_pair[1],
		.holder_fd = -EBADF,
		.bus_fd = -EBADF,
		.stop_signal = STOP,
		.reboot_signal = SIGRTMIN + 5,
		.poweroff_signal = SIGRTMIN + 4,
		.started = when_started,
		.kill_rest = when_killed,
	};
	supervised.pid = process_clone(0, -EBADF, &supervised.pidfd);
	if (supervised.pid == 0) {
		sigset_t all;

		fd_close(&channel.supervisor);
		for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
			signal(signals[i], SIG_DFL);
		sigfillset(&all);
		sigprocmask(SIG_UNBLOCK, &all, NULL);
		alarm(20);
		payload();
		_exit(99);
	}
	ck_assert_int_gt(supervised.pid, 0);
	fd_close(&channel.payload);
}

static int status;

static enum outcome run(void)
{
	enum outcome outcome = supervise(&supervised, &status);

	/* Reaped, whatever happened. */
	ck_assert_int_lt(kill(supervised.pid, 0), 0);
	return outcome;
}

/* ---- what a payload does ---- */

static void exec_now(void)
{
	fd_close(&channel.payload);
}

static void ends_with_seven(void)
{
	exec_now();
	_exit(7);
}

static void runs(void)
{
	exec_now();
	for (;;)
		pause();
}

static void never_execs(void)
{
	for (;;)
		pause();
}

static void dies_of(int number)
{
	exec_now();
	kill(getpid(), number);
}

static void powers_off(void)
{
	dies_of(SIGINT);
}

static void reboots(void)
{
	dies_of(SIGHUP);
}

static void crashes(void)
{
	dies_of(SIGUSR2);
}

static void stop_at_three(int number)
{
	(void)number;
	_exit(3);
}

static void stops_when_asked(void)
{
	signal(STOP, stop_at_three);
	runs();
}

static void ask_again(int number)
{
	(void)number;
	kill(getppid(), SIGTERM);
}

static void has_to_be_asked_twice(void)
{
	signal(STOP, ask_again);
	runs();
}

static void stop_with_number(int number)
{
	_exit(number - SIGRTMIN);
}

static void tells_the_signal(void)
{
	for (int i = 3; i < 7; i++)
		signal(SIGRTMIN + i, stop_with_number);
	runs();
}

static void fails(void)
{
	fail(-ENOENT, "cannot run the init");
	channel_report(&channel, fail_recorded());
	never_execs();
}

/* The payload plays the service manager too: it has its socket. */
static void manager_hears(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void manager_hears(const char *format, ...)
{
	char expected[512], text[512];
	va_list args;
	ssize_t n;

	va_start(args, format);
	vsnprintf(expected, sizeof(expected), format, args);
	va_end(args);
	n = recv(manager, text, sizeof(text) - 1, 0);
	if (n < 0)
		_exit(98);
	text[n] = '\0';
	if (strcmp(text, expected) == 0)
		return;
	fprintf(stderr, "the manager hears '%s', not '%s'\n", text, expected);
	_exit(97);
}

static void tell(const char *text)
{
	if (send(notify_pair[0], text, strlen(text), 0) < 0)
		_exit(96);
}

static void is_announced(void)
{
	exec_now();
	manager_hears("READY=1\nSTATUS=Container started.\nX_NSPAWN_LEADER_PID=%d", getpid());
	tell("STATUS=two words");
	manager_hears("STATUS=Container running: two words");
	_exit(0);
}

static void becomes_ready(void)
{
	exec_now();
	manager_hears("STATUS=Container started.\nX_NSPAWN_LEADER_PID=%d", getpid());
	tell("STATUS=a\x1b[2J\tb\x7f\r\nMAINPID=1");
	manager_hears("STATUS=Container running: a?[2J?b??");
	tell("READY=1");
	manager_hears("READY=1\nSTATUS=Container running.\nX_NSPAWN_LEADER_PID=%d", getpid());
	tell("STATUS=up\nREADY=1");
	manager_hears("STATUS=Container running: up\nREADY=1");
	_exit(0);
}

static void says_that_it_stops(void)
{
	signal(STOP, SIG_IGN);
	exec_now();
	manager_hears("READY=1\nSTATUS=Container started.\nX_NSPAWN_LEADER_PID=%d", getpid());
	kill(getppid(), SIGTERM);
	manager_hears("STOPPING=1\nSTATUS=Container stopping.");
	_exit(0);
}

static void sees_the_watchdog(void)
{
	exec_now();
	/* Each turn of the loop is one; what else is said comes in between. */
	for (int count = 0; count < 4;) {
		char text[512];
		ssize_t n = recv(manager, text, sizeof(text), 0);

		count += n == 10 && memcmp(text, "WATCHDOG=1", 10) == 0;
	}
	_exit(3);
}

/* ---- */

static int changes;

static void when_changed(void *context)
{
	(void)context;
	changes++;
}

static void lives_for_a_moment(void)
{
	exec_now();
	usleep(100 * 1000);
	_exit(0);
}

START_TEST(a_change_of_the_network_is_passed_on_and_ends_nothing)
{
	enter(lives_for_a_moment);
	supervised.network_changed = when_changed;
	raise(SUPERVISOR_NETWORK); /* blocked: it waits for the loop */
	ck_assert_int_eq(run(), OUTCOME_EXIT);
	ck_assert_int_eq(changes, 1);
	ck_assert_int_eq(killed_count, 0);
}
END_TEST

START_TEST(an_exit_code_is_passed_on)
{
	enter(ends_with_seven);
	ck_assert_int_eq(run(), OUTCOME_EXIT);
	ck_assert_int_eq(status, 7);
	ck_assert_int_eq(started_count, 1);
	ck_assert_int_eq(killed_count, 0);
}
END_TEST

START_TEST(a_signal_tells_how_it_ended)
{
	static const struct {
		payload_fn *payload;
		enum outcome outcome;
		int status;
	} endings[] = {
		{ powers_off, OUTCOME_POWEROFF, SIGINT },
		{ reboots, OUTCOME_REBOOT, SIGHUP },
		{ crashes, OUTCOME_SIGNAL, SIGUSR2 },
	};

	enter(endings[_i].payload);
	ck_assert_int_eq(run(), endings[_i].outcome);
	ck_assert_int_eq(status, endings[_i].status);
	ck_assert_int_eq(started_count, 1);
}
END_TEST

START_TEST(a_failure_before_exec_is_the_outcome)
{
	enter(fails);
	ck_assert_int_eq(run(), OUTCOME_FAILED);
	ck_assert_int_eq(fail_recorded()->code, -ENOENT);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "cannot run the init"));
	ck_assert_int_eq(started_count, 0);
	ck_assert_int_gt(killed_count, 0);
}
END_TEST

START_TEST(what_cannot_be_settled_ends_it)
{
	started_fails = true;
	enter(runs);
	ck_assert_int_eq(run(), OUTCOME_FAILED);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "cannot settle"));
	ck_assert_int_gt(killed_count, 0);
}
END_TEST

START_TEST(a_stop_before_exec_kills)
{
	enter(never_execs);
	raise(SIGTERM); /* blocked: it waits for the loop */
	ck_assert_int_eq(run(), OUTCOME_SIGNAL);
	ck_assert_int_eq(status, SIGKILL);
	ck_assert_int_eq(started_count, 0);
	ck_assert_int_gt(killed_count, 0);
}
END_TEST

START_TEST(a_stop_asks)
{
	started_stops = true;
	enter(stops_when_asked);
	ck_assert_int_eq(run(), OUTCOME_EXIT);
	ck_assert_int_eq(status, 3);
	ck_assert_int_eq(killed_count, 0);
}
END_TEST

START_TEST(a_second_stop_kills)
{
	started_stops = true;
	enter(has_to_be_asked_twice);
	ck_assert_int_eq(run(), OUTCOME_SIGNAL);
	ck_assert_int_eq(status, SIGKILL);
	ck_assert_int_eq(killed_count, 1);
}
END_TEST

START_TEST(without_a_signal_to_ask_a_stop_kills)
{
	started_stops = true;
	enter(stops_when_asked);
	supervised.stop_signal = 0;
	ck_assert_int_eq(run(), OUTCOME_SIGNAL);
	ck_assert_int_eq(status, SIGKILL);
	ck_assert_int_eq(killed_count, 1);
}
END_TEST

START_TEST(an_init_with_a_word_of_its_own_gets_no_signal)
{
	started_stops = true;
	request_result = _i;
	enter(stops_when_asked);
	supervised.request = when_asked;
	ck_assert_int_eq(run(), _i ? OUTCOME_SIGNAL : OUTCOME_EXIT);
	ck_assert_int_eq(status, _i ? SIGUSR2 : 3);
	ck_assert_int_eq(request_count, 1);
	ck_assert(!request_reboot);
}
END_TEST

/* Our terminal's keys, through a pipe as standard input. */
static void press(const char *keys)
{
	int in[2];

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_ge(dup2(in[0], STDIN_FILENO), 0);
	fd_close(&in[0]);
	ck_assert_int_eq(write(in[1], keys, strlen(keys)), (ssize_t)strlen(keys));
}

static int press_when_started(void *context)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	(void)context;
	console_take(&console, master, true, false);
	return 0;
}

START_TEST(keys_stop_reboot_and_power_off)
{
	static const struct {
		const char *keys;
		enum outcome outcome;
		int status;
	} rows[] = {
		{ "\x1d\x1d\x1d", OUTCOME_SIGNAL, SIGKILL },
		{ "\x1d\x1dr", OUTCOME_EXIT, 5 },
		{ "\x1d\x1dp", OUTCOME_EXIT, 4 },
	};

	press(rows[_i].keys);
	enter(tells_the_signal);
	supervised.started = press_when_started;
	ck_assert_int_eq(run(), rows[_i].outcome);
	ck_assert_int_eq(status, rows[_i].status);
	ck_assert_int_eq(killed_count, _i == 0);
	console_done(&console);
}
END_TEST

START_TEST(a_key_asks_the_init_in_its_own_words)
{
	press("\x1d\x1dr");
	request_result = 1;
	enter(tells_the_signal);
	supervised.started = press_when_started;
	supervised.request = when_asked;
	ck_assert_int_eq(run(), OUTCOME_SIGNAL);
	ck_assert_int_eq(status, SIGUSR2);
	ck_assert(request_reboot);
	console_done(&console);
}
END_TEST

/* "| head" must not take the container with it. */
START_TEST(a_reader_that_is_gone_ends_nothing)
{
	int out[2], slave, master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	ck_assert_int_eq(unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_eq(write(slave, "text", 4), 4);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	ck_assert_int_ge(dup2(out[1], STDOUT_FILENO), 0);
	fd_close(&out[0]);
	fd_close(&out[1]);
	listen_as_manager();
	enter(sees_the_watchdog);
	console_take(&console, master, false, true);
	supervised.notify_socket = manager_name;
	supervised.watchdog_us = 20000; /* so that the loop turns by itself */
	ck_assert_int_eq(run(), OUTCOME_EXIT);
	ck_assert_int_eq(status, 3);
	ck_assert_int_lt(console.out, 0);
	console_done(&console);
	close(slave);
}
END_TEST

START_TEST(the_manager_is_told)
{
	listen_as_manager();
	enter(_i ? becomes_ready : is_announced);
	supervised.notify_socket = manager_name;
	supervised.notify_ready = _i;
	ck_assert_int_eq(run(), OUTCOME_EXIT);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(the_manager_is_told_of_a_stop)
{
	listen_as_manager();
	enter(says_that_it_stops);
	supervised.notify_socket = manager_name;
	ck_assert_int_eq(run(), OUTCOME_EXIT);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(a_stranger_in_the_container_says_nothing)
{
	listen_as_manager();
	enter(becomes_ready);
	/* From us, who are not the leader; read before what the leader says. */
	ck_assert_int_eq(send(notify_pair[0], "READY=1", 7, 0), 7);
	ck_assert_int_eq(send(notify_pair[0], "STATUS=x", 8, 0), 8);
	supervised.notify_socket = manager_name;
	supervised.notify_ready = true;
	ck_assert_int_eq(run(), OUTCOME_EXIT);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(the_watchdog_is_fed)
{
	listen_as_manager();
	enter(sees_the_watchdog);
	supervise_watchdog(&supervised, "40000");
	ck_assert_uint_eq(supervised.watchdog_us, 40000);
	supervised.notify_socket = manager_name;
	ck_assert_int_eq(run(), OUTCOME_EXIT);
	ck_assert_int_eq(status, 3);
}
END_TEST

START_TEST(a_watchdog_of_nonsense_is_none)
{
	static const char *const words[] = {
		"", "0", "-1", "x", "1x", " 5", "99999999999999999999", "18446744073709551616",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		supervised.watchdog_us = 0;
		supervise_watchdog(&supervised, words[i]);
		ck_assert_msg(supervised.watchdog_us == 0, "%s", words[i]);
	}
	supervise_watchdog(&supervised, "18446744073709551615");
	ck_assert_uint_eq(supervised.watchdog_us, UINT64_C(3600) * 1000000);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("supervise");

	tcase_set_timeout(cases, 30);
	tcase_add_test(cases, an_exit_code_is_passed_on);
	tcase_add_loop_test(cases, a_signal_tells_how_it_ended, 0, 3);
	tcase_add_test(cases, a_failure_before_exec_is_the_outcome);
	tcase_add_test(cases, what_cannot_be_settled_ends_it);
	tcase_add_test(cases, a_stop_before_exec_kills);
	tcase_add_test(cases, a_stop_asks);
	tcase_add_test(cases, a_second_stop_kills);
	tcase_add_test(cases, without_a_signal_to_ask_a_stop_kills);
	tcase_add_loop_test(cases, an_init_with_a_word_of_its_own_gets_no_signal, 0, 2);
	tcase_add_loop_test(cases, keys_stop_reboot_and_power_off, 0, 3);
	tcase_add_test(cases, a_key_asks_the_init_in_its_own_words);
	tcase_add_test(cases, a_reader_that_is_gone_ends_nothing);
	tcase_add_loop_test(cases, the_manager_is_told, 0, 2);
	tcase_add_test(cases, the_manager_is_told_of_a_stop);
	tcase_add_test(cases, a_stranger_in_the_container_says_nothing);
	tcase_add_test(cases, a_change_of_the_network_is_passed_on_and_ends_nothing);
	tcase_add_test(cases, the_watchdog_is_fed);
	tcase_add_test(cases, a_watchdog_of_nonsense_is_none);
	return fixture_run(cases, "engine/supervise");
}
