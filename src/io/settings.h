/* io/settings - which settings file is a machine's, and what stands in it.
 *
 * The first that exists of STATE/current/files/NAME.nspawn (what `redd apply` made current) and
 * NAME.nspawn in the administrator's directories. What ends with ".conf" in NAME.nspawn.d beside
 * one of the latter belongs to it, in the order of the names; what was applied is whole already.
 * For a NixOS container, what Redd has made itself of the host's configuration comes last.
 * All of these places are trusted: that nobody else can write there is checked for what was
 * applied, since a link leads there. What its image says of how it is run was applied with it, and
 * is not trusted; how `redd apply` shows it a system of NixOS is. Quiet. Any process.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"

struct arena;

#define SETTINGS_SIZE_MAX (1024 * 1024) /* of one file */
#define SETTINGS_DROP_INS_MAX 64

/* "/var/lib/redd" for root, "~/.local/state/redd" for others; NULL: no HOME. Text only. */
char *settings_state(struct arena *arena, unsigned int uid, const char *home);

/* The administrator's directories: "/etc/systemd/nspawn" and so on. None for a user without HOME
 * and RUNTIME ($XDG_RUNTIME_DIR). Text only. */
void settings_places(struct arena *arena, struct text_list *ret, unsigned int uid, const char *home,
		     const char *runtime);

/* Where the definition of machine NAME lies if one was applied. NULL: no HOME. Text only. */
char *settings_applied(struct arena *arena, unsigned int uid, const char *home, const char *name);

/* Where a settings file is made for a NixOS container of root's, of what else is said of it
 * (declare/nixos). It counts last, and only while the conf is there that it was made for. */
#define SETTINGS_MADE "/run/redd/nspawn"

struct settings_part {
	const char *path;
	char *text;
	size_t size;
};

struct settings {
	struct settings_part *parts; /* the file, then its drop-ins */
	size_t count;
	bool applied;
	const char *generation;	      /* then: its number */
	struct settings_part *image;  /* then: of its image; NULL: that says nothing */
	struct settings_part *system; /* then: of its system of NixOS; NULL: it has none */
	const char *blame;	      /* after a failure: what it is about */
};

/* 1: there is one, 0: none. -EFBIG, -E2BIG: beyond the limits above. -EPERM: what was applied could
 * be changed by others, at *ret->blame. */
int settings_read(struct arena *arena, struct settings *ret, unsigned int uid,
		  const char *const *environment, const char *name);
