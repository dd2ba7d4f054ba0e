#include "engine/scope.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"
#include "bus/client.h"
#include "bus/systemd.h"
#include "engine/cgroups.h"
#include "engine/resources.h"
#include "image/raw-serve.h"
#include "io/clock.h"
#include "io/fd.h"
#include "kernel/cgroup.h"
#include "spec/spec.h"

#define ANSWER_TIMEOUT_MS 10000
/* systemd takes a moment to forget the scope that a reboot of the container has left. */
#define LEFTOVER_TIMEOUT_US 2000000
#define LEFTOVER_PAUSE_MS 10
#define STATE_TIMEOUT_MS 2000

/* What only a scope can give. */
static bool is_demanded(const struct spec *spec)
{
	return spec->slice != NULL || spec->properties.count > 0 ||
	       spec->registration == REGISTER_YES;
}

static const char *reason(const struct resources *resources, int code)
{
	if (code == -ENOPKG)
		return "neither libsystemd, libelogind nor libbasu is there to be loaded";
	if (code == -ENOENT && resources->bus == NULL)
		return "there is no bus";
	return resources->bus != NULL ? bus_error(resources->bus) : strerror(-code);
}

/* 0: going on without a scope. */
static int do_without(struct resources *resources, const struct spec *spec, int code)
{
	bool usual = resources->bus == NULL && (code == -ENOPKG || code == -ENOENT);

	if (is_demanded(spec))
		return fail_plain(code,
				  "cannot get a scope for machine '%s' from systemd: %s (try "
				  "without --slice=, --property= and --register=yes)",
				  spec->machine, reason(resources, code));
	if (usual)
		log_debug("no scope for the payload: %s", reason(resources, code));
	else
		log_warning("cannot get a scope for machine '%s' from systemd: %s, going on below "
			    "the caller's own cgroup",
			    spec->machine, reason(resources, code));
	return 0;
}

/* "a-b.slice" is in "a.slice". */
static const char *slice_path(struct arena *arena, const char *slice)
{
	const char *path = "";

	for (const char *dash = strchr(slice, '-'); dash != NULL; dash = strchr(dash + 1, '-'))
		path = arena_format(arena, "%s/%.*s.slice", path, (int)(dash - slice), slice);
	return arena_format(arena, "%s/%s", path, slice);
}

/* Where the user's manager has its own. */
static const char *manager_path(struct arena *arena, unsigned int uid)
{
	char own[4096];
	char *at;
	const char *name = arena_format(arena, "/user@%u.service", uid);

	if (cgroup_process_path(own, sizeof(own), 0) >= 0) {
		at = strstr(own, name);
		if (at != NULL && (at[strlen(name)] == '/' || at[strlen(name)] == '\0')) {
			at[strlen(name)] = '\0';
			return arena_text(arena, own);
		}
	}
	return arena_format(arena, "/user.slice/user-%u.slice%s", uid, name);
}

int scope_plan(struct resources *resources, const char **ret, const struct spec *spec,
	       unsigned int uid, bool dry)
{
	struct arena *arena = resources->arena;
	bool user = resources->scope_of_user;
	int r;

	if (!dry) {
		r = bus_open(&resources->bus, user ? BUS_USER : BUS_SYSTEM, 0);
		if (r < 0)
			return do_without(resources, spec, r);
	}
	*ret = arena_format(arena, "%s%s/%s.scope", user ? manager_path(arena, uid) : "",
			    slice_path(arena, spec->slice != NULL ? spec->slice : "machine.slice"),
			    spec->machine);
	return 1;
}

static int request(struct resources *resources, const struct spec *spec, pid_t pid)
{
	autoarena struct arena scratch = { 0 };
	struct text_list properties = { 0 };
	pid_t pids[1 + RAW_SERVERS_PROCESSES] = { pid };
	struct systemd_scope scope = {
		.name = arena_format(&scratch, "%s.scope", spec->machine),
		.slice = spec->slice,
		.description = arena_format(&scratch, "Container %s", spec->machine),
		.pids = pids,
		.pid_count = 1 + raw_servers_processes(resources->servers, pids + 1),
		.delegate = true,
	};

	text_list_add(&scratch, &properties, arena_text(&scratch, "TasksMax=16384"));
	/* We are asked for an orderly end; who is still there later is killed. */
	text_list_add(&scratch, &properties, arena_text(&scratch, "KillMode=mixed"));
	if (spec->kill_signal != 0)
		text_list_add(&scratch, &properties,
			      arena_format(&scratch, "KillSignal=%d", spec->kill_signal));
	for (size_t i = 0; i < spec->service.count; i++)
		text_list_add(&scratch, &properties, spec->service.items[i]);
	for (size_t i = 0; i < spec->properties.count; i++)
		text_list_add(&scratch, &properties, spec->properties.items[i]);
	scope.properties = (const char *const *)properties.items;
	scope.property_count = properties.count;
	return systemd_request_scope(resources->bus, &scope);
}

