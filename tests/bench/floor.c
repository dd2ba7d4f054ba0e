/* floor - the least that a start of Redd can cost: the namespace, mount and cgroup calls of
 * `systemd-nspawn --print-plan -q -D TREE true` as root, and nothing else.
 *
 *   floor TREE PROGRAM
 *
 * No option is read, no lock taken, no file written, nothing checked that could be wrong with a
 * tree. tests/bench/test_floor.py compares the calls with Redd's, name by name. Static, as small as
 * a C program is: what Redd takes longer is what it adds.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define BASE "1000013824"
#define BASE_ID 1000013824u
#define API (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV)
#define TMP (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_STRICTATIME)

static long must(long result, const char *what)
{
	if (result < 0) {
		fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
		_exit(125);
	}
	return result;
}
#define MUST(call) must((call), #call)

/* OPTIONS: "key", "value", …, NULL; a flag has the value "". */
static int create(const char *type, unsigned int attributes, const char *const *options)
{
	int context = (int)MUST(syscall(SYS_fsopen, type, FSOPEN_CLOEXEC)), mount;

	for (; options != NULL && options[0] != NULL; options += 2)
		MUST(syscall(SYS_fsconfig, context,
			     options[1][0] ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, options[0],
			     options[1][0] ? options[1] : NULL, 0));
	MUST(syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	mount = (int)MUST(syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes));
	close(context);
	return mount;
}

