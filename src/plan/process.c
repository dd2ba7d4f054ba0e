#include "plan/process.h"

#include <sys/resource.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/text.h"
#include "plan/devices.h"
#include "plan/step.h"

struct limit_row {
	int resource;
	rlim_t soft, hard;
};

/* The kernel's own defaults: the limits of whoever starts a container do not reach into it. */
static const struct limit_row limits[] = {
	{ RLIMIT_CPU, RLIM_INFINITY, RLIM_INFINITY },
	{ RLIMIT_FSIZE, RLIM_INFINITY, RLIM_INFINITY },
	{ RLIMIT_DATA, RLIM_INFINITY, RLIM_INFINITY },
	{ RLIMIT_STACK, 8388608, RLIM_INFINITY },
	{ RLIMIT_CORE, 0, RLIM_INFINITY },
	{ RLIMIT_RSS, RLIM_INFINITY, RLIM_INFINITY },
	{ RLIMIT_NPROC, 0, 0 }, /* of the host's PID 1 */
	{ RLIMIT_NOFILE, 1024, 524288 },
	{ RLIMIT_MEMLOCK, 8388608, 8388608 },
	{ RLIMIT_AS, RLIM_INFINITY, RLIM_INFINITY },
	{ RLIMIT_LOCKS, RLIM_INFINITY, RLIM_INFINITY },
	{ RLIMIT_SIGPENDING, 0, 0 }, /* likewise */
	{ RLIMIT_MSGQUEUE, 819200, 819200 },
	{ RLIMIT_NICE, 0, 0 },
	{ RLIMIT_RTPRIO, 0, 0 },
	{ RLIMIT_RTTIME, RLIM_INFINITY, RLIM_INFINITY },
};

static bool limit_default(const struct planner *p, const struct limit_row *row, struct limit *ret)
{
	*ret = (struct limit){ .set = true, .value = { row->soft, row->hard } };
	if (row->resource == RLIMIT_NPROC)
		*ret = p->host->nproc;
	else if (row->resource == RLIMIT_SIGPENDING)
		*ret = p->host->sigpending;
	else if (row->resource == RLIMIT_NOFILE && p->host->nr_open > 0)
		ret->value.rlim_max = MIN(ret->value.rlim_max, p->host->nr_open);
	return ret->set;
}

static void add_limits(struct planner *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		int resource = limits[i].resource;
		struct limit limit = p->spec->limits[resource];
		struct step *step;

		p->reason = "default limits";
		if (limit.set)
			p->reason = step_said(p, GROUP_RLIMIT_FIRST + resource, "--rlimit=");
		else if (!limit_default(p, &limits[i], &limit))
			continue;
		step = step_add(p, STEP_RLIMIT, NULL);
		/* The user's may be too small for what is still to be done. */
		if (!p->spec->limits[resource].set)
			step->flags |= STEP_EARLY;
		step->number = resource;
		step->soft = limit.value.rlim_cur;
		step->hard = limit.value.rlim_max;
	}
}

static void add_seccomp(struct planner *p)
{
	const struct spec *spec = p->spec;
	bool calls = spec->syscall_allow.count > 0 || spec->syscall_deny.count > 0;
	bool families = spec->address_families_set;
	struct step *step;

	if (spec->no_seccomp)
		return;
	p->reason = "default filter";
	if (families)
		p->reason = step_said(p, GROUP_ADDRESS_FAMILIES, "--restrict-address-families=");
	if (calls)
		p->reason = step_said(p, GROUP_SYSCALL_FILTER, "--system-call-filter=");
	step = step_add(p, STEP_SECCOMP, NULL);
	/* The default list allows all that is still to be done; what the user denies may not. */
	if (!calls && !families)
		step->flags |= STEP_EARLY;
	step->data = arena_format(p->arena, "%s%s%s%s", calls ? "extended list" : "default list",
				  families ? ", address families" : "",
				  spec->suppress_sync == TRISTATE_YES ? ", sync suppressed" : "",
				  spec->nesting ? ", keyrings allowed" : "");
}

/* Asked for one by one; nothing of this happens by default. */
static void add_scheduling(struct planner *p)
{
	struct step *step;

	if (p->spec->oom_score_set) {
		p->reason = step_said(p, GROUP_OOM_SCORE, "--oom-score-adjust=");
		step = step_add(p, STEP_OOM_SCORE, NULL);
		step->number = (uint64_t)(int64_t)p->spec->oom_score;
	}
	if (p->spec->cpu_affinity_set) {
		p->reason = step_said(p, GROUP_CPU_AFFINITY, "--cpu-affinity=");
		step_add(p, STEP_AFFINITY, NULL);
	}
}

