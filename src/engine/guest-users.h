/* engine/guest-users - accounts, read from files and never by a name service.
 *
 * The tree's passwd and group are opened below its descriptor, must be
 * regular files of a bounded size, and are only parsed (classes S20, S21).
 * An account that cannot be found is an error, never root. Speaking.
 * Supervisor, before the payload exists.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct arena;
struct spec;

struct guest_user {
	const char *name; /* NULL never: "root" for uid 0 without an entry */
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* supplementary, from the tree's group file only */
	size_t group_count;
	const char *home;  /* absolute */
	const char *shell; /* absolute; NULL: none given */
};

/* NAME: a user name or a decimal uid of the tree (digits are never a name); NULL, "", "root" and "0": root. */
int guest_users_find(struct arena *arena, struct guest_user *ret, int root_fd, const char *name);

/* Some account of the tree has a password (or needs none), or the tree keeps no passwords at all.
 * Quiet. */
bool guest_users_can_log_in(struct arena *arena, int root_fd);

/* ---- --bind-user= (reference 8.6) ---- */

struct guest_users_file {
	const char *name; /* below /run/host/userdb */
	mode_t mode;
	const char *data; /* contents, or what a link points to */
	size_t size;
	bool is_link;
};

struct guest_users_home {
	const char *name;
	const char *source; /* host path */
	const char *target; /* "/run/host/home/NAME" */
	uid_t host_uid, uid;
	gid_t host_gid, gid;
};

struct guest_users_bound {
	struct guest_users_file *files;
	size_t file_count;
	struct guest_users_home *homes; /* to bind with IDMAP_OWNER: host_uid is shown as uid */
	size_t home_count;
};

int guest_users_bind(struct arena *arena, struct guest_users_bound *ret, int root_fd,
		     const struct spec *spec);
