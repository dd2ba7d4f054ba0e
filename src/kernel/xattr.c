#include "kernel/xattr.h"

#include <endian.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <string.h>
#include <sys/xattr.h>

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"
#define CAPABILITY "security.capability"

static uint32_t shifted(uint32_t id, uint32_t base)
{
	return base + (id & 0xffff);
}

int xattr_shift_acl(void *data, size_t size, uint32_t base)
{
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry entry;
	unsigned char *at = data;
	int changed = 0;

	if (size < sizeof(header) || (size - sizeof(header)) % sizeof(entry) != 0)
		return -EBADMSG;
	memcpy(&header, at, sizeof(header));
	if (le32toh(header.a_version) != POSIX_ACL_XATTR_VERSION)
		return -EBADMSG;

	for (size_t i = sizeof(header); i < size; i += sizeof(entry)) {
		uint32_t id;

		memcpy(&entry, at + i, sizeof(entry));
		if (le16toh(entry.e_tag) != ACL_USER && le16toh(entry.e_tag) != ACL_GROUP)
			continue;
		id = le32toh(entry.e_id);
		changed |= shifted(id, base) != id;
		entry.e_id = htole32(shifted(id, base));
		memcpy(at + i, &entry, sizeof(entry));
	}
	return changed;
}

int xattr_shift_capability(void *data, size_t size, uint32_t base)
{
	struct vfs_ns_cap_data value;
	uint32_t id;

	if (size < sizeof(value.magic_etc))
		return -EBADMSG;
	memcpy(&value, data, sizeof(value.magic_etc));
	if ((le32toh(value.magic_etc) & VFS_CAP_REVISION_MASK) != VFS_CAP_REVISION_3)
		return 0;
	if (size != sizeof(value))
		return -EBADMSG;
	memcpy(&value, data, sizeof(value));
	id = le32toh(value.rootid);
	value.rootid = htole32(shifted(id, base));
	memcpy(data, &value, sizeof(value));
	return shifted(id, base) != id;
}

/* The value's size; 0: there is none, or none that we could keep. */
static size_t get(const char *path, const char *name, void *value, size_t room)
{
	ssize_t size = getxattr(path, name, value, room);

	return size < 0 ? 0 : (size_t)size;
}

int xattr_read_owned(struct xattr_owned *ret, const char *path)
{
	char names[4096];
	ssize_t size = listxattr(path, names, sizeof(names));

	/* Few inodes have any: usually this is the only question. */
	if (size == 0 || (size < 0 && errno == EOPNOTSUPP))
		return 0;
	ret->access_size = get(path, ACL_ACCESS, ret->access, sizeof(ret->access));
	ret->default_size = get(path, ACL_DEFAULT, ret->defaults, sizeof(ret->defaults));
	ret->capability_size = get(path, CAPABILITY, ret->capability, sizeof(ret->capability));
	return ret->access_size > 0 || ret->default_size > 0 || ret->capability_size > 0;
}

static int put_acl(const char *path, const char *name, void *value, size_t size, uint32_t base)
{
	int r;

	if (size == 0)
		return 0;
	r = xattr_shift_acl(value, size, base);
	if (r <= 0)
		return r;
	return setxattr(path, name, value, size, 0) < 0 ? -errno : 0;
}

int xattr_write_owned(struct xattr_owned *owned, const char *path, uint32_t base)
{
	int r;

	r = put_acl(path, ACL_ACCESS, owned->access, owned->access_size, base);
	if (r == 0)
		r = put_acl(path, ACL_DEFAULT, owned->defaults, owned->default_size, base);
	if (r < 0 || owned->capability_size == 0)
		return r;

	/* Unlike the ACLs it must always be put back: chown(2) has removed it. */
	r = xattr_shift_capability(owned->capability, owned->capability_size, base);
	if (r < 0)
		return r;
	if (setxattr(path, CAPABILITY, owned->capability, owned->capability_size, 0) < 0)
		return -errno;
	return 0;
}
