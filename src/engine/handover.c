#include "engine/handover.h"

#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/container.h"
#include "engine/credentials.h"
#include "engine/host.h"
#include "engine/limits.h"
#include "engine/load.h"
#include "engine/persist.h"
#include "engine/run.h"
#include "engine/scope.h"
#include "io/fd.h"
#include "kernel/cgroup.h"
#include "kernel/namespace.h"
#include "spec/readers.h"

/* ---- out ---- */

static struct text_list list_of(struct arena *arena, const char *const *words)
{
	struct text_list list = { 0 };

	for (; words != NULL && *words != NULL; words++)
		text_list_add(arena, &list, arena_text(arena, *words));
	return list;
}

static void collect_asked(struct arena *arena, struct state *state,
			  const struct container *container)
{
	const struct run_request *request = container->request;

	state->arguments = list_of(arena, request->arguments);
	state->environment = list_of(arena, request->environment);
	state->directory = request->directory;
	state->program = request->program;
	state->uid = container->host.uid;
	state->confined = container->host.confined;
	state->listen_fds = (uint64_t)request->listen_fds;
	state->log_level = (uint64_t)log_level();
}

static void collect_health(struct state *state, const struct health *health)
{
	state->health_command = health->command;
	state->health_interval = health->interval_us;
	state->health_timeout = health->timeout_us;
	state->health_start = health->start_us;
	state->health_retries = health->retries;
	state->health_failure = health->on_failure;
}

static void collect_machine(struct state *state, const struct container *container)
{
	const struct spec *spec = container->spec;
	const struct guest_init *init = &container->root.init;

	state->machine = spec->machine;
	state->runtime = container->resources.record.runtime;
	state->start = spec->start;
	state->kill_signal = (uint64_t)spec->kill_signal;
	state->notify_ready = spec->notify_ready == TRISTATE_YES;
	state->console = spec->console;
	state->keep_unit = spec->keep_unit;
	state->keep = spec->on_supervisor_death;
	collect_health(state, &spec->health);
	state->init_kind = init->kind;
	state->init_program = init->program;
	state->init_stop = (uint64_t)init->stop_signal;
	state->init_poweroff = (uint64_t)init->poweroff_signal;
	state->init_reboot = (uint64_t)init->reboot_signal;
	state->pid = (uint64_t)container->spawn.pid;
	state->stopping = container->stopping;
	state->adopted = container->adopted;
}

static void collect_tree(struct state *state, const struct root *root)
{
	state->tree = root->facts.path;
	state->tree_lock = root->lock.local_path;
	state->tree_lock_global = root->lock.global_path;
	state->lock_exclusive = root->lock.exclusive;
	state->snapshot = root->snapshot.name;
	state->snapshot_rung = root->facts.snapshot_rung;
	state->upper = root->facts.ephemeral_upper;
	state->image = root->disk.used;
	state->image_read_only = root->disk.read_only;
	state->image_served = root->disk.served;
	state->disk = (struct state_blob){ &root->disk.disk, sizeof(root->disk.disk) };
	state->device = root->device;
	state->inode = root->inode;
	state->machine_id = (struct state_blob){ root->facts.machine_id,
						 sizeof(root->facts.machine_id) };
}

static void collect_resources(struct state *state, const struct resources *resources)
{
	const struct ids *ids = &resources->ids;

	state->rung = ids->rung;
	state->base = ids->base;
	state->range = ids->range;
	state->map = ids->map;
	state->chown = ids->chown;
	state->map_from = ids->map_from;
	state->uids = (struct state_blob){ ids->uids, ids->uid_count * sizeof(*ids->uids) };
	state->gids = (struct state_blob){ ids->gids, ids->gid_count * sizeof(*ids->gids) };
	state->ids_text = ids->text;
	state->ids_lock = ids->lock_path;
	state->outer = resources->outer;
	state->cgroup = resources->taken.cgroup_path;
	state->cgroup_rung = resources->taken.cgroup;
	state->cgroup_name = resources->cgroup_name;
	state->cgroup_inode = resources->cgroup_inode;
	state->moved_down = resources->moved_down;
	state->temporary = resources->temporary;
	state->state_directory = resources->state_directory;
	state->scope_of_user = resources->scope_of_user;
	state->registered = resources->registered;
}

static struct state_blob blob_of(const struct console_flow *flow)
{
	return (struct state_blob){ flow->data + flow->start, flow->end - flow->start };
}

