/* engine/apply - does what the plan says, step by step.
 *
 * Runs in: supervisor for host steps (in its private mount namespace, while
 * the payload waits), payload for payload steps (in the container's namespaces).
 * Host steps act as the container's root in the file system (fsuid is
 * taken.base) with the supervisor's capabilities: what they make belongs to the
 * container, on an idmapped tree, a shifted one or a file system of ours alike,
 * and nothing is ever chowned.
 * Every path in the tree is resolved below a descriptor (kernel/resolve).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct arena;
struct plan;
struct root;
struct spec;
struct step;
struct guest_users_bound;

struct apply {
	struct arena *arena;
	const struct spec *spec;
	const struct plan *plan;

	int source_root_fd; /* the locked tree as reached in this mount namespace */
	int root_fd; /* what the container sees as "/"; changes as roots are stacked. Borrowed from
			keep[] */
	int userns_fd;	 /* borrowed; -EBADF: none */
	int tree_map_fd; /* borrowed: user namespace whose map the tree's owners go through */
	int at_fd;	 /* directory where the tree is attached: ours, in the private namespace */
	bool map_tree;	 /* the tree's owners are mapped */
	bool can_map;	 /* mounts can be mapped at all: root, and a user namespace */
	uint32_t base;	 /* host id of the container's root */
	uint32_t range;

	int stage_fd;  /* payload: a directory of the host's tree, until that is left */
	int staged_fd; /* payload: the instance of STEP_STAGE */
	int devpts_fd;
	int console_master, console_slave;
	unsigned int console_number;
	int notify_fd;

	/* Fresh directories for binds and overlays with an empty source: removed at the end. */
	int (*make_temporary)(void *context, char **ret_path);
	/* A path beside BESIDE that carries the record's tag, noted before it is made. */
	int (*plan_temporary)(void *context, const char *beside, char **ret_path);
	void *context;

	/* The parent directory of the last target: steps come grouped by directory. */
	char last_parent[256];
	int last_parent_fd;
	int keep[8]; /* roots */
	int keep_count;
	int cover_fd; /* of cover_source */
	const char *cover_source;
	int held[2]; /* opened for as long as the container runs (the kernel log's FIFO) */
	int held_count;
	const struct root *root;
	const struct guest_users_bound *users; /* --bind-user= */
};

void apply_init(struct apply *apply);
void apply_done(struct apply *apply);

/* After GO: close all but what the supervisor keeps (notify socket, what was held open, the
 * console's slave). */
void apply_release_mounts(struct apply *apply);

/* All host steps, in order. On failure the sentence names the step and its reason. */
int apply_host(struct apply *apply);

/* One payload step of the mount kinds; -ENOTSUP: not a kind of this module. */
int apply_payload_step(struct apply *apply, const struct step *step);

/* A step's failure R, which is forgiven (0) with a debug line or a warning if the step says so. */
int apply_forgive(struct apply *apply, const struct step *step, int r);

/* Put "step (reason)" before the recorded sentence. */
int apply_explain(struct apply *apply, const struct step *step, int r);
