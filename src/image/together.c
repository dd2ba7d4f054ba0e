#include "image/together.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "image/quota.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"

#define TITLE "names that change together"
#define END "end"

void together_begin(struct together *ret, struct arena *arena, const char *directory,
		    int directory_fd)
{
	*ret = (struct together){
		.arena = arena,
		.directory = arena_text(arena, directory),
		.directory_fd = directory_fd,
		.note = GROWING_EMPTY,
	};
}

static bool is_hidden(const char *name)
{
	return text_after(name, ".#") != NULL;
}

static int open_directory(const struct together_step *step)
{
	int fd = open(step->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Inode numbers alone do not tell subvolumes of btrfs apart, their file system numbers do; device
 * numbers do not outlive a reboot. A number that is free is given again: the time tells. */
static int identify(struct together_step *ret, int dir_fd, const char *name)
{
	autoclose int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct statx st;
	struct statfs fs;

	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st) < 0 ||
	    fstatfs(fd, &fs) < 0)
		return -errno;
	memcpy(&ret->system, &fs.f_fsid, sizeof(ret->system));
	ret->inode = st.stx_ino;
	ret->born = 0; /* not every file system knows */
	if (st.stx_mask & STATX_BTIME)
		ret->born = (uint64_t)st.stx_btime.tv_sec * UINT64_C(1000000000) +
			    st.stx_btime.tv_nsec;
	return 0;
}

static bool is_at(const struct together_step *step, int dir_fd, const char *name)
{
	struct together_step there;

	return identify(&there, dir_fd, name) >= 0 && there.system == step->system &&
	       there.inode == step->inode && there.born == step->born;
}

int together_add(struct together *together, const char *directory, const char *from, const char *to,
		 unsigned int flags)
{
	struct together_step step = {
		.directory = arena_text(together->arena, directory),
		.from = arena_text(together->arena, from),
		.to = arena_text(together->arena, to),
		.flags = flags,
		.old_fd = -EBADF,
	};
	autoclose int dir = open_directory(&step);
	int r = dir < 0 ? dir : identify(&step, dir, from);

	if (r < 0)
		return r;
	if (together->count == TOGETHER_STEPS_MAX)
		return -E2BIG;
	together->steps[together->count++] = step;
	return 0;
}

/* ---- marks ---- */

int together_set_immutable(int fd, bool immutable)
{
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return errno == ENOTTY || errno == EOPNOTSUPP ? (immutable ? -EOPNOTSUPP : 0)
							      : -errno;
	if (((flags & FS_IMMUTABLE_FL) != 0) == immutable)
		return 0;
	flags = immutable ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? -errno : 0;
}

bool together_is_immutable(const char *path)
{
	autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int flags = 0;

	return fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && flags & FS_IMMUTABLE_FL;
}

static int set_mark(int dir_fd, const char *name, bool immutable)
{
	autoclose int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : together_set_immutable(fd, immutable);
}

/* Else the file system has no such mark, or it is not ours to make. */
static bool may_pass(int r)
{
	return r == -EIO || r == -ENOSPC || r == -EDQUOT;
}

/* Where it can be seen now. */
static int mark(struct together *together, const struct together_step *step, int dir_fd,
		const char *name)
{
	int r;

	if ((step->flags & TOGETHER_MARKED) == 0 || is_hidden(name) || !is_at(step, dir_fd, name))
		return 0;
	r = set_mark(dir_fd, name, true);
	if (r < 0 && (step->flags & TOGETHER_SURELY) == 0) {
		log_warning("cannot make the directory '%s/%s' read-only: %s, going on without",
			    step->directory, name, strerror(-r));
		together->left = together->left || may_pass(r);
		return 0;
	}
	return r;
}

/* ---- steps ---- */

static struct growing as_growing(const struct together_step *step, int dir_fd)
{
	return (struct growing){ .dir_fd = dir_fd, .name = step->from, .fd = -EBADF };
}

