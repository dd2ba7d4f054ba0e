#include "prog/dissect/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/text.h"
#include "io/fd.h"
#include "kernel/capability.h"
#include "kernel/landlock.h"
#include "kernel/small-root.h"
#include "prog/dissect/serve-filter.h"

#define IMAGE "/image"
#define TREE "/tree"
#define DEVICE "/dev/fuse"
#define RANDOM "/dev/urandom"
#define MEMORY_MAX (UINT64_C(1) << 30)
#define DESCRIPTORS_MAX 256
#define END_MS (60 * 1000)    /* what was written late gets to the image meanwhile */
#define ANSWER_MS (20 * 1000) /* who still waits for it then has waited long enough */

struct served {
	const char *program, *type, *offset;
	bool read_only;
	int locked, image, device, timer, line, home; /* the caller's */
	int random, nothing, told, said;
};

/* What can end it. Of the mounts the device tells by an error, of the caller the line by its end.
 */
enum end { END_PROGRAM, END_MOUNTS, END_TIME, END_CALLER, ENDS };

static void watch(struct pollfd ret[ENDS], const struct served *served, int pidfd)
{
	ret[END_PROGRAM] = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	ret[END_MOUNTS] = (struct pollfd){ .fd = served->device };
	ret[END_TIME] = (struct pollfd){ .fd = served->timer, .events = POLLIN };
	ret[END_CALLER] = (struct pollfd){ .fd = served->line };
}

/* ---- closing in ---- */

/* For the caller, who reads it when we have ended. */
static int complain(int r, const char *what)
{
	char text[128];
	int n = snprintf(text, sizeof(text), "cannot %s: %s", what, strerror(-r));

	(void)!write(STDERR_FILENO, text, (size_t)n);
	return r;
}

/* Of the host's, nothing but programs is in sight, also of who waits: a mount namespace that stays
 * would hold the mounts that are in it. */
static int leave_host(void)
{
	const int spaces = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID |
			   CLONE_NEWCGROUP;
	autoclose int root = -EBADF;
	const char *which;
	int r;

	if (unshare(spaces) < 0)
		return -errno;
	root = small_root_make();
	r = root < 0 ? root : small_root_attach(root);
	if (r >= 0)
		r = small_root_show(&which, root, small_root_programs);
	if (r >= 0 &&
	    (mkdirat(root, &TREE[1], 0755) < 0 || mknodat(root, &IMAGE[1], S_IFREG | 0644, 0) < 0))
		r = -errno;
	if (r >= 0)
		r = small_root_close(root);
	return r < 0 ? r : small_root_enter(root);
}

static int limit(int resource, rlim_t value)
{
	const struct rlimit limit = { value, value };

	return setrlimit((__rlimit_resource_t)resource, &limit) < 0 ? -errno : 0;
}

/* What it may need. A file that is the image gets no larger by it. */
static int limit_all(int image)
{
	struct stat st;
	int r = fstat(image, &st) < 0 ? -errno : limit(RLIMIT_CORE, 0);

	if (r >= 0 && S_ISREG(st.st_mode))
		r = limit(RLIMIT_FSIZE, (rlim_t)st.st_size);
	if (r >= 0)
		r = limit(RLIMIT_NOFILE, DESCRIPTORS_MAX);
	return r < 0 ? r : limit(RLIMIT_DATA, MEMORY_MAX);
}

