/* machine/manager-kinds - what each service manager does for machine/manager. As declared there. */
#pragma once

struct arena;
struct manager;
struct text_list;

/* Where the templates of services were installed, and the runner. */
extern const char manager_data_directory[];
extern const char manager_program_directory[];

#define MANAGER_UNIT "container@.service"
#define MANAGER_UNIT_ANY "container@any.service"

int manager_systemd_start(struct arena *arena, const struct manager *manager, const char *name);
int manager_systemd_stop(struct arena *arena, const struct manager *manager, const char *name);
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

/* The same for init programs that are no service managers. */
int manager_init_boot(struct arena *arena, const struct manager *manager,
		      struct text_list *ret_lines);

/* The program NAME, from $PATH or the usual places; NULL: none. Quiet. */
char *manager_find_program(struct arena *arena, const char *const *environment, const char *name);
