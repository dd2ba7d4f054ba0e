/* prog/redd/program - what is done in a process of its own: our other programs, and, without root,
 * what needs all of the user's ids (image/own-ids). Speaking. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct arena;

/* ARGUMENTS[0] is one of our programs: the one beside this, or from $PATH. What it prints goes to
 * standard error. A failure has been told by itself. LOCK_FD (0: none) stays locked until it, and
 * what it leaves at work, has ended, even if we are killed. */
int program_run(struct arena *arena, const char *const *environment, const char *const *arguments,
		int lock_fd, bool quiet);

/* Likewise, but what it prints is *RET, of at most PROGRAM_TEXT_MAX bytes, and how it ended does
 * not matter; nor is anything else told. After TIMEOUT_US it is killed: -ETIMEDOUT. */
int program_ask(struct arena *arena, const char *const *environment, const char *const *arguments,
		uint64_t timeout_us, const char **ret);

#define PROGRAM_TEXT_MAX (1 << 20)
#define PROGRAM_ANSWER_MAX 1024

/* May answer with a short text. */
typedef int program_task_fn(struct arena *arena, void *context, const char **ret);

/* By root at once; by a user in a process that has all of his ids, for good. */
int program_as_owner(struct arena *arena, const char *const *environment, program_task_fn *task,
		     void *context, const char **ret);

/* NAME in the directory ROOM with all that is in it. */
int program_remove(struct arena *arena, const char *const *environment, const char *room,
		   const char *name);

/* sum_tree() of what may belong to any of the user's ids. */
int program_sum(struct arena *arena, const char *const *environment, const char **ret,
		const char *path);
