#include "plan/step.h"

#include <assert.h>
#include <string.h>
#include <sys/mount.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/path.h"
#include "base/text.h"
#include "spec/settings.h"

/* A plain start has about a hundred steps: one allocation holds them. */
#define FIRST_ROOM 128

static const char *const kind_names[] = {
	[STEP_LOCK] = "lock",
	[STEP_SNAPSHOT] = "snapshot",
	[STEP_PARTITION] = "partition",
	[STEP_IDS] = "ids",
	[STEP_CGROUP] = "cgroup",
	[STEP_DEVICE_FILTER] = "device-filter",
	[STEP_PRIVATE_MOUNTS] = "private-mounts",
	[STEP_SPAWN] = "spawn",
	[STEP_ID_MAP] = "id-map",
	[STEP_ROOT] = "root",
	[STEP_LAYERS] = "layers",
	[STEP_VOLATILE_ROOT] = "volatile-root",
	[STEP_ROOT_OVERLAY] = "root-overlay",
	[STEP_PIVOT_TREE] = "pivot-tree",
	[STEP_MKDIR] = "mkdir",
	[STEP_SYMLINK] = "symlink",
	[STEP_NODE] = "node",
	[STEP_FILE] = "file",
	[STEP_COPY] = "copy",
	[STEP_REMOVE] = "remove",
	[STEP_MOUNT] = "mount",
	[STEP_BIND] = "bind",
	[STEP_OVERLAY] = "overlay",
	[STEP_RESTRICT] = "restrict",
	[STEP_CONSOLE] = "console",
	[STEP_NOTIFY] = "notify",
	[STEP_CREDENTIALS] = "credentials",
	[STEP_HIDE_HOST_MOUNTS] = "pins",
	[STEP_CHOWN_TREE] = "chown-tree",
	[STEP_JOURNAL_LINK] = "journal-link",
	[STEP_BIND_USER] = "bind-user",
	[STEP_ZONE] = "zone",
	[STEP_LINK] = "link",
	[STEP_ADDRESS] = "address",
	[STEP_ROUTE] = "route",
	[STEP_ANSWER] = "answer",
	[STEP_MASQUERADE] = "masquerade",
	[STEP_EGRESS] = "egress",
	[STEP_PORT] = "port",
	[STEP_UNSHARE] = "unshare",
	[STEP_ENTER] = "enter",
	[STEP_LEAVE] = "leave",
	[STEP_LOOPBACK] = "loopback",
	[STEP_SESSION] = "session",
	[STEP_HOSTNAME] = "hostname",
	[STEP_KEYRING] = "keyring",
	[STEP_OOM_SCORE] = "oom-score",
	[STEP_AFFINITY] = "affinity",
	[STEP_PERSONALITY] = "personality",
	[STEP_RLIMIT] = "rlimit",
	[STEP_SECCOMP] = "seccomp",
	[STEP_SELINUX] = "selinux",
	[STEP_USER] = "user",
	[STEP_CAPABILITIES] = "capabilities",
	[STEP_NO_NEW_PRIVILEGES] = "no-new-privileges",
	[STEP_SYSCTL] = "sysctl",
	[STEP_STUB] = "stub",
	[STEP_CHDIR] = "chdir",
	[STEP_EXEC] = "exec",
};

static_assert(ARRAY_SIZE(kind_names) == STEP_KINDS, "every kind of step has a name");

const char *step_kind_name(enum step_kind kind)
{
	return kind_names[kind];
}

bool step_own(const struct planner *p, const char *path)
{
	const struct step_area *best = NULL;

	for (size_t i = 0; i < p->areas_count; i++) {
		const struct step_area *area = &p->areas[i];

		/* Of two mounts at one place the later one is on top. */
		if (path_is_below(path, area->path) &&
		    (!best || strlen(area->path) >= strlen(best->path)))
			best = area;
	}
	return best && best->ours;
}

