#include "machine/enter.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "bus/client.h"
#include "bus/systemd.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/cgroup.h"
#include "kernel/namespace.h"
#include "kernel/process.h"
#include "kernel/resolve.h"
#include "kernel/syscall.h"
#include "kernel/terminal.h"
#include "machine/enter-child.h"
#include "machine/find.h"

#define START_MS 1000
#define BUS_MS 5000
#define GROUP ".redd"	    /* below the payload's, where the guest sees it */
#define DEVPTS_MAGIC 0x1cd1 /* linux/magic.h DEVPTS_SUPER_MAGIC */

static const struct {
	const char *name;
	uint64_t flag;
} kinds[] = {
	{ "user", CLONE_NEWUSER },     { "mnt", CLONE_NEWNS },	{ "pid", CLONE_NEWPID },
	{ "ipc", CLONE_NEWIPC },       { "uts", CLONE_NEWUTS }, { "net", CLONE_NEWNET },
	{ "cgroup", CLONE_NEWCGROUP },
};

/* Joining a namespace in which we are already is refused, or asks for rights that we need not have.
 */
static int compare_namespaces(struct enter *enter)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		int r = namespace_is_shared(enter->proc_fd, kinds[i].name);

		if (r < 0)
			return r;
		if (r == 0)
			enter->namespaces |= kinds[i].flag;
	}
	return 0;
}

/* The guest's map as seen from here: lines "INSIDE OUTSIDE COUNT". */
static int compare_ids(struct enter *enter)
{
	uid_t own = geteuid();
	char text[4096], *at;
	int r;

	if (!(enter->namespaces & CLONE_NEWUSER)) {
		enter->root_uid = own;
		enter->shares_ids = true;
		return 0;
	}
	r = file_read_line(text, sizeof(text), enter->proc_fd, "uid_map");
	if (r < 0)
		return r;
	enter->root_uid = (uid_t)-1;
	for (at = text; *at != '\0'; at += strspn(at, " \n")) {
		unsigned long inside = strtoul(at, &at, 10), outside = strtoul(at, &at, 10);
		unsigned long count = strtoul(at, &at, 10);

		if (count == 0)
			return -EBADMSG;
		if (inside == 0)
			enter->root_uid = (uid_t)outside;
		if (outside == 0 || (own >= outside && own - outside < count))
			enter->shares_ids = true;
	}
	return 0;
}

static int read_limits(struct enter *enter)
{
	for (int i = 0; i < RLIM_NLIMITS; i++)
		if (prlimit(enter->machine->leader, (enum __rlimit_resource)i, NULL,
			    &enter->limits[i]) < 0)
			return -errno;
	/* An init raises its own; programs that select(2) expect the usual number. */
	enter->limits[RLIMIT_NOFILE].rlim_cur = MIN(enter->limits[RLIMIT_NOFILE].rlim_cur, 1024U);
	return 0;
}

/* It belongs to who has the payload's: what runs there may be a container manager itself. */
static int open_group_beside(const char *payload)
{
	autoclose int top = cgroup_open(payload), fd = -EBADF;
	struct stat owner;

	if (top < 0)
		return take_fd(&top);
	fd = cgroup_make(top, GROUP, true);
	if (fd == -EEXIST)
		return cgroup_make(top, GROUP, false);
	if (fd >= 0 && fstat(top, &owner) == 0)
		(void)cgroup_delegate(fd, owner.st_uid, owner.st_gid);
	return take_fd(&fd);
}

/* An init that manages cgroups leaves its own top empty, and answers for what happens in the group
 * that it has put itself into: when a program there runs out of memory, systemd ends all that is in
 * it. So what enters has a group beside that, if one can be made. Never one that is not below the
 * machine's. */
static void find_cgroup(struct arena *arena, struct enter *enter)
{
	const char *payload = enter->machine->payload;
	char own[PATH_MAX];

	enter->cgroup = payload;
	if (payload == NULL)
		return;
	if (cgroup_process_path_at(own, sizeof(own), enter->proc_fd) >= 0 &&
	    path_is_below(own, payload) && !text_equal(own, payload)) {
		enter->cgroup = path_join(arena, payload, GROUP);
		enter->cgroup_fd = open_group_beside(payload);
		if (enter->cgroup_fd >= 0)
			return;
		enter->cgroup = arena_text(arena, own);
	}
	enter->cgroup_fd = cgroup_open(enter->cgroup);
}

static int prepare_confinement(struct arena *arena, struct enter *enter)
{
	const struct machine *machine = enter->machine;
	const char *unknown;
	int r;

	if (machine->confine == NULL)
		return fail_plain(-ENODATA,
				  "cannot enter machine '%s': its record does not say how it is "
				  "confined (it was started by an older version; restart it)",
				  machine->name);
	r = confine_parse(arena, &enter->confine, machine->confine);
	if (r >= 0)
		r = confine_filter(arena, &enter->filter, &enter->confine, &unknown);
	return r < 0 ? fail(r, "cannot make the confinement of machine '%s'", machine->name) : 0;
}

