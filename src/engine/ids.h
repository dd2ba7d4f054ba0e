/* engine/ids - which host ids the container's ids are.
 *
 * As root: a range of its own, picked as systemd-nspawn picks (reference 6.2)
 * and held by a lock file in /run/systemd/nspawn-uid. Without root:
 * subordinate ids through newuidmap, else one id. As "root" of an outer user
 * namespace: ids of those that it has. Speaking. Supervisor.
 *
 * Collisions with accounts are looked for in /etc/passwd, /etc/group,
 * /etc/subuid and /etc/subgid themselves: no name service is loaded.
 */
#pragma once
#include <stddef.h>
#include <sys/types.h>

#include "image/own-ids.h"
#include "plan/plan.h"

struct arena;
struct record;

#define IDS_PICK_FIRST UINT32_C(0x00080000)
#define IDS_PICK_LAST UINT32_C(0x6FFF0000)
#define IDS_FOREIGN UINT32_C(0x7FFE0000)

struct ids {
	enum userns_rung rung;
	uint32_t base,
		range; /* host id of container id 0; how many follow (the shorter of uid, gid) */
	struct own_ids_extent uids[OWN_IDS_EXTENTS], gids[OWN_IDS_EXTENTS];
	size_t uid_count, gid_count;
	const char *newuidmap, *newgidmap; /* RUNG_SUBORDINATE: paths of the helpers */
	bool map, chown;		   /* what happens to the tree's owners */
	uint32_t map_from;		   /* id on disk that becomes `base`: 0, or IDS_FOREIGN */
	const char *text;		   /* for the plan: "own range 1234567…" */
	int lock_fd;
	const char *lock_path;
};

#define IDS_EMPTY                 \
	{                         \
		.lock_fd = -EBADF \
	}

/* ROOT_FD: the tree's top, for its owner. RECORD may be NULL (--print-plan): no lock is taken. */
int ids_take(struct arena *arena, struct ids *ret, const struct spec *spec, const struct host *host,
	     int root_fd, struct record *record);
void ids_release(struct ids *ids);

/* The process has entered a user namespace with these maps: from now on they are what they look
 * like from inside, each id itself. For the payload's own namespace below it. */
void ids_entered(struct ids *ids);