static void collect_console(struct state *state, const struct console *console)
{
	state->console_in = console->in >= 0;
	state->console_out = console->out >= 0;
	state->console_socket = console->out_is_socket;
	state->to_guest = blob_of(&console->to_guest);
	state->from_guest = blob_of(&console->from_guest);
	if (console->raw.fd >= 0)
		state->terminal = (struct state_blob){ &console->raw.saved,
						       sizeof(console->raw.saved) };
}

void handover_collect(struct arena *arena, struct state *ret, int fds[STATE_FDS],
		      const struct container *container)
{
	const struct apply *apply = &container->apply;
	const struct root *root = &container->root;
	const struct resources *resources = &container->resources;
	const int held[STATE_FDS] = {
		[STATE_PIDFD] = container->spawn.pidfd,
		[STATE_CONSOLE] = container->console.master,
		[STATE_CONSOLE_SLAVE] = apply->console_slave,
		[STATE_NOTIFY] = apply->notify_fd,
		[STATE_LOCK_LOCAL] = root->lock.local_fd,
		[STATE_LOCK_GLOBAL] = root->lock.global_fd,
		[STATE_LOCK_IDS] = resources->ids.lock_fd,
		[STATE_SNAPSHOT] = root->snapshot.parent_fd,
		[STATE_NETWORK] = resources->network_fd,
		[STATE_HELD_0] = apply->held[0],
		[STATE_HELD_1] = apply->held[1],
		[STATE_OUTER] = -EBADF,
		[STATE_MIDDLE] = -EBADF,
		[STATE_RECORD] = resources->record.fd,
		[STATE_HOLDER] = container->holder_fd,
		[STATE_SCOPE] = scope_connection(resources),
		[STATE_SERVERS_LINE] = root->disk.servers.line_fd,
		[STATE_SERVERS_TIMER] = root->disk.servers.timer_fd,
	};

	*ret = (struct state){ 0 };
	collect_asked(arena, ret, container);
	collect_machine(ret, container);
	collect_tree(ret, root);
	collect_resources(ret, resources);
	collect_console(ret, &container->console);
	memcpy(fds, held, sizeof(held));
	memcpy(fds + STATE_LOOP, root->disk.loops, sizeof(root->disk.loops));
}

/* ---- in ---- */

static const char **words_of(struct arena *arena, const struct text_list *list)
{
	const char **words = arena_take_array(arena, list->count + 1, sizeof(*words));

	for (size_t i = 0; i < list->count; i++)
		words[i] = list->items[i];
	return words;
}

static void restore_health(struct arena *arena, struct health *ret, const struct state *state)
{
	*ret = (struct health){
		.interval_us = state->health_interval,
		.timeout_us = state->health_timeout,
		.start_us = state->health_start,
		.retries = (uint32_t)state->health_retries,
		.on_failure = (enum health_failure)state->health_failure,
	};
	for (size_t i = 0; i < state->health_command.count; i++)
		text_list_add(arena, &ret->command,
			      arena_text(arena, state->health_command.items[i]));
}

/* What supervising asks of a spec; the rest is read again before a further start. */
static struct spec *spec_of(struct arena *arena, const struct state *state)
{
	struct spec *spec = arena_new(arena, struct spec);

	spec_init(spec);
	spec->machine = arena_text(arena, state->machine);
	spec->start = (enum start_mode)state->start;
	spec->kill_signal = (int)state->kill_signal;
	spec->notify_ready = state->notify_ready != 0;
	spec->console = (enum console_mode)state->console;
	spec->keep_unit = state->keep_unit != 0;
	spec->on_supervisor_death = (enum on_death)state->keep;
	restore_health(arena, &spec->health, state);
	return spec;
}

static void restore_asked(struct container *container, const struct state *state)
{
	struct arena *arena = container->arena;
	struct run_request *request = arena_new(arena, struct run_request);

	*request = (struct run_request){
		.spec = spec_of(arena, state),
		.environment = words_of(arena, &state->environment),
		.arguments = words_of(arena, &state->arguments),
		.directory = arena_text(arena, state->directory),
		.program = arena_text(arena, state->program),
		.listen_fds = (int)state->listen_fds,
		.gate_fd = -EBADF,
	};
	container->request = request;
	container->spec = request->spec;
	container->restored = true;
	container->keep_noted = state->keep == ON_DEATH_KEEP;
	container->host.uid = (unsigned int)state->uid;
	container->host.confined = state->confined != 0;
	container->host.runtime_directory = arena_text(arena, state->runtime);
}

