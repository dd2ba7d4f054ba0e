#include "kernel/mount.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/macros.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/mount-old.h"
#include "kernel/syscall.h"

#define OPTION_MAX 255 /* fsconfig(2) refuses longer strings */
int mount_clone(int dir_fd, const char *path, bool recursive)
{
	return sys_open_tree(dir_fd, path,
			     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0) |
				     (*path ? 0 : AT_EMPTY_PATH));
}

/* Copy the next part of an option, up to END, and undo the quoting; *list is put behind it. */
static int take_part(char part[OPTION_MAX + 1], const char **list, char end)
{
	const char *at = *list;
	bool quoted = false;
	size_t n = 0;

	for (; *at && (quoted || (*at != ',' && *at != end)); at++) {
		if (*at == '"' && (quoted || (at > *list && at[-1] == '='))) {
			quoted = !quoted;
			continue;
		}
		if (at[0] == '\\' && at[1] && (at[1] == ',' || at[1] == end))
			at++;
		if (n == OPTION_MAX)
			return -E2BIG;
		part[n++] = *at;
	}
	part[n] = '\0';
	*list = at;
	return 0;
}

/* An overlay of many layers: Linux 6.7 takes them one by one, without the limit. */
static int configure_layers(int fs, const char **list)
{
	char layer[OPTION_MAX + 1];
	int r;

	do {
		(*list)++; /* "=" or ":" */
		r = take_part(layer, list, ':');
		if (r == 0)
			r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir+", layer, 0);
	} while (r == 0 && **list == ':');
	return r;
}

static int configure_one(int fs, const char **list)
{
	static const char lowers[] = "lowerdir=";
	char option[OPTION_MAX + 1], *value;
	const char *start = *list;
	int r;

	r = take_part(option, list, '\0');
	if (r == -E2BIG && strncmp(start, lowers, strlen(lowers)) == 0) {
		*list = start + strlen(lowers) - 1;
		return configure_layers(fs, list);
	}
	if (r < 0 || !*option)
		return r;
	value = strchr(option, '=');
	if (value)
		*value++ = '\0';
	return sys_fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, option, value, 0);
}

static int configure(int fs, const char *options)
{
	int r = 0;

	while (r == 0 && options && *options) {
		r = configure_one(fs, &options);
		if (*options == ',')
			options++;
	}
	return r;
}

/* The context's messages are "e text", "w text", "i text", one per read(). */
static void explain(int fs, char *why, size_t room)
{
	char message[256];
	ssize_t n;

	if (!why)
		return;
	for (;;) {
		n = read(fs, message, sizeof(message) - 1);
		if (n <= 0)
			return;
		message[n] = '\0';
		if (n > 2 && message[0] == 'e') {
			message[strcspn(message, "\n")] = '\0';
			snprintf(why, room, "%s", message + 2);
			return;
		}
	}
}

int mount_create_explained(const char *type, const char *source, const char *options,
			   uint64_t attributes, char *why, size_t room)
{
	autoclose int fs = -EBADF;
	int r;

	if (why && room > 0)
		*why = '\0';
	fs = sys_fsopen(type, FSOPEN_CLOEXEC);
	if (fs < 0)
		return fs;

	r = source ? sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) : 0;
	if (r == 0)
		r = configure(fs, options);
	if (r == 0)
		r = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (r == 0)
		r = sys_fsmount(fs, FSMOUNT_CLOEXEC, (unsigned int)attributes);
	if (r < 0)
		explain(fs, why, room);
	return r;
}

int mount_create(const char *type, const char *source, const char *options, uint64_t attributes)
{
	return mount_create_explained(type, source, options, attributes, NULL, 0);
}

static int set_attributes(int fd, struct mount_attr *attr, bool recursive)
{
	return sys_mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), attr);
}

int mount_restrict(int tree_fd, uint64_t set, uint64_t clear, bool recursive)
{
	struct mount_attr attr = { .attr_set = set, .attr_clr = clear };
	int r = set_attributes(tree_fd, &attr, recursive);

	return r == -ENOSYS ? mount_old_restrict(tree_fd, set, clear, recursive) : r;
}

int mount_map_ids(int tree_fd, int userns_fd, bool recursive)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = (uint64_t)userns_fd,
	};

	return set_attributes(tree_fd, &attr, recursive);
}

int mount_attach(int tree_fd, int target_fd)
{
	return sys_move_mount(tree_fd, "", target_fd, "",
			      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

int mount_attach_beneath(int tree_fd, int target_fd)
{
	return sys_move_mount(tree_fd, "", target_fd, "",
			      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH |
				      MOVE_MOUNT_BENEATH);
}

int mount_id(int fd, int *ret)
{
	char path[sizeof("/proc/self/fdinfo/-2147483648")], text[256], *at;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (file_read_line(text, sizeof(text), AT_FDCWD, path) < 0)
		return -EBADF;
	at = strstr(text, "mnt_id:");
	if (!at)
		return -EOPNOTSUPP;
	*ret = atoi(at + strlen("mnt_id:"));
	return 0;
}

/* Without STATX_ATTR_MOUNT_ROOT (Linux 5.8) or statx(2) (EINVAL is libc's imitation of it): a
 * directory is one if its parent is on another mount; of a file it cannot be told this way. */
static int is_point_by_parent(int fd)
{
	autoclose int parent = -EBADF;
	int here, above, r;

	parent = openat(fd, "..", O_PATH | O_CLOEXEC);
	if (parent < 0)
		return errno == ENOTDIR ? -EOPNOTSUPP : -errno;
	r = mount_id(fd, &here);
	if (r == 0)
		r = mount_id(parent, &above);
	return r < 0 ? r : here != above;
}

int mount_is_point(int fd)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, 0, &stx) < 0)
		return errno == ENOSYS || errno == EINVAL ? is_point_by_parent(fd) : -errno;
	if (!(stx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT))
		return is_point_by_parent(fd);
	return (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}