static void add_session(struct planner *p)
{
	p->reason = step_said(p, GROUP_CONSOLE, "--console=");
	step_add(p, STEP_SESSION, NULL)->data = p->spec->console == CONSOLE_PIPE ? "pipe" : "pty";
	if (p->own_network) {
		p->reason = step_said(p, GROUP_NETWORK, "--private-network");
		step_add(p, STEP_LOOPBACK, NULL)->flags |= STEP_EARLY;
	}
	if (p->own_network && p->userns) {
		struct step *step = step_add(p, STEP_SYSCTL, "/proc/sys/net/ipv4/ping_group_range");

		/* ping(8) without privileges, as distributions set it on hosts */
		p->reason = "ping works for everyone";
		step->reason = p->reason;
		step->data = arena_format(p->arena, "0 %u",
					  MIN(MAX(p->taken->range, 1U) - 1, 2147483647U));
		step->flags |= STEP_OPTIONAL;
	}
}

static void add_identity(struct planner *p)
{
	const char *name = p->spec->hostname ? p->spec->hostname : p->spec->machine;
	struct step *step;

	if (!p->spec->share_uts && name) {
		p->reason = p->spec->hostname ? step_said(p, GROUP_HOSTNAME, "--hostname=")
					      : "machine name";
		step = step_add(p, STEP_HOSTNAME, NULL);
		step->data = name;
		/* Some containers around us forbid it, whoever owns the namespace. */
		step->flags |= STEP_WARN;
	}
	p->reason = "the host's keys stay outside";
	step_add(p, STEP_KEYRING, NULL)->flags |= STEP_OPTIONAL;
}

static void add_personality(struct planner *p)
{
	struct step *step;

	if (!p->spec->personality_set)
		return;
	p->reason = step_said(p, GROUP_PERSONALITY, "--personality=");
	step = step_add(p, STEP_PERSONALITY, NULL);
	step->number = p->spec->personality;
}

static void add_privileges(struct planner *p)
{
	struct step *step;

	add_seccomp(p); /* needs CAP_SYS_ADMIN, which may go below */
	if (p->spec->selinux_context) {
		p->reason = "--selinux-context=";
		step_add(p, STEP_SELINUX, NULL)->data = p->spec->selinux_context;
	}
	p->reason = p->spec->user ? step_said(p, GROUP_USER, "--uid=") : "default";
	step_add(p, STEP_USER, NULL)->data = p->spec->user; /* needs CAP_SETUID */

	p->reason = step_said(p, GROUP_CAPABILITY, "--capability=, --drop-capability=");
	step = step_add(p, STEP_CAPABILITIES, NULL);
	step->number = devices_safe_capabilities(p, spec_capabilities(p->spec));
	step->soft = p->spec->capability_ambient;

	if (p->spec->no_new_privileges == TRISTATE_YES) {
		p->reason = step_said(p, GROUP_NO_NEW_PRIVILEGES, "--no-new-privileges=");
		step_add(p, STEP_NO_NEW_PRIVILEGES, NULL);
	}
}

static void add_start(struct planner *p)
{
	const struct spec *spec = p->spec;
	const char *program = "login shell";

	if (spec->parameters.count > 0)
		program = spec->parameters.items[0];
	if (spec->working_directory) {
		p->reason = step_said(p, GROUP_WORKING_DIRECTORY, "--chdir=");
		step_add(p, STEP_CHDIR, spec->working_directory);
	} else if (spec->start != START_BOOT && spec->parameters.count == 0) {
		p->reason = "a login shell begins at home";
		step_add(p, STEP_CHDIR, NULL);
	}
	p->reason = "command";
	if (spec->start == START_PID2) {
		p->reason = step_said(p, GROUP_START_MODE, "--as-pid2");
		step_add(p, STEP_STUB, NULL);
	} else if (spec->start == START_BOOT) {
		p->reason = step_said(p, GROUP_START_MODE,
				      spec->init != NULL ? "--init=" : "--boot");
		program = spec->init ? spec->init : p->root->program;
		program = program ? program : "init";
	}
	step_add(p, STEP_EXEC, NULL)->data = program;
}

void process_payload(struct planner *p)
{
	add_session(p);
	add_identity(p);
	add_scheduling(p);
	add_personality(p);
	add_limits(p);
	add_privileges(p);
	add_start(p);
}
