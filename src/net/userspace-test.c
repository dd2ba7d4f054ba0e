#include "net/userspace.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/unit.h"
#include "format/port.h"
#include "io/fd.h"
#include "kernel/fixture.h"
#include "kernel/network.h"
#include "kernel/process.h"

#define PROGRAM "/mnt/program"

static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 }, gateway_mac[6] = { 2, 0, 0, 0, 0, 2 };
static struct arena arena;

static struct ip ip(const char *text)
{
	struct ip ret;

	ck_assert_int_eq(ip_parse(&ret, text), 0);
	return ret;
}

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix ret;

	ck_assert_int_eq(ip_parse_prefix(&ret, text), 0);
	return ret;
}

static struct port port(const char *text)
{
	struct port ret;
	const char *why;

	ck_assert_int_eq(port_parse(&ret, text, &why), 0);
	return ret;
}

static struct userspace_wish wish_for_both(void)
{
	return (struct userspace_wish){
		.program = PROGRAM,
		.pid = 4711,
		.interface = "host0",
		.mac = mac,
		.gateway_mac = gateway_mac,
		.guest = { prefix("10.213.0.2/30"), prefix("fd00::2/64") },
		.gateway = { ip("10.213.0.1"), ip("fd00::1") },
	};
}

/* ---- what it is run with ---- */

static const char *words(const struct userspace_wish *wish)
{
	struct text_list list = { 0 };
	const char *text = "";

	userspace_arguments(&arena, &list, wish);
	for (size_t i = 0; i < list.count; i++)
		text = arena_format(&arena, "%s%s%s", text, i > 0 ? " " : "", list.items[i]);
	return text;
}

START_TEST(it_is_told_everything_that_it_would_choose_itself)
{
	struct userspace_wish wish = wish_for_both();

	ck_assert_str_eq(words(&wish),
			 "pasta --foreground --quiet --pid /proc/self/fd/1 --ns-ifname host0 "
			 "--ns-mac-addr 02:00:00:00:00:01 --mac-addr 02:00:00:00:00:02 "
			 "-n 30 -a 10.213.0.2 -g 10.213.0.1 -a fd00::2 -g fd00::1 "
			 "--dhcp-dns -t none -u none --no-map-gw -T none -U none 4711");
}
END_TEST

START_TEST(a_kind_of_address_that_is_not_there_is_switched_off)
{
	struct userspace_wish wish = wish_for_both();

	wish.guest[1] = (struct ip_prefix){ 0 };
	wish.gateway[1] = (struct ip){ 0 };
	wish.dns[0] = ip("10.213.0.1");
	ck_assert_ptr_nonnull(strstr(words(&wish), " -4 -n 30 -a 10.213.0.2 -g 10.213.0.1 "
						   "--dns-forward 10.213.0.1 --dhcp-dns "));
	wish = wish_for_both();
	wish.guest[0] = (struct ip_prefix){ 0 };
	wish.gateway[0] = (struct ip){ 0 };
	ck_assert_ptr_nonnull(strstr(words(&wish), " -6 -a fd00::2 -g fd00::1 --dhcp-dns "));
}
END_TEST

/* Who made it may end before others who use the namespace. */
START_TEST(of_a_process_in_its_own_user_namespace_it_takes_the_network_alone)
{
	struct userspace_wish wish = wish_for_both();
	const char *text;

	wish.same_user = true;
	text = words(&wish);
	ck_assert_ptr_nonnull(strstr(text, " --no-map-gw -T none -U none "
					   "--netns /proc/4711/ns/net --no-netns-quit"));
	ck_assert_ptr_null(strstr(text, "--userns"));
	ck_assert_str_eq(strstr(text, " --no-netns-quit"), " --no-netns-quit");
}
END_TEST

START_TEST(ports_are_told_in_its_own_grammar)
{
	const struct port ports[] = { port("8080:80"), port("udp:53"),
				      port("127.0.0.1:9000-9002:90-92"), port("[::1]:443") };
	struct userspace_wish wish = wish_for_both();

	wish.ports = ports;
	wish.port_count = ARRAY_SIZE(ports);
	ck_assert_ptr_nonnull(strstr(words(&wish), " -t 8080:80 -t 127.0.0.1/9000-9002:90-92 "
						   "-t ::1/443:443 -u 53:53 --no-map-gw "));
}
END_TEST

/* ---- its ports ---- */

static int bind_port(const char *address, uint16_t number)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(number) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(inet_pton(AF_INET, address, &name.sin_addr), 1);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

static int check(const char *text)
{
	const struct port one = port(text);
	struct userspace_wish wish = wish_for_both();

	wish.ports = &one;
	wish.port_count = 1;
	fail_forget();
	return userspace_check_ports(&wish);
}

