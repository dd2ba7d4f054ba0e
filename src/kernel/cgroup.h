/* kernel/cgroup - cgroup v2 by descriptor. Supervisor. Quiet.
 *
 * The hierarchy is found once: /sys/fs/cgroup itself (unified host),
 * /sys/fs/cgroup/unified (hybrid), else none. v1 is never touched.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Directory descriptor of the v2 hierarchy's mount, and its path. -ENOENT: there is none. */
int cgroup_open_root(int *ret_fd, const char **ret_path);

/* A process's v2 path ("/", "/user.slice/…"). -ENOENT: it is in none;
 * -ENAMETOOLONG: no room. PID 0: the caller's. */
int cgroup_process_path(char *buffer, size_t room, pid_t pid);

/* The same of the process whose directory in /proc is PROCESS_FD, which is never another's. */
int cgroup_process_path_at(char *buffer, size_t room, int process_fd);

/* Directory descriptor of the cgroup at PATH ("/a/b") below that mount. -ENOENT: no such one. */
int cgroup_open(const char *path);

/* mkdir (exclusive if asked: -EEXIST) and open. NAME must not contain "/". */
int cgroup_make(int parent_fd, const char *name, bool exclusive);

/* Enable in cgroup.subtree_control all of cgroup.controllers that is not yet enabled; best
 * effort: 0 even if some could not be. */
int cgroup_enable_all(int fd);

/* CONTROLLER is there for this cgroup itself. */
bool cgroup_has_controller(int fd, const char *controller);

/* Pass CONTROLLER on to the cgroups below. -ENOENT: it is not there. -EBUSY: processes are in it.
 */
int cgroup_enable(int fd, const char *controller);

/* chown the directory and the delegation files (reference, section 12). */
int cgroup_delegate(int fd, uid_t uid, gid_t gid);

/* Move a process; pid 0 = self. */
int cgroup_attach(int fd, pid_t pid);

/* Move all processes of FD, but not those below it, as far as the kernel lets us. */
int cgroup_move_all(int fd, int to_fd);

/* Kill everything below (cgroup.kill; without it, as cgroup_kill_each()). */
int cgroup_kill(int fd);

/* For Linux before 5.14: a loop over cgroup.procs by pidfd. */
int cgroup_kill_each(int fd);

/* Stop all that is below, or let it go on, and wait until the kernel says so. -ETIMEDOUT: it was
 * asked for, but takes longer (a process that cannot be interrupted). */
int cgroup_freeze(int fd, bool frozen, int timeout_ms);

/* The number after "KEY " in a file like memory.stat or cgroup.events. -ENOENT: no such file or
 * key. */
int cgroup_read_key(uint64_t *ret, int fd, const char *file, const char *key);

/* rmdir NAME and everything below it, waiting on cgroup.events "populated 0" up to TIMEOUT_MS.
 * -EBUSY: processes are still there. -ENOENT is success. */
int cgroup_remove(int parent_fd, const char *name, int timeout_ms);

uint64_t cgroup_inode(int fd); /* identity for records; 0: unknown */
