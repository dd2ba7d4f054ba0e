/* kernel/small-root - a root directory in memory that shows chosen paths of the host, read-only.
 *
 * For who reads bytes from outside with a program of the host's. The caller has a mount namespace
 * of its own and CAP_SYS_ADMIN over it. In order: make, attach, show, leave. Quiet.
 */
#pragma once

/* What programs need to run. NULL at the end. */
extern const char *const small_root_programs[];

/* A detached file system, which can be written; nosuid, nodev. */
int small_root_make(void);

/* Over "/", where paths still begin at the old root. TREE may be any detached mount. Makes all
 * mounts private. */
int small_root_attach(int tree_fd);

/* The host's PATHS, NULL at the end, at the same places below the attached root (before Linux 6.15
 * nothing can be mounted in what is not attached). What a host does not have is left out. On
 * failure *RET_WHICH is the path. */
int small_root_show(const char **ret_which, int root_fd, const char *const *paths);

/* Nothing can be written any more. */
int small_root_close(int root_fd);

/* The attached tree is "/" and the working directory; what was below it is left. */
int small_root_enter(int tree_fd);
