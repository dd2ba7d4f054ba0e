/* Runs inside the container as its root and tries to get out, one class a word.
 *
 *   probe CLASS [ARGUMENT…]
 */
#include "attack.h"
#include "probe.h"

#include <dirent.h>
#include <ftw.h>
#include <glob.h>
#include <linux/fs.h>
#include <linux/keyctl.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <termios.h>

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

/* ---- S1: the runner's binary ---- */

static void binary(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	int seen = 0;

	/* every process that we can see: none may be the host's runner, none of the images may be
	 * writable */
	while (d && (e = readdir(d))) {
		char path[64], target[512];
		ssize_t n;
		int fd;

		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/exe", e->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = 0;
		seen++;
		fd = open(path, O_RDWR | O_CLOEXEC);
		report(!strstr(target, "nspawn"), "exe-is-ours", "%s %s", path, target);
		if (fd < 0)
			fd = open(path, O_PATH | O_CLOEXEC);
		if (strstr(target, "nspawn") || !strncmp(target, "/memfd:", 7)) {
			char reopen[64];
			int w;

			snprintf(reopen, sizeof(reopen), "/proc/self/fd/%d", fd);
			w = open(reopen, O_WRONLY | O_CLOEXEC);
			if (w >= 0 && write(w, "x", 1) == 1)
				report(false, "exe-writable", "%s %s", path, target);
			else
				report(true, "exe-writable", "%s %s: %s", path, target,
				       strerror(errno));
			if (w >= 0)
				close(w);
		}
		if (fd >= 0)
			close(fd);
	}
	report(seen > 0, "exe-seen", "%d", seen);
}

/* The program to be started as "#!/proc/self/exe" interpreter: hunts for the runner's binary and
 * waits for it to become writable. */
static void grab(void)
{
	for (int i = 0; i < 200; i++) {
		int fd = open("/proc/self/exe", O_RDWR | O_CLOEXEC);

		if (fd >= 0) {
			report(false, "exe-grab", "opened for writing");
			return;
		}
		usleep(500);
	}
	report(true, "exe-grab", "%s", strerror(errno));
}

/* ---- S2: descriptors ---- */

static void descriptors(void)
{
	for (int fd = 3; fd < 1024; fd++) {
		struct stat st;
		char path[64], target[512];
		ssize_t n;

		if (fcntl(fd, F_GETFD) < 0)
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = 0;
		fstat(fd, &st);
		report(false, "descriptor", "%d %s", fd, target);
		if (S_ISDIR(st.st_mode) &&
		    openat(fd, "../../../../../../../../media/CANARY", O_RDONLY | O_CLOEXEC) >= 0)
			report(false, "canary", "read through descriptor %d", fd);
	}
	report(true, "descriptors", "looked at");
	for (int fd = 0; fd < 3; fd++)
		if (openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0)
			report(false, "stdio-is-a-directory", "%d", fd);
	char cwd[4096];
	report(getcwd(cwd, sizeof(cwd)) && cwd[0] == '/', "cwd", "%s", cwd);
}

/* ---- S3: tracing the one that sets up ---- */

