/* prog/importctl - what all verbs share.
 *
 * A transfer is a process of its own (transfer/job), begun by transfer_run(): the verb has checked
 * its words and opened the files that the caller named, as the caller; everything else is the
 * job's.
 */
#pragma once
#include <stdbool.h>

#include "base/list.h"
#include "cli/option.h"
#include "cli/program.h"
#include "cli/verb.h"
#include "image/find.h"
#include "transfer/class.h"
#include "transfer/verify.h"

enum scope { SCOPE_UNSET, SCOPE_SYSTEM, SCOPE_USER };

/* The reference's options: importctl, section 10.1. */
struct options {
	bool help, version;
	bool no_pager, no_legend, no_ask_password;
	const char *host, *machine; /* -H, -M */
	enum scope scope;
	enum class class;
	int keep_download; /* negative: not given */
	struct verify verify;
	bool read_only, force, quiet;
	const char *image_root; /* where images are made; NULL: where those of the class are */
	const char *format;	/* of exports: "xz"; NULL: by the file's name */
	bool json;		/* table_format decides how */
	bool json_automatic;	/* -j */
	enum table_format table_format;
};

struct context {
	struct arena *arena;
	struct options options;
	struct program program;	  /* what is printed by */
	struct find_scope images; /* whose */
	const char *runtime;	  /* of what is running */
};

extern const struct option_table importctl_options;
extern const struct verb_table importctl_verbs;

void options_init(struct options *options);

/* Run the command on the host of --host=, or in the machine of --machine=. AGAIN: its words. */
int remote_run(struct context *context, const struct verb *verb, const struct text_list *again);

/* ---- verbs: see the table in verbs.c ---- */

int verb_help_text(void *context, const struct text_list *words);
int verb_list_transfers(void *context, const struct text_list *words);
int verb_cancel_transfer(void *context, const struct text_list *words);
int verb_list_images(void *context, const struct text_list *words);
int verb_disk_usage(void *context, const struct text_list *words);
int verb_pull_tar(void *context, const struct text_list *words);
int verb_pull_raw(void *context, const struct text_list *words);
int verb_import_fs(void *context, const struct text_list *words);
int verb_import_tar(void *context, const struct text_list *words);
int verb_import_raw(void *context, const struct text_list *words);
int verb_export_tar(void *context, const struct text_list *words);
int verb_export_raw(void *context, const struct text_list *words);
int verb_pull_oci(void *context, const struct text_list *words);
int verb_import_oci(void *context, const struct text_list *words);
int verb_resolve_oci(void *context, const struct text_list *words);
int verb_push_oci(void *context, const struct text_list *words);
int verb_export_oci(void *context, const struct text_list *words);
