/* engine/ids-outer - ids for those who are not the host's root.
 *
 * A normal user has subordinate ids, or the one of his own. "root" of an outer
 * user namespace has what is mapped there. Speaking. Supervisor.
 */
#pragma once
#include "engine/ids.h"

int ids_outer_unprivileged(struct arena *arena, struct ids *ids, const struct spec *spec,
			   const struct host *host);

/* Root of a container that keeps CAP_SYS_ADMIN back: all ids there, in a user namespace of ours. */
int ids_outer_confined(struct arena *arena, struct ids *ids, const struct spec *spec);

/* 1: settled; 0: the user named a range, which is taken as on a host. */
int ids_outer_nested(struct arena *arena, struct ids *ids, const struct spec *spec);

/* The text of uid_map or gid_map as extents that map every id to itself. Quiet.
 * The number of extents, at most ROOM; -EBADMSG: not a map. */
int ids_outer_identity(struct own_ids_extent *extents, size_t room, const char *map);
