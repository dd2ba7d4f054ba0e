#include "machine/network-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/names.h"
#include "base/text.h"
#include "io/fd.h"
#include "io/file.h"

#define ENDING ".network"
#define WAIT_US 5000

void network_file_name(char ret[NETWORK_FILE_ROOM], const char *machine)
{
	snprintf(ret, NETWORK_FILE_ROOM, ".%.64s" ENDING, machine);
}

int network_file_machine(char ret[NETWORK_FILE_ROOM], const char *name)
{
	char machine[NETWORK_FILE_ROOM];
	size_t length = strlen(name);

	if (name[0] != '.' || length >= sizeof(machine) || !text_ends(name + 1, ENDING))
		return -EINVAL;
	length -= strlen("." ENDING);
	memcpy(machine, name + 1, length);
	machine[length] = '\0';
	if (!name_is_machine(machine))
		return -EINVAL;
	memcpy(ret, machine, length + 1);
	return 0;
}

int network_file_write(struct arena *arena, int dir_fd, const char *machine,
		       const struct facts *facts)
{
	const char *text = facts_print(arena, facts);
	char name[NETWORK_FILE_ROOM];

	network_file_name(name, machine);
	return file_replace(dir_fd, name, text, strlen(text), 0600);
}

int network_file_read(struct arena *arena, struct facts *ret, int dir_fd, const char *machine)
{
	char name[NETWORK_FILE_ROOM], *text;
	size_t size;
	int r;

	network_file_name(name, machine);
	r = file_read(arena, &text, &size, dir_fd, name, FACTS_SIZE_MAX);
	return r < 0 ? r : facts_parse(arena, ret, text, size);
}

int network_file_read_of(struct arena *arena, struct facts *ret, int dir_fd, const char *machine,
			 const char *tag)
{
	struct facts facts;
	int r = network_file_read(arena, &facts, dir_fd, machine);

	if (r >= 0 && !text_equal(facts.tag, tag))
		r = -ENOENT;
	if (r >= 0)
		*ret = facts;
	return r;
}

void network_file_remove(int dir_fd, const char *machine)
{
	char name[NETWORK_FILE_ROOM];

	network_file_name(name, machine);
	(void)unlinkat(dir_fd, name, 0);
	snprintf(name, sizeof(name), NETWORK_FILE_RESOLV, machine);
	(void)unlinkat(dir_fd, name, 0);
}

int network_file_try_lock(int record_fd)
{
	if (flock(record_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK || errno == EINTR ? -EBUSY : -errno;
}

/* A command that was stopped must not keep a machine from ending. */
int network_file_lock(int record_fd)
{
	for (int waited = 0;; waited += WAIT_US) {
		int r = network_file_try_lock(record_fd);

		if (r != -EBUSY || waited >= NETWORK_FILE_PATIENCE_MS * 1000)
			return r;
		usleep(WAIT_US);
	}
}

void network_file_unlock(int record_fd)
{
	(void)flock(record_fd, LOCK_UN);
}

int network_file_hold(int dir_fd, const char *machine)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	autoclose int fd = openat(dir_fd, machine, flags);
	struct stat st;
	int r;

	if (fd < 0)
		return -errno;
	r = network_file_lock(fd);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_nlink > 0 ? take_fd(&fd) : -ENOENT;
}
