/* engine/answers - what the supervisor does for its machine while it runs: it answers DNS, DHCP and
 * router solicitations, passes on what comes to published ports by the host's loopback, and notes
 * what a restricted one is refused (machine/refusals).
 *
 * Runs in: supervisor, in the host's network namespace. Opening speaks; serving is quiet, never
 * waits, and keeps no memory that it did not take when it was opened, or when there were ports for
 * the first time.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct answers;
struct arena;
struct facts;
struct later;

#define ANSWERS_FDS 4

struct answers_request {
	const char *runtime, *machine;
	struct facts *facts; /* kept; dns_port is asked for, and set; log_group is set */
	bool dns;
};

int answers_open(struct arena *arena, struct answers **ret, const struct answers_request *request);

/* The facts are other ones by now, in the memory of ARENA: other ports, or addresses. */
void answers_renew(struct answers *answers, struct arena *arena);

/* Other rules for it are about to be made, with FACTS, which are not ours yet: whether it is
 * restricted, and whether names are answered (DNS). Sets what answers_open() does; nothing else is
 * different before answers_turn(), or answers_stay() if that fails. */
int answers_prepare(struct answers *answers, struct facts *facts, bool dns);
void answers_stay(struct answers *answers);

/* The rules are made, and our facts are those by now, in the memory of ARENA. */
int answers_turn(struct answers *answers, struct arena *arena);

/* To be polled for POLLIN, for answers_serve() with its number; -EBADF: nothing. */
int answers_fd(const struct answers *answers, size_t which);
void answers_serve(struct answers *answers, size_t which);

void answers_done(struct answers **answers, struct later *later); /* accepts an empty one */
