#include "kernel/seccomp-allow.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>

#include "base/macros.h"

static const char *const basics[] = {
	"read",
	"write",
	"readv",
	"writev",
	"pread64",
	"pwrite64",
	"preadv",
	"pwritev",
	"lseek",
	"_llseek",
	"close",
	"close_range",
	"dup",
	"dup2",
	"dup3",
	"pipe",
	"pipe2",
	"poll",
	"ppoll",
	"eventfd2",
	"fcntl",
	"fcntl64",
	"fstat",
	"fstat64",
	"stat",
	"lstat",
	"newfstatat",
	"fstatat64",
	"statx",
	"access",
	"faccessat",
	"faccessat2",
	"getdents64",
	"readlink",
	"readlinkat",
	"getcwd",
	"umask",
	"mmap",
	"mmap2",
	"munmap",
	"mprotect",
	"mremap",
	"madvise",
	"brk",
	"rt_sigaction",
	"rt_sigprocmask",
	"rt_sigreturn",
	"sigreturn",
	"sigaltstack",
	"futex",
	"futex_time64",
	"clock_gettime",
	"clock_gettime64",
	"clock_getres",
	"clock_nanosleep",
	"nanosleep",
	"gettimeofday",
	"time",
	"getpid",
	"gettid",
	"getppid",
	"getuid",
	"geteuid",
	"getgid",
	"getegid",
	"getrandom",
	"exit",
	"exit_group",
	"set_robust_list",
	"rseq",
	"sched_yield",
	"sched_getaffinity",
	"getrlimit",
	"ugetrlimit",
	"set_tid_address",
	"restart_syscall",
	"uname",
	"sysinfo",
	"getcpu",
	"membarrier",
	"fadvise64",
	"fadvise64_64",
};

int seccomp_allow(void *filter, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int number = seccomp_syscall_resolve_name(names[i]), r;

		if (number == __NR_SCMP_ERROR)
			continue;
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
		if (r < 0 && r != -EDOM)
			return r;
	}
	return 0;
}

/* Threads, but no processes. clone3(2) hides its flags, and libc does without. */
static int allow_threads(scmp_filter_ctx filter)
{
	int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				 SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD | CLONE_NEWUSER,
					 CLONE_THREAD));

	if (r >= 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (r >= 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
				     SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
	if (r >= 0) /* asked for by libc, never set */
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
				     SCMP_A2(SCMP_CMP_EQ, 0));
	return r;
}

int seccomp_allow_basics(void *filter)
{
	int r = seccomp_allow(filter, basics, ARRAY_SIZE(basics));

	return r < 0 ? r : allow_threads(filter);
}
