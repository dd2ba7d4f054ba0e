#include "engine/spawn.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>

#include "base/fail.h"
#include "engine/ids.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/cgroup.h"
#include "kernel/namespace.h"
#include "kernel/probe.h"
#include "kernel/process.h"
#include "plan/plan.h"
#include "spec/spec.h"

unsigned long spawn_namespaces(const struct spec *spec, const struct taken *taken)
{
	unsigned long flags = 0;

	if (taken->userns != RUNG_NONE)
		flags |= CLONE_NEWUSER;
	if (!spec->share_pid)
		flags |= CLONE_NEWPID;
	return flags;
}

int spawn_payload(struct spawn *spawn, const struct spec *spec, const struct taken *taken,
		  int cgroup_fd)
{
	unsigned long flags = spawn_namespaces(spec, taken);
	bool attach = false;
	pid_t pid;

	pid = process_clone(flags, cgroup_fd, &spawn->pidfd);
	if (pid == -EOPNOTSUPP && cgroup_fd >= 0) {
		/* No CLONE_INTO_CGROUP: the payload waits for GO, so moving it now is early enough.
		 */
		attach = true;
		pid = process_clone(flags, -EBADF, &spawn->pidfd);
	}
	if (pid == 0)
		return 0;
	if (pid < 0) {
		const char *cause = probe_cause(PROBE_NAMESPACES, pid);

		fail(pid, "cannot make the container's namespaces");
		if (cause != NULL)
			fail_hint("%s", cause);
		return pid;
	}
	spawn->pid = pid;
	if (attach) {
		int r = cgroup_attach(cgroup_fd, pid);

		if (r < 0)
			return fail(r, "cannot move the payload into its cgroup");
	}
	return 1;
}

static int write_maps(struct arena *arena, int process, const struct taken *taken,
		      const struct ids *ids)
{
	int r = namespace_write_maps(process, own_ids_map_text(arena, ids->uids, ids->uid_count),
				     own_ids_map_text(arena, ids->gids, ids->gid_count),
				     taken->userns == RUNG_SINGLE);
	const char *cause;

	if (r >= 0)
		return 0;
	fail(r, "cannot write 'uid_map' and 'gid_map' of the payload");
	cause = probe_cause(PROBE_ID_MAPS, r);
	if (cause != NULL)
		fail_hint("%s", cause);
	return r;
}

int spawn_admit(struct arena *arena, struct spawn *spawn, const struct spec *spec,
		const struct taken *taken, const struct ids *ids)
{
	autoclose int process = -EBADF;
	char text[32];
	int r;

	if (taken->userns == RUNG_NONE && !spec->oom_score_set)
		return 0;

	/* The payload cannot be reaped before we wait for it, so its pid is not recycled. */
	process = namespace_open_process(spawn->pid);
	if (process < 0)
		return fail(process, "cannot open '/proc/%d'", spawn->pid);
	if (spec->oom_score_set) {
		/* From here: a bind of the user's may cover the container's own /proc (class S10).
		 */
		snprintf(text, sizeof(text), "%d", spec->oom_score);
		r = file_write(process, "oom_score_adj", text);
		if (r < 0)
			return fail(r,
				    "cannot set the OOM score to %s (lowering it needs "
				    "CAP_SYS_RESOURCE)",
				    text);
	}
	if (taken->userns == RUNG_NONE)
		return 0;
	r = write_maps(arena, process, taken, ids);
	if (r < 0)
		return r;
	r = namespace_open(process, "user");
	if (r < 0)
		return fail(r, "cannot open the payload's user namespace");
	spawn->userns_fd = r;
	return 0;
}

void spawn_done(struct spawn *spawn)
{
	fd_close(&spawn->pidfd);
	fd_close(&spawn->userns_fd);
}
