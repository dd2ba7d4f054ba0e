#include "io/credential.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/arena.h"
#include "io/fd.h"

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	autoclose int fd = -EBADF;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return take_fd(&fd);
}

/* A file, or a socket that is read to its end. */
static int open_source(const char *path)
{
	struct stat info;
	int fd;

	if (stat(path, &info) < 0)
		return -errno;
	if (S_ISSOCK(info.st_mode))
		return connect_to(path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

static int read_all(struct arena *arena, int fd, char **ret, size_t *ret_size)
{
	char *data = arena_take(arena, CREDENTIAL_LIMIT + 1);
	size_t size = 0;

	for (;;) {
		ssize_t n = read(fd, data + size, CREDENTIAL_LIMIT + 1 - size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		size += (size_t)n;
		if (size > CREDENTIAL_LIMIT)
			return -EFBIG;
	}
	*ret = data;
	*ret_size = size;
	return 0;
}

int credential_read(struct arena *arena, char **ret, size_t *ret_size, const char *path)
{
	autoarena struct arena scratch = { 0 };
	autoclose int fd = open_source(path);
	char *data;
	size_t size;
	int r = fd < 0 ? fd : read_all(&scratch, fd, &data, &size);

	if (r < 0)
		return r;
	*ret = arena_text_n(arena, data, size);
	*ret_size = size;
	return 0;
}