int enter_open(struct arena *arena, struct enter *ret, const struct machine *machine)
{
	struct enter enter = ENTER_EMPTY;
	int r;

	/* Before anything of the guest is touched (class S3). */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return fail(-errno, "cannot protect this process");
	enter.machine = machine;
	enter.pidfd = machine_open_leader(machine);
	if (enter.pidfd < 0)
		return enter.pidfd;
	r = prepare_confinement(arena, &enter);
	if (r >= 0)
		r = enter.proc_fd = machine_open_proc(machine);
	if (r >= 0)
		r = enter.root_fd = machine_open_root_at(machine, enter.proc_fd);
	if (r >= 0) {
		r = compare_namespaces(&enter);
		if (r >= 0)
			r = compare_ids(&enter);
		if (r >= 0)
			r = read_limits(&enter);
		if (r < 0)
			fail(r, "cannot look at machine '%s'", machine->name);
	}
	if (r < 0) {
		enter_done(&enter);
		return r;
	}
	find_cgroup(arena, &enter);
	*ret = enter;
	return 0;
}

int enter_open_local(struct enter *ret)
{
	static const struct machine host = { .name = ".host" };
	struct enter enter = ENTER_EMPTY;

	enter.machine = &host;
	enter.local = true;
	enter.root_uid = geteuid();
	enter.root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (enter.root_fd < 0)
		return fail(-errno, "cannot open '/'");
	*ret = enter;
	return 0;
}

void enter_done(struct enter *enter)
{
	fd_close(&enter->pidfd);
	fd_close(&enter->proc_fd);
	fd_close(&enter->root_fd);
	fd_close(&enter->cgroup_fd);
}

static pid_t clone_joiner(const struct enter *enter, int *ret_pidfd, enum enter_way *ret_way)
{
	pid_t pid = process_clone(0, enter->cgroup_fd, ret_pidfd);
	bool moved = pid == -EACCES && geteuid() != 0 && enter->machine->unit != NULL;

	*ret_way = moved ? ENTER_MOVED : pid == -EOPNOTSUPP ? ENTER_GOES : ENTER_MADE;
	return *ret_way == ENTER_MADE ? pid : process_clone(0, -EBADF, ret_pidfd);
}

