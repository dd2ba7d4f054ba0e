/* prog/redd/apply-manager - the service manager follows what is current: what it starts with the
 * host, and on hosts with systemd all that it knows of a machine. Speaking. As prog/redd/apply.
 */
#pragma once

struct apply;
struct generation;

/* There is one; without it nothing could follow. */
int apply_manager_check(const struct apply *apply);

/* From what was to NOW: before anything starts or stops, since systemd has limits and dependencies
 * from there. Doing what an interrupted one did already does no harm. What somebody enabled or
 * disabled by hand stays while what is declared says the same. */
int apply_manager_follow(const struct apply *apply, const struct generation *now);
