/* kernel/terminal - ptys and terminal modes. Supervisor. Quiet. */
#pragma once
#include <stdbool.h>
#include <termios.h>

/* Master from a devpts instance: opens "ptmx" below devpts_fd, unlocks it; *ret_slave by
 * TIOCGPTPEER (class S9). */
int terminal_open_pair(int devpts_fd, int *ret_master, int *ret_slave, unsigned int *ret_number);

struct terminal_state {
	int fd; /* borrowed; -1: nothing saved */
	struct termios saved;
};

int terminal_make_raw(struct terminal_state *state, int fd);
void terminal_restore(struct terminal_state *state);
int terminal_copy_size(int to_fd, int from_fd);
bool terminal_is(int fd);

/* -ENOTTY: no terminal, or one that does not know. */
int terminal_size(int fd, unsigned int *ret_rows, unsigned int *ret_columns);
