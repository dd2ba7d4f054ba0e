#include "engine/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/apply-idmap.h"
#include "engine/apply.h"
#include "engine/guest-users-bind.h"
#include "engine/cgroups.h"
#include "engine/channel.h"
#include "engine/credentials.h"
#include "engine/devices.h"
#include "engine/environ.h"
#include "machine/guest-users.h"
#include "engine/host.h"
#include "engine/journal.h"
#include "engine/notify.h"
#include "engine/payload.h"
#include "engine/registry.h"
#include "engine/resources.h"
#include "engine/root.h"
#include "engine/spawn.h"
#include "engine/stub.h"
#include "engine/supervise.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/process.h"
#include "kernel/seccomp.h"
#include "machine/console.h"
#include "machine/reap.h"
#include "plan/plan.h"
#include "spec/spec.h"

#define REAP_AT_START 8
#define EXIT_REBOOT_ME 133 /* reference, section 1: the service manager starts us again */

/* All that one container is, for as long as it is supervised. */
struct container {
	struct arena *arena;
	const struct run_request *request;
	struct spec *spec;
	struct host host;
	struct root root;
	struct resources resources;
	struct arena scratch; /* what one start needs: the plan and all that is made from it */
	struct plan plan;
	struct guest_user user;
	struct guest_users_bound users;
	struct seccomp_filter filter;
	int stub_fd;
	int gate_fd; /* borrowed, for the first start only */

	/* of one start */
	struct channel channel;
	struct spawn spawn;
	struct apply apply;
	struct console console;
};

static void container_init(struct container *container, struct arena *arena,
			   const struct run_request *request)
{
	*container = (struct container){
		.arena = arena,
		.request = request,
		.spec = request->spec,
		.root = ROOT_EMPTY,
		.stub_fd = -EBADF,
		.gate_fd = request->gate_fd,
		.channel = { -EBADF, -EBADF },
		.spawn = { .pidfd = -EBADF, .userns_fd = -EBADF },
		.console = CONSOLE_EMPTY,
	};
	resources_init(&container->resources, arena);
	apply_init(&container->apply);
}

/* ---- 4 to 6: what there is, what is taken, what will be done ---- */

static int select_filter(struct container *container)
{
	const struct spec *spec = container->spec;
	struct seccomp_request request = {
		.capabilities = spec_capabilities(spec),
		.allow = &spec->syscall_allow,
		.deny = &spec->syscall_deny,
		.suppress_sync = spec->suppress_sync == TRISTATE_YES,
		.keyring = spec->nesting,
		.families = spec->address_families_set ? &spec->address_families : NULL,
		.families_deny = spec->address_families_deny,
	};
	const char *unknown = NULL;
	int r;

	if (spec->no_seccomp)
		return 0;
	r = seccomp_select(container->arena, &container->filter, &request, &unknown);
	if (r == -ENOENT)
		return fail_input("cannot filter the system call '%s': there is none of this name",
				  unknown);
	if (r == -ENOPKG)
		return fail_plain(
			r,
			"cannot make a system call filter of your own: libseccomp is not installed "
			"(install it, or leave out --system-call-filter=)");
	if (r < 0)
		return fail(r, "cannot make the system call filter");
	if (unknown != NULL)
		log_warning("there is no system call '%s' to allow, going on without", unknown);
	return 0;
}

static int gather_journal(struct container *container)
{
	bool skip = false;
	int r;

	r = journal_gather(container->arena, &container->host, &skip, container->spec,
			   &container->root);
	if (r >= 0 && skip)
		container->spec->link_journal = JOURNAL_NO;
	return r;
}

static int make_plan(struct container *container)
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
static void forget_plan(struct container *container)
{
	container->plan = (struct plan){ 0 };
	arena_done(&container->scratch);
}

static int prepare(struct container *container, bool dry)
{
	struct spec *spec = container->spec;
	int r;

	r = host_gather(container->arena, &container->host, spec, container->request->environment);
	if (r < 0)
		return r;
	if (!dry) {
		r = credentials_load(container->arena, spec,
				     text_variable(container->request->environment,
						   "CREDENTIALS_DIRECTORY"));
		if (r < 0)
			return r;
		r = resources_enter_outer(&container->resources, spec, &container->host);
		if (r < 0)
			return r;
		reap_some(container->host.runtime_directory, REAP_AT_START);
		r = resources_open_record(&container->resources, spec, &container->host);
		if (r < 0)
			return r;
	}
	r = root_open(container->arena, &container->root, spec, &container->host,
		      dry ? NULL : &container->resources.record);
	if (r < 0)
		return r;
	r = gather_journal(container);
	if (r < 0)
		return r;
	if (spec->user != NULL || spec->start != START_BOOT) {
		r = guest_users_find(container->arena, &container->user, container->root.fd,
				     spec->user);
		if (r < 0)
			return r;
	}
	if (spec->bind_users.count > 0) {
		r = guest_users_bind(container->arena, &container->users, container->root.fd, spec);
		if (r < 0)
			return r;
	}
	r = select_filter(container);
	if (r < 0)
		return r;
	r = resources_open(&container->resources, spec, &container->host, &container->root, dry);
	if (r < 0)
		return r;
	return make_plan(container);
}

