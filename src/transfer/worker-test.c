/* What a worker can do, and what somebody who has taken it over cannot. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fail.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/fixture.h"
#include "kernel/syscall.h"
#include "transfer/worker-side.h"

static char place[64];

/* On a real file system: in a user namespace tmpfs is mapped only by newer kernels. */
static int make_place(void)
{
	snprintf(place, sizeof(place), "/var/tmp/redd-worker.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(place));
	return open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void remove_place(void)
{
	if (place[0] != '\0')
		dir_remove_all(AT_FDCWD, place);
	place[0] = '\0';
}

/* Says which line of a worker did not hold. */
#define MUST(condition)                                                                      \
	do {                                                                                 \
		if (!(condition))                                                            \
			return fail_plain(-EPROTO, "line %d: " #condition " (%s)", __LINE__, \
					  strerror(errno));                                  \
	} while (0)
#define REFUSED(call) MUST((call) < 0)

static int run(worker_fn *function, enum worker_view view, int tree, const int *fds, size_t count)
{
	struct worker_request request = {
		.name = "test",
		.run = function,
		.view = view,
		.tree_fd = tree,
		.fds = fds,
		.fd_count = count,
	};

	return worker_run(&request, NULL);
}

#define CK_RUNS(...)                                                         \
	do {                                                                 \
		int r_ = run(__VA_ARGS__);                                   \
		ck_assert_msg(r_ == 0, "%d: %s", r_, fail_recorded()->text); \
	} while (0)

/* ---- what it is for ---- */

static int make_files(struct worker_side *side, void *context)
{
	int tree = worker_tree(side), fd;

	(void)context;
	fd = openat(tree, "file", O_WRONLY | O_CREAT | O_EXCL, 0600);
	MUST(fd >= 0);
	MUST(fchown(fd, 1000, 65534) == 0);
	MUST(fchmod(fd, 04755) == 0);
	MUST(fsetxattr(fd, "user.key", "value", 5, 0) == 0);
	MUST(mkdirat(tree, "directory", 0700) == 0);
	MUST(linkat(tree, "file", tree, "directory/link", 0) == 0);
	MUST(mknodat(tree, "fifo", S_IFIFO | 0644, 0) == 0);
	MUST(symlinkat("/etc/passwd", tree, "symlink") == 0);
	REFUSED(openat(tree, "symlink", O_RDONLY));
	return 0;
}

static int count_descriptors(void)
{
	DIR *all = opendir("/proc/self/fd");
	int count = 0;

	ck_assert_ptr_nonnull(all);
	while (readdir(all) != NULL)
		count++;
	closedir(all);
	return count;
}

/* Descriptors that nobody asked for, with messages that are fine. */
static int send_descriptors(struct worker_side *side, void *context)
{
	struct worker_message message = { .kind = WORKER_PROGRESS };
	struct iovec part = { &message, sizeof(message) };

	(void)context;
	for (int n = 1; n < 20; n++) {
		int fds[20] = { 0 };
		char room[CMSG_SPACE(sizeof(fds))] = { 0 };
		struct msghdr header = {
			.msg_iov = &part,
			.msg_iovlen = 1,
			.msg_control = room,
			.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int)),
		};
		struct cmsghdr *control = CMSG_FIRSTHDR(&header);

		control->cmsg_level = SOL_SOCKET;
		control->cmsg_type = SCM_RIGHTS;
		control->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
		memcpy(CMSG_DATA(control), fds, (size_t)n * sizeof(int));
		MUST(sendmsg(side->channel, &header, 0) >= 0);
	}
	return 0;
}

START_TEST(descriptors_that_it_sends_do_not_stay)
{
	int before = count_descriptors();

	CK_RUNS(send_descriptors, WORKER_SEES_NOTHING, -EBADF, NULL, 0);
	ck_assert_int_eq(count_descriptors(), before);
}
END_TEST

START_TEST(files_get_the_owners_that_it_gives_them)
{
	int tree = make_place();
	struct stat st;

	CK_RUNS(make_files, WORKER_SEES_TREE, tree, NULL, 0);
	ck_assert_int_eq(fstatat(tree, "file", &st, 0), 0);
	ck_assert_uint_eq(st.st_uid, 1000);
	ck_assert_uint_eq(st.st_gid, 65534);
	ck_assert_uint_eq(st.st_mode & 07777, 04755);
	ck_assert_uint_eq(st.st_nlink, 2);
	ck_assert_int_eq(fstatat(tree, "directory", &st, 0), 0);
	ck_assert_uint_eq(st.st_uid, 0);
}
END_TEST

