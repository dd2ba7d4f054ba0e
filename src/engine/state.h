/* engine/state - what a supervisor knows about its running container, as bytes for another one.
 *
 * A newer program in the same process (engine/reexec) and a new supervisor of an abandoned machine
 * (engine/adopt) read the same text: "redd-state=VERSION", then entries "KEY LENGTH\nBYTES\n".
 * Unknown keys are skipped, missing ones are zero; what changes its meaning gets a new version.
 * Descriptors travel beside it, in the order of enum state_fd. Pure but for reading. Quiet.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "format/disk.h"

struct arena;

#define STATE_VERSION 2
#define STATE_SIZE_MAX ((size_t)16 * 1024 * 1024)
#define STATE_LIST_MAX 65536

enum state_fd {
	STATE_PIDFD, /* the payload's */
	STATE_CONSOLE,
	STATE_CONSOLE_SLAVE,
	STATE_NOTIFY,
	STATE_LOCK_LOCAL, /* of the tree */
	STATE_LOCK_GLOBAL,
	STATE_LOCK_IDS,
	STATE_SNAPSHOT, /* the directory that holds it */
	STATE_NETWORK,	/* --network-namespace-path= */
	STATE_HELD_0,
	STATE_HELD_1,
	STATE_OUTER,  /* without root: the supervisor's user namespace */
	STATE_RECORD, /* in the same process: with its lock */
	STATE_HOLDER, /* in the same process: pidfd of engine/keep's */
	STATE_SCOPE,  /* the same: the connection that systemd knows as its scope's controller */
	STATE_MIDDLE, /* without root: the network namespace that the supervisor is in */
	STATE_LOOP,   /* of a disk image: struct raw's, in their order */
	STATE_LOOP_LAST = STATE_LOOP + DISK_ROLES - 1,
	STATE_SERVERS_LINE, /* of its struct raw_servers */
	STATE_SERVERS_TIMER,
	STATE_FDS
};

struct state_blob {
	const void *data;
	size_t size;
};

/* All numbers have one type, so that one table tells how to write and to read them. */
struct state {
	/* how it was asked for: for a further start */
	struct text_list arguments, environment;
	const char *directory, *program;
	uint64_t uid, confined, listen_fds, log_level;

	/* what it is */
	const char *machine, *runtime;
	uint64_t start, kill_signal, notify_ready, console, keep_unit, keep;
	uint64_t init_kind, init_stop, init_poweroff, init_reboot;
	const char *init_program;
	struct text_list health_command;
	uint64_t health_interval, health_timeout, health_start, health_retries, health_failure;

	/* what it holds */
	const char *tree, *tree_lock, *tree_lock_global, *snapshot, *snapshot_rung, *upper;
	uint64_t device, inode, lock_exclusive;
	struct state_blob machine_id;
	uint64_t image; /* the tree lies in a disk image */
	uint64_t image_read_only, image_served;
	struct state_blob disk;
	uint64_t rung, base, range, map, chown, map_from;
	struct state_blob uids, gids; /* struct own_ids_extent[] */
	const char *ids_text, *ids_lock;
	uint64_t outer;
	const char *cgroup, *cgroup_name;
	const char *state_directory;
	uint64_t scope_of_user, registered, cgroup_rung, cgroup_inode, moved_down;
	struct text_list temporary;

	/* how it goes */
	uint64_t pid, stopping, adopted, console_in, console_out, console_socket;
	struct state_blob terminal, to_guest, from_guest;
	uint64_t descriptors; /* bit n: there is one for enum state_fd n */
};

/* Which of FDS are there, into state->descriptors; and the COUNT descriptors that came, by it.
 * -EBADMSG: not as many. */
void state_mark(struct state *state, const int fds[STATE_FDS]);
int state_spread(int ret[STATE_FDS], const struct state *state, const int *came, size_t count);

/* The bytes, in the arena. */
char *state_print(struct arena *arena, size_t *ret_size, const struct state *state);

/* Borrows from TEXT. -EBADMSG: not a state, or cut short. -EPROTONOSUPPORT: of another version. */
int state_parse(struct arena *arena, struct state *ret, const char *text, size_t size);

/* A sealed file in memory with the bytes, O_CLOEXEC. */
int state_save(const struct state *state);

/* What state_save() made. */
int state_load(struct arena *arena, struct state *ret, int fd);
