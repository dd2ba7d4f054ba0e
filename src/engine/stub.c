#include "engine/stub.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "io/fd.h"
#include "kernel/uapi.h"

/* made from src/prog/stub by its build */
extern const unsigned char stub_image[];
extern const unsigned char stub_image_end[];

int stub_open(void)
{
	autoclose int fd = -EBADF;
	int r;

	fd = memfd_create("redd-stub", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("redd-stub", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, stub_image, (size_t)(stub_image_end - stub_image));
	if (r < 0)
		return r;
	if (fchmod(fd, 0555) < 0)
		return -errno;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -errno;
	return take_fd(&fd);
}