START_TEST(a_port_that_somebody_has_is_told)
{
	fixture_enter(CLONE_NEWNET);
	ck_assert_int_eq(network_loopback_up(), 0);
	ck_assert_int_eq(check("8080:80"), 0);
	bind_port("127.0.0.1", 8080);
	ck_assert_int_eq(check("8080:80"), -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "'tcp:8080': somebody else"));
	ck_assert_int_eq(check("8079-8081"), -EADDRINUSE);
	ck_assert_int_eq(check("127.0.0.1:8080"), -EADDRINUSE);
	ck_assert_int_eq(check("127.0.0.2:8080"), 0);
	ck_assert_int_eq(check("[::1]:8080"), 0);
	ck_assert_int_eq(check("udp:8080"), 0);
	ck_assert_int_eq(check("192.0.2.1:8080"), -EADDRNOTAVAIL);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "no address '192.0.2.1'"));
}
END_TEST

START_TEST(a_port_may_become_free_in_a_moment)
{
	pid_t child;
	int fd;

	fixture_enter(CLONE_NEWNET);
	ck_assert_int_eq(network_loopback_up(), 0);
	fd = bind_port("127.0.0.1", 8080);
	child = fork();
	if (child == 0) {
		usleep(50 * 1000);
		_exit(0);
	}
	close(fd);
	ck_assert_int_eq(check("8080:80"), 0);
	waitpid(child, NULL, 0);
}
END_TEST

/* ---- its life ---- */

static void begin(struct userspace *ret, const char *script)
{
	struct userspace_wish wish = wish_for_both();

	fixture_enter(0);
	fixture_write(PROGRAM, arena_format(&arena, "#!/bin/sh\n%s\n", script));
	ck_assert_int_eq(chmod(PROGRAM, 0755), 0);
	fail_forget();
	ck_assert_int_eq(userspace_start(&arena, ret, &wish), 0);
	ck_assert_int_gt(ret->pid, 0);
}

START_TEST(it_waits_until_it_is_released)
{
	struct userspace userspace = USERSPACE_EMPTY;

	begin(&userspace, "touch /mnt/ran; echo $$; sleep 60");
	usleep(20 * 1000);
	ck_assert_int_eq(access("/mnt/ran", F_OK), -1);
	ck_assert_int_eq(userspace_release(&userspace), 0);
	ck_assert_int_eq(userspace_await(&userspace), 0);
	ck_assert_int_eq(access("/mnt/ran", F_OK), 0);
	userspace_end(&userspace, NULL);
	ck_assert_int_eq(userspace.pid, 0);
	ck_assert_int_eq(userspace.pidfd, -EBADF);
}
END_TEST

START_TEST(it_is_ready_when_it_says_its_own_number)
{
	struct userspace userspace = USERSPACE_EMPTY;

	begin(&userspace, "echo 'a warning' >&2; echo 1; printf %s $$; sleep 0.02; echo; "
			  "echo later >&2; sleep 60");
	ck_assert_int_eq(userspace_release(&userspace), 0);
	ck_assert_int_eq(userspace_await(&userspace), 0);
	userspace_end(&userspace, NULL);
}
END_TEST

START_TEST(its_last_words_are_passed_on)
{
	static const struct {
		const char *script, *sentence;
	} cases[] = {
		{ "echo one >&2; echo '12345.678: Two: three' >&2; exit 1",
		  "cannot make a network for the container: 'pasta' says 'Two: three'" },
		{ "printf 'no\\tend' >&2; exit 0",
		  "cannot make a network for the container: 'pasta' says 'no end'" },
		{ "exit 1", "cannot make a network for the container: 'pasta' has ended" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct userspace userspace = USERSPACE_EMPTY;

		begin(&userspace, cases[i].script);
		ck_assert_int_eq(userspace_release(&userspace), 0);
		ck_assert_int_eq(userspace_await(&userspace), -EIO);
		ck_assert_str_eq(fail_recorded()->text, cases[i].sentence);
		userspace_end(&userspace, NULL);
	}
}
END_TEST

START_TEST(a_program_that_cannot_be_run_says_why)
{
	struct userspace userspace = USERSPACE_EMPTY;

	begin(&userspace, "");
	ck_assert_int_eq(unlink(PROGRAM), 0);
	ck_assert_int_eq(userspace_release(&userspace), 0);
	ck_assert_int_eq(userspace_await(&userspace), -EIO);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "cannot run '" PROGRAM "': No such"));
	userspace_end(&userspace, NULL);
}
END_TEST

