/* prog/redd - what all verbs share.
 *
 * What is desired are definitions (declare/definitions) in the directories or files of the command
 * line; what was applied is the current generation in the store; what runs, machines' records.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "cli/option.h"
#include "cli/program.h"
#include "cli/verb.h"
#include "declare/definition.h"
#include "declare/definitions.h"
#include "image/find.h"
#include "prog/redd/apply.h"

struct options {
	bool help, version, no_pager, no_legend;
	bool json;	     /* table_format decides how */
	bool json_automatic; /* without a MODE */
	enum table_format table_format;
	struct text_list only; /* names of machines; none: all */
	const char *as;	       /* what `export` makes; NULL: a .nspawn file */
	const char *output;    /* where `import` writes; NULL: where definitions of this host are */
	bool force;	       /* over what is there */
	bool no_start, keep_going, yes, update, quiet; /* of `apply` */
	bool forget; /* of `gc`: what machines kept that no generation has any more */
	bool keep_set;
	uint32_t keep;	   /* --keep=: generations that `gc` leaves */
	uint64_t older_us; /* --older=; 0: not given */
	bool trash_set;
	uint64_t trash_us; /* --trash=: how long `gc` leaves what machines kept that are no more */
};

struct context {
	struct arena *arena;
	struct options options;
	struct program program;	       /* what is printed by */
	struct find_scope scope;       /* whose machines */
	const char *runtime;	       /* of what is running */
	const char *store;	       /* where generations are */
	struct definition_facts facts; /* of this host */
	struct text_list templates;
};

extern const struct option_table redd_options;
extern const struct verb_table redd_verbs;

/* The exit status of `plan` and `diff`: 1 is a failure. */
enum { STATUS_SAME = 0, STATUS_CHANGES = 2 };

/* The definitions of the directories and files that WORDS name, else of those of this host; and
 * those of the current generation: none if nothing was applied yet, or it is damaged. A file says
 * nothing of machines that are not in it: where WORDS are files, these are meant alone, as by
 * --only=. What would be current then has been checked. */
int context_desired(struct context *context, struct definitions *ret,
		    struct definitions *ret_applied, const struct text_list *words);

/* One, by the path of its file, or by its name from where those of this host are. */
int context_find(struct context *context, struct definition *ret, const char *word);

/* --only= names it, or nothing. */
bool context_wants(const struct context *context, const char *name);

/* For apply_open(), with what the options say. */
struct apply context_apply(struct context *context);

/* ---- verbs: see the table in verbs.c ---- */

int verb_help_text(void *context, const struct text_list *words);
int verb_plan(void *context, const struct text_list *words);
int verb_diff(void *context, const struct text_list *words);
int verb_apply(void *context, const struct text_list *words);
int verb_rollback(void *context, const struct text_list *words);
int verb_generations(void *context, const struct text_list *words);
int verb_drift(void *context, const struct text_list *words);
int verb_gc(void *context, const struct text_list *words);
int verb_cat(void *context, const struct text_list *words);
int verb_export(void *context, const struct text_list *words);
int verb_import(void *context, const struct text_list *words);
int verb_doctor(void *context, const struct text_list *words);
