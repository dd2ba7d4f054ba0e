#include "machine/guest-init.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/text.h"
#include "io/fd.h"
#include "kernel/resolve.h"
#include "kernel/syscall.h"

/* What each init answers to; sources: their manuals (container-interface, section 1.5 and 6).
 * systemd counts from SIGRTMIN, which is no constant: added when asked. */
static const struct {
	const char *name;
	int poweroff, reboot;
	bool real_time;
} signals[] = {
	[GUEST_INIT_UNKNOWN] = { "unknown init", 3, SIGINT, true },
	[GUEST_INIT_SYSTEMD] = { "systemd", 4, 5, true },
	[GUEST_INIT_BUSYBOX] = { "busybox", SIGUSR2, SIGTERM, false },
	[GUEST_INIT_SYSVINIT] = { "sysvinit", SIGPWR, SIGINT, false },
	[GUEST_INIT_OPENRC] = { "openrc-init", SIGTERM, SIGINT, false },
	[GUEST_INIT_RUNIT] = { "runit", SIGCONT, SIGCONT, false },
	[GUEST_INIT_S6] = { "s6", SIGUSR1, SIGINT, false },
	[GUEST_INIT_DINIT] = { "dinit", SIGTERM, SIGINT, false },
};

const char *guest_init_name(enum guest_init_kind kind)
{
	return signals[kind].name;
}

static bool exists(int root_fd, const char *path)
{
	autoclose int fd = resolve_open(root_fd, path, O_PATH);

	return fd >= 0;
}

/* The name that FD's file really has, after all links. */
static enum guest_init_kind kind_by_name(const char *name)
{
	static const struct {
		const char *name;
		enum guest_init_kind kind;
	} names[] = {
		{ "systemd", GUEST_INIT_SYSTEMD },
		{ "busybox", GUEST_INIT_BUSYBOX },
		{ "busybox.static", GUEST_INIT_BUSYBOX },
		{ "openrc-init", GUEST_INIT_OPENRC },
		{ "runit-init", GUEST_INIT_RUNIT },
		{ "runit", GUEST_INIT_RUNIT },
		{ "s6-linux-init", GUEST_INIT_S6 },
		{ "s6-svscan", GUEST_INIT_S6 },
		{ "dinit", GUEST_INIT_DINIT },
		{ "dinit-init", GUEST_INIT_DINIT },
		{ "sysvinit", GUEST_INIT_SYSVINIT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (text_equal(name, names[i].name))
			return names[i].kind;
	return GUEST_INIT_UNKNOWN;
}

/* An init that is called just "init": told by what its package has beside it. */
static enum guest_init_kind kind_by_company(int root_fd)
{
	static const struct {
		const char *path;
		enum guest_init_kind kind;
	} company[] = {
		{ "/etc/s6-linux-init/current", GUEST_INIT_S6 },
		{ "/usr/lib/sysvinit/init", GUEST_INIT_SYSVINIT },
		{ "/sbin/telinit", GUEST_INIT_SYSVINIT },
		{ "/etc/runit/2", GUEST_INIT_RUNIT },
		{ "/sbin/dinit", GUEST_INIT_DINIT },
		{ "/bin/busybox", GUEST_INIT_BUSYBOX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(company); i++)
		if (exists(root_fd, company[i].path))
			return company[i].kind;
	return GUEST_INIT_UNKNOWN;
}

static enum guest_init_kind kind_of(int root_fd, int fd)
{
	enum guest_init_kind kind;
	char link[32], target[4096];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, target, sizeof(target) - 1);
	if (length < 0)
		return GUEST_INIT_UNKNOWN;
	target[length] = '\0';
	kind = kind_by_name(path_name(target));
	return kind != GUEST_INIT_UNKNOWN ? kind : kind_by_company(root_fd);
}

static int signal_number(int number, bool real_time)
{
	/* SIGINT, the kernel's "three keys", is the one that a stranger most likely knows. */
	return real_time && number != SIGINT ? SIGRTMIN + number : number;
}

static struct guest_init describe(enum guest_init_kind kind, const char *program)
{
	bool real_time = signals[kind].real_time;
	struct guest_init init = {
		.kind = kind,
		.program = program,
		.poweroff_signal = signal_number(signals[kind].poweroff, real_time),
		.reboot_signal = signal_number(signals[kind].reboot, real_time),
	};

	/* The original's default, for what may be anything that knows it. */
	init.stop_signal = real_time ? SIGRTMIN + 3 : init.poweroff_signal;
	return init;
}

struct guest_init guest_init_given(const char *program)
{
	return describe(GUEST_INIT_SYSTEMD, program);
}

int guest_init_find(struct arena *arena, struct guest_init *ret, int root_fd)
{
	static const char *const places[] = {
		"/usr/lib/systemd/systemd",
		"/lib/systemd/systemd",
		"/sbin/init",
	};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		autoclose int fd = resolve_open(root_fd, places[i], O_PATH);
		struct stat st;

		if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !(st.st_mode & 0111))
			continue;
		*ret = describe(kind_of(root_fd, fd), arena_text(arena, places[i]));
		return 0;
	}
	return -ENOENT;
}

