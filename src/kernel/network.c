#include "kernel/network.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/fd.h"
#include "io/file.h"
#include "kernel/namespace.h"
#include "kernel/process.h"

int network_loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	autoclose int fd = -EBADF;

	/* Interfaces can be asked through any socket; this family is in every kernel. */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

static int switch_off(const char *name, const char *what)
{
	char path[sizeof("/proc/sys/net/ipv6/conf//accept_dad") + IFNAMSIZ];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%.*s/%.10s", IFNAMSIZ - 1, name,
		 what);
	return file_write(AT_FDCWD, path, "0");
}

int network_ignore_routers(const char *name)
{
	return switch_off(name, "accept_ra");
}

int network_trust_addresses(const char *name)
{
	return switch_off(name, "accept_dad");
}

int network_prepare_in(int netns_fd, const char *name)
{
	autoclose int pidfd = -EBADF;
	pid_t pid = process_clone(0, -EBADF, &pidfd);
	siginfo_t info;
	int r;

	if (pid == 0) {
		r = namespace_join(netns_fd, CLONE_NEWNET);
		if (r >= 0)
			r = network_ignore_routers(name);
		if (r >= 0)
			r = network_trust_addresses(name);
		_exit(r < 0 ? -r : 0);
	}
	r = pid < 0 ? pid : process_wait(pidfd, &info, 0);
	if (r < 0)
		return r;
	return info.si_code == CLD_EXITED ? -info.si_status : -EIO;
}
