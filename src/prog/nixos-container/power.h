/* prog/nixos-container/power - whether a container runs, and its end. Speaking. */
#pragma once
#include <stdbool.h>

struct context;
struct nixos;

/* 1: it is there, in whatever state; 0: it is not. -EEXIST: a machine of its name is, which runs
 * from another tree, and so is no business of ours. */
int power_is_running(const struct context *context, const struct nixos *container);

/* The same for verbs that need to know no more than that. */
int power_refuse_stranger(const struct context *context);

/* "up", or "down": also while it ends, and until who supervises it has heard that it is ready.
 * NULL: the caller may not know. */
const char *power_status(const struct context *context, const struct nixos *container);

/* Whether --strategy= and what it was started with let a running one switch in place; or a negative
 * errno. */
enum power_strategy { POWER_NOTHING, POWER_RELOAD, POWER_RESTART };
int power_strategy(const struct context *context);

/* Stop it, and start it. The container is locked. */
int power_restart(const struct context *context);

/* End it at once, and wait until nothing of it is left; it is not started again. */
int power_end(const struct context *context);

/* Refuse to do VERB, which needs that it is not running. */
int power_refuse_running(const struct context *context, const char *verb);

/* After the conf was written or removed: whether it is started at boot. systemd's generator reads
 * the conf itself, and has to be told to. What cannot be done is a warning. */
void power_at_boot(const struct context *context, bool start);
