/* machine/health - whether what runs in a machine works: the check of [X-Health], and what is
 * known.
 *
 * The supervisor has the check run again and again, each time as a process of its own
 * (health_run()), and notes in the machine's record what came of it. Others read that, or wait for
 * it. Speaking.
 */
#pragma once
#include <stdint.h>

struct arena;
struct machine;

enum health_state {
	HEALTH_UNDECLARED,
	HEALTH_STARTING, /* it has not worked yet, and still may */
	HEALTH_WORKING,
	HEALTH_FAILING, /* its failures in a row are as many as may be */
};

struct health_report {
	enum health_state state;
	uint32_t failures;   /* in a row */
	uint64_t checked_us; /* realtime of the last check; 0: none yet */
};

#define HEALTH_REPORT_ROOM 48

/* "starting", "healthy", "unhealthy"; NULL: undeclared. */
const char *health_state_name(enum health_state state);

/* As the record has it, always as long; and back. -EBADMSG. Quiet. */
void health_print(char ret[HEALTH_REPORT_ROOM], const struct health_report *report);
int health_parse(struct health_report *ret, const char *text);

/* What is known of a machine. Quiet. */
struct health_report health_of(const struct machine *machine);

/* Until the machine NAME works, or does not. 0, and *RET says which; undeclared: nothing is
 * checked, or the machine has ended. -ETIMEDOUT: neither within TIMEOUT_US. */
int health_await(struct arena *arena, struct health_report *ret, const char *runtime,
		 const char *name, uint64_t timeout_us);

/* ---- the check's own process ---- */

/* Beyond what a program may say. */
#define HEALTH_EXIT_LATE 124
#define HEALTH_EXIT_ERROR 125

#define HEALTH_MODE "--check-health" /* of the runner, which nobody types; WORDS follow */

/* WORDS: MACHINE RUNTIME TIMEOUT_US COMMAND... ARGUMENTS: main()'s (machine/enter-shield). The
 * command's exit status, or one of the above; a failure of ours is recorded, too. */
int health_run(struct arena *arena, char *const *words, char *const *arguments);
