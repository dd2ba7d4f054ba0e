#include "engine/registration.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/id128.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "bus/client.h"
#include "bus/machined.h"
#include "bus/systemd.h"
#include "engine/network.h"
#include "engine/registry.h"
#include "engine/resources.h"
#include "engine/root.h"
#include "io/clock.h"
#include "machine/state-file.h"
#include "net/facts.h"
#include "plan/plan.h"
#include "spec/spec.h"

#define REGISTER_TIMEOUT_MS 10000
#define LEAVE_TIMEOUT_MS 2000

static int open_bus(struct resources *resources)
{
	if (resources->bus != NULL)
		return 0;
	return bus_open(&resources->bus, resources->scope_of_user ? BUS_USER : BUS_SYSTEM,
			REGISTER_TIMEOUT_MS);
}

/* Without a scope nothing is expected from the bus while the container runs. */
static void rest_bus(struct resources *resources)
{
	if (resources->taken.cgroup != CGROUP_SCOPE)
		resources->bus = bus_close(resources->bus);
}

/* ---- systemd-machined ---- */

/* For who has no bus to ask: whether it listens beside DIRECTORY, as it does in its other ways. */
static bool machined_is_there(const char *directory)
{
	autoarena struct arena scratch = { 0 };
	const char *above = path_parent(&scratch, directory);

	return access(path_join(&scratch, above, "machine/io.systemd.Machine"), F_OK) == 0 ||
	       access(path_join(&scratch, above, "userdb/io.systemd.Machine"), F_OK) == 0;
}

/* 0: registered. 1: it runs, but that could not be done; its files are its own. */
static int tell_machined(struct resources *resources, const struct spec *spec,
			 const struct root *root, const struct network *network,
			 const char *directory, pid_t pid)
{
	uint32_t interfaces[FACTS_LIST_MAX];
	struct machined_machine machine = {
		.name = spec->machine,
		.service = spec->container_service,
		.root = root->facts.path,
		.id = root->facts.machine_id,
		.leader = pid,
		.interfaces = interfaces,
		.interface_count = network_interfaces(network, interfaces),
	};
	bool demanded = spec->registration == REGISTER_YES;
	int r;

	r = open_bus(resources);
	if (r < 0 && demanded)
		return fail_plain(r,
				  "cannot register machine '%s': there is no bus to "
				  "systemd-machined here (try --register=no)",
				  spec->machine);
	if (r < 0)
		return directory != NULL && machined_is_there(directory) ? 1 : r;
	r = machined_register(resources->bus, &machine, REGISTER_TIMEOUT_MS);
	resources->registered = r >= 0;
	if (r >= 0)
		return 0;
	if (demanded)
		return fail_plain(r,
				  "cannot register machine '%s' with systemd-machined: %s (try "
				  "--register=no)",
				  spec->machine, bus_error(resources->bus));
	log_debug("systemd-machined does not register machine '%s': %s", spec->machine,
		  bus_error(resources->bus));
	return bus_has_name(resources->bus, MACHINED_NAME, false) >= 0 ? 1 : r;
}

/* ---- its file ---- */

static int write_file(struct resources *resources, const struct spec *spec, const struct host *host,
		      const struct root *root, const struct network *network, pid_t pid, int pidfd)
{
	autoarena struct arena scratch = { 0 };
	uint32_t interfaces[FACTS_LIST_MAX];
	char id[ID128_HEX_ROOM];
	struct state_file file = {
		.name = spec->machine,
		.service = spec->container_service,
		.unit = registry_unit(&scratch, &resources->taken),
		.root = root->facts.path,
		.id = id,
		.uid = host->uid,
		.leader = pid,
		.supervisor = getpid(),
		.leader_fd = pidfd,
		.realtime = clock_realtime_us(),
		.monotonic = clock_monotonic_us(),
		.interfaces = interfaces,
		.interface_count = network_interfaces(network, interfaces),
	};
	const char *path;
	int r;

	id128_hex(id, root->facts.machine_id);
	path = path_join(&scratch, resources->state_directory, spec->machine);
	if (!resources->state_noted) {
		r = record_note(&resources->record, RECORD_STATE, path);
		if (r < 0)
			return r;
		resources->state_noted = true;
	}
	r = state_file_write(&scratch, resources->state_directory, &file);
	return r < 0 ? fail(r, "cannot write '%s'", path) : 0;
}

int registration_enter(struct resources *resources, const struct spec *spec,
		       const struct host *host, const struct root *root,
		       const struct network *network, pid_t pid, int pidfd)
{
	bool demanded = spec->registration == REGISTER_YES;
	const char *directory;
	int r;

	if (spec->registration == REGISTER_NO)
		return 0;
	directory = state_file_directory(resources->arena, host->uid, host->environment);
	if (systemd_is_running()) {
		r = tell_machined(resources, spec, root, network, directory, pid);
		rest_bus(resources);
		if (r >= 0 || demanded)
			return r;
	}
	if (directory == NULL)
		return 0;
	resources->state_directory = directory;
	r = write_file(resources, spec, host, root, network, pid, pidfd);
	if (r >= 0 || demanded)
		return r;
	log_debug("%s", fail_recorded()->text);
	fail_forget();
	return 0;
}

void registration_leave(struct resources *resources, const struct spec *spec, pid_t pid)
{
	autoarena struct arena scratch = { 0 };

	if (resources->registered && open_bus(resources) >= 0) {
		int r = machined_unregister(resources->bus, spec->machine, LEAVE_TIMEOUT_MS);

		/* It saw the end itself, most likely. */
		if (r < 0)
			log_debug("cannot unregister machine '%s': %s", spec->machine,
				  bus_error(resources->bus));
		rest_bus(resources);
	}
	resources->registered = false;
	if (resources->state_directory != NULL)
		(void)state_file_remove(
			&scratch, path_join(&scratch, resources->state_directory, spec->machine),
			pid);
}
