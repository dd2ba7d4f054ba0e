#include "prog/machinectl/look.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/link.h"
#include "kernel/namespace.h"
#include "kernel/netlink.h"
#include "machine/facts-inside.h"
#include "machine/network-file.h"
#include "prog/machinectl/machinectl.h"

#define ID_LENGTH 32

int look_open(const struct context *context, struct machine *ret, const char *name)
{
	if (!text_equal(name, MACHINE_HOST))
		return machine_open(context->arena, ret, context->runtime, name);
	machine_host(ret);
	return 0;
}

static void look_at_host(const struct context *context, struct look *look, struct look_walk *walk)
{
	autoclose int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char id[ID_LENGTH + 2];

	look->class = "host";
	look->unit = "-.slice";
	if (file_read_line(id, sizeof(id), AT_FDCWD, "/etc/machine-id") >= 0 &&
	    strlen(id) == ID_LENGTH)
		look->id = arena_text(context->arena, id);
	if (root >= 0)
		(void)facts_os_release(context->arena, &look->os, NULL, root, false);
	if (walk->addresses != NULL)
		(void)addresses_read_home(context->arena, walk->addresses, &look->addresses,
					  &look->address_count);
}

/* Whose ids it has matters only where the file is on a mount of its own. */
static void read_os(const struct context *context, struct look *look, struct look_walk *walk,
		    const struct machine *machine, int root_fd)
{
	int r = facts_os_release(context->arena, &look->os, &walk->os, root_fd, true);
	autoclose int proc = r == -EXDEV ? machine_open_proc(machine) : -EBADF;

	if (r == -EACCES)
		(void)facts_os_release_inside(context->arena, &look->os, machine);
	if (proc >= 0 && namespace_is_shared(proc, "user") == 0)
		(void)facts_os_release(context->arena, &look->os, &walk->os, root_fd, false);
	fail_forget();
}

static void look_at_machine(const struct context *context, struct look *look,
			    const struct machine *machine, struct look_walk *walk)
{
	autoclose int root = -EBADF, leader = -EBADF;
	uint32_t network = 0;

	look->class = "container";
	look->unit = machine->unit;
	look->id = machine->id;
	/* By its pid, which takes the kernel least; then it is made sure that this was its own. */
	root = machine_guess_root(machine);
	if (walk->addresses != NULL)
		(void)namespace_number(&network, machine->leader, "net");
	leader = machine_open_leader(machine);
	if (leader < 0) {
		/* It has just ended, or has not begun: the rest is left out. */
		fail_forget();
		return;
	}
	if (root >= 0)
		read_os(context, look, walk, machine, root);
	walk->os = look->os;
	if (network != 0)
		(void)addresses_read(context->arena, walk->addresses, &look->addresses,
				     &look->address_count, leader, network);
}

struct look look_at(const struct context *context, const struct machine *machine,
		    struct look_walk *walk)
{
	struct look look = { 0 };

	if (machine->is_host)
		look_at_host(context, &look, walk);
	else
		look_at_machine(context, &look, machine, walk);
	return look;
}

static void name_interfaces(const struct context *context, struct look_interfaces *ret)
{
	autonetlink struct netlink netlink = NETLINK_EMPTY;
	struct link_facts facts;

	if (netlink_open(&netlink, NETLINK_ROUTE) < 0)
		return;
	for (size_t i = 0; i < ret->count; i++)
		if (link_read(&netlink, &facts, (int)ret->indexes[i]) >= 0)
			text_list_add(context->arena, &ret->names,
				      arena_text(context->arena, facts.name));
}

void look_interfaces(const struct context *context, struct look_interfaces *ret,
		     const struct machine *machine)
{
	autoclose int directory = -EBADF;
	struct facts facts;
	uint32_t here;

	*ret = (struct look_interfaces){ 0 };
	if (machine->is_host)
		return;
	directory = record_open_runtime(machine->runtime, "machines");
	if (directory < 0 || network_file_read_of(context->arena, &facts, directory, machine->name,
						  machine->content.tag) < 0)
		return;
	if (namespace_own_number(&here, "net") < 0 || here != facts.namespace)
		return;
	ret->count = facts_interfaces(&facts, ret->indexes);
	name_interfaces(context, ret);
}

const char *look_state(const struct machine *machine)
{
	switch (machine->state) {
	case MACHINE_OPENING: return "opening";
	case MACHINE_RUNNING: return "running";
	case MACHINE_ABANDONED: return "abandoned";
	case MACHINE_DEAD: return "closing";
	}
	return "";
}
