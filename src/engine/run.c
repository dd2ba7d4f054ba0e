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
#include "engine/adopt.h"
#include "engine/cgroups.h"
#include "engine/container.h"
#include "engine/credentials.h"
#include "engine/guest-users-bind.h"
#include "engine/handover.h"
#include "engine/host.h"
#include "engine/journal.h"
#include "engine/keep.h"
#include "engine/network-resume.h"
#include "engine/network-uplink.h"
#include "engine/network-user.h"
#include "engine/network.h"
#include "engine/notify.h"
#include "engine/persist.h"
#include "engine/reexec.h"
#include "engine/registration.h"
#include "engine/resources.h"
#include "engine/root.h"
#include "engine/scope.h"
#include "engine/supervise.h"
#include "io/clock.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/process.h"
#include "kernel/seccomp.h"
#include "machine/console.h"
#include "machine/guest-users.h"
#include "machine/reap.h"
#include "plan/network-user.h"
#include "plan/plan.h"
#include "spec/spec.h"

#define REAP_AT_START 8
#define EXIT_REBOOT_ME 133 /* reference, section 1: the service manager starts us again */

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
		.holder_fd = -EBADF,
		.leaving_fd = -EBADF,
		.uplink = USERSPACE_EMPTY,
		.channel = { -EBADF, -EBADF },
		.spawn = { .pidfd = -EBADF, .userns_fd = -EBADF },
		.console = CONSOLE_EMPTY,
		.health = HEALTH_WATCH_EMPTY,
	};
	resources_init(&container->resources, arena);
	container->resources.servers = &container->root.disk.servers;
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

int container_gather(struct container *container)
{
	const struct spec *spec = container->spec;
	int r;

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
	return r < 0 ? r
		     : network_user_look(container->arena, &container->resources.taken.pooled, spec,
					 &container->host);
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
		if (network_user_is_direct(spec, &container->host))
			reap_middle(container->host.runtime_directory, spec->machine);
	}
	r = resources_enter_outer(&container->resources, spec, &container->host, dry);
	if (r < 0)
		return r;
	if (!dry) {
		reap_some(container->host.runtime_directory, REAP_AT_START);
		r = resources_open_record(&container->resources, spec, &container->host);
		if (r < 0)
			return r;
	}
	r = root_open(container->arena, &container->root, spec, &container->host,
		      dry ? NULL : &container->resources.record);
	if (r >= 0 && !dry)
		r = persist_begin(container->arena, spec, &container->host, &container->root);
	if (r < 0)
		return r;
	r = container_gather(container);
	if (r < 0)
		return r;
	r = resources_open(&container->resources, spec, &container->host, &container->root, dry);
	if (r < 0)
		return r;
	return container_plan(container);
}

/* The program runs. Not before: dropping a mount namespace waits for the kernel's readers (RCU)
 * with the lock that the payload's own mounts need. */
static int leave_private(void *context)
{
	struct container *container = context;
	struct resources *resources = &container->resources;
	int r;

	raw_unlimit(&container->root.disk);
	/* Of whoever runs, it is noted whether that is checked. */
	r = health_watch_begin(container);
	if (r >= 0)
		r = resources_leave_private_mounts(resources);
	if (r >= 0)
		network_settle(container);
	if (r >= 0)
		r = registration_enter(resources, container->spec, &container->host,
				       &container->root, container->network, container->spawn.pid,
				       container->spawn.pidfd);
	/* Who waits for the note may change its network, for which we have to be where that one
	 * is, and tells systemd's clients; and a crash of ours would do no harm from here on. */
	return r < 0 ? r : record_runs(&resources->record, container->spawn.pid);
}

/* ---- 11, 12 ---- */

