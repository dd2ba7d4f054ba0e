/* engine/container - all that one container is while it is supervised, and the steps that make its
 * payload: 7 to 10 of ARCHITECTURE.md.
 *
 * Shared by the files that do a container's life: run (its order), start (a payload), handover (to
 * another supervisor). Runs in: supervisor; container_start() returns there only. Speaking.
 */
#pragma once
#include "base/arena.h"
#include "engine/apply.h"
#include "engine/channel.h"
#include "engine/guest-users-bind.h"
#include "engine/health.h"
#include "engine/resources.h"
#include "engine/root.h"
#include "engine/spawn.h"
#include "kernel/seccomp.h"
#include "machine/console.h"
#include "machine/guest-users.h"
#include "net/userspace.h"
#include "plan/plan.h"

struct run_request;

struct container {
	struct arena *arena;
	const struct run_request *request;
	struct spec *spec;
	struct host host;
	struct root root;
	struct resources resources;
	struct arena scratch; /* what one start needs: the plan and all that is made from it */
	struct plan plan;
	struct guest_user user;
	struct guest_users_bound users;
	struct seccomp_filter filter;
	int stub_fd;
	int gate_fd;		 /* borrowed, for the first start only */
	int holder_fd;		 /* --on-supervisor-death=keep: pidfd of engine/keep's process */
	unsigned int holders;	 /* how many were made in place of one that was killed */
	bool keep_noted;	 /* and the record knows of its directory */
	bool restored;		 /* from a state: spec and facts are only what supervising needs */
	bool adopted;		 /* the payload is not our child */
	bool stopping;		 /* restored while it was asked to stop */
	int leaving_fd;		 /* pidfd of what was its network (net/userspace), not reaped yet */
	struct userspace uplink; /* between two starts (engine/network-uplink) */
	struct text_list network_notes; /* what engine/network has in the record */

	/* of one start */
	struct channel channel;
	struct spawn spawn;
	struct apply apply;
	struct console console;
	struct network *network; /* NULL: no links */
	struct health_watch health;
};

/* The plan of the next start, unless there is one. */
int container_plan(struct container *container);

/* Nothing of it is needed while the container runs; a further start makes its own. */
void container_forget_plan(struct container *container);

/* What can be looked up again, below the open tree: users, journal, filter, stub. */
int container_gather(struct container *container);

/* From the plan to a payload that may run its program. */
int container_start(struct container *container);
