#include "engine/notify.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "io/fd.h"
#include "kernel/fixture.h"

static int guest = -EBADF, ours = -EBADF;

static void enter(void)
{
	int pair[2], on = 1;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	guest = pair[0];
	ours = pair[1];
	ck_assert_int_eq(setsockopt(ours, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
}

static int say_bytes(struct notify_message *message, const char *text, size_t size)
{
	ck_assert_int_eq(send(guest, text, size, 0), (ssize_t)size);
	return notify_receive(ours, getpid(), message);
}

static int say(struct notify_message *message, const char *text)
{
	return say_bytes(message, text, strlen(text));
}

static int count_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 512; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

START_TEST(readiness_and_status_are_understood)
{
	struct notify_message message;

	enter();
	ck_assert_int_eq(say(&message, "READY=1"), 1);
	ck_assert(message.ready && message.status[0] == '\0');
	ck_assert_int_eq(say(&message, "STATUS=Up.\n"), 1);
	ck_assert(!message.ready);
	ck_assert_str_eq(message.status, "Up.");
	ck_assert_int_eq(say(&message, "\n\nSTATUS=one\nREADY=1\nSTATUS=two=2\n"), 1);
	ck_assert(message.ready);
	ck_assert_str_eq(message.status, "two=2");
	ck_assert_int_eq(say(&message, "STATUS="), 1);
	ck_assert_str_eq(message.status, "");
}
END_TEST

START_TEST(nothing_else_counts)
{
	static const char *const texts[] = {
		"READY=0",	     "READY=11",	"READY=1 ",    " READY=1",
		"ready=1",	     "READY",		"XREADY=1",    "XSTATUS=no",
		"MAINPID=1",	     "WATCHDOG_USEC=1", "FDSTORE=1",   "BARRIER=1",
		"ERRNO=2",	     "STOPPING=1",	"RELOADING=1", "X_NSPAWN_LEADER_PID=1",
		"READY=1\rSTATUS=x",
	};
	struct notify_message message;

	enter();
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		ck_assert_int_eq(say(&message, texts[i]), 1);
		ck_assert_msg(!message.ready && message.status[0] == '\0', "%s", texts[i]);
	}
}
END_TEST

START_TEST(odd_datagrams_are_harmless)
{
	static char large[16384];
	struct notify_message message = { .ready = false };

	enter();
	ck_assert_int_eq(notify_receive(ours, getpid(), &message), 0); /* there is none */
	ck_assert_int_eq(say_bytes(&message, "", 0), 1);
	ck_assert(!message.ready);
	ck_assert_int_eq(say_bytes(&message, "\0READY=1", 8), 1);
	ck_assert(!message.ready);
	ck_assert_int_eq(say_bytes(&message, "STATUS=a\0b\nREADY=1", 18), 1);
	ck_assert(!message.ready);
	ck_assert_str_eq(message.status, "a");

	/* As long as may be, and one byte more: half of a message is none. */
	memset(large, 'x', sizeof(large));
	memcpy(large, "READY=1\nSTATUS=", 15);
	ck_assert_int_eq(say_bytes(&message, large, 4096), 1);
	ck_assert(message.ready);
	ck_assert_uint_eq(strlen(message.status), sizeof(message.status) - 1);
	message = (struct notify_message){ .ready = false };
	ck_assert_int_eq(say_bytes(&message, large, 4097), 0);
	ck_assert_int_eq(say_bytes(&message, large, sizeof(large)), 0);
	ck_assert(!message.ready && message.status[0] == '\0');
}
END_TEST

START_TEST(only_the_leader_counts)
{
	struct notify_message message = { .ready = false };
	int status;
	pid_t pid;

	enter();
	pid = fork();
	if (pid == 0)
		_exit(send(guest, "READY=1", 7, 0) != 7 || send(guest, "STATUS=x", 8, 0) != 8);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(notify_receive(ours, getpid(), &message), 0);
	ck_assert(!message.ready);
	ck_assert_int_eq(notify_receive(ours, pid, &message), 1);
	ck_assert_str_eq(message.status, "x");
}
END_TEST

START_TEST(nobody_is_the_leader_of_a_socket_without_credentials)
{
	struct notify_message message = { .ready = false };
	int off = 0;

	enter();
	ck_assert_int_eq(setsockopt(ours, SOL_SOCKET, SO_PASSCRED, &off, sizeof(off)), 0);
	ck_assert_int_eq(say(&message, "READY=1"), 0);
	ck_assert(!message.ready);
}
END_TEST

static void send_fds(int count)
{
	char room[CMSG_SPACE(253 * sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct iovec part = { .iov_base = (char[]){ "READY=1" }, .iov_len = 7 };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int)),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int fd = STDERR_FILENO;

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
	for (int i = 0; i < count; i++)
		memcpy(CMSG_DATA(header) + (size_t)i * sizeof(int), &fd, sizeof(fd));
	ck_assert_int_eq(sendmsg(guest, &message, 0), 7);
}

START_TEST(descriptors_of_the_guest_are_closed)
{
	static const int counts[] = { 1, 2, 15, 16, 17, 64, 253 };
	int before;

	enter();
	before = count_fds();
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct notify_message message = { .ready = false };

		send_fds(counts[i]);
		notify_receive(ours, getpid(), &message);
		ck_assert_msg(count_fds() == before, "%d: %d are open, not %d", counts[i],
			      count_fds(), before);
		/* Those of a stranger too. */
		send_fds(counts[i]);
		ck_assert_int_eq(notify_receive(ours, 1, &message), 0);
		ck_assert_int_eq(count_fds(), before);
	}
}
END_TEST