static void restore_root(struct arena *arena, struct root *root, const struct state *state,
			 int fds[STATE_FDS])
{
	root->lock = (struct lock){
		.local_fd = take_fd(&fds[STATE_LOCK_LOCAL]),
		.global_fd = take_fd(&fds[STATE_LOCK_GLOBAL]),
		.local_path = arena_text(arena, state->tree_lock),
		.global_path = arena_text(arena, state->tree_lock_global),
		.exclusive = state->lock_exclusive != 0,
	};
	root->locked = true;
	root->disk.used = state->image != 0;
	root->disk.read_only = state->image_read_only != 0;
	root->disk.served = state->image_served != 0;
	root->facts.disk_served = root->disk.served;
	for (int role = 0; role < DISK_ROLES; role++)
		root->disk.loops[role] = take_fd(&fds[STATE_LOOP + role]);
	root->disk.servers.line_fd = take_fd(&fds[STATE_SERVERS_LINE]);
	root->disk.servers.timer_fd = take_fd(&fds[STATE_SERVERS_TIMER]);
	if (root->disk.used && state->disk.size == sizeof(root->disk.disk)) {
		memcpy(&root->disk.disk, state->disk.data, state->disk.size);
		root->facts.disk = &root->disk.disk;
	}
	root->snapshot.parent_fd = take_fd(&fds[STATE_SNAPSHOT]);
	root->snapshot.name = arena_text(arena, state->snapshot);
	root->facts.path = arena_text(arena, state->tree);
	root->facts.snapshot_rung = arena_text(arena, state->snapshot_rung);
	root->facts.ephemeral_upper = arena_text(arena, state->upper);
	if (state->machine_id.size == sizeof(root->facts.machine_id))
		memcpy(root->facts.machine_id, state->machine_id.data, state->machine_id.size);
	root->device = (dev_t)state->device;
	root->inode = (ino_t)state->inode;
	root->init = (struct guest_init){
		.kind = (enum guest_init_kind)state->init_kind,
		.program = arena_text(arena, state->init_program),
		.stop_signal = (int)state->init_stop,
		.poweroff_signal = (int)state->init_poweroff,
		.reboot_signal = (int)state->init_reboot,
	};
}

static size_t restore_extents(struct own_ids_extent *extents, const struct state_blob *blob)
{
	size_t size = MIN(blob->size, OWN_IDS_EXTENTS * sizeof(*extents));

	if (size > 0)
		memcpy(extents, blob->data, size);
	return size / sizeof(*extents);
}

static void restore_resources(struct arena *arena, struct resources *resources,
			      const struct state *state, int fds[STATE_FDS])
{
	struct ids *ids = &resources->ids;
	autoclose int cgroups = -EBADF;

	ids->rung = (enum userns_rung)state->rung;
	ids->base = (uint32_t)state->base;
	ids->range = (uint32_t)state->range;
	ids->map = state->map != 0;
	ids->chown = state->chown != 0;
	ids->map_from = (uint32_t)state->map_from;
	ids->uid_count = restore_extents(ids->uids, &state->uids);
	ids->gid_count = restore_extents(ids->gids, &state->gids);
	ids->text = arena_text(arena, state->ids_text);
	ids->lock_path = arena_text(arena, state->ids_lock);
	ids->lock_fd = take_fd(&fds[STATE_LOCK_IDS]);
	resources->outer = state->outer != 0;
	resources->network_fd = take_fd(&fds[STATE_NETWORK]);
	resources->scope_fd = take_fd(&fds[STATE_SCOPE]);
	for (size_t i = 0; i < state->temporary.count; i++)
		text_list_add(arena, &resources->temporary,
			      arena_text(arena, state->temporary.items[i]));
	resources->state_directory = arena_text(arena, state->state_directory);
	resources->state_noted = resources->state_directory != NULL;
	resources->scope_of_user = state->scope_of_user != 0;
	resources->registered = state->registered != 0;
	if (cgroup_open_root(&cgroups, &resources->cgroup_mount) < 0)
		return;
	resources->taken.cgroup = (enum cgroup_rung)state->cgroup_rung;
	resources->taken.cgroup_path = arena_text(arena, state->cgroup);
	resources->cgroup_name = arena_text(arena, state->cgroup_name);
	resources->cgroup_inode = state->cgroup_inode;
	resources->moved_down = state->moved_down != 0;
}