static int make_nodes(struct worker_side *side, void *context)
{
	int tree = worker_tree(side), *outside = context;

	MUST(mknodat(tree, "null", S_IFCHR | 0666, makedev(1, 3)) < 0 && errno == EPERM);
	MUST(worker_make_node(side, tree, "null", S_IFCHR | 0666, makedev(1, 3)) == 0);
	MUST(worker_make_node(side, tree, "../x", S_IFCHR | 0666, makedev(1, 3)) == -EINVAL);
	MUST(worker_make_node(side, tree, "x", S_IFREG | 0666, 0) == -EINVAL);
	MUST(worker_make_node(side, *outside, "x", S_IFCHR | 0666, makedev(1, 3)) == -EXDEV);
	MUST(fchownat(tree, "null", 5, 6, AT_SYMLINK_NOFOLLOW) == 0);
	MUST(openat(tree, "null", O_RDONLY) < 0);
	return 0;
}

START_TEST(device_nodes_are_made_by_the_caller_in_the_tree_alone)
{
	int tree = make_place(), outside = open("/var/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct worker_request request = {
		.name = "test",
		.run = make_nodes,
		.context = &outside,
		.view = WORKER_SEES_TREE,
		.tree_fd = tree,
		.fds = &outside,
		.fd_count = 1,
	};
	struct stat st;
	int r = worker_run(&request, NULL);

	ck_assert_msg(r == 0, "%d: %s", r, fail_recorded()->text);
	ck_assert_int_eq(fstatat(tree, "null", &st, 0), 0);
	ck_assert(S_ISCHR(st.st_mode));
	ck_assert_uint_eq(st.st_rdev, makedev(1, 3));
	ck_assert_uint_eq(st.st_uid, 5);
}
END_TEST

static void *write_seven(void *number)
{
	*(int *)number = 7;
	return NULL;
}

static int use_threads(struct worker_side *side, void *context)
{
	pthread_t thread;
	int number = 0;

	(void)side;
	(void)context;
	MUST(pthread_create(&thread, NULL, write_seven, &number) == 0);
	MUST(pthread_join(thread, NULL) == 0);
	MUST(number == 7);
	return 0;
}

START_TEST(it_may_have_threads)
{
	CK_RUNS(use_threads, WORKER_SEES_NOTHING, -EBADF, NULL, 0);
}
END_TEST

/* ---- what it tells ---- */

static int tell(struct worker_side *side, void *context)
{
	(void)context;
	worker_progress(side, 3, 10);
	MUST(worker_tell(side, 42, "hello", 5) == 0);
	MUST(worker_tell(side, 42, "hello", WORKER_TOLD_MAX + 1) == -E2BIG);
	return fail_plain(-ENOENT, "cannot find 'what was \033[31mwanted'");
}

struct heard {
	uint64_t done, total;
	char text[16];
};

static void hear_progress(void *context, uint64_t done, uint64_t total)
{
	struct heard *heard = context;

	heard->done = done;
	heard->total = total;
}

static int hear_told(void *context, unsigned int what, const void *data, size_t size)
{
	struct heard *heard = context;

	ck_assert_uint_eq(what, 42);
	ck_assert_uint_lt(size, sizeof(heard->text));
	memcpy(heard->text, data, size);
	return 0;
}

START_TEST(progress_results_and_the_sentence_arrive)
{
	struct heard heard = { 0 };
	struct worker_listener listener = { hear_progress, hear_told, &heard };
	struct worker_request request = { .name = "test", .run = tell, .tree_fd = -EBADF };

	ck_assert_int_eq(worker_run(&request, &listener), -ENOENT);
	ck_assert_uint_eq(heard.done, 3);
	ck_assert_uint_eq(heard.total, 10);
	ck_assert_str_eq(heard.text, "hello");
	ck_assert_str_eq(fail_recorded()->text, "cannot find 'what was \\x1b[31mwanted'");
}
END_TEST

static int die(struct worker_side *side, void *context)
{
	(void)side;
	(void)context;
	raise(SIGKILL);
	abort();
}

START_TEST(one_that_dies_has_failed)
{
	ck_assert_int_lt(run(die, WORKER_SEES_NOTHING, -EBADF, NULL, 0), 0);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "signal"));
}
END_TEST

static int wait_for_ever(struct worker_side *side, void *context)
{
	(void)side;
	(void)context;
	for (;;)
		pause();
	return 0;
}

START_TEST(it_ends_with_its_caller)
{
	struct worker_request request = { .name = "test", .run = wait_for_ever, .tree_fd = -EBADF };
	struct worker worker = WORKER_EMPTY;
	int ends[2];
	pid_t caller;
	char byte;

	/* The worker keeps the pipe's other end open as long as it lives. */
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	request.fds = &ends[1];
	request.fd_count = 1;
	caller = fork();
	if (caller == 0)
		_exit(worker_start(&worker, &request) < 0);
	close(ends[1]);
	ck_assert_int_eq(read(ends[0], &byte, 1), 0);
}
END_TEST

