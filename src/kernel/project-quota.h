/* kernel/project-quota - disk space of a directory's project, where the file system counts such.
 *
 * ext4 and xfs, mounted with the option prjquota. A project is a number that files have; what is
 * made in a directory with it gets it, too. Linux 5.14; root only. Quiet. Any process.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define PROJECT_UNLIMITED UINT64_MAX

struct project_quota {
	uint64_t usage, limit; /* bytes */
};

/* The project of FD (not O_PATH); 0: none. */
int project_of(int fd, uint32_t *ret);

/* Give FD to a project; a directory hands it on to what will be made in it. */
int project_assign(int fd, uint32_t project);

/* Of any project of the file system that FD is on. -ESRCH, -ENOSYS, …: nobody counts there.
 * -ENOENT: it was never used. */
int project_quota_read(int fd, uint32_t project, struct project_quota *ret);
int project_quota_limit(int fd, uint32_t project, uint64_t bytes);

/* A project of that file system with no files and no limit, of those that are kept for this. SEED:
 * where to look first. */
bool project_is_kept(uint32_t project);
int project_find_free(int fd, uint32_t seed, uint32_t *ret);
