/* prog/nspawn - systemd-nspawn: steps 1 to 3 of ARCHITECTURE.md, and the one place that prints a
 * failure. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"
#include "base/version.h"
#include "cli/screen.h"
#include "engine/host.h"
#include "engine/load.h"
#include "engine/root-locate.h"
#include "engine/run.h"
#include "engine/state.h"
#include "io/fd.h"
#include "kernel/terminal.h"
#include "machine/find.h"
#include "machine/health.h"
#include "machine/reap.h"
#include "spec/print.h"
#include "spec/readers.h"
#include "spec/settings.h"

extern char **environ;

static int print(struct arena *arena, const char *text)
{
	int r;

	text = arena_format(arena, "%s\n", text);
	r = fd_write_all(STDOUT_FILENO, text, strlen(text));
	return r < 0 ? fail(r, "cannot write to standard output") : 0;
}

/* $SYSTEMD_LOG_LEVEL: a syslog name or number; anything else is ignored, as elsewhere. */
static void set_log_level(const char *value)
{
	static const char *const names[] = { "emerg",	"alert",  "crit", "err",
					     "warning", "notice", "info", "debug" };
	static const enum log_level levels[] = {
		LOG_LEVEL_ERROR,   LOG_LEVEL_ERROR,  LOG_LEVEL_ERROR, LOG_LEVEL_ERROR,
		LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO,  LOG_LEVEL_DEBUG,
	};
	const char *console = value == NULL ? NULL : text_after(value, "console:");

	if (console != NULL)
		value = console;
	for (size_t i = 0; value != NULL && i < ARRAY_SIZE(names); i++) {
		const char *rest = text_after_loose(value, names[i]);
		bool number = value[0] == (char)('0' + i) && value[1] == '\0';

		if (number || (rest != NULL && (*rest == '\0' || *rest == ',')))
			log_set_level(levels[i]);
	}
}

static bool has_colour(int fd)
{
	return screen_has_colour((const char *const *)environ, terminal_is(fd));
}

/* Descriptors of socket activation, if they are meant for us. */
static int count_listen_fds(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	uint32_t value;

	if (pid == NULL || count == NULL || parse_u32(&value, pid) < 0 ||
	    value != (uint32_t)getpid())
		return 0;
	if (parse_u32(&value, count) < 0 || value > 1024)
		return 0;
	for (int fd = 3; fd < 3 + (int)value; fd++) {
		int flags = fcntl(fd, F_GETFD);

		if (flags < 0)
			return 0;
		fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC);
	}
	return (int)value;
}

/* With a name (or a directory to derive it from) that machine, otherwise all dead ones. */
static int clean_up(struct arena *arena, struct spec *spec, const struct reader_facts *facts)
{
	const char *runtime = machine_runtime_directory(arena, facts->uid, facts->environment);
	struct root_place place;
	int r;

	if (spec->ephemeral == TRISTATE_YES)
		return fail_input(
			"cannot use '--cleanup' and '--ephemeral' together: nothing of "
			"an ephemeral machine has a lasting name (leave --ephemeral out)");
	if (spec->machine == NULL && spec->directory == NULL && spec->image == NULL) {
		r = reap_all(runtime);
		return r < 0 ? fail(r, "cannot clean up after all machines") : 0;
	}
	if (spec->machine == NULL) {
		r = root_locate(arena, &place, spec, facts);
		if (r < 0)
			return r;
	}
	r = reap_one(runtime, spec->machine);
	if (r == -EBUSY)
		return fail_plain(r, "cannot clean up after machine '%s': it is running",
				  spec->machine);
	if (r == REAP_LIVES)
		return fail_plain(-EBUSY,
				  "cannot clean up after machine '%s': it runs without a "
				  "supervisor (try 'machinectl adopt %s')",
				  spec->machine, spec->machine);
	return r < 0 ? fail(r, "cannot clean up after machine '%s'", spec->machine) : 0;
}

