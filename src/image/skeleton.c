#include "image/skeleton.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/macros.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/resolve.h"

/* /usr, as a tree without one is taken for none at all; /nix, as a mount below it would make it
 * with an owner that is nobody inside. */
static const struct {
	const char *path;
	mode_t mode;
} directories[] = {
	{ "usr/bin", 0755 },	     { "etc", 0755 },  { "var/lib", 0755 },
	{ "var/lib/private", 0700 }, { "root", 0700 }, { "nix", 0755 },
};

static int make_directories(int top, const char *path, const struct resolve_owner *owner)
{
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		autoclose int fd = resolve_make_dir(top, directories[i].path, directories[i].mode,
						    owner);

		if (fd < 0)
			return fail(fd, "cannot make '%s' in '%s'", directories[i].path, path);
	}
	return 0;
}

/* An empty file, unless there is something of that name, a link that leads nowhere yet included. */
static int make_file(int etc, const char *name, const char *path, const struct resolve_owner *owner)
{
	autoclose int fd = openat(etc, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				  0644);

	if (fd < 0)
		return errno == EEXIST ? 0
				       : fail(-errno, "cannot make 'etc/%s' in '%s'", name, path);
	return fchown(fd, owner->uid, owner->gid) < 0
		       ? fail(-errno, "cannot give 'etc/%s' in '%s' to its owner", name, path)
		       : 0;
}

static int clear_link(int etc, const char *path)
{
	struct stat status;

	if (fstatat(etc, "resolv.conf", &status, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISLNK(status.st_mode))
		return 0;
	return unlinkat(etc, "resolv.conf", 0) < 0
		       ? fail(-errno, "cannot replace the link 'etc/resolv.conf' in '%s'", path)
		       : 0;
}

int skeleton_make(const char *path, bool clear_resolv_conf)
{
	autoclose int top = -EBADF, etc = -EBADF;
	struct resolve_owner owner;
	struct stat status;
	int r;

	r = dir_make_all(path, 0755);
	if (r < 0)
		return fail(r, "cannot make the directory '%s'", path);
	top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0 || fstat(top, &status) < 0)
		return fail(-errno, "cannot open '%s'", path);
	owner = (struct resolve_owner){ status.st_uid, status.st_gid };
	r = make_directories(top, path, &owner);
	if (r < 0)
		return r;
	etc = resolve_open(top, "etc", O_RDONLY | O_DIRECTORY);
	if (etc < 0)
		return fail(etc, "cannot open 'etc' in '%s'", path);
	r = make_file(etc, "os-release", path, &owner);
	if (r >= 0)
		r = make_file(etc, "machine-id", path, &owner);
	if (r >= 0 && clear_resolv_conf)
		r = clear_link(etc, path);
	return r;
}
