/* prog/redd/converge-step - one step for one machine, and which generation it runs from. Speaking.
 */
#pragma once
#include <stdbool.h>

struct converge;
struct converge_machine;
struct machine;

/* *RET 0: it was not started from one, or by an older program. *RET_CHANGING: to which one it was
 * being changed while it runs, by who did not come to the end of that; 0: it is whole. */
int converge_step_from(const struct converge *converge, const struct machine *machine,
		       unsigned int *ret, unsigned int *ret_changing);

/* It gives up what others may be about to take: for all that do, converge_step_free() comes before
 * any converge_step(). */
bool converge_step_frees(const struct converge_machine *one);
int converge_step_free(const struct converge *converge, const struct converge_machine *one);

/* 1: it ran when an apply that did not end, or failed, stopped it, and has to start again. */
int converge_step_is_owed(const struct converge *converge, const char *name);

/* Do what is to be done. Runs in: a process of its own for each machine. */
int converge_step(const struct converge *converge, const struct converge_machine *one);