/* ---- what it is not for: somebody runs code of his own in there ---- */

static int attack(struct worker_side *side, void *context)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(9) };
	char *const arguments[] = { (char *)"/bin/true", NULL };
	int fd;

	(void)context;
	(void)side;
	/* files of the host */
	REFUSED(open("/etc/passwd", O_RDONLY));
	REFUSED(open("/proc/self/mem", O_RDONLY));
	REFUSED(open("/../../etc", O_RDONLY));
	/* processes of the host, and new ones */
	REFUSED(kill(getppid(), 0));
	REFUSED(kill(-1, SIGKILL));
	REFUSED(ptrace(PTRACE_ATTACH, 1, NULL, NULL));
	REFUSED(fork());
	REFUSED(execv(arguments[0], arguments));
	/* namespaces, mounts, identities */
	REFUSED(unshare(CLONE_NEWUSER));
	REFUSED(mount("tmpfs", "/", "tmpfs", 0, NULL));
	REFUSED(umount2("/", MNT_DETACH));
	REFUSED(chroot("/"));
	REFUSED(setuid(1));
	/* networks */
	REFUSED(socket(AF_INET, SOCK_STREAM, 0));
	REFUSED(socket(AF_UNIX, SOCK_STREAM, 0));
	REFUSED(connect(0, (struct sockaddr *)&address, sizeof(address)));
	/* no descriptor but the channel, the tree and nothing */
	for (fd = 3; fd < 256; fd++) {
		struct stat st;

		if (fstat(fd, &st) < 0)
			continue;
		MUST(S_ISSOCK(st.st_mode) || (S_ISDIR(st.st_mode) && fd == worker_tree(side)));
	}
	return 0;
}

START_TEST(one_with_a_tree_reaches_nothing_else)
{
	CK_RUNS(attack, WORKER_SEES_TREE, make_place(), NULL, 0);
}
END_TEST

START_TEST(one_without_reaches_nothing)
{
	CK_RUNS(attack, WORKER_SEES_NOTHING, -EBADF, NULL, 0);
}
END_TEST

static int write_into_view(struct worker_side *side, void *context)
{
	(void)side;
	(void)context;
	MUST(access("/usr", F_OK) == 0);
	REFUSED(open("/usr/x", O_WRONLY | O_CREAT, 0600));
	REFUSED(open("/etc/shadow", O_RDONLY));
	REFUSED(open("/etc/x", O_WRONLY | O_CREAT, 0600));
	REFUSED(open("/proc/self/mem", O_RDONLY));
	REFUSED(ptrace(PTRACE_ATTACH, 1, NULL, NULL));
	REFUSED(unshare(CLONE_NEWUSER));
	REFUSED(sys_clone(CLONE_NEWUSER | SIGCHLD, NULL));
	REFUSED(socket(AF_UNIX, SOCK_STREAM, 0));
	REFUSED(setuid(1));
	return 0;
}

START_TEST(views_of_the_host_are_read_only)
{
	CK_RUNS(write_into_view, WORKER_SEES_PROGRAMS, -EBADF, NULL, 0);
	CK_RUNS(write_into_view, WORKER_SEES_NETWORK, -EBADF, NULL, 0);
}
END_TEST

static int write_into_tree(struct worker_side *side, void *context)
{
	(void)context;
	REFUSED(openat(worker_tree(side), "x", O_WRONLY | O_CREAT, 0600));
	MUST(errno == EROFS);
	return 0;
}

START_TEST(a_read_only_tree_is_not_written)
{
	struct worker_request request = {
		.name = "test",
		.run = write_into_tree,
		.view = WORKER_SEES_TREE,
		.tree_fd = make_place(),
		.read_only = true,
	};
	int r = worker_run(&request, NULL);

	ck_assert_msg(r == 0, "%d: %s", r, fail_recorded()->text);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("worker");

	if (geteuid() != 0)
		return 77;
	tcase_add_checked_fixture(cases, NULL, remove_place);
	tcase_add_test(cases, files_get_the_owners_that_it_gives_them);
	tcase_add_test(cases, device_nodes_are_made_by_the_caller_in_the_tree_alone);
	tcase_add_test(cases, it_may_have_threads);
	tcase_add_test(cases, progress_results_and_the_sentence_arrive);
	tcase_add_test(cases, one_that_dies_has_failed);
	tcase_add_test(cases, it_ends_with_its_caller);
	tcase_add_test(cases, one_with_a_tree_reaches_nothing_else);
	tcase_add_test(cases, one_without_reaches_nothing);
	tcase_add_test(cases, descriptors_that_it_sends_do_not_stay);
	tcase_add_test(cases, views_of_the_host_are_read_only);
	tcase_add_test(cases, a_read_only_tree_is_not_written);
	return fixture_run(cases, "transfer/worker");
}
