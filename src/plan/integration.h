/* plan/integration - what ties a container to its host: /run/host, resolv.conf, the time zone,
 * the journal. Pure. */
#pragma once

struct planner;

/* Everything below /run/host; it is still writable then, because other steps add to it. */
void integration_run_host(struct planner *p);

/* Files of the tree: after the user's mounts, which may have brought another /etc. */
void integration_etc(struct planner *p);

/* -EINVAL: the journal cannot be linked as asked. */
int integration_journal(struct planner *p);

/* /run/host becomes read-only: last of what is placed there. */
void integration_seal(struct planner *p);
