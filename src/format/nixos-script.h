/* format/nixos-script - what the scripts of a NixOS container's unit say, and its conf does not.
 *
 * The configuration of a NixOS host writes some of a container's options as literals into shell
 * scripts: those of the one command that runs systemd-nspawn, and for its further links what ip(8)
 * is to do with them, on the host and inside. Here that is read, and nothing else; no shell runs.
 * What is not understood is an error, with line and cause: nothing is guessed. Pure, quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"

struct arena;

#define NIXOS_SCRIPT_SIZE_MAX (256 * 1024) /* what a caller should read at most */
#define NIXOS_SCRIPT_LINKS_MAX 64

struct nixos_script_link {
	const char *name;	      /* on both sides */
	const char *bridge;	      /* that its host's end is in; NULL: none */
	struct text_list host, local; /* addresses of both ends, as they are written */
};

struct nixos_script {
	bool ephemeral;
	struct text_list capabilities, tmpfs;
	struct nixos_script_link *links;
	size_t link_count;
	const char *init; /* what runs inside before the system's own init; NULL: not told */

	unsigned int line; /* after a failure: where, */
	const char *why;   /* and what about it, a static sentence */
};

/* The script that starts it. *SCRIPT is made anew. -EINVAL: see there. */
int nixos_script_start(struct arena *arena, struct nixos_script *script, const char *text,
		       size_t size);

/* What is done with the links of SCRIPT afterwards on the host, or INSIDE. Commands about others
 * are passed over. -EINVAL: see there. */
int nixos_script_links(struct arena *arena, struct nixos_script *script, const char *text,
		       size_t size, bool inside);
