/* plan/step - appending steps to the plan that is being built.
 *
 * What is true of every step of a kind is decided here once: which mounts are
 * locked, and whether a target lies in a file system that the plan made. Pure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plan/plan.h"

struct step_area {
	const char *path;
	bool ours; /* a tmpfs of ours; else the tree or something of the user's */
};

/* All that the modules of this folder share while a plan is built. */
struct planner {
	struct arena *arena;
	struct plan *plan;
	size_t room;
	const struct spec *spec;
	const struct host *host;
	const struct root_facts *root;
	const struct taken *taken;

	enum step_side side; /* of the steps added next */
	const char *reason;  /* likewise */

	bool userns;	  /* the payload has a user namespace of its own */
	bool rootless;	  /* no file system can be mapped, no device node made */
	bool own_network; /* a network namespace made for this container */
	bool read_only;	  /* the tree is not to be written */
	bool etc_writable;
	bool skip_proc_masks; /* nothing may cover parts of /proc */
	uint32_t mount_base;  /* what uid=0 of the container is in the options of a mount */

	struct step_area *areas; /* mounts so far, for step_own() */
	size_t areas_count;
};

#define STEP_API (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV)

/* The new step has the planner's side and reason; it may be changed until the next one is added. */
struct step *step_add(struct planner *p, enum step_kind kind, const char *target);

struct step *step_dir(struct planner *p, const char *target, mode_t mode);
struct step *step_link(struct planner *p, const char *target, const char *text);
struct step *step_file(struct planner *p, const char *target, mode_t mode, const char *text);
struct step *step_mount(struct planner *p, const char *type, const char *target,
			const char *options, uint64_t attributes);
struct step *step_bind(struct planner *p, const char *source, const char *target, uint64_t set);

/* A bind of what the container itself sees at SOURCE, with all mounts so far. */
struct step *step_bind_inside(struct planner *p, const char *source, const char *target,
			      uint64_t attributes);

/* Note that something was mounted at PATH; step_mount() and step_bind() do. */
void step_mounted(struct planner *p, const char *path, bool ours);

/* OPTIONS of a tmpfs (or NULL), with the owner and the label that the container needs. */
const char *step_tmpfs_options(struct planner *p, const char *options);

/* A tmpfs that this plan made is the file system at PATH so far. */
bool step_own(const struct planner *p, const char *path);

/* Who said it: OPTION, a line of the .nspawn file, or "default" where nobody spoke. */
const char *step_said(const struct planner *p, enum setting_group group, const char *option);

const char *step_kind_name(enum step_kind kind);
