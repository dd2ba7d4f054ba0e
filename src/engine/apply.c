#include "engine/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "engine/apply-step.h"
#include "io/fd.h"
#include "kernel/capability.h"
#include "kernel/probe.h"
#include "kernel/resolve.h"
#include "plan/plan.h"

/* Which function does which step. Kinds that are missing are done by other modules of the engine
 * (locks, ids, namespaces, the payload's attributes). */
static step_fn *const doers[STEP_KINDS] = {
	[STEP_ROOT] = apply_root,
	[STEP_LAYERS] = apply_layers,
	[STEP_VOLATILE_ROOT] = apply_volatile_root,
	[STEP_ROOT_OVERLAY] = apply_root_overlay,
	[STEP_PIVOT_TREE] = apply_pivot_tree,
	[STEP_MKDIR] = apply_mkdir,
	[STEP_SYMLINK] = apply_symlink,
	[STEP_NODE] = apply_node,
	[STEP_FILE] = apply_file,
	[STEP_COPY] = apply_copy,
	[STEP_REMOVE] = apply_remove,
	[STEP_MOUNT] = apply_mount,
	[STEP_BIND] = apply_bind,
	[STEP_OVERLAY] = apply_overlay,
	[STEP_RESTRICT] = apply_restrict,
	[STEP_CONSOLE] = apply_console,
	[STEP_NOTIFY] = apply_notify,
	[STEP_CREDENTIALS] = apply_credentials,
	[STEP_HIDE_HOST_MOUNTS] = apply_pins,
	[STEP_CHOWN_TREE] = apply_chown_tree,
	[STEP_JOURNAL_LINK] = apply_journal_link,
	[STEP_BIND_USER] = apply_bind_user,
};

void apply_init(struct apply *apply)
{
	*apply = (struct apply){
		.source_root_fd = -EBADF,
		.root_fd = -EBADF,
		.userns_fd = -EBADF,
		.tree_map_fd = -EBADF,
		.at_fd = -EBADF,
		.stage_fd = -EBADF,
		.cover_fd = -EBADF,
		.staged_fd = -EBADF,
		.devpts_fd = -EBADF,
		.console_master = -EBADF,
		.console_slave = -EBADF,
		.notify_fd = -EBADF,
		.last_parent_fd = -EBADF,
		.held = { -EBADF, -EBADF },
	};
}

void apply_release_mounts(struct apply *apply)
{
	fd_close(&apply->source_root_fd);
	fd_close(&apply->stage_fd);
	fd_close(&apply->cover_fd);
	fd_close(&apply->staged_fd);
	fd_close(&apply->at_fd);
	fd_close(&apply->devpts_fd);
	fd_close(&apply->last_parent_fd);
	for (int i = 0; i < apply->keep_count; i++)
		fd_close(&apply->keep[i]);
	apply->keep_count = 0;
	apply->root_fd = -EBADF;
}

void apply_done(struct apply *apply)
{
	apply_release_mounts(apply);
	fd_close(&apply->console_master);
	fd_close(&apply->console_slave);
	fd_close(&apply->notify_fd);
	for (int i = 0; i < apply->held_count; i++)
		fd_close(&apply->held[i]);
	apply->held_count = 0;
}

void apply_forget_parent(struct apply *apply)
{
	fd_close(&apply->last_parent_fd);
	apply->last_parent[0] = '\0';
}

int apply_take_root(struct apply *apply, int fd)
{
	if (apply->keep_count == (int)(sizeof(apply->keep) / sizeof(apply->keep[0])))
		return -EMFILE;
	apply->keep[apply->keep_count++] = fd;
	apply->root_fd = fd;
	apply_forget_parent(apply);
	return 0;
}

int apply_parent(struct apply *apply, const char *target, const char **ret_name)
{
	const char *slash = strrchr(target, '/');
	size_t length = slash == NULL ? 0 : (size_t)(slash - target);
	int fd;

	if (apply->last_parent_fd >= 0 && length > 0 && apply->last_parent[length] == '\0' &&
	    strncmp(apply->last_parent, target, length) == 0) {
		*ret_name = slash + 1;
		return apply->last_parent_fd;
	}

	fd = resolve_open_parent(apply->root_fd, target, ret_name);
	if (fd < 0)
		return fd;
	apply_forget_parent(apply);
	apply->last_parent_fd = fd;
	if (length > 0 && length < sizeof(apply->last_parent)) {
		memcpy(apply->last_parent, target, length);
		apply->last_parent[length] = '\0';
	}
	return fd;
}

