/* engine/apply-step - the functions behind apply's table; see engine/apply.
 *
 * Each does one step and returns 0 or a negative errno; a sentence is recorded
 * where it says more than "cannot STEP: REASON", which apply adds itself.
 * Runs in: as the step says.
 */
#pragma once
#include "engine/apply.h"

struct step;
typedef int step_fn(struct apply *apply, const struct step *step);

/* apply.c */
/* Descriptor of TARGET's parent directory, borrowed until the next call. */
int apply_parent(struct apply *apply, const char *target, const char **ret_name);
void apply_forget_parent(struct apply *apply); /* after anything was mounted over a directory */
int apply_take_root(struct apply *apply, int fd);

/* apply-root.c: what the container sees as "/" */
/* Put a detached tree on top of the stack of roots; takes *TREE. */
int apply_stack(struct apply *apply, int *tree);
step_fn apply_root, apply_volatile_root, apply_root_overlay, apply_pivot_tree, apply_chown_tree;
/* An option for overlays whose changes, in CHANGES, are thrown away at the end: they are not
 * written out before, which takes as long as anybody's writes to that file system. The kernel
 * leaves a mark then, so that nobody uses them after a crash of the host; a reboot inside does. */
const char *apply_unsynced(int changes);

/* apply-mounts.c */
step_fn apply_mount, apply_bind, apply_restrict, apply_pins;
/* Resolve the target (made when missing) and attach TREE_FD there. */
int apply_attach(struct apply *apply, const struct step *step, int tree_fd, bool is_dir);
/* Regular, small files: what a copy is made of. */
int apply_copy_file(struct apply *apply, const struct step *step);
/* Map the owners of the detached TREE_FD through the payload's user namespace; names the
 * file system that cannot. PATH is for the sentence. */
int apply_map(struct apply *apply, int tree_fd, const char *path, bool recursive);

/* apply-layers.c */
step_fn apply_layers;

/* apply-overlay.c */
step_fn apply_overlay;

/* apply-files.c */
step_fn apply_mkdir, apply_symlink, apply_node, apply_file, apply_copy, apply_remove;

/* apply-special.c: console, notify socket, credentials, journal, users */
step_fn apply_console, apply_notify, apply_credentials, apply_journal_link, apply_bind_user;
