#include "machine/enter-shield.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fail.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/mount.h"
#include "machine/enter.h"
#include "machine/find.h"

extern char **environ;

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static bool is_read_only(int program)
{
	struct statvfs fs;

	return fstatvfs(program, &fs) == 0 && fs.f_flag & ST_RDONLY;
}

/* Our mounts once more, all read-only but /proc, which nobody maps, and where we have to tell the
 * kernel about ourselves. What is opened already stays as it is. */
static int close_view(void)
{
	autoclose int root = -EBADF, proc = -EBADF;
	int r;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return -errno;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || proc < 0)
		return -errno;
	r = mount_restrict(root, MOUNT_ATTR_RDONLY, 0, true);
	return r < 0 ? r : mount_restrict(proc, 0, MOUNT_ATTR_RDONLY, false);
}

/* By its path: /proc/self/exe would lead to the mount that can be written. */
static int run_from_view(char *const *arguments)
{
	char path[4096];
	ssize_t length;
	int r;

	length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (length < 0)
		return -errno;
	path[length] = '\0';
	r = close_view();
	if (r < 0)
		return r;
	execve(path, arguments, environ);
	return -errno;
}

static int run_copy(int program, char *const *arguments)
{
	autoclose int copy = -EBADF;
	int r;

	copy = memfd_create("machinectl", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (copy < 0)
		return -errno;
	r = file_copy_fd(copy, program);
	if (r < 0)
		return r;
	if (fcntl(copy, F_ADD_SEALS, SEALS) < 0)
		return -errno;
	fexecve(copy, arguments, environ);
	return -errno;
}

int enter_shield(const struct enter *enter, char *const *arguments)
{
	autoclose int program = -EBADF;
	struct stat st;
	int r;

	if (!enter->shares_ids)
		return 0;
	program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (program < 0 || fstat(program, &st) < 0)
		return fail(-errno, "cannot open this program");
	if (geteuid() == 0) {
		if (is_read_only(program))
			return 0;
		r = run_from_view(arguments);
	} else {
		/* What the user cannot write, the user's guest cannot either. */
		if (st.st_uid != geteuid() || fcntl(program, F_GET_SEALS) == SEALS)
			return 0;
		r = run_copy(program, arguments);
	}
	return fail(r, "cannot protect this program from machine '%s'", enter->machine->name);
}
