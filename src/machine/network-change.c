#include "machine/network-change.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "io/fd.h"
#include "kernel/namespace.h"
#include "kernel/process.h"
#include "machine/find.h"
#include "machine/hosts-file.h"
#include "machine/network-file.h"
#include "machine/state-file.h"

#define PATIENCE_MS 5000 /* for a supervisor on a busy host */
#define WAIT_MS 2

static int fail_gone(const struct machine *machine)
{
	return fail_plain(-ENXIO, "cannot reach machine '%s': it has ended meanwhile",
			  machine->name);
}

static uint32_t own_namespace(void)
{
	uint32_t number;

	return namespace_own_number(&number, "net") < 0 ? 0 : number;
}

/* ---- may it be done at all ---- */

/* 1: we live where the supervisor lives, or it has none any more. KIND: "net", "mnt". */
static int lives_here(struct arena *arena, const struct machine *machine, const char *kind)
{
	autoclose int pidfd = machine_open_supervisor(arena, machine), process = -EBADF;
	int r;

	if (pidfd < 0)
		return pidfd == -ENXIO ? 1 : pidfd;
	process = namespace_open_process(machine->supervisor);
	if (process < 0)
		return process;
	r = namespace_is_shared(process, kind);
	/* Asked after the directory was opened: so that was the supervisor's. */
	return process_has_ended(pidfd) ? 1 : r;
}

static int check_place(struct arena *arena, const struct machine *machine)
{
	int net = lives_here(arena, machine, "net"), mounts = lives_here(arena, machine, "mnt");

	if (net < 0 || mounts < 0)
		return fail(MIN(net, mounts), "cannot look at the supervisor of machine '%s'",
			    machine->name);
	if (net == 0 || mounts == 0)
		return fail_plain(-EXDEV,
				  "cannot change the network of machine '%s' from here: its "
				  "supervisor lives in another %s namespace",
				  machine->name, net == 0 ? "network" : "mount");
	return 0;
}

static int check_network(const struct machine *machine, int proc_fd)
{
	int r = namespace_is_shared(proc_fd, "net");

	if (r < 0)
		return fail(r, "cannot look at the network of machine '%s'", machine->name);
	if (r > 0)
		return fail_plain(-EOPNOTSUPP,
				  "cannot change the network of machine '%s': it has that of the "
				  "host (start it with --private-network, or --network-veth)",
				  machine->name);
	if (machine_note(machine, RECORD_NETNS) != NULL)
		return fail_plain(-EOPNOTSUPP,
				  "cannot change the network of machine '%s': it is not its own "
				  "(--network-namespace-path=)",
				  machine->name);
	return 0;
}

static int check(struct arena *arena, const struct machine *machine)
{
	if (machine->is_host)
		return fail_input("cannot change the network of the host itself");
	if (machine->state == MACHINE_OPENING)
		return fail_plain(-EAGAIN,
				  "cannot change the network of machine '%s': it is still starting",
				  machine->name);
	if (geteuid() != 0)
		return fail_plain(-EPERM,
				  "cannot change the network of machine '%s': only the host's root "
				  "can (without root, say at its start what it shall have)",
				  machine->name);
	return check_place(arena, machine);
}

/* ---- opening ---- */

static int open_leader(struct network_change *change, int *ret_proc)
{
	const struct machine *machine = change->machine;
	int r;

	change->leader = machine_open_leader(machine);
	r = change->leader;
	if (r >= 0)
		r = *ret_proc = machine_open_proc(machine);
	return r;
}

static int open_sockets(struct network_change *change, int proc_fd)
{
	int r;

	change->netns_fd = namespace_open(proc_fd, "net");
	r = change->netns_fd;
	if (r >= 0)
		r = netlink_open(&change->host, NETLINK_ROUTE);
	if (r >= 0)
		r = netlink_open_in(&change->guest, NETLINK_ROUTE, change->netns_fd);
	return r < 0 ? fail(r, "cannot enter the network of machine '%s'", change->machine->name)
		     : 0;
}

