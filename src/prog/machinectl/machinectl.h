/* prog/machinectl - what all verbs share. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "cli/option.h"
#include "cli/program.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "image/find.h"
#include "machine/visit.h"

struct arena;

enum kill_whom { KILL_ALL, KILL_LEADER, KILL_SUPERVISOR };
enum scope { SCOPE_UNSET, SCOPE_SYSTEM, SCOPE_USER };

#define ADDRESSES_ALL UINT32_MAX

/* The reference's options: machinectl, section 3. */
struct options {
	bool help, version;
	bool no_pager, no_legend, no_ask_password;
	struct text_list properties; /* -p, -P */
	bool value_only;	     /* --value, -P */
	bool all, full, quiet;
	enum kill_whom kill_whom;
	int signal;		      /* 0: not given */
	const char *user;	      /* --uid= */
	struct text_list environment; /* -E: NAME=VALUE */
	bool read_only, mkdir;
	uint32_t lines;
	bool follow;		  /* of logs */
	const char *output;	  /* -o, "short" */
	enum table_format format; /* by --json= or -o json… */
	const char *runner;
	bool now, force;
	bool copy;	      /* clone */
	const char *image;    /* create */
	bool keep_privileges; /* copy-from */
	bool remove;	      /* bind */
	uint32_t max_addresses;
	const char *host, *machine; /* -H, -M */
	enum scope scope;
	const char *verify, *compression; /* of the forwarded import verbs */
	const char *const *caller;	  /* environment */
};

struct context {
	struct arena *arena;
	struct options options;
	const char *runtime;	 /* of the machines' records */
	struct program program;	 /* what is printed by */
	const struct verb *verb; /* that is run */
};

extern const struct option_table machinectl_options;
extern const struct verb_table machinectl_verbs;

void options_init(struct options *options, const char *const *environment);

/* A host path that the caller named, from "/" on; links are left as they are. */
int host_path_absolute(struct arena *arena, const char **ret, const char *path);

/* Run the command on the host of --host=, or in the machine of --machine=. AGAIN: its words. */
int remote_run(struct context *context, const struct verb *verb, const struct text_list *again);

/* Whose images: by --system, else the caller's. */
struct find_scope context_scope(const struct context *context);

/* A visit as the options ask for it; its end is visit_done(). */
struct visit context_visit(const struct context *context);

/* ---- verbs: see the table in verbs.c ---- */

int verb_help_text(void *context, const struct text_list *words);
int verb_list(void *context, const struct text_list *words);
int verb_exec(void *context, const struct text_list *words);
int verb_status(void *context, const struct text_list *words);
int verb_show(void *context, const struct text_list *words);
int verb_poweroff(void *context, const struct text_list *words);
int verb_reboot(void *context, const struct text_list *words);
int verb_terminate(void *context, const struct text_list *words);
int verb_kill(void *context, const struct text_list *words);
int verb_wait(void *context, const struct text_list *words);
int verb_shell(void *context, const struct text_list *words);
int verb_login(void *context, const struct text_list *words);
int verb_copy_to(void *context, const struct text_list *words);
int verb_copy_from(void *context, const struct text_list *words);
int verb_bind(void *context, const struct text_list *words);
int verb_network(void *context, const struct text_list *words);
int verb_port(void *context, const struct text_list *words);
int verb_diff(void *context, const struct text_list *words);
int verb_set_property(void *context, const struct text_list *words);
int verb_pause(void *context, const struct text_list *words);
int verb_resume(void *context, const struct text_list *words);
int verb_stats(void *context, const struct text_list *words);
int verb_top(void *context, const struct text_list *words);
int verb_logs(void *context, const struct text_list *words);
int verb_events(void *context, const struct text_list *words);
int verb_start(void *context, const struct text_list *words);
int verb_stop(void *context, const struct text_list *words);
int verb_enable(void *context, const struct text_list *words);
int verb_disable(void *context, const struct text_list *words);
int verb_adopt(void *context, const struct text_list *words);
int verb_reexec(void *context, const struct text_list *words);
int verb_reap(void *context, const struct text_list *words);
int verb_edit(void *context, const struct text_list *words);
int verb_cat(void *context, const struct text_list *words);
int verb_list_images(void *context, const struct text_list *words);
int verb_image_status(void *context, const struct text_list *words);
int verb_show_image(void *context, const struct text_list *words);
int verb_clone(void *context, const struct text_list *words);
int verb_create(void *context, const struct text_list *words);
int verb_rename(void *context, const struct text_list *words);
int verb_read_only(void *context, const struct text_list *words);
int verb_remove(void *context, const struct text_list *words);
int verb_set_limit(void *context, const struct text_list *words);
int verb_clean(void *context, const struct text_list *words);
int verb_transfer(void *context, const struct text_list *words);
/* Becomes importctl, which does VERB. Returns only when it fails. */
int transfer_as(const struct context *context, const char *verb, const struct text_list *words);
