#include "kernel/project-quota.h"

#include <errno.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "kernel/syscall.h"

#define BLOCK 1024 /* of limits: QIF_DQBLKSIZE */
#define TRIES 1000
#define KEPT UINT32_C(0x52000000) /* far from those that people number by hand */
#define KEPT_MASK UINT32_C(0xff000000)

int project_of(int fd, uint32_t *ret)
{
	struct fsxattr attributes;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0)
		return -errno;
	*ret = attributes.fsx_projid;
	return 0;
}

int project_assign(int fd, uint32_t project)
{
	struct fsxattr attributes;
	struct stat st;

	if (fstat(fd, &st) < 0 || ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0)
		return -errno;
	attributes.fsx_projid = project;
	if (S_ISDIR(st.st_mode))
		attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	return ioctl(fd, FS_IOC_FSSETXATTR, &attributes) < 0 ? -errno : 0;
}

int project_quota_read(int fd, uint32_t project, struct project_quota *ret)
{
	struct if_dqblk block = { 0 };
	int r = sys_quotactl_fd(fd, QCMD(Q_GETQUOTA, PRJQUOTA), project, &block);

	if (r < 0)
		return r;
	*ret = (struct project_quota){
		.usage = block.dqb_curspace,
		.limit = block.dqb_bhardlimit == 0 ? PROJECT_UNLIMITED
						   : block.dqb_bhardlimit * BLOCK,
	};
	return 0;
}

int project_quota_limit(int fd, uint32_t project, uint64_t bytes)
{
	struct if_dqblk block = { .dqb_valid = QIF_BLIMITS };

	if (bytes != PROJECT_UNLIMITED)
		block.dqb_bhardlimit = bytes / BLOCK + (bytes % BLOCK != 0);
	return sys_quotactl_fd(fd, QCMD(Q_SETQUOTA, PRJQUOTA), project, &block);
}

bool project_is_kept(uint32_t project)
{
	return (project & KEPT_MASK) == KEPT;
}

int project_find_free(int fd, uint32_t seed, uint32_t *ret)
{
	for (uint32_t i = 0; i < TRIES; i++) {
		uint32_t project = KEPT | ((seed + i) & ~KEPT_MASK);
		struct project_quota quota;
		int r = project_quota_read(fd, project, &quota);

		if (r < 0 && r != -ENOENT)
			return r;
		if (r < 0 || (quota.usage == 0 && quota.limit == PROJECT_UNLIMITED)) {
			*ret = project;
			return 0;
		}
	}
	return -EBUSY;
}
