/* engine/guest-users-bind - accounts of the host, shown in the container (--bind-user=).
 *
 * The payload reads them as user records in /run/host/userdb (reference 8.6;
 * systemd.io/USER_RECORD). The host's accounts are read from /etc/passwd,
 * /etc/shadow and /etc/group: those of a name service cannot be bound.
 * Speaking. Supervisor.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct arena;
struct spec;

struct guest_users_file {
	const char *name; /* below /run/host/userdb */
	mode_t mode;
	const char *data; /* contents, or what a link points to */
	bool is_link;
	size_t user; /* index in homes */
};

struct guest_users_home {
	const char *name;
	const char *source; /* host path */
	const char *target; /* "/run/host/home/NAME" */
	uid_t host_uid, uid;
	gid_t host_gid, gid;
};

struct guest_users_bound {
	struct guest_users_file *files; /* in the order to make */
	size_t file_count;
	struct guest_users_home *homes; /* to bind with IDMAP_OWNER: host_uid is shown as uid */
	size_t home_count;
};

/* Ids are the lowest that the tree does not use, from 60514 on. Nothing asked for: no call is
 * made. */
int guest_users_bind(struct arena *arena, struct guest_users_bound *ret, int root_fd,
		     const struct spec *spec);