static void trace(void)
{
	int pid = getppid();
	DIR *d = opendir("/proc");
	struct dirent *e;

	report(pid == 0 || pid == 1, "parent-is-not-here", "%d", pid);
	while (d && (e = readdir(d))) {
		int other = atoi(e->d_name);
		char path[64], target[512];
		ssize_t n;

		if (other <= 0 || other == getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/%d/exe", other);
		n = readlink(path, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = 0;
		report(!strstr(target, "nspawn"), "stranger", "%d %s", other, target);
	}
}

/* ---- S10, S29, S30: dangerous files of /proc and /sys ---- */

/* Writable on purpose, or harmless because namespaced. Everything else that opens for writing is
 * reported. */
static const char *const writable_ok[] = { "/proc/self/*",
					   "/proc/thread-self/*",
					   "/proc/[0-9]*",
					   "/proc/sys/net/*",
					   "/sys/fs/cgroup/*",
					   "/proc/keys-users",
					   NULL };
bool userns;

static bool glob_match(const char *const *list, const char *path)
{
	for (; *list; list++) {
		size_t n = strlen(*list);

		if ((*list)[n - 1] == '*' ? !strncmp(*list, path, n - 1) : !strcmp(*list, path))
			return true;
	}
	return !strncmp(path, "/proc/", 6) && path[6] >= '0' && path[6] <= '9';
}

static int files_seen, files_open;

static int try_write(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	int fd;

	(void)ftw;
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return 0;
	/* root may open what has no permission at all; only a file with a write permission has
	 * somebody who takes what is written */
	if (glob_match(writable_ok, path) || !(st->st_mode & 0222))
		return 0;
	files_seen++;
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0) {
		files_open++;
		report(false, "writable", "%s", path);
		close(fd);
	}
	return 0;
}

static int walk_no_pids(const char *root,
			int (*fn)(const char *, const struct stat *, int, struct FTW *))
{
	DIR *d = opendir(root);
	struct dirent *e;
	char path[512];

	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.' || (e->d_name[0] >= '0' && e->d_name[0] <= '9'))
			continue;
		if (!strcmp(e->d_name, "self") || !strcmp(e->d_name, "thread-self"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", root, e->d_name);
		nftw(path, fn, 16, FTW_PHYS);
	}
	if (d)
		closedir(d);
	return 0;
}

static void writable(void)
{
	walk_no_pids("/proc", try_write);
	walk_no_pids("/sys", try_write);
	report(files_seen > 20, "files-tried", "%d", files_seen);
}

static const char *const write_files[] = {
	"/proc/sys/kernel/core_pattern",
	"/proc/sys/kernel/modprobe",
	"/proc/sys/kernel/hotplug",
	"/proc/sys/kernel/poweroff_cmd",
	"/proc/sys/kernel/sysrq",
	"/proc/sys/kernel/panic",
	"/proc/sys/kernel/usermodehelper/bset",
	"/proc/sys/vm/drop_caches",
	"/proc/sys/vm/panic_on_oom",
	"/proc/sys/fs/binfmt_misc/register",
	"/proc/sys/fs/suid_dumpable",
	"/proc/sysrq-trigger",
	"/proc/sys/kernel/kptr_restrict",
	"/proc/sys/kernel/yama/ptrace_scope",
	"/proc/sys/kernel/unprivileged_bpf_disabled",
	"/sys/kernel/uevent_helper",
	"/sys/kernel/mm/ksm/run",
	"/sys/power/state",
	"/sys/power/disk",
	"/sys/module/apparmor/parameters/enabled",
	"/sys/kernel/debug/x",
	"/sys/kernel/security/x",
	"/sys/firmware/efi/vars/new_var",
	"/sys/kernel/vmcoreinfo",
	"/sys/fs/cgroup/release_agent",
	"/proc/acpi/wakeup",
	"/proc/scsi/scsi",
	"/proc/bus/pci/00/00.0",
	"/proc/irq/default_smp_affinity",
	"/proc/timer_stats",
	"/proc/mtrr",
	"/sys/kernel/profiling",
	"/sys/kernel/kexec_crash_size",
	"/sys/kernel/rcu_expedited",
	"/sys/kernel/fscaps",
	"/sys/devices/system/cpu/cpu0/online",
	"/sys/devices/system/cpu/cpu1/online",
	"/sys/bus/pci/rescan",
	"/sys/class/block/loop0/uevent",
};
static const char *const read_files[] = {
	"/proc/kcore",
	"/proc/keys",
	"/proc/timer_list",
	"/proc/kmsg",
	"/proc/kallsyms",
	"/proc/sched_debug",
	"/proc/latency_stats",
	"/proc/vmallocinfo",
	"/proc/slabinfo",
	"/proc/pagetypeinfo",
	"/dev/mem",
	"/dev/kmem",
	"/dev/port",
	"/dev/kmsg",
	"/sys/firmware/acpi/tables/DSDT",
	"/sys/firmware/efi/efivars",
	"/sys/kernel/debug/sched",
	"/sys/kernel/tracing/trace",
	"/sys/kernel/security/lockdown",
	"/sys/class/powercap/intel-rapl:0/energy_uj",
	"/sys/kernel/notes.none",
};

static void dangerous(void)
{
	char b[64];

	for (size_t i = 0; i < sizeof(write_files) / sizeof(*write_files); i++) {
		int fd = open(write_files[i], O_WRONLY | O_CLOEXEC | O_NONBLOCK);

		report(fd < 0, "write", "%s %s", write_files[i],
		       fd < 0 ? strerror(errno) : "opened");
		if (fd >= 0)
			close(fd);
	}
	for (size_t i = 0; i < sizeof(read_files) / sizeof(*read_files); i++) {
		int fd = open(read_files[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		ssize_t n = fd < 0 ? -1 : read(fd, b, sizeof(b));
		/* kallsyms without the capability shows zeros only */
		bool zeros = n > 16 && !strncmp(b, "0000000000000000", 16);

		report(n <= 0 || zeros, "read", "%s %s", read_files[i],
		       n > 0 ? "gave data" : words(errno));
		if (fd >= 0)
			close(fd);
	}
}

/* ---- S18, S19: what the payload holds ---- */

static void status(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "Cap", 3) || !strncmp(line, "Seccomp", 7) ||
		    !strncmp(line, "NoNew", 5) || !strncmp(line, "Groups", 6) ||
		    !strncmp(line, "Uid", 3))
			printf("status %s", line);
	report(prctl(PR_GET_KEEPCAPS) == 0, "keepcaps", "off");
	report(prctl(PR_GET_SECUREBITS) == 0, "securebits", "none");
}

/* ---- S23: TTY injection ---- */

static void inject(void)
{
	static const unsigned long commands[] = { TIOCSTI, 0x100005412UL, 0xdeadbeef00005412UL };
	const char *text = "touch /tmp/redd-work/PWNED\n";
	int fds[4] = { 0, 1, 2, open("/dev/tty", O_RDWR | O_CLOEXEC) };

	for (int i = 0; i < 4; i++) {
		for (int c = 0; c < 3; c++) {
			int bad = 0;

			for (const char *p = text; *p; p++)
				if (fds[i] < 0 || syscall(SYS_ioctl, fds[i], commands[c], p) < 0)
					bad++;
			printf("inject %d %#lx %s\n", fds[i], commands[c],
			       bad ? strerror(errno) : "accepted");
		}
		if (fds[i] >= 0) {
			char paste[2] = { 3, 0 };

			printf("inject %d TIOCLINUX %s\n", fds[i],
			       ioctl(fds[i], TIOCLINUX, paste) < 0 ? strerror(errno) : "accepted");
		}
	}
	fflush(stdout);
}

/* ---- S27: cgroup v1 ---- */

static void cgroup_v1(void)
{
	static const char *const names[] = { "cpu",
					     "cpuset",
					     "memory",
					     "devices",
					     "freezer",
					     "blkio",
					     "pids",
					     "rdma",
					     "misc",
					     "net_cls",
					     "hugetlb",
					     "none,name=systemd",
					     "none,name=redd",
					     "none,name=x" };
	char p[64];

	mkdir("/tmp/.v1", 0755);
	for (int nested = 0; nested < 2; nested++) {
		int pid = fork();

		if (pid == 0) {
			if (nested && unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP) < 0)
				_exit(report(true, "cgroup-v1-nested", "%s", strerror(errno)) ? 0
											      : 1);
			for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
				int r = mount("c", "/tmp/.v1", "cgroup", 0, names[i]);

				if (r < 0) {
					report(true, "cgroup-v1", "%s %s", names[i],
					       strerror(errno));
					continue;
				}
				snprintf(p, sizeof(p), "/tmp/.v1/release_agent");
				/* what was there is written back: even a success changes nothing */
				char old[256] = "\n";
				int fd = open(p, O_RDWR | O_CLOEXEC);
				ssize_t got = fd < 0 ? -1 : pread(fd, old, sizeof(old), 0);
				bool held = fd < 0 || pwrite(fd, got > 0 ? old : "\n",
							     got > 0 ? (size_t)got : 1, 0) < 0;

				report(held, "release-agent", "%s %s", names[i],
				       held ? strerror(errno) : "written");
				umount("/tmp/.v1");
			}
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
}

/* ---- S28: the host's cgroups ---- */

static void cgroup_host(void)
{
	char line[512] = "";
	FILE *f = fopen("/proc/self/cgroup", "re");
	int fd;

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		report(strstr(line, "..") == NULL && (strstr(line, ":/") && !strstr(line, "redd")),
		       "cgroup-path", "%s", line);
	}
	fd = open("/sys/fs/cgroup/../cgroup/cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	/* a new cgroup2 mount shows only our own part */
	mkdir("/tmp/.v2", 0755);
	if (mount("c", "/tmp/.v2", "cgroup2", 0, NULL) == 0) {
		DIR *d = opendir("/tmp/.v2");
		struct dirent *e;

		while (d && (e = readdir(d)))
			if (!strcmp(e->d_name, "redd") || !strncmp(e->d_name, "redd-tests", 10))
				report(false, "cgroup-view", "%s", e->d_name);
		umount2("/tmp/.v2", MNT_DETACH);
	}
	report(true, "cgroup-host", "seen");
}

/* Limits that were set on us from outside are not ours to lift. */
static void cgroup_limits(void)
{
	int fd;

	static const char *const files[] = {
		"memory.max",	 "pids.max",	     "cpu.max",
		"memory.low",	 "cpuset.cpus",	     "cgroup.kill",
		"cgroup.freeze", "cgroup.max.depth", "cgroup.max.descendants",
		"io.max"
	};
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		char p[128];

		snprintf(p, sizeof(p), "/sys/fs/cgroup/%s", files[i]);
		fd = open(p, O_WRONLY | O_CLOEXEC);
		report(fd < 0, "own-limit", "%s %s", files[i],
		       fd < 0 ? strerror(errno) : "writable");
		if (fd >= 0)
			close(fd);
	}
}

/* ---- S32: numbers beyond the filter's list; S5.4 ---- */

static void numbers(void)
{
	int denied = 0, not_there = 0, other = 0;

	for (int n = 470; n < 1024; n++) {
		int status, pid = fork();

		if (pid == 0) {
			errno = 0;
			long r = syscall(n, -1L, -1L, -1L, -1L, -1L, -1L);
			_exit(r < 0 ? errno : 255);
		}
		waitpid(pid, &status, 0);
		if (!WIFEXITED(status)) {
			report(false, "number", "%d killed", n);
		} else if (WEXITSTATUS(status) == ENOSYS) {
			not_there++;
		} else if (WEXITSTATUS(status) == EPERM) {
			denied++;
		} else {
			other++;
			report(false, "number", "%d reached the kernel: %s", n,
			       words(WEXITSTATUS(status)));
		}
	}
	report(other == 0, "numbers", "%d not there, %d denied", not_there, denied);
}

static void filter(void)
{
	static const struct {
		const char *name;
		int number;
		int expected;
	} calls[] = {
		{ "kexec_load", 246, EPERM },
		{ "kexec_file_load", 320, EPERM },
		{ "init_module", 175, EPERM },
		{ "finit_module", 313, EPERM },
		{ "delete_module", 176, EPERM },
		{ "bpf", 321, EPERM },
		{ "perf_event_open", 298, EPERM },
		{ "open_by_handle_at", 304, EPERM },
		{ "swapon", 167, EPERM },
		{ "swapoff", 168, EPERM },
		{ "iopl", 172, EPERM },
		{ "ioperm", 173, EPERM },
		{ "acct", 163, EPERM },
		{ "settimeofday", 164, EPERM },
		{ "clock_settime", 227, EPERM },
		{ "adjtimex", 159, EPERM },
		{ "quotactl", 179, EPERM },
		{ "fanotify_init", 300, EPERM },
		{ "lookup_dcookie", 212, EPERM },
		{ "pidfd_getfd", 438, EPERM },
		{ "syslog", 103, EPERM },
		{ "nfsservctl", 180, EPERM },
		{ "modify_ldt", 154, EPERM },
		{ "mlock", 149, EPERM },
		{ "uselib", 134, EPERM },
		{ "pkey_alloc", 330, EPERM },
		{ "userfaultfd", 323, 0 },
		{ "unknown-number", 1000, ENOSYS },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		int r = code(syscall(calls[i].number, -1L, -1L, -1L, -1L, -1L, -1L));

		if (calls[i].expected)
			report(r == calls[i].expected, "filter", "%s %s", calls[i].name, words(r));
	}
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 9);
	report(s < 0 && errno == EAFNOSUPPORT, "filter", "audit socket %s", words(code(s)));
	/* the 32-bit door: int 0x80 with kexec_load (283) and init_module (128) */
	for (int k = 0; k < 2; k++) {
		static const int old[] = { 283, 128 };
		int status, pid = fork();

		if (pid == 0) {
			long r;

			__asm__ volatile("int $0x80"
					 : "=a"(r)
					 : "a"((long)old[k]), "b"(-1L), "c"(-1L), "d"(-1L)
					 : "memory", "r8", "r9", "r10", "r11");
			_exit(r == -EPERM || r == -ENOSYS ? 0 : 1);
		}
		waitpid(pid, &status, 0);
		report(!WIFEXITED(status) || WEXITSTATUS(status) == 0, "filter", "32-bit %d",
		       old[k]);
		/* x32 */
		int x = code(syscall(0x40000000 | (k ? 528 : 246), -1L, -1L, -1L, -1L));
		report(x == EPERM || x == ENOSYS, "filter", "x32 %s", words(x));
	}
}