static uint32_t namespace_of(int netns_fd)
{
	uint32_t number;

	return namespace_number_of(&number, netns_fd) < 0 ? 0 : number;
}

/* Its root may send its first process wherever it likes, but the indexes are of the namespace that
 * it was started in. */
static bool has_moved(const struct network_change *change)
{
	return change->facts.inside != 0 && change->facts.inside != namespace_of(change->netns_fd);
}

static int read_facts(struct network_change *change)
{
	const struct machine *machine = change->machine;
	int r = network_file_read_of(change->arena, &change->facts, change->dir_fd, machine->name,
				     machine->content.tag);

	if (r == -ENOENT) {
		change->facts = (struct facts){
			.tag = machine->content.tag,
			.leader = (uint32_t)machine->leader,
			.namespace = own_namespace(),
			.inside = namespace_of(change->netns_fd),
		};
		return 0;
	}
	return r < 0 ? fail(r, "cannot read the network of machine '%s'", machine->name) : 0;
}

static int open_records(struct network_change *change)
{
	change->dir_fd = record_open_runtime(change->machine->runtime, "machines");
	if (change->dir_fd == -EPERM)
		return record_fail_foreign(change->machine->runtime);
	return change->dir_fd < 0 ? fail(change->dir_fd, "cannot open the records of machines") : 0;
}

static int hold(struct network_change *change)
{
	const struct machine *machine = change->machine;
	struct machine now;

	change->lock_fd = network_file_hold(change->dir_fd, machine->name);
	if (change->lock_fd == -EBUSY)
		return fail_plain(-EBUSY,
				  "cannot change the network of machine '%s': somebody else does "
				  "(try again)",
				  machine->name);
	if (change->lock_fd < 0 && change->lock_fd != -ENOENT)
		return fail(change->lock_fd, "cannot lock the record of machine '%s'",
			    machine->name);
	/* From here on its supervisor waits for us at its end. */
	if (change->lock_fd < 0 || !machine_is_there(change->arena, &now, machine) ||
	    process_has_ended(change->leader))
		return fail_gone(machine);
	change->heard = machine_note(&now, RECORD_NETWORK);
	return 0;
}

int network_change_open(struct arena *arena, struct network_change *ret,
			const struct machine *machine)
{
	struct network_change change = NETWORK_CHANGE_EMPTY;
	autoclose int proc = -EBADF;
	int r = check(arena, machine);

	change.arena = arena;
	change.machine = machine;
	if (r >= 0)
		r = open_leader(&change, &proc);
	if (r >= 0)
		r = check_network(machine, proc);
	if (r >= 0)
		r = open_records(&change);
	if (r >= 0)
		r = hold(&change);
	if (r >= 0)
		r = open_sockets(&change, proc);
	if (r >= 0)
		r = read_facts(&change);
	if (r >= 0 && has_moved(&change))
		r = fail_plain(-ESTALE,
			       "cannot change the network of machine '%s': its first process has "
			       "gone to another network namespace",
			       machine->name);
	if (r < 0) {
		network_change_done(&change);
		return r;
	}
	*ret = change;
	return 0;
}

int network_change_look(struct arena *arena, struct network_change *ret,
			const struct machine *machine)
{
	struct network_change change = NETWORK_CHANGE_EMPTY;
	autoclose int proc = -EBADF;
	int r;

	change.arena = arena;
	change.machine = machine;
	r = open_leader(&change, &proc);
	if (r >= 0)
		r = check_network(machine, proc);
	if (r >= 0)
		r = open_records(&change);
	if (r >= 0)
		r = open_sockets(&change, proc);
	if (r >= 0)
		r = read_facts(&change);
	if (r < 0) {
		network_change_done(&change);
		return r;
	}
	if (change.facts.namespace != own_namespace())
		netlink_close(&change.host);
	if (has_moved(&change))
		change.facts.made_count = 0;
	*ret = change;
	return 0;
}

/* ---- noting ---- */