/* A service manager: NAME as in $NOTIFY_SOCKET. */
static int listen_as(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(address.sun_path, name, strlen(name));
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, length), 0);
	return fd;
}

static void hears(int fd, const char *expected)
{
	char text[64];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	ck_assert_str_eq(text, expected);
}

START_TEST(the_service_manager_is_told)
{
	autoclose int path = -EBADF, abstract = -EBADF;
	char name[64];

	fixture_enter(0);
	path = listen_as("/mnt/notify");
	notify_send("/mnt/notify", "READY=1");
	hears(path, "READY=1");
	snprintf(name, sizeof(name), "@redd-test-%d", (int)getpid());
	abstract = listen_as(name);
	notify_send(name, "STOPPING=1");
	hears(abstract, "STOPPING=1");
}
END_TEST

START_TEST(nobody_to_tell_is_no_failure)
{
	char longest[200];
	int before = count_fds();

	notify_send(NULL, "READY=1");
	notify_send("", "READY=1");
	notify_send("relative", "READY=1");
	notify_send("vsock:2:1234", "READY=1");
	notify_send("/nonexistent/socket", "READY=1");
	notify_send("@redd-test-nobody", "READY=1");
	memset(longest, 'a', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	notify_send(longest, "READY=1");
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

START_TEST(a_manager_that_does_not_read_is_not_waited_for)
{
	autoclose int deaf = -EBADF;
	char name[64];

	snprintf(name, sizeof(name), "@redd-test-%d", (int)getpid());
	deaf = listen_as(name);
	/* Until its queue is full; the datagram after it is given up. */
	for (;;) {
		struct sockaddr_un address = { .sun_family = AF_UNIX };
		autoclose int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
		if (sendto(fd, "x", 1, 0, (struct sockaddr *)&address,
			   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))) < 0)
			break;
	}
	ck_assert_int_eq(errno, EAGAIN);
	notify_send(name, "READY=1");
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("notify");

	tcase_add_test(cases, readiness_and_status_are_understood);
	tcase_add_test(cases, nothing_else_counts);
	tcase_add_test(cases, odd_datagrams_are_harmless);
	tcase_add_test(cases, only_the_leader_counts);
	tcase_add_test(cases, nobody_is_the_leader_of_a_socket_without_credentials);
	tcase_add_test(cases, descriptors_of_the_guest_are_closed);
	tcase_add_test(cases, the_service_manager_is_told);
	tcase_add_test(cases, nobody_to_tell_is_no_failure);
	tcase_add_test(cases, a_manager_that_does_not_read_is_not_waited_for);
	return fixture_run(cases, "engine/notify");
}
