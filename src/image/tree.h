/* image/tree - copying a whole tree.
 *
 * Owners, modes, times, extended attributes (with them ACLs and file
 * capabilities), hard links, holes and device nodes are kept; blocks are
 * shared where the file system can. By descriptors only, never through a
 * symbolic link; what is mounted in the tree is left out, its mount points
 * are copied empty; the copy itself is left out where it lies in the tree. It may be deeper than
 * there are descriptors, or than a path can say. Removing is io/dir's. Quiet. Any process.
 */
#pragma once

/* Copy what is below SOURCE_FD (a directory, not O_PATH) into the existing empty directory
 * TARGET_FD, then give that the attributes of the source. *STOP (may be NULL) is looked at now and
 * then: -EINTR once it is not 0. -EOVERFLOW: something belongs to somebody who has no id in the
 * caller's user namespace. What was copied stays there after a failure. */
int tree_copy(int target_fd, int source_fd, const volatile int *stop);

/* The same, and -EINTR at SIGINT or SIGTERM: a copy can take minutes. */
int tree_copy_interruptible(int target_fd, int source_fd);
/* Of one file, as file_copy_fd(). */
int tree_copy_file_interruptible(int target_fd, int source_fd);