void scope_request(struct resources *resources, const struct spec *spec, pid_t pid)
{
	resources->scope_result = 0;
	fd_close(&resources->scope_fd);
	/* After a reboot in a supervisor that was replaced. */
	if (resources->bus == NULL)
		resources->scope_result = bus_open(&resources->bus,
						   resources->scope_of_user ? BUS_USER : BUS_SYSTEM,
						   0);
	if (resources->scope_result >= 0)
		resources->scope_result = request(resources, spec, pid);
}

static int await(struct resources *resources, const struct spec *spec, pid_t pid)
{
	uint64_t deadline = clock_monotonic_us() + LEFTOVER_TIMEOUT_US;
	int r = resources->scope_result;

	if (r >= 0)
		r = systemd_await_scope(resources->bus, ANSWER_TIMEOUT_MS);
	while (r == -EEXIST && clock_monotonic_us() < deadline) {
		poll(NULL, 0, LEFTOVER_PAUSE_MS);
		r = request(resources, spec, pid);
		if (r >= 0)
			r = systemd_await_scope(resources->bus, ANSWER_TIMEOUT_MS);
	}
	return r;
}

int scope_enter(struct resources *resources, const struct spec *spec, pid_t pid)
{
	char path[4096];
	int r;

	r = await(resources, spec, pid);
	if (r >= 0)
		r = cgroup_process_path(path, sizeof(path), pid);
	if (r >= 0)
		return cgroups_enter_scope(resources, spec, path, pid);
	r = do_without(resources, spec, r);
	resources->bus = bus_close(resources->bus);
	return r < 0 ? r : cgroups_enter_own(resources, spec, pid);
}

/* ---- hearing that it shall stop ---- */

int scope_connection(const struct resources *resources)
{
	return resources->scope_fd >= 0 ? resources->scope_fd : bus_fd(resources->bus);
}

/* What has come is read away; whether WORD was in it. A connection that was set up is nothing that
 * the library takes over, but it is all that systemd asks for. */
static int was_said(int fd, const char *word)
{
	const size_t length = strlen(word);
	char buffer[4096];
	size_t kept = 0;
	bool said = false;

	for (;;) {
		ssize_t size = recv(fd, buffer + kept, sizeof(buffer) - kept, MSG_DONTWAIT);

		if (size == 0)
			return -ECONNRESET;
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return errno == EAGAIN ? said : -errno;
		kept += (size_t)size;
		said |= memmem(buffer, kept, word, length) != NULL;
		/* It may be cut in two. */
		if (kept >= length) {
			memmove(buffer, buffer + kept - (length - 1), length - 1);
			kept = length - 1;
		}
	}
}

/* Anybody may have said so on the system's bus; on a user's own, only that user. Negative: nobody
 * tells. */
static int is_stopping(const struct resources *resources, const char *machine)
{
	autoarena struct arena scratch = { 0 };
	autobus struct bus *bus = NULL;
	char *state;
	int r;

	if (resources->scope_of_user)
		return 1;
	r = bus_open(&bus, BUS_SYSTEM, STATE_TIMEOUT_MS);
	if (r >= 0)
		r = systemd_unit_property(&scratch, &state, bus,
					  arena_format(&scratch, "%s.scope", machine),
					  "ActiveState");
	return r < 0 ? r : text_equal(state, "deactivating");
}

int scope_hear(struct resources *resources, const char *machine)
{
	int r;

	if (resources->scope_fd < 0) {
		r = systemd_stop_requested(resources->bus);
		/* Whoever needs it next connects again. */
		if (r < 0)
			resources->bus = bus_close(resources->bus);
		return r;
	}
	r = was_said(resources->scope_fd, "RequestStop");
	if (r < 0)
		fd_close(&resources->scope_fd);
	if (r > 0 && is_stopping(resources, machine) == 0)
		r = 0;
	return r;
}
