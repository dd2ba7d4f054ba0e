/* machine/manager - the service manager of this host, and machines as its services.
 *
 * systemd runs container@NAME.service, that of a normal user too where it has the unit; OpenRC and
 * runit a service redd.NAME each that is made when it is first needed. Where there is none of them
 * machine/detach supervises.
 * Outside of systemd, what shall run at boot is a list of files, /etc/redd/enabled/NAME (or below
 * $XDG_CONFIG_HOME), which one boot service starts. Speaking. Any process of the host.
 */
#pragma once
#include <stdbool.h>

struct arena;
struct bus;
struct machine;
struct text_list;

enum manager_kind { MANAGER_NONE, MANAGER_SYSTEMD, MANAGER_OPENRC, MANAGER_RUNIT };

struct manager {
	enum manager_kind kind;
	const char *runtime; /* of the machines' records */
	const char *const *environment;
	const char *scan;   /* the directory that runsvdir watches */
	struct bus *bus;    /* systemd only */
	const char *runner; /* absolute path */
};

/* Which one runs, and a connection to it. One is overridden by none where a service of it asks us
 * to be its supervisor (OpenRC). */
int manager_open(struct arena *arena, struct manager *ret, const char *runtime,
		 const char *const *environment);
void manager_done(struct manager *manager);

/* Whom to name in a sentence: "systemd", "OpenRC", "runit", "Redd's own supervisor". */
const char *manager_name(const struct manager *manager);

/* Whom a machine that runs belongs to, however it was started: "systemd", "OpenRC", "runit", "Redd"
 * (machine/detach), "none". Quiet. */
const char *manager_of(struct arena *arena, const struct machine *machine,
		       const char *const *environment);

/* Returns when the machine is ready. One that runs under it already is fine. */
int manager_start(struct arena *arena, const struct manager *manager, const char *name);

/* Returns when it is gone. -ENXIO (nothing recorded): this manager does not run it. */
int manager_stop(struct arena *arena, const struct manager *manager, const char *name);

/* At boot, or not. *RET_LINES: what changed on disk, for people. */
int manager_enable(struct arena *arena, const struct manager *manager, const char *name,
		   struct text_list *ret_lines);
int manager_disable(struct arena *arena, const struct manager *manager, const char *name,
		    struct text_list *ret_lines);

/* ---- the list of what shall run at boot (not systemd's) ---- */

#define MANAGER_AFTER_MAX 65536 /* size of one file of the list */

int manager_list_enabled(struct arena *arena, const struct manager *manager, struct text_list *ret);

/* The machines that have to be started before NAME, from its file's lines "After=A B". */
int manager_list_after(struct arena *arena, const struct manager *manager, const char *name,
		       struct text_list *ret);
