/* engine/spawn - makes the payload process and gives it its identities.
 *
 * Runs in: supervisor (spawn_payload returns twice, as fork does).
 * After spawn_payload(): the payload exists in its own user, pid, ipc, uts and
 * network namespaces (as asked), in its cgroup, and waits on the channel; its
 * mount and cgroup namespaces are still the supervisor's.
 * After spawn_admit(): its id maps are written; spawn->userns_fd can map mounts.
 */
#pragma once
#include <sys/types.h>

struct spec;
struct taken;

struct spawn {
	pid_t pid;
	int pidfd;
	int userns_fd; /* -EBADF: no user namespace */
};

/* 0 in the payload, 1 in the supervisor, negative: a sentence is recorded. */
int spawn_payload(struct spawn *spawn, const struct spec *spec, const struct taken *taken,
		  int cgroup_fd);
struct arena;
struct ids;
int spawn_admit(struct arena *arena, struct spawn *spawn, const struct spec *spec,
		const struct taken *taken, const struct ids *ids);
void spawn_done(struct spawn *spawn);

/* CLONE_NEW* that must be there from the start; the payload makes the others itself. */
unsigned long spawn_namespaces(const struct spec *spec, const struct taken *taken);
