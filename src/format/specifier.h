/* format/specifier - %i and the like in the values of a definition. Pure, quiet.
 *
 * %i is the machine, %m the host's machine id, %H the host's name, %% a percent sign. A percent
 * sign before anything else, or before what is not known, stands for itself.
 */
#pragma once

struct arena;

struct specifiers {
	const char *machine, *machine_id, *host; /* NULL: not known */
};

/* TEXT itself where there is nothing to replace. */
const char *specifier_expand(struct arena *arena, const char *text,
			     const struct specifiers *specifiers);
