/* engine/resources - what a container holds besides its tree: record, ids,
 * cgroup, network namespace, a private mount namespace.
 *
 * Runs in: supervisor. All that outlives a crash is noted in the record first.
 * Speaking; every _done and _leave is safe on what was never taken.
 */
#pragma once
#include "base/list.h"
#include "engine/ids.h"
#include "machine/record.h"
#include "plan/plan.h"

struct arena;
struct bus;
struct raw_servers;
struct root;
struct spec;

struct resources {
	struct arena *arena;
	struct record record;
	struct ids ids;
	struct taken taken;
	int cgroup_root_fd;		   /* of cgroups_hold_root() */
	int cgroup_parent_fd;		   /* holds cgroup_name */
	int cgroup_fd;			   /* the payload's */
	int unit_fd;			   /* --keep-unit: the caller's */
	bool moved_down;		   /* and we moved from it to its SUPERVISOR */
	const struct raw_servers *servers; /* what shows a disk image */
	bool holds_servers;		   /* in a group beside the payload's */
	const char *cgroup_name, *cgroup_mount;
	struct bus *bus;    /* to the service manager; NULL: none is needed */
	int scope_fd;	    /* the connection that an earlier program of this process asked with */
	bool scope_of_user; /* the caller's own service manager makes the scope */
	int scope_result;   /* of having asked for it */
	bool registered;    /* with systemd-machined */
	bool state_noted;   /* that there is a file in: */
	const char *state_directory; /* of machine/state-file; NULL: none was written */
	uint64_t cgroup_inode;	     /* of the payload's */
	int network_fd,
		own_network_fd;	    /* --network-namespace-path=: theirs, and ours to return to */
	uint64_t middle;	    /* id of the one whose list has us (machine/middle); 0: none */
	int middle_fd;		    /* without root: to go to (machine/middle); -EBADF: we are
				     * there, or need not be */
	int host_mounts_fd;	    /* mount namespace to return to */
	struct text_list leases;    /* of addresses: to give back at the end */
	struct text_list temporary; /* directories to remove at the end */
	size_t temporary_used;	    /* by this start: a further one has the same again */
	const char *attach_point;   /* where the tree was attached; NULL: not yet */
	bool outer;		    /* we live in an outer user namespace of our own */
};

void resources_init(struct resources *resources, struct arena *arena);

/* The machine's record; a derived name gets a suffix when a running machine has it. */
int resources_open_record(struct resources *resources, struct spec *spec, const struct host *host);

/* Without root: the ids, and the user namespace in which all that follows is done. Called first; as
 * root it does nothing. With DRY (--print-plan) only disk images are looked into from there. */
int resources_enter_outer(struct resources *resources, const struct spec *spec,
			  const struct host *host, bool dry);

/* Everything else. With DRY (--print-plan) facts are gathered and nothing is made. */
int resources_open(struct resources *resources, const struct spec *spec, const struct host *host,
		   const struct root *root, bool dry);

/* What planning must know of the ids and the network. */
void resources_fill_taken(struct resources *resources, const struct spec *spec);

/* Every start has its own. */
int resources_new_boot_id(struct resources *resources);

/* A mount namespace of our own, with nothing that travels back. Working directory:
 * the tree, in the new namespace. */
int resources_enter_private_mounts(struct resources *resources, const struct root *root);
int resources_leave_private_mounts(struct resources *resources);

/* The directory in the private namespace over which the container's tree is put. */
int resources_open_attach_point(struct resources *resources, const struct host *host);

int resources_join_network(struct resources *resources);
int resources_leave_network(struct resources *resources);

/* A directory for a bind or overlay without a source; for struct apply. It is fresh at the first
 * start; after a reboot inside, what was written there is there again. */
int resources_make_temporary(void *context, char **ret_path);

int resources_plan_temporary(void *context, const char *beside, char **ret_path);

/* Kill what is left in the cgroup, remove it, the temporary directories and the record. */
void resources_done(struct resources *resources);