/* Some inits want a word in a file of theirs, beside the signal or instead of it. */
static int request_from_init(void *context, bool reboot)
{
	struct container *container = context;
	autoclose int root = -EBADF;
	char path[32];

	int r;

	snprintf(path, sizeof(path), "/proc/%d/root", container->spawn.pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	raw_limit(&container->root.disk);
	r = guest_init_request(&container->root.init, root, reboot);
	raw_unlimit(&container->root.disk);
	return r;
}

static void kill_rest(void *context)
{
	struct container *container = context;

	/* Nobody can be killed who waits for a server of the tree that gives no answer. */
	raw_limit_end(&container->root.disk);
	cgroups_kill(&container->resources);
}

static void replace(void *context, bool stopping)
{
	struct container *container = context;

	container->stopping = stopping;
	reexec(container);
}

static int hold(void *context)
{
	struct container *container = context;

	keep_end(container);
	if (keep_renew(container) < 0) {
		log_warning(
			"nobody holds machine '%s' if its supervisor dies: %s, going on without",
			container->spec->machine, fail_recorded()->text);
		fail_forget();
	}
	return container->holder_fd;
}

static int hear_bus(void *context)
{
	struct container *container = context;

	return scope_hear(&container->resources, container->spec->machine);
}

static void note_time(struct container *container, enum record_kind kind)
{
	char times[48];

	snprintf(times, sizeof(times), "%llu %llu", (unsigned long long)clock_realtime_us(),
		 (unsigned long long)clock_monotonic_us());
	record_note(&container->resources.record, kind, times);
}

/* For who looks at machines; what it says is the guest's own claim (class S40). */
static void note_ready(void *context)
{
	note_time(context, RECORD_READY);
}

static void note_stopping(void *context)
{
	note_time(context, RECORD_STOPPING);
}

static int served_fd(void *context, size_t which)
{
	struct container *container = context;

	return which < NETWORK_SERVED ? network_served_fd(container->network, which)
				      : health_watch_fd(container, which - NETWORK_SERVED);
}

static int serve(void *context, size_t which)
{
	struct container *container = context;

	if (which >= NETWORK_SERVED)
		return health_watch_serve(container, which - NETWORK_SERVED);
	network_serve(container->network, which);
	return 0;
}

static bool is_open(void *context)
{
	return health_watch_is_open(context);
}

static void network_changed(void *context)
{
	network_renew(context);
}

/* It was to end because it does not work. Who waits for it to be ready is told of a failure; trying
 * again would only hide that. */
static enum outcome judge(const struct container *container, const struct supervise *supervise,
			  enum outcome outcome)
{
	if (!container->health.asked || supervise->told || outcome == OUTCOME_FAILED)
		return outcome;
	if (supervise->notify_socket == NULL || supervise->said)
		return container->health.restart ? OUTCOME_REBOOT : outcome;
	(void)fail_plain(-EIO, "container '%s' has not worked since it was started",
			 container->spec->machine);
	return OUTCOME_FAILED;
}

static enum outcome watch(struct container *container, int *ret_status)
{
	enum outcome outcome;
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
		.ends_unread = spec->start != START_BOOT,
		.notify_socket = text_variable(container->request->environment, "NOTIFY_SOCKET"),
		.holder_fd = container->holder_fd,
		.restored = container->restored,
		.stopping = container->stopping,
		.adopted = container->adopted,
		.kill_rest = kill_rest,
		.replace = replace,
		.hold = hold,
		.bus_fd = scope_connection(&container->resources),
		.hear_bus = hear_bus,
		.served = NETWORK_SERVED + HEALTH_SERVED,
		.served_fd = served_fd,
		.serve = serve,
		.network_changed = network_changed,
		.started = leave_private,
		.is_open = is_open,
		.verdict_us = spec->health.command.count > 0 ? health_verdict_us(&spec->health) : 0,
		.ready = note_ready,
		.ends = note_stopping,
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
	outcome = judge(container, &supervise_, supervise(&supervise_, ret_status));
	registration_leave(&container->resources, spec, container->spawn.pid);
	container->spawn.pid = 0; /* reaped */
	container->stopping = container->adopted = false;
	return outcome;
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
	health_watch_end(container);
	keep_end(container);
	container->resources.temporary_used = 0;
	console_done(&container->console);
	apply_done(&container->apply);
	apply_init(&container->apply);
	channel_done(&container->channel);
	spawn_done(&container->spawn);
	resources_leave_network(&container->resources);
	resources_leave_private_mounts(&container->resources);
	network_end(container);
}

static void teardown(struct container *container)
{
	end_start(container);
	network_uplink_done(container);
	root_done(&container->root);
	keep_remove(container);
	resources_done(&container->resources);
	fd_close(&container->stub_fd);
	fd_close(&container->leaving_fd);
	container_forget_plan(container);
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

/* Start after start, until the guest wants no further one. RUNNING: it was taken over. */
static int live(struct container *container, bool running)
{
	enum outcome outcome = OUTCOME_FAILED;
	int r, status = 0;

	if (running && health_watch_begin(container) < 0) {
		log_warning("%s, going on without", fail_recorded()->text);
		fail_forget();
	}
	for (;; running = false) {
		r = running ? 0 : container_start(container);
		if (r >= 0)
			outcome = watch(container, &status);
		end_start(container);
		if (r < 0)
			return r;
		r = conclude(container, outcome, status);
		if (outcome != OUTCOME_REBOOT || container->spec->keep_unit ||
		    container->spec->on_reboot == ON_REBOOT_EXIT)
			return r;
		if (container->restored)
			r = handover_regather(container);
		if (r < 0)
			return r;
	}
}

static int finish(struct container *container, int r)
{
	const char *notify = text_variable(container->request->environment, "NOTIFY_SOCKET");

	if (notify != NULL)
		notify_send(notify, r == EXIT_REBOOT_ME ? "STOPPING=1\nSTATUS=Restarting..."
							: "STOPPING=1\nSTATUS=Terminating...");
	teardown(container);
	return r;
}

static int take_signals(void)
{
	int r = supervise_take_signals();

	return r < 0 ? fail(r, "cannot take over the signals") : 0;
}

int container_run(struct arena *arena, const struct run_request *request)
{
	struct container container;
	int r;

	container_init(&container, arena, request);
	r = prepare(&container, false);
	if (r >= 0)
		r = take_signals();
	if (r >= 0)
		greet(&container);
	if (r >= 0)
		r = live(&container, false);
	return finish(&container, r);
}

int container_resume(struct arena *arena, const char *fds)
{
	static const struct run_request none = { .gate_fd = -EBADF };
	struct container container;
	int r;

	container_init(&container, arena, &none);
	r = take_signals();
	if (r >= 0)
		r = reexec_arrive(&container, fds);
	if (r >= 0)
		r = live(&container, true);
	return finish(&container, r);
}

int container_adopt(struct arena *arena, const char *runtime, const char *name,
		    const char *const *environment)
{
	static const struct run_request none = { .gate_fd = -EBADF };
	struct container container;
	int r;

	container_init(&container, arena, &none);
	r = take_signals();
	if (r >= 0)
		r = adopt(&container, runtime, name, environment);
	/* Until it is ours, nothing of it is touched. */
	if (r < 0)
		return r;
	return finish(&container, live(&container, true));
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
