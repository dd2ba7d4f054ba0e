#include "engine/payload.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "engine/apply.h"
#include "engine/channel.h"
#include "io/fd.h"
#include "kernel/mount.h"
#include "kernel/process.h"
#include "kernel/resolve.h"
#include "kernel/syscall.h"
#include "machine/guest-users.h"
#include "plan/plan.h"
#include "spec/spec.h"

/* ---- entering ---- */

/* Our copy of the supervisor's mounts is locked because another user namespace owns it. Its root
 * is locked too and cannot be pivoted to, so the tree is bound once more onto itself. */
static int enter(struct payload *payload, const struct step *step)
{
	autoclose int tree = -EBADF;
	int r;

	/* unshare(2) moves the working directory to the copy of its mount; descriptors stay behind.
	 */
	if (fchdir(payload->apply->root_fd) < 0)
		return fail(-errno, "cannot change to the container's tree");
	if (unshare((int)step->number) < 0)
		return fail(-errno, "cannot make the mount and cgroup namespaces");

	/* proc's place: the pin there has served once proc is mounted, and what is staged comes
	 * after that. */
	if (plan_has_flag(payload->plan, STEP_STAGE)) {
		payload->apply->stage_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (payload->apply->stage_fd < 0)
			return fail(-errno, "cannot open '/proc'");
	}

	tree = mount_clone(AT_FDCWD, ".", true);
	if (tree < 0)
		return fail(tree, "cannot bind the container's tree onto itself");
	r = sys_move_mount(tree, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH);
	if (r < 0)
		return fail(r, "cannot attach the container's tree");
	if (fchdir(tree) < 0)
		return fail(-errno, "cannot change to the container's tree");
	r = sys_pivot_root(".", ".");
	if (r < 0)
		return fail(r, "cannot make the tree the root");
	fd_close(&payload->apply->root_fd);
	payload->apply->root_fd = take_fd(&tree);
	return 0;
}

static int unshare_more(struct payload *payload, const struct step *step)
{
	(void)payload;
	if (unshare((int)step->number) == 0)
		return 0;
	return fail(-errno, "cannot make the %s namespaces", step->data);
}

/* The network namespace is as it should be, and the supervisor waits to put links into it. */
static int start_loopback(struct payload *payload, const struct step *step)
{
	int r = privilege_step(&payload->privilege, step);

	if (r >= 0 && plan_has(payload->plan, STEP_LINK, STEP_LINK))
		r = channel_announce(payload->channel);
	return r;
}

/* The old root lies on top of the new one until proc and sysfs, which need a visible elder, are
 * mounted. */
static int leave(struct payload *payload, const struct step *step)
{
	(void)step;
	fd_close(&payload->apply->stage_fd);
	fd_close(&payload->apply->staged_fd);
	if (umount2(".", MNT_DETACH) < 0)
		return fail(-errno, "cannot leave the host's tree");
	return chdir("/") < 0 ? -errno : 0;
}

/* ---- session ---- */

static const char *console_path(char *room, size_t size, unsigned int number)
{
	snprintf(room, size, "/dev/pts/%u", number);
	return room;
}

/* The slave once more by its name in the container, so that `tty` and what trusts
 * /proc/self/fd see a path; the device must be the one TIOCGPTPEER gave us (class S9). */
static int open_console(struct payload *payload, int slave)
{
	autoclose int fd = -EBADF;
	struct stat ours, named;
	char path[32];

	console_path(path, sizeof(path), payload->apply->console_number);
	fd = open(path, O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &named) < 0 || fstat(slave, &ours) < 0)
		return -errno;
	if (!S_ISCHR(named.st_mode) || named.st_rdev != ours.st_rdev || named.st_dev != ours.st_dev)
		return -EBADF;
	return take_fd(&fd);
}