/* Nobody takes it for what a dead one left, as long as it may have to come back. */
static void lock_old(struct together_step *step, int dir_fd, const char *name)
{
	step->old_fd = openat(dir_fd, name,
			      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (step->old_fd >= 0)
		(void)flock(step->old_fd, LOCK_EX | LOCK_NB);
}

static int do_step(struct together *together, struct together_step *step)
{
	bool replaces = (step->flags & TOGETHER_REPLACES) != 0;
	autoclose int dir = open_directory(step);
	struct growing growing;
	int r = dir;

	if (text_equal(step->from, step->to))
		return 0;
	if (r < 0)
		return r;
	if (replaces)
		lock_old(step, dir, step->to);
	else if (is_hidden(step->to))
		lock_old(step, dir, step->from);
	growing = as_growing(step, dir);
	/* An immutable directory keeps its name, too. */
	if (step->flags & TOGETHER_MARKED)
		(void)set_mark(dir, step->from, false);
	r = growing_publish(&growing, step->to, replaces, &step->replaced);
	if (r == -EEXIST && step->flags & TOGETHER_YIELDS) {
		log_notice("'%s/%s' is there already and stays as it is", step->directory,
			   step->to);
		return 0;
	}
	if (r < 0)
		return r;
	step->done = true;
	return mark(together, step, dir, step->to);
}

static void undo_step(struct together *together, struct together_step *step)
{
	autoclose int dir = open_directory(step);
	struct growing growing = as_growing(step, dir);
	int r = 0;

	if (dir < 0)
		return;
	if (step->done) {
		if (step->flags & TOGETHER_MARKED)
			(void)set_mark(dir, step->to, false);
		r = growing_retract(&growing, step->to, step->replaced);
	}
	if (r < 0) {
		together->left = true;
		log_warning("cannot take back the name '%s/%s': %s, going on without",
			    step->directory, step->to, strerror(-r));
		return;
	}
	step->done = false;
	(void)mark(together, step, dir, step->from);
}

static size_t decider(const struct together *together)
{
	size_t i = 0;

	while (i < together->count && (together->steps[i].flags & TOGETHER_DECIDES) == 0)
		i++;
	return i;
}

static void undo_until(struct together *together, size_t count)
{
	while (count > 0)
		undo_step(together, &together->steps[--count]);
}

/* What comes after the decision is done as far as it goes. */
static void do_rest(struct together *together, size_t from)
{
	for (size_t i = from; i < together->count; i++) {
		struct together_step *step = &together->steps[i];
		int r = step->done ? 0 : do_step(together, step);

		if (r >= 0 || r == -ENOENT)
			continue;
		together->left = true;
		log_warning("cannot take '%s/%s' along: %s, going on without", step->directory,
			    step->from, strerror(-r));
	}
}

int together_run(struct together *together)
{
	size_t decision = decider(together);

	for (size_t i = 0; i < together->count && i <= decision; i++) {
		int r = do_step(together, &together->steps[i]);

		if (r >= 0)
			continue;
		undo_until(together, i + 1);
		together->failed = i;
		return r;
	}
	do_rest(together, decision + 1);
	return 0;
}

/* ---- the note ---- */

static bool is_worth_it(const struct together *together)
{
	for (size_t i = 0; i < together->count; i++)
		if (together->steps[i].flags & TOGETHER_MARKED)
			return true;
	return together->count > 1;
}

/* Texts that end with NUL: whatever else is in a name. */
static char *write_text(const struct together *together, size_t *ret_size)
{
	size_t used = sizeof(TITLE);
	char *text = arena_take(together->arena, TOGETHER_NOTE_MAX);

	memcpy(text, TITLE, used);
	for (size_t i = 0; i < together->count; i++) {
		const struct together_step *step = &together->steps[i];
		int n = snprintf(text + used, TOGETHER_NOTE_MAX - used,
				 "%u %" PRIu64 " %" PRIu64 " %" PRIu64 "%c%s%c%s%c%s", step->flags,
				 step->system, step->inode, step->born, '\0', step->directory, '\0',
				 step->from, '\0', step->to);

		if (n < 0 || (size_t)n + sizeof(END) + 1 > TOGETHER_NOTE_MAX - used)
			return NULL;
		used += (size_t)n + 1;
	}
	memcpy(text + used, END, sizeof(END));
	*ret_size = used + sizeof(END);
	return text;
}

int together_note(struct together *together, bool sync)
{
	size_t size = 0;
	char *text;
	int r;

	if (!is_worth_it(together))
		return 0;
	text = write_text(together, &size);
	if (text == NULL)
		return -E2BIG;
	r = growing_file(together->arena, &together->note, together->directory_fd, GROWING_NOTE);
	if (r >= 0)
		r = fd_write_all(together->note.fd, text, size);
	if (r >= 0 && sync && fsync(together->note.fd) < 0)
		r = -errno;
	if (r < 0)
		(void)growing_remove(&together->note);
	/* To remove something is what makes room. */
	return r == -ENOSPC || r == -EDQUOT ? 0 : r;
}

static int remove_hidden(const struct together_step *step, const char *name)
{
	autoclose int dir = is_hidden(name) ? open_directory(step) : -EBADF;

	return dir < 0 ? 0 : quota_remove_all(dir, name);
}

/* Now nobody finishes it or takes it back any more. */
static void settle(struct together *together)
{
	if (together->left)
		growing_done(&together->note);
	else if (growing_remove(&together->note) < 0)
		together->left = true;
}

int together_done(struct together *together)
{
	int r = 0;

	/* Before what would be needed to take it back goes. */
	settle(together);
	for (size_t i = 0; i < together->count; i++) {
		struct together_step *step = &together->steps[i];
		int from = together->left ? 0 : remove_hidden(step, step->from);
		int to = together->left ? 0 : remove_hidden(step, step->to);

		r = r < 0 ? r : from < 0 ? from : to;
		fd_close(&step->old_fd);
	}
	together->count = 0;
	return r;
}

/* ---- after somebody was killed ---- */

static const char *next_text(const char **at, const char *end)
{
	const char *text = *at, *nul = memchr(text, '\0', (size_t)(end - text));

	if (nul == NULL)
		return NULL;
	*at = nul + 1;
	return text;
}

static bool is_fine(const struct together_step *step)
{
	return step->flags <= TOGETHER_FLAGS && step->to != NULL && step->directory[0] == '/' &&
	       path_is_file_name(step->from) && path_is_file_name(step->to);
}

static int read_text(struct together *together, const char *text, size_t size)
{
	const char *end = text + size, *line = next_text(&text, end);

	if (line == NULL || !text_equal(line, TITLE))
		return -EBADMSG;
	while ((line = next_text(&text, end)) != NULL && !text_equal(line, END)) {
		struct together_step step = { .old_fd = -EBADF };

		if (together->count == TOGETHER_STEPS_MAX ||
		    sscanf(line, "%u %" SCNu64 " %" SCNu64 " %" SCNu64, &step.flags, &step.system,
			   &step.inode, &step.born) != 4)
			return -EBADMSG;
		step.directory = next_text(&text, end);
		step.from = step.directory == NULL ? NULL : next_text(&text, end);
		step.to = step.from == NULL ? NULL : next_text(&text, end);
		if (step.to == NULL || !is_fine(&step))
			return -EBADMSG;
		together->steps[together->count++] = step;
	}
	/* One that was cut short was written before anything changed. */
	return line == NULL || decider(together) == together->count ? -EBADMSG : 0;
}

/* What was done is seen by who has the names. */
static void look(struct together *together)
{
	for (size_t i = 0; i < together->count; i++) {
		struct together_step *step = &together->steps[i];
		autoclose int dir = open_directory(step);
		struct stat st;

		if (dir < 0 || text_equal(step->from, step->to))
			continue;
		step->done = is_at(step, dir, step->to);
		step->replaced = step->done &&
				 fstatat(dir, step->from, &st, AT_SYMLINK_NOFOLLOW) == 0;
	}
}

/* Whoever has the first name now, if it is not who was meant, keeps it. */
static void forget_strangers(struct together *together, size_t from)
{
	for (size_t i = from; i < together->count; i++) {
		struct together_step *step = &together->steps[i];
		autoclose int dir = open_directory(step);

		if (!step->done && (dir < 0 || !is_at(step, dir, step->from)))
			step->done = true;
	}
}

static void repair(struct together *together)
{
	size_t decision = decider(together);
	struct together_step *step = &together->steps[decision];
	autoclose int dir = open_directory(step);

	look(together);
	if (!step->done) {
		undo_until(together, together->count);
		return;
	}
	if (dir >= 0)
		(void)mark(together, step, dir, step->to);
	forget_strangers(together, decision + 1);
	do_rest(together, decision + 1);
}

/* Written by us alone, and nobody works on it: 1. */
static int take_note(struct arena *arena, struct together *together, const char *name)
{
	struct growing *note = &together->note;
	struct stat st;
	char *text;
	size_t size;
	int r;

	note->dir_fd = together->directory_fd;
	note->name = name;
	note->fd = openat(note->dir_fd, name,
			  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (note->fd < 0)
		return -errno;
	if (fstat(note->fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return -EPERM;
	if (flock(note->fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	/* Another one may have repaired it meanwhile. */
	if (fstatat(note->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	r = file_read_fd(arena, &text, &size, note->fd, TOGETHER_NOTE_MAX);
	if (r >= 0)
		r = read_text(together, text, size);
	if (r < 0)
		together->count = 0; /* nothing has been done by it */
	return 1;
}

struct sweep {
	const char *path;
	int count;
	bool busy;
};

static int sweep_note(int dir_fd, const char *name, unsigned char type, void *context)
{
	autoarena struct arena arena = { 0 };
	struct sweep *sweep = context;
	struct together together;
	int r;

	if (type != DT_REG || !growing_is_note(name))
		return 0;
	together_begin(&together, &arena, sweep->path, dir_fd);
	r = take_note(&arena, &together, name);
	if (r <= 0) {
		growing_done(&together.note);
		/* Its hidden things are not to be removed before it is repaired. */
		sweep->busy = sweep->busy || r == -EWOULDBLOCK;
		return 0;
	}
	if (together.count > 0)
		repair(&together);
	/* Once is enough: what cannot be done was told. */
	together.left = false;
	r = together_done(&together);
	if (r < 0)
		log_warning("cannot remove all that was left behind in '%s': %s, going on without",
			    sweep->path, strerror(-r));
	sweep->count++;
	return 0;
}

int together_sweep(int dir_fd, const char *path)
{
	struct sweep sweep = { .path = path };
	int r = dir_walk(dir_fd, sweep_note, &sweep);

	if (r < 0 || sweep.busy)
		return r < 0 ? r : sweep.count;
	r = growing_sweep(dir_fd, path);
	return r < 0 ? r : sweep.count + r;
}
