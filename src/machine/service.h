/* machine/service - what a machine's settings file says of it as a service, where no systemd reads
 * that: [X-Service] Restart= and times, [X-Unit] what it needs.
 *
 * The file is the one that the runner reads, and only one that is trusted (io/settings); limits are
 * the runner's own affair. Keys that are not here are systemd's alone. Speaking: what makes no
 * sense is a warning, as in the runner. Any process.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct arena;
struct settings;
struct specifiers;

enum service_restart {
	SERVICE_RESTART_DEFAULT, /* on-failure */
	SERVICE_RESTART_NO,
	SERVICE_RESTART_ON_SUCCESS,
	SERVICE_RESTART_ON_FAILURE,
	SERVICE_RESTART_ON_ABNORMAL,
	SERVICE_RESTART_ALWAYS,
};

struct service {
	enum service_restart restart;
	uint64_t pause_us;	    /* RestartSec=; 0: the supervisor's own */
	uint64_t start_us, stop_us; /* TimeoutStartSec=, TimeoutStopSec=; 0: not given */
	/* Machines, of "NAME.nspawn"; other units are not known here. */
	struct text_list requires, wants, after; /* requires: also of BindsTo= */
	struct text_list paths;			 /* RequiresMountsFor= */
	struct text_list conditions; /* ConditionPathExists=, perhaps with "!" before it */
	bool applied;		     /* its file is what `redd apply` made current */
};

/* What %i and the like stand for in the settings of the machine NAME; the host's own are asked for
 * only where there is a percent sign in them. Quiet. */
void service_specifiers(struct arena *arena, struct specifiers *ret,
			const struct settings *settings, const char *name);

/* What TEXT says of the machine KNOWN->machine; at the end of *RET. */
void service_add(struct arena *arena, struct service *ret, const char *text, size_t size,
		 const struct specifiers *known);

/* Whether KEY=VALUE of [X-Service] or [X-Unit], one of the keys above, can be followed here: a list
 * of units if all are machines. Others are nobody's here, and can. Quiet. */
bool service_takes(struct arena *arena, const char *section, const char *key, const char *value);

/* Of the machine NAME. How many files say something; none: nothing is. */
int service_read(struct arena *arena, struct service *ret, const char *const *environment,
		 const char *name);

/* Paths are there, and conditions met. */
int service_check(const struct service *service, const char *name);

/* A runner that ended with STATUS, negative: by that signal, is started again. Pure, quiet. */
bool service_restarts(enum service_restart restart, int status);
