/* A file system that says what it is, and never answers what is asked of it then. */
#include "attack.h"

#include <linux/fuse.h>

#define ROOM (1 << 20)

static void answer(int fd, const struct fuse_in_header *request, void *reply, size_t size)
{
	struct fuse_out_header *header = reply;

	header->len = (unsigned int)size;
	header->unique = request->unique;
	(void)!write(fd, reply, size);
}

int main(int argc, char **argv)
{
	const char *place = argc > 1 ? argv[1] : "/stall";
	struct {
		struct fuse_out_header header;
		struct fuse_init_out data;
	} init = { .data = { .major = 7, .minor = 31, .max_write = 4096 } };
	struct {
		struct fuse_out_header header;
		struct fuse_attr_out data;
	} top = { .data = { .attr_valid = 100000 } };
	static char room[ROOM];
	char options[96];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	top.data.attr.ino = 1;
	top.data.attr.mode = S_IFDIR | 0755;
	top.data.attr.nlink = 2;
	mkdir(place, 0755);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
		 fd);
	if (fd < 0 || mount("stall", place, "fuse", 0, options) < 0) {
		printf("no fuse: %s\n", strerror(errno));
		return 1;
	}
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		const struct fuse_in_header *request = (const void *)room;

		if (read(fd, room, sizeof(room)) <= 0)
			return 1;
		if (request->opcode == FUSE_INIT) {
			answer(fd, request, &init, sizeof(init));
		} else if (request->opcode == FUSE_GETATTR) {
			answer(fd, request, &top, sizeof(top));
		} else {
			printf("asked %u\n", request->opcode);
			fflush(stdout);
		}
	}
}
