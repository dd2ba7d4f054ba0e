#include "kernel/loop.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "io/fd.h"

#define TRIES_MAX 64

/* Without the page cache in between twice, where the file below can; where it cannot, the kernel
 * goes on with it. */
static void fill(struct loop_config *config, int file_fd, uint64_t offset, uint64_t size,
		 bool read_only, const char *name)
{
	*config = (struct loop_config){
		.fd = (uint32_t)file_fd,
		.info = {
			.lo_offset = offset,
			.lo_sizelimit = size,
			.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO |
				    (read_only ? LO_FLAGS_READ_ONLY : 0),
		},
	};
	snprintf((char *)config->info.lo_file_name, sizeof(config->info.lo_file_name), "%s", name);
}

int loop_attach(unsigned int *ret_number, int file_fd, uint64_t offset, uint64_t size,
		bool read_only, const char *name)
{
	autoclose int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	struct loop_config config;

	if (control < 0)
		return -errno;
	fill(&config, file_fd, offset, size, read_only, name);
	/* Between the two calls others may take it. */
	for (int i = 0; i < TRIES_MAX; i++) {
		char path[sizeof("/dev/loop4294967295")];
		autoclose int fd = -EBADF;
		int number = ioctl(control, LOOP_CTL_GET_FREE);

		if (number < 0)
			return -errno;
		snprintf(path, sizeof(path), "/dev/loop%d", number);
		fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		if (ioctl(fd, LOOP_CONFIGURE, &config) == 0) {
			*ret_number = (unsigned int)number;
			return take_fd(&fd);
		}
		if (errno != EBUSY)
			return -errno;
	}
	return -EBUSY;
}

int loop_has_name(int fd, const char *name)
{
	struct loop_info64 info = { 0 };

	if (ioctl(fd, LOOP_GET_STATUS64, &info) < 0)
		return errno == ENXIO || errno == ENOTTY ? 0 : -errno;
	return strncmp((const char *)info.lo_file_name, name, sizeof(info.lo_file_name) - 1) == 0;
}
