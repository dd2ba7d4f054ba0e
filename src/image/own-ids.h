/* image/own-ids - without root: a user namespace in which the user is root over what is his.
 *
 * A user's trees belong to his own id and to his subordinate ones (/etc/subuid, /etc/subgid). Who
 * handles such trees enters a user namespace with all of them first, for good:
 *
 *	r = own_ids_become_root(arena, environment);
 *
 * A process that is root already stays as it is. The maps are written by newuidmap and newgidmap,
 * run by a short-lived child that stays outside, or are one line for the user's own id where there
 * are no more. The supervisor of a container does the same with the ids that it has chosen.
 * Speaking. Any process with one thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct ids_files;

#define OWN_IDS_EXTENTS 3

struct own_ids_extent {
	uint32_t inside, outside, count;
};

struct own_ids {
	struct own_ids_extent uids[OWN_IDS_EXTENTS], gids[OWN_IDS_EXTENTS];
	size_t uid_count, gid_count;
	const char *newuidmap, *newgidmap; /* NULL: not installed */
	bool single;			   /* no more than the own id */
};

/* What is this user's: the own id as 0, and up to 65535 subordinate ones behind it. */
void own_ids_find(struct arena *arena, struct own_ids *ret, const struct ids_files *files,
		  uint32_t uid, const char *const *environment);

/* 0: the caller is root (0:0) of a user namespace with these ids, for good, and may be looked at by
 * its user. A negative errno, with a sentence recorded: it may be in one that has no ids; give up.
 * Without helpers the maps are written directly, which takes CAP_SETUID, or a single id. */
int own_ids_enter(struct arena *arena, const struct own_ids *ids);

/* The last step of that: root of the user namespace that was just entered. */
int own_ids_be_root(void);

/* The one call: be root over the caller's own ids, for good. Root stays what it is. */
int own_ids_become_root(struct arena *arena, const char *const *environment);

/* "0 524288 65536\n": the content of uid_map or gid_map. Quiet. */
char *own_ids_map_text(struct arena *arena, const struct own_ids_extent *extents, size_t count);
