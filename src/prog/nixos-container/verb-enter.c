/* Into a running container: as root-login and run without an su of the host's, in its cgroup. */
#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "declare/nixos-reload.h"
#include "io/fd.h"
#include "prog/nixos-container/nixos-container.h"
#include "prog/nixos-container/power.h"

/* Where NixOS has programs, the most particular first; then where everybody else has them. */
#define PATH_NIXOS                                                                  \
	"/run/wrappers/bin:/root/.nix-profile/bin:/etc/profiles/per-user/root/bin:" \
	"/nix/var/nix/profiles/default/bin:/run/current-system/sw/bin"
#define PATH_OTHERS "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* No shell has read a profile that would say this. */
static char *search_path(const struct context *context)
{
	return arena_format(context->arena, "PATH=%s:%s/sw/bin:%s", PATH_NIXOS,
			    nixos_system_inside(&context->container), PATH_OTHERS);
}

/* As the guest's root; ARGUMENTS NULL: in the shell that root has there, as a login. */
static int enter(struct context *context, char *const *arguments)
{
	struct text_list assigned = { 0 };
	struct visit visit = VISIT_EMPTY;
	int r = power_refuse_stranger(context);

	if (r < 0)
		return r;
	text_list_add(context->arena, &assigned, search_path(context));
	visit.arena = context->arena;
	visit.runtime = context->runtime;
	visit.environment = context->program.environment;
	visit.arguments = context->program.arguments;
	visit.assigned = &assigned;
	visit.quiet = true;
	r = visit_open(&visit, context->name, NULL);
	if (r >= 0 && arguments == NULL)
		visit_use_shell(&visit);
	else if (r >= 0)
		visit.program.arguments = arguments;
	if (r >= 0)
		r = visit_run(&visit);
	visit_done(&visit);
	return r;
}

int verb_run_command(void *context, const struct text_list *words)
{
	char *const *arguments = words->items + 1;

	if (words->count > 1 && text_equal(*arguments, "--"))
		arguments++;
	if (words->count < 2 || *arguments == NULL)
		return fail_input("cannot run nothing (try 'run NAME -- COMMAND')");
	return enter(context, arguments);
}

int verb_root_login(void *context, const struct text_list *words)
{
	(void)words;
	return enter(context, NULL);
}

static int restart(struct context *context)
{
	autoclose int lock = -EBADF;
	int r = context_lock(context, &lock);

	return r < 0 ? r : power_restart(context);
}

int verb_reload(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	const struct nixos_reload reload = {
		.runtime = context->runtime,
		.environment = context->program.environment,
		.arguments = context->program.arguments,
	};
	int r = power_is_running(context, &context->container);
	int strategy = r > 0 ? power_strategy(context) : POWER_RELOAD;

	(void)words;
	if (r < 0)
		return r;
	if (strategy < 0 || strategy == POWER_NOTHING)
		return MIN(strategy, 0);
	if (strategy == POWER_RESTART)
		return restart(context);
	return nixos_reload(context->arena, &context->container, &reload);
}

/* ---- what machinectl does ---- */

static int become_machinectl(const struct context *context, struct text_list *words)
{
	text_list_add(context->arena, words, arena_text(context->arena, context->name));
	return program_become(context->arena, context->program.environment, "machinectl", words);
}

int verb_login(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct text_list command = { 0 };
	int r = power_refuse_stranger(context);

	(void)words;
	if (r < 0)
		return r;
	text_list_add(context->arena, &command, arena_text(context->arena, "login"));
	return become_machinectl(context, &command);
}

int verb_logs(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	const struct options *options = &context->options;
	struct arena *arena = context->arena;
	struct text_list command = { 0 };

	(void)words;
	text_list_add(arena, &command, arena_text(arena, "logs"));
	if (options->follow)
		text_list_add(arena, &command, arena_text(arena, "--follow"));
	if (options->lines != NULL)
		text_list_add(arena, &command, arena_format(arena, "--lines=%s", options->lines));
	return become_machinectl(context, &command);
}
