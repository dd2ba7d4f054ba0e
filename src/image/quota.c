#include "image/quota.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fail.h"
#include "base/log.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/btrfs.h"
#include "kernel/project-quota.h"

#define DEPTH_MAX 400 /* a descriptor each, of the usual 1024 */

/* ---- reading ---- */

static int read_subvolume(struct quota *ret, int fd)
{
	struct btrfs_quota btrfs;
	int r = btrfs_quota_read(fd, &btrfs);

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

/* The project that this module gave to the directory; those of the administrator may be of several
 * at once. -ENOENT: it has none. */
static int own_project(int fd, uint32_t *ret, struct project_quota *quota)
{
	uint32_t project;
	int r = project_of(fd, &project);

	if (r >= 0 && !project_is_kept(project))
		r = -ENOENT;
	if (r >= 0)
		r = project_quota_read(fd, project, quota);
	if (r >= 0)
		*ret = project;
	return r;
}

static int read_project(struct quota *ret, int fd)
{
	struct project_quota quota;
	uint32_t project;
	int r = own_project(fd, &project, &quota);

	if (r < 0)
		return r;
	*ret = (struct quota){
		.usage = quota.usage,
		.usage_exclusive = quota.usage,
		.limit = quota.limit,
		.limit_exclusive = quota.limit,
	};
	return 0;
}

int quota_read(struct quota *ret, int fd)
{
	return btrfs_is_subvolume(fd) ? read_subvolume(ret, fd) : read_project(ret, fd);
}

/* ---- limits ---- */

static int count_all(int fd, uint64_t *group)
{
	int r = btrfs_quota_gather(fd, group);

	return r > 0 ? btrfs_quota_rescan(fd) : r;
}

/* What is nested in it counts too: the images of a directory of images, the subvolumes that a
 * system makes in itself. */
static int limit_subvolume(int fd, const char *path, uint64_t bytes)
{
	struct btrfs_quota quota;
	uint64_t group = 0;
	int r = btrfs_quota_read(fd, &quota);

	if (r == -ENOENT && bytes == QUOTA_UNLIMITED)
		return 0;
	if (r == -ENOENT) {
		r = btrfs_quota_enable(fd);
		if (r >= 0)
			log_notice("quotas of the file system of '%s' are now on", path);
	}
	if (r >= 0)
		r = count_all(fd, &group);
	if (r >= 0)
		r = btrfs_quota_limit(fd, group, bytes);
	if (r == -EDQUOT)
		return fail_plain(r,
				  "cannot limit the subvolume '%s': it is full, and the kernel "
				  "changes no limit without room on the file system outside of it "
				  "(try 'btrfs quota disable')",
				  path);
	return r < 0 ? fail(r, "cannot limit the subvolume '%s'", path) : 0;
}

void quota_join(int fd, int source_fd)
{
	if (btrfs_is_subvolume(fd) &&
	    (btrfs_quota_join(fd) > 0 || (source_fd >= 0 && btrfs_quota_is_member(source_fd))))
		(void)btrfs_quota_rescan(fd);
}

struct assign {
	uint32_t project;
	dev_t device;
	int depth;
};

static int assign_below(struct assign *assign, int fd);

/* Links, devices and the like cannot be opened without doing things, and take no room. */
static int assign_entry(int dir_fd, const char *name, unsigned char type, void *context)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	struct assign *assign = context;
	autoclose int fd = -EBADF;
	struct stat st;
	int r;

	if (type != DT_REG && type != DT_DIR)
		return 0;
	fd = openat(dir_fd, name, flags);
	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != assign->device || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return 0;
	if (S_ISDIR(st.st_mode))
		return assign_below(assign, fd);
	r = project_assign(fd, assign->project);
	return r < 0 ? r : 0;
}

/* The directory first: what is made in it meanwhile belongs to the project already. */
static int assign_below(struct assign *assign, int fd)
{
	int r;

	if (assign->depth >= DEPTH_MAX)
		return -ELOOP;
	r = project_assign(fd, assign->project);
	if (r < 0)
		return r;
	assign->depth++;
	r = dir_walk(fd, assign_entry, assign);
	assign->depth--;
	return r;
}

static int assign_all(int fd, uint32_t project)
{
	struct assign assign = { .project = project };
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	assign.device = st.st_dev;
	return assign_below(&assign, fd);
}

static int find_project(int fd, uint32_t *ret)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -errno : project_find_free(fd, (uint32_t)st.st_ino, ret);
}

static int refuse(int r, const char *path)
{
	return fail_plain(r,
			  "cannot limit '%s': it is no btrfs subvolume, and its file system counts "
			  "no projects (ext4 and xfs do, with the mount option prjquota)",
			  path);
}

static int limit_project(int fd, const char *path, uint64_t bytes)
{
	struct project_quota quota;
	uint32_t project;
	int r = own_project(fd, &project, &quota);

	if (r == -ENOENT && bytes == QUOTA_UNLIMITED)
		return 0;
	if (r == -ENOENT) {
		r = project_quota_read(fd, 0, &quota);
		if (r < 0)
			return refuse(-EOPNOTSUPP, path);
		r = find_project(fd, &project);
	} else if (r < 0) {
		return refuse(-EOPNOTSUPP, path);
	}
	/* Again where it has one: whoever gave it that may have been stopped half-way. */
	if (r >= 0 && bytes != QUOTA_UNLIMITED)
		r = assign_all(fd, project);
	if (r >= 0)
		r = project_quota_limit(fd, project, bytes);
	return r < 0 ? fail(r, "cannot limit the directory '%s'", path) : 0;
}

int quota_limit(int fd, const char *path, uint64_t bytes)
{
	return btrfs_is_subvolume(fd) ? limit_subvolume(fd, path, bytes)
				      : limit_project(fd, path, bytes);
}

/* ---- the end ---- */

int quota_remove_all(int dir_fd, const char *name)
{
	autoclose int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && btrfs_is_subvolume(fd) && btrfs_quota_release(fd) > 0)
		(void)btrfs_quota_rescan(fd);
	return dir_remove_all(dir_fd, name);
}

void quota_remember(struct quota_trace *ret, int fd)
{
	struct project_quota project;
	struct btrfs_quota quota;

	*ret = (struct quota_trace){ .group = 0 };
	if (!btrfs_is_subvolume(fd))
		(void)own_project(fd, &ret->project, &project);
	else if (btrfs_quota_read(fd, &quota) >= 0)
		ret->group = quota.group;
}

void quota_forget(const struct quota_trace *trace, int parent_fd)
{
	if (trace->group != 0 && btrfs_quota_forget(parent_fd, trace->group) > 0)
		(void)btrfs_quota_rescan(parent_fd);
	if (trace->project != 0)
		(void)project_quota_limit(parent_fd, trace->project, PROJECT_UNLIMITED);
}