static void attach(int mount, int at, const char *path)
{
	MUST(syscall(SYS_move_mount, mount, "", at, path,
		     MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
}

static int take(int at, const char *path, unsigned int flags)
{
	return (int)MUST(syscall(SYS_open_tree, at, path,
				 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | flags));
}

static int restrict_mount(int mount, unsigned int flags, struct mount_attr attr)
{
	return (int)syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | flags, &attr,
			    sizeof(attr));
}

#define READ_ONLY ((struct mount_attr){ .attr_set = API | MOUNT_ATTR_RDONLY })
#define OWNED "source", "tmpfs", "uid", BASE, "gid", BASE
#define OPTIONS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* ---- the container's side ---- */

static void cover(int root, const char *source, const char *target, int read_only)
{
	int tree;

	if (faccessat(root, target, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return; /* not every host has it */
	tree = (int)MUST(syscall(SYS_open_tree, root, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
	if (read_only)
		restrict_mount(tree, 0, READ_ONLY);
	attach(tree, root, target);
	close(tree);
}

static _Noreturn void payload(int channel, int tree_fd, char **words)
{
	static const char *const masked[] = { "kallsyms", "kcore", "keys", "sysrq-trigger",
					      "timer_list" };
	static const char *const read_only[] = {
		"acpi", "apm", "asound", "bus", "fs", "irq", "scsi"
	};
	char path[64], go;
	int root, mount_fd;

	MUST(read(channel, &go, 1));
	MUST(setresgid(0, 0, 0));
	MUST(setresuid(0, 0, 0));
	MUST(fchdir(tree_fd));
	MUST(unshare(CLONE_NEWNS | CLONE_NEWCGROUP));
	root = (int)MUST(syscall(SYS_open_tree, AT_FDCWD, ".",
				 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
	MUST(syscall(SYS_move_mount, root, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH));
	MUST(fchdir(root));
	MUST(syscall(SYS_pivot_root, ".", "."));
	mount_fd = create("proc", API, OPTIONS("source", "proc"));
	attach(mount_fd, root, "proc");
	MUST(umount2(".", MNT_DETACH));
	MUST(chdir("/"));
	cover(root, "proc/sys", "proc/sys", 1);
	for (size_t i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), "proc/%s", masked[i]);
		cover(root, "run/host/inaccessible/reg", path, 0);
	}
	for (size_t i = 0; i < 7; i++) {
		snprintf(path, sizeof(path), "proc/%s", read_only[i]);
		cover(root, path, path, 1);
	}
	cover(root, "run/host/boot-id", "proc/sys/kernel/random/boot_id", 0);
	cover(root, "run/host/kmsg", "proc/kmsg", 0);
	mount_fd = create("cgroup2", API, OPTIONS("source", "cgroup2"));
	attach(mount_fd, root, "sys/fs/cgroup");
	mount_fd = create("mqueue", API, OPTIONS("source", "mqueue"));
	attach(mount_fd, root, "dev/mqueue");
	MUST(mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL));
	execv(words[0], words);
	_exit(127);
}

/* ---- the host's side ---- */

static int make_cgroup(int *ret_parent, char *name, size_t room)
{
	char payload_name[64];
	int top, parent;

	top = open("/sys/fs/cgroup/cgroup.procs", O_RDONLY) >= 0
		      ? open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY)
		      : open("/sys/fs/cgroup/unified", O_RDONLY | O_DIRECTORY);
	MUST(top);
	mkdirat(top, "redd", 0755);
	parent = (int)MUST(openat(top, "redd", O_RDONLY | O_DIRECTORY));
	snprintf(name, room, "floor-%d", getpid());
	MUST(mkdirat(parent, name, 0755));
	snprintf(payload_name, sizeof(payload_name), "%s/payload", name);
	MUST(mkdirat(parent, payload_name, 0755));
	*ret_parent = parent;
	return (int)MUST(openat(parent, payload_name, O_RDONLY | O_DIRECTORY));
}

static int map_ids(pid_t pid)
{
	static const char *const files[] = { "uid_map", "gid_map" };
	char path[48];

	for (int i = 0; i < 2; i++) {
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
		fd = (int)MUST(open(path, O_WRONLY));
		MUST(write(fd, "0 " BASE " 65536", strlen("0 " BASE " 65536")));
		close(fd);
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	return (int)MUST(open(path, O_RDONLY));
}

/* The inodes are made by name, without the files that Redd writes; the order is the plan's. */
static void fill(int root)
{
	int dev, shm, run, pts, host, mount_fd;

	mount_fd = create("tmpfs", TMP,
			  OPTIONS(OWNED, "mode", "01777", "size", "10%", "nr_inodes", "400k"));
	attach(mount_fd, root, "tmp");
	mount_fd = create("sysfs", API | MOUNT_ATTR_RDONLY, OPTIONS("source", "sysfs"));
	attach(mount_fd, root, "sys");
	dev = create("tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME,
		     OPTIONS(OWNED, "mode", "0755", "size", "4m", "nr_inodes", "64k"));
	attach(dev, root, "dev");
	shm = create("tmpfs", TMP,
		     OPTIONS(OWNED, "mode", "01777", "size", "10%", "nr_inodes", "400k"));
	mkdirat(dev, "shm", 0755);
	attach(shm, dev, "shm");
	run = create("tmpfs", TMP,
		     OPTIONS(OWNED, "mode", "0755", "size", "20%", "nr_inodes", "800k"));
	attach(run, root, "run");
	mkdirat(dev, "mqueue", 0755);
	pts = create("devpts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
		     OPTIONS("source", "devpts", "newinstance", "", "ptmxmode", "0666", "mode",
			     "0620", "gid", BASE));
	mkdirat(dev, "pts", 0755);
	attach(pts, dev, "pts");
	mkdirat(run, "host", 0755);
	host = take(run, "host", 0);
	attach(host, run, "host");
	mkdirat(host, "inaccessible", 0555);
	close(openat(host, "inaccessible/reg", O_CREAT | O_WRONLY, 0));
	close(openat(host, "boot-id", O_CREAT | O_WRONLY, 0444));
	close(openat(host, "kmsg", O_CREAT | O_WRONLY, 0600));
	mount_fd = take(AT_FDCWD, "/etc/localtime", 0);
	restrict_mount(mount_fd, 0, READ_ONLY);
	if (faccessat(root, "etc/localtime", F_OK, 0) < 0)
		close(openat(root, "etc/localtime", O_CREAT | O_WRONLY, 0644));
	attach(mount_fd, root, "etc/localtime");
	restrict_mount(host, 0, READ_ONLY);
	mount_fd = create("proc", 0, NULL);
	attach(mount_fd, AT_FDCWD, "/proc");
}

int main(int argc, char **argv)
{
	int channel[2], parent, cgroup, tree, root, users, home, pidfd, status;
	char name[48];
	pid_t pid;

	if (argc < 3)
		return 125;
	tree = (int)MUST(open(argv[1], O_PATH | O_DIRECTORY));
	cgroup = make_cgroup(&parent, name, sizeof(name));
	home = (int)MUST(open("/proc/self/ns/mnt", O_RDONLY));
	MUST(fchdir(tree));
	MUST(unshare(CLONE_NEWNS));
	MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	tree = (int)MUST(open(".", O_PATH | O_DIRECTORY));
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, channel));

	struct clone_args clone = {
		.flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_PIDFD | CLONE_INTO_CGROUP,
		.pidfd = (unsigned long)&pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = (unsigned int)cgroup,
	};
	pid = (pid_t)MUST(syscall(SYS_clone3, &clone, sizeof(clone)));
	if (pid == 0) {
		char byte;
		int fd = 0;
		struct iovec part = { .iov_base = &byte, .iov_len = 1 };
		char control[CMSG_SPACE(sizeof(int))];
		struct msghdr message = { .msg_iov = &part,
					  .msg_iovlen = 1,
					  .msg_control = control,
					  .msg_controllen = sizeof(control) };

		MUST(prctl(PR_SET_PDEATHSIG,
			   SIGKILL)); /* it must not wait for a parent that failed */
		MUST(read(channel[1], &byte, 1));
		MUST(unshare(CLONE_NEWIPC | CLONE_NEWUTS));
		MUST(recvmsg(channel[1], &message, 0));
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
		payload(channel[1], fd, argv + 2);
	}
	users = map_ids(pid);
	MUST(write(channel[0], "g", 1));
	umask(0);
	root = take(tree, "", AT_RECURSIVE);
	MUST(restrict_mount(root, AT_RECURSIVE,
			    (struct mount_attr){ .attr_set = MOUNT_ATTR_IDMAP,
						 .userns_fd = (unsigned int)users }));
	MUST(restrict_mount(root, AT_RECURSIVE,
			    (struct mount_attr){ .attr_set = MOUNT_ATTR_NODEV }));
	attach(root, AT_FDCWD, "/run/redd");
	fill(root);
	{
		char byte = 'g';
		struct iovec part = { .iov_base = &byte, .iov_len = 1 };
		union {
			struct cmsghdr align;
			char room[CMSG_SPACE(sizeof(int))];
		} control = { 0 };
		struct msghdr message = { .msg_iov = &part,
					  .msg_iovlen = 1,
					  .msg_control = &control,
					  .msg_controllen = sizeof(control) };

		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), &root, sizeof(root));
		MUST(sendmsg(channel[0], &message, 0));
		MUST(write(channel[0], "g", 1));
	}
	MUST(setns(home, CLONE_NEWNS));
	MUST(waitpid(pid, &status, 0));
	snprintf(name + strlen(name), sizeof(name) - strlen(name), "/payload");
	MUST(unlinkat(parent, name, AT_REMOVEDIR));
	*strchr(name, '/') = '\0';
	MUST(unlinkat(parent, name, AT_REMOVEDIR));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
