#include "engine/cgroups.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"
#include "bus/systemd.h"
#include "engine/limits.h"
#include "engine/resources.h"
#include "engine/scope.h"
#include "image/raw-serve.h"
#include "io/fd.h"
#include "kernel/cgroup.h"
#include "kernel/probe.h"
#include "spec/spec.h"

#define REMOVE_TIMEOUT_MS 5000

/* Where ours goes, as a path below the v2 hierarchy ("" is its top), and by which rung. */
struct place {
	enum cgroup_rung rung;
	const char *below;  /* exists */
	const char *group;  /* made first, shared by all machines; NULL: none */
	const char *name;   /* made for this machine; NULL: the payload's alone */
	bool is_supervisor; /* --keep-unit: the manager put us where we belong */
};

/* A cgroup below the one that the caller is in, or with --keep-unit that one. */
static int choose_own(struct arena *arena, struct place *ret, const struct spec *spec)
{
	char own[4096] = "/";
	char *end;
	int r;

	r = cgroup_process_path(own, sizeof(own), 0);
	if (r < 0)
		return r;
	if (spec->keep_unit) {
		end = strrchr(own, '/');
		*ret = (struct place){ .rung = CGROUP_UNIT };
		if (strcmp(end, "/supervisor") == 0) {
			*end = '\0';
			ret->is_supervisor = true;
		}
		ret->below = arena_text(arena, own[0] == '\0' ? "" : own + 1);
		return 0;
	}
	*ret = (struct place){ CGROUP_OWN, arena_text(arena, own + 1), NULL,
			       arena_format(arena, "redd-%s", spec->machine), false };
	return 0;
}

static int choose(struct arena *arena, struct place *ret, const struct spec *spec, bool top)
{
	if (!top)
		return choose_own(arena, ret, spec);
	*ret = (struct place){ CGROUP_OWN, "", "redd", spec->machine, false };
	return 0;
}

static char *path_of(struct arena *arena, const struct place *place)
{
	return arena_format(arena, "/%s%s%s%s%s%spayload", place->below,
			    *place->below != '\0' ? "/" : "",
			    place->group == NULL ? "" : place->group,
			    place->group == NULL ? "" : "/", place->name == NULL ? "" : place->name,
			    place->name == NULL ? "" : "/");
}

