#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "plan/api-fs.h"
#include "plan/devices.h"
#include "plan/integration.h"
#include "plan/mounts.h"
#include "plan/network.h"
#include "plan/plan.h"
#include "plan/process.h"
#include "plan/root.h"
#include "plan/step.h"

struct namespace_row {
	const char *name;
	uint64_t flag;
};

static const struct namespace_row namespaces[] = {
	{ "user", CLONE_NEWUSER }, { "pid", CLONE_NEWPID }, { "ipc", CLONE_NEWIPC },
	{ "uts", CLONE_NEWUTS },   { "net", CLONE_NEWNET },
};

static const char *const rung_words[] = {
	[RUNG_NONE] = "no user namespace",
	[RUNG_IDMAPPED] = "own range, owners mapped by the mounts",
	[RUNG_SHIFTED] = "own range, the tree is owned by it",
	[RUNG_SUBORDINATE] = "subordinate ids, no root",
	[RUNG_SINGLE] = "one id, no root",
};

static const char *namespace_names(struct planner *p, uint64_t flags)
{
	const char *names = "";

	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		if (flags & namespaces[i].flag)
			names = arena_format(p->arena, "%s%s%s", names, *names ? " " : "",
					     namespaces[i].name);
	return names;
}

static void add_spawn(struct planner *p)
{
	struct step *step;

	p->reason = "namespaces";
	step = step_add(p, STEP_SPAWN, NULL);
	if (p->userns)
		step->number |= CLONE_NEWUSER;
	if (!p->spec->share_pid)
		step->number |= CLONE_NEWPID;
	step->data = namespace_names(p, step->number);
}

/* Made by the payload while the supervisor assembles the tree: a network namespace takes the kernel
 * as long as all mounts together. */
static void add_unshare(struct planner *p)
{
	struct step *step;
	uint64_t flags = 0;

	if (!p->spec->share_ipc)
		flags |= CLONE_NEWIPC;
	if (!p->spec->share_uts)
		flags |= CLONE_NEWUTS;
	if (p->own_network)
		flags |= CLONE_NEWNET;
	if (flags == 0)
		return;
	p->reason = "namespaces";
	step = step_add(p, STEP_UNSHARE, NULL);
	step->flags |= STEP_EARLY;
	step->number = flags;
	step->data = namespace_names(p, flags);
}

static void add_ids(struct planner *p)
{
	const struct taken *taken = p->taken;
	const char *words = rung_words[taken->userns];

	if (p->userns)
		words = arena_format(p->arena, "%s: %u-%u", words, taken->base,
				     taken->base + MAX(taken->range, 1U) - 1);
	if (taken->ids_text)
		words = taken->ids_text;
	p->reason = step_said(p, GROUP_USERNS, "--private-users=");
	step_add(p, STEP_IDS, NULL)->data = words;
}

/* What engine modules do before there is a payload; in the plan so that it is complete. */
static void build_before(struct planner *p)
{
	p->side = SIDE_HOST_BEFORE;
	root_before(p);
	add_ids(p);
	p->reason = "resource control";
	if (p->taken->cgroup != CGROUP_NONE)
		step_add(p, STEP_CGROUP, p->taken->cgroup_path);
	devices_filter(p);
	p->reason = "namespaces";
	step_add(p, STEP_PRIVATE_MOUNTS, NULL);
	add_spawn(p);
	if (p->userns) {
		p->reason = "user namespace";
		step_add(p, STEP_ID_MAP, NULL);
	}
}

/* The order of the tree. Each line says why it may not move. */
static int build_host(struct planner *p)
{
	int r;

	p->side = SIDE_HOST;
	r = root_host(p); /* first: all else is mounted in it */
	if (r < 0)
		return r;
	api_fs_host(p);		 /* /dev and /run before what is made in them */
	devices_add(p);		 /* /dev/pts before the console's pty */
	devices_console(p);	 /* before the user's mounts: one over /dev is not to be written */
	integration_run_host(p); /* before the user's mounts: --inaccessible= takes nodes from it */
	r = mounts_host(p);	 /* may cover anything above */
	if (r < 0)
		return r;
	integration_etc(p); /* after the user's mounts: they may have brought another /etc */
	r = integration_journal(p);
	if (r < 0)
		return r;
	integration_seal(p); /* after the last mount point made below /run/host */
	api_fs_pins(p);	     /* last: what is seen is what the payload's copy will see */
	return 0;
}

