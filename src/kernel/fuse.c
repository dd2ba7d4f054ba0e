#include "kernel/fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "io/fd.h"
#include "kernel/mount.h"

int fuse_mount(int *ret_device_fd, const char *subtype, const char *source, bool read_only,
	       uint64_t attributes)
{
	autoclose int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[256];
	int tree;

	if (device < 0)
		return -errno;
	/* User and group are whom the kernel would let in alone, without allow_other. */
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other,"
		 "subtype=%s%s",
		 device, subtype, read_only ? ",ro" : "");
	tree = mount_create("fuse", source, options, attributes);
	if (tree >= 0)
		*ret_device_fd = take_fd(&device);
	return tree;
}
