/* machine/manager-kinds - what each service manager does for machine/manager. As declared there. */
#pragma once
#include <stdbool.h>

struct arena;
struct manager;
struct text_list;

/* Where the templates of services were installed, and the runner. */
extern const char manager_data_directory[];
extern const char manager_program_directory[];
extern const char manager_helper_directory[];

#define MANAGER_UNIT "container@.service"
#define MANAGER_UNIT_ANY "container@any.service"

int manager_systemd_start(struct arena *arena, const struct manager *manager, const char *name);
int manager_systemd_stop(struct arena *arena, const struct manager *manager, const char *name);
int manager_systemd_restart(struct arena *arena, const struct manager *manager, const char *name);
int manager_systemd_stop_alone(struct arena *arena, const struct manager *manager,
			       const char *name);
int manager_systemd_enable(struct arena *arena, const struct manager *manager, const char *name,
			   struct text_list *ret_lines);
int manager_systemd_disable(struct arena *arena, const struct manager *manager, const char *name,
			    struct text_list *ret_lines);

int manager_openrc_start(struct arena *arena, const struct manager *manager, const char *name);
int manager_openrc_stop(struct arena *arena, const struct manager *manager, const char *name);
/* The one boot service is started at boot from now on. */
int manager_openrc_boot(struct arena *arena, const struct manager *manager,
			struct text_list *ret_lines);

int manager_runit_start(struct arena *arena, const struct manager *manager, const char *name);
int manager_runit_stop(struct arena *arena, const struct manager *manager, const char *name);
int manager_runit_boot(struct arena *arena, const struct manager *manager,
		       struct text_list *ret_lines);

/* The same for init programs that are no service managers. Where it cannot be done, that is told
 * with the FIRST machine of the list. */
int manager_init_boot(struct arena *arena, const struct manager *manager, bool first,
		      struct text_list *ret_lines);

/* The conf of the NixOS container NAME, which is what is started then; NULL: there is none, or a
 * machine of that name was applied. Quiet. */
char *manager_nixos_conf(struct arena *arena, const char *name);

/* Those are added whose conf has AUTO_START=1, or whose settings [X-Install] WantedBy=. Quiet: what
 * cannot be read does not start. */
void manager_nixos_enabled(struct arena *arena, struct text_list *ret);

/* The program that starts it, beside us or where it was installed. Quiet. */
char *manager_nixos_program(struct arena *arena);

/* The program NAME, from $PATH or the usual places; NULL: none. Quiet. */
char *manager_find_program(struct arena *arena, const char *const *environment, const char *name);
