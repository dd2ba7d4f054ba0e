#include "engine/registry.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/id128.h"
#include "base/text.h"
#include "engine/resources.h"
#include "engine/root.h"
#include "io/clock.h"
#include "machine/confine.h"
#include "machine/guest-init.h"
#include "plan/plan.h"
#include "spec/spec.h"

/* What the plan does, not what was asked for: it may keep less. */
static uint64_t planned_capabilities(const struct plan *plan, const struct spec *spec)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->steps[i].kind == STEP_CAPABILITIES)
			return plan->steps[i].number;
	return spec_capabilities(spec);
}

static char *confinement(struct arena *arena, const struct spec *spec, const struct plan *plan)
{
	struct confine confine = {
		.capabilities = planned_capabilities(plan, spec),
		.no_new_privileges = spec->no_new_privileges == TRISTATE_YES,
		.no_seccomp = spec->no_seccomp,
		.suppress_sync = spec->suppress_sync == TRISTATE_YES,
		.nesting = spec->nesting,
		.allow = spec->syscall_allow,
		.deny = spec->syscall_deny,
		.families_set = spec->address_families_set,
		.families_deny = spec->address_families_deny,
		.families = spec->address_families,
		.personality_set = spec->personality_set,
		.personality = spec->personality,
		.selinux = spec->selinux_context,
	};

	return confine_print(arena, &confine);
}

/* 0: it knows no such signal. The stub answers as systemd does. */
static void note_init(struct record *record, const struct spec *spec, const struct root *root)
{
	const char *kind = "stub";
	int stop = SIGRTMIN + 3, poweroff = SIGRTMIN + 4, reboot = SIGRTMIN + 5;
	char text[64];

	if (spec->start == START_BOOT) {
		kind = guest_init_name(root->init.kind);
		stop = root->init.stop_signal;
		poweroff = root->init.poweroff_signal;
		reboot = root->init.reboot_signal;
	} else if (spec->start == START_COMMAND) {
		kind = "command";
		poweroff = spec->kill_signal;
		reboot = 0;
	}
	if (spec->kill_signal != 0)
		stop = spec->kill_signal;
	if (poweroff == 0)
		return;
	snprintf(text, sizeof(text), "%s %d %d %d", kind, stop, poweroff, reboot);
	record_note_later(record, RECORD_INIT, text);
}

char *registry_unit(struct arena *arena, const struct taken *taken)
{
	const char *slash;
	char *path;

	if (taken->cgroup != CGROUP_SCOPE && taken->cgroup != CGROUP_UNIT)
		return NULL;
	path = arena_text_n(arena, taken->cgroup_path,
			    strlen(taken->cgroup_path) - strlen("/payload"));
	slash = strrchr(path, '/');
	return slash != NULL && (text_ends(slash, ".scope") || text_ends(slash, ".service"))
		       ? arena_text(arena, slash + 1)
		       : NULL;
}

void registry_note(struct arena *arena, struct resources *resources, const struct spec *spec,
		   const struct root *root, const struct plan *plan, const char *program)
{
	struct record *record = &resources->record;
	char times[48], id[ID128_HEX_ROOM];
	const char *unit;

	snprintf(times, sizeof(times), "%llu %llu", (unsigned long long)clock_realtime_us(),
		 (unsigned long long)clock_monotonic_us());
	id128_hex(id, root->facts.machine_id);
	record_note_later(record, RECORD_STARTED, times);
	record_note_later(record, RECORD_ID, id);
	record_note_later(record, RECORD_SERVICE, spec->container_service);
	if (root->facts.path != NULL)
		record_note_later(record, RECORD_DIRECTORY, root->facts.path);
	if (spec->volatile_mode == VOLATILE_OVERLAY && !root->facts.disk &&
	    spec->ephemeral != TRISTATE_YES)
		record_note_later(record, RECORD_ORIGIN,
				  arena_format(arena, "overlay %s", root->facts.path));
	else if (root->facts.layers != NULL && spec->ephemeral != TRISTATE_YES)
		record_note_later(record, RECORD_ORIGIN,
				  arena_format(arena, "layers %s", root->facts.path));
	if (spec->generation != NULL)
		record_note_later(record, RECORD_GENERATION, spec->generation);
	if (resources->taken.cgroup_path != NULL)
		record_note_later(record, RECORD_PAYLOAD, resources->taken.cgroup_path);
	unit = registry_unit(arena, &resources->taken);
	if (unit != NULL)
		record_note_later(record, RECORD_UNIT, unit);
	record_note_later(record, RECORD_CONFINE, confinement(arena, spec, plan));
	note_init(record, spec, root);
	if (program != NULL)
		record_note_later(record, RECORD_PROGRAM, program);
}
