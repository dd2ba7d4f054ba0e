#include "machine/middle.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/parse.h"
#include "base/text.h"
#include "format/uplink.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/namespace.h"
#include "kernel/process.h"
#include "machine/record.h"

#define LIST ".middle" /* in the records' directory; no machine's name begins with a dot */
#define LIST_SIZE_MAX (512 * 1024)
#define LOCK_US (10 * 1000 * 1000) /* who holds it makes a user namespace at most */
#define LOCK_STEP_US 2000

/* ---- the list ---- */

/* 1: whoever had it has removed it. */
static int try_lock(int directory, int flags, int *ret)
{
	autoclose int fd = openat(directory, LIST,
				  O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags,
				  0600);
	struct stat st;

	if (fd < 0)
		return -errno;
	for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += LOCK_STEP_US) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (waited >= LOCK_US)
			return -ETIMEDOUT;
		(void)usleep(LOCK_STEP_US);
	}
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_nlink == 0)
		return 1;
	*ret = take_fd(&fd);
	return 0;
}

/* FLAGS: O_CREAT, or none (-ENOENT: nobody is in one). */
static int lock_list(int directory, int flags, int *ret)
{
	int r;

	do
		r = try_lock(directory, flags, ret);
	while (r > 0);
	return r;
}

bool middle_parse(struct arena *arena, struct middle_member *ret, const char *line)
{
	struct text_list words = { 0 };
	struct middle_member member;
	uint32_t pid;

	text_split(arena, &words, line, " ");
	if (words.count != 6 || parse_u32(&pid, words.items[0]) < 0 || pid == 0 ||
	    pid > INT32_MAX || parse_u64(&member.start, words.items[1]) < 0 ||
	    parse_u32(&member.number, words.items[2]) < 0 ||
	    parse_u32(&member.fd, words.items[3]) < 0 ||
	    parse_u64(&member.id, words.items[4]) < 0 || member.id == 0 ||
	    parse_u32(&member.slot, words.items[5]) < 0 || member.slot >= UPLINK_SLOTS)
		return false;
	member.pid = (pid_t)pid;
	*ret = member;
	return true;
}

char *middle_print(struct arena *arena, const struct middle_member *member)
{
	return arena_format(arena, "%d %" PRIu64 " %" PRIu32 " %" PRIu32 " %" PRIu64 " %" PRIu32,
			    member->pid, member->start, member->number, member->fd, member->id,
			    member->slot);
}

static bool is_alive(const struct middle_member *member)
{
	uint64_t start;

	return process_start_time(member->pid, &start) >= 0 && start == member->start;
}

/* Of those that live, each line again. */
static int read_list(struct arena *arena, struct text_list *ret, int fd)
{
	struct text_list lines = { 0 };
	struct middle_member member;
	size_t size;
	char *text;
	int r = lseek(fd, 0, SEEK_SET) < 0 ? -errno
					   : file_read_fd(arena, &text, &size, fd, LIST_SIZE_MAX);

	if (r < 0)
		return r;
	text_split(arena, &lines, text, "\n");
	for (size_t i = 0; i < lines.count; i++)
		if (middle_parse(arena, &member, lines.items[i]) && is_alive(&member))
			text_list_add(arena, ret, lines.items[i]);
	return 0;
}

/* Cut off last: who is killed meanwhile leaves lines too many, but no empty list. */
static int write_list(int fd, const struct text_list *lines)
{
	off_t end;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	for (size_t i = 0; i < lines->count; i++)
		if (dprintf(fd, "%s\n", lines->items[i]) < 0)
			return -errno;
	end = lseek(fd, 0, SEEK_CUR);
	return end < 0 || ftruncate(fd, end) < 0 ? -errno : 0;
}

bool middle_is_listed(int directory)
{
	return faccessat(directory, LIST, F_OK, 0) >= 0;
}

/* ---- who is in it ---- */