/* In a user namespace without ids it is nobody, and root of nothing. */
static int give_up_rights(int image)
{
	autoclose int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct landlock_allowed programs = {
		.directory = -EBADF,
		.readable = &top,
		.readable_count = 1,
	};
	int r = top < 0 || unshare(CLONE_NEWUSER) < 0 ? -errno : 0;

	if (r >= 0)
		r = capability_drop_bounding(0);
	if (r >= 0)
		r = capability_set(0, 0, 0);
	if (r >= 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	if (r >= 0)
		r = limit_all(image);
	if (r < 0)
		return r;
	r = landlock_close(&programs);
	return r == -ENOSYS || r == -EOPNOTSUPP ? 0 : r;
}

/* ---- the program ---- */

static const char *options_of(char *ret, size_t room, const struct served *served)
{
	const char *more = "";

	/* The kernel checks permissions, and a journal stays as it is if nothing may be written. */
	if (text_equal(served->type, "ext4"))
		more = served->read_only ? ",fakeroot,ro,norecovery" : ",fakeroot";
	snprintf(ret, room, "offset=%s%s", served->offset, more);
	return ret;
}

static int run_program(const struct served *served)
{
	/* With several threads it ends them by pthread_cancel(), which glibc does by a library that
	 * cannot be opened any more: it would abort, and what was written last be lost. */
	char *alone = text_equal(served->type, "ext4") ? (char *)"-s" : NULL;
	char options[96], option[96], *nothing[] = { NULL };
	char *of_most[] = { (char *)served->program,
			    (char *)"-f",
			    (char *)"-o",
			    (char *)options_of(options, sizeof(options), served),
			    (char *)IMAGE,
			    (char *)TREE,
			    alone,
			    NULL };
	char *of_erofs[] = { (char *)served->program, (char *)"-f", option,
			     (char *)IMAGE,	      (char *)TREE, NULL };

	snprintf(option, sizeof(option), "--offset=%s", served->offset);
	execve(served->program, text_equal(served->type, "erofs") ? of_erofs : of_most, nothing);
	return -errno;
}

/* In its own pid namespace. What it says is read while it starts, and by nobody afterwards. */
_Noreturn static void become_program(const struct served *served, int channel)
{
	int r, listener = -EBADF;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || dup2(served->said, STDOUT_FILENO) < 0)
		_exit(EXIT_FAILURE);
	r = give_up_rights(served->image);
	if (r >= 0)
		r = serve_filter(&listener);
	if (r >= 0)
		r = fd_send(channel, &listener, 1);
	fd_close(&listener);
	if (r >= 0)
		r = run_program(served);
	complain(r, "run it");
	_exit(EXIT_FAILURE);
}

/* ---- what it asks for ---- */

/* 1: it is; 0: it is another. Some hosts let nobody look (Yama). */
static int is_path(int processes, pid_t pid, uint64_t address, const char *path)
{
	char memory[32], text[32] = "";
	autoclose int fd = -EBADF;

	snprintf(memory, sizeof(memory), "%d/mem", pid);
	fd = openat(processes, memory, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == EPERM || errno == EACCES ? -errno : 0;
	return pread(fd, text, strlen(path) + 1, (off_t)address) > 0 && text_equal(text, path);
}

/* It opens that as we have it. */
static int give(int listener, uint64_t id, int fd)
{
	struct seccomp_notif_addfd added = {
		.id = id,
		.flags = SECCOMP_ADDFD_FLAG_SEND,
		.srcfd = (uint32_t)fd,
		.newfd_flags = O_CLOEXEC,
	};

	return ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &added) < 0 ? -errno : 0;
}

/* 1: it has mounted, and serves from now on. Whatever else it opens is below its own root. */
static int answer(const struct served *served, int listener, int processes)
{
	struct seccomp_notif asked = { 0 };
	struct seccomp_notif_resp response = { .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
	const struct {
		const char *path;
		int fd;
	} have[] = {
		{ DEVICE, served->device },
		{ IMAGE, served->image },
		{ RANDOM, served->random },
	};
	uint64_t path;

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) < 0)
		return errno == EINTR || errno == ENOENT ? 0 : -errno;
	response.id = asked.id;
	path = asked.data.args[serve_filter_is_open(&asked.data) ? 0 : 1];
	if (serve_filter_is_mount(&asked.data))
		response.flags = 0;
	for (size_t i = 0; response.flags != 0 && i < ARRAY_SIZE(have); i++) {
		int r = is_path(processes, (pid_t)asked.pid, path, have[i].path);

		if (r != 0)
			return r < 0 ? r : give(listener, asked.id, have[i].fd);
	}
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) < 0)
		return errno == ENOENT ? 0 : -errno;
	return serve_filter_is_mount(&asked.data);
}

