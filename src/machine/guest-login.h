/* machine/guest-login - what of the guest asks for a name and a password on a terminal.
 *
 * Found by looking at names inside the tree, never by running anything. Quiet.
 */
#pragma once

struct arena;

/* The guest's agetty, getty or login, and words with which it uses the terminal that it has as
 * standard input already. TERM: its kind. -ENOENT: there is none. */
int guest_login_find(struct arena *arena, const char **ret_path, char ***ret_arguments, int root_fd,
		     const char *term);
