#include "kernel/small-root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/fd.h"
#include "kernel/mount.h"
#include "kernel/syscall.h"

#define OPTIONS "size=16m,mode=0755,nr_inodes=1k"
#define CLOSED (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

const char *const small_root_programs[] = {
	"/usr",
	"/bin",
	"/sbin",
	"/lib",
	"/lib32",
	"/lib64",
	"/etc/ld.so.cache",
	"/etc/alternatives",
	"/dev/null",
	NULL,
};

int small_root_make(void)
{
	return mount_create("tmpfs", "small-root", OPTIONS, CLOSED);
}

int small_root_attach(int tree_fd)
{
	autoclose int host = -EBADF;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	host = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return host < 0 ? -errno : mount_attach(tree_fd, host);
}

static int show_path(int root, const char *path)
{
	autoclose int tree = -EBADF, target = -EBADF;
	char at[128] = "";
	struct stat st;
	int r;

	if (stat(path, &st) < 0)
		return 0;
	for (const char *end = strchr(path + 1, '/'); end; end = strchr(end + 1, '/')) {
		snprintf(at, sizeof(at), "%.*s", (int)(end - path - 1), path + 1);
		if (mkdirat(root, at, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	tree = mount_clone(AT_FDCWD, path, true);
	if (tree < 0)
		return tree;
	r = mount_restrict(tree, MOUNT_ATTR_RDONLY | CLOSED, 0, true);
	if (r < 0 && strcmp(path, "/dev/null") != 0)
		return r;
	if (S_ISDIR(st.st_mode) ? mkdirat(root, path + 1, 0755) < 0 && errno != EEXIST
				: mknodat(root, path + 1, S_IFREG | 0644, 0) < 0)
		return -errno;
	target = openat(root, path + 1, O_PATH | O_CLOEXEC);
	return target < 0 ? -errno : mount_attach(tree, target);
}

int small_root_show(const char **ret_which, int root_fd, const char *const *paths)
{
	for (; *paths; paths++) {
		int r = show_path(root_fd, *paths);

		if (r < 0) {
			*ret_which = *paths;
			return r;
		}
	}
	return 0;
}

int small_root_close(int root_fd)
{
	return mount_restrict(root_fd, CLOSED | MOUNT_ATTR_RDONLY, 0, false);
}

int small_root_enter(int tree_fd)
{
	int r;

	/* A clone of a mount that is shared is shared with it, and no root may be. */
	if (fchdir(tree_fd) < 0 || mount(NULL, ".", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	r = sys_pivot_root(".", ".");
	if (r < 0)
		return r;
	return umount2(".", MNT_DETACH) < 0 || chdir("/") < 0 ? -errno : 0;
}
