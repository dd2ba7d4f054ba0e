#include "machine/manager.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/names.h"
#include "base/path.h"
#include "base/text.h"
#include "bus/client.h"
#include "bus/systemd.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "machine/detach.h"
#include "machine/find.h"
#include "machine/health.h"
#include "machine/manager-kinds.h"
#include "machine/service.h"

#define BUS_OPEN_MS 5000
#define VERDICT_US (24 * 3600 * 1000000ull) /* it comes in the time of its checks */

/* ---- the stand-alone supervisor ---- */

static int detached_start(struct arena *arena, const struct manager *manager, const char *name)
{
	struct service service;
	int r = service_read(arena, &service, manager->environment, name);
	/* As in the units. Reboots are the runner's own affair: no unit is kept. But what was
	 * applied may be another one by then, and is read again. The host's journal and links are
	 * root's. */
	bool root = geteuid() == 0;
	const char *const arguments[] = { manager->runner,
					  "--quiet",
					  "--boot",
					  root ? "--link-journal=try-guest" : "--link-journal=no",
					  "--settings=override",
					  "--on-supervisor-death=keep",
					  arena_format(arena, "--machine=%s", name),
					  service.applied ? "--on-reboot=exit"
							  : "--on-reboot=restart",
					  root ? "--network-veth" : NULL,
					  NULL };
	/* Its conf is read again when it reboots, as the unit does. */
	const char *const nixos[] = {
		manager_nixos_program(arena), "start", name, "--on-supervisor-death=keep",
		"--on-reboot=exit",	      NULL
	};
	bool is_nixos = manager_nixos_conf(arena, name) != NULL;
	const struct detach detach = { name, manager->runtime,
				       (char *const *)(is_nixos ? nixos : arguments),
				       manager->environment, &service };

	return r < 0 ? r : detach_start(arena, &detach);
}

static int detached_stop(struct arena *arena, const struct manager *manager, const char *name)
{
	(void)arena;
	return detach_stop(manager->runtime, name);
}

/* ---- the list of what shall run at boot ---- */

static char *list_directory(struct arena *arena, const struct manager *manager)
{
	const char *config = text_variable(manager->environment, "XDG_CONFIG_HOME");
	const char *home = text_variable(manager->environment, "HOME");

	if (geteuid() == 0)
		return arena_text(arena, "/etc/redd/enabled");
	if (!text_empty(config) && path_is_absolute(config))
		return arena_format(arena, "%s/redd/enabled", config);
	return arena_format(arena, "%s/.config/redd/enabled", text_empty(home) ? "" : home);
}

struct listing {
	struct arena *arena;
	struct text_list *names;
};

static int visit(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct listing *listing = context;

	(void)dir_fd;
	if (type == DT_REG && name_is_machine(name))
		text_list_add(listing->arena, listing->names, arena_text(listing->arena, name));
	return 0;
}

/* Nothing else is on the list. */
static bool is_alone(struct arena *arena, const char *directory)
{
	autoclose int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct text_list names = { 0 };
	struct listing listing = { arena, &names };

	return fd < 0 || dir_walk(fd, visit, &listing) < 0 || names.count <= 1;
}

static int list_enable(struct arena *arena, const struct manager *manager, const char *name,
		       struct text_list *ret_lines)
{
	const char *directory = list_directory(arena, manager);
	const char *path = path_join(arena, directory, name);
	autoclose int fd = -EBADF;
	int r = dir_make_all(directory, 0755);

	if (r < 0)
		return fail(r, "cannot make '%s'", directory);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 && errno != EEXIST)
		return fail(-errno, "cannot make '%s'", path);
	if (fd >= 0)
		text_list_add(arena, ret_lines, arena_format(arena, "Created %s.", path));
	switch (manager->kind) {
	case MANAGER_OPENRC: return manager_openrc_boot(arena, manager, ret_lines);
	case MANAGER_RUNIT: return manager_runit_boot(arena, manager, ret_lines);
	default: return manager_init_boot(arena, manager, is_alone(arena, directory), ret_lines);
	}
}

static int list_disable(struct arena *arena, const struct manager *manager, const char *name,
			struct text_list *ret_lines)
{
	const char *path = path_join(arena, list_directory(arena, manager), name);