/* ---- 7 to 10: two processes ---- */

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
	r = channel_open(&container->channel);
	if (r < 0)
		return fail(r, "cannot make a channel to the payload");
	r = root_reopen(&container->root);
	if (r >= 0)
		r = cgroups_renew(resources);
	if (r >= 0)
		r = make_plan(container);
	if (r < 0)
		return r;
	r = resources_enter_private_mounts(resources, container->root.fd);
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
	r = spawn_admit(&container->scratch, &container->spawn, container->spec, &resources->taken,
			&resources->ids);
	if (r < 0)
		return r;
	r = channel_go(&container->channel, NULL, 0);
	return r < 0 ? fail(r, "cannot tell the payload that its ids are mapped") : 0;
}

static int note_leader(struct container *container)
{
	uint64_t start;
	int r;

	r = process_start_time(container->spawn.pid, &start);
	if (r < 0)
		return fail(r, "cannot ask when the payload was started");
	/* The facts are of the machine, not of one start of it. */
	if (container->resources.record.leader_at == 0)
		registry_note(&container->scratch, &container->resources, container->spec,
			      &container->root, &container->plan);
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
		resources->ids.lock_fd,
		resources->host_mounts_fd,
		resources->network_fd,
		resources->own_network_fd,
		container->root.lock.local_fd,
		container->root.lock.global_fd,
		container->root.snapshot.parent_fd,
		container->stub_fd,
		container->channel.supervisor,
		container->spawn.pidfd,
		container->apply.notify_fd,
		container->apply.console_slave,
		container->apply.held[0],
		container->apply.held[1],
		container->console.master,
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
		r = cgroups_complete(&container->resources);
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
	record_rest(&container->resources.record);
	cgroups_rest(&container->resources);
	forget_plan(container);
	close_foreign(container);
	container->gate_fd = -EBADF; /* closed, and a further start does not wait again */
	return 0;
}

/* Not before: dropping a mount namespace waits for the kernel's readers (RCU) with the lock that
 * the payload's own mounts need. */
static int leave_private(void *context)
{
	struct container *container = context;

	return resources_leave_private_mounts(&container->resources);
}

/* ---- 11, 12 ---- */

/* Some inits want a word in a file of theirs, beside the signal or instead of it. */
static int request_from_init(void *context, bool reboot)
{
	struct container *container = context;
	autoclose int root = -EBADF;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/root", container->spawn.pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	return guest_init_request(&container->root.init, root, reboot);
}

static void kill_rest(void *context)
{
	struct container *container = context;

	cgroups_kill(&container->resources);
}

static enum outcome watch(struct container *container, int *ret_status)
{
	const struct spec *spec = container->spec;
	const char *usec = text_variable(container->request->environment, "WATCHDOG_USEC");
	struct supervise supervise_ = {
		.name = spec->machine,
		.channel = &container->channel,
		.console = &container->console,
		.pid = container->spawn.pid,
		.pidfd = container->spawn.pidfd,
		.notify_fd = container->apply.notify_fd,
		.stop_signal = spec->kill_signal,
		.reboot_signal = SIGRTMIN + 5,
		.poweroff_signal = SIGRTMIN + 4,
		.notify_ready = spec->notify_ready == TRISTATE_YES,
		.notify_socket = text_variable(container->request->environment, "NOTIFY_SOCKET"),
		.kill_rest = kill_rest,
		.started = leave_private,
		.context = container,
	};

	if (spec->start == START_BOOT) {
		supervise_.request = request_from_init;
		if (supervise_.stop_signal == 0)
			supervise_.stop_signal = container->root.init.stop_signal;
		supervise_.reboot_signal = container->root.init.reboot_signal;
		supervise_.poweroff_signal = container->root.init.poweroff_signal;
	}
	if (usec != NULL)
		supervise_watchdog(&supervise_, usec);
	return supervise(&supervise_, ret_status);
}

