/* kernel/probe - what this kernel and its administrator allow, asked when it matters.
 *
 * Nothing here is on the path of a start that goes well: most of it explains a failure. Any
 * process that sees the host's /proc and /sys. Quiet.
 */
#pragma once
#include <stdbool.h>

enum probe_operation {
	PROBE_NAMESPACES, /* clone or unshare of namespaces */
	PROBE_ID_MAPS,	  /* writing uid_map and gid_map */
	PROBE_MOUNT,	  /* the calls of the mount API, and mounts of a file system */
	PROBE_MOUNT_PROC, /* a fresh procfs or sysfs */
	PROBE_MOUNT_OVERLAY,
	PROBE_CGROUP,	     /* making, delegating or entering a cgroup */
	PROBE_DEVICE_FILTER, /* a BPF program at a cgroup */
	PROBE_DEVICE_NODE,   /* mknod */
	PROBE_SYSTEM_CALLS,  /* a seccomp filter */
	PROBE_EXEC,	     /* the payload's program */
	PROBE_OPERATIONS
};

/* The likely cause of a failed operation and what to do about it, "cause: remedy", for the
 * brackets behind a sentence. ERROR: negative errno. Static text; NULL: nothing is known. */
const char *probe_cause(enum probe_operation operation, int error);

bool probe_selinux(void); /* enabled, its file system mounted */
bool probe_apparmor(void);