static int open_net(const struct middle_member *member, int process)
{
	char path[32];
	const char *const ways[] = { "ns/net", path };
	uint32_t number;
	int r = -ENOENT; /* or why nobody can be asked */

	snprintf(path, sizeof(path), "fd/%" PRIu32, member->fd);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		autoclose int fd = openat(process, ways[i], O_RDONLY | O_NONBLOCK | O_CLOEXEC);

		if (fd >= 0 && namespace_number_of(&number, fd) >= 0 && number == member->number)
			return take_fd(&fd);
		/* Else it is a file that the number was used for again. */
		if (fd < 0 && i == 0)
			r = -errno;
	}
	return r;
}

static int open_member(struct middle *middle, const struct middle_member *member)
{
	autoclose int process = namespace_open_process(member->pid);
	uint64_t start;

	if (process < 0)
		return process;
	if (process_start_time_at(process, &start) < 0 || start != member->start)
		return -ESRCH;
	middle->net_fd = open_net(member, process);
	middle->user_fd = middle->net_fd < 0 ? middle->net_fd : namespace_open(process, "user");
	if (middle->user_fd < 0) {
		fd_close(&middle->net_fd);
		return middle->user_fd;
	}
	middle->process_fd = take_fd(&process);
	middle->pid = member->pid;
	middle->id = member->id;
	return 0;
}

/* The lowest that nobody has: of one more than there are lines, one is free. */
static uint32_t free_slot(struct arena *arena, const struct text_list *lines)
{
	bool *taken = arena_take_array(arena, lines->count + 1, sizeof(*taken));
	struct middle_member member;
	uint32_t slot = 0;

	memset(taken, 0, (lines->count + 1) * sizeof(*taken));
	for (size_t i = 0; i < lines->count; i++)
		if (middle_parse(arena, &member, lines->items[i]) && member.slot <= lines->count)
			taken[member.slot] = true;
	while (taken[slot])
		slot++;
	return slot;
}

/* ID 0: any. -ENOENT: nobody is in it; else why who is cannot be asked. */
static int find(struct arena *arena, struct middle *middle, uint64_t id)
{
	struct text_list lines = { 0 };
	struct middle_member member;
	int r = read_list(arena, &lines, middle->list_fd), why = -ENOENT;

	if (r < 0)
		return r;
	middle->slot = free_slot(arena, &lines);
	for (size_t i = 0; i < lines.count; i++) {
		if (!middle_parse(arena, &member, lines.items[i]) || (id != 0 && member.id != id))
			continue;
		r = open_member(middle, &member);
		if (r >= 0)
			return 0;
		if (r != -ENOENT && r != -ESRCH)
			why = r;
	}
	return why;
}

int middle_open(struct arena *arena, struct middle *ret, const char *runtime)
{
	struct middle middle = MIDDLE_EMPTY;
	autoclose int directory = -EBADF;
	int r = record_make_runtime(arena, &directory, runtime);

	if (r < 0)
		return r;
	r = lock_list(directory, O_CREAT, &middle.list_fd);
	if (r >= 0)
		r = find(arena, &middle, 0);
	if (r >= 0 || r == -ENOENT)
		r = middle.slot < UPLINK_SLOTS ? 0 : -EMLINK;
	if (r < 0) {
		middle_close(&middle);
		return fail(r, "cannot look for the network of this user's other machines");
	}
	*ret = middle;
	return 0;
}

void middle_close(struct middle *middle)
{
	fd_close(&middle->list_fd);
	fd_close(&middle->process_fd);
	fd_close(&middle->user_fd);
	fd_close(&middle->net_fd);
}

/* A child makes it: the caller stays where it is. */
int middle_make(struct middle *middle)
{
	const pid_t self = getpid();
	autoclose int process = -EBADF, pidfd = -EBADF;
	siginfo_t info;
	pid_t pid = process_clone(CLONE_NEWNET, -EBADF, &pidfd);
	int r;

	if (pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != self)
			_exit(1);
		for (;;)
			pause();
	}
	if (pid < 0)
		return fail(pid, "cannot make a network namespace");
	process = namespace_open_process(pid);
	r = process < 0 ? process : namespace_open(process, "net");
	(void)process_signal(pidfd, SIGKILL);
	(void)process_wait(pidfd, &info, 0);
	if (r < 0)
		return fail(r, "cannot open a network namespace");
	middle->net_fd = r;
	while (middle->id == 0)
		if (getrandom(&middle->id, sizeof(middle->id), 0) != sizeof(middle->id))
			return fail(-EIO, "cannot get random numbers");
	return 0;
}

