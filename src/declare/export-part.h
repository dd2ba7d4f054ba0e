/* declare/export-part - what the formats of declare/export are made of. Pure, quiet.
 *
 * A format is a table: which key of ours is which of theirs, and how its value is said there. Lines
 * are collected by group (a section, a part of a service), then printed.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "declare/export.h"

struct custom_mount;

struct export_line {
	const char *group, *key, *value;
};

struct export
{
	struct arena *arena;
	const struct definition *definition;
	struct export_line *lines;
	size_t count;
	struct text_list left;
};

struct export_row;

/* False: this value cannot be said. */
typedef bool export_say_fn(struct export *export, const struct export_row *row, const char *value);

struct export_row {
	const char *from; /* "Exec.Environment"; "X-Service.*": any key, under its own name */
	const char *group, *key;
	export_say_fn *say;
};

/* Each item by the first row that is its, else it is left. */
void export_walk(struct export *export, const struct export_row *rows, size_t count);

void export_add(struct export *export, const char *group, const char *key, const char *value);

export_say_fn export_as_is;
export_say_fn export_nothing;		   /* it is so there anyway */
export_say_fn export_if_yes, export_if_no; /* nothing else can be said */
export_say_fn export_each;		   /* words between blanks */
export_say_fn export_each_quoted;	   /* words, without their quotes */
export_say_fn export_port;		   /* [ADDRESS:]HOST:MACHINE/PROTOCOL */
export_say_fn export_bind;		   /* SOURCE:PLACE[:ro] */
export_say_fn export_image;		   /* of a registry */
export_say_fn export_time;		   /* "90s", "1500ms" */
export_say_fn export_persist;		   /* a volume that has a name */

/* The name of that volume. */
const char *export_volume(struct export *export, const char *path);

/* The mount that VALUE stands for; NULL: none of the host's. */
const struct custom_mount *export_find_bind(const struct export *export, const char *value);

/* ---- the formats ---- */

int export_nixos_conf(struct export *export, const char **ret);
int export_quadlet(struct export *export, const char **ret);
int export_compose(struct export *export, const char **ret);
int export_oci(struct export *export, const char **ret);
