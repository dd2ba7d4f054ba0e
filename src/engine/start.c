#include "engine/container.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fail.h"
#include "bus/client.h"
#include "engine/apply-idmap.h"
#include "engine/cgroups.h"
#include "engine/devices.h"
#include "engine/environ.h"
#include "engine/keep.h"
#include "engine/network.h"
#include "engine/payload.h"
#include "engine/registry.h"
#include "engine/run.h"
#include "engine/scope.h"
#include "engine/stub.h"
#include "io/fd.h"
#include "kernel/process.h"

int container_plan(struct container *container)
{
	int r;

	if (container->plan.count > 0)
		return 0;
	r = resources_new_boot_id(&container->resources);
	if (r < 0)
		return r;
	return plan_build(&container->scratch, &container->plan, container->spec, &container->host,
			  &container->root.facts, &container->resources.taken);
}

/* Nothing of it is needed while the container runs; a further start makes its own. */
void container_forget_plan(struct container *container)
{
	container->plan = (struct plan){ 0 };
	arena_done(&container->scratch);
}

static _Noreturn void become_payload(struct container *container)
{
	struct environ_facts facts = {
		.spec = container->spec,
		.host = &container->host,
		.root = &container->root.facts,
		.user = container->user.name == NULL ? NULL : &container->user,
		.listen_fds = container->request->listen_fds,
	};
	struct payload payload = {
		.apply = &container->apply,
		.channel = &container->channel,
		.plan = &container->plan,
		.taken = &container->resources.taken,
		.privilege = {
			.spec = container->spec,
			.user = facts.user,
			.filter = container->spec->no_seccomp ? NULL : &container->filter,
			.proc_fd = -EBADF,
		},
		.init = container->root.facts.program,
		.environment = environ_build(&container->scratch, &facts),
		.listen_fds = container->request->listen_fds,
		.stub_fd = container->stub_fd,
		.gate_fd = container->gate_fd,
		.keep_when_orphaned = container->spec->on_supervisor_death == ON_DEATH_KEEP,
	};

	fd_close(&container->channel.supervisor);
	payload_main(&payload);
}

static int start_payload(struct container *container)
{
	struct resources *resources = &container->resources;
	int r;

	container->apply.arena = &container->scratch;
	container->apply.spec = container->spec;
	container->apply.plan = &container->plan;
	if (container->spec->start == START_PID2 && container->stub_fd < 0) {
		container->stub_fd = stub_open();
		if (container->stub_fd < 0)
			return fail(container->stub_fd, "cannot make the stub for PID 1");
	}
	r = channel_open(&container->channel);
	if (r < 0)
		return fail(r, "cannot make a channel to the payload");
	r = root_reopen(container->arena, &container->root, &container->host);
	if (r >= 0)
		r = cgroups_renew(resources);
	if (r >= 0)
		r = container_plan(container);
	/* Every start has a cgroup of its own. */
	if (r >= 0 && resources->taken.cgroup != CGROUP_SCOPE)
		r = devices_restrict(&container->plan, container->spec, resources->cgroup_fd);
	if (r < 0)
		return r;
	if (resources->taken.cgroup == CGROUP_SCOPE)
		cgroups_hold_root(resources);
	r = resources_enter_private_mounts(resources, &container->root);
	if (r < 0)
		return r;
	/* sysfs shows the network namespace of who mounts it, so we stay there until the tree is
	 * done. */
	r = resources_join_network(resources);
	if (r < 0)
		return r;
	r = spawn_payload(&container->spawn, container->spec, &resources->taken,
			  resources->cgroup_fd);
	if (r == 0)
		become_payload(container);
	fd_close(&container->channel.payload);
	if (r < 0)
		return r;
	if (resources->taken.cgroup == CGROUP_SCOPE)
		scope_request(resources, container->spec, container->spawn.pid);
	r = spawn_admit(&container->scratch, &container->spawn, container->spec, &resources->taken,
			&resources->ids);
	if (r < 0)
		return r;
	r = channel_go(&container->channel, NULL, 0);
	return r < 0 ? fail(r, "cannot tell the payload that its ids are mapped") : 0;
}

/* Before its tree is entered, for then the cgroup namespace is made. */
static int enter_scope(struct container *container)
{
	struct resources *resources = &container->resources;
	int r;

	if (resources->taken.cgroup != CGROUP_SCOPE || resources->cgroup_fd >= 0)
		return 0;
	r = scope_enter(resources, container->spec, container->spawn.pid);
	return r < 0 ? r
		     : devices_restrict(&container->plan, container->spec, resources->cgroup_fd);
}

static int note_leader(struct container *container)
{
	uint64_t start, id = process_id(container->spawn.pidfd);
	int r;

	r = process_start_time(container->spawn.pid, &start);
	if (r < 0)
		return fail(r, "cannot ask when the payload was started");
	/* The facts are of the machine, not of one start of it. */
	if (container->resources.record.leader_at == 0)
		registry_note(&container->scratch, &container->resources, container->spec,
			      &container->root, &container->plan, container->request->program);
	/* In place, of a further start too: its leader may have the number of the one before. */
	r = record_runs(&container->resources.record, 0);
	if (r < 0)
		return r;
	/* First, so that at no time it is noted of another leader. */
	r = id == 0 ? 0 : record_leader_id(&container->resources.record, container->spawn.pid, id);
	if (r < 0)
		return r;
	return record_leader(&container->resources.record, container->spawn.pid, start);
}