/* Until it serves, or has ended (-ECHILD): then it has said why. */
static int attend(const struct served *served, int listener, int processes, int pidfd)
{
	struct pollfd events[ENDS + 1];
	struct pollfd *told = &events[ENDS];

	watch(events, served, pidfd);
	*told = (struct pollfd){ .fd = listener, .events = POLLIN };
	for (;;) {
		int r = 0;

		if (poll(events, ENDS + 1, -1) < 0 && errno != EINTR)
			return -errno;
		if (events[END_PROGRAM].revents != 0)
			return -ECHILD;
		if (events[END_TIME].revents != 0)
			return -ETIMEDOUT;
		if (events[END_MOUNTS].revents != 0 || events[END_CALLER].revents != 0)
			return -EPIPE;
		if ((told->revents & POLLIN) != 0)
			r = answer(served, listener, processes);
		if (r != 0)
			return r;
	}
}

/* ---- who waits for it ---- */

/* Out of the caller's session, and deaf, as is what it starts: a signal to all that belongs to the
 * caller would take the file system away from who still writes to it. */
static int withdraw(void)
{
	sigset_t all;

	sigfillset(&all);
	if (setsid() < 0 || sigprocmask(SIG_BLOCK, &all, NULL) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

/* For who wants the image, and can see by it that waiting makes sense (image/raw-serve). */
static void mark_end(const struct served *served)
{
	struct flock mark = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1 };

	(void)fcntl(served->locked, F_OFD_SETLK, &mark);
}

/* The machine's cgroup is about to go, and with it what is in it; and here its limits held what
 * ends. */
static void return_home(struct served *served, pid_t program)
{
	if (served->home < 0)
		return;
	(void)dprintf(served->home, "%d", program);
	(void)dprintf(served->home, "0");
	fd_close(&served->home);
}

/* The caller reads that when the machine has ended. */
static void tell_of_end(const struct served *served, int pidfd)
{
	siginfo_t info = { 0 };
	char text[256];
	int n;

	if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0)
		return;
	n = snprintf(text, sizeof(text), "'%s' ended before the machine did (%s %d)",
		     served->program, info.si_code == CLD_EXITED ? "status" : "signal",
		     info.si_status);
	(void)send(served->line, text, MIN((size_t)n, sizeof(text) - 1), MSG_DONTWAIT);
}

/* Once no mount is left, nobody can be waiting, and it has time to write. Until then whoever waits
 * for an answer cannot even be killed, nor leave the mount. */
static void wait_for_end(struct served *served, int pidfd, pid_t program)
{
	struct pollfd events[ENDS];
	nfds_t count = ENDS;
	int timeout = -1;

	watch(events, served, pidfd);
	for (;;) {
		int n = poll(events, count, timeout);

		if (n < 0)
			continue;
		if (events[END_PROGRAM].revents != 0 && events[END_MOUNTS].revents == 0)
			tell_of_end(served, pidfd);
		if (n == 0 || events[END_PROGRAM].revents != 0)
			break;
		if (events[END_MOUNTS].revents != 0) {
			count = END_MOUNTS;
			timeout = END_MS;
		} else if (events[END_TIME].revents != 0) {
			break;
		} else {
			count = END_CALLER;
			timeout = ANSWER_MS;
		}
		mark_end(served);
		return_home(served, program);
	}
	pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	/* Who waits for it fails when nobody has the device. What it has begun to write, the
	 * image's lock covers. */
	fd_close(&served->device);
	while (poll(events, 1, -1) < 0)
		;
}