START_TEST(nobody_waits_for_what_is_not_read)
{
	struct userspace userspace = USERSPACE_EMPTY;

	begin(&userspace, "echo $$; i=0; while [ $i -lt 20000 ]; do echo many words; i=$((i+1)); "
			  "done 2>/dev/null; touch /mnt/done; sleep 60");
	ck_assert_int_eq(userspace_release(&userspace), 0);
	ck_assert_int_eq(userspace_await(&userspace), 0);
	for (int i = 0; i < 1000 && access("/mnt/done", F_OK) < 0; i++)
		usleep(10 * 1000);
	ck_assert_int_eq(access("/mnt/done", F_OK), 0);
	ck_assert_str_eq(userspace_words(&userspace), "many words");
	userspace_end(&userspace, NULL);
}
END_TEST

START_TEST(it_ends_with_who_made_it)
{
	int ends[2];
	char byte;

	ck_assert_int_eq(pipe(ends), 0);
	if (fork() == 0) {
		struct userspace userspace = USERSPACE_EMPTY;

		/* Its standard output is our pipe no more; that it holds the other end tells. */
		begin(&userspace, "echo $$; sleep 60");
		userspace_release(&userspace);
		userspace_await(&userspace);
		ck_assert_int_eq(write(ends[1], &userspace.pid, sizeof(pid_t)), sizeof(pid_t));
		raise(SIGKILL);
	}
	close(ends[1]);
	pid_t pid;
	ck_assert_int_eq(read(ends[0], &pid, sizeof(pid)), sizeof(pid));
	ck_assert_int_eq(read(ends[0], &byte, 1), 0);
	wait(NULL);
	for (int i = 0; i < 500 && kill(pid, 0) == 0; i++) {
		char path[64], state[256] = "";
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd >= 0 && read(fd, state, sizeof(state) - 1) > 0 && strstr(state, ") Z "))
			break; /* nobody reaps it here */
		if (fd >= 0)
			close(fd);
		usleep(10 * 1000);
		ck_assert_int_lt(i, 499);
	}
}
END_TEST

START_TEST(it_can_be_left_to_end_by_itself)
{
	struct userspace userspace = USERSPACE_EMPTY;
	int leaving = -EBADF;
	siginfo_t info;

	begin(&userspace, "echo $$; sleep 60");
	ck_assert_int_eq(userspace_release(&userspace), 0);
	ck_assert_int_eq(userspace_await(&userspace), 0);
	/* Signals do not reach it while it is stopped, but this one does. */
	userspace_end(&userspace, &leaving);
	ck_assert_int_eq(userspace.pidfd, -EBADF);
	if (leaving >= 0)
		ck_assert_int_eq(process_wait(leaving, &info, 0), 0);
	fd_close(&leaving);
}
END_TEST

START_TEST(only_the_same_process_is_taken_over)
{
	struct userspace userspace = USERSPACE_EMPTY, other = USERSPACE_EMPTY;
	pid_t pid;

	begin(&userspace, "echo $$; sleep 60");
	ck_assert_int_eq(userspace_release(&userspace), 0);
	ck_assert_int_eq(userspace_await(&userspace), 0);
	pid = userspace.pid;
	userspace_take_over(&other, pid, userspace.start + 1);
	ck_assert_int_eq(other.pid, 0);
	userspace_take_over(&other, 0, userspace.start);
	ck_assert_int_eq(other.pid, 0);
	userspace_take_over(&other, pid, userspace.start);
	ck_assert_int_eq(other.pid, pid);
	ck_assert_int_ge(other.pidfd, 0);
	ck_assert_str_eq(userspace_words(&other), "");
	userspace_end(&other, NULL);
	ck_assert(process_has_ended(userspace.pidfd));
	userspace_end(&userspace, NULL);
	userspace_take_over(&other, pid, userspace.start);
	ck_assert_int_eq(other.pid, 0);
}
END_TEST

int main(void)
{
	return UNIT_RUN("net/userspace", it_is_told_everything_that_it_would_choose_itself,
			a_kind_of_address_that_is_not_there_is_switched_off,
			of_a_process_in_its_own_user_namespace_it_takes_the_network_alone,
			ports_are_told_in_its_own_grammar, a_port_that_somebody_has_is_told,
			a_port_may_become_free_in_a_moment, it_waits_until_it_is_released,
			it_is_ready_when_it_says_its_own_number, its_last_words_are_passed_on,
			a_program_that_cannot_be_run_says_why, nobody_waits_for_what_is_not_read,
			it_ends_with_who_made_it, it_can_be_left_to_end_by_itself,
			only_the_same_process_is_taken_over);
}
