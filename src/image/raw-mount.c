#include "image/raw-mount.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "image/raw-serve.h"
#include "image/raw.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/mount.h"
#include "kernel/resolve.h"
#include "kernel/uapi.h"

/* When nothing may be written, a journal is left as it is. Two copies of an xfs have one UUID. What
 * files no longer need, the image gives back. What ext4 does about damage would be the image's to
 * say otherwise, and it may say that the host is to panic. */
static const struct {
	const char *writable, *read_only;
} options[SUPERBLOCK_TYPES] = {
	[SUPERBLOCK_EXT4] = { "discard,errors=remount-ro", "ro,norecovery,errors=remount-ro" },
	[SUPERBLOCK_BTRFS] = { "discard", "ro,rescue=nologreplay" },
	[SUPERBLOCK_XFS] = { "discard,nouuid", "ro,norecovery,nouuid" },
	[SUPERBLOCK_SQUASHFS] = { "ro", "ro" },
	[SUPERBLOCK_EROFS] = { "ro", "ro" },
	[SUPERBLOCK_F2FS] = { "discard", "ro,norecovery" },
	[SUPERBLOCK_VFAT] = { "fmask=0177,dmask=0077", "ro,fmask=0177,dmask=0077" },
};

bool raw_mount_writes(const struct raw *raw, int role)
{
	const struct disk_part *part = &raw->disk.parts[role];

	return part->type != SUPERBLOCK_NONE && !raw->read_only && !part->read_only &&
	       !text_equal(options[part->type].writable, "ro");
}

static uint64_t attributes_of(enum disk_role role)
{
	switch (role) {
	case DISK_ROOT:
	case DISK_USR: return 0; /* the plan's, as of a directory */
	case DISK_TMP: return MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID;
	case DISK_XBOOTLDR:
	case DISK_ESP:
		return MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC |
		       MOUNT_ATTR_NOSYMFOLLOW;
	default: return MOUNT_ATTR_NODEV;
	}
}

static int device_path(char *ret, size_t room, int fd)
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, ret, room - 1);
	if (n < 0)
		return -errno;
	ret[n] = '\0';
	return 0;
}

static int make_served(struct raw *raw, enum disk_role role, const char *path)
{
	autoarena struct arena arena = { 0 };
	const struct raw_serve_request request = {
		.servers = &raw->servers,
		.part = &raw->disk.parts[role],
		.read_only = !raw_mount_writes(raw, role),
		.attributes = attributes_of(role),
		.role = disk_role_name(role),
		.path = path,
		.dissect = raw_find_dissect(&arena),
	};

	return raw_serve(&arena, &request);
}

static int make_instance(struct raw *raw, enum disk_role role, const char *path)
{
	const struct disk_part *part = &raw->disk.parts[role];
	bool read_only = raw->read_only || part->read_only;
	const char *type = superblock_name(part->type);
	char device[64], why[128] = "";
	int tree;

	if (raw->served)
		return make_served(raw, role, path);
	tree = device_path(device, sizeof(device), raw->loops[role]);
	if (tree == 0)
		tree = mount_create_explained(type, device,
					      read_only ? options[part->type].read_only
							: options[part->type].writable,
					      attributes_of(role), why, sizeof(why));
	if (tree >= 0)
		return tree;
	if (tree == -ENODEV)
		return fail_plain(tree,
				  "cannot mount the %s file system of the disk image '%s': this "
				  "kernel has no %s",
				  disk_role_name(role), path, type);
	if (tree == -EINVAL && raw->verity.hash != NULL && raw->verity.role == role)
		return fail_plain(tree,
				  "cannot mount the %s file system of the disk image '%s' (its "
				  "blocks have to be at least as large as those that are verified, "
				  "%" PRIu32 " bytes: try 'veritysetup format --data-block-size=')",
				  disk_role_name(role), path, raw->verity.tree.data_block);
	return fail_plain(tree, "cannot mount the %s file system of the disk image '%s': %s%s%s",
			  disk_role_name(role), path, strerror(-tree), why[0] ? ": " : "", why);
}

static int any_entry(int dir_fd, const char *name, unsigned char type, void *context)
{
	(void)dir_fd;
	(void)name;
	(void)type;
	(void)context;
	return 1;
}

/* A directory of the tree that has nothing in it: the descriptor; -ENOENT: it is not there. */
static int open_empty(int root_fd, const char *where)
{
	autoclose int fd = resolve_open(root_fd, where, O_RDONLY | O_DIRECTORY);
	int r;

	if (fd < 0)
		return fd;
	r = dir_walk(fd, any_entry, NULL);
	if (r == 0 && mount_is_point(fd) > 0)
		r = 1;
	return r == 0 ? take_fd(&fd) : r < 0 ? r : -EEXIST;
}

