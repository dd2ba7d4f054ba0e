/* machine/copy - files into a running machine and out of it.
 *
 * Two processes: one reads a tree, one writes it, with a stream of items between them; of a file
 * only the descriptor travels. The one on the guest's side has joined the machine's user namespace
 * (and nothing else of it, so that nobody in there can see or trace it): it creates as the
 * machine's root, may do no more than that, and the kernel turns owners into what the guest sees,
 * also on idmapped mounts, where a process of the host could not even create. The one on the host's
 * side keeps the caller's rights. So an owner travels as a number: user 1000 of the host is user
 * 1000 of the machine. What an id is not mapped for becomes root's in there; without root, the
 * caller's files are the machine's root's and all that comes out is the caller's.
 *
 * No symbolic link is followed but in directories above what was named, on the guest's side below
 * its root; each step is anchored on a descriptor, so a guest that swaps names meanwhile gets no
 * further than its own tree (classes S47, S48). Trees may have any depth: one directory is open at
 * a time on each side. What lands on the host has no setuid and setgid bits, no file capabilities
 * and no devices, unless that was asked for (class S39). Speaking.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct arena;
struct machine;

struct copy_progress {
	uint64_t bytes, total; /* total: 0 when it is not known before the end */
	uint64_t files;
};

typedef void copy_progress_fn(void *context, const struct copy_progress *progress);

struct copy_request {
	const struct machine *machine;
	bool out;		    /* out of the machine */
	const char *host, *guest;   /* absolute paths; the target's is its full name */
	bool force;		    /* files that are there are replaced */
	bool keep_privileges;	    /* also what would give rights on the host */
	copy_progress_fn *progress; /* a few times a second; NULL: never */
	void *context;
};

/* Directories are merged. -EEXIST: a file is there. SIGINT, SIGTERM and SIGHUP end it with -EINTR;
 * each file is then there as a whole or not at all. */
int copy_run(struct arena *arena, const struct copy_request *request);
