#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/path.h"
#include "io/child.h"
#include "io/clock.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "machine/find.h"
#include "machine/manager-kinds.h"
#include "machine/manager.h"

#define TOOL_US 300000000ull /* longer than any machine's own time limit */
#define SCAN_US 20000000ull  /* runsvdir looks every five seconds */
#define DOWN_US 5000000ull
#define SCAN_POLL_US 20000u

#define SCRIPT_MAX 65536
#define BOOT_SERVICE "redd-machines"

static int run(struct arena *arena, const struct manager *manager, int *ret_status,
	       const char *program, const char *first, const char *second, const char *third)
{
	const char *arguments[] = { program, first, second, third, NULL };
	struct child_request request = {
		.path = manager_find_program(arena, manager->environment, program),
		.arguments = (char *const *)arguments,
		.environment = (char *const *)manager->environment,
		.stdio = { -EBADF, -EBADF, STDERR_FILENO },
		.timeout_us = TOOL_US,
	};
	int r;

	if (request.path == NULL)
		return fail_plain(-ENOENT, "cannot find the program '%s' of this host's init",
				  program);
	r = child_run(ret_status, &request);
	return r < 0 ? fail(r, "cannot run '%s'", request.path) : 0;
}

static char *template_of(struct arena *arena, const char *name)
{
	return path_join(arena, manager_data_directory, name);
}

/* An administrator's own file of this name stays. */
static int link_once(struct arena *arena, const char *template, const char *path,
		     struct text_list *lines)
{
	if (access(template, F_OK) < 0)
		return fail(-errno, "cannot find '%s' (try installing Redd)", template);
	if (symlink(template, path) < 0)
		return errno == EEXIST ? 0 : fail(-errno, "cannot make the link '%s'", path);
	if (lines != NULL)
		text_list_add(arena, lines,
			      arena_format(arena, "Created symlink %s → %s.", path, template));
	return 0;
}

static char *service_of(struct arena *arena, const char *name)
{
	return arena_format(arena, "redd.%s", name);
}

/* ---- OpenRC: /etc/init.d/redd.NAME is a link to the one script ---- */

/* A file of the same directory, and no link itself: OpenRC names a service after the link only
 * then. */
