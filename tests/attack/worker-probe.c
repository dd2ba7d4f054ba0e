/* worker-probe - what somebody who has taken over a worker of transfers tries (class S42).
 *
 *   worker-probe tree|programs|network|nothing TREE OUTSIDE	in a worker as importctl starts it
 *   worker-probe control TREE OUTSIDE				the same without one
 *   worker-probe compat|control-compat				a system call of another ABI
 *
 * OUTSIDE/CANARY and OUTSIDE/public are files that nobody may reach. One line for each attempt
 * (attack.h); "FAIL" in the control says that the attempt is a real one.
 */
#include "attack.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#include "base/fail.h"
#include "transfer/worker.h"

#define STRAY 77 /* a descriptor that was left open */
#define NAME "redd-attack-canary"

static const char *outside;
static char canary[4096], public[4096];
static int tree = -EBADF, given = -EBADF; /* the tree; a file of the host's, to read */
static pid_t victim, parent;
static struct sockaddr_in listener = { .sin_family = AF_INET };

/* Was it refused because who asks may not, or not at all? */
static bool was_let(long r)
{
	return r >= 0 || (errno != EPERM && errno != EACCES && errno != ENOSYS && errno != ENOENT &&
			  errno != ESRCH && errno != EBADF && errno != ELOOP && errno != EROFS);
}

static bool can_open(int at, const char *path)
{
	return openat(at, path, O_RDONLY | O_NONBLOCK) >= 0;
}

/* ---- files ---- */

static bool by_name(void)
{
	return can_open(AT_FDCWD, canary);
}

static bool by_dotdot(void)
{
	char path[8192];

	snprintf(path, sizeof(path), "../../../../../../../../../../../../../../..%s", canary);
	return can_open(tree, path) || (fchdir(tree) == 0 && can_open(AT_FDCWD, path));
}

static bool by_symlink(void)
{
	(void)!symlinkat(canary, tree, "link");
	return can_open(tree, "link");
}

static bool by_magic_link(void)
{
	char path[8192];

	snprintf(path, sizeof(path), "/proc/self/root%s", canary);
	return can_open(AT_FDCWD, path) || can_open(AT_FDCWD, "/proc/self/mem");
}

static bool by_handle(void)
{
	char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	struct file_handle *handle = (struct file_handle *)room;
	int mount;

	handle->handle_bytes = MAX_HANDLE_SZ;
	return name_to_handle_at(given, "", handle, &mount, AT_EMPTY_PATH) == 0 &&
	       was_let(open_by_handle_at(given, handle, O_RDONLY));
}

static bool by_hard_link(void)
{
	return linkat(AT_FDCWD, public, tree, "hard", 0) == 0 ||
	       linkat(given, "", tree, "hard", AT_EMPTY_PATH) == 0;
}

/* Where the tree is all that there is, its parent is itself. */
static bool is_outside(const char *name)
{
	return faccessat(tree, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
}

static bool by_rename(void)
{
	char to[8192];
	int fd = openat(tree, "evil", O_WRONLY | O_CREAT, 0600);

	snprintf(to, sizeof(to), "%s/evil", outside);
	return fd >= 0 &&
	       (renameat(tree, "evil", AT_FDCWD, to) == 0 ||
		(renameat(tree, "evil", tree, "../renamed") == 0 && is_outside("renamed")));
}

static bool by_making(void)
{
	char path[8192];

	snprintf(path, sizeof(path), "%s/made", outside);
	return open(path, O_WRONLY | O_CREAT, 0600) >= 0 ||
	       (mkdirat(tree, "../made", 0700) == 0 && is_outside("made"));
}

static bool by_given_file(void)
{
	return fchmod(given, 0666) == 0 || fchown(given, 0, 1) == 0 ||
	       fsetxattr(given, "user.evil", "x", 1, 0) == 0 || ftruncate(given, 0) == 0;
}

static bool by_stray_descriptor(void)
{
	for (int fd = 3; fd < 1024; fd++) {
		struct stat st;

		if (fd != tree && fd != given && fstat(fd, &st) == 0 && !S_ISSOCK(st.st_mode))
			return true;
	}
	return false;
}

static bool by_device(void)
{
	int fd;

	(void)!mknodat(tree, "kmsg", S_IFCHR | 0666, makedev(1, 11));
	fd = openat(tree, "kmsg", O_RDONLY | O_NONBLOCK);
	return fd >= 0;
}

/* ---- processes ---- */

static bool by_signal(void)
{
	return kill(parent, 0) == 0 || kill(victim, 0) == 0;
}

static bool by_ptrace(void)
{
	return ptrace(PTRACE_SEIZE, victim, NULL, NULL) == 0;
}

static bool by_memory(void)
{
	char byte;
	struct iovec local = { &byte, 1 }, remote = { &victim, 1 };

	return process_vm_readv(victim, &local, 1, &remote, 1, 0) == 1;
}

static bool by_pidfd(void)
{
	return syscall(SYS_pidfd_open, victim, 0) >= 0;
}

static bool by_proc(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", victim);
	return can_open(AT_FDCWD, path);
}

static bool by_scheduler(void)
{
	cpu_set_t set;

	return sched_getaffinity(victim, sizeof(set), &set) == 0 &&
	       sched_setaffinity(victim, sizeof(set), &set) == 0;
}

/* ---- networks ---- */

static bool by_tcp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd >= 0 && connect(fd, (struct sockaddr *)&listener, sizeof(listener)) == 0;
}