/* Who is logged in is not in the part of the tree that is the user's own: systemd moves it. */
static int move_joiner(const struct enter *enter, pid_t joiner, int channel)
{
	autoarena struct arena scratch = { 0 };
	autobus struct bus *bus = NULL;
	const char *name = enter->machine->name, *unit = enter->machine->unit, *subgroup;
	int r;

	subgroup = strstr(enter->cgroup, arena_format(&scratch, "/%s/", unit));
	if (subgroup == NULL)
		return fail(-EACCES, "cannot go to the cgroup of machine '%s'", name);
	r = bus_open(&bus, BUS_USER, BUS_MS);
	if (r < 0)
		return fail(r,
			    "cannot go to the cgroup of machine '%s': that is for the user's "
			    "systemd to do, which cannot be reached",
			    name);
	r = systemd_attach(bus, unit, subgroup + 1 + strlen(unit), joiner);
	if (r < 0)
		return fail_plain(r, "cannot go to the cgroup of machine '%s': %s", name,
				  bus_error(bus));
	return send(channel, "", 1, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* A caller that passes signals on has them blocked by now: they are the program's. But where no
 * program comes to run, because somebody in there keeps it from that, they are about us again. */
static int hear(int fd, struct enter_message *ret, pid_t *ret_sender)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	sigset_t none;
	ssize_t size;

	sigemptyset(&none);
	if (poll(&readable, 1, START_MS) <= 0)
		while (ppoll(&readable, 1, NULL, &none) < 0)
			if (errno != EINTR)
				return -errno;
	size = fd_hear(fd, ret, sizeof(*ret), 0, ret_sender);
	if (size <= 0)
		return (int)size;
	if (size != (ssize_t)sizeof(*ret) || *ret_sender == 0)
		return -EBADMSG;
	return 1;
}

/* The program's process says that it was made; then what failed, or exec closes. */
static int listen_to(const struct enter *enter, int channel, pid_t *ret_pid)
{
	struct enter_message message;
	int r, failed = 0;
	pid_t pid = 0, sender;

	while ((r = hear(channel, &message, &sender)) > 0) {
		if (message.made) {
			pid = sender;
			continue;
		}
		message.failure.text[FAIL_TEXT_MAX - 1] = '\0';
		fail_adopt(&message.failure);
		failed = message.failure.code < 0 ? message.failure.code : -EIO;
	}
	if (failed < 0)
		r = failed;
	else if (r == 0 && pid == 0)
		r = fail_plain(-EIO,
			       "cannot enter machine '%s': it has just ended, or its limits "
			       "leave no room for one more process",
			       enter->machine->name);
	*ret_pid = pid;
	return r;
}

static void wait_for(pid_t pid)
{
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* A guest's root who shares our ids could have got hold of the channel, and said so of a process of
 * its own: only a child of ours counts (class S26). Not reaped yet, so the number is its own. */
static int open_child(pid_t pid)
{
	siginfo_t info;

	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return -errno;
	return sys_pidfd_open(pid, 0);
}

/* It said why it ends. Somebody in there may trace it already, and keep it. */
static void drop_child(pid_t pid)
{
	autoclose int pidfd = pid > 0 ? sys_pidfd_open(pid, 0) : -EBADF;
	siginfo_t info;

	if (pidfd >= 0)
		(void)process_reap(pidfd, &info, START_MS);
}

int enter_start(const struct enter *enter, const struct enter_program *program, pid_t *ret_pid,
		int *ret_pidfd)
{
	autoclose int ours = -EBADF, theirs = -EBADF, joiner_fd = -EBADF;
	pid_t joiner, pid = 0;
	enum enter_way way;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fail(-errno, "cannot make a channel into machine '%s'",
			    enter->machine->name);
	ours = pair[0];
	theirs = pair[1];
	if (fd_tell_senders(ours) < 0)
		return fail(-errno, "cannot make a channel into machine '%s'",
			    enter->machine->name);
	joiner = clone_joiner(enter, &joiner_fd, &way);
	if (joiner == 0)
		enter_child(enter, program, theirs, way);
	if (joiner < 0)
		return fail(joiner, "cannot make a process in the cgroup of machine '%s'",
			    enter->machine->name);
	fd_close(&theirs);
	r = way == ENTER_MOVED ? move_joiner(enter, joiner, ours) : 0;
	if (r < 0)
		(void)process_signal(joiner_fd, SIGKILL);
	else
		r = listen_to(enter, ours, &pid);
	wait_for(joiner);
	if (r >= 0) {
		r = open_child(pid);
		if (r < 0)
			fail(r, "cannot follow the program in machine '%s'", enter->machine->name);
	}
	if (r < 0) {
		drop_child(pid);
		return r;
	}
	*ret_pid = pid;
	*ret_pidfd = r;
	return 0;
}

char **enter_environment(struct arena *arena, const struct enter *enter,
			 const struct guest_user *user, const struct text_list *extra)
{
	struct text_list list = { 0 };

	text_list_assign(
		arena, &list,
		arena_text(arena,
			   "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
	if (!enter->local)
		text_list_assign(arena, &list, arena_text(arena, "container=systemd-nspawn"));
	text_list_assign(arena, &list, arena_format(arena, "HOME=%s", user->home));
	text_list_assign(arena, &list, arena_format(arena, "USER=%s", user->name));
	text_list_assign(arena, &list, arena_format(arena, "LOGNAME=%s", user->name));
	text_list_assign(arena, &list,
			 arena_format(arena, "SHELL=%s",
				      user->shell == NULL ? "/bin/sh" : user->shell));
	for (size_t i = 0; extra != NULL && i < extra->count; i++)
		text_list_assign(arena, &list, extra->items[i]);
	return list.items;
}

/* On the host its own /dev/ptmx will do, which all users may open. */
static int open_local_terminal(const struct enter *enter, int *ret_master, int *ret_slave,
			       unsigned int *ret_number)
{
	autoclose int dev = openat(enter->root_fd, "dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int devpts = openat(enter->root_fd, "dev/pts", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	r = terminal_open_pair(dev, ret_master, ret_slave, ret_number);
	if (r < 0) /* ptmx is a link there */
		r = terminal_open_pair(devpts, ret_master, ret_slave, ret_number);
	return r;
}

static int open_guest_terminal(const struct enter *enter, int *ret_master, int *ret_slave,
			       unsigned int *ret_number)
{
	autoclose int devpts = -EBADF;
	struct statfs fs;
	int r;

	devpts = resolve_open(enter->root_fd, "/dev/pts", O_PATH | O_DIRECTORY);
	if (devpts < 0)
		return devpts;
	if (fstatfs(devpts, &fs) < 0)
		return -errno;
	if (fs.f_type != DEVPTS_MAGIC)
		return -ENOTTY;
	r = terminal_open_pair(devpts, ret_master, ret_slave, ret_number);
	/* It belongs to who opened it, whom the guest may have no name for. */
	if (r >= 0 && enter->root_uid != geteuid() && fchown(*ret_slave, enter->root_uid, -1) < 0)
		log_debug("the terminal in machine '%s' stays somebody else's",
			  enter->machine->name);
	return r;
}

int enter_open_terminal(const struct enter *enter, int *ret_master, int *ret_slave,
			unsigned int *ret_number)
{
	int r;

	if (enter->local) {
		r = open_local_terminal(enter, ret_master, ret_slave, ret_number);
		return r < 0 ? fail(r, "cannot make a terminal") : 0;
	}
	r = open_guest_terminal(enter, ret_master, ret_slave, ret_number);
	return r < 0 ? fail(r,
			    "cannot make a terminal in machine '%s' (is a devpts mounted at its "
			    "/dev/pts?)",
			    enter->machine->name)
		     : 0;
}