static int session(struct payload *payload, const struct step *step)
{
	int slave = payload->apply->console_slave;
	autoclose int console = -EBADF;

	(void)step;
	/* Services in the container may pass mounts to each other (container interface, 14). Only
	 * now, or what was mounted on two views of /proc would have been propagated between them.
	 */
	if (mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL) < 0)
		return fail(-errno, "cannot make the container's mounts shared");
	if (setsid() < 0 && errno != EPERM)
		return -errno;
	if (slave < 0)
		return 0;
	console = open_console(payload, slave);
	if (console < 0)
		return fail(console, "cannot open the container's console");
	if (dup2(console, 0) < 0 || dup2(console, 1) < 0 || dup2(console, 2) < 0)
		return -errno;
	fd_close(&payload->apply->console_slave);
	if (ioctl(0, TIOCSCTTY, 0) < 0)
		return fail(-errno, "cannot make the console the controlling terminal");
	return 0;
}

/* ---- the program ---- */

static int change_directory(struct payload *payload, const struct step *step)
{
	const struct guest_user *user = payload->privilege.user;
	const char *path = step->data != NULL ? step->data : step->target;

	if (path == NULL)
		path = user == NULL ? "/root" : user->home;
	if (chdir(path) == 0)
		return 0;
	if (payload->privilege.spec->working_directory != NULL)
		return -errno;
	return chdir("/") < 0 ? -errno : 0;
}

/* A payload must not outlive its supervisor. The signal is asked for after the last change of
 * credentials, which clears it; then one look whether it came too late. */
static int die_with_supervisor(struct payload *payload)
{
	if (payload->keep_when_orphaned)
		return 0;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return fail(-errno, "cannot ask to be killed with the supervisor");
	return 0;
}

/* The second GO; a supervisor that died since the signal was asked for took the first chance. */
static int wait_for_supervisor(struct payload *payload)
{
	int r = channel_wait(payload->channel, NULL, 0);

	if (r < 0)
		return fail(r, "cannot hear from the supervisor");
	if (!payload->keep_when_orphaned && channel_is_dead(payload->channel))
		_exit(1);
	return 0;
}