static int make_place(int root_fd, const char *where)
{
	struct resolve_owner owner;
	struct stat st;

	if (fstat(root_fd, &st) < 0)
		return -errno;
	owner = (struct resolve_owner){ st.st_uid, st.st_gid };
	return resolve_make_dir(root_fd, where, 0755, &owner);
}

/* As the specification says: of the two, xbootldr comes first to /boot. */
static int open_boot_place(int root_fd, enum disk_role role)
{
	int fd = open_empty(root_fd, "/boot");

	if (fd == -ENOENT && role == DISK_XBOOTLDR)
		return make_place(root_fd, "/boot");
	if (fd >= 0 || role == DISK_XBOOTLDR)
		return fd;
	fd = open_empty(root_fd, "/efi");
	return fd == -ENOENT ? make_place(root_fd, "/efi") : fd;
}

/* What only firmware reads is shown where there is room, and is never a reason not to start. */
static int mount_boot(struct raw *raw, int root_fd, enum disk_role role, const char *path)
{
	autoclose int target = open_boot_place(root_fd, role);
	autoclose int tree = target < 0 ? target : make_instance(raw, role, path);

	if (target < 0)
		return 0;
	if (tree < 0 || mount_attach(tree, target) < 0) {
		log_debug("the %s partition of '%s' is left out", disk_role_name(role), path);
		fail_forget();
	}
	return 0;
}

static int mount_part(struct raw *raw, int root_fd, enum disk_role role, const char *path)
{
	const char *where = disk_role_path(role);
	autoclose int target = -EBADF, tree = -EBADF;
	int r;

	if (where == NULL)
		return mount_boot(raw, root_fd, role, path);
	tree = make_instance(raw, role, path);
	if (tree < 0)
		return tree;
	target = make_place(root_fd, where);
	if (target == -EROFS && raw->plan)
		return 0;
	if (target < 0)
		return fail_plain(target,
				  "cannot mount the %s file system of the disk image '%s': there "
				  "is no directory '%s' in its root, and none can be made: %s",
				  disk_role_name(role), path, where, strerror(-target));
	r = mount_attach(tree, target);
	return r < 0 ? fail(r, "cannot mount the %s file system of the disk image '%s'",
			    disk_role_name(role), path)
		     : 0;
}

static int mount_all(struct raw *raw, const char *place, const char *path)
{
	autoclose int root = -EBADF, at = -EBADF;
	int r = 0;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return fail(-errno, "cannot make the mounts private");
	at = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
	root = make_instance(raw, DISK_ROOT, path);
	if (root < 0)
		return root;
	r = at < 0 ? -ENOENT : mount_attach(root, at);
	if (r < 0)
		return fail(r, "cannot attach the tree of the disk image '%s'", path);
	for (int role = DISK_ROOT + 1; role < DISK_ROLES && r >= 0; role++)
		if (raw->loops[role] >= 0)
			r = mount_part(raw, root, (enum disk_role)role, path);
	raw->mounts_fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (r >= 0 && raw->mounts_fd < 0)
		r = fail(-errno, "cannot open the mount namespace of the disk image");
	return r < 0 ? r : take_fd(&root);
}

/* Without root nobody can return to the host's mount namespace, so there has to be one before that
 * is ours. */
static int open_own_mounts(void)
{
	int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	if (own < 0 || setns(own, CLONE_NEWNS) == 0 || errno != EPERM)
		return own;
	fd_close(&own);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	return open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
}

int raw_mount(struct raw *raw, const char *place, const char *path)
{
	autoclose int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int own = open_own_mounts();
	int root = 0;

	if (own < 0)
		return fail(-errno, "cannot open our own mount namespace");
	/* Also after a start that has just ended: what served that one has to write first. */
	if (raw->served)
		root = raw_servers_begin(&raw->servers, raw->loops[DISK_ROOT], raw->read_only,
					 raw->plan, path);
	if (root < 0)
		return root;
	if (unshare(CLONE_NEWNS) < 0)
		return fail(-errno, "cannot make a mount namespace for the disk image '%s'", path);
	root = mount_all(raw, place, path);
	/* A user may be where he may not look; then nothing is looked for from there. */
	if (setns(own, CLONE_NEWNS) < 0 || (here < 0 ? chdir("/") : fchdir(here)) < 0) {
		fd_close(&root);
		return fail(-errno, "cannot return to the host's mount namespace");
	}
	raw_limit(raw);
	if (root < 0) {
		raw_rest(raw);
		raw_servers_end(&raw->servers);
	}
	return root;
}
