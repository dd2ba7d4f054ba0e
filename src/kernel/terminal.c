#include "kernel/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "io/fd.h"

int terminal_open_pair(int devpts_fd, int *ret_master, int *ret_slave, unsigned int *ret_number)
{
	autoclose int master = -EBADF, slave = -EBADF;
	unsigned int number;
	int locked = 0;

	master = openat(devpts_fd, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW);
	if (master < 0)
		return -errno;
	if (ioctl(master, TIOCSPTLCK, &locked) < 0 || ioctl(master, TIOCGPTN, &number) < 0)
		return -errno;
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return -errno;

	*ret_master = take_fd(&master);
	*ret_slave = take_fd(&slave);
	*ret_number = number;
	return 0;
}

int terminal_make_raw(struct terminal_state *state, int fd)
{
	struct termios raw;

	if (tcgetattr(fd, &raw) < 0)
		return -errno;
	state->saved = raw;
	cfmakeraw(&raw);
	if (tcsetattr(fd, TCSANOW, &raw) < 0)
		return -errno;
	state->fd = fd;
	return 0;
}

void terminal_restore(struct terminal_state *state)
{
	if (state->fd < 0)
		return;
	tcsetattr(state->fd, TCSANOW, &state->saved);
	state->fd = -1;
}

int terminal_copy_size(int to_fd, int from_fd)
{
	struct winsize size;

	if (ioctl(from_fd, TIOCGWINSZ, &size) < 0 || ioctl(to_fd, TIOCSWINSZ, &size) < 0)
		return -errno;
	return 0;
}

bool terminal_is(int fd)
{
	return isatty(fd);
}

int terminal_size(int fd, unsigned int *ret_rows, unsigned int *ret_columns)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) < 0)
		return -errno;
	if (size.ws_row == 0 || size.ws_col == 0)
		return -ENOTTY;
	*ret_rows = size.ws_row;
	*ret_columns = size.ws_col;
	return 0;
}