static int assemble(struct container *container)
{
	struct apply *apply = &container->apply;
	const struct taken *taken = &container->resources.taken;
	bool ranged = taken->userns == RUNG_IDMAPPED || taken->userns == RUNG_SHIFTED;
	autoclose int foreign = -EBADF;
	int r;

	apply->userns_fd = container->spawn.userns_fd;
	apply->can_map = ranged;
	apply->map_tree = ranged && taken->ownership_map;
	apply->base = ranged ? taken->base : 0;
	apply->range = taken->range;
	apply->users = &container->users;
	apply->root = &container->root;
	apply->make_temporary = resources_make_temporary;
	apply->plan_temporary = resources_plan_temporary;
	apply->context = &container->resources;
	r = apply_idmap_tree(&foreign, &container->resources.ids);
	if (r < 0)
		return r;
	apply->tree_map_fd = foreign >= 0 ? foreign : apply->userns_fd;

	apply->source_root_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (apply->source_root_fd < 0)
		return fail(-errno, "cannot open the tree again");
	apply->at_fd = resources_open_attach_point(&container->resources, &container->host);
	if (apply->at_fd < 0)
		return apply->at_fd;
	return apply_host(apply);
}

static int let_go(struct container *container)
{
	struct apply *apply = &container->apply;
	int fds[] = { apply->root_fd, apply->console_slave };
	size_t count = container->spec->console == CONSOLE_PIPE ? 1 : 2;
	int r;

	r = channel_go(&container->channel, fds, count);
	return r < 0 ? fail(r, "cannot tell the payload to go on") : 0;
}

/* What our caller left open is of no use any more (it was, until here:
 * --load-credential=…:/dev/fd/63). */
static void close_foreign(struct container *container)
{
	const struct resources *resources = &container->resources;
	const int ours[] = {
		resources->record.fd,
		resources->record.dir_fd,
		resources->ids.lock_fd,
		resources->host_mounts_fd,
		resources->network_fd,
		resources->own_network_fd,
		resources->middle_fd,
		container->root.lock.local_fd,
		container->root.lock.global_fd,
		container->root.snapshot.parent_fd,
		container->root.disk.loops[DISK_ROOT],
		container->root.disk.loops[DISK_USR],
		container->root.disk.loops[DISK_HOME],
		container->root.disk.loops[DISK_SRV],
		container->root.disk.loops[DISK_VAR],
		container->root.disk.loops[DISK_TMP],
		container->root.disk.loops[DISK_XBOOTLDR],
		container->root.disk.loops[DISK_ESP],
		container->root.disk.servers.line_fd,
		container->root.disk.servers.timer_fd,
		container->stub_fd,
		container->leaving_fd,
		container->uplink.pidfd,
		container->uplink.words_fd,
		container->channel.supervisor,
		container->spawn.pidfd,
		container->apply.notify_fd,
		container->apply.console_slave,
		container->apply.held[0],
		container->apply.held[1],
		container->console.master,
		bus_fd(resources->bus),
		resources->scope_fd,
	};

	/* Those of socket activation are for every start. */
	fd_close_all(3 + container->request->listen_fds, ours, ARRAY_SIZE(ours));
}

/* Everything but what supervising needs: the mounts' descriptors pin the private namespace. */
static int settle(struct container *container)
{
	struct apply *apply = &container->apply;
	bool show = container->spec->console != CONSOLE_PIPE;
	int r;

	r = note_leader(container);
	if (r >= 0)
		r = cgroups_complete(&container->resources, container->spec);
	if (r >= 0)
		r = resources_leave_network(&container->resources);
	if (r < 0)
		return r;
	if (show)
		console_take(&container->console, take_fd(&apply->console_master),
			     container->spec->console == CONSOLE_INTERACTIVE,
			     container->spec->console != CONSOLE_PASSIVE);
	apply_release_mounts(apply);
	fd_close(&container->spawn.userns_fd);
	root_rest(&container->root);
	cgroups_rest(&container->resources);
	close_foreign(container);
	if (container->spec->on_supervisor_death == ON_DEATH_KEEP) {
		r = keep_hold(container);
		if (r < 0)
			return r;
	}
	/* Holds descriptors of its own from here on. */
	r = network_make(container);
	if (r < 0)
		return r;
	record_rest(&container->resources.record);
	container_forget_plan(container);
	container->gate_fd = -EBADF; /* closed, and a further start does not wait again */
	return 0;
}

int container_start(struct container *container)
{
	int r;

	raw_limit(&container->root.disk);
	/* The tree will cover the directory, and when the container reboots it is closed. */
	r = record_wake(&container->resources.record);
	if (r < 0)
		return fail(r, "cannot open the records' directory");
	r = start_payload(container);
	if (r < 0)
		return r;
	/* Without a cgroup namespace the tree shows the payload's cgroup. */
	r = container->spec->no_cgroup_namespace ? enter_scope(container) : 0;
	if (r >= 0)
		r = assemble(container);
	if (r >= 0)
		r = enter_scope(container);
	if (r < 0)
		return r;
	r = let_go(container);
	if (r < 0)
		return r;
	/* While the payload enters the tree; it waits once more before it runs its program. */
	r = settle(container);
	if (r < 0)
		return r;
	r = channel_go(&container->channel, NULL, 0);
	if (r < 0 && r != -EPIPE)
		return fail(r, "cannot tell the payload to run its program");
	return 0;
}