static void restore_flow(struct console_flow *flow, const struct state_blob *blob)
{
	flow->start = 0;
	flow->end = MIN(blob->size, sizeof(flow->data));
	if (flow->end > 0)
		memcpy(flow->data, blob->data, flow->end);
}

static void restore_console(struct console *console, const struct state *state, int fds[STATE_FDS])
{
	console->master = take_fd(&fds[STATE_CONSOLE]);
	console->in = state->console_in ? STDIN_FILENO : -EBADF;
	console->out = state->console_out ? STDOUT_FILENO : -EBADF;
	console->out_is_socket = state->console_socket != 0;
	restore_flow(&console->to_guest, &state->to_guest);
	restore_flow(&console->from_guest, &state->from_guest);
	if (state->terminal.size == sizeof(console->raw.saved)) {
		memcpy(&console->raw.saved, state->terminal.data, sizeof(console->raw.saved));
		console->raw.fd = STDIN_FILENO;
	}
}

int handover_restore(struct container *container, const struct state *state, int fds[STATE_FDS])
{
	struct apply *apply = &container->apply;

	log_set_level((enum log_level)MIN(state->log_level, (uint64_t)LOG_LEVEL_DEBUG));
	restore_asked(container, state);
	restore_root(container->arena, &container->root, state, fds);
	restore_resources(container->arena, &container->resources, state, fds);
	resources_fill_taken(&container->resources, container->spec);
	restore_console(&container->console, state, fds);
	container->spawn.pid = (pid_t)state->pid;
	container->stopping = state->stopping != 0;
	container->adopted = state->adopted != 0;
	container->spawn.pidfd = take_fd(&fds[STATE_PIDFD]);
	container->holder_fd = take_fd(&fds[STATE_HOLDER]);
	apply->console_slave = take_fd(&fds[STATE_CONSOLE_SLAVE]);
	apply->notify_fd = take_fd(&fds[STATE_NOTIFY]);
	for (int i = 0; i < 2; i++) {
		apply->held[i] = take_fd(&fds[STATE_HELD_0 + i]);
		apply->held_count += apply->held[i] >= 0;
	}
	if (fds[STATE_RECORD] < 0)
		return 0;
	return record_resume(container->arena, &container->resources.record,
			     take_fd(&fds[STATE_RECORD]), state->runtime, state->machine);
}

/* ---- a further start ---- */

static int reload(struct container *container)
{
	const struct run_request *request = container->request;
	struct reader_facts facts = {
		.working_directory = request->directory,
		.environment = request->environment,
		.uid = container->host.uid,
	};
	struct spec *spec = arena_new(container->arena, struct spec);
	const char *machine = container->spec->machine;
	int r;

	r = load_spec(container->arena, spec, &facts, request->arguments);
	if (r < 0)
		return r;
	/* It may have got a suffix. */
	if (spec->hostname == NULL && strcmp(spec->machine, machine) != 0)
		spec->hostname = spec->machine;
	spec->machine = machine;
	container->spec = spec;
	return 0;
}

int handover_regather(struct container *container)
{
	struct host known = container->host;
	int r;

	r = reload(container);
	if (r < 0)
		return fail_in(r, "cannot start again after the supervisor was replaced");
	r = host_gather(container->arena, &container->host, container->spec,
			container->request->environment);
	if (r < 0)
		return r;
	/* As seen from outside of a user namespace of ours. */
	container->host.uid = known.uid;
	container->host.confined = known.confined;
	container->host.runtime_directory = known.runtime_directory;
	r = credentials_load(container->arena, container->spec,
			     text_variable(container->request->environment,
					   "CREDENTIALS_DIRECTORY"));
	if (r >= 0)
		r = root_regather(container->arena, &container->root, container->spec,
				  &container->host);
	if (r >= 0)
		r = persist_begin(container->arena, container->spec, &container->host,
				  &container->root);
	if (r >= 0)
		r = container_gather(container);
	if (r < 0)
		return r;
	resources_fill_taken(&container->resources, container->spec);
	container->restored = false;
	return limits_take(&container->resources, container->spec, true);
}
