/* machine/enter - run a program in a running machine, confined as its PID 1 is.
 *
 * Nothing of the guest is needed but the program: no D-Bus, no init, no shell. Two processes are
 * made. The joiner is cloned into the machine's cgroup; it is not in the guest's pid namespace, so
 * nobody in there can see or trace it. It joins the namespaces, closes all that is ours, takes
 * over identity, limits, filter and capabilities of the machine (classes S2, S3, S18 to S20, S36),
 * and only then makes the program's process, as a child of the caller, which execs at once.
 * Speaking; the sentence of a failure in there arrives whole. Runs in: who enters, and the two.
 */
#pragma once
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "kernel/seccomp.h"
#include "machine/confine.h"
#include "machine/guest-users.h"

struct arena;
struct machine;

/* A machine that can be entered, any number of times. */
struct enter {
	const struct machine *machine;
	int pidfd;	     /* the leader's */
	int proc_fd;	     /* O_PATH, its directory in /proc */
	int root_fd;	     /* O_PATH, its "/" */
	int cgroup_fd;	     /* of what enters; negative: none */
	const char *cgroup;  /* its path below the v2 root */
	uint64_t namespaces; /* CLONE_NEW* that are not ours already */
	bool local;	     /* the host itself: nothing to join, nothing to confine */
	uid_t root_uid;	     /* who the guest's root is outside */
	bool shares_ids;     /* somebody in there is root, or this user, outside */
	struct confine confine;
	struct seccomp_filter filter;
	struct rlimit limits[RLIM_NLIMITS];
};

#define ENTER_EMPTY                                                                        \
	{                                                                                  \
		.pidfd = -EBADF, .proc_fd = -EBADF, .root_fd = -EBADF, .cgroup_fd = -EBADF \
	}

/* Speaking. Also takes away that this process can be traced or dumped, for good. */
int enter_open(struct arena *arena, struct enter *ret, const struct machine *machine);

/* The host, as ".host": the caller's own namespaces, rights and limits, another user if it may. */
int enter_open_local(struct enter *ret);
void enter_done(struct enter *enter);

struct enter_program {
	struct guest_user user;	  /* guest_users_find(…, enter->root_fd, …) */
	const char *directory;	  /* NULL: the user's home, or "/" if that cannot be entered */
	char *const *arguments;	  /* NULL-terminated; [0] is searched in the guest's PATH */
	const char *path;	  /* what to run instead of arguments[0]; NULL: that */
	char *const *environment; /* all of it, NULL-terminated */
	int stdio[3];		  /* borrowed; what it has as 0 to 2; negative: the terminal */
	int terminal; /* borrowed; a pty's slave, its controlling terminal; negative: none */
};

/* Start the program; it is a child of the caller. It is killed when the caller ends. Speaking. */
int enter_start(const struct enter *enter, const struct enter_program *program, pid_t *ret_pid,
		int *ret_pidfd);

/* PATH, HOME, USER, LOGNAME, SHELL and container for USER, then what is in EXTRA (later wins). */
char **enter_environment(struct arena *arena, const struct enter *enter,
			 const struct guest_user *user, const struct text_list *extra);

/* A pty of the guest's own devpts instance: never by a path that the guest could have bent
 * (class S9). Speaking. */
int enter_open_terminal(const struct enter *enter, int *ret_master, int *ret_slave,
			unsigned int *ret_number);
