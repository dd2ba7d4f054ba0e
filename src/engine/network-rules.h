/* engine/network-rules - what the host's packet filter and the supervisor do for a container's
 * links, once they are there: engine/network's other half.
 *
 * Runs in: supervisor, in the host's network namespace. Speaking.
 */
#pragma once
#include "base/arena.h"
#include "engine/answers.h"
#include "engine/network-watch.h"
#include "machine/record.h"
#include "net/facts.h"
#include "net/firewall.h"
#include "net/userspace.h"

struct container;
struct later;

struct network {
	struct container *container;
	int netns_fd; /* of the container */
	struct facts facts;
	struct arena own;     /* that this struct is in, and the facts */
	struct arena renewed; /* that facts are in, once others have changed them */
	struct arena serving; /* that answers are in */
	struct answers *answers;
	struct firewall firewall;
	int forwarding_fd; /* tells when somebody makes a router of the host, or none */
	struct network_watch watch;
	struct userspace userspace; /* without root: instead of all that */
};

/* The records' directory, wherever we are. Quiet. */
int network_rules_records(const struct container *container);

/* What is known so far, beside the record. */
int network_rules_note(struct network *network);

/* In an arena of its own: a guest may start again as often as it likes. */
struct network *network_new(struct container *container);

/* As planned, with what facts has of the links. */
int network_rules(struct network *network);

/* Answers and filter for what FACTS tell already: a new supervisor's. */
int network_rules_resume(struct network *network, bool dns);

/* A part has other addresses than BEFORE. -EADDRINUSE: ports of others stay theirs. */
int network_rules_move(struct network *network, const struct facts *before,
		       const struct facts *after);

/* Somebody has asked for other rules than FACTS of ours tell: NAT, egress, names. */
bool network_rules_differ(const struct facts *before, const struct facts *after);

/* They are made, behind answers_prepare(), and AFTER tells whether all of it; then the facts are to
 * become AFTER in either case, and what of them was not made is made by the next turn, whatever it
 * asks for, or by who comes next. */
int network_rules_turn(struct network *network, struct facts *after);

/* The host forwards what is the machine's, whatever somebody has just made of its switches. */
void network_rules_forward(struct network *network);

/* Who else on the host drops what the machine sends or gets is told, with the remedy. May wait
 * until the program runs. */
void network_rules_look(struct network *network);

/* FACTS: what is noted by now. container->network may be NULL. */
void network_rules_end(struct container *container, const struct facts *facts, struct later *later);