/* Open (or make) the directory that will hold ours. */
static int open_parent(int root, const struct place *place)
{
	autoclose int below = -EBADF;
	int fd;

	below = openat(root, *place->below == '\0' ? "." : place->below,
		       O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (below < 0)
		return -errno;
	if (place->group == NULL)
		return take_fd(&below);
	/* Controllers were enabled when the group was made. */
	fd = openat(below, place->group, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 || errno != ENOENT)
		return fd < 0 ? -errno : fd;
	fd = cgroup_make(below, place->group, false);
	if (fd >= 0) {
		cgroup_enable_all(below);
		cgroup_enable_all(fd);
	}
	return fd;
}

/* A leftover of the same name is empty: its machine was reaped, or its record would be held. */
static int make_own(int parent, const char *name)
{
	int fd = cgroup_make(parent, name, true), r;

	if (fd != -EEXIST)
		return fd;
	r = cgroup_remove(parent, name, 0);
	if (r < 0)
		return r;
	return cgroup_make(parent, name, true);
}

static bool wants_controllers(const struct spec *spec)
{
	bool wanted = spec->start == START_BOOT || spec->nesting, asked;

	for (size_t i = 0; i < spec->properties.count; i++) {
		const char *value = text_after(spec->properties.items[i], "Delegate=");

		if (value != NULL && parse_bool(&asked, value) >= 0)
			wanted = wanted || asked;
	}
	return wanted;
}

/* Only for who manages cgroups inside: on a host at rest the kernel waits for all processors with
 * that, some 10 ms, which is several times a start. What is limited from here needs none. */
static void pass_controllers_on(int fd, const struct spec *spec)
{
	if (wants_controllers(spec))
		cgroup_enable_all(fd);
}

/* What shows the tree is held by the machine's limits too, and is nothing of the guest's. */
static void hold_servers(struct resources *resources, int parent)
{
	autoclose int group = -EBADF;
	int r;

	if (resources->servers->process_count == 0)
		return;
	group = cgroup_make(parent, RECORD_SERVED, false);
	r = group < 0 ? group : raw_servers_move(resources->servers, group);
	resources->holds_servers = group >= 0;
	if (r < 0)
		log_debug("what shows the disk image stays in its cgroup: %s", strerror(-r));
}

/* The unit's own cgroup must be without processes to pass controllers on, so we move down too, and
 * with us what serves a disk image already. Else the others there, of a session, are not ours. */
static int make_in_unit(struct resources *resources, const struct spec *spec, int *parent,
			const struct place *place)
{
	autoclose int supervisor = -EBADF;
	int r;

	resources->cgroup_fd = cgroup_make(*parent, "payload", false);
	if (resources->cgroup_fd < 0)
		return resources->cgroup_fd;
	resources->unit_fd = take_fd(parent);
	if (!place->is_supervisor) {
		supervisor = cgroup_make(resources->unit_fd, "supervisor", false);
		if (supervisor < 0)
			return supervisor;
		r = cgroup_attach(supervisor, 0);
		if (r >= 0 && spec->image != NULL)
			r = cgroup_move_all(resources->unit_fd, supervisor);
		if (r < 0)
			return r;
		resources->moved_down = true;
	}
	pass_controllers_on(resources->unit_fd, spec);
	return 0;
}

static int make(struct resources *resources, const struct spec *spec, int root,
		const struct place *place)
{
	autoclose int parent = -EBADF;
	autoclose int own = -EBADF;
	char inode[24];
	int r;

	parent = open_parent(root, place);
	if (parent < 0)
		return parent;
	if (place->rung == CGROUP_UNIT)
		return make_in_unit(resources, spec, &parent, place);

	r = record_note(&resources->record, RECORD_CGROUP,
			arena_format(resources->arena, "%.*s",
				     (int)(strlen(resources->taken.cgroup_path) -
					   strlen("/payload")),
				     resources->taken.cgroup_path));
	if (r < 0)
		return r;
	own = make_own(parent, place->name);
	if (own < 0)
		return own;
	resources->cgroup_parent_fd = take_fd(&parent);
	resources->cgroup_name = place->name;
	snprintf(inode, sizeof(inode), "%llu", (unsigned long long)cgroup_inode(own));
	/* At once: without it, only an empty group may be taken away after a crash. */
	r = record_note(&resources->record, RECORD_CGROUP_ID, inode);
	if (r < 0)
		return r;
	resources->cgroup_fd = cgroup_make(own, "payload", true);
	if (resources->cgroup_fd < 0)
		return resources->cgroup_fd;
	hold_servers(resources, own);
	return 0;
}

/* Not a host without cgroups: to go on without one would only hide whose processes those are. */
static int refuse_populated(struct resources *resources)
{
	const char *path = resources->taken.cgroup_path;
	int length = (int)(strlen(path) - strlen("/payload"));

	return fail_plain(-EBUSY,
			  "cannot make the cgroup '%s%.*s': it exists and there are processes in "
			  "it (end them, or choose another name with --machine=)",
			  resources->cgroup_mount, length, path);
}

static int refuse_unit(int code)
{
	const char *cause = probe_cause(PROBE_CGROUP, code);

	fail(code, "cannot make 'payload' and 'supervisor' in the caller's cgroup");
	if (cause != NULL)
		fail_hint("%s", cause);
	return code;
}

static void take_none(struct resources *resources, int code)
{
	resources->taken.cgroup = CGROUP_NONE;
	resources->taken.cgroup_path = NULL;
	log_debug("no cgroup for the payload: %s", strerror(-code));
	cgroups_release(resources);
}

void cgroups_hold_root(struct resources *resources)
{
	fd_close(&resources->cgroup_root_fd);
	/* Who needs it says why there is none. */
	(void)cgroup_open_root(&resources->cgroup_root_fd, &resources->cgroup_mount);
}

static int open_root(int *ret, struct resources *resources)
{
	if (resources->cgroup_root_fd < 0)
		return cgroup_open_root(ret, &resources->cgroup_mount);
	*ret = take_fd(&resources->cgroup_root_fd);
	return 0;
}

/* TOP: ours is at the top of the hierarchy, not below the caller's. */
static int take(struct resources *resources, const struct spec *spec, bool top, bool dry)
{
	autoclose int root = -EBADF;
	struct place place;
	int r;

	r = open_root(&root, resources);
	if (r >= 0)
		r = choose(resources->arena, &place, spec, top);
	if (r >= 0) {
		resources->taken.cgroup = place.rung;
		resources->taken.cgroup_path = path_of(resources->arena, &place);
		r = dry ? 0 : make(resources, spec, root, &place);
	}
	if (r >= 0)
		return limits_take(resources, spec, dry);
	if (r == -EBUSY && resources->taken.cgroup == CGROUP_OWN)
		return refuse_populated(resources);
	if (spec->keep_unit && r != -ENOENT)
		return refuse_unit(r);
	take_none(resources, r);
	return limits_take(resources, spec, dry);
}

int cgroups_take(struct resources *resources, const struct spec *spec, unsigned int uid, bool dry)
{
	bool systemd = !spec->keep_unit && systemd_is_running();
	const char *scope;
	int r;

	resources->taken.cgroup = CGROUP_NONE;
	resources->scope_of_user = spec->scope_user || (uid != 0 && !spec->scope_system);
	if (!systemd && spec->slice != NULL && !spec->keep_unit)
		return fail_plain(-EOPNOTSUPP,
				  "cannot put machine '%s' into '%s': systemd does not run here "
				  "(try without --slice=)",
				  spec->machine, spec->slice);
	r = systemd ? scope_plan(resources, &scope, spec, uid, dry) : 0;
	if (r < 0)
		return r;
	if (r > 0) {
		resources->taken.cgroup = CGROUP_SCOPE;
		resources->taken.cgroup_path = arena_format(resources->arena, "%s/payload", scope);
		return 0;
	}
	/* The host's root without systemd owns the top; everybody else has the cgroup he is in. */
	return take(resources, spec, uid == 0 && !systemd && !spec->keep_unit, dry);
}

/* ---- a scope, once there is a payload ---- */

static int make_in_scope(struct resources *resources, const struct spec *spec, const char *path,
			 pid_t pid)
{
	autoclose int root = -EBADF;
	int r;

	r = open_root(&root, resources);
	if (r < 0)
		return r;
	resources->unit_fd = openat(root, path + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (resources->unit_fd < 0)
		return -errno;
	resources->cgroup_fd = cgroup_make(resources->unit_fd, "payload", false);
	if (resources->cgroup_fd < 0)
		return resources->cgroup_fd;
	r = cgroup_attach(resources->cgroup_fd, pid);
	if (r < 0)
		return r;
	hold_servers(resources, resources->unit_fd);
	pass_controllers_on(resources->unit_fd, spec);
	return 0;
}

int cgroups_enter_scope(struct resources *resources, const struct spec *spec, const char *path,
			pid_t pid)
{
	int r = make_in_scope(resources, spec, path, pid);

	if (r < 0)
		return fail(r, "cannot make 'payload' in the scope '%s'", path);
	resources->taken.cgroup_path = arena_format(resources->arena, "%s/payload", path);
	return 0;
}

int cgroups_enter_own(struct resources *resources, const struct spec *spec, pid_t pid)
{
	int r = take(resources, spec, false, false);

	if (r < 0 || resources->cgroup_fd < 0)
		return r;
	r = cgroup_attach(resources->cgroup_fd, pid);
	return r < 0 ? fail(r, "cannot move the payload into its cgroup") : 0;
}

static int delegate(struct resources *resources)
{
	int r;

	if (resources->cgroup_fd < 0 || resources->taken.userns == RUNG_NONE)
		return 0;
	if (resources->taken.userns != RUNG_IDMAPPED && resources->taken.userns != RUNG_SHIFTED)
		return 0;
	r = cgroup_delegate(resources->cgroup_fd, resources->taken.base, resources->taken.base);
	return r < 0 ? fail(r, "cannot give the payload's cgroup to the container's root") : 0;
}

int cgroups_complete(struct resources *resources, const struct spec *spec)
{
	autoclose int own = -EBADF;

	if (resources->cgroup_parent_fd >= 0) {
		own = openat(resources->cgroup_parent_fd, resources->cgroup_name,
			     O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (own >= 0)
			pass_controllers_on(own, spec);
	}
	return delegate(resources);
}

/* A service manager removes its unit's cgroups itself; without one nobody else would. */
static void leave_unit(struct resources *resources)
{
	if (resources->unit_fd < 0)
		return;
	cgroup_remove(resources->unit_fd, "payload", REMOVE_TIMEOUT_MS);
	if (resources->moved_down && cgroup_attach(resources->unit_fd, 0) >= 0)
		cgroup_remove(resources->unit_fd, "supervisor", 0);
	fd_close(&resources->unit_fd);
}

/* After an orderly end, when PID 1 took its namespace with it and no cgroups were made inside. */
static bool remove_empty(struct resources *resources)
{
	char payload[128];

	if (resources->cgroup_parent_fd < 0 || resources->cgroup_fd < 0 || resources->holds_servers)
		return false;
	snprintf(payload, sizeof(payload), "%s/payload", resources->cgroup_name);
	return unlinkat(resources->cgroup_parent_fd, payload, AT_REMOVEDIR) == 0 &&
	       unlinkat(resources->cgroup_parent_fd, resources->cgroup_name, AT_REMOVEDIR) == 0;
}

void cgroups_rest(struct resources *resources)
{
	if (resources->cgroup_fd < 0)
		return;
	resources->cgroup_inode = cgroup_inode(resources->cgroup_fd);
	fd_close(&resources->cgroup_fd);
	fd_close(&resources->cgroup_parent_fd);
	fd_close(&resources->unit_fd);
}

static int open_above(const char *mount, const char *path, int levels)
{
	char full[4096];

	snprintf(full, sizeof(full), "%s%s", mount, path);
	for (; levels > 0; levels--) {
		char *slash = strrchr(full, '/');

		*slash = '\0';
	}
	return open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void wake_up(struct resources *resources)
{
	const char *mount = resources->cgroup_mount, *path = resources->taken.cgroup_path;

	if (resources->cgroup_fd >= 0 || resources->cgroup_inode == 0)
		return;
	resources->cgroup_fd = open_above(mount, path, 0);
	if (resources->cgroup_fd < 0 ||
	    cgroup_inode(resources->cgroup_fd) != resources->cgroup_inode) {
		fd_close(&resources->cgroup_fd);
		return;
	}
	if (resources->taken.cgroup != CGROUP_OWN)
		resources->unit_fd = open_above(mount, path, 1);
	else
		resources->cgroup_parent_fd = open_above(mount, path, 2);
}

int cgroups_renew(struct resources *resources)
{
	bool unit = resources->taken.cgroup == CGROUP_UNIT;
	autoclose int own = -EBADF;
	int parent;

	if (resources->cgroup_inode == 0 || resources->cgroup_fd >= 0)
		return 0;
	/* A scope ends with what was in it; the next payload gets one of its own. */
	if (resources->taken.cgroup == CGROUP_SCOPE) {
		cgroups_release(resources);
		return 0;
	}
	wake_up(resources);
	if (resources->cgroup_fd < 0)
		return fail_plain(-ESTALE,
				  "cannot start again: the payload's cgroup '%s' was removed",
				  resources->taken.cgroup_path);
	cgroup_kill(resources->cgroup_fd);
	fd_close(&resources->cgroup_fd);
	if (!unit) {
		own = openat(resources->cgroup_parent_fd, resources->cgroup_name,
			     O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (own < 0)
			return fail(-errno, "cannot open the container's cgroup again");
	}
	parent = unit ? resources->unit_fd : own;
	cgroup_remove(parent, "payload", REMOVE_TIMEOUT_MS);
	resources->cgroup_fd = cgroup_make(parent, "payload", false);
	if (resources->cgroup_fd < 0)
		return fail(resources->cgroup_fd, "cannot make the payload's cgroup again");
	if (!unit)
		hold_servers(resources, own);
	return 0;
}

void cgroups_kill(struct resources *resources)
{
	wake_up(resources);
	if (resources->cgroup_fd >= 0)
		cgroup_kill(resources->cgroup_fd);
}

void cgroups_release(struct resources *resources)
{
	fd_close(&resources->cgroup_root_fd);
	wake_up(resources);
	resources->cgroup_inode = 0;
	if (remove_empty(resources)) {
		fd_close(&resources->cgroup_fd);
		fd_close(&resources->cgroup_parent_fd);
		return;
	}
	if (resources->cgroup_fd >= 0)
		cgroup_kill(resources->cgroup_fd);
	fd_close(&resources->cgroup_fd);
	leave_unit(resources);
	if (resources->cgroup_parent_fd >= 0)
		cgroup_remove(resources->cgroup_parent_fd, resources->cgroup_name,
			      REMOVE_TIMEOUT_MS);
	fd_close(&resources->cgroup_parent_fd);
}
