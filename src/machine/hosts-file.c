#include "machine/hosts-file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/names.h"
#include "base/path.h"
#include "base/text.h"
#include "format/hosts.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/process.h"
#include "machine/network-file.h"
#include "net/facts.h"

#define DIRECTORY "hosts"
#define LOCK "hosts.lock"

char *hosts_file_path(struct arena *arena, const char *runtime, const char *name)
{
	return arena_format(arena, "%s/" DIRECTORY "/%s", runtime, name);
}

/* RUNTIME itself was looked at when the machine's record was made in it. */
static int open_directory(const char *runtime)
{
	const int flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	autoclose int top = open(runtime, O_PATH | flags), fd = -EBADF;
	struct stat st;

	if (top < 0)
		return -errno;
	fd = openat(top, DIRECTORY, O_RDONLY | flags);
	if (fd < 0 && errno == ENOENT) {
		if (mkdirat(top, DIRECTORY, 0755) < 0 && errno != EEXIST)
			return -errno;
		fd = openat(top, DIRECTORY, O_RDONLY | flags);
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & 022))
		return -EPERM;
	/* Whatever the caller's umask is: others shall read. */
	if ((st.st_mode & 0777) != 0755 && fchmod(fd, 0755) < 0)
		return -errno;
	return take_fd(&fd);
}

/* Its name begins with a dot, which no machine's does; one is left behind at most, and the next
 * write takes it. */
static void temporary_name(char ret[NAME_MAX_LENGTH + 2], const char *name)
{
	snprintf(ret, NAME_MAX_LENGTH + 2, ".%s", name);
}

int hosts_file_write(const char *runtime, const char *name, const struct hosts *hosts)
{
	autoclose int dir = -EBADF, fd = -EBADF;
	char temporary[NAME_MAX_LENGTH + 2];
	char text[HOSTS_SIZE_MAX];
	int length, r;

	length = hosts_print(text, hosts);
	if (length < 0 || !name_is_machine(name))
		return -EINVAL;
	dir = open_directory(runtime);
	if (dir < 0)
		return dir;
	temporary_name(temporary, name);
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, text, (size_t)length);
	if (r >= 0 && (fchmod(fd, 0644) < 0 || renameat(dir, temporary, dir, name) < 0))
		r = -errno;
	if (r < 0)
		(void)unlinkat(dir, temporary, 0);
	return r < 0 ? r : 0;
}

static bool is_of(struct arena *arena, int fd, const char *tag)
{
	struct hosts hosts;
	size_t size;
	char *text;

	return file_read_fd(arena, &text, &size, fd, HOSTS_SIZE_MAX) >= 0 &&
	       hosts_parse(&hosts, text, size) >= 0 && text_equal(hosts.tag, tag);
}

