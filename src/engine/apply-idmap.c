#include "engine/apply-idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "engine/apply-step.h"
#include "engine/ids.h"
#include "io/fd.h"
#include "kernel/mount.h"
#include "kernel/namespace.h"
#include "kernel/resolve.h"
#include "plan/plan.h"

/* Who the source's owner is inside: the container's root, or the owner of what is mounted over. */
static int target_owner(struct apply *apply, const struct step *step, const struct stat *source,
			uid_t *ret_uid, gid_t *ret_gid)
{
	autoclose int target = -EBADF;
	struct stat info;

	if (step->idmap == IDMAP_ROOT) {
		*ret_uid = apply->base;
		*ret_gid = apply->base;
		return 0;
	}
	target = resolve_make_target(apply->root_fd, step->target, S_ISDIR(source->st_mode), NULL);
	if (target < 0)
		return target;
	if (fstat(target, &info) < 0)
		return -errno;
	*ret_uid = info.st_uid;
	*ret_gid = info.st_gid;
	return 0;
}

static int map_one(struct apply *apply, const struct step *step, int tree_fd,
		   const struct stat *source)
{
	autoclose int userns = -EBADF;
	char users[48], groups[48];
	uid_t uid = 0;
	gid_t gid = 0;
	int r;

	r = target_owner(apply, step, source, &uid, &gid);
	if (r < 0)
		return r;
	snprintf(users, sizeof(users), "%u %u 1", (unsigned int)source->st_uid, (unsigned int)uid);
	snprintf(groups, sizeof(groups), "%u %u 1", (unsigned int)source->st_gid,
		 (unsigned int)gid);
	userns = namespace_make_user(users, groups);
	if (userns < 0)
		return fail(userns, "cannot make the id map '%s'", users);
	return mount_map_ids(tree_fd, userns, step->flags & STEP_RECURSIVE);
}

int apply_idmap_bind(struct apply *apply, const struct step *step, int tree_fd,
		     const struct stat *source)
{
	int r;

	if (apply->userns_fd < 0 || !apply->can_map)
		return fail_plain(
			-EOPNOTSUPP,
			"cannot map the owners of '%s': that needs root and a user namespace "
			"(leave out the idmap option)",
			step->source);
	if (step->idmap == IDMAP_FULL)
		r = mount_map_ids(tree_fd, apply->userns_fd, step->flags & STEP_RECURSIVE);
	else
		r = map_one(apply, step, tree_fd, source);
	if (r == -EINVAL)
		return fail_plain(
			r,
			"the file system of '%s' cannot map owners, or one mounted below it cannot "
			"(try ':norbind', no idmap option, or --private-users=no)",
			step->source);
	return r;
}

int apply_idmap_tree(int *ret_fd, const struct ids *ids)
{
	char map[64];
	int fd;

	if (!ids->map || ids->map_from == 0)
		return 0;
	snprintf(map, sizeof(map), "%u %u %u", ids->map_from, ids->base, ids->range);
	fd = namespace_make_user(map, map);
	if (fd < 0)
		return fail(fd, "cannot make the id map '%s'", map);
	*ret_fd = fd;
	return 0;
}