/* What belongs to one start, in the reverse order; safe after a failure at any point. */
static void end_start(struct container *container)
{
	siginfo_t info;

	if (container->spawn.pid > 0 && container->spawn.pidfd >= 0) {
		process_signal(container->spawn.pidfd, SIGKILL);
		process_wait(container->spawn.pidfd, &info, 0);
	}
	container->spawn.pid = 0;
	container->resources.temporary_used = 0;
	console_done(&container->console);
	apply_done(&container->apply);
	apply_init(&container->apply);
	channel_done(&container->channel);
	spawn_done(&container->spawn);
	resources_leave_network(&container->resources);
	resources_leave_private_mounts(&container->resources);
}

static void teardown(struct container *container)
{
	end_start(container);
	root_done(&container->root);
	resources_done(&container->resources);
	fd_close(&container->stub_fd);
	forget_plan(container);
}

/* 1 when the container wants to start again. */
static int conclude(struct container *container, enum outcome outcome, int status)
{
	const char *name = container->spec->machine;

	switch (outcome) {
	case OUTCOME_FAILED: return fail_recorded()->code;
	case OUTCOME_POWEROFF: log_info("Container %s has been shut down.", name); return 0;
	case OUTCOME_REBOOT:
		log_info("Container %s is being rebooted.", name);
		return EXIT_REBOOT_ME;
	case OUTCOME_SIGNAL:
		return fail_plain(-EIO, "container '%s' was terminated by signal %s", name,
				  strsignal(status));
	case OUTCOME_EXIT:
		if (status == 0)
			log_info("Container %s exited successfully.", name);
		else
			log_info("Container %s failed with error code %d.", name, status);
		/* The unit's template takes 133 for a wish to be started again. */
		return status == EXIT_REBOOT_ME ? 1 : status;
	}
	return -EINVAL;
}

static void greet(struct container *container)
{
	const struct taken *taken = &container->resources.taken;

	log_info("Spawning container %s on %s.", container->spec->machine,
		 container->root.facts.path);
	if (taken->userns == RUNG_IDMAPPED || taken->userns == RUNG_SHIFTED)
		log_info("Selected user namespace base %u and range %u.", taken->base,
			 taken->range);
	if (container->spec->console == CONSOLE_INTERACTIVE)
		log_info("Press Ctrl-] three times within 1s to kill container; two times followed "
			 "by r to reboot "
			 "container; two times followed by p to poweroff container.");
	root_warn_no_login(container->arena, &container->root, container->spec);
}

static int start_once(struct container *container, enum outcome *ret_outcome, int *ret_status)
{
	int r;

	r = start_payload(container);
	if (r < 0)
		return r;
	r = assemble(container);
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
	*ret_outcome = watch(container, ret_status);
	container->spawn.pid = 0; /* reaped */
	return 0;
}

static int prepare_process(struct container *container)
{
	int r = supervise_take_signals();

	if (r < 0)
		return fail(r, "cannot take over the signals");
	if (container->spec->start == START_PID2) {
		container->stub_fd = stub_open();
		if (container->stub_fd < 0)
			return fail(container->stub_fd, "cannot make the stub for PID 1");
	}
	return devices_restrict(&container->plan, container->resources.cgroup_fd);
}

int container_run(struct arena *arena, const struct run_request *request)
{
	const char *notify = text_variable(request->environment, "NOTIFY_SOCKET");
	enum outcome outcome = OUTCOME_FAILED;
	struct container container;
	int r, status = 0;

	container_init(&container, arena, request);
	r = prepare(&container, false);
	if (r >= 0)
		r = prepare_process(&container);
	if (r >= 0)
		greet(&container);
	while (r >= 0) {
		r = start_once(&container, &outcome, &status);
		end_start(&container);
		if (r < 0)
			break;
		r = conclude(&container, outcome, status);
		if (outcome != OUTCOME_REBOOT || container.spec->keep_unit)
			break;
		r = 0;
	}
	if (notify != NULL)
		notify_send(notify, r == EXIT_REBOOT_ME ? "STOPPING=1\nSTATUS=Restarting..."
							: "STOPPING=1\nSTATUS=Terminating...");
	teardown(&container);
	return r;
}

int container_print_plan(struct arena *arena, const struct run_request *request)
{
	struct container container;
	const char *json = request->spec->json;
	char *text;
	int r;

	container_init(&container, arena, request);
	r = prepare(&container, true);
	if (r >= 0) {
		if (json != NULL && strcmp(json, "off") != 0)
			text = plan_print_json(arena, &container.plan, strcmp(json, "pretty") == 0);
		else
			text = plan_print(arena, &container.plan, false);
		r = fd_write_all(STDOUT_FILENO, text, strlen(text));
	}
	teardown(&container);
	return r;
}