static socklen_t abstract(struct sockaddr_un *ret, const char *end)
{
	int size = snprintf(ret->sun_path, sizeof(ret->sun_path), "%c" NAME "%s", '\0', end);

	ret->sun_family = AF_UNIX;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)size);
}

static bool by_abstract_socket(void)
{
	struct sockaddr_un address = { 0 };
	socklen_t size = abstract(&address, "-stream");
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	return fd >= 0 && connect(fd, (struct sockaddr *)&address, size) == 0;
}

/* One of a pair may speak to somebody else; newer kernels forbid that by Landlock. */
static bool by_pair_of_sockets(void)
{
	struct sockaddr_un address = { 0 };
	socklen_t size = abstract(&address, "-datagram");
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) < 0)
		return false;
	(void)!sendto(fds[0], "x", 1, 0, (struct sockaddr *)&address, size);
	return true;
}

static bool by_packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) >= 0 || socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0;
}

static bool by_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER) >= 0;
}

/* ---- namespaces and mounts ---- */

static bool by_user_namespace(void)
{
	return unshare(CLONE_NEWUSER) == 0 || was_let(syscall(SYS_clone3, NULL, 0));
}

static bool by_namespaces(void)
{
	static const int kinds[] = { CLONE_NEWNS,  CLONE_NEWPID, CLONE_NEWNET,
				     CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP };
	bool reached = false;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		reached = unshare(kinds[i]) == 0 || reached;
	return reached;
}

static bool by_setns(void)
{
	int fd = open("/proc/1/ns/mnt", O_RDONLY);

	return was_let(setns(fd < 0 ? tree : fd, 0));
}

static bool by_mount(void)
{
	return mount("tmpfs", "/", "tmpfs", 0, NULL) == 0 ||
	       mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0 ||
	       syscall(SYS_fsopen, "tmpfs", 0) >= 0 ||
	       syscall(SYS_open_tree, tree, "", 0x1000 | 1) >= 0;
}

static bool by_umount(void)
{
	return was_let(umount2("/", MNT_DETACH));
}

static bool by_chroot(void)
{
	return chroot(".") == 0;
}

static bool by_pivot(void)
{
	return was_let(syscall(SYS_pivot_root, ".", "."));
}

/* ---- the kernel ---- */

static bool by_bpf(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1
	};

	return was_let(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}

static bool by_io_uring(void)
{
	return was_let(syscall(SYS_io_uring_setup, 1, NULL));
}

static bool by_keyring(void)
{
	return syscall(SYS_keyctl, 0, -3, 1) >= 0 || /* the session's */
	       syscall(SYS_add_key, "user", NAME, "x", 1, -2) >= 0;
}

static bool by_userfaultfd(void)
{
	return syscall(SYS_userfaultfd, 0) >= 0;
}

static bool by_perf(void)
{
	return was_let(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
}

static bool by_module(void)
{
	return was_let(syscall(SYS_finit_module, given, "", 0));
}

static bool by_reboot(void)
{
	return was_let(syscall(SYS_reboot, 0, 0, 0, NULL));
}

static bool by_host_name(void)
{
	return was_let(syscall(SYS_sethostname, "", -1));
}

static bool by_clock(void)
{
	return was_let(syscall(SYS_settimeofday, NULL, (void *)8));
}

static bool by_swap(void)
{
	return was_let(syscall(SYS_swapoff, ""));
}

/* ---- identities and programs ---- */

static bool by_identity(void)
{
	return setuid(12345) == 0 || setgid(12345) == 0;
}

static bool by_dumpable(void)
{
	return prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY) == 0 || prctl(PR_SET_PDEATHSIG, 0) == 0;
}

static bool by_program(void)
{
	char *const arguments[] = { (char *)"x", NULL };

	return was_let(execve(canary, arguments, NULL)) ||
	       was_let(syscall(SYS_execveat, given, "", arguments, NULL, AT_EMPTY_PATH));
}

