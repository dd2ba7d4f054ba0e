#include <errno.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "bus/systemd.h"
#include "machine/find.h"
#include "prog/machinectl/log-source.h"
#include "prog/machinectl/machinectl.h"

/* A service's journal has what the console showed; a scope's only that it began. */
static int show_running(const struct context *context, const struct machine *machine)
{
	bool unit = machine->unit != NULL && systemd_is_running();
	bool scope = unit && text_ends(machine->unit, ".scope");
	int r = 0;

	if (unit && !scope)
		r = log_from_host(context, machine->unit, NULL);
	if (r == 0 && machine->leader > 0 && !machine_is_paused(context->arena, machine))
		r = log_from_guest(context, machine);
	if (r == 0)
		r = log_from_detached(context, machine->name);
	if (r == 0 && machine->leader > 0)
		r = log_from_files(context, machine);
	if (r == 0 && scope)
		r = log_from_host(context, machine->unit, NULL);
	if (r != 0)
		return r;
	return fail_plain(
		-ENOENT,
		"cannot show the log of machine '%s': neither the host nor the guest keeps "
		"one that is known (what it writes is on its console)",
		machine->name);
}

static int show_ended(const struct context *context, const char *name)
{
	int r = log_from_detached(context, name);

	if (r == 0 && systemd_is_running())
		r = log_from_host(context, NULL, name);
	return r;
}

int verb_logs(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	const char *name = words->items[0];
	struct machine machine;
	int r, shown;

	r = machine_open(context->arena, &machine, context->runtime, name);
	if (r >= 0) {
		r = show_running(context, &machine);
	} else if (r == -ENXIO) {
		struct failure unknown = *fail_recorded();

		shown = show_ended(context, name);
		if (shown == 0)
			fail_adopt(&unknown);
		r = shown == 0 ? r : shown;
	}
	return r < 0 ? r : 0;
}
