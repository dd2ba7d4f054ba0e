/* transfer/jobs - which transfers go on: a file each, below the runtime directory.
 *
 * The file is locked (flock(2)) as long as the job's process lives: so nothing but the lock says
 * whether it does, and its process number is used only while it does. Ids go up and are not used
 * again before the next boot. Speaking. Any process, as the files' owner.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct arena;

#define JOBS_TEXT_MAX 4096 /* bytes of each word of a job */

struct jobs_entry {
	uint32_t id;
	const char *type, *class, *local, *remote, *pool; /* NULL: none */
	const char *made;     /* by whole path, a file that goes with it when it is cancelled */
	uint64_t done, total; /* bytes; total 0: not known */
	pid_t pid;
	bool alive; /* else it was killed, and what it left can be removed */
};

/* The calling process is the job of ENTRY, whose id is set; the lock is held by *ret_fd. -EALREADY:
 * there is one of the same remote. */
int jobs_add(struct arena *arena, int *ret_fd, struct jobs_entry *entry, const char *runtime);

/* How far it is. Quiet. */
void jobs_note(int fd, uint64_t done, uint64_t total);

/* By id. Also the dead. */
int jobs_list(struct arena *arena, struct jobs_entry **ret, size_t *ret_count, const char *runtime);

/* It ended, or was killed. Quiet. */
void jobs_forget(const char *runtime, uint32_t id);

/* End it, at once if it does not listen; returns when it has ended, and those that it
 * began, and what it MADE is gone. -ENXIO: there is none. */
int jobs_cancel(struct arena *arena, struct jobs_entry *ret, const char *runtime, uint32_t id);