	if (unlink(path) < 0)
		return errno == ENOENT ? 0 : fail(-errno, "cannot remove '%s'", path);
	text_list_add(arena, ret_lines, arena_format(arena, "Removed %s.", path));
	return 0;
}

int manager_list_enabled(struct arena *arena, const struct manager *manager, struct text_list *ret)
{
	struct listing listing = { arena, ret };
	const char *path = list_directory(arena, manager);
	autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	if (fd < 0 && errno != ENOENT)
		return fail(-errno, "cannot open '%s'", path);
	if (fd >= 0)
		r = dir_walk(fd, visit, &listing);
	if (r < 0)
		return fail(r, "cannot read '%s'", path);
	manager_nixos_enabled(arena, ret);
	text_list_sort(ret);
	return 0;
}

static int list_after(struct arena *arena, const struct manager *manager, const char *name,
		      struct text_list *ret)
{
	const char *path = path_join(arena, list_directory(arena, manager), name);
	struct text_list lines = { 0 };
	char *text;
	size_t size;
	int r = file_read(arena, &text, &size, AT_FDCWD, path, MANAGER_AFTER_MAX);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return fail(r, "cannot read '%s'", path);
	text_split(arena, &lines, text, "\n");
	for (size_t i = 0; i < lines.count; i++) {
		const char *names = text_after(lines.items[i], "After=");
		struct text_list words = { 0 };

		if (names == NULL)
			continue;
		text_split(arena, &words, names, " \t");
		for (size_t j = 0; j < words.count; j++)
			text_list_add(arena, ret, words.items[j]);
	}
	return 0;
}

int manager_list_after(struct arena *arena, const struct manager *manager, const char *name,
		       struct text_list *ret)
{
	struct service service;
	int r = list_after(arena, manager, name, ret);

	if (r >= 0)
		r = service_read(arena, &service, manager->environment, name);
	for (size_t i = 0; r >= 0 && i < service.after.count; i++)
		text_list_add(arena, ret, service.after.items[i]);
	return MIN(r, 0);
}

/* ---- one table for all ---- */

typedef int machine_fn(struct arena *arena, const struct manager *manager, const char *name);
typedef int boot_fn(struct arena *arena, const struct manager *manager, const char *name,
		    struct text_list *ret_lines);

static const struct {
	const char *name;
	machine_fn *start, *stop;
	boot_fn *enable, *disable;
} kinds[] = {
	[MANAGER_NONE] = { "Redd's own supervisor", detached_start, detached_stop, list_enable,
			   list_disable },
	[MANAGER_SYSTEMD] = { "systemd", manager_systemd_start, manager_systemd_stop,
			      manager_systemd_enable, manager_systemd_disable },
	[MANAGER_OPENRC] = { "OpenRC", manager_openrc_start, manager_openrc_stop, list_enable,
			     list_disable },
	[MANAGER_RUNIT] = { "runit", manager_runit_start, manager_runit_stop, list_enable,
			    list_disable },
};

const char *manager_name(const struct manager *manager)
{
	return kinds[manager->kind].name;
}

/* ---- what a machine needs first, where systemd does not see to it ---- */

#define NEEDS_DEPTH 16 /* one needs another, which needs another, ... or in a circle */

static int start_one(struct arena *arena, const struct manager *manager, const char *name,
		     unsigned int depth);

static bool runs(struct arena *arena, const struct manager *manager, const char *name)
{
	struct machine machine;
	int r = machine_open(arena, &machine, manager->runtime, name);

	fail_forget();
	return r >= 0;
}

static int start_needs(struct arena *arena, const struct manager *manager,
		       const struct service *service, const char *name, unsigned int depth)
{
	const struct text_list *lists[] = { &service->requires, &service->wants };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (size_t j = 0; j < lists[i]->count; j++) {
			const char *need = lists[i]->items[j];

			if (runs(arena, manager, need) || text_equal(need, name))
				continue;
			if (start_one(arena, manager, need, depth) >= 0)
				continue;
			if (lists[i] == &service->requires)
				return fail_in(fail_recorded()->code,
					       "cannot start machine '%s', which needs '%s'", name,
					       need);
			log_warning("%s, going on without", fail_recorded()->text);
			fail_forget();
		}
	return 0;
}