/* The caller's descriptors go: who waits says nothing, and the lock goes with it. */
static int settle(struct served *served, int done, pid_t program)
{
	int r = capability_set(0, 0, 0);

	if (r >= 0 &&
	    (prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) < 0 || dup2(served->nothing, STDERR_FILENO) < 0))
		r = -errno;
	fd_close(&served->said);
	fd_close(&served->told);
	fd_close(&served->image);
	return r < 0 ? r : fd_write_all(done, &program, sizeof(program));
}

static int start_program(const struct served *served, pid_t *ret, int *ret_pidfd, int *ret_listener)
{
	autoclose int ours = -EBADF, theirs = -EBADF;
	int ends[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	ours = ends[0];
	theirs = ends[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become_program(served, theirs);
	fd_close(&theirs);
	*ret_pidfd = pidfd_open(pid, 0);
	if (*ret_pidfd < 0)
		return -errno;
	*ret = pid;
	r = fd_receive(ours, ret_listener, 1);
	return r == 1 ? 0 : -ECHILD;
}

/* DONE gets the program's number when it serves. */
static int attend_all(struct served *served, int done)
{
	autoclose int processes = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int pidfd = -EBADF, listener = -EBADF;
	int r = processes < 0 ? -errno : withdraw();
	pid_t program = 0;

	if (r >= 0)
		r = leave_host();
	if (r < 0)
		return complain(r, "close in what serves it");
	r = start_program(served, &program, &pidfd, &listener);
	if (r >= 0)
		r = attend(served, listener, processes, pidfd);
	if (r < 0)
		return r == -ECHILD	 ? r
		       : r == -ETIMEDOUT ? complain(r, "wait any longer for it to begin")
					 : complain(r, "look at what it asks for");
	fd_close(&listener);
	fd_close(&processes);
	r = settle(served, done, program);
	if (r >= 0)
		wait_for_end(served, pidfd, program);
	return r;
}

/* Away from what the program's own standard descriptors become. */
static int take_descriptors(struct served *served)
{
	int came[5], r = fd_close_all(3, NULL, 0);

	if (r < 0)
		return r;
	served->line = fd_duplicate(STDIN_FILENO);
	served->said = fd_duplicate(STDERR_FILENO);
	served->told = fd_duplicate(STDOUT_FILENO);
	served->random = open(RANDOM, O_RDONLY | O_CLOEXEC);
	served->nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (served->line < 0 || served->said < 0 || served->told < 0 || served->random < 0 ||
	    served->nothing < 0 || dup2(served->nothing, STDIN_FILENO) < 0 ||
	    dup2(served->nothing, STDOUT_FILENO) < 0)
		return -errno;
	r = fd_receive(served->line, came, ARRAY_SIZE(came));
	if (r < 4)
		return r < 0 ? r : -EBADMSG;
	served->locked = came[0];
	served->image = came[1];
	served->device = came[2];
	served->timer = came[3];
	served->home = r > 4 ? came[4] : -EBADF;
	return 0;
}

int serve(int argc, char **argv)
{
	struct served served = { .program = NULL };
	pid_t pid, program;
	int ends[2], r;

	if (argc != 6)
		return EXIT_FAILURE;
	served.program = argv[2];
	served.type = argv[3];
	served.read_only = text_equal(argv[4], "ro");
	served.offset = argv[5];
	r = take_descriptors(&served);
	if (r >= 0 && pipe2(ends, O_CLOEXEC) < 0)
		r = -errno;
	if (r < 0) {
		complain(r, "begin");
		return EXIT_FAILURE;
	}
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		_exit(attend_all(&served, ends[1]) < 0);
	}
	close(ends[1]);
	/* Its end closes the other side. */
	if (pid < 0 || fd_read_all(ends[0], &program, sizeof(program)) < 0)
		return EXIT_FAILURE;
	(void)dprintf(served.told, "%d %d\n", pid, program);
	return EXIT_SUCCESS;
}
