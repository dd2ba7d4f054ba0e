/* prog/redd/converge - what runs becomes what was applied.
 *
 * Nothing is remembered for that: each running machine tells which generation it was started from
 * (its record), or was brought to since (a mark beside the record, "applied/NAME"). So whatever an
 * interrupted apply has left undone, the next one sees and does. What is stopped to be started
 * again is marked ("restarting/NAME", machine/manager) until it was, or is not to. What is changed
 * while it runs is marked before as some of both: that is done again, or undone, or ends with a
 * restart.
 *
 * converge_look() finds what is to be done to each machine; converge_run() does it: first those
 * that are no longer declared stop, and what others may be about to take is given up (ports;
 * whoever restarts with other addresses stops), then all follow, each after those that it depends
 * on, several at a time. Each is done when it is ready, and healthy if it says how that is told.
 * Speaking. Whoever runs it holds the lock of the generations.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "declare/compare.h"
#include "declare/generation.h"
#include "machine/manager.h"

struct arena;
struct definition;
struct definition_facts;
struct machine;

enum converge_act {
	CONVERGE_NOTHING,
	CONVERGE_NOTE, /* only that it is as the current generation says */
	CONVERGE_LIVE,
	CONVERGE_RELOAD,
	CONVERGE_RESTART,
	CONVERGE_RECREATE, /* restart, and its root is another one */
	CONVERGE_START,
	CONVERGE_STOP,
	CONVERGE_DEFER, /* [X-Reload] Strategy=none: when it is started again */
};

const char *converge_act_word(enum converge_act act);

struct converge_machine {
	const char *name;
	enum converge_act act;
	const struct definition *wanted, *had; /* NULL: none; had: of what runs */
	const struct machine *machine;	       /* that runs; NULL: none does */
	unsigned int from;		       /* generation that it runs from; 0: unknown, none */
	unsigned int changing;		       /* and may have some of already; 0: none */
	struct compare changes;		       /* from had to wanted */
	const char *digest_had, *digest;       /* of images; "" or NULL: none */
	bool limits;			       /* somebody changed some by hand: they go back */
	bool failed;
};

struct converge {
	struct arena *arena;
	const char *const *environment;
	const char *runtime;
	const struct generations *generations;
	const struct definition_facts *facts; /* flat */
	const struct text_list *only;	      /* names; NULL: all */
	const struct text_list *ran;	      /* that start even if they need not; NULL: none */
	bool no_start, keep_going, quiet;
	bool open; /* nobody has seen all of NUMBER work yet */

	unsigned int number;		   /* of the generation that is current */
	struct converge_machine *machines; /* sorted by name */
	size_t count;
};

/* NUMBER is current; 0: nothing is declared. PREVIOUS: what was before, which may have to be
 * disabled; 0: none. */
int converge_look(struct converge *converge, unsigned int number, unsigned int previous);

/* How many machines failed. */
int converge_run(struct converge *converge);

/* The definition of a machine of a generation. */
int converge_definition(struct arena *arena, struct definition *ret,
			const struct generation_machine *machine,
			const struct definition_facts *facts);
