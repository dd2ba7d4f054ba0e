/* declare/export - a definition in the words of other programs. Pure, speaking.
 *
 * What they have no word for is listed, so that nobody believes it was said. A .nspawn file says
 * all of it.
 */
#pragma once
#include "base/list.h"

struct arena;
struct definition;

enum export_format {
	EXPORT_NSPAWN,
	EXPORT_NIXOS_CONF, /* NAME.conf of /etc/nixos-containers */
	EXPORT_QUADLET,	   /* NAME.container of podman's generator */
	EXPORT_COMPOSE,	   /* compose.yaml with one service */
	EXPORT_OCI,	   /* config.json of a bundle */
	EXPORT_FORMATS
};

extern const char *const export_words[EXPORT_FORMATS + 1]; /* "nspawn", …; NULL-terminated */

struct export_result {
	const char *text;
	struct text_list left; /* "[X-Health] OnFailure=rollback" */
};

int export_definition(struct arena *arena, struct export_result *ret,
		      const struct definition *definition, enum export_format format);
