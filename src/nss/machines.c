#include "nss/machines.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/parse.h"
#include "io/fd.h"
#include "nss/directory.h"

#define SUFFIX ".machine"
#define START_FIELD 20 /* of /proc/PID/stat, counted from behind the program's name */

static bool is_roots(const struct stat *st, mode_t type)
{
	return (st->st_mode & S_IFMT) == type && st->st_uid == 0 && (st->st_mode & 022) == 0;
}

static int open_directory(void)
{
	autoclose int fd = -EBADF;
	struct stat st;

	fd = open(directory_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !is_roots(&st, S_IFDIR))
		return -ENOENT;
	return take_fd(&fd);
}

/* At most ROOM bytes; a file of /run or /proc comes at once. */
static ssize_t read_text(int fd, char *text, size_t room)
{
	size_t used = 0;

	while (used < room) {
		ssize_t size = read(fd, text + used, room - used);

		if (size < 0)
			return -errno;
		if (size == 0)
			break;
		used += (size_t)size;
	}
	return (ssize_t)used;
}

/* ---- who lives ---- */

/* -EBADMSG: that is no such file. */
static int parse_start(uint64_t *ret, char *stat)
{
	char *at = strrchr(stat, ')'), *end;

	for (int field = 0; at != NULL && field < START_FIELD; field++) {
		at = strchr(at, ' ');
		if (at != NULL)
			at++;
	}
	end = at == NULL ? NULL : strchr(at, ' ');
	if (end == NULL)
		return -EBADMSG;
	*end = '\0';
	return parse_u64(ret, at) < 0 ? -EBADMSG : 0;
}

/* Signals are asked only if /proc does not tell, as with hidepid=: a filter of the program that we
 * are in may not let them through. */
static bool lives(const struct hosts *hosts)
{
	autoclose int fd = -EBADF;
	char path[32], text[1024];
	uint64_t start;
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)hosts->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return kill(hosts->pid, 0) == 0 || errno != ESRCH;
	size = read_text(fd, text, sizeof(text) - 1);
	if (size < 0)
		return size != -ESRCH;
	text[size] = '\0';
	return parse_start(&start, text) < 0 || start == hosts->start;
}

/* ---- files ---- */

/* 1: *ret is what the file NAME says. */
static int read_file(struct hosts *ret, int dir_fd, const char *name)
{
	autoclose int fd = -EBADF;
	char text[HOSTS_SIZE_MAX];
	struct stat st;
	ssize_t size;

	/* So that it is no path. */
	if (!name_is_machine(name))
		return 0;
	fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? 0 : -errno;
	if (fstat(fd, &st) < 0 || !is_roots(&st, S_IFREG) || st.st_size > HOSTS_SIZE_MAX)
		return 0;
	size = read_text(fd, text, sizeof(text));
	if (size < 0)
		return (int)size;
	return hosts_parse(ret, text, (size_t)size) == 0;
}

/* In any case, as all names in DNS; but the locale does not count, as strcasecmp() would have it.
 */
static bool is_suffix(const char *text)
{
	static const char suffix[] = SUFFIX;

	for (size_t i = 0; i < sizeof(suffix); i++) {
		char c = text[i];

		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		if (c != suffix[i])
			return false;
	}
	return true;
}

/* "NAME.machine": NAME. */
static bool without_suffix(char ret[NAME_MAX_LENGTH + 1], const char *name)
{
	const size_t length = strlen(name), suffix = sizeof(SUFFIX) - 1;

	if (length <= suffix || length - suffix > NAME_MAX_LENGTH ||
	    !is_suffix(name + length - suffix))
		return false;
	memcpy(ret, name, length - suffix);
	ret[length - suffix] = '\0';
	return true;
}

/* 1: *ret is of the machine that is found as NAME too. */
static int read_further(struct hosts *ret, int dir_fd, const char *name)
{
	char link[HOSTS_LINK_ROOM], text[HOSTS_CLAIM_ROOM];
	struct hosts_claim claim;
	struct hosts hosts;
	ssize_t length;
	int r;

	if (!hosts_link(link, name))
		return 0;
	length = readlinkat(dir_fd, link, text, sizeof(text));
	if (length < 0 || hosts_parse_claim(&claim, text, (size_t)length) < 0)
		return 0;
	r = read_file(&hosts, dir_fd, claim.machine);
	if (r <= 0 || strcmp(hosts.tag, claim.tag) != 0)
		return MIN(r, 0);
	*ret = hosts;
	return 1;
}

typedef int read_fn(struct hosts *ret, int dir_fd, const char *name);

/* 1: found, and it lives. A further name is nobody's who has one of both forms for his own. */
static int find_in(struct hosts *ret, int dir_fd, const char *name)
{
	static read_fn *const ways[] = { read_file, read_further };
	char rest[NAME_MAX_LENGTH + 1];
	const bool has_rest = without_suffix(rest, name);
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ways) && r == 0; i++) {
		r = ways[i](ret, dir_fd, name);
		if (r > 0 && !lives(ret))
			r = 0;
		if (r == 0 && has_rest)
			r = ways[i](ret, dir_fd, rest);
		if (r > 0 && !lives(ret))
			r = 0;
	}
	return r;
}

int machines_find(struct hosts *ret, const char *name)
{
	autoclose int dir = open_directory();
	struct hosts hosts;
	int r;

	if (dir < 0)
		return dir == -ENOENT || dir == -ENOTDIR || dir == -ELOOP ? 0 : dir;
	r = find_in(&hosts, dir, name);
	if (r > 0)
		*ret = hosts;
	return r;
}

static bool has_address(const struct hosts *hosts, const struct hosts_address *address)
{
	for (size_t i = 0; i < hosts->count; i++)
		if (hosts->addresses[i].family == address->family &&
		    memcmp(hosts->addresses[i].bytes, address->bytes,
			   hosts_address_size(address)) == 0)
			return true;
	return false;
}

int machines_find_address(char ret[NAME_MAX_LENGTH + 1], const struct hosts_address *address)
{
	int fd = open_directory(), r = 0;
	DIR *dir;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? 0 : fd;
	dir = fdopendir(fd);
	if (dir == NULL) {
		fd_close(&fd);
		return -ENOMEM;
	}
	for (int i = 0; i < MACHINES_MAX && r == 0; i++) {
		const struct dirent *entry = readdir(dir);
		struct hosts hosts;

		if (entry == NULL)
			break;
		/* One that cannot be read is no reason not to find another. */
		if (read_file(&hosts, fd, entry->d_name) > 0 && has_address(&hosts, address) &&
		    lives(&hosts)) {
			memcpy(ret, entry->d_name, strlen(entry->d_name) + 1);
			r = 1;
		}
	}
	closedir(dir);
	return r;
}