/* ---- S34: device nodes ---- */

static void devices(void)
{
	static const struct {
		const char *name;
		mode_t type;
		int major, minor;
	} nodes[] = {
		{ "disk", S_IFBLK, 254, 0 },
		{ "sda", S_IFBLK, 8, 0 },
		{ "loop0", S_IFBLK, 7, 0 },
		{ "mem", S_IFCHR, 1, 1 },
		{ "port", S_IFCHR, 1, 4 },
		{ "kmsg", S_IFCHR, 1, 11 },
		{ "loop-control", S_IFCHR, 10, 237 },
		{ "kvm", S_IFCHR, 10, 232 },
		{ "tty0", S_IFCHR, 4, 0 },
		{ "vda", S_IFBLK, 253, 0 },
	};
	static const char *const places[] = { "/tmp", "/dev", "/dev/shm", "/root", "/run" };

	for (size_t p = 0; p < sizeof(places) / sizeof(*places); p++)
		for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++) {
			char path[128];
			int fd, made;

			snprintf(path, sizeof(path), "%s/node-%s", places[p], nodes[i].name);
			made = mknod(path, nodes[i].type | 0600,
				     makedev((unsigned)nodes[i].major, (unsigned)nodes[i].minor));
			fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
			/* ENXIO: there is no such device in this kernel, which is not our merit */
			report(fd < 0, "device", "%s %s", path,
			       fd < 0 ? strerror(errno) : "opened");
			if (fd >= 0)
				close(fd);
			if (made == 0)
				unlink(path);
		}
	/* nodes that came with the tree */
	DIR *d = opendir("/evil-nodes");
	struct dirent *e;
	while (d && (e = readdir(d))) {
		char path[300];
		int fd;

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/evil-nodes/%s", e->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		report(fd < 0, "device-of-the-tree", "%s %s", path,
		       fd < 0 ? strerror(errno) : "opened");
		if (fd >= 0)
			close(fd);
	}
}

