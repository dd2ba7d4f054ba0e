/* engine/apply-idmap - owners of binds, as the container sees them.
 * Runs in: supervisor, host steps. */
#pragma once

struct apply;
struct ids;
struct stat;
struct step;

/* Map the detached TREE of a bind as the user asked (idmap, rootidmap, owneridmap). */
int apply_idmap_bind(struct apply *apply, const struct step *step, int tree_fd,
		     const struct stat *source);

/* *ret_fd: a user namespace for the owners of the tree, where they do not begin at 0 on disk; else
 * it stays as it is: the payload's own serves. */
int apply_idmap_tree(int *ret_fd, const struct ids *ids);