int hosts_file_remove(const char *path, const char *tag)
{
	autoclose int dir = -EBADF, fd = -EBADF;
	autoarena struct arena scratch = { 0 };
	const char *parent = path_parent(&scratch, path), *name = path_name(path);
	char temporary[NAME_MAX_LENGTH + 2];

	if (!path_is_absolute(path) || !path_is_normal(path) || !name_is_machine(name) ||
	    !text_equal(path_name(parent), DIRECTORY))
		return -EBADMSG;
	dir = open(parent, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	temporary_name(temporary, name);
	(void)unlinkat(dir, temporary, 0);
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? 0 : -errno;
	if (!is_of(&scratch, fd, tag))
		return 0;
	return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static void add_addresses(struct hosts *hosts, const struct facts *part)
{
	for (size_t i = 0; i < part->address_count && hosts->count < HOSTS_ADDRESSES_MAX; i++) {
		struct hosts_address *address = &hosts->addresses[hosts->count++];

		address->family = part->addresses[i].ip.family;
		memcpy(address->bytes, part->addresses[i].ip.bytes, sizeof(address->bytes));
	}
}

int hosts_file_publish(const char *runtime, const char *name, const struct facts *facts)
{
	struct hosts hosts = { .pid = (pid_t)facts->leader };
	autoarena struct arena scratch = { 0 };
	int r;

	add_addresses(&hosts, facts);
	for (size_t i = 0; i < facts->part_count; i++)
		add_addresses(&hosts, &facts->parts[i]);
	if (hosts.count == 0)
		return hosts_file_remove(hosts_file_path(&scratch, runtime, name), facts->tag);
	r = process_start_time(hosts.pid, &hosts.start);
	if (r < 0)
		return r;
	snprintf(hosts.tag, sizeof(hosts.tag), "%s", facts->tag);
	return hosts_file_write(runtime, name, &hosts);
}

/* ---- further names ---- */

static int read_claim(struct hosts_claim *ret, int dir_fd, const char *link)
{
	char text[HOSTS_CLAIM_ROOM];
	ssize_t length = readlinkat(dir_fd, link, text, sizeof(text));

	if (length < 0)
		return errno == EINVAL ? -EBADMSG : -errno;
	return hosts_parse_claim(ret, text, (size_t)length);
}

/* Somebody whose end was not seen leaves it behind. Of whom nothing can be said, it is his. */
static bool is_held(int records_fd, const struct hosts_claim *claim)
{
	autoarena struct arena scratch = { 0 };
	struct facts facts;
	int r = network_file_read_of(&scratch, &facts, records_fd, claim->machine, claim->tag);

	if (r < 0)
		return r != -ENOENT;
	return facts.leader == 0 || kill((pid_t)facts.leader, 0) == 0 || errno != ESRCH;
}

static int open_below(const char *runtime, const char *name, int flags)
{
	autoarena struct arena scratch = { 0 };
	int fd = open(path_join(&scratch, runtime, name), flags | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

/* Who looks at a claim and then replaces or removes it; not the directory, which everybody may
 * open, and lock. */
static int lock_claims(const char *runtime)
{
	autoclose int fd = open_below(runtime, LOCK, O_RDWR | O_CREAT);
	int r = fd < 0 ? fd : network_file_lock(fd);

	return r < 0 ? r : take_fd(&fd);
}

static bool is_host(const char *name)
{
	struct utsname host;

	return uname(&host) == 0 && name_is_node(name, host.nodename);
}

int hosts_file_claim(const char *runtime, int records_fd, const char *machine, const char *tag,
		     const char *name)
{
	char link[HOSTS_LINK_ROOM], text[HOSTS_CLAIM_ROOM];
	autoclose int dir = -EBADF, lock = -EBADF;
	struct hosts_claim other;

	if (records_fd < 0)
		return records_fd;
	if (!hosts_link(link, name) || is_host(link + 1) ||
	    hosts_print_claim(text, machine, tag) < 0)
		return -EINVAL;
	dir = open_directory(runtime);
	if (dir < 0)
		return dir;
	lock = lock_claims(runtime);
	if (lock < 0)
		return lock;
	if (symlinkat(text, dir, link) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (read_claim(&other, dir, link) >= 0) {
		if (text_equal(other.tag, tag))
			return 0;
		if (is_held(records_fd, &other))
			return -EEXIST;
	}
	(void)unlinkat(dir, link, 0);
	return symlinkat(text, dir, link) < 0 ? -errno : 0;
}

static int open_existing(const char *runtime)
{
	return open_below(runtime, DIRECTORY, O_RDONLY | O_DIRECTORY);
}

void hosts_file_disclaim(const char *runtime, const char *tag, const char *name)
{
	autoclose int dir = open_existing(runtime), lock = dir < 0 ? dir : lock_claims(runtime);
	char link[HOSTS_LINK_ROOM];
	struct hosts_claim claim;

	/* Without: the next one who wants it finds that nobody has it. */
	if (lock >= 0 && hosts_link(link, name) && read_claim(&claim, dir, link) >= 0 &&
	    text_equal(claim.tag, tag))
		(void)unlinkat(dir, link, 0);
}

int hosts_file_claimed(struct hosts_claim *ret, const char *runtime, const char *name)
{
	autoclose int dir = open_existing(runtime);
	char link[HOSTS_LINK_ROOM];

	if (dir < 0)
		return dir;
	return hosts_link(link, name) ? read_claim(ret, dir, link) : -ENOENT;
}
