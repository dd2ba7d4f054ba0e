/* prog/nixos-container - what all verbs share. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "cli/option.h"
#include "cli/program.h"
#include "cli/verb.h"
#include "declare/nixos.h"
#include "machine/manager.h"
#include "machine/visit.h"

/* The reference's options: NixOS containers, section 1. Any of them may stand with any verb. */
struct options {
	bool help, version;
	bool unique, auto_start, host_network, state_only;
	const char *system_path, *nixos_path, *config, *config_file, *flake;
	const char *attribute; /* of the flake: what stood behind its last "#" */
	const char *bridge, *private_users, *extra_flags;
	const char *host_address, *local_address, *host_address6, *local_address6, *mac;
	struct text_list ports, interfaces, macvlans;
	struct text_list flags;		 /* for the runner: "--bind=/a" */
	struct text_list settings;	 /* for [Exec] of the companion file: "Capability=X" */
	struct text_list mounts;	 /* for its [Files]: "Bind=/a b" */
	struct text_list checked;	 /* all three as options of the runner */
	struct text_list keep;		 /* of reset */
	struct text_list nix, nix_pairs; /* for nix; what takes two words comes last */
	const char *strategy;		 /* NULL: auto */
	bool follow;
	const char *lines;
	enum table_format format;
};

struct context {
	struct arena *arena;
	struct options options;
	struct program program; /* what is printed by */
	const char *runtime;	/* of the machines' records */
	const char *name;	/* of the container */
	struct nixos container; /* what its conf says; not of list and create */
};

extern const struct option_table nixos_options;
extern const struct verb_table nixos_verbs;

/* Two checks of what cannot stand together: scripts see which comes first. */
int options_check_addresses(const struct options *options);
/* A flake is split, too. */
int options_check_sources(struct arena *arena, struct options *options);

/* The container is ours to change until *RET_FD is closed, and looked at again: who had the lock
 * may have changed it. -ENOENT: or destroyed. */
int context_lock(struct context *context, int *ret_fd);

/* The same, and a sentence where the host's configuration declares it: VERB cannot be done here. */
int context_lock_own(struct context *context, int *ret_fd, const char *verb);

/* What status prints of a container that is not there. */
int status_gone(struct context *context);

/* ---- verbs: see the table in verbs.c ---- */

int verb_help_text(void *context, const struct text_list *words);
int verb_list(void *context, const struct text_list *words);
int verb_create(void *context, const struct text_list *words);
int verb_destroy(void *context, const struct text_list *words);
int verb_start(void *context, const struct text_list *words);
int verb_stop(void *context, const struct text_list *words);
int verb_restart(void *context, const struct text_list *words);
int verb_terminate(void *context, const struct text_list *words);
int verb_status(void *context, const struct text_list *words);
int verb_update(void *context, const struct text_list *words);
int verb_switch(void *context, const struct text_list *words);
int verb_rollback(void *context, const struct text_list *words);
int verb_generations(void *context, const struct text_list *words);
int verb_reload(void *context, const struct text_list *words);
int verb_reset(void *context, const struct text_list *words);
int verb_login(void *context, const struct text_list *words);
int verb_root_login(void *context, const struct text_list *words);
int verb_run_command(void *context, const struct text_list *words);
int verb_logs(void *context, const struct text_list *words);
int verb_export(void *context, const struct text_list *words);
int verb_show_ip(void *context, const struct text_list *words);
int verb_show_host_key(void *context, const struct text_list *words);