static int wait_for_gate(struct payload *payload)
{
	char byte;
	ssize_t n;

	if (payload->gate_fd < 0)
		return 0;
	do
		n = read(payload->gate_fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fail(-errno, "cannot wait for the start");
	fd_close(&payload->gate_fd); /* whatever its flags are, it is not the program's */
	return n == 0 ? fail_plain(-ECANCELED, "the container was given up before its start") : 0;
}

static int close_leaked(struct payload *payload)
{
	const int keep[] = { payload->channel->payload, payload->gate_fd, payload->stub_fd };

	return fd_close_all(3 + payload->listen_fds, keep, ARRAY_SIZE(keep));
}

/* As execvpe(3), without its allocation and with the container's PATH. */
static int exec_by_path(struct payload *payload, const char *name, char *const *words)
{
	const char *path = text_variable((const char *const *)payload->environment, "PATH");
	int r = -ENOENT;
	char program[4096];

	if (strchr(name, '/') != NULL) {
		execve(name, words, payload->environment);
		return -errno;
	}
	while (path != NULL && *path != '\0') {
		size_t length = strcspn(path, ":");

		if (length > 0 && length + strlen(name) + 2 < sizeof(program)) {
			snprintf(program, sizeof(program), "%.*s/%s", (int)length, path, name);
			execve(program, words, payload->environment);
			if (errno != ENOENT && errno != ENOTDIR)
				r = -errno;
		}
		path += length;
		path += *path == ':';
	}
	return r;
}

static int exec_shell(struct payload *payload)
{
	const struct guest_user *user = payload->privilege.user;
	const char *shell = user == NULL ? NULL : user->shell;
	char *login_bash[] = { (char *)"-bash", NULL }, *login_sh[] = { (char *)"-sh", NULL };

	if (shell != NULL) {
		char zero[256];
		char *words[] = { zero, NULL };
		const char *slash = strrchr(shell, '/');

		snprintf(zero, sizeof(zero), "-%s", slash == NULL ? shell : slash + 1);
		execve(shell, words, payload->environment);
	}
	execve("/bin/bash", login_bash, payload->environment);
	execve("/bin/sh", login_sh, payload->environment);
	return fail(
		-errno,
		"cannot run a shell in the container: there is neither '/bin/bash' nor '/bin/sh'");
}

static int exec_init(struct payload *payload)
{
	size_t count = payload->privilege.spec->parameters.count;
	char **words = arena_take_array(payload->apply->arena, count + 2, sizeof(char *));

	words[0] = (char *)payload->init;
	for (size_t i = 0; i < count; i++)
		words[i + 1] = payload->privilege.spec->parameters.items[i];
	execve(payload->init, words, payload->environment);
	return fail(-errno, "cannot run the init '%s' in the container", payload->init);
}

static int exec_program(struct payload *payload, const struct step *step)
{
	const struct spec *spec = payload->privilege.spec;
	char *const *words = spec->parameters.items;
	int r;

	(void)step;
	process_reset_signals();
	r = die_with_supervisor(payload);
	if (r < 0)
		return r;
	/* To let go of a mount waits for the kernel's readers, so not between the GO and exec. */
	r = close_leaked(payload);
	if (r < 0)
		return fail(r, "cannot close the caller's descriptors");
	r = wait_for_supervisor(payload);
	if (r >= 0)
		r = wait_for_gate(payload);
	if (r < 0)
		return r;

	if (spec->start == START_BOOT)
		return exec_init(payload);
	if (spec->parameters.count == 0)
		return exec_shell(payload);
	r = exec_by_path(payload, words[0], words);
	if (r == -ENOENT)
		return fail_plain(r, "cannot run '%s': there is no such program in the container%s",
				  words[0], strchr(words[0], '/') == NULL ? "'s $PATH" : "");
	return fail(r, "cannot run '%s' in the container", words[0]);
}

/* The stub's environment block is all that can be seen in its /proc/1/environ. */
static int become_stub(struct payload *payload)
{
	char *words[] = { (char *)"(sd-stubinit)", NULL };
	char uuid[64] = "container_uuid=";
	char *environment[] = { (char *)"container=systemd-nspawn", uuid, NULL };
	const char *full = text_variable((const char *const *)payload->environment,
					 "container_uuid");
	size_t at = strlen(uuid);
	sigset_t all;
	int r;

	for (; full != NULL && *full != '\0' && at + 1 < sizeof(uuid); full++)
		if (*full != '-')
			uuid[at++] = *full;
	/* What is ignored stays so over exec; blocked, it waits for the stub. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	signal(SIGHUP, SIG_DFL);
	/* The payload's own request, later, is about us; this one is about the supervisor. */
	r = die_with_supervisor(payload);
	if (r < 0)
		return r;
	if (!payload->keep_when_orphaned && channel_is_dead(payload->channel))
		_exit(1);
	fexecve(payload->stub_fd, words, environment);
	return fail(-errno, "cannot run the stub");
}

/* PID 1 becomes the stub, run from a sealed copy; the payload goes on as PID 2, once the stub has
 * closed its end of the pipe: then it blocks signals and can reap. */
static int start_stub(struct payload *payload, const struct step *step)
{
	int ready[2];
	char byte;
	pid_t pid;

	(void)step;
	/* Giving the terminal up sends SIGHUP to its foreground group, which is us. */
	signal(SIGHUP, SIG_IGN);
	ioctl(0, TIOCNOTTY, 0);
	if (pipe(ready) < 0)
		return fail(-errno, "cannot make a pipe to the stub");
	pid = fork();
	if (pid < 0)
		return fail(-errno, "cannot fork the payload from its stub");
	if (pid > 0)
		return become_stub(payload);
	fd_close(&ready[1]);
	while (read(ready[0], &byte, 1) < 0 && errno == EINTR)
		;
	fd_close(&ready[0]);
	/* The session's leader gave its terminal up: this process takes it with one of its own. */
	setsid();
	ioctl(0, TIOCSCTTY, 1);
	fd_close(&payload->stub_fd);
	return 0;
}

/* ---- all together ---- */

/* Writes below /proc go through a clone of it that no mount of the user's covers (class S10). */
static int keep_proc(struct payload *payload)
{
	autoclose int proc = -EBADF;
	int r;

	if (payload->privilege.proc_fd >= 0 || !plan_has(payload->plan, STEP_SYSCTL, STEP_SELINUX))
		return 0;
	proc = resolve_open(payload->apply->root_fd, "/proc", O_PATH | O_DIRECTORY);
	if (proc < 0)
		return fail(proc, "cannot open '/proc'");
	r = mount_clone(proc, "", false);
	if (r < 0)
		return fail(r, "cannot clone '/proc'");
	payload->privilege.proc_fd = r;
	return 0;
}

typedef int payload_fn(struct payload *payload, const struct step *step);

static int run_step(struct payload *payload, const struct step *step)
{
	static payload_fn *const doers[STEP_KINDS] = {
		[STEP_UNSHARE] = unshare_more, [STEP_LOOPBACK] = start_loopback,
		[STEP_ENTER] = enter,	       [STEP_LEAVE] = leave,
		[STEP_SESSION] = session,      [STEP_CHDIR] = change_directory,
		[STEP_STUB] = start_stub,      [STEP_EXEC] = exec_program,
	};
	int r;

	if (doers[step->kind] != NULL) {
		r = doers[step->kind](payload, step);
		return r < 0 ? apply_explain(payload->apply, step, r) : 0;
	}
	r = privilege_step(&payload->privilege, step);
	if (r != -ENOTSUP)
		return r < 0 ? apply_forgive(payload->apply, step, r) : 0;
	r = apply_payload_step(payload->apply, step);
	if (r >= 0 && step->kind == STEP_MOUNT && strcmp(step->source, "proc") == 0)
		r = keep_proc(payload);
	return r;
}

/* Once our ids are mapped: what a namespace makes for its root is owned by him only then. */
static int become_root(struct payload *payload)
{
	enum userns_rung rung = payload->taken->userns;
	int r;

	r = channel_wait(payload->channel, NULL, 0);
	if (r < 0)
		return fail(r, "cannot hear from the supervisor");
	umask(0022);
	return privilege_become_root(rung == RUNG_SINGLE);
}

static int receive_tree(struct payload *payload)
{
	int fds[CHANNEL_FDS_MAX] = { -EBADF, -EBADF };
	bool console = payload->privilege.spec->console != CONSOLE_PIPE;
	int r;

	r = channel_wait(payload->channel, fds, console ? 2 : 1);
	if (r < 0)
		return fail(r, "cannot hear from the supervisor");
	payload->apply->root_fd = fds[0];
	payload->apply->console_slave = console ? fds[1] : -EBADF;
	return 0;
}

static int run_steps(struct payload *payload, unsigned early)
{
	for (size_t i = 0; i < payload->plan->count; i++) {
		const struct step *step = &payload->plan->steps[i];
		int r;

		if (step->side != SIDE_PAYLOAD || (step->flags & STEP_EARLY) != early)
			continue;
		r = run_step(payload, step);
		if (r < 0)
			return r;
	}
	return 0;
}

_Noreturn void payload_main(struct payload *payload)
{
	int r = become_root(payload);

	/* While the supervisor assembles the tree: what does not need it. */
	if (r >= 0)
		r = run_steps(payload, STEP_EARLY);
	if (r >= 0)
		r = receive_tree(payload);
	if (r >= 0)
		r = run_steps(payload, 0);
	if (r < 0) {
		if (fail_recorded()->code == 0)
			fail(r, "cannot start the payload");
		channel_report(payload->channel, fail_recorded());
	}
	_exit(1);
}