/* ---- S35: abstract sockets ---- */

static void abstract(void)
{
	FILE *f = fopen("/proc/net/unix", "re");
	char line[512];
	int n = 0;

	while (f && fgets(line, sizeof(line), f)) {
		char *at = strrchr(line, ' ');

		if (!at || at[1] != '@')
			continue;
		at[strcspn(at, "\n")] = 0;
		n++;
		report(!strstr(at, "redd") && !strstr(at, "nspawn"), "abstract", "%s", at + 1);
	}
	report(true, "abstract-seen", "%d", n);
}

/* ---- S36: keyrings ---- */

static void keys(void)
{
	long id = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user",
			  "redd-canary", 0);

	report(id < 0, "key-session", "%s", id < 0 ? strerror(errno) : "found");
	id = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, "user", "redd-canary-user",
		     0);
	report(id < 0, "key-user", "%s", id < 0 ? strerror(errno) : "found");
	FILE *f = fopen("/proc/keys", "re");
	char line[512];
	while (f && fgets(line, sizeof(line), f))
		report(!strstr(line, "canary"), "proc-keys", "%s", line);
	id = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
	printf("keyring %ld\n", id);
}

/* ---- S25: floods ---- */

static void flood(void)
{
	static char block[65536];

	memset(block, 'x', sizeof(block));
	for (;;)
		if (write(1, block, sizeof(block)) < 0)
			return;
}