/* All but those of PID. */
static void leave_out(struct arena *arena, struct text_list *ret, const struct text_list *lines,
		      pid_t pid)
{
	struct middle_member member;

	for (size_t i = 0; i < lines->count; i++)
		if (middle_parse(arena, &member, lines->items[i]) && member.pid != pid)
			text_list_add(arena, ret, lines->items[i]);
}

int middle_note(struct arena *arena, const struct middle *middle, pid_t pid, int fd)
{
	struct middle_member member = {
		.pid = pid,
		.fd = (uint32_t)fd,
		.id = middle->id,
		.slot = middle->slot,
	};
	struct text_list lines = { 0 }, others = { 0 };
	int r = process_start_time(pid, &member.start);

	if (r >= 0)
		r = namespace_number_of(&member.number, middle->net_fd);
	if (r >= 0)
		r = read_list(arena, &lines, middle->list_fd);
	if (r < 0)
		return fail(r, "cannot read who is in this user's network of machines");
	leave_out(arena, &others, &lines, pid);
	text_list_add(arena, &others, middle_print(arena, &member));
	r = write_list(middle->list_fd, &others);
	return r < 0 ? fail(r, "cannot note who is in this user's network of machines") : 0;
}

int middle_add(struct arena *arena, int directory, const struct middle *middle, pid_t pid, int fd)
{
	autoclose int list = -EBADF;
	struct middle locked = *middle;
	int r = directory < 0 ? directory : lock_list(directory, O_CREAT, &list);

	if (r < 0)
		return fail(r, "cannot look who is in this user's network of machines");
	locked.list_fd = list;
	return middle_note(arena, &locked, pid, fd);
}

void middle_leave(struct arena *arena, const char *runtime, pid_t pid)
{
	autoclose int directory = record_open_runtime(runtime, "machines"), list = -EBADF;
	struct text_list lines = { 0 }, others = { 0 };

	if (directory < 0 || lock_list(directory, 0, &list) < 0 ||
	    read_list(arena, &lines, list) < 0)
		return;
	leave_out(arena, &others, &lines, pid);
	if (others.count == 0)
		(void)unlinkat(directory, LIST, 0);
	else
		(void)write_list(list, &others);
}

/* ---- something done there ---- */

static int join(const struct middle *middle)
{
	uint32_t here, there;
	int r = namespace_own_number(&here, "user");

	if (r >= 0)
		r = namespace_number_of(&there, middle->user_fd);
	if (r >= 0 && here != there)
		r = namespace_join(middle->user_fd, CLONE_NEWUSER);
	return r < 0 ? r : namespace_join(middle->net_fd, CLONE_NEWNET);
}

int middle_run(struct arena *arena, const char *runtime, uint64_t id, int (*run)(void *context),
	       void *context)
{
	automiddle struct middle middle = MIDDLE_EMPTY;
	autoclose int directory = record_open_runtime(runtime, "machines"), pidfd = -EBADF;
	siginfo_t info;
	pid_t pid;
	int r = directory < 0 ? directory : lock_list(directory, 0, &middle.list_fd);

	if (r >= 0)
		r = find(arena, &middle, id);
	if (r < 0)
		return r == -EACCES ? -EPERM : r;
	pid = process_clone(0, -EBADF, &pidfd);
	if (pid == 0) {
		r = join(&middle);
		if (r >= 0)
			r = run(context);
		_exit(r < 0 ? MIN(-r, 255) : 0);
	}
	r = pid < 0 ? pid : process_wait(pidfd, &info, 0);
	if (r < 0)
		return r;
	return info.si_code == CLD_EXITED ? -info.si_status : -EIO;
}
