/* machine/copy-side - what the two processes of machine/copy share. Runs in: those. */
#pragma once
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/fail.h"

#define COPY_NAME_ROOM 256
#define COPY_DATA_MAX ((size_t)128 * 1024) /* attributes of one inode, or a link's target */

enum copy_kind {
	COPY_DIRECTORY, /* made, if it is not there; what follows is in it */
	COPY_LEAVE,	/* its attributes; what follows is beside it */
	COPY_FILE,	/* with a descriptor */
	COPY_SYMLINK,	/* the data is its target */
	COPY_NODE,	/* a fifo or device */
	COPY_END,
};

struct copy_item {
	uint32_t kind, mode, uid, gid;
	uint64_t device;
	int64_t size;		  /* of a file */
	struct timespec times[2]; /* as for utimensat(2) */
	uint32_t link;		  /* the same for all names of one file; 0: it has one name */
	uint32_t data_size;
	char name[COPY_NAME_ROOM]; /* one component */
};

/* In memory that the caller and both sides see. */
struct copy_shared {
	volatile int stop, finished; /* finished: the writer has it all */
	_Atomic uint64_t bytes, total, files;
	_Atomic uint64_t target_device, target_inode; /* of the top directory written to */
	struct failure failures[2];
};

struct copy_side {
	struct copy_shared *shared;
	int channel;
	int root_fd; /* the guest's "/"; -EBADF: this is the host's side */
	pid_t caller;
	const char *path;
	const char *where; /* "on the host", "in machine 'web'" */
	bool force, strip; /* strip: nothing that gives rights */
};

/* The other side has ended, and says why: nothing is recorded. */
#define COPY_OTHER_FAILED (-EPIPE)

int copy_read(const struct copy_side *side);
int copy_write(const struct copy_side *side);

/* For a message: where we are, below the path that the user named. Directories that do not fit are
 * "…"; the last component always is there. NAME: one component. */
struct copy_path {
	char text[768];
};
void copy_path_begin(struct copy_path *path, const struct copy_side *side);
void copy_path_enter(struct copy_path *path, const char *name);
const char *copy_path_end(struct copy_path *path, const char *name);

/* -EINTR with a sentence once the caller wants no more, or is gone. */
int copy_stopped(const struct copy_side *side);

/* DATA: item->data_size bytes; FD: borrowed, or negative. */
int copy_send(const struct copy_side *side, const struct copy_item *item, const void *data, int fd);

/* DATA has COPY_DATA_MAX bytes. *ret_fd is owned by the caller, negative: none came. */
int copy_receive(const struct copy_side *side, struct copy_item *ret, void *data, int *ret_fd);
