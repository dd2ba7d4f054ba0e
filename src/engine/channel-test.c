#include "engine/channel.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "io/fd.h"
#include "kernel/fixture.h"

#undef fail /* an old macro of Check */

static struct channel channel = { -EBADF, -EBADF };

static void enter(void)
{
	ck_assert_int_eq(channel_open(&channel), 0);
}

static int count_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static ino_t inode_of(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	return st.st_ino;
}

START_TEST(go_brings_descriptors_in_their_order)
{
	int sent[CHANNEL_FDS_MAX], got[CHANNEL_FDS_MAX];

	enter();
	for (int i = 0; i < CHANNEL_FDS_MAX; i += 2)
		ck_assert_int_eq(pipe(sent + i), 0);
	ck_assert_int_eq(channel_go(&channel, sent, CHANNEL_FDS_MAX), 0);
	ck_assert_int_eq(channel_wait(&channel, got, CHANNEL_FDS_MAX), 0);
	for (int i = 0; i < CHANNEL_FDS_MAX; i++) {
		ck_assert_uint_eq(inode_of(got[i]), inode_of(sent[i]));
		ck_assert_int_eq(fcntl(got[i], F_GETFD), FD_CLOEXEC);
	}
	channel_done(&channel);
}
END_TEST

START_TEST(go_may_bring_none)
{
	int got = 77;

	enter();
	ck_assert_int_eq(channel_go(&channel, NULL, 0), 0);
	ck_assert_int_eq(channel_wait(&channel, NULL, 0), 0);
	ck_assert_int_eq(channel_go(&channel, NULL, 0), 0);
	ck_assert_int_eq(channel_wait(&channel, &got, 1), -EBADMSG);
	ck_assert_int_eq(got, 77);
	ck_assert_int_eq(channel_go(&channel, &got, CHANNEL_FDS_MAX + 1), -EINVAL);
	channel_done(&channel);
}
END_TEST

START_TEST(the_payload_learns_that_the_supervisor_is_gone)
{
	int none;

	enter();
	ck_assert(!channel_is_dead(&channel));
	ck_assert_int_eq(channel_go(&channel, NULL, 0), 0);
	ck_assert(!channel_is_dead(&channel)); /* something to read is no end */
	ck_assert_int_eq(channel_wait(&channel, NULL, 0), 0);
	fd_close(&channel.supervisor);
	ck_assert(channel_is_dead(&channel));
	ck_assert_int_eq(channel_wait(&channel, &none, 1), -EPIPE);
	/* and does not die of telling nobody */
	channel_report(&channel, &(struct failure){ .code = -EIO });
	channel_done(&channel);
}
END_TEST

