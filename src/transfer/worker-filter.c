#include <errno.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/macros.h"
#include "kernel/seccomp-allow.h"
#include "transfer/worker-side.h"

/* Whatever is not listed, here or among what everybody needs, fails with EPERM: no sockets,
 * programs, namespaces, keys, signals to others, tracing, modules or clocks. */
static const char *const everybody[] = {
	"select",  "pselect6",	"epoll_create1", "epoll_ctl",	"epoll_wait", "epoll_pwait",
	"fstatfs", "fstatfs64", "statfs",	 "open",	"openat",     "openat2",
	"chdir",   "fchdir",	"sendmsg",	 "recvmsg",	"sendto",     "recvfrom",
	"send",	   "recv",	"getrusage",	 "getpriority",
};

static const char *const of_trees[] = {
	"mkdirat",   "mknodat",		 "unlinkat",  "renameat",  "renameat2",	 "linkat",
	"symlinkat", "fchmod",		 "fchmodat",  "fchmodat2", "fchown",	 "fchownat",
	"utimensat", "utimensat_time64", "fsetxattr", "fgetxattr", "flistxattr", "fremovexattr",
	"setxattr",  "lsetxattr",	 "getxattr",  "lgetxattr", "listxattr",	 "llistxattr",
};

static const char *const of_files[] = {
	"ftruncate",	   "ftruncate64",  "fallocate",
	"copy_file_range", "sendfile",	   "sendfile64",
	"splice",	   "vmsplice",	   "tee",
	"fsync",	   "fdatasync",	   "syncfs",
	"sync_file_range", "memfd_create",
};

static const char *const of_programs[] = {
	"execve",     "fork",	   "vfork",   "wait4",	    "waitid",  "waitpid",
	"arch_prctl", "prlimit64", "setpgid", "kill",	    "mkdir",   "unlink",
	"rename",     "rmdir",	   "chmod",   "link",	    "symlink", "unlinkat",
	"mkdirat",    "renameat2", "tgkill",  "pidfd_open",
};

static const char *const of_networks[] = {
	"connect",  "getsockopt", "setsockopt", "getsockname", "getpeername",
	"shutdown", "sendmmsg",	  "recvmmsg",	"bind",	       "accept4",
};

/* Shared blocks, and that new blocks are not copied on write. */
static int allow_ioctls(scmp_filter_ctx filter)
{
	static const unsigned int commands[] = { FICLONE, FICLONERANGE, FS_IOC_GETFLAGS,
						 FS_IOC_SETFLAGS, FIONREAD };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(commands) && r >= 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, commands[i]));
	return r;
}

/* Processes as well, but no namespaces: in one of its own a program would have capabilities. */
static int allow_processes(scmp_filter_ctx filter)
{
	const scmp_datum_t spaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
				    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				SCMP_A0(SCMP_CMP_MASKED_EQ, spaces, 0));
}

/* A pair that is connected for good: one of datagrams could speak to others, too. */
static int allow_pairs(scmp_filter_ctx filter)
{
	const scmp_datum_t type = 0xf; /* without SOCK_CLOEXEC and the like */

	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1,
				SCMP_A1(SCMP_CMP_MASKED_EQ, type, SOCK_STREAM));
}

/* A netlink socket for the question which addresses there are. No UNIX ones: those with abstract
 * names are the host's as long as the network is. */
static int allow_sockets(scmp_filter_ctx filter)
{
	static const int families[] = { AF_INET, AF_INET6 };
	int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
				 SCMP_A0(SCMP_CMP_EQ, AF_NETLINK),
				 SCMP_A2(SCMP_CMP_EQ, NETLINK_ROUTE));

	for (size_t i = 0; i < ARRAY_SIZE(families) && r >= 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
	return r;
}

int worker_filter(enum worker_view view)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r;

	if (filter == NULL)
		return -ENOMEM;
	r = seccomp_allow_basics(filter);
	if (r >= 0)
		r = seccomp_allow(filter, everybody, ARRAY_SIZE(everybody));
	if (r >= 0)
		r = seccomp_allow(filter, of_files, ARRAY_SIZE(of_files));
	if (r >= 0)
		r = allow_ioctls(filter);
	if (r >= 0 && view == WORKER_SEES_TREE)
		r = seccomp_allow(filter, of_trees, ARRAY_SIZE(of_trees));
	if (r >= 0 && view == WORKER_SEES_PROGRAMS)
		r = seccomp_allow(filter, of_programs, ARRAY_SIZE(of_programs));
	if (r >= 0 && view == WORKER_SEES_PROGRAMS)
		r = allow_processes(filter);
	if (r >= 0 && view == WORKER_SEES_NETWORK)
		r = seccomp_allow(filter, of_networks, ARRAY_SIZE(of_networks));
	if (r >= 0 && view == WORKER_SEES_NETWORK)
		r = allow_sockets(filter);
	if (r >= 0 && (view == WORKER_SEES_NETWORK || view == WORKER_SEES_PROGRAMS))
		r = allow_pairs(filter);
	if (r >= 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}
