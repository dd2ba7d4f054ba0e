#include "image/quota.h"

#include <errno.h>

#include "base/fail.h"
#include "base/log.h"
#include "kernel/btrfs.h"

int quota_read(struct quota *ret, int fd)
{
	struct btrfs_quota btrfs;
	int r;

	if (!btrfs_is_subvolume(fd))
		return -EOPNOTSUPP;
	r = btrfs_quota_read(fd, &btrfs);
	if (r < 0)
		return r;
	*ret = (struct quota){
		.usage = btrfs.referenced,
		.usage_exclusive = btrfs.exclusive,
		.limit = btrfs.referenced_limit,
		.limit_exclusive = btrfs.exclusive_limit,
	};
	return 0;
}

static int limit_subvolume(int fd, const char *path, uint64_t bytes)
{
	struct btrfs_quota quota;
	int r = btrfs_quota_read(fd, &quota);

	if (r == -ENOENT) {
		if (bytes == QUOTA_UNLIMITED)
			return 0;
		log_notice("quotas of the file system of '%s' are now on", path);
		r = btrfs_quota_enable(fd);
		if (r >= 0)
			r = btrfs_quota_read(fd, &quota);
	}
	if (r >= 0)
		r = btrfs_quota_limit(fd, quota.group, bytes);
	return r < 0 ? fail(r, "cannot limit the subvolume '%s'", path) : 0;
}

int quota_limit(int fd, const char *path, uint64_t bytes)
{
	if (btrfs_is_subvolume(fd))
		return limit_subvolume(fd, path, bytes);
	return fail_plain(-EOPNOTSUPP,
			  "cannot limit '%s': it is no btrfs subvolume, and only those have a "
			  "limit",
			  path);
}

void quota_remember(struct quota_trace *ret, int fd)
{
	struct btrfs_quota quota;

	*ret = (struct quota_trace){ .group = 0 };
	if (btrfs_is_subvolume(fd) && btrfs_quota_read(fd, &quota) >= 0)
		ret->group = quota.group;
}

void quota_forget(const struct quota_trace *trace, int parent_fd)
{
	if (trace->group != 0)
		(void)btrfs_quota_forget(parent_fd, trace->group);
}