static bool by_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static const struct {
	const char *name;
	bool (*reaches)(void);
} probes[] = {
	{ "stray-descriptor", by_stray_descriptor }, /* before others are opened */
	{ "file-by-name", by_name },
	{ "file-by-dotdot", by_dotdot },
	{ "file-by-symlink", by_symlink },
	{ "file-by-magic-link", by_magic_link },
	{ "file-by-handle", by_handle },
	{ "file-by-hard-link", by_hard_link },
	{ "file-renamed-out", by_rename },
	{ "file-made-outside", by_making },
	{ "given-file-changed", by_given_file },
	{ "device", by_device },
	{ "signal", by_signal },
	{ "ptrace", by_ptrace },
	{ "memory-of-others", by_memory },
	{ "pidfd", by_pidfd },
	{ "proc-of-others", by_proc },
	{ "scheduler-of-others", by_scheduler },
	{ "tcp", by_tcp },
	{ "abstract-socket", by_abstract_socket },
	{ "pair-of-sockets", by_pair_of_sockets },
	{ "packet-socket", by_packet_socket },
	{ "netlink-netfilter", by_netlink },
	{ "namespaces", by_namespaces },
	{ "setns", by_setns },
	{ "mount", by_mount },
	{ "umount", by_umount },
	{ "chroot", by_chroot },
	{ "pivot", by_pivot },
	{ "bpf", by_bpf },
	{ "io_uring", by_io_uring },
	{ "keyring", by_keyring },
	{ "userfaultfd", by_userfaultfd },
	{ "perf", by_perf },
	{ "module", by_module },
	{ "reboot", by_reboot },
	{ "host-name", by_host_name },
	{ "clock", by_clock },
	{ "swap", by_swap },
	{ "process-settings", by_dumpable },
	{ "fork", by_fork },
	{ "program", by_program },
	{ "user-namespace", by_user_namespace },
	{ "identity", by_identity },
};

static int try_all(struct worker_side *side, void *context)
{
	(void)context;
	if (side != NULL)
		tree = worker_tree(side);
	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
		bool reached = probes[i].reaches();
		int error = errno;

		report(!reached, probes[i].name, "%s", words(reached ? 0 : error));
	}
	return 0;
}

/* Each in a process of its own, with mounts of its own: it can do everything. */
static int control(void)
{
	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			if (unshare(CLONE_NEWNS) < 0 ||
			    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
				_exit(2);
			_exit(probes[i].reaches());
		}
		waitpid(pid, &status, 0);
		report(!(WIFEXITED(status) && WEXITSTATUS(status) == 1), probes[i].name,
		       "status %d", status);
	}
	return 0;
}

/* getpid(2) as a program of 32 bits asks. */
static int call_compat(struct worker_side *side, void *context)
{
	long r = 20;

	(void)side;
	(void)context;
	__asm__ volatile("int $0x80" : "+a"(r) : : "memory");
	report(r < 0, "compat", "%ld", r);
	return 0;
}

static void listen_for_all(void)
{
	struct sockaddr_un address = { 0 };
	socklen_t size = sizeof(listener);
	int one = socket(AF_INET, SOCK_STREAM, 0), other = socket(AF_UNIX, SOCK_STREAM, 0);
	int third = socket(AF_UNIX, SOCK_DGRAM, 0);

	listener.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(one, (struct sockaddr *)&listener, sizeof(listener)) < 0 || listen(one, 5) < 0 ||
	    getsockname(one, (struct sockaddr *)&listener, &size) < 0)
		exit(2);
	size = abstract(&address, "-stream");
	if (bind(other, (struct sockaddr *)&address, size) < 0 || listen(other, 5) < 0)
		exit(2);
	size = abstract(&address, "-datagram");
	if (bind(third, (struct sockaddr *)&address, size) < 0)
		exit(2);
}

static int in_worker(worker_fn *run, const char *view)
{
	static const char *const views[] = { "nothing", "tree", "programs", "network" };
	int fds[] = { STDOUT_FILENO, given };
	struct worker_request request = { .name = "attack",
					  .run = run,
					  .tree_fd = tree,
					  .fds = fds,
					  .fd_count = given >= 0 ? 2 : 1 };
	int r;

	for (size_t i = 0; i < 4; i++)
		if (strcmp(views[i], view) == 0)
			request.view = (enum worker_view)i;
	r = worker_run(&request, NULL);
	if (r < 0)
		report(true, "worker", "%s", fail_recorded()->text);
	return 0;
}

int main(int argc, char **argv)
{
	int r;

	if (argc == 2)
		return strcmp(argv[1], "compat") == 0 ? in_worker(call_compat, "nothing")
						      : call_compat(NULL, NULL);
	if (argc != 4)
		return 2;
	outside = argv[3];
	snprintf(canary, sizeof(canary), "%s/CANARY", outside);
	snprintf(public, sizeof(public), "%s/public", outside);
	tree = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	given = open(public, O_RDONLY | O_CLOEXEC);
	if (tree < 0 || given < 0 || dup2(given, STRAY) < 0)
		return 2;
	parent = getpid();
	victim = fork();
	if (victim == 0)
		for (;;)
			pause();
	listen_for_all();
	fflush(stdout);
	r = strcmp(argv[1], "control") == 0 ? control() : in_worker(try_all, argv[1]);
	kill(victim, SIGKILL);
	waitpid(victim, NULL, 0);
	return r;
}
