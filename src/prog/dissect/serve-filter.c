#include "prog/dissect/serve-filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include "base/macros.h"
#include "io/fd.h"
#include "kernel/seccomp-allow.h"

/* Whatever is not listed, here or among what everybody needs, fails with EPERM: no sockets,
 * namespaces, keys, signals, tracing, and nothing that changes names or mounts. Messages are sent
 * before it is the program. */
static const char *const allowed[] = {
	"splice",	   "vmsplice",	   "tee",	 "fsync",  "fdatasync",
	"sync_file_range", "ppoll_time64", "arch_prctl", "execve", "sendmsg",
};

static const int told[] = { SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(mount) };

/* Blocks are given back, not taken: those beyond the end of a file no limit counts. */
static int allow_holes(scmp_filter_ctx filter)
{
	const scmp_datum_t hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fallocate), 1,
				SCMP_A1(SCMP_CMP_EQ, hole));
}

int serve_filter(int *ret_listener)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = filter == NULL ? -ENOMEM : seccomp_allow_basics(filter);

	if (r >= 0)
		r = seccomp_allow(filter, allowed, ARRAY_SIZE(allowed));
	if (r >= 0)
		r = allow_holes(filter);
	for (size_t i = 0; i < ARRAY_SIZE(told) && r >= 0; i++) {
		r = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, told[i], 0);
		r = r == -EDOM ? 0 : r;
	}
	if (r >= 0)
		r = seccomp_load(filter);
	if (r >= 0)
		r = fd_duplicate(seccomp_notify_fd(filter));
	if (r >= 0)
		*ret_listener = r;
	seccomp_release(filter);
	return MIN(r, 0);
}

bool serve_filter_is_open(const struct seccomp_data *call)
{
	return call->nr == SCMP_SYS(open);
}

bool serve_filter_is_mount(const struct seccomp_data *call)
{
	return call->nr == SCMP_SYS(mount);
}
