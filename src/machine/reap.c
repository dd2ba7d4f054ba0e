#include "machine/reap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/log.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/cgroup.h"
#include "kernel/later.h"
#include "kernel/netlink.h"
#include "kernel/process.h"
#include "kernel/resolve.h"
#include "kernel/syscall.h"
#include "machine/hosts-file.h"
#include "machine/middle.h"
#include "machine/network-file.h"
#include "machine/network-undo.h"
#include "machine/record.h"
#include "machine/state-file.h"
#include "net/links.h"
#include "net/pool.h"
#include "net/zone.h"

#define DEATH_TIMEOUT_MS 5000
#define MOUNTINFO_LIMIT ((size_t)8 * 1024 * 1024)

/* ---- processes ---- */

/* The pidfd of the process that was noted; -ESRCH: it is gone, or it is the holder that cleans up
 * itself; -ENOENT: somebody has its number, but without /proc nobody knows who. */
static int open_process(const char *value)
{
	autoclose int pidfd = -EBADF;
	uint64_t noted, start;
	pid_t pid;
	int r;

	r = record_parse_process(&pid, &noted, value);
	if (r < 0 || pid == getpid())
		return r < 0 ? r : -ESRCH;
	pidfd = sys_pidfd_open(pid, 0);
	if (pidfd < 0)
		return pidfd;
	/* Asked after the pidfd was opened: if it is the one that was noted, the pidfd is too. */
	r = process_start_time(pid, &start);
	if (r == -ENOENT)
		return r;
	if (r < 0 || start != noted)
		return -ESRCH;
	return take_fd(&pidfd);
}

int reap_process(const char *value)
{
	autoclose int pidfd = open_process(value);
	struct pollfd gone;
	int r;

	if (pidfd < 0)
		return pidfd == -ESRCH ? 0 : pidfd;
	r = process_signal(pidfd, SIGKILL);
	if (r < 0)
		return r == -ESRCH ? 0 : r;
	gone = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	do
		r = poll(&gone, 1, DEATH_TIMEOUT_MS);
	while (r < 0 && errno == EINTR);
	return r > 0 ? 0 : -ETIMEDOUT;
}

static bool lives_on(const struct record_content *content)
{
	const char *leader = NULL;
	bool keep = false;

	for (size_t i = 0; i < content->count; i++) {
		if (content->notes[i].kind == RECORD_LEADER)
			leader = content->notes[i].value;
		keep = keep || content->notes[i].kind == RECORD_KEEP;
	}
	if (keep && leader != NULL) {
		autoclose int pidfd = open_process(leader);

		/* Who cannot ask does not know that it has ended. */
		if (pidfd < 0)
			return pidfd != -ESRCH && pidfd != -EBADMSG && pidfd != -EINVAL;
		return !process_has_ended(pidfd);
	}
	return false;
}

