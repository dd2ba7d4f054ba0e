/* redd-nixos - starts a NixOS container from its conf, and has a running one switch to its system.
 *
 *     redd-nixos start NAME [OPTION-OF-THE-RUNNER...]
 *     redd-nixos reload NAME
 *
 * Service managers call it, by units and scripts of ours; people have nixos-container(1). start
 * prepares what the container needs and becomes the runner, so that there is one process as in any
 * other start. It takes no lock: who starts holds it already.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/parse.h"
#include "base/text.h"
#include "cli/program.h"
#include "declare/nixos-arguments.h"
#include "declare/nixos-child.h"
#include "declare/nixos-host.h"
#include "declare/nixos-reload.h"
#include "declare/nixos-started.h"
#include "declare/nixos-store.h"
#include "declare/nixos.h"
#include "engine/notify.h"
#include "io/child.h"
#include "io/settings.h"
#include "machine/find.h"
#include "machine/settings-items.h"

#define SECOND_US 1000000ull
#define BUILD_US (3600 * SECOND_US)
/* The same for the service manager, whose own limit is for the start. */
#define BUILDING "EXTEND_TIMEOUT_USEC=3600000000\nSTATUS=Building the system."

extern char **environ;

struct context {
	struct arena *arena;
	const char *const *environment;
	char **arguments; /* of main() */
	struct nixos nixos;
};

/* ---- the first build ---- */

static char *find_command(struct arena *arena, const char *const *environment)
{
	const char *path = text_variable(environment, "PATH");

	path = arena_format(arena, "%s:/usr/local/bin:/usr/bin", path != NULL ? path : "");
	return child_find(arena, path, "nixos-container");
}

/* A flake that was never built: with all the time that takes. */
static int build(struct context *context)
{
	const struct nixos *nixos = &context->nixos;
	const char *program = find_command(context->arena, context->environment);
	const char *const arguments[] = { "nixos-container", "update", nixos->name, NULL };
	struct child_request request = {
		.path = program,
		.arguments = (char *const *)arguments,
		.environment = (char *const *)context->environment,
		.stdio = { -EBADF, STDERR_FILENO, STDERR_FILENO },
		.timeout_us = BUILD_US,
	};
	struct stat status;
	int r, ended;

	if (nixos_conf_value(&nixos->conf, NIXOS_CONF_FLAKE) == NULL ||
	    nixos_conf_value(&nixos->conf, NIXOS_CONF_SYSTEM_PATH) != NULL ||
	    lstat(nixos->system, &status) == 0)
		return 0;
	if (program == NULL)
		return fail_plain(-ENOENT,
				  "cannot build the flake of container '%s': there is no "
				  "nixos-container in $PATH",
				  nixos->name);
	notify_send(text_variable(context->environment, "NOTIFY_SOCKET"), BUILDING);
	r = nixos_child_run(&ended, &request);
	if (r < 0)
		return fail(r, "cannot build the flake of container '%s'", nixos->name);
	return ended != 0
		       ? fail_plain(-EIO, "cannot build the flake of container '%s'", nixos->name)
		       : 0;
}

/* ---- what is done ---- */

/* The supervisor may not have known it when it began. */
static void ask_for_time(const struct context *context, const struct settings *companion)
{
	struct settings_items items;
	struct ini_item item;
	uint64_t us = 0;

	settings_items_begin(&items, context->arena, companion);
	while (settings_items_next(&items, &item, "X-Service") > 0)
		if (text_equal(item.key, "TimeoutStartSec") &&
		    parse_seconds_us(&us, item.value, SECOND_US) < 0)
			us = 0;
	if (us > 0)
		notify_send(text_variable(context->environment, "NOTIFY_SOCKET"),
			    arena_format(context->arena, "EXTEND_TIMEOUT_USEC=%llu",
					 (unsigned long long)us));
}

/* And what the runner is to read of it. */
static int read_companion(const struct context *context, struct settings *ret)
{
	int r = nixos_companion(context->arena, ret, &context->nixos);

	if (r >= 0)
		r = nixos_companion_make(context->arena, &context->nixos, ret);
	if (r >= 0)
		ask_for_time(context, ret);
	return r;
}

static const char *const *environment_of_runner(const struct context *context,
						const struct settings *companion)
{
	struct text_list list = { 0 };

	for (const char *const *at = context->environment; *at != NULL; at++)
		text_list_add(context->arena, &list, arena_text(context->arena, *at));
	nixos_started_note(context->arena, &list, &context->nixos, companion);
	return (const char *const *)list.items;
}

static int start(struct context *context, char **options)
{
	struct arena *arena = context->arena;
	struct text_list words = { 0 };
	struct nixos_store store;
	struct settings companion;
	struct nixos_host host;
	int r = nixos_refuse_applied(arena, &context->nixos, "start");

	if (r >= 0)
		r = nixos_check(arena, &context->nixos);
	if (r >= 0)
		r = nixos_host_prepare(arena, &context->nixos);
	if (r >= 0)
		r = build(context);
	if (r >= 0)
		r = nixos_host_check_system(arena, &context->nixos);
	if (r >= 0)
		r = read_companion(context, &companion);
	if (r >= 0)
		r = nixos_store_read(arena, &store, &context->nixos, &companion,
				     context->environment);
	if (r >= 0)
		r = nixos_host_look(arena, &host, &context->nixos);
	if (r < 0)
		return r;
	host.companion = &companion;
	text_list_add(arena, &words, arena_text(arena, "--quiet"));
	for (; *options != NULL; options++)
		text_list_add(arena, &words, *options);
	r = nixos_arguments(arena, &words, &context->nixos, &store, &host);
	return r < 0 ? r
		     : program_become(arena, environment_of_runner(context, &companion), "nspawn",
				      &words);
}

static int reload(struct context *context)
{
	const char *runtime = machine_runtime_directory(context->arena, geteuid(),
							context->environment);
	const struct nixos_reload reload = {
		.runtime = runtime,
		.environment = context->environment,
		.arguments = context->arguments,
	};
	struct nixos_started_difference differs;
	struct settings companion;
	int r = nixos_companion(context->arena, &companion, &context->nixos);

	if (r < 0)
		return r;
	/* A service manager that reloads cannot be asked for a restart meanwhile. */
	if (nixos_started_differs(context->arena, &differs, &context->nixos, &companion, runtime))
		return fail_plain(-EBUSY,
				  "cannot reload container '%s': %s of '%s' is not what it was "
				  "started with (restart it, or try 'nixos-container reload "
				  "--strategy=reload %s')",
				  context->nixos.name, differs.what, differs.path,
				  context->nixos.name);
	return nixos_reload(context->arena, &context->nixos, &reload);
}

static int run(struct context *context, int argc, char **argv)
{
	bool starts = argc >= 3 && strcmp(argv[1], "start") == 0;
	int r;

	if (!starts && (argc != 3 || strcmp(argv[1], "reload") != 0))
		return fail_input("cannot do that: this is for service managers (try "
				  "'nixos-container --help')");
	r = nixos_find(context->arena, &context->nixos, argv[2]);
	if (r == -ENOENT)
		return fail_plain(r,
				  "cannot find the container '%s': there is no "
				  "'" NIXOS_CONF_DIRECTORY "/%s.conf'",
				  argv[2], argv[2]);
	if (r < 0)
		return r;
	return starts ? start(context, argv + 3) : reload(context);
}

int main(int argc, char **argv)
{
	autoarena struct arena arena = { 0 };
	struct context context = {
		.arena = &arena,
		.environment = (const char *const *)environ,
		.arguments = argv,
	};

	umask(0022);
	return program_end(run(&context, argc, argv));
}
