#include "kernel/network.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/macros.h"
#include "io/fd.h"
#include "io/file.h"

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

int network_allow_ping(int proc_fd, uint32_t last)
{
	char text[sizeof("0 4294967295")];

	snprintf(text, sizeof(text), "0 %u", MIN(last, (uint32_t)INT32_MAX));
	return file_write(proc_fd, "sys/net/ipv4/ping_group_range", text);
}
