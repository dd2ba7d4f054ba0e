#include "machine/network-repair.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/text.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/namespace.h"
#include "machine/network-file.h"
#include "machine/record.h"
#include "net/firewall.h"

#define MARK "network" /* the pool's directory as well */
#define TRIES 16
#define LOCKS_MAX 256
#define HOLD_US 500000
#define HOLD_STEP_US 2000

struct machines {
	struct arena *arena;
	struct firewall *firewall;
	uint32_t namespace;
	struct firewall_machine *items;
	size_t count;
	size_t own_count; /* the first ones: they keep their ports */
	int locks[LOCKS_MAX];
	size_t lock_count;
};

int network_repair_mark(const char *runtime)
{
	autoclose int top = open(runtime, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (top < 0 || (mkdirat(top, MARK, 0700) < 0 && errno != EEXIST))
		return -errno;
	return 0;
}

static bool is_marked(const char *runtime)
{
	autoclose int fd = record_open_runtime(runtime, MARK);

	return fd >= 0;
}

static bool has(const struct machines *machines, uint32_t link)
{
	for (size_t i = 0; i < machines->own_count; i++)
		if (machines->items[i].link == link)
			return true;
	return false;
}

static void add(struct machines *machines, const struct firewall_machine *machine)
{
	struct firewall_machine *added = list_grow(machines->arena, (void **)&machines->items,
						   &machines->count, sizeof(*added));

	*added = *machine;
}

/* Its facts are noted before its rules are made, which its supervisor does alone. Those that are
 * made already are repaired like any other's. */
static bool is_starting(struct arena *arena, int dir_fd, const char *name)
{
	struct record_content content;
	bool starting = false;
	size_t size;
	char *text;

	if (file_read(arena, &text, &size, dir_fd, name, RECORD_SIZE_MAX) < 0 ||
	    record_parse(arena, &content, text, size) < 0)
		return false;
	for (size_t i = 0; i < content.count; i++)
		if (content.notes[i].kind == RECORD_RUNS)
			starting = atoi(content.notes[i].value) == 0;
	return starting;
}

/* Those of another namespace have rules there; who was killed is not repaired but cleaned up. */
static bool read_parts(const struct machines *machines, int dir_fd, const char *name,
		       struct firewall_machine **ret, size_t *ret_count)
{
	struct facts facts;

	return network_file_read(machines->arena, &facts, dir_fd, name) >= 0 &&
	       facts.namespace == machines->namespace &&
	       (kill((pid_t)facts.leader, 0) == 0 || errno != ESRCH) &&
	       facts_machines(machines->arena, ret, ret_count, &facts) >= 0;
}

/* Who takes a link away removes its rules, and then notes that: in between they must not be made
 * again. Somebody who takes long, or waits for us, is not waited for. */
static void hold(struct machines *machines, int dir_fd, const char *name)
{
	autoclose int fd = -EBADF;

	if (machines->lock_count == LOCKS_MAX)
		return;
	fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	for (int waited = 0; fd >= 0 && waited < HOLD_US; waited += HOLD_STEP_US) {
		if (flock(fd, LOCK_SH | LOCK_NB) == 0) {
			machines->locks[machines->lock_count++] = take_fd(&fd);
			return;
		}
		usleep(HOLD_STEP_US);
	}
}

static void release(struct machines *machines)
{
	while (machines->lock_count > 0)
		fd_close(&machines->locks[--machines->lock_count]);
}

static int add_parts(struct machines *machines, const struct firewall_machine *parts, size_t count,
		     bool starting)
{
	int r;

	for (size_t i = 0; i < count; i++) {
		r = starting ? firewall_has(machines->firewall, &parts[i]) : 1;
		if (r < 0)
			return r;
		if (r > 0)
			add(machines, &parts[i]);
	}
	return 0;
}

static int take_machine(int dir_fd, const char *file, unsigned char type, void *context)
{
	struct machines *machines = context;
	struct firewall_machine *parts;
	const char *name;
	size_t count;

	if (type != DT_REG || file[0] != '.' || !text_ends(file, ".network"))
		return 0;
	name = arena_text_n(machines->arena, file + 1, strlen(file) - strlen("..network"));
	if (!read_parts(machines, dir_fd, name, &parts, &count) || count == 0 ||
	    has(machines, parts[0].link))
		return 0;
	hold(machines, dir_fd, name);
	if (!read_parts(machines, dir_fd, name, &parts, &count))
		return 0;
	return add_parts(machines, parts, count, is_starting(machines->arena, dir_fd, name));
}

static int collect(struct machines *machines, int records_fd)
{
	int r = namespace_own_number(&machines->namespace, "net");

	return r < 0 ? r : dir_walk(records_fd, take_machine, machines);
}

int network_repair_others(struct arena *arena, struct firewall *firewall, int records_fd,
			  const struct firewall_machine *own, size_t own_count)
{
	int r = -EAGAIN;

	for (int i = 0; i < TRIES && r == -EAGAIN; i++) {
		struct machines machines = { .arena = arena,
					     .firewall = firewall,
					     .own_count = own_count };

		for (size_t j = 0; j < own_count; j++)
			add(&machines, &own[j]);
		r = firewall_look(firewall);
		if (r >= 0)
			r = collect(&machines, records_fd);
		if (r >= 0 && machines.count > own_count)
			r = firewall_repair(firewall, machines.items, machines.count);
		release(&machines);
	}
	return r;
}

static int repair(struct arena *arena, struct firewall *firewall, const char *runtime)
{
	autoclose int records = record_open_runtime(runtime, "machines");

	return records < 0 ? records : network_repair_others(arena, firewall, records, NULL, 0);
}

void network_repair(struct arena *arena, const char *runtime)
{
	autofirewall struct firewall firewall = FIREWALL_EMPTY;
	int r;

	if (geteuid() != 0 || !is_marked(runtime))
		return;
	r = firewall_open(&firewall);
	if (r >= 0)
		r = firewall_seems_whole(&firewall);
	if (r >= 0)
		r = r > 0 ? 0 : repair(arena, &firewall, runtime);
	if (r > 0)
		log_notice("the host's rules for machines were gone, and are there again");
	/* Else there never were any, and a start that needs them has said so. */
	if (r < 0 && !firewall_is_missing(r))
		log_warning("cannot look after the host's rules for machines: %s, going on "
			    "without",
			    fail_recorded()->code == 0 ? strerror(-r) : fail_recorded()->text);
	fail_forget();
}
