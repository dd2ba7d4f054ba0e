#include "machine/bind-notes.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/uapi.h"
#include "machine/find.h"

#define SIZE_MAX_ ((size_t)32 * BIND_NOTES_MAX)

void bind_notes_name(char ret[BIND_NOTES_ROOM], const char *machine)
{
	snprintf(ret, BIND_NOTES_ROOM, ".%.64s.binds", machine);
}

int bind_notes_identity(int fd, uint64_t *ret)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID_UNIQUE | STATX_MNT_ID,
		  &sx) < 0)
		return -errno;
	if ((sx.stx_mask & (STATX_MNT_ID_UNIQUE | STATX_MNT_ID)) == 0)
		return -EOPNOTSUPP;
	*ret = sx.stx_mnt_id;
	return 0;
}

bool bind_notes_have(const struct bind_notes *notes, uint64_t mount)
{
	for (size_t i = 0; i < notes->count; i++)
		if (notes->mounts[i] == mount)
			return true;
	return false;
}

void bind_notes_parse(struct arena *arena, struct bind_notes *ret, const char *text,
		      const char *leader)
{
	const char *at = text_after(text, leader);

	ret->mounts = arena_take_array(arena, BIND_NOTES_MAX, sizeof(*ret->mounts));
	ret->count = 0;
	while (at != NULL && *at == '\n' && at[1] >= '0' && at[1] <= '9' &&
	       ret->count < BIND_NOTES_MAX) {
		char *end;

		ret->mounts[ret->count++] = strtoull(at + 1, &end, 10);
		at = end;
	}
}

static char *leader_line(struct arena *arena, const struct machine *machine)
{
	return arena_format(arena, "%d %" PRIu64, (int)machine->leader, machine->leader_start);
}

static int open_file(struct arena *arena, const struct machine *machine)
{
	const int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
	char name[BIND_NOTES_ROOM];

	for (;;) {
		autoclose int fd = -EBADF;
		struct stat st;

		bind_notes_name(name, machine->name);
		fd = open(arena_format(arena, "%s/machines/%s", machine->runtime, name), flags,
			  0600);
		if (fd < 0 || flock(fd, LOCK_EX) < 0 || fstat(fd, &st) < 0)
			return -errno;
		if (st.st_nlink > 0)
			return take_fd(&fd);
	}
}

int bind_notes_open(struct arena *arena, struct bind_notes *ret, const struct machine *machine)
{
	struct bind_notes notes = BIND_NOTES_EMPTY;
	char *text;
	size_t size;
	int r;

	notes.fd = open_file(arena, machine);
	r = notes.fd < 0 ? notes.fd : file_read_fd(arena, &text, &size, notes.fd, SIZE_MAX_);
	if (r < 0) {
		bind_notes_done(&notes);
		return fail(r, "cannot read which binds of machine '%s' are ours", machine->name);
	}
	notes.machine = machine;
	bind_notes_parse(arena, &notes, text, leader_line(arena, machine));
	*ret = notes;
	return 0;
}

int bind_notes_write(struct arena *arena, struct bind_notes *notes, uint64_t more, uint64_t less)
{
	char *text = arena_take(arena, SIZE_MAX_ + 128);
	int used = snprintf(text, 128, "%s\n", leader_line(arena, notes->machine)), r;

	if (more != 0)
		used += snprintf(text + used, 32, "%" PRIu64 "\n", more);
	for (size_t i = 0; i < notes->count && i + 1 < BIND_NOTES_MAX; i++)
		if (notes->mounts[i] != less)
			used += snprintf(text + used, 32, "%" PRIu64 "\n", notes->mounts[i]);
	r = ftruncate(notes->fd, 0) < 0 || lseek(notes->fd, 0, SEEK_SET) < 0
		    ? -errno
		    : fd_write_all(notes->fd, text, (size_t)used);
	return r < 0 ? fail(r, "cannot note the binds of machine '%s'", notes->machine->name) : 0;
}

void bind_notes_done(struct bind_notes *notes)
{
	fd_close(&notes->fd);
}
