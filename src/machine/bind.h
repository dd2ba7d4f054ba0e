/* machine/bind - a path of the host is shown in a running machine, and taken away again.
 *
 * A short-lived child clones the source, with all that is mounted below it, as mounts that
 * propagate nowhere; maps their owners through the machine's user namespace (by the host's root
 * only); passes them through a mount namespace that belongs to that user namespace, which locks
 * what was restricted, so that the guest cannot make a read-only bind writable; joins the guest's
 * mount namespace, and attaches them at a place that is looked up below the guest's root, with no
 * more rights than the machine's root (classes S2, S6, S11 to S13). What was attached is noted
 * beside the machine's record, and only that is ever removed. Speaking. Any process of the host.
 *
 * Or what is shown is made anew, to replace what the machine was started with at a place.
 */
#pragma once
#include <stdbool.h>

struct arena;
struct machine;
struct stat;

/* In the child: a detached mount of what shall be there, of a file system of its own; LIKE is what
 * is there. CONTEXT: of the request. */
typedef int bind_make_fn(const void *context, const struct stat *like);

struct bind_request {
	const struct machine *machine;
	const char *source; /* an absolute host path without symbolic links */
	const char *target; /* absolute, below the guest's root */
	bool read_only, make_target;
	bool once;	  /* nothing is done if it is there already: for who begins again */
	bool keep_owners; /* as they are on the host, which are nobody's in the machine's eyes */
};

int bind_add(struct arena *arena, const struct bind_request *request);

/* What MAKE makes is mounted over the mount that is at TARGET, read-only, and what an earlier call
 * put there is gone: at once (Linux 6.5), or in an instant in which what the machine was started
 * with can be seen. -ENOENT: no directory is mounted there. */
int bind_replace(struct arena *arena, const struct machine *machine, const char *target,
		 bind_make_fn *make, const void *context);

/* -EINVAL: nothing that bind_add() put there is at TARGET. */
int bind_remove(struct arena *arena, const struct machine *machine, const char *target);