/* Once the payload has made its network namespace, and before its program runs. */
static int build_network(struct planner *p)
{
	p->side = SIDE_NETWORK;
	return network_links(p);
}

static void add_enter(struct planner *p)
{
	struct step *step = step_add(p, STEP_ENTER, NULL);

	step->number = CLONE_NEWNS;
	step->data = "mount";
	if (!p->spec->no_cgroup_namespace) {
		step->number |= CLONE_NEWCGROUP;
		step->data = "mount cgroup";
	}
}

static int build_payload(struct planner *p)
{
	int r;

	p->side = SIDE_PAYLOAD;
	add_unshare(p);
	p->reason = "the host's mounts are locked, then out of reach";
	add_enter(p);	       /* first: mounts that came before it are locked */
	api_fs_payload(p);     /* needs the namespaces that the payload was made with */
	r = mounts_payload(p); /* after /proc, which they lie in */
	if (r < 0)
		return r;
	process_payload(p); /* last: gives up what the lines above need */
	return 0;
}

static bool rung_is_rootless(enum userns_rung rung)
{
	return rung == RUNG_SUBORDINATE || rung == RUNG_SINGLE;
}

static bool has_custom_root(const struct spec *spec)
{
	for (size_t i = 0; i < spec->mounts.count; i++)
		if (strcmp(spec->mounts.items[i].destination, "/") == 0)
			return true;
	return false;
}

static void decide(struct planner *p)
{
	const struct spec *spec = p->spec;
	const struct taken *taken = p->taken;
	bool hidden;

	p->userns = taken->userns != RUNG_NONE;
	p->rootless = rung_is_rootless(taken->userns);
	p->own_network = spec_has_private_network(spec) && !taken->network_shared;
	/* What hides the tree, or takes its changes, is written instead. */
	hidden = spec->volatile_mode == VOLATILE_YES || spec->volatile_mode == VOLATILE_OVERLAY;
	p->read_only = (spec->read_only == TRISTATE_YES || spec->volatile_mode == VOLATILE_STATE) &&
		       !hidden && !has_custom_root(spec);
	p->etc_writable = hidden || (!spec_tree_is_read_only(spec) && !p->root->read_only_medium);
	/* Without a user namespace the masks protect the host, and containers inside need nothing
	 * of us: they are not in a user namespace either, or make their own view. */
	p->skip_proc_masks = spec->nesting && p->userns;
	/* Without root the supervisor mounts in an outer user namespace, where ids are ours. */
	p->mount_base = p->userns && !p->rootless ? taken->base : 0;
}

bool plan_has_flag(const struct plan *plan, unsigned flag)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->steps[i].flags & flag)
			return true;
	return false;
}

bool plan_has(const struct plan *plan, enum step_kind kind, enum step_kind or)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->steps[i].kind == kind || plan->steps[i].kind == or)
			return true;
	return false;
}

int plan_build(struct arena *arena, struct plan *plan, const struct spec *spec,
	       const struct host *host, const struct root_facts *root, const struct taken *taken)
{
	struct plan result = { 0 };
	struct planner p = {
		.arena = arena,
		.plan = &result,
		.spec = spec,
		.host = host,
		.root = root,
		.taken = taken,
	};
	int r;

	decide(&p);
	if (taken->nested_proc_masked)
		return fail_plain(
			-EPERM,
			"cannot mount a fresh '/proc' inside this container: parts of its own "
			"are masked (start the outer container with --nesting)");

	build_before(&p);
	r = build_host(&p);
	if (r < 0)
		return r;
	r = build_network(&p);
	if (r >= 0)
		r = build_payload(&p);
	if (r < 0)
		return r;

	*plan = result;
	return 0;
}