static const char *likely_cause(const struct step *step, int r)
{
	switch (step->kind) {
	case STEP_MOUNT:
		if (strcmp(step->source, "proc") == 0 || strcmp(step->source, "sysfs") == 0)
			return probe_cause(PROBE_MOUNT_PROC, r);
		return probe_cause(PROBE_MOUNT, r);
	case STEP_OVERLAY:
	case STEP_LAYERS:
	case STEP_ROOT_OVERLAY: return probe_cause(PROBE_MOUNT_OVERLAY, r);
	case STEP_NODE: return probe_cause(PROBE_DEVICE_NODE, r);
	case STEP_SECCOMP: return probe_cause(PROBE_SYSTEM_CALLS, r);
	case STEP_EXEC: return probe_cause(PROBE_EXEC, r);
	case STEP_AFFINITY:
		return r == -EINVAL ? "this host has none of these processors to give" : NULL;
	default: return NULL;
	}
}

int apply_explain(struct apply *apply, const struct step *step, int r)
{
	const char *cause = likely_cause(step, r);

	if (fail_recorded()->code == 0)
		fail(r, "cannot %s", plan_describe(apply->arena, step));
	else if (step->kind != STEP_EXEC) /* which says itself what cannot be run */
		fail_in(r, "%s", plan_describe(apply->arena, step));
	if (cause != NULL)
		fail_hint("%s", cause);
	return r;
}

/* A step that may fail does so here: quietly, or with a warning. */
int apply_forgive(struct apply *apply, const struct step *step, int r)
{
	if (!(step->flags & (STEP_OPTIONAL | STEP_WARN)))
		return apply_explain(apply, step, r);
	if (step->flags & STEP_WARN)
		log_warning("cannot %s: %s, going on without", plan_describe(apply->arena, step),
			    fail_recorded()->code == 0 ? strerror(-r) : fail_recorded()->text);
	else if (log_level() >= LOG_LEVEL_DEBUG)
		log_debug("cannot %s: %s, going on without", plan_describe(apply->arena, step),
			  strerror(-r));
	fail_forget();
	return 0;
}

static int do_step(struct apply *apply, const struct step *step)
{
	int r;

	if (doers[step->kind] == NULL)
		return -ENOTSUP;
	if (log_level() >= LOG_LEVEL_DEBUG)
		log_debug("%s", plan_describe(apply->arena, step));
	r = doers[step->kind](apply, step);
	return r < 0 ? apply_forgive(apply, step, r) : 0;
}

/* setfsuid(2) takes the file capabilities away; capset(2) puts them back: new inodes are the
 * container root's, and the supervisor still reaches every source. */
static int act_as(uint32_t id)
{
	uint64_t all;
	int r;

	setfsgid(id);
	setfsuid(id);
	r = capability_get(NULL, &all, NULL);
	if (r < 0)
		return r;
	return capability_set(all, all, 0);
}

int apply_host(struct apply *apply)
{
	int r = 0, back;

	umask(0);
	if (apply->base != 0) {
		r = act_as(apply->base);
		if (r < 0)
			return fail(r, "cannot act as the container's root on files");
	}
	for (size_t i = 0; i < apply->plan->count && r >= 0; i++) {
		const struct step *step = &apply->plan->steps[i];

		if (step->side == SIDE_HOST)
			r = do_step(apply, step);
		if (r == -ENOTSUP && doers[step->kind] == NULL)
			r = fail_plain(r, "cannot do step '%s': nobody knows how",
				       plan_describe(apply->arena, step));
	}
	/* After a failure too: what follows removes things of the host. */
	back = apply->base != 0 ? act_as(0) : 0;
	if (back < 0 && r >= 0)
		r = fail(back, "cannot act as root on files again");
	umask(0022);
	apply_forget_parent(apply);
	return r;
}

int apply_payload_step(struct apply *apply, const struct step *step)
{
	return do_step(apply, step);
}
