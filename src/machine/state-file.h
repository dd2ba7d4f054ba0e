/* machine/state-file - the file by which a stock systemd's clients find a machine.
 *
 * systemctl, journalctl, busctl, loginctl and systemd-run with -M, and nss-mymachines, read
 * /run/systemd/machines/NAME (reference machinectl 7.1); who asks for a process's machine follows
 * unit:UNIT beside it. systemd-machined writes them; this is for hosts on which it does not run.
 * What is removed is looked at first: only a file that names our leader is ours. Quiet. Supervisor,
 * and who cleans up after it.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct arena;

#define STATE_FILE_SIZE_MAX (64 * 1024)

struct state_file {
	const char *name, *service;
	const char *unit;	      /* that is the machine's alone; NULL: none */
	const char *root, *id;	      /* NULL: unknown */
	unsigned int uid;	      /* who started it */
	pid_t leader, supervisor;     /* supervisor 0: none */
	int leader_fd;		      /* pidfd, or negative */
	uint64_t realtime, monotonic; /* of the start, microseconds */
	const uint32_t *interfaces;   /* indexes of the host's, that lead to it */
	size_t interface_count;
};

/* "/run/systemd/machines", or for a user below $XDG_RUNTIME_DIR; NULL: that user has none. */
char *state_file_directory(struct arena *arena, unsigned int uid, const char *const *environment);

/* The file's text. */
char *state_file_print(struct arena *arena, const struct state_file *file);

/* Write it and the link of the unit below DIRECTORY, which is made when it is missing. */
int state_file_write(struct arena *arena, const char *directory, const struct state_file *file);

/* Other interfaces lead to the machine now, when the file at PATH names LEADER. 0: it does not, or
 * there is none. */
int state_file_update(struct arena *arena, const char *path, pid_t leader,
		      const uint32_t *interfaces, size_t count);

/* Remove the file at PATH and the link that its unit has, when it names LEADER. 0: it is gone, or
 * it is somebody else's. */
int state_file_remove(struct arena *arena, const char *path, pid_t leader);
