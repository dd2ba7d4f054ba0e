/* machine/manager - the service manager of this host, and machines as its services.
 *
 * systemd runs container@NAME.service, that of a normal user too where it has the unit; OpenRC and
 * runit a service redd.NAME each that is made when it is first needed. Where there is none of them
 * machine/detach supervises.
 * What has a conf in /etc/nixos-containers is started as that says, by redd-nixos.
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

/* In RUNTIME, a file for each machine that was stopped to start again, and has not yet. Gone with
 * the next boot, as what ran without being enabled is. */
#define MANAGER_OWED "restarting"

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

/* Returns when the machine is ready. One that runs under it already is fine. Off systemd, those
 * that its definition needs (machine/service) are started first. -ECANCELED: a condition of its
 * definition is not met. */
int manager_start(struct arena *arena, const struct manager *manager, const char *name);

/* Returns when it is gone. -ENXIO (nothing recorded): this manager does not run it. In any case it
 * is not owed any more. */
int manager_stop(struct arena *arena, const struct manager *manager, const char *name);

/* The same for one that is about to start again: systemd leaves alone who requires it, but not who
 * is bound to it. */
int manager_stop_alone(struct arena *arena, const struct manager *manager, const char *name);

/* It has started again, or is not to. */
void manager_forget_owed(const char *runtime, const char *name);

/* Both: systemd leaves everybody alone. -ENXIO as above, else as manager_start(). */
int manager_restart(struct arena *arena, const struct manager *manager, const char *name);

/* Units of declared machines are made by redd-generator, with what starts at boot: systemd has to
 * read them again when something else was applied, and nobody enables them. Else false, and there
 * is nothing to read. */
bool manager_generates(const struct manager *manager);
int manager_reload(const struct manager *manager);

/* A conf of a NixOS container says what is started as NAME, so no image of that name is needed.
 * Quiet. */
bool manager_has_conf(struct arena *arena, const char *name);

/* At boot, or not. *RET_LINES: what changed on disk, for people. */
int manager_enable(struct arena *arena, const struct manager *manager, const char *name,
		   struct text_list *ret_lines);
int manager_disable(struct arena *arena, const struct manager *manager, const char *name,
		    struct text_list *ret_lines);

/* ---- the list of what shall run at boot (not systemd's), and confs with AUTO_START=1 ---- */

#define MANAGER_AFTER_MAX 65536 /* size of one file of the list */

int manager_list_enabled(struct arena *arena, const struct manager *manager, struct text_list *ret);

/* The machines that have to be started before NAME, from its file's lines "After=A B", and
 * from [X-Unit] After= of its definition. */
int manager_list_after(struct arena *arena, const struct manager *manager, const char *name,
		       struct text_list *ret);
