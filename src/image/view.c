#include "image/view.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "image/mstack.h"
#include "io/fd.h"
#include "kernel/mount.h"
#include "kernel/namespace.h"

/* ---- looking ---- */

static int open_layers(int *fds, const struct mstack *stack, bool changed)
{
	size_t count = 0;

	/* The kernel's first is the top. */
	if (changed && stack->upper != NULL) {
		fds[count] = open(stack->upper, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fds[count] >= 0)
			count++;
		else if (errno != ENOENT)
			return fail(-errno, "cannot open the changes '%s'", stack->upper);
	}
	for (size_t i = stack->layers.count; i > 0; i--) {
		const char *path = stack->layers.items[i - 1];

		fds[count] = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fds[count] < 0) {
			int r = fail(-errno, "cannot open the layer '%s'", path);

			while (count > 0)
				fd_close(&fds[--count]);
			return r;
		}
		count++;
	}
	return (int)count;
}

static int mount_view(struct arena *arena, const int *fds, size_t count)
{
	/* room for "/proc/self/fd/N:" each */
	size_t room = strlen("lowerdir=") + count * 32, used;
	char *options = arena_take(arena, room + 32);

	used = (size_t)snprintf(options, room, "lowerdir=");
	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(options + used, room - used, "%s/proc/self/fd/%d",
					 i > 0 ? ":" : "", fds[i]);
	snprintf(options + used, 32, ",userxattr");
	return mount_create("overlay", "overlay", options, 0);
}

/* Where mounting is allowed: a mount namespace of one's own, which root of a user namespace lacks
 * still, and else a user namespace too. The own ids are mapped to themselves there: nothing else
 * changes. */
static int enter_namespaces(struct arena *arena)
{
	unsigned int uid = geteuid(), gid = getegid();
	autoclose int self = -EBADF;

	if (uid == 0)
		return unshare(CLONE_NEWNS) < 0 ? -errno : 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return -errno;
	self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (self < 0)
		return -errno;
	return namespace_write_maps(self, arena_format(arena, "%u %u 1", uid, uid),
				    arena_format(arena, "%u %u 1", gid, gid), true);
}

static int try_view(struct arena *arena, const struct mstack *stack, bool changed)
{
	int *fds = arena_take_array(arena, stack->layers.count + 1, sizeof(int));
	int count = open_layers(fds, stack, changed), view;

	if (count < 0)
		return count;
	if (count == 0)
		return fail_plain(-ENOENT, "cannot look at a layered image without layers");
	/* An overlay wants two of them. */
	view = count == 1 ? take_fd(&fds[0]) : mount_view(arena, fds, (size_t)count);
	for (int i = 0; i < count; i++)
		fd_close(&fds[i]);
	return view;
}

int view_open(struct arena *arena, const struct mstack *stack, bool changed)
{
	int view = try_view(arena, stack, changed);

	/* What was opened before could not be a layer in there. */
	if (view == -EPERM && enter_namespaces(arena) >= 0)
		view = try_view(arena, stack, changed);
	if (view < 0 && fail_recorded()->code == 0)
		return fail(view, "cannot stack the layers of the image");
	return view;
}

int view_tree(struct arena *arena, const char *path, bool changed)
{
	struct mstack stack;
	int r;

	if (!text_ends(path, MSTACK_SUFFIX)) {
		r = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		return r < 0 ? fail(-errno, "cannot open the image '%s'", path) : r;
	}
	r = mstack_read(arena, &stack, path);
	return r < 0 ? r : view_open(arena, &stack, changed);
}

/* ---- holding ---- */

static int hold_one(const char *layer, struct stat *rooms, int count)
{
	autoclose int directory = open(layer, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int room = -EBADF;
	struct stat st;
	int r;

	if (directory < 0)
		return -errno;
	room = openat(directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (room < 0 || fstat(room, &st) < 0)
		return -errno;
	for (int i = 0; i < count; i++)
		if (st.st_dev == rooms[i].st_dev && st.st_ino == rooms[i].st_ino)
			return -EALREADY;
	rooms[count] = st;
	r = fd_lock(room, LOCK_SH);
	return r < 0 ? r : take_fd(&room);
}

int view_hold(int ret[VIEW_ROOMS_MAX], const struct mstack *stack)
{
	struct stat rooms[VIEW_ROOMS_MAX];
	int count = 0;

	for (size_t i = 0; i < stack->layers.count && count < VIEW_ROOMS_MAX; i++) {
		/* A layer that is missing is missed by who opens it. */
		int fd = hold_one(stack->layers.items[i], rooms, count);

		if (fd >= 0)
			ret[count++] = fd;
	}
	return count;
}
