/* A device of the device-mapper, called as the first argument says, that nobody has open. */
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <sys/ioctl.h>

int main(int argc, char **argv)
{
	struct dm_ioctl request = {
		.version = { DM_VERSION_MAJOR, 0, 0 },
		.data_size = sizeof(request),
	};
	int control = open("/dev/mapper/control", O_RDWR);

	if (argc != 2 || control < 0)
		return 1;
	snprintf(request.name, sizeof(request.name), "%s", argv[1]);
	return ioctl(control, DM_DEV_CREATE, &request) < 0;
}