/* Until it is known whether the machine works, if it has a check. */
static int await_verdict(struct arena *arena, const struct manager *manager, const char *name)
{
	struct health_report report;

	return health_await(arena, &report, manager->runtime, name, VERDICT_US);
}

static int start_one(struct arena *arena, const struct manager *manager, const char *name,
		     unsigned int depth)
{
	struct service service;
	int r;

	if (depth == 0)
		return fail_input("cannot start machine '%s': machines need each other deeper than "
				  "%d, or in a circle",
				  name, NEEDS_DEPTH);
	r = service_read(arena, &service, manager->environment, name);
	if (r >= 0)
		r = service_check(&service, name);
	if (r >= 0)
		r = start_needs(arena, manager, &service, name, depth - 1);
	if (r >= 0)
		r = kinds[manager->kind].start(arena, manager, name);
	/* The others hear of it from the runner. */
	return r < 0 || manager->kind != MANAGER_RUNIT ? r : await_verdict(arena, manager, name);
}

int manager_start(struct arena *arena, const struct manager *manager, const char *name)
{
	if (manager->kind == MANAGER_SYSTEMD)
		return kinds[manager->kind].start(arena, manager, name);
	return start_one(arena, manager, name, NEEDS_DEPTH);
}

void manager_forget_owed(const char *runtime, const char *name)
{
	autoclose int dir = record_open_runtime(runtime, MANAGER_OWED);

	if (dir >= 0)
		(void)unlinkat(dir, name, 0);
}

int manager_stop(struct arena *arena, const struct manager *manager, const char *name)
{
	manager_forget_owed(manager->runtime, name);
	return kinds[manager->kind].stop(arena, manager, name);
}

int manager_stop_alone(struct arena *arena, const struct manager *manager, const char *name)
{
	return manager->kind == MANAGER_SYSTEMD ? manager_systemd_stop_alone(arena, manager, name)
						: kinds[manager->kind].stop(arena, manager, name);
}

int manager_restart(struct arena *arena, const struct manager *manager, const char *name)
{
	int r;

	if (manager->kind == MANAGER_SYSTEMD)
		return manager_systemd_restart(arena, manager, name);
	r = manager_stop_alone(arena, manager, name);
	return r < 0 ? r : manager_start(arena, manager, name);
}

bool manager_generates(const struct manager *manager)
{
	return manager->kind == MANAGER_SYSTEMD;
}

int manager_reload(const struct manager *manager)
{
	int r = systemd_reload(manager->bus);

	return r < 0 ? fail_plain(r, "cannot have systemd read its units again: %s",
				  bus_error(manager->bus))
		     : 0;
}

int manager_enable(struct arena *arena, const struct manager *manager, const char *name,
		   struct text_list *ret_lines)
{
	return kinds[manager->kind].enable(arena, manager, name, ret_lines);
}

int manager_disable(struct arena *arena, const struct manager *manager, const char *name,
		    struct text_list *ret_lines)
{
	return kinds[manager->kind].disable(arena, manager, name, ret_lines);
}

/* ---- which one runs ---- */

char *manager_find_program(struct arena *arena, const char *const *environment, const char *name)
{
	const char *path = text_variable(environment, "PATH");
	struct text_list directories = { 0 };

	path = arena_format(arena, "%s:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin",
			    path != NULL ? path : "");
	text_split(arena, &directories, path, ":");
	for (size_t i = 0; i < directories.count; i++) {
		char *found = path_join(arena, directories.items[i], name);

		if (path_is_absolute(found) && access(found, X_OK) == 0)
			return found;
	}
	return NULL;
}

/* Beside us, as in a build directory; or where it was installed. */
static const char *find_runner(struct arena *arena, const char *const *environment)
{
	char self[4096];
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *found;

	if (size > 0) {
		self[size] = '\0';
		found = path_join(arena, path_parent(arena, self), "nspawn");
		if (access(found, X_OK) == 0)
			return found;
	}
	found = path_join(arena, manager_program_directory, "nspawn");
	if (access(found, X_OK) == 0)
		return found;
	return manager_find_program(arena, environment, "nspawn");
}