static bool attaches(enum step_kind kind)
{
	switch (kind) {
	case STEP_ROOT:
	case STEP_LAYERS:
	case STEP_VOLATILE_ROOT:
	case STEP_ROOT_OVERLAY:
	case STEP_MOUNT:
	case STEP_BIND:
	case STEP_OVERLAY:
	case STEP_RESTRICT:
	case STEP_CREDENTIALS:
	case STEP_BIND_USER: return true;
	default: return false;
	}
}

struct step *step_add(struct planner *p, enum step_kind kind, const char *target)
{
	struct step *step;

	if (p->plan->count == p->room) {
		size_t room = p->room ? p->room * 2 : FIRST_ROOM;
		struct step *steps = arena_take_array(p->arena, room, sizeof(*steps));

		if (p->room)
			memcpy(steps, p->plan->steps, p->plan->count * sizeof(*steps));
		p->plan->steps = steps;
		p->room = room;
	}

	step = &p->plan->steps[p->plan->count++];
	step->kind = kind;
	step->side = p->side;
	step->reason = p->reason;
	step->target = target;
	if (p->side == SIDE_HOST && p->userns && attaches(kind))
		step->flags |= STEP_LOCKED;
	if (target && p->side != SIDE_HOST_BEFORE && step_own(p, target))
		step->flags |= STEP_OWN_FS;
	return step;
}

void step_mounted(struct planner *p, const char *path, bool ours)
{
	struct step_area *area = list_grow(p->arena, (void **)&p->areas, &p->areas_count,
					   sizeof(*p->areas));

	area->path = path;
	area->ours = ours;
}

struct step *step_dir(struct planner *p, const char *target, mode_t mode)
{
	struct step *step = step_add(p, STEP_MKDIR, target);

	step->mode = mode;
	return step;
}

struct step *step_link(struct planner *p, const char *target, const char *text)
{
	struct step *step = step_add(p, STEP_SYMLINK, target);

	step->data = text;
	return step;
}

struct step *step_file(struct planner *p, const char *target, mode_t mode, const char *text)
{
	struct step *step = step_add(p, STEP_FILE, target);

	step->mode = mode;
	step->data = text;
	return step;
}

struct step *step_mount(struct planner *p, const char *type, const char *target,
			const char *options, uint64_t attributes)
{
	struct step *step = step_add(p, STEP_MOUNT, target);

	step->source = type;
	step->data = options;
	step->attributes = attributes;
	step_mounted(p, target, text_equal(type, "tmpfs"));
	return step;
}

struct step *step_bind(struct planner *p, const char *source, const char *target, uint64_t set)
{
	struct step *step = step_add(p, STEP_BIND, target);

	step->source = source;
	step->attributes = set;
	/* A bind on itself shows the same file system. */
	if (!text_equal(source, target))
		step_mounted(p, target, false);
	return step;
}

struct step *step_bind_inside(struct planner *p, const char *source, const char *target,
			      uint64_t attributes)
{
	struct step *step = step_bind(p, source, target, attributes);

	step->flags |= STEP_SOURCE_IN_CONTAINER;
	/* There is nothing to set: the clone is as its source. */
	if (attributes == 0)
		step->flags |= STEP_INHERITS;
	return step;
}

const char *step_tmpfs_options(struct planner *p, const char *options)
{
	const char *label = p->spec->selinux_apifs_context;
	const char *text = options ? options : "";

	if (p->mount_base > 0)
		text = arena_format(p->arena, "%s%suid=%u,gid=%u", text, *text ? "," : "",
				    p->mount_base, p->mount_base);
	if (label)
		text = arena_format(p->arena, "%s%scontext=\"%s\"", text, *text ? "," : "", label);
	return text;
}

const char *step_said(const struct planner *p, enum setting_group group, const char *option)
{
	const struct spec *spec = p->spec;

	if (spec->group_origin[group] == BY_DEFAULT)
		return "default";
	if (spec->group_origin[group] == BY_OPTION)
		return option;
	for (size_t i = 0; i < spec_settings_count; i++)
		if (spec_settings[i].group == group && spec->setting_line[i] > 0)
			return setting_reason(p->arena, spec, &spec_settings[i]);
	return option;
}
