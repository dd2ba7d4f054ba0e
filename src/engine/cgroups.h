/* engine/cgroups - the payload's own cgroup, wherever this host allows one.
 *
 * Without systemd: redd/NAME/payload at the top of the v2 hierarchy. On a
 * systemd host: in a scope (engine/scope), or below the caller's own cgroup. With --keep-unit: that
 * unit itself, as PAYLOAD beside SUPERVISOR. Without permission, or without v2: none. One that
 * is there already with processes in it is an error.
 * Runs in: supervisor. Speaking.
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

struct resources;
struct spec;

/* Fill resources->taken.cgroup and .cgroup_path; unless DRY make it. What is in a scope is made
 * when that is there, by scope_enter(). */
int cgroups_take(struct resources *resources, const struct spec *spec, unsigned int uid, bool dry);

/* Before the private mounts are made: a fresh sysfs may cover the hierarchy there. For the next of
 * the two that follow. */
void cgroups_hold_root(struct resources *resources);

/* For engine/scope: the payload's cgroup in the scope at PATH, or below our own, with PID in it. */
int cgroups_enter_scope(struct resources *resources, const struct spec *spec, const char *path,
			pid_t pid);
int cgroups_enter_own(struct resources *resources, const struct spec *spec, pid_t pid);

/* While the payload enters its tree: pass controllers on to an init, and give the delegated files
 * to the container's root. */
int cgroups_complete(struct resources *resources, const struct spec *spec);

/* Hold no descriptor while the container runs; cgroups_kill() and cgroups_release() open again
 * what they need, and only what is still the same directory. */
void cgroups_rest(struct resources *resources);

/* For a further start: the payload's cgroup is made anew, without what the last one left in it (its
 * own groups, whose controllers would keep a process out). */
int cgroups_renew(struct resources *resources);

/* Kill all that is in the payload's cgroup. */
void cgroups_kill(struct resources *resources);

void cgroups_release(struct resources *resources);
