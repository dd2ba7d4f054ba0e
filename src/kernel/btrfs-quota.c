#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "io/fd.h"
#include "kernel/btrfs.h"

#define GROUP_ID UINT64_C(0xffffffffffff) /* the level is above it */
#define CLIMB_MAX 64
#define DEPTH_MAX 32 /* subvolumes in subvolumes */

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

/* Those items of one OBJECT and TYPE in TREE that one answer has; *OFFSET: the first, and then the
 * one behind the last. How many. */
static int search_some(int fd, uint64_t tree, uint64_t object, uint32_t type, uint64_t *offset,
		       item_fn *take, void *context)
{
	struct btrfs_ioctl_search_args args = {
		.key = {
			.tree_id = tree,
			.min_objectid = object,
			.max_objectid = object,
			.min_type = type,
			.max_type = type,
			.min_offset = *offset,
			.max_offset = UINT64_MAX,
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
		take(context, &header, at);
		at += header.len;
		*offset = header.offset + 1;
	}
	return (int)args.key.nr_items;
}

static int search_all(int fd, uint64_t tree, uint64_t object, uint32_t type, item_fn *take,
		      void *context)
{
	uint64_t offset = 0;
	int r;

	do
		r = search_some(fd, tree, object, type, &offset, take, context);
	while (r > 0 && offset != 0);
	return r < 0 ? r : 0;
}

/* The items of the group in the tree of quotas that stand under it itself. */
static int search_group(int fd, uint64_t group, uint32_t type, item_fn *take, void *context)
{
	uint64_t offset = group;
	int r = search_some(fd, BTRFS_QUOTA_TREE_OBJECTID, 0, type, &offset, take, context);

	return r < 0 ? r : 0;
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

/* Such a group; ID itself where there is none. */
static int find_parent(int fd, uint64_t *ret, uint64_t id)
{
	struct btrfs_quota quota = { .group = id };
	int r = search_all(fd, BTRFS_QUOTA_TREE_OBJECTID, id, BTRFS_QGROUP_RELATION_KEY,
			   take_parent, &quota);

	*ret = quota.group;
	return r;
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

	if (header->len < sizeof(item) || header->offset != counted->quota->group)
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

	if (header->len < sizeof(item) || header->offset != quota->group)
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
	r = find_parent(fd, &quota.group, info.treeid);
	if (r >= 0)
		r = search_group(fd, quota.group, BTRFS_QGROUP_INFO_KEY, take_usage, &counted);
	if (r >= 0)
		r = search_group(fd, quota.group, BTRFS_QGROUP_LIMIT_KEY, take_limit, &quota);
	if (r < 0)
		return r;
	if (!counted.seen)
		return -ENOENT;
	*ret = quota;
	return 0;
}

int btrfs_quota_enable(int fd)
{
	struct btrfs_ioctl_quota_ctl_args args = { .cmd = BTRFS_QUOTA_CTL_ENABLE };

	return ioctl(fd, BTRFS_IOC_QUOTA_CTL, &args) < 0 ? -errno : 0;
}

int btrfs_quota_rescan(int fd)
{
	struct btrfs_ioctl_quota_rescan_args args = { .flags = 0 };

	if (ioctl(fd, BTRFS_IOC_QUOTA_RESCAN, &args) == 0)
		return 0;
	/* One that goes on has not seen all of what is new. */
	if (errno != EINPROGRESS || ioctl(fd, BTRFS_IOC_QUOTA_RESCAN_WAIT) < 0)
		return -errno;
	return ioctl(fd, BTRFS_IOC_QUOTA_RESCAN, &args) < 0 ? -errno : 0;
}

/* ---- groups of several subvolumes ---- */

static bool is_same(int one, int other)
{
	struct btrfs_ioctl_fs_info_args a = { .flags = 0 }, b = { .flags = 0 };

	return ioctl(one, BTRFS_IOC_FS_INFO, &a) == 0 && ioctl(other, BTRFS_IOC_FS_INFO, &b) == 0 &&
	       memcmp(a.fsid, b.fsid, sizeof(a.fsid)) == 0;
}

/* The topmost directory of the same file system that can be seen. Even to change a group the kernel
 * wants room where the descriptor is, and the group may be full. */
static int open_outside(int fd)
{
	autoclose int at = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int depth = 0; at >= 0 && depth < CLIMB_MAX; depth++) {
		autoclose int up = openat(at, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		struct stat here, there;

		if (up < 0 || !is_same(at, up) || fstat(at, &here) < 0 || fstat(up, &there) < 0 ||
		    (here.st_ino == there.st_ino && here.st_dev == there.st_dev))
			break;
		fd_close(&at);
		at = take_fd(&up);
	}
	return at < 0 ? -errno : take_fd(&at);
}

int btrfs_quota_limit(int fd, uint64_t group, uint64_t bytes)
{
	struct btrfs_ioctl_qgroup_limit_args args = {
		.qgroupid = group,
		.lim = { .flags = BTRFS_QGROUP_LIMIT_MAX_RFER, .max_rfer = bytes },
	};
	autoclose int outside = open_outside(fd);

	return ioctl(outside, BTRFS_IOC_QGROUP_LIMIT, &args) < 0 ? -errno : 0;
}

/* > 0: what GROUP counts is not true any more. */
static int assign(int fd, uint64_t member, uint64_t group, bool yes)
{
	struct btrfs_ioctl_qgroup_assign_args args = {
		.assign = yes,
		.src = member,
		.dst = group,
	};
	int r = ioctl(fd, BTRFS_IOC_QGROUP_ASSIGN, &args);

	return r < 0 ? -errno : r;
}

static int change_group(int fd, uint64_t group, bool make)
{
	struct btrfs_ioctl_qgroup_create_args args = { .create = make, .qgroupid = group };

	return ioctl(fd, BTRFS_IOC_QGROUP_CREATE, &args) < 0 ? -errno : 0;
}

/* What is done with a subvolume and all that are nested in it. */
struct walk {
	uint64_t group; /* to belong to; 0: to none */
	int fd, depth, result;
};

static int walk_tree(struct walk *walk, uint64_t id);

static void take_nested(void *context, const struct btrfs_ioctl_search_header *header,
			const void *data)
{
	struct walk *walk = context;

	(void)data;
	if (walk->result >= 0)
		(void)walk_tree(walk, header->offset);
}

static void take_group(void *context, const struct btrfs_ioctl_search_header *header,
		       const void *data)
{
	struct walk *walk = context;

	(void)data;
	if (header->offset > header->objectid &&
	    assign(walk->fd, header->objectid, header->offset, false) > 0)
		walk->result = 1;
}

/* Each is a member of its own, so that no group has to be below another one. */
static int walk_tree(struct walk *walk, uint64_t id)
{
	int r = walk->depth < DEPTH_MAX ? 0 : -ELOOP;

	if (r == 0 && walk->group == 0)
		r = search_all(walk->fd, BTRFS_QUOTA_TREE_OBJECTID, id, BTRFS_QGROUP_RELATION_KEY,
			       take_group, walk);
	else if (r == 0)
		r = assign(walk->fd, id, walk->group, true);
	if (r > 0)
		walk->result = 1;
	/* One that goes at this moment has no group any more. */
	if (r < 0 && r != -EEXIST && r != -ENOENT)
		return walk->result = r;
	walk->depth++;
	r = search_all(walk->fd, BTRFS_ROOT_TREE_OBJECTID, id, BTRFS_ROOT_REF_KEY, take_nested,
		       walk);
	walk->depth--;
	return r < 0 && walk->result >= 0 ? walk->result = r : walk->result;
}

int btrfs_quota_gather(int fd, uint64_t *group)
{
	struct btrfs_ioctl_get_subvol_info_args info;
	autoclose int outside = open_outside(fd);
	struct walk walk = { .fd = outside, .group = *group };
	int r = read_info(fd, &info);

	if (r >= 0 && walk.group == 0)
		r = find_parent(fd, &walk.group, info.treeid);
	if (r < 0)
		return r;
	if (walk.group == info.treeid) {
		walk.group |= BTRFS_SUBTREE_LEVEL << 48;
		r = change_group(outside, walk.group, true);
	}
	if (r < 0 && r != -EEXIST)
		return r;
	*group = walk.group;
	return walk_tree(&walk, info.treeid);
}

int btrfs_quota_join(int fd)
{
	struct btrfs_ioctl_get_subvol_info_args info;
	autoclose int outside = open_outside(fd);
	struct walk walk = { .fd = outside };
	int r = read_info(fd, &info);

	if (r >= 0)
		r = find_parent(fd, &walk.group, info.parent_id);
	if (r < 0 || walk.group == info.parent_id)
		return r;
	return walk_tree(&walk, info.treeid);
}

int btrfs_quota_release(int fd)
{
	struct btrfs_ioctl_get_subvol_info_args info;
	autoclose int outside = open_outside(fd);
	struct walk walk = { .fd = outside };
	int r = read_info(fd, &info);

	return r < 0 ? r : walk_tree(&walk, info.treeid);
}

static void take_any(void *context, const struct btrfs_ioctl_search_header *header,
		     const void *data)
{
	bool *found = context;

	(void)header;
	(void)data;
	*found = true;
}

bool btrfs_quota_is_member(int fd)
{
	struct btrfs_ioctl_get_subvol_info_args info;
	bool found = false;

	return read_info(fd, &info) >= 0 &&
	       search_all(fd, BTRFS_QUOTA_TREE_OBJECTID, info.treeid, BTRFS_QGROUP_RELATION_KEY,
			  take_any, &found) >= 0 &&
	       found;
}

struct release {
	uint64_t group;
	int fd;
	bool rescan;
};

static void take_member(void *context, const struct btrfs_ioctl_search_header *header,
			const void *data)
{
	struct release *release = context;

	(void)data;
	if (assign(release->fd, header->offset, release->group, false) > 0)
		release->rescan = true;
}

int btrfs_quota_forget(int fd, uint64_t group)
{
	autoclose int outside = open_outside(fd);
	struct release release = { .fd = outside, .group = group };
	int r;

	if (group > GROUP_ID) {
		(void)search_all(fd, BTRFS_QUOTA_TREE_OBJECTID, group, BTRFS_QGROUP_RELATION_KEY,
				 take_member, &release);
		(void)change_group(outside, group & GROUP_ID, false);
	}
	r = change_group(outside, group, false);
	return r >= 0 && release.rescan ? 1 : r;
}
