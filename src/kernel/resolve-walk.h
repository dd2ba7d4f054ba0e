/* kernel/resolve-walk - the walk below a root, component by component.
 *
 * For kernel/resolve alone: used where openat2(2) is missing, and wherever
 * something has to be made on the way. No step looks up more than one name,
 * none looks up "..", and every one is O_NOFOLLOW: whatever a guest swaps
 * meanwhile, a step ends in the directory it began in or in one below it.
 * Links are read and their text is walked as if the root were "/". Quiet.
 */
#pragma once
#include <sys/types.h>

struct resolve_owner;

enum resolve_goal {
	RESOLVE_GOAL_OPEN,	/* the last component is opened with FLAGS */
	RESOLVE_GOAL_DIRECTORY, /* missing components are made; O_PATH descriptor */
	RESOLVE_GOAL_FILE,	/* the same, the last one an empty regular file */
};

struct resolve_request {
	enum resolve_goal goal;
	int flags;			   /* RESOLVE_GOAL_OPEN only */
	mode_t mode;			   /* of the last component, when it is made */
	const struct resolve_owner *owner; /* of what is made; may be NULL */
};

int resolve_walk(int root_fd, const char *path, const struct resolve_request *request);

/* Give what was just made below directory_fd to OWNER, if there is one. */
int resolve_give(int fd, const struct resolve_owner *owner);
