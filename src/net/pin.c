#include "net/pin.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "io/dir.h"
#include "io/fd.h"

#define NSFS_MAGIC_NUMBER 0x6e736673 /* linux/magic.h NSFS_MAGIC */
#define DIRECTORY "%s/network"

static int put_path(char ret[PATH_MAX], const char *runtime, const char *tag)
{
	int length = snprintf(ret, PATH_MAX, DIRECTORY "/ns-%s", runtime, tag);

	return length < 0 || length >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int make_file(const char *runtime, const char *path)
{
	autoclose int fd = -EBADF;
	char directory[PATH_MAX];
	int r;

	snprintf(directory, sizeof(directory), DIRECTORY, runtime);
	r = dir_make_all(directory, 0700);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : 0;
}

int pin_make(const char *runtime, const char *tag, int netns_fd)
{
	autoclose int there = pin_open(runtime, tag);
	char path[PATH_MAX], source[32];
	int r;

	if (there >= 0)
		return 0;
	r = put_path(path, runtime, tag);
	if (r >= 0)
		r = make_file(runtime, path);
	if (r < 0)
		return r;
	snprintf(source, sizeof(source), "/proc/self/fd/%d", netns_fd);
	if (mount(source, path, NULL, MS_BIND, NULL) >= 0)
		return 0;
	r = -errno;
	(void)unlink(path);
	return r;
}

int pin_open(const char *runtime, const char *tag)
{
	autoclose int fd = -EBADF;
	char path[PATH_MAX];
	struct statfs fs;
	int r = put_path(path, runtime, tag);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return -errno;
	/* The file alone: it was about to be mounted, or is where another mount namespace is. */
	return fs.f_type == NSFS_MAGIC_NUMBER ? take_fd(&fd) : -ENOENT;
}

int pin_remove(const char *runtime, const char *tag)
{
	char path[PATH_MAX];
	struct stat st;
	int r = put_path(path, runtime, tag);

	if (r < 0)
		return r;
	/* Not everybody may ask by umount(2). */
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	if (errno != EINVAL && errno != ENOENT)
		return -errno;
	/* Which also ends what other mount namespaces have copied of it. */
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}
