/* prog/machinectl/look - what list, status and show tell about a machine. Speaking, where a machine
 * is asked for by its name; what cannot be learned about it is left out. */
#pragma once
#include <stddef.h>
#include <sys/types.h>

#include "machine/addresses.h"
#include "machine/facts.h"
#include "machine/find.h"
#include "net/facts.h"

struct context;

struct look {
	const char *class, *id, *unit; /* NULL: none */
	struct os_release os;
	struct address *addresses;
	size_t address_count;
};

/* The machine NAME, or the host for ".host". */
int look_open(const struct context *context, struct machine *ret, const char *name);

/* What several that are looked at in a row share. */
struct look_walk {
	struct addresses *addresses; /* NULL: nobody wants them */
	struct os_release os;	     /* of the one before */
};

struct look look_at(const struct context *context, const struct machine *machine,
		    struct look_walk *walk);

/* The host's interfaces that lead to it, as show and status tell them: by index, and by name. None
 * of the host itself, and of a network of other interfaces than the caller's. */
struct look_interfaces {
	uint32_t indexes[FACTS_LIST_MAX];
	size_t count;
	struct text_list names; /* of those that are still there */
};
void look_interfaces(const struct context *context, struct look_interfaces *ret,
		     const struct machine *machine);

const char *look_state(const struct machine *machine);
