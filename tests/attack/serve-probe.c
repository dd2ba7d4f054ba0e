/* serve-probe - what somebody who has taken over a program that shows a disk image tries (S42).
 *
 *   serve-probe -f -o OPTIONS /image /tree	as redd-dissect starts such a program
 *   serve-probe control			the same without redd-dissect
 *
 * /tmp/redd-attack/CANARY is a file that nobody may reach. What is tried is tried when it has
 * mounted, as all bytes of an image but the first are read after that. One line for each
 * (attack.h), to standard error; "FAIL" in the control says that the attempt is a real one.
 */
#include "attack.h"

#include <linux/bpf.h>
#include <grp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#define CANARY "/tmp/redd-attack/CANARY"

static pid_t other; /* a process of the user's */
static int image;
static bool control;

static bool was_let(long r)
{
	return r >= 0 || (errno != EPERM && errno != EACCES && errno != ENOSYS && errno != ENOENT &&
			  errno != ESRCH && errno != EBADF && errno != EROFS);
}

static bool by_name(void)
{
	return open(CANARY, O_RDONLY) >= 0;
}

static bool by_any_name(void)
{
	return open("/etc/ld.so.cache", O_RDONLY) >= 0;
}

static bool by_openat2(void)
{
	struct {
		uint64_t flags, mode, resolve;
	} how = { .flags = O_RDONLY };

	return syscall(SYS_openat2, AT_FDCWD, CANARY, &how, sizeof(how)) >= 0;
}

static bool by_looking(void)
{
	struct stat st;

	return stat(CANARY, &st) == 0 || stat("/proc/self", &st) == 0;
}

static bool by_making(void)
{
	return mkdir("/tmp/redd-attack/made", 0700) == 0 || mkdir("/made", 0700) == 0;
}

static bool by_signal(void)
{
	return kill(other, 0) == 0;
}

static bool by_ptrace(void)
{
	return ptrace(PTRACE_SEIZE, other, 0, 0) == 0;
}

static bool by_pidfd(void)
{
	return syscall(SYS_pidfd_open, other, 0) >= 0;
}

static bool by_tcp(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}

static bool by_unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
}

static bool by_namespaces(void)
{
	return unshare(CLONE_NEWNS) == 0;
}

static bool by_user_namespace(void)
{
	return unshare(CLONE_NEWUSER) == 0;
}

/* It seems to succeed, as it has to: is anything there? */
static bool by_mount(void)
{
	struct stat before = { 0 }, after = { 0 };
	const char *at = control ? "/mnt" : "/tree";

	stat(at, &before);
	(void)mount("x", at, "tmpfs", 0, NULL);
	stat(at, &after);
	return before.st_dev != after.st_dev;
}

static bool by_umount(void)
{
	return umount2("/usr", MNT_DETACH) == 0 || umount2("/mnt", MNT_DETACH) == 0;
}

static bool by_chroot(void)
{
	return chroot("/") == 0;
}

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
	return syscall(SYS_keyctl, 0, -3, 1) >= 0;
}

static bool by_reboot(void)
{
	return was_let(syscall(SYS_reboot, 0, 0, 0, NULL));
}

static bool by_identity(void)
{
	return geteuid() == 0 || setuid(0) == 0 || setgroups(0, NULL) == 0;
}

static bool by_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool by_ioctl(void)
{
	return was_let(ioctl(0, FIONREAD, &other));
}

static bool by_growing(void)
{
	const off_t far = 64 << 20;

	return fallocate(image, 0, 0, far) == 0 ||
	       fallocate(image, FALLOC_FL_KEEP_SIZE, 0, far) == 0 ||
	       pwrite(image, "x", 1, far) == 1 || ftruncate(image, far) == 0;
}

static bool by_writing(void)
{
	return (fcntl(image, F_GETFL) & O_ACCMODE) != O_RDONLY || pwrite(image, "x", 1, 0) == 1;
}

/* Descriptors that were left open: only the three are given; the image and the device we opened. */
static int strays(void)
{
	int count = 0;

	for (int fd = 3; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static const struct {
	const char *name;
	bool (*reaches)(void);
} probes[] = {
	{ "file-by-name", by_name },
	{ "any-file", by_any_name },
	{ "file-by-openat2", by_openat2 },
	{ "names", by_looking },
	{ "file-made", by_making },
	{ "signal", by_signal },
	{ "ptrace", by_ptrace },
	{ "pidfd", by_pidfd },
	{ "tcp", by_tcp },
	{ "unix-socket", by_unix_socket },
	{ "namespaces", by_namespaces },
	{ "mount", by_mount },
	{ "umount", by_umount },
	{ "chroot", by_chroot },
	{ "bpf", by_bpf },
	{ "io_uring", by_io_uring },
	{ "keyring", by_keyring },
	{ "reboot", by_reboot },
	{ "ioctl", by_ioctl },
	{ "fork", by_fork },
	{ "image-grown", by_growing },
	{ "image-written", by_writing }, /* as it is, if it is to be written */
	{ "identity", by_identity },
	{ "user-namespace", by_user_namespace }, /* then it is nobody */
};

int main(int argc, char **argv)
{
	int left = strays(), device;

	control = argc == 2 && strcmp(argv[1], "control") == 0;
	other = getppid();
	if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return 1;
	report(left == 0, "stray-descriptor", "%d", left);
	if (!control) {
		report(open(CANARY, O_RDONLY) < 0, "file-before", "%s", CANARY);
		image = open("/image", O_RDWR | O_EXCL); /* as we get it */
		device = open("/dev/fuse", O_RDWR);
		if (image < 0 || device < 0 || mount("/image", "/tree", "fuse", 0, "fd=4") < 0)
			return 2;
		/* From now on nobody hears what is opened; until then it would be heard. */
		while (open("/", O_PATH) >= 0)
			usleep(1000);
		other = 1;
	} else {
		image = open("/tmp/redd-attack/image", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	}
	for (size_t i = 0; i < sizeof(probes) / sizeof(*probes); i++)
		report(!probes[i].reaches(), probes[i].name, "%s", CANARY);
	report(true, "end", "%s", CANARY);
	return 0;
}