/* ---- requests in files ---- */

/* initctl(5) of sysvinit: a fixed record of 384 bytes. */
struct initctl_request {
	uint32_t magic, command, run_level, sleep_time;
	char unused[368];
};

static int request_sysvinit(int root_fd, bool reboot)
{
	static const char *const places[] = { "/run/initctl", "/dev/initctl" };
	const int flags = O_WRONLY | O_NONBLOCK | O_NOCTTY;
	struct initctl_request request = {
		.magic = 0x03091969,
		.command = 1, /* change the run level */
		.run_level = reboot ? '6' : '0',
		.sleep_time = 5,
	};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		autoclose int found = resolve_open(root_fd, places[i], O_PATH | O_NOFOLLOW);
		autoclose int fd = -EBADF;
		struct stat st;
		int r;

		/* Never made by us, and a file of another kind is not even opened. */
		if (found < 0 || fstat(found, &st) < 0 || !S_ISFIFO(st.st_mode))
			continue;
		/* No reader: ENXIO. */
		fd = fd_reopen(found, flags);
		if (fd < 0)
			continue;
		r = fd_write_all(fd, &request, sizeof(request));
		return r < 0 ? r : 1;
	}
	return -ENOENT;
}

/* Mode 0100 of a file that exists is the message. A file of the host, which the guest has bound
 * there, is none. */
static int mark(int directory, const char *name, bool on)
{
	const struct open_how how = {
		.flags = O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	autoclose int fd = sys_openat2(directory, name, &how);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return -EBADFD;
	return fchmod(fd, on ? 0100 : 0) < 0 ? -errno : 0;
}

static int request_runit(int root_fd, bool reboot)
{
	autoclose int directory = -EBADF;
	struct stat root, st;
	int r;

	directory = resolve_open(root_fd, "/run/runit", O_RDONLY | O_DIRECTORY);
	if (directory < 0)
		directory = resolve_open(root_fd, "/etc/runit", O_RDONLY | O_DIRECTORY);
	if (directory < 0)
		return directory;
	/* Nor is a directory of the host, in which the guest could make nothing itself. */
	if (fstat(root_fd, &root) < 0 || fstat(directory, &st) < 0)
		return -errno;
	if (st.st_uid != root.st_uid)
		return -EPERM;
	r = mark(directory, "reboot", reboot);
	return r < 0 ? r : mark(directory, "stopit", true);
}

int guest_init_request(const struct guest_init *init, int root_fd, bool reboot)
{
	switch (init->kind) {
	case GUEST_INIT_SYSVINIT: return request_sysvinit(root_fd, reboot);
	case GUEST_INIT_RUNIT: return request_runit(root_fd, reboot);
	default: return 0;
	}
}