/* What only prints. 1: done. */
static int serve_questions(struct arena *arena, const struct spec *spec,
			   const struct setting *words_of)
{
	int r;

	if (words_of != NULL)
		r = print(arena, spec_words(arena, words_of));
	else if (spec->help)
		r = print(arena, spec_help(arena, "systemd-nspawn", has_colour(STDOUT_FILENO)));
	else if (spec->version)
		r = print(arena, version_text(arena, "systemd-nspawn"));
	else
		return 0;
	return r < 0 ? r : 1;
}

/* Modes of one supervisor for another or for itself, which nobody types: engine/reexec,
 * engine/adopt, engine/health. */
static bool serve_supervisor(int *ret, struct arena *arena, char **argv)
{
	const char *const *environment = (const char *const *)environ;
	const char *word = argv[1];
	const char *version = text_after(word, "--state-version=");
	const char *fds = text_after(word, "--resume="), *name = text_after(word, "--adopt=");

	if (version != NULL)
		*ret = atoi(version) == STATE_VERSION ? EXIT_SUCCESS : EXIT_FAILURE;
	else if (fds != NULL)
		*ret = container_resume(arena, fds);
	else if (name != NULL)
		*ret = container_adopt(arena,
				       machine_runtime_directory(arena, geteuid(), environment),
				       name, environment);
	else if (text_equal(word, HEALTH_MODE))
		*ret = health_run(arena, argv + 2, argv);
	else
		return false;
	return true;
}

/* In the arena, and FALLBACK when there is none: no buffer of a path's length stays on the stack of
 * a supervisor. */
static const char *take_path(struct arena *arena, char *path, const char *fallback)
{
	const char *kept = path == NULL ? fallback : arena_text(arena, path);

	free(path);
	return kept;
}

static int run(struct arena *arena, int argc, char **argv)
{
	struct reader_facts facts = {
		.working_directory = take_path(arena, getcwd(NULL, 0), "/"),
		.environment = (const char *const *)environ,
		.uid = geteuid(),
	};
	struct run_request request = {
		.environment = facts.environment,
		.gate_fd = -EBADF,
		.arguments = (const char *const *)argv,
		.directory = facts.working_directory,
	};
	const struct setting *words_of = NULL;
	struct spec *spec = arena_new(arena, struct spec);
	int r;

	if (argc > 1 && serve_supervisor(&r, arena, argv))
		return r;
	spec_init(spec);
	r = args_parse(arena, spec, &facts, argc, argv, &words_of);
	if (r < 0)
		return r;
	r = serve_questions(arena, spec, words_of);
	if (r != 0)
		return r < 0 ? r : 0;
	if (spec->quiet && log_level() == LOG_LEVEL_INFO)
		log_set_level(LOG_LEVEL_NOTICE);
	r = environment_parse(arena, spec, &facts);
	if (r < 0)
		return r;
	if (spec->cleanup)
		return clean_up(arena, spec, &facts);
	r = load_rest(arena, spec, &facts);
	if (r < 0)
		return r;
	if (spec->quiet && log_level() == LOG_LEVEL_INFO)
		log_set_level(LOG_LEVEL_NOTICE);
	request.spec = spec;
	if (spec->explain_plan)
		return container_print_plan(arena, &request);
	request.listen_fds = count_listen_fds();
	request.program = take_path(arena, realpath("/proc/self/exe", NULL), NULL);
	return container_run(arena, &request);
}

int main(int argc, char **argv)
{
	autoarena struct arena arena = { 0 };
	int r;

	set_log_level(getenv("SYSTEMD_LOG_LEVEL"));
	log_set_colour(has_colour(STDERR_FILENO));
	r = run(&arena, argc, argv);
	if (r >= 0)
		return r;
	if (fail_recorded()->code == 0)
		fail(r, "cannot go on");
	log_error("%s", fail_recorded()->text);
	return EXIT_FAILURE;
}
