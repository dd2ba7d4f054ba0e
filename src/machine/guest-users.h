/* machine/guest-users - accounts of the tree, read from its files and never by a name service.
 *
 * The tree's passwd and group are opened below its descriptor, must be
 * regular files of a bounded size, and are only parsed (classes S20, S21).
 * An account that cannot be found is an error, never root. Speaking.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct arena;

struct guest_user {
	const char *name; /* NULL never: "root" for uid 0 without an entry */
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* supplementary, from the tree's group file only */
	size_t group_count;
	const char *home;  /* absolute */
	const char *shell; /* absolute; NULL: none given */
};

/* NAME: a user name or a decimal uid of the tree (digits are never a name); NULL, "", "root" and
 * "0": root. */
int guest_users_find(struct arena *arena, struct guest_user *ret, int root_fd, const char *name);

/* The shell that a login of USER runs: root's, too, is looked up, and "/bin/sh" when in doubt.
 * Quiet. */
const char *guest_users_shell(struct arena *arena, int root_fd, const struct guest_user *user);

/* The tree's PATH as text: a regular file of at most PASSWD_SIZE_MAX, opened without waiting. A NUL
 * follows. Quiet. */
int guest_users_read(struct arena *arena, char **ret, size_t *ret_size, int root_fd,
		     const char *path);

/* Some account of the tree has a password (or needs none), or the tree keeps no passwords at all.
 * Quiet. */
bool guest_users_can_log_in(struct arena *arena, int root_fd);