int network_change_save(struct network_change *change)
{
	int r = network_file_write(change->arena, change->dir_fd, change->machine->name,
				   &change->facts);

	if (r < 0)
		return fail(r, "cannot note the network of machine '%s'", change->machine->name);
	change->changed = true;
	return 0;
}

/* What is registered with systemd-machined cannot be told of it. */
static void tell_clients(const struct network_change *change)
{
	const struct machine *machine = change->machine;
	const char *path = machine_note(machine, RECORD_STATE);
	uint32_t interfaces[FACTS_LIST_MAX];
	size_t count = facts_interfaces(&change->facts, interfaces);
	int r = path == NULL ? 0
			     : state_file_update(change->arena, path, machine->leader, interfaces,
						 count);

	if (r < 0)
		log_warning("cannot tell the interfaces of machine '%s' in '%s': %s, going on "
			    "without",
			    machine->name, path, strerror(-r));
}

static void tell(struct network_change *change)
{
	const struct machine *machine = change->machine;
	int r = hosts_file_publish(machine->runtime, machine->name, &change->facts);

	if (r < 0)
		log_warning("cannot tell the host the addresses of machine '%s': %s, going on "
			    "without",
			    machine->name, strerror(-r));
	tell_clients(change);
}

/* Or has ended. RET_ERROR: why it could not do as it heard, or 0. */
static bool has_heard(const struct network_change *change, int *ret_error)
{
	autoarena struct arena scratch = { 0 };
	const char *value;
	struct machine now;

	*ret_error = 0;
	if (!machine_is_there(&scratch, &now, change->machine))
		return true;
	value = machine_note(&now, RECORD_NETWORK);
	*ret_error = record_parse_result(value);
	return !text_equal(value, change->heard);
}

static void warn_of_supervisor(const struct network_change *change, const char *what)
{
	const char *name = change->machine->name;

	log_warning("the supervisor of machine '%s' %s: names and ports at the host's localhost "
		    "may be as before, going on (try 'machinectl reexec %s')",
		    name, what, name);
}

/* -ENXIO: there is none. */
static int tell_supervisor(struct network_change *change)
{
	autoclose int supervisor = machine_open_supervisor(change->arena, change->machine);
	struct pollfd end = { .fd = supervisor, .events = POLLIN };
	bool heard = false;
	int error = 0;

	if (supervisor < 0 || process_signal(supervisor, SUPERVISOR_NETWORK) < 0)
		return -ENXIO;
	/* It waits for the lock. */
	fd_close(&change->lock_fd);
	for (int waited = 0; waited < PATIENCE_MS && !heard; waited += WAIT_MS) {
		heard = has_heard(change, &error);
		if (!heard && poll(&end, 1, WAIT_MS) > 0)
			return -ENXIO;
	}
	/* It may be busy with it; then it has the lock, and we get it when it is done. */
	if (!heard) {
		change->lock_fd = network_file_hold(change->dir_fd, change->machine->name);
		heard = change->lock_fd >= 0 && has_heard(change, &error);
		fd_close(&change->lock_fd);
	}
	return heard ? error : -ETIMEDOUT;
}

static void tell_and_warn(struct network_change *change)
{
	int r = tell_supervisor(change);

	if (r == -ETIMEDOUT)
		warn_of_supervisor(change, "does not answer");
	else if (r < 0 && r != -ENXIO)
		warn_of_supervisor(change,
				   arena_format(change->arena, "cannot follow (%s)", strerror(-r)));
}

int network_change_follow(struct network_change *change)
{
	int r;

	tell(change);
	r = tell_supervisor(change);
	change->changed = false;
	return r;
}

int network_change_again(struct network_change *change)
{
	int r;

	fd_close(&change->lock_fd);
	r = hold(change);
	return r < 0 ? r : read_facts(change);
}

void network_change_done(struct network_change *change)
{
	if (change->changed) {
		tell(change);
		tell_and_warn(change);
	}
	netlink_close(&change->host);
	netlink_close(&change->guest);
	fd_close(&change->netns_fd);
	fd_close(&change->leader);
	fd_close(&change->dir_fd);
	fd_close(&change->lock_fd);
	change->changed = false;
}
