/* kernel/resolve - paths inside a tree that is not trusted (classes S6, S7, S17).
 *
 * Every walk stays below root_fd: symbolic links are followed as if root_fd
 * were "/", magic links and leaving the tree are refused. openat2(2) with
 * RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS where the kernel has it, else our own
 * walk, component by component (resolve-walk). Runs in any process. Quiet:
 * -ENOENT, -ELOOP, -EXDEV, -ENOTDIR as openat2(2). An empty path is root_fd.
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

/* Open below root_fd. FLAGS as open(2) without O_CREAT; O_CLOEXEC is added. */
int resolve_open(int root_fd, const char *path, int flags);

/* The same where all of it lies on root_fd's own mount (-EXDEV). For who can do without: -EAGAIN
 * when others rename all the time, -ENOSYS where the kernel cannot tell. */
int resolve_open_one_mount(int root_fd, const char *path, int flags);

/* A regular file, to read. Anything else is not even opened, which does things where it is a
 * device: -EBADFD. Needs /proc. */
int resolve_open_file(int root_fd, const char *path);

/* Open the parent directory (O_PATH) of PATH; *ret_name is borrowed from PATH: its last component.
 * -EINVAL: the path has no usable last component ("/", "a/", "a/.."). */
int resolve_open_parent(int root_fd, const char *path, const char **ret_name);

struct resolve_owner {
	uid_t uid;
	gid_t gid; /* what new inodes are chowned to; (uid_t)-1: leave */
};

/* O_PATH descriptor of the directory at PATH, making what is missing (parents 0755, the last one
 * MODE; both subject to the umask). A dangling link has its target made, inside the tree.
 * -ENOTDIR: something else is there. OWNER may be NULL. */
int resolve_make_dir(int root_fd, const char *path, mode_t mode, const struct resolve_owner *owner);

/* Descriptor of the mount point at PATH, for use as a path: an existing inode, or a new directory
 * (is_dir; 0755) or empty regular file (0644). -ENOTDIR / -EISDIR: exists with the other type. */
int resolve_make_target(int root_fd, const char *path, bool is_dir,
			const struct resolve_owner *owner);
