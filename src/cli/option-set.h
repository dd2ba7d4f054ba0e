/* cli/option-set - what most options of a program do: each program's `struct options` has the
 * fields, and these make the functions of its table. To be included once, after that struct. */
#pragma once
#include "base/arena.h"

/* --FIELD */
#define FLAG(field)                                                                  \
	static int set_##field(struct arena *arena, void *target, const char *value) \
	{                                                                            \
		(void)arena;                                                         \
		(void)value;                                                         \
		((struct options *)target)->field = true;                            \
		return 0;                                                            \
	}

/* --FIELD=WORD */
#define WORD(field)                                                                  \
	static int set_##field(struct arena *arena, void *target, const char *value) \
	{                                                                            \
		((struct options *)target)->field = arena_text(arena, value);        \
		return 0;                                                            \
	}

/* Without a value: an option that stands for FIELD=VALUE. */
#define CONSTANT(name, field, constant)                                       \
	static int name(struct arena *arena, void *target, const char *value) \
	{                                                                     \
		(void)arena;                                                  \
		(void)value;                                                  \
		((struct options *)target)->field = constant;                 \
		return 0;                                                     \
	}
