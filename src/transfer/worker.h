/* transfer/worker - what reads bytes from outside, in a process that can do nothing else.
 *
 * A worker is a child of the program that runs one function: it downloads, decompresses, unpacks,
 * verifies or converts. It has namespaces of its own (user, mount, pid, ipc, uts, cgroup and,
 * unless it downloads, network), no capability over anything of the host, no new privileges, a list
 * of the system calls that it may make, Landlock where the kernel has it, and only the descriptors
 * that it was given. All it can see of the host's files is one directory, if any; what it leaves
 * there is published by the caller, who believes nothing of it.
 *
 * The two sides talk by messages; everything that the worker tells has limits. A worker ends with
 * its caller. Speaking, on both sides: what the worker failed with is the caller's sentence.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct arena;

#define WORKER_FDS_MAX 16
#define WORKER_TOLD_MAX (60 * 1024) /* bytes of one thing that it tells */

/* ---- inside ---- */

struct worker_side;

/* Runs in the worker. A negative errno with a sentence recorded, or 0. */
typedef int worker_fn(struct worker_side *side, void *context);

/* The directory, as the worker's root and for openat(2); -EBADF: it has none. */
int worker_tree(const struct worker_side *side);

/* How far it is: bytes of what is read; TOTAL 0: not known. Sent at most ten times a second. */
void worker_progress(struct worker_side *side, uint64_t done, uint64_t total);

/* Something that the caller should know, at most WORKER_TOLD_MAX bytes. */
int worker_tell(struct worker_side *side, unsigned int what, const void *data, size_t size);

/* A device node, which nobody can make in a user namespace: the caller makes it, if DIRECTORY_FD is
 * one of the worker's tree; owned by the worker's root until that is changed. As mknodat(2). Waits.
 */
int worker_make_node(struct worker_side *side, int directory_fd, const char *name, mode_t mode,
		     dev_t device);

/* ---- outside ---- */

enum worker_view {
	WORKER_SEES_NOTHING,  /* an empty directory that cannot be written */
	WORKER_SEES_TREE,     /* TREE_FD, and nothing else */
	WORKER_SEES_PROGRAMS, /* the host's programs, read-only, and runs them; an empty /tmp */
	WORKER_SEES_NETWORK,  /* the host's network, and what names and certificates need, read-only
			       */
};

struct worker_request {
	const char *name; /* "unpack": the process's name */
	worker_fn *run;
	void *context; /* as it is now: what RUN writes there nobody else sees */
	enum worker_view view;
	int tree_fd;	/* WORKER_SEES_TREE: a directory, not O_PATH */
	bool read_only; /* the tree */
	const int *fds; /* they keep their numbers; 0 to 2 are nothing unless they are among them */
	size_t fd_count;
	uint64_t memory; /* bytes of data at most; 0: 512 MiB */
};

struct worker {
	pid_t pid;
	int pidfd, channel;
	int tree_fd; /* borrowed; the worker's own mount of it */
	int mount;
};

#define WORKER_EMPTY                                                                         \
	{                                                                                    \
		.pid = 0, .pidfd = -EBADF, .channel = -EBADF, .tree_fd = -EBADF, .mount = -1 \
	}

/* What the worker says; each may be NULL. A negative errno of TOLD ends the worker. */
struct worker_listener {
	void (*progress)(void *context, uint64_t done, uint64_t total);
	int (*told)(void *context, unsigned int what, const void *data, size_t size);
	void *context;
};

int worker_start(struct worker *ret, const struct worker_request *request);

/* The channel to wait for (POLLIN) when there are several workers. */
int worker_fd(const struct worker *worker);

/* Hear one message. 1: there will be more; 0: it has ended well; a negative errno: it failed, with
 * its sentence, or was killed. Only when worker_fd() is readable, or it waits. */
int worker_hear(struct worker *worker, const struct worker_listener *listener);

/* All of it, until its end. */
int worker_finish(struct worker *worker, const struct worker_listener *listener);

/* Kills it if it still runs. Accepts the empty one. */
void worker_done(struct worker *worker);

/* start and finish. */
int worker_run(const struct worker_request *request, const struct worker_listener *listener);
