/* kernel/xattr - extended attributes that hold owners. Quiet.
 *
 * The first two functions are pure: the bytes are the kernel's user-space form
 * (linux/posix_acl_xattr.h, linux/capability.h), little endian on every machine.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Each user and group that the ACL names becomes BASE + its low 16 bits. 1: something changed;
 * 0: not; -EBADMSG: no ACL of a known form. */
int xattr_shift_acl(void *data, size_t size, uint32_t base);

/* Likewise the namespace's root of a file capability, if it names one. */
int xattr_shift_capability(void *data, size_t size, uint32_t base);

/* What chown(2) takes away and what it does not know of: read it before, put it back after.
 * PATH: a link of /proc/self/fd. Values that are too large are left out. */
#define XATTR_OWNED_ROOM 2048

struct xattr_owned {
	size_t access_size, default_size, capability_size; /* 0: it has none */
	unsigned char access[XATTR_OWNED_ROOM], defaults[XATTR_OWNED_ROOM], capability[32];
};

/* 1: there are some; 0: none. */
int xattr_read_owned(struct xattr_owned *ret, const char *path);
int xattr_write_owned(struct xattr_owned *owned, const char *path, uint32_t base);
