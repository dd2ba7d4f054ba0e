#include "declare/nixos-reload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/text.h"
#include "declare/nixos-store.h"
#include "declare/nixos.h"
#include "io/fd.h"
#include "kernel/resolve.h"
#include "io/settings.h"
#include "machine/bind.h"
#include "machine/visit.h"

/* Where it has been done, and so need not be again: who enters may have to run this program once
 * more, from a view of the host that nothing can be written to, and nix does not work there. */
#define SHOWN "REDD_CLOSURE_SHOWN"

/* Those that the closure had when it was started are there already. */
static int show_paths(struct arena *arena, const struct enter *enter, const struct text_list *paths)
{
	for (size_t i = 0; i < paths->count; i++) {
		const char *path = paths->items[i];
		const struct bind_request request = {
			.machine = enter->machine,
			.source = path,
			.target = path,
			.read_only = true,
			.make_target = true,
		};
		autoclose int fd = resolve_open(enter->root_fd, path, O_PATH);
		int r = fd >= 0 ? 0 : bind_add(arena, &request);

		if (r < 0)
			return fail_in(r, "cannot show '%s' in container '%s'", path,
				       enter->machine->name);
	}
	return 0;
}

int nixos_reload_show(struct arena *arena, const struct machine *machine,
		      const struct text_list *paths)
{
	struct enter enter = ENTER_EMPTY;
	int r = enter_open(arena, &enter, machine);

	if (r >= 0)
		r = show_paths(arena, &enter, paths);
	enter_done(&enter);
	return r;
}

static int show_closure(struct arena *arena, const struct nixos *nixos,
			const struct nixos_reload *reload)
{
	struct settings companion;
	struct nixos_store store;
	struct machine machine;
	int r;

	if (text_equal(text_variable(reload->environment, SHOWN), nixos_system(nixos)))
		return 0;
	r = nixos_companion(arena, &companion, nixos);
	if (r >= 0)
		r = nixos_store_read(arena, &store, nixos, &companion, reload->environment);
	if (r < 0 || store.kind != NIXOS_STORE_CLOSURE)
		return r;
	r = machine_open(arena, &machine, reload->runtime, nixos->name);
	if (r >= 0)
		r = nixos_reload_show(arena, &machine, &store.paths);
	if (r >= 0 && setenv(SHOWN, nixos_system(nixos), 1) < 0)
		r = fail(-errno, "cannot set a variable");
	return r;
}

int nixos_reload(struct arena *arena, const struct nixos *nixos, const struct nixos_reload *reload)
{
	const char *system = nixos_system_inside(nixos);
	char *switch_ = arena_format(arena, "%s/bin/switch-to-configuration", system);
	char *action = arena_text(arena, reload->action != NULL ? reload->action : "test");
	char *const arguments[] = { switch_, action, NULL };
	struct text_list assigned = { 0 };
	struct visit visit = VISIT_EMPTY;
	int r;

	text_list_add(arena, &assigned, arena_format(arena, "PATH=%s/sw/bin", system));
	visit.arena = arena;
	visit.runtime = reload->runtime;
	visit.environment = reload->environment;
	visit.arguments = reload->arguments;
	visit.assigned = &assigned;
	visit.quiet = true;
	r = show_closure(arena, nixos, reload);
	if (r >= 0)
		r = visit_open(&visit, nixos->name, NULL);
	visit.program.arguments = arguments;
	visit.program.directory = "/";
	if (r >= 0)
		r = visit_run(&visit);
	visit_done(&visit);
	return r;
}
