#include "engine/adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "engine/container.h"
#include "engine/handover.h"
#include "engine/keep.h"
#include "engine/network-resume.h"
#include "engine/outer.h"
#include "engine/run.h"
#include "io/fd.h"
#include "kernel/namespace.h"
#include "kernel/terminal.h"
#include "machine/find.h"

/* Where the dead one spoke to a service manager, and where we do. */
static const char *const own_variables[] = {
	"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID",
};

static void mix_environment(struct arena *arena, struct state *state,
			    const char *const *environment)
{
	struct text_list mixed = { 0 };

	for (size_t i = 0; i < state->environment.count; i++) {
		bool own = false;

		for (size_t j = 0; j < ARRAY_SIZE(own_variables) && !own; j++)
			own = text_assigned(state->environment.items[i], own_variables[j]) != NULL;
		if (!own)
			text_list_add(arena, &mixed, state->environment.items[i]);
	}
	for (size_t j = 0; j < ARRAY_SIZE(own_variables); j++) {
		const char *value = text_variable(environment, own_variables[j]);

		if (value != NULL)
			text_list_add(arena, &mixed,
				      arena_format(arena, "%s=%s", own_variables[j], value));
	}
	state->environment = mixed;
}

/* A machine that was started without root lives in a user namespace of its owner's, and its
 * supervisor maybe in the middle. */
static int enter_outer(int fds[STATE_FDS])
{
	autoclose int user = take_fd(&fds[STATE_OUTER]), net = take_fd(&fds[STATE_MIDDLE]);
	int r;

	if (user < 0)
		return 0;
	r = outer_join(user);
	if (r < 0 || net < 0)
		return r;
	r = namespace_join(net, CLONE_NEWNET);
	return r < 0 ? fail(r, "cannot enter the network of this user's machines") : 0;
}

/* What the console said meanwhile is shown first. */
static void show_log(const char *directory)
{
	static const char *const names[] = { KEEP_CONSOLE ".old", KEEP_CONSOLE };
	autoclose int dir = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	for (size_t i = 0; dir >= 0 && i < ARRAY_SIZE(names); i++) {
		autoclose int log = openat(dir, names[i], O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		char data[4096];
		ssize_t n;

		while (log >= 0 && (n = read(log, data, sizeof(data))) > 0)
			if (fd_write_all(STDOUT_FILENO, data, (size_t)n) < 0)
				return;
	}
}

static void take_console(struct container *container, int master, const char *directory)
{
	bool terminal = terminal_is(STDIN_FILENO) && terminal_is(STDOUT_FILENO);

	if (master < 0)
		return;
	show_log(directory);
	console_take(&container->console, master, terminal, true);
	container->spec->console = terminal ? CONSOLE_INTERACTIVE : CONSOLE_READ_ONLY;
}

static int take(struct container *container, struct state *state, int fds[STATE_FDS],
		const char *directory)
{
	int master = take_fd(&fds[STATE_CONSOLE]), r;

	/* The dead supervisor's terminal is none of ours. */
	state->console_in = state->console_out = 0;
	state->terminal = state->to_guest = state->from_guest = (struct state_blob){ 0 };
	state->listen_fds = 0;
	state->registered = 0;
	r = handover_restore(container, state, fds);
	if (r < 0)
		return r;
	container->adopted = true;
	take_console(container, master, directory);
	r = keep_hold(container);
	arena_done(&container->scratch);
	return r;
}

int adopt(struct container *container, const char *runtime, const char *name,
	  const char *const *environment)
{
	autoclose int connection = -EBADF, starter = -EBADF;
	const char *directory, *registered;
	struct machine machine;
	struct state state;
	int fds[STATE_FDS], r;

	r = machine_open(container->arena, &machine, runtime, name);
	if (r < 0)
		return r;
	directory = machine_note(&machine, RECORD_KEEP);
	if (machine.state != MACHINE_ABANDONED)
		return fail_plain(-EBUSY, "cannot adopt machine '%s': it has a supervisor", name);
	if (directory == NULL)
		return fail_plain(-ENXIO, "cannot adopt machine '%s': it ends with its supervisor",
				  name);
	r = record_adopt(container->arena, &container->resources.record, runtime, name);
	if (r < 0)
		return r;
	connection = keep_take(container->arena, &state, fds, directory, name);
	if (connection < 0)
		return connection;
	r = enter_outer(fds);
	if (r < 0)
		return r;
	mix_environment(container->arena, &state, environment);
	registered = machine_note(&machine, RECORD_STATE);
	state.state_directory = registered == NULL ? NULL
						   : path_parent(container->arena, registered);
	r = take(container, &state, fds, directory);
	if (r < 0)
		return r;
	if (!terminal_is(STDIN_FILENO)) {
		starter = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
		if (starter < 0)
			return fail(-errno, "cannot let go of who started us");
	}
	r = keep_confirm(connection);
	if (r < 0)
		return fail(r, "cannot relieve the holder of machine '%s'", name);
	/* Nothing fails from here on. Who started us hears the end of its pipe when we return, and
	 * counts on answers then. */
	if (starter >= 0)
		(void)dup2(STDOUT_FILENO, STDERR_FILENO);
	log_info("Machine %s is supervised again.", name);
	network_resume(container);
	return 0;
}