/* But what shows the tree may have something to write, and leaves by itself (image/raw-serve). */
static int kill_group(int group)
{
	autoclose int served = openat(group, RECORD_SERVED, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int payload = -EBADF;

	if (served < 0)
		return cgroup_kill(group);
	payload = openat(group, "payload", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return payload < 0 ? 0 : cgroup_kill(payload);
}

/* INODE is "" when only the intent was noted: then the group is ours only if nobody is in it, which
 * is what rmdir asks. */
static int remove_cgroup(const char *path, const char *inode)
{
	autoclose int root = -EBADF, parent = -EBADF, group = -EBADF;
	const char *ignored, *name;
	uint64_t noted;
	int r;

	r = cgroup_open_root(&root, &ignored);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	parent = resolve_open_parent(root, path, &name);
	if (parent < 0)
		return parent == -ENOENT ? 0 : parent;
	if (!path_is_file_name(name))
		return -EBADMSG;
	if (!*inode)
		return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno == EACCES ? -EACCES : 0;

	group = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (group < 0)
		return errno == ENOENT ? 0 : -errno;
	if (parse_u64(&noted, inode) < 0 || cgroup_inode(group) != noted)
		return 0; /* of this name, but not the one that was made */
	r = kill_group(group);
	if (r < 0)
		return r;
	fd_close(&group);
	return cgroup_remove(parent, name, DEATH_TIMEOUT_MS);
}

/* ---- files ---- */

static int remove_temporary(const char *path, const char *tag)
{
	autoclose int parent = -EBADF;
	const char *name = path_name(path);
	struct arena scratch = { 0 };

	if (!path_is_absolute(path) || !path_is_file_name(name) || !text_ends(name, tag))
		return -EBADMSG;
	parent = open(path_parent(&scratch, path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	arena_done(&scratch);
	if (parent < 0)
		return errno == ENOENT ? 0 : -errno;
	return dir_remove_all(parent, name);
}

/* Lock files carry no tag: who gets the lock may remove the file, and nobody else is hurt. */
static int remove_lock(const char *path)
{
	autoclose int fd = -EBADF;
	struct stat st, named;

	fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size != 0)
		return 0;
	if (record_try_lock(fd) < 0)
		return 0;
	if (lstat(path, &named) == 0 && named.st_dev == st.st_dev && named.st_ino == st.st_ino)
		(void)unlink(path);
	return 0;
}

/* Octal escapes as in mountinfo(5): good enough to compare with a path that has none. */
static bool mount_has_source(const char *mountinfo, const char *place, const char *tag)
{
	struct arena scratch = { 0 };
	struct text_list lines = { 0 };
	bool found = false;

	text_split(&scratch, &lines, mountinfo, "\n");
	for (size_t i = 0; i < lines.count && !found; i++) {
		const char *tail = strstr(lines.items[i], " - ");
		struct text_list before = { 0 }, after = { 0 };

		if (!tail || !strstr(tail, tag))
			continue;
		text_split(&scratch, &after, tail + 3, " ");
		text_split(&scratch, &before, lines.items[i], " ");
		found = before.count > 4 && after.count > 1 && text_equal(before.items[4], place) &&
			text_ends(after.items[1], tag);
	}
	arena_done(&scratch);
	return found;
}

static int remove_mount(const char *place, const char *tag)
{
	struct arena scratch = { 0 };
	char *text;
	size_t size;
	int r;

	r = file_read(&scratch, &text, &size, AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_LIMIT);
	if (r >= 0 && mount_has_source(text, place, tag))
		r = umount2(place, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ? -errno : 0;
	arena_done(&scratch);
	return r < 0 ? r : 0;
}

/* ---- network ---- */

struct place {
	const char *runtime, *name;
	int dir_fd, fd;
};

/* Noted, and not yet in the file of facts. */
static int remove_link(const char *name, const char *tag)
{
	autonetlink struct netlink host = NETLINK_EMPTY;
	const char *rest = text_after(name, "redd-");
	struct later later = { 0 };
	int r;

	if (rest == NULL || text_after(rest, tag) == NULL)
		return -EBADMSG;
	r = netlink_open(&host, NETLINK_ROUTE);
	if (r >= 0)
		links_let_go(&host, name, &later);
	later_go(&later);
	return MIN(r, 0);
}

static int leave_zone(const char *name)
{
	autonetlink struct netlink host = NETLINK_EMPTY;
	int r;

	if (text_after(name, "vz-") == NULL)
		return -EBADMSG;
	r = netlink_open(&host, NETLINK_ROUTE);
	if (r >= 0)
		zone_leave(&host, name);
	return MIN(r, 0);
}

/* Whoever changes it right now finds out afterwards that the machine has ended. */
static int undo_network(struct arena *arena, const struct place *place, const char *tag)
{
	struct later later = { 0 };
	const struct network_undo undo = {
		.runtime = place->runtime,
		.machine = place->name,
		.tag = tag,
		.netns_fd = -EBADF,
		.later = &later,
	};
	int r = network_file_lock(place->fd);

	if (r >= 0)
		r = network_undo_all(arena, &undo, place->dir_fd);
	later_go(&later);
	network_file_unlock(place->fd);
	return r;
}

/* ---- one record ---- */

/* The inode noted after the group that was noted at INDEX. */
static const char *identity_of(const struct record_content *content, size_t index)
{
	for (size_t i = index + 1; i < content->count; i++) {
		if (content->notes[i].kind == RECORD_CGROUP_ID)
			return content->notes[i].value;
		if (content->notes[i].kind == RECORD_CGROUP)
			break;
	}
	return "";
}

static int remove_state_file(const struct record_content *content, const char *path)
{
	struct arena scratch = { 0 };
	uint64_t start;
	pid_t leader = 0;
	int r = 0;

	for (size_t i = 0; i < content->count && r >= 0; i++)
		if (content->notes[i].kind == RECORD_LEADER)
			r = record_parse_process(&leader, &start, content->notes[i].value);
	if (r >= 0 && leader > 0)
		r = state_file_remove(&scratch, path, leader);
	arena_done(&scratch);
	return r;
}

static int undo(const struct record_content *content, size_t index)
{
	const struct record_note_read *note = &content->notes[index];

	switch (note->kind) {
	case RECORD_HOLDER:
	case RECORD_LEADER: return reap_process(note->value);
	case RECORD_CGROUP: return remove_cgroup(note->value, identity_of(content, index));
	case RECORD_KEEP:
	case RECORD_TEMPORARY: return remove_temporary(note->value, content->tag);
	case RECORD_STATE: return remove_state_file(content, note->value);
	case RECORD_LEASE: return pool_release(note->value, content->tag);
	case RECORD_LINK: return remove_link(note->value, content->tag);
	case RECORD_ZONE: return leave_zone(note->value);
	case RECORD_LOCK: return remove_lock(note->value);
	case RECORD_MOUNT: return remove_mount(note->value, content->tag);
	default: return 0;
	}
}

static bool is_process(enum record_kind kind)
{
	return kind == RECORD_LEADER || kind == RECORD_HOLDER || kind == RECORD_CGROUP;
}

/* Backwards, as it was made: either the processes, or the rest. */
static int undo_some(const char *name, const struct record_content *content, bool processes)
{
	int first = 0;

	for (size_t i = content->count; i-- > 0;) {
		int r;

		if (is_process(content->notes[i].kind) != processes)
			continue;
		r = undo(content, i);
		if (r < 0)
			log_warning("cannot clean up '%s' after machine '%s': %s, going on without",
				    content->notes[i].value, name, strerror(-r));
		if (r < 0 && first == 0)
			first = r;
	}
	return first;
}

/* Processes first, so that nothing is in use. */
static int undo_all(struct arena *arena, const struct place *place,
		    const struct record_content *content)
{
	int processes = undo_some(place->name, content, true);
	int network = undo_network(arena, place, content->tag);
	int rest = undo_some(place->name, content, false);

	return processes < 0 ? processes : network < 0 ? network : rest;
}

int reap_content(struct arena *arena, const char *runtime, int dir_fd, const char *name, int fd)
{
	const struct place place = { runtime, name, dir_fd, fd };
	struct record_content content;
	char *text;
	size_t size;
	int r;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	r = file_read_fd(arena, &text, &size, fd, RECORD_SIZE_MAX);
	if (r < 0)
		return r;
	r = record_parse(arena, &content, text, size);
	if (r == -EBADMSG) {
		/* Torn at its first line: nothing had been made yet. */
		log_debug("the record of machine '%s' cannot be read, dropping it", name);
		return 0;
	}
	if (r >= 0 && lives_on(&content))
		return REAP_LIVES;
	return r < 0 ? r : undo_all(arena, &place, &content);
}

static int reap_at(const char *runtime, int dir_fd, const char *name)
{
	autoclose int fd = -EBADF;
	struct arena scratch = { 0 };
	struct stat st;
	int r;

	fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = record_try_lock(fd);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_nlink == 0 || !S_ISREG(st.st_mode))
		return 0;
	r = reap_content(&scratch, runtime, dir_fd, name, fd);
	arena_done(&scratch);
	if (r != 0)
		return r;
	record_unlink_notes(dir_fd, name);
	if (unlinkat(dir_fd, name, 0) < 0)
		return -errno;
	log_debug("cleaned up after machine '%s'", name);
	return 1;
}

static int open_records(const char *runtime)
{
	/* Without any, nothing can have been recorded. */
	return runtime == NULL ? -ENOENT : record_open_runtime(runtime, "machines");
}

int reap_one(const char *runtime, const char *name)
{
	autoclose int dir = -EBADF;

	if (!name_is_machine(name))
		return -EINVAL;
	dir = open_records(runtime);
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	return reap_at(runtime, dir, name);
}

struct look {
	const char *runtime;
	size_t left;
	int reaped, first_failure;
};

static int visit(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct look *look = context;

	int r;

	(void)type;
	if (look->left-- == 0)
		return 1;
	r = name_is_machine(name) ? reap_at(look->runtime, dir_fd, name) : 0;
	if (r == 1)
		look->reaped++;
	else if (r < 0 && r != -EBUSY && look->first_failure == 0)
		look->first_failure = r;
	return 0;
}

static int look_at(struct look *look)
{
	autoclose int dir = -EBADF;
	int r;

	dir = open_records(look->runtime);
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	r = dir_walk(dir, visit, look);
	return r < 0 ? r : look->reaped;
}

int reap_some(const char *runtime, size_t limit)
{
	struct look look = { .runtime = runtime, .left = limit };

	return look_at(&look);
}

static void undo_middle(const struct place *place)
{
	struct network_undo undo = { .runtime = place->runtime,
				     .machine = place->name,
				     .netns_fd = -EBADF };
	struct record_content content;
	struct arena scratch = { 0 };
	char *text;
	size_t size;

	if (file_read_fd(&scratch, &text, &size, place->fd, RECORD_SIZE_MAX) >= 0 &&
	    record_parse(&scratch, &content, text, size) >= 0 && !lives_on(&content)) {
		undo.tag = content.tag;
		network_undo_middle(&scratch, &undo, place->dir_fd);
	}
	arena_done(&scratch);
}

void reap_middle(const char *runtime, const char *name)
{
	autoclose int dir = open_records(runtime), fd = -EBADF;

	if (dir < 0 || !middle_is_listed(dir) || !name_is_machine(name))
		return;
	fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0 && record_try_lock(fd) >= 0)
		undo_middle(&(struct place){ runtime, name, dir, fd });
}

int reap_all(const char *runtime)
{
	struct look look = { .runtime = runtime, .left = SIZE_MAX };
	int r = look_at(&look);

	return r >= 0 && look.first_failure < 0 ? look.first_failure : r;
}
