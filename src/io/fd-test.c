#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/unit.h"
#include "io/fd.h"

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(closing_keeps_errno_and_forgets_the_number)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), old = fd;

	errno = ENOTTY;
	fd_close(&fd);
	ck_assert_int_eq(errno, ENOTTY);
	ck_assert_int_eq(fd, -EBADF);
	ck_assert(!is_open(old));
	fd_close(&fd);
	ck_assert_int_eq(fd, -EBADF);
}
END_TEST

START_TEST(duplicates_stay_out_of_stdio)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), copy;

	close(0);
	copy = fd_duplicate(fd);
	ck_assert_int_ge(copy, 3);
	ck_assert_int_eq(fcntl(copy, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fd_duplicate(-EBADF), -EBADF);
}
END_TEST

/* Opens 20 descriptors from 100 on, closes from 100 on but three, and looks. */
static void check_close_all(void)
{
	static const int keep[] = { 106, 3, -EBADF, 100, 105 };

	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(dup2(STDERR_FILENO, 100 + i), 100 + i);
	ck_assert_int_eq(fd_close_all(100, keep, ARRAY_SIZE(keep)), 0);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(is_open(100 + i), i == 0 || i == 5 || i == 6);
	ck_assert(is_open(STDERR_FILENO));
	ck_assert_int_eq(fd_close_all(100, NULL, 0), 0);
	ck_assert(!is_open(100));
}

START_TEST(all_but_the_kept_are_closed)
{
	check_close_all();
}
END_TEST

/* As on a kernel that lacks close_range(2). */
START_TEST(an_older_kernel_closes_them_too)
{
	static struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = ARRAY_SIZE(filter), .filter = filter };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
	check_close_all();
}
END_TEST

START_TEST(whole_messages_cross_a_pipe)
{
	char sent[100000], received[100000] = {};
	int ends[2];
	pid_t pid;

	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (char)(i * 7);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		_exit(fd_write_all(ends[1], sent, sizeof(sent)) != 0);
	}
	close(ends[1]);
	ck_assert_int_eq(fd_read_all(ends[0], received, sizeof(received)), 0);
	ck_assert_mem_eq(sent, received, sizeof(sent));
	ck_assert_int_eq(fd_read_all(ends[0], received, 1), -EIO);
}
END_TEST

START_TEST(descriptors_cross_a_socket_but_no_more_than_are_expected)
{
	int ends[2], sent[FD_SEND_MAX + 1] = { STDERR_FILENO, STDERR_FILENO }, got[2], next;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_int_eq(fd_send(ends[0], sent, 2), 0);
	ck_assert_int_eq(fd_receive(ends[1], got, 2), 2);
	ck_assert_int_eq(fcntl(got[1], F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fd_send(ends[0], NULL, 0), 0);
	ck_assert_int_eq(fd_receive(ends[1], NULL, 0), 0);
	next = fd_duplicate(STDERR_FILENO);
	close(next);
	ck_assert_int_eq(fd_send(ends[0], sent, 2), 0);
	ck_assert_int_eq(fd_receive(ends[1], got, 1), -EBADMSG);
	ck_assert(!is_open(next));
	ck_assert_int_eq(fd_send(ends[0], sent, FD_SEND_MAX + 1), -EINVAL);
	close(ends[0]);
	ck_assert_int_eq(fd_receive(ends[1], got, 1), -EPIPE);
}
END_TEST

/* How many are open. */
static int first_free(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

START_TEST(a_sender_is_told_and_what_it_attaches_is_not_taken)
{
	int ends[2], on = 1, before, r;
	char text[8];
	pid_t sender;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
	before = first_free();
	ck_assert_int_eq(send(ends[0], "x", 1, 0), 1);
	ck_assert_int_eq(fd_hear(ends[1], text, sizeof(text), 0, &sender), 1);
	ck_assert_int_eq(sender, 0);
	ck_assert_int_eq(fd_send(ends[0], ends, 2), 0);
	ck_assert_int_eq(fd_hear(ends[1], text, sizeof(text), 0, &sender), -EBADMSG);
	ck_assert_int_eq(first_free(), before);
	/* As before Linux 6.16. */
	ck_assert_int_eq(setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	ck_assert_int_eq(fd_send(ends[0], ends, 2), 0);
	ck_assert_int_eq(fd_hear(ends[1], text, sizeof(text), 0, &sender), 1);
	ck_assert_int_eq(sender, getpid());
	ck_assert_int_eq(first_free(), before);
	ck_assert_int_eq(fd_tell_senders(ends[1]), 0);
	r = fd_send(ends[0], ends, 2);
	ck_assert(r == 0 || r == -EPERM);
	if (r == 0)
		ck_assert_int_eq(fd_hear(ends[1], text, sizeof(text), 0, &sender), 1);
	ck_assert_int_eq(first_free(), before);
	ck_assert_int_eq(send(ends[0], "too long for it", 15, 0), 15);
	ck_assert_int_eq(fd_hear(ends[1], text, sizeof(text), 0, &sender), -EMSGSIZE);
	ck_assert_int_eq(fd_hear(ends[1], text, sizeof(text), MSG_DONTWAIT, &sender), -EAGAIN);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

int main(void)
{
	return UNIT_RUN("io/fd", closing_keeps_errno_and_forgets_the_number,
			duplicates_stay_out_of_stdio, all_but_the_kept_are_closed,
			an_older_kernel_closes_them_too, whole_messages_cross_a_pipe,
			descriptors_cross_a_socket_but_no_more_than_are_expected,
			a_sender_is_told_and_what_it_attaches_is_not_taken);
}
