#include "machine/network-names.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "io/fd.h"
#include "machine/find.h"
#include "machine/hosts-file.h"
#include "machine/network-file.h"

static void claim(const struct machine *machine, int dir_fd, const char *name)
{
	int r = hosts_file_claim(machine->runtime, dir_fd, machine->name, machine->content.tag,
				 name);

	if (r < 0)
		log_warning("machine '%s' is not found as '%s': %s, going on without",
			    machine->name, name, r == -EEXIST ? "another one is" : strerror(-r));
}

/* What is claimed is noted before, and what is given up is noted until then. */
static int set(struct arena *arena, const struct machine *machine, int dir_fd,
	       const struct text_list *names)
{
	struct facts facts;
	int r = network_file_read_of(arena, &facts, dir_fd, machine->name, machine->content.tag);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (size_t i = 0; i < facts.further.count; i++)
		if (!text_list_has(names, facts.further.items[i]))
			hosts_file_disclaim(machine->runtime, machine->content.tag,
					    facts.further.items[i]);
	facts.further = *names;
	r = network_file_write(arena, dir_fd, machine->name, &facts);
	for (size_t i = 0; i < names->count && r >= 0; i++)
		claim(machine, dir_fd, names->items[i]);
	return r;
}

int network_names_set(struct arena *arena, const struct machine *machine,
		      const struct text_list *names)
{
	autoclose int dir = record_open_runtime(machine->runtime, "machines"), lock = -EBADF;
	struct machine now;
	int r = dir;

	if (r >= 0)
		r = lock = network_file_hold(dir, machine->name);
	if (r >= 0 && !machine_is_there(arena, &now, machine))
		r = -ENXIO;
	if (r >= 0)
		r = set(arena, machine, dir, names);
	return r < 0 ? fail(r, "cannot change the names of machine '%s'", machine->name) : 0;
}