/* $SVDIR is what sv(8) looks at; the rest are the places of distributions. */
static const char *find_scan(const char *const *environment)
{
	static const char *const places[] = { "/run/runit/service", "/etc/service", "/var/service",
					      "/service" };
	const char *set = text_variable(environment, "SVDIR");
	struct stat st;

	if (!text_empty(set) && path_is_absolute(set))
		return set;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (stat(places[i], &st) == 0 && S_ISDIR(st.st_mode))
			return places[i];
	return NULL;
}

/* runsv tells the process number of each service's program, which is the supervisor's. */
static bool is_of_runit(struct arena *arena, const struct machine *machine,
			const char *const *environment)
{
	const char *scan = find_scan(environment);
	char number[32], *path;

	if (scan == NULL || machine->supervisor <= 0)
		return false;
	path = arena_format(arena, "%s/redd.%s/supervise/pid", scan, machine->name);
	return file_read_line(number, sizeof(number), AT_FDCWD, path) >= 0 &&
	       text_equal(number, arena_format(arena, "%d", (int)machine->supervisor));
}

/* machine/detach supervises those of OpenRC too. */
static const char *holder_of(struct arena *arena, const struct machine *machine)
{
	const char *path = arena_format(arena, "/run/openrc/started/redd.%s", machine->name);
	struct text_list names = { 0 };

	if (detach_list(arena, &names, machine->runtime) < 0)
		fail_forget();
	if (!text_list_has(&names, machine->name))
		return machine->unit != NULL ? kinds[MANAGER_SYSTEMD].name : "none";
	return geteuid() == 0 && access(path, F_OK) == 0 ? kinds[MANAGER_OPENRC].name : "Redd";
}

const char *manager_of(struct arena *arena, const struct machine *machine,
		       const char *const *environment)
{
	if (machine->unit != NULL && text_ends(machine->unit, ".service"))
		return kinds[MANAGER_SYSTEMD].name;
	if (geteuid() == 0 && is_of_runit(arena, machine, environment))
		return kinds[MANAGER_RUNIT].name;
	return holder_of(arena, machine);
}

/* A user's own systemd, if it is there to be asked and knows of machines. */
static enum manager_kind detect_of_user(struct arena *arena, struct manager *manager)
{
	char *state;

	if (systemd_is_running() && bus_open(&manager->bus, BUS_USER, BUS_OPEN_MS) >= 0 &&
	    systemd_unit_property(arena, &state, manager->bus, MANAGER_UNIT_ANY, "LoadState") >=
		    0 &&
	    text_equal(state, "loaded"))
		return MANAGER_SYSTEMD;
	manager->bus = bus_close(manager->bus);
	return MANAGER_NONE;
}

static enum manager_kind detect(struct arena *arena, struct manager *manager)
{
	const char *service = text_variable(manager->environment, "RC_SVCNAME");
	char init[64] = "";

	if (geteuid() != 0)
		return detect_of_user(arena, manager);
	if (service != NULL && text_after(service, "redd.") != NULL)
		return MANAGER_NONE;
	if (systemd_is_running())
		return MANAGER_SYSTEMD;
	if (access("/run/openrc/softlevel", F_OK) == 0)
		return MANAGER_OPENRC;
	manager->scan = find_scan(manager->environment);
	if (manager->scan != NULL &&
	    file_read_line(init, sizeof(init), AT_FDCWD, "/proc/1/comm") >= 0 &&
	    text_after(init, "runit") != NULL)
		return MANAGER_RUNIT;
	return MANAGER_NONE;
}

int manager_open(struct arena *arena, struct manager *ret, const char *runtime,
		 const char *const *environment)
{
	struct manager manager = { .runtime = runtime, .environment = environment };
	int r;

	manager.kind = detect(arena, &manager);
	if (manager.kind == MANAGER_SYSTEMD && manager.bus == NULL) {
		r = bus_open(&manager.bus, BUS_SYSTEM, BUS_OPEN_MS);
		if (r < 0)
			return fail(r, "cannot reach the host's service manager");
	}
	manager.runner = find_runner(arena, environment);
	if (manager.kind == MANAGER_NONE && manager.runner == NULL)
		return fail_plain(-ENOENT, "cannot find the runner 'nspawn', neither beside this "
					   "program nor in $PATH");
	*ret = manager;
	return 0;
}

void manager_done(struct manager *manager)
{
	manager->bus = bus_close(manager->bus);
}
