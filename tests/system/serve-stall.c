/* serve-stall - a program that shows a disk image badly, in the place of fuse2fs.
 *
 * The label of the image (of ext4) says how: "never" does not mount, "mute" mounts and says what it
 * is, and then answers nothing.
 */
#include <fcntl.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define LABEL 0x478

int main(int argc, char **argv)
{
	static char request[1 << 20];
	const struct fuse_in_header *asked = (const void *)request;
	struct {
		struct fuse_out_header header;
		struct fuse_init_out data;
	} init = { .data = { .major = 7, .minor = 31, .max_write = 4096 } };
	int image = open("/image", O_RDWR), device = open("/dev/fuse", O_RDWR);
	char label[16];

	if (pread(image, label, sizeof(label), LABEL) != sizeof(label))
		return 1;
	while (strncmp(label, "never", sizeof(label)) == 0)
		pause();
	if (mount("/image", "/tree", "fuse", 0, "") < 0)
		return 2;
	while (read(device, request, sizeof(request)) > 0) {
		if (asked->opcode != FUSE_INIT)
			continue;
		init.header.len = sizeof(init);
		init.header.unique = asked->unique;
		if (write(device, &init, sizeof(init)) < 0)
			return 3;
	}
	return 0;
}