START_TEST(exec_is_the_end_of_the_talk)
{
	int before = count_fds();

	enter();
	ck_assert_int_eq(channel_outcome(&channel), 0);
	ck_assert_int_eq(channel_go(&channel, NULL, 0), 0);
	ck_assert_int_eq(channel_wait(&channel, NULL, 0), 0);
	ck_assert_int_eq(channel_outcome(&channel), 0);
	fd_close(&channel.payload);
	ck_assert_int_eq(channel_outcome(&channel), 1);
	ck_assert_int_lt(channel.supervisor, 0);
	ck_assert_int_eq(fail_recorded()->code, 0);
	channel_done(&channel);
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

START_TEST(a_payload_that_was_killed_before_go_has_ended_too)
{
	enter();
	ck_assert_int_eq(channel_go(&channel, NULL, 0), 0);
	fd_close(&channel.payload);
	ck_assert_int_eq(channel_outcome(&channel), 1);
	channel_done(&channel);
}
END_TEST

START_TEST(a_failure_arrives_whole_from_another_process)
{
	pid_t pid;

	enter();
	pid = fork();
	if (pid == 0) {
		fd_close(&channel.supervisor);
		fail(-ENOENT, "cannot run '%s'", "/sbin/init");
		fail_in(-ENOENT, "exec");
		channel_report(&channel, fail_recorded());
		_exit(1);
	}
	fd_close(&channel.payload);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(channel_outcome(&channel), -ENOENT);
	ck_assert_int_eq(fail_recorded()->code, -ENOENT);
	ck_assert_str_eq(fail_recorded()->text,
			 "exec: cannot run '/sbin/init': No such file or directory");
	channel_done(&channel);
}
END_TEST

START_TEST(a_sentence_without_an_end_gets_one)
{
	struct failure failure = { .code = -EIO };

	enter();
	memset(failure.text, 'a', sizeof(failure.text));
	channel_report(&channel, &failure);
	ck_assert_int_eq(channel_outcome(&channel), -EIO);
	ck_assert_uint_eq(strlen(fail_recorded()->text), sizeof(failure.text) - 1);
	channel_done(&channel);
}
END_TEST

START_TEST(what_is_no_failure_is_not_understood)
{
	struct failure failure = { .code = 0, .text = "all is well" };
	char large[2 * sizeof(failure)] = { 0 };

	enter();
	ck_assert_int_eq(send(channel.payload, "x", 1, 0), 1);
	ck_assert_int_eq(channel_outcome(&channel), -EBADMSG);
	channel_report(&channel, &failure);
	ck_assert_int_eq(channel_outcome(&channel), -EBADMSG);
	ck_assert_ptr_null(strstr(fail_recorded()->text, "all is well"));
	memcpy(large, &(struct failure){ .code = -EIO }, sizeof(failure));
	ck_assert_int_gt(send(channel.payload, large, sizeof(failure) - 1, 0), 0);
	ck_assert_int_eq(channel_outcome(&channel), -EBADMSG);
	channel_done(&channel);
}
END_TEST

START_TEST(an_announcement_is_waited_for)
{
	pid_t pid;

	enter();
	pid = fork();
	if (pid == 0) {
		fd_close(&channel.supervisor);
		usleep(20000);
		_exit(channel_announce(&channel) == 0 ? 0 : 1);
	}
	ck_assert_int_eq(channel_await(&channel), 0);
	ck_assert_int_eq(channel_outcome(&channel), 0); /* it was all, and no end */
	fd_close(&channel.payload);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(channel_outcome(&channel), 1);
	channel_done(&channel);
}
END_TEST

START_TEST(a_failure_comes_instead_of_the_announcement)
{
	enter();
	fail(-EPERM, "cannot make a network namespace");
	channel_report(&channel, fail_recorded());
	fail_forget();
	ck_assert_int_eq(channel_await(&channel), -EPERM);
	ck_assert_str_eq(fail_recorded()->text,
			 "cannot make a network namespace: Operation not permitted");
	channel_done(&channel);
}
END_TEST

START_TEST(who_ends_without_a_word_is_not_waited_for)
{
	enter();
	ck_assert_int_eq(channel_go(&channel, NULL, 0), 0);
	fd_close(&channel.payload);
	ck_assert_int_eq(channel_await(&channel), -EPIPE);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "has ended"));
	channel_done(&channel);
	enter();
	fd_close(&channel.supervisor);
	ck_assert_int_eq(channel_announce(&channel), -EPIPE);
	channel_done(&channel);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("channel");

	tcase_add_test(cases, go_brings_descriptors_in_their_order);
	tcase_add_test(cases, go_may_bring_none);
	tcase_add_test(cases, the_payload_learns_that_the_supervisor_is_gone);
	tcase_add_test(cases, exec_is_the_end_of_the_talk);
	tcase_add_test(cases, a_payload_that_was_killed_before_go_has_ended_too);
	tcase_add_test(cases, a_failure_arrives_whole_from_another_process);
	tcase_add_test(cases, a_sentence_without_an_end_gets_one);
	tcase_add_test(cases, what_is_no_failure_is_not_understood);
	tcase_add_test(cases, an_announcement_is_waited_for);
	tcase_add_test(cases, a_failure_comes_instead_of_the_announcement);
	tcase_add_test(cases, who_ends_without_a_word_is_not_waited_for);
	return fixture_run(cases, "engine/channel");
}
