/* kernel/namespace - namespaces by descriptor, and id maps. Any process. Quiet. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* O_PATH descriptor of /proc/PID: names the process even after its number is used again. */
int namespace_open_process(pid_t pid);

/* KIND: "user", "mnt", "pid", "ipc", "uts", "net", "cgroup", as in /proc/PID/ns. */
int namespace_open(int process_fd, const char *kind);

/* The number of the namespace of KIND that is of who has this pid now: its inode (proc_ns.h), which
 * no other one has while it exists. */
int namespace_number(uint32_t *ret, pid_t pid, const char *kind);
int namespace_own_number(uint32_t *ret, const char *kind);
int namespace_number_of(uint32_t *ret, int namespace_fd);

/* 1: the caller is in the same namespace of KIND as the process; 0: in another. */
int namespace_is_shared(int process_fd, const char *kind);

/* FD: a namespace, or a pidfd (then TYPES may be several CLONE_NEW*). */
int namespace_join(int fd, uint64_t types);

/* The caller is in the first user namespace. Also true without /proc: nothing can be told then. */
bool namespace_is_initial_user(void);

/* Write uid_map and gid_map of the process: lines "INSIDE OUTSIDE COUNT", written once, whole.
 * DENY_GROUPS: setgroups(2) is given up first, as a caller without CAP_SETGID above must. */
int namespace_write_maps(int process_fd, const char *users, const char *groups, bool deny_groups);

/* A user namespace that no process is in, for mount_map_ids(). */
int namespace_make_user(const char *users, const char *groups);