static void winch(void)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
	struct winsize w = { 24, 80, 0, 0 };

	for (int i = 0; i < 100000; i++) {
		w.ws_row = (unsigned short)(i % 200 + 1);
		ioctl(fd < 0 ? 1 : fd, TIOCSWINSZ, &w);
	}
	report(true, "winch", "done");
}

static void notify_storm(int count)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), fds[2];
	static const char *const texts[] = { "MAINPID=1",
					     "READY=1\nMAINPID=1\nWATCHDOG_USEC=1",
					     "FDSTORE=1",
					     "BARRIER=1",
					     "STATUS=\033]0;x\a",
					     "\n\n\n",
					     "X=",
					     "ERRNO=5\nBUSERROR=x\nEXTEND_TIMEOUT_USEC=9" };
	char control[CMSG_SPACE(sizeof(int))] = { 0 };

	strncpy(a.sun_path, "/run/host/notify", sizeof(a.sun_path) - 1);
	pipe(fds);
	for (int i = 0; i < count; i++) {
		struct iovec v = { .iov_base = (void *)texts[i % 8],
				   .iov_len = strlen(texts[i % 8]) };
		struct msghdr m = {
			.msg_name = &a, .msg_namelen = sizeof(a), .msg_iov = &v, .msg_iovlen = 1
		};

		if (i % 8 == 2 || i % 8 == 3) {
			struct cmsghdr *c;

			m.msg_control = control;
			m.msg_controllen = sizeof(control);
			c = CMSG_FIRSTHDR(&m);
			c->cmsg_level = SOL_SOCKET;
			c->cmsg_type = SCM_RIGHTS;
			c->cmsg_len = CMSG_LEN(sizeof(int));
			memcpy(CMSG_DATA(c), &fds[0], sizeof(int));
		}
		sendmsg(s, &m, 0);
	}
	report(true, "notify-storm", "%d", count);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} classes[] = {
		{ "binary", binary },
		{ "grab", grab },
		{ "descriptors", descriptors },
		{ "trace", trace },
		{ "writable", writable },
		{ "dangerous", dangerous },
		{ "travel", travel },
		{ "mounts", mounts },
		{ "unmask", unmask },
		{ "climb", climb },
		{ "status", status },
		{ "inject", inject },
		{ "cgroup-v1", cgroup_v1 },
		{ "cgroup-host", cgroup_host },
		{ "cgroup-limits", cgroup_limits },
		{ "numbers", numbers },
		{ "filter", filter },
		{ "devices", devices },
		{ "abstract", abstract },
		{ "keys", keys },
		{ "flood", flood },
		{ "winch", winch },
	};
	struct stat a;
	bool known = false;

	userns = stat("/proc/self/ns/user", &a) == 0;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "handles")) {
			handles(i + 1 < argc ? argv[++i] : "/etc/passwd");
			known = true;
			continue;
		}
		if (!strcmp(argv[i], "notify-storm")) {
			notify_storm(atoi(argv[++i]));
			known = true;
			continue;
		}
		for (size_t k = 0; k < sizeof(classes) / sizeof(*classes); k++)
			if (!strcmp(argv[i], classes[k].name)) {
				classes[k].fn();
				known = true;
			}
	}
	if (!known) {
		printf("FAIL usage no such class\n");
		return 2;
	}
	return 0;
}
