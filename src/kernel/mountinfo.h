/* kernel/mountinfo - what is mounted where, from /proc/PID/mountinfo. Any process. Quiet.
 *
 * Not for the start path: reading costs time linear in the host's mounts. Whether a descriptor
 * is a mount point, mount_is_point() asks without it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct arena;

#define MOUNTINFO_SIZE_MAX (64u * 1024 * 1024)

struct mountinfo {
	int id, parent; /* as mount_id() */
	unsigned int major, minor;
	char *root;    /* what of the file system is mounted; escapes undone here and below */
	char *target;  /* where, seen from the reader's root */
	char *options; /* of the mount: "rw,nosuid" */
	char *type;    /* "ext4", "fuse.sshfs" */
	char *source;
	char *super_options; /* of the file system */
	bool shared, slave;
};

/* In the kernel's order: a mount comes after the one that it is on. */
struct mountinfo_list {
	struct mountinfo *items;
	size_t count;
};

/* The caller's own mounts. */
int mountinfo_read(struct arena *arena, struct mountinfo_list *ret);

/* Pure. -EBADMSG: not of this form. */
int mountinfo_parse(struct arena *arena, struct mountinfo_list *ret, const char *text);