static int copy_once(struct arena *arena, const char *template, const char *path)
{
	autoclose int directory = -EBADF;
	char *text;
	size_t size;
	int r;

	if (access(path, F_OK) == 0)
		return 0;
	directory = open(path_parent(arena, path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = file_read(arena, &text, &size, AT_FDCWD, template, SCRIPT_MAX);
	if (r < 0)
		return fail(r, "cannot find '%s' (try installing Redd)", template);
	r = file_replace(directory, path_name(path), text, size, 0755);
	return r < 0 ? fail(r, "cannot make '%s'", path) : 0;
}

static char *script_of(struct arena *arena, const char *service)
{
	return path_join(arena, "/etc/init.d", service);
}

int manager_openrc_start(struct arena *arena, const struct manager *manager, const char *name)
{
	const char *service = service_of(arena, name);
	int r, status;

	r = copy_once(arena, template_of(arena, "openrc/redd"), script_of(arena, "redd"));
	if (r >= 0)
		r = link_once(arena, script_of(arena, "redd"), script_of(arena, service), NULL);
	if (r < 0)
		return r;
	/* It counts as started although the machine ended by itself: make OpenRC forget that. */
	r = run(arena, manager, &status, "rc-service", service, "status", NULL);
	if (r >= 0 && status == 0)
		return 0;
	if (r >= 0)
		r = run(arena, manager, &status, "rc-service", service, "zap", NULL);
	if (r >= 0)
		r = run(arena, manager, &status, "rc-service", service, "start", NULL);
	if (r >= 0 && status != 0)
		return fail_plain(-EIO, "cannot start machine '%s': its service '%s' failed", name,
				  service);
	return r;
}

int manager_openrc_stop(struct arena *arena, const struct manager *manager, const char *name)
{
	const char *service = service_of(arena, name);
	int r, status;

	if (access(script_of(arena, service), F_OK) < 0)
		return -ENXIO;
	r = run(arena, manager, &status, "rc-service", service, "status", NULL);
	if (r < 0 || status != 0)
		return r < 0 ? r : -ENXIO;
	r = run(arena, manager, &status, "rc-service", service, "stop", NULL);
	if (r >= 0 && status != 0)
		return fail_plain(-EIO, "cannot stop machine '%s': its service '%s' failed", name,
				  service);
	return r;
}

int manager_openrc_boot(struct arena *arena, const struct manager *manager,
			struct text_list *ret_lines)
{
	int status;
	int r = link_once(arena, template_of(arena, "openrc/" BOOT_SERVICE),
			  script_of(arena, BOOT_SERVICE), ret_lines);

	if (r >= 0)
		r = run(arena, manager, &status, "rc-update", "add", BOOT_SERVICE, "default");
	return r;
}

/* ---- runit: a directory each in /etc/sv, linked into the one that runsvdir watches ---- */

/* The script SCRIPT of the templates becomes PLACE below DIRECTORY. */
static int add_script(struct arena *arena, const char *directory, const char *place,
		      const char *script)
{
	const char *path = path_join(arena, directory, place);
	int r = dir_make_all(path_parent(arena, path), 0755);

	if (r < 0)
		return fail(r, "cannot make '%s'", path_parent(arena, path));
	return link_once(arena, template_of(arena, script), path, NULL);
}

static int make_service(struct arena *arena, const char *directory)
{
	static const char *const scripts[][2] = {
		{ "run", "runit/run" },	    { "finish", "runit/finish" },
		{ "check", "runit/check" }, { "control/t", "runit/term" },
		{ "log/run", "runit/log" },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(scripts) && r >= 0; i++)
		r = add_script(arena, directory, scripts[i][0], scripts[i][1]);
	return r;
}

/* With "down" in it, the service is not started just because it is there. */
static int add_down(struct arena *arena, const char *service)
{
	const char *path = arena_format(arena, "/etc/sv/%s/down", service);
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);

	return fd < 0 ? fail(-errno, "cannot make '%s'", path) : 0;
}

/* Until runsvdir has found it. */
static int await_supervised(struct arena *arena, const char *place)
{
	const char *ok = arena_format(arena, "%s/supervise/ok", place);
	const uint64_t deadline = clock_monotonic_us() + SCAN_US;

	for (;;) {
		autoclose int fd = open(ok, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

		if (fd >= 0)
			return 0;
		if (clock_monotonic_us() > deadline)
			return fail_plain(-ETIMEDOUT,
					  "cannot start the service '%s': runsvdir does "
					  "not look at it",
					  place);
		usleep(SCAN_POLL_US);
	}
}

/* What runsv(8) notes for sv(8): TAI64N of the last change (12 bytes), process (4), paused, what it
 * wants ('u' or 'd'), whether TERM was sent, and what is (0: down, 1: run, 2: finish). */
enum { STATUS_WANT = 17, STATUS_STATE = 19, STATUS_SIZE };

static bool stays_down(const char *path)
{
	autoclose int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char status[STATUS_SIZE];

	return fd < 0 || read(fd, status, sizeof(status)) != (ssize_t)sizeof(status) ||
	       (status[STATUS_STATE] == 0 && status[STATUS_WANT] == 'd');
}

/* A machine that has just ended by itself: its service is about to put itself down, and would do so
 * to the one that we start. For a second it is down, but wants to be up: sv(8) believes that, and
 * tells it nothing. */
static void await_down(struct arena *arena, const char *place)
{
	const char *path = arena_format(arena, "%s/supervise/status", place);
	const uint64_t deadline = clock_monotonic_us() + DOWN_US;

	while (!stays_down(path) && clock_monotonic_us() < deadline)
		usleep(SCAN_POLL_US);
}

int manager_runit_start(struct arena *arena, const struct manager *manager, const char *name)
{
	const char *service = service_of(arena, name);
	const char *place = path_join(arena, manager->scan, service);
	const char *directory = path_join(arena, "/etc/sv", service);
	int r, status;

	r = make_service(arena, directory);
	if (r >= 0)
		r = add_down(arena, service);
	if (r >= 0)
		r = link_once(arena, directory, place, NULL);
	if (r >= 0)
		r = await_supervised(arena, place);
	if (r >= 0)
		await_down(arena, place);
	if (r >= 0)
		r = run(arena, manager, &status, "sv", "-w30", "start", place);
	if (r < 0)
		return r;
	if (status == 0)
		return 0;
	(void)run(arena, manager, &status, "sv", "force-stop", place, NULL);
	return fail_plain(-EIO,
			  "cannot start machine '%s': its service '%s' failed (see "
			  "/var/log/redd/%s.log)",
			  name, service, name);
}

int manager_runit_stop(struct arena *arena, const struct manager *manager, const char *name)
{
	const char *place = path_join(arena, manager->scan, service_of(arena, name));
	int r, status;

	if (access(place, F_OK) < 0)
		return -ENXIO;
	r = run(arena, manager, &status, "sv", "status", place, NULL);
	if (r < 0 || status != 0)
		return r < 0 ? r : -ENXIO;
	/* As TimeoutSec= of the unit; force-stop kills after that. */
	r = run(arena, manager, &status, "sv", "-w120", "force-stop", place);
	if (r >= 0 && status != 0)
		return fail_plain(-EIO, "cannot stop machine '%s': its service failed", name);
	return r;
}

/* runsvdir starts what is new there. This is for the next boot: the service looks for the mark,
 * which is gone by then. */
static int mark_as_new(struct arena *arena, const struct manager *manager)
{
	const char *path = path_join(arena, manager->runtime, BOOT_SERVICE ".new");
	autoclose int fd = -EBADF;
	int r = dir_make_all(manager->runtime, 0755);

	if (r < 0)
		return fail(r, "cannot make '%s'", manager->runtime);
	fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	return fd < 0 ? fail(-errno, "cannot make '%s'", path) : 0;
}

int manager_runit_boot(struct arena *arena, const struct manager *manager,
		       struct text_list *ret_lines)
{
	const char *place = path_join(arena, manager->scan, BOOT_SERVICE);
	int r = add_script(arena, "/etc/sv/" BOOT_SERVICE, "run", "runit/" BOOT_SERVICE "/run");

	if (r >= 0 && access(place, F_OK) < 0)
		r = mark_as_new(arena, manager);
	return r < 0 ? r : link_once(arena, "/etc/sv/" BOOT_SERVICE, place, ret_lines);
}

/* ---- sysvinit, busybox and others: whatever runs scripts at boot ---- */

int manager_init_boot(struct arena *arena, const struct manager *manager, bool first,
		      struct text_list *ret_lines)
{
	const char *template = template_of(arena, "init.d/" BOOT_SERVICE);
	int r, status;

	/* Debian has update-rc.d everywhere, but what it makes is only run by "rc". */
	if (geteuid() != 0 || access(template, F_OK) < 0 ||
	    access(script_of(arena, "rc"), X_OK) < 0 ||
	    manager_find_program(arena, manager->environment, "update-rc.d") == NULL) {
		if (first)
			log_notice("Nothing here runs services at boot: have 'machinectl start "
				   "--all' run then (see redd-units(7)).");
		return 0;
	}
	r = link_once(arena, template, script_of(arena, BOOT_SERVICE), ret_lines);
	if (r >= 0)
		r = run(arena, manager, &status, "update-rc.d", BOOT_SERVICE, "defaults", NULL);
	return r;
}
