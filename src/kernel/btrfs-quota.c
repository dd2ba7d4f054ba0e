#include <errno.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kernel/btrfs.h"

#define GROUP_ID UINT64_C(0xffffffffffff) /* the level is above it */

static int read_info(int fd, struct btrfs_ioctl_get_subvol_info_args *ret)
{
	memset(ret, 0, sizeof(*ret));
	return ioctl(fd, BTRFS_IOC_GET_SUBVOL_INFO, ret) < 0 ? -errno : 0;
}

static uint64_t time_us(const struct btrfs_ioctl_timespec *time)
{
	return time->sec * 1000000 + time->nsec / 1000;
}

int btrfs_times(int fd, struct btrfs_times *ret)
{
	struct btrfs_ioctl_get_subvol_info_args info;
	int r = read_info(fd, &info);

	if (r < 0)
		return r;
	*ret = (struct btrfs_times){ time_us(&info.otime), time_us(&info.ctime) };
	return 0;
}

/* ---- the tree of quotas ---- */

/* Takes what is found of one item; DATA may be unaligned. */
typedef void item_fn(void *context, const struct btrfs_ioctl_search_header *header,
		     const void *data);

/* The items with this type and object, whatever their offset is. */
static int search(int fd, uint64_t object, uint32_t type, uint64_t offset_min, uint64_t offset_max,
		  item_fn *take, void *context)
{
	struct btrfs_ioctl_search_args args = {
		.key = {
			.tree_id = BTRFS_QUOTA_TREE_OBJECTID,
			.min_objectid = object,
			.max_objectid = object,
			.min_type = type,
			.max_type = type,
			.min_offset = offset_min,
			.max_offset = offset_max,
			.max_transid = UINT64_MAX,
			.nr_items = 64,
		},
	};
	const char *at = args.buf;

	if (ioctl(fd, BTRFS_IOC_TREE_SEARCH, &args) < 0)
		return -errno;
	for (uint32_t i = 0; i < args.key.nr_items; i++) {
		struct btrfs_ioctl_search_header header;

		memcpy(&header, at, sizeof(header));
		at += sizeof(header);
		if (at + header.len > args.buf + sizeof(args.buf))
			return -EBADMSG;
		/* The kernel compares whole keys, so that others may lie between. */
		if (header.type == type && header.objectid == object)
			take(context, &header, at);
		at += header.len;
	}
	return 0;
}

/* A group above the subvolume's with its number is for all that is below it. */
static void take_parent(void *context, const struct btrfs_ioctl_search_header *header,
			const void *data)
{
	struct btrfs_quota *quota = context;
	uint64_t id = quota->group & GROUP_ID;

	(void)data;
	if ((header->offset & GROUP_ID) == id && header->offset > id &&
	    (quota->group == id || header->offset < quota->group))
		quota->group = header->offset;
}

struct counted {
	struct btrfs_quota *quota;
	bool seen;
};

static void take_usage(void *context, const struct btrfs_ioctl_search_header *header,
		       const void *data)
{
	struct counted *counted = context;
	struct btrfs_qgroup_info_item item;

	if (header->len < sizeof(item))
		return;
	memcpy(&item, data, sizeof(item));
	counted->quota->referenced = le64toh(item.rfer);
	counted->quota->exclusive = le64toh(item.excl);
	counted->seen = true;
}

static void take_limit(void *context, const struct btrfs_ioctl_search_header *header,
		       const void *data)
{
	struct btrfs_quota *quota = context;
	struct btrfs_qgroup_limit_item item;
	uint64_t flags;

	if (header->len < sizeof(item))
		return;
	memcpy(&item, data, sizeof(item));
	flags = le64toh(item.flags);
	if (flags & BTRFS_QGROUP_LIMIT_MAX_RFER)
		quota->referenced_limit = le64toh(item.max_rfer);
	if (flags & BTRFS_QGROUP_LIMIT_MAX_EXCL)
		quota->exclusive_limit = le64toh(item.max_excl);
}

int btrfs_quota_read(int fd, struct btrfs_quota *ret)
{
	struct btrfs_ioctl_get_subvol_info_args info;
	struct btrfs_quota quota = {
		.referenced_limit = BTRFS_UNLIMITED,
		.exclusive_limit = BTRFS_UNLIMITED,
	};
	struct counted counted = { .quota = &quota };
	int r = read_info(fd, &info);

	if (r < 0)
		return r;
	quota.group = info.treeid;
	r = search(fd, info.treeid, BTRFS_QGROUP_RELATION_KEY, 0, UINT64_MAX, take_parent, &quota);
	if (r >= 0)
		r = search(fd, 0, BTRFS_QGROUP_INFO_KEY, quota.group, quota.group, take_usage,
			   &counted);
	if (r >= 0)
		r = search(fd, 0, BTRFS_QGROUP_LIMIT_KEY, quota.group, quota.group, take_limit,
			   &quota);
	if (r < 0)
		return r;
	if (!counted.seen)
		return -ENOENT;
	*ret = quota;
	return 0;
}

int btrfs_quota_limit(int fd, uint64_t group, uint64_t bytes)
{
	struct btrfs_ioctl_qgroup_limit_args args = {
		.qgroupid = group,
		.lim = { .flags = BTRFS_QGROUP_LIMIT_MAX_RFER, .max_rfer = bytes },
	};

	return ioctl(fd, BTRFS_IOC_QGROUP_LIMIT, &args) < 0 ? -errno : 0;
}

int btrfs_quota_enable(int fd)
{
	struct btrfs_ioctl_quota_ctl_args args = { .cmd = BTRFS_QUOTA_CTL_ENABLE };

	return ioctl(fd, BTRFS_IOC_QUOTA_CTL, &args) < 0 ? -errno : 0;
}

int btrfs_quota_forget(int fd, uint64_t group)
{
	struct btrfs_ioctl_qgroup_create_args args = { .create = 0, .qgroupid = group };

	return ioctl(fd, BTRFS_IOC_QGROUP_CREATE, &args) < 0 ? -errno : 0;
}
