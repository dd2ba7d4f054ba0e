#include "image/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "image/find.h"
#include "io/dir.h"
#include "io/settings.h"

#define TRIES_MAX 64
#define UNFINISHED ".#"
#define DIGITS 64 /* of SHA-256 */

char *store_path(struct arena *arena, const struct find_scope *scope)
{
	return settings_state(arena, scope->uid, scope->home);
}

static int make_rooms(struct arena *arena, const char *path)
{
	static const char *const rooms[] = { STORE_BLOBS, STORE_LAYERS, STORE_IMAGES };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rooms) && r >= 0; i++)
		r = dir_make_all(arena_format(arena, "%s/%s", path, rooms[i]), 0700);
	return r;
}

/* Somebody may have made the directory before us, with rights that are wider. */
static int check_closed(int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail(-errno, "cannot look at the store '%s'", path);
	if (st.st_uid != geteuid())
		return fail_plain(-EPERM, "cannot use the store '%s': it belongs to user %u", path,
				  (unsigned int)st.st_uid);
	if ((st.st_mode & 077) != 0 && fchmod(fd, 0700) < 0)
		return fail(-errno, "cannot close the store '%s' to others", path);
	return 0;
}

int store_open(struct arena *arena, struct store *ret, const struct find_scope *scope, bool make)
{
	struct store store = { .path = store_path(arena, scope), .fd = -EBADF };
	autoclose int fd = -EBADF;
	int r;

	if (store.path == NULL)
		return make ? fail_input("cannot find the store of layers: HOME is not set")
			    : -ENOENT;
	r = make ? make_rooms(arena, store.path) : 0;
	if (r < 0)
		return fail(r, "cannot make the store '%s'", store.path);
	fd = open(store.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0)
		return fail(-errno, "cannot open the store '%s'", store.path);
	/* The directory alone may be there for other things of ours. */
	if (faccessat(fd, STORE_LAYERS, F_OK, 0) < 0)
		return -ENOENT;
	r = check_closed(fd, store.path);
	if (r < 0)
		return r;
	store.fd = take_fd(&fd);
	*ret = store;
	return 0;
}

void store_done(struct store *store)
{
	fd_close(&store->fd);
}

bool store_is_name(const char *name)
{
	return strlen(name) == DIGITS && strspn(name, "0123456789abcdef") == DIGITS;
}

const char *store_digest_name(const char *digest)
{
	const char *name = text_after(digest, "sha256:");

	return name != NULL && store_is_name(name) ? name : NULL;
}

/* ---- leases ---- */

/* After the lock: does the name still lead to what FD is? */
static bool is_there(int room_fd, const char *name, int fd)
{
	struct stat held, there;

	return fstat(fd, &held) == 0 && fstatat(room_fd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}

static int hold_in(int room_fd, const char *name)
{
	for (int i = 0; i < TRIES_MAX; i++) {
		autoclose int fd = openat(
			room_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		int r;

		if (fd < 0)
			return -errno;
		r = fd_lock(fd, LOCK_SH);
		if (r < 0)
			return r;
		if (is_there(room_fd, name, fd))
			return take_fd(&fd);
	}
	return -EBUSY;
}

static int open_room(const struct store *store, const char *room)
{
	int fd = openat(store->fd, room, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int store_hold(const struct store *store, const char *room, const char *name)
{
	autoclose int room_fd = open_room(store, room);

	return room_fd < 0 ? room_fd : hold_in(room_fd, name);
}

int store_keep(struct arena *arena, const struct find_scope *scope)
{
	struct store store = STORE_EMPTY;
	autoclose int room = -EBADF;
	int r = store_open(arena, &store, scope, false);

	if (r < 0)
		return r;
	r = room = open_room(&store, STORE_LAYERS);
	if (r >= 0)
		r = fd_lock(room, LOCK_SH);
	store_done(&store);
	return r < 0 ? fail(r, "cannot lock the store '%s'", store.path) : take_fd(&room);
}

/* ---- making ---- */

static int name_part(struct store_part *part)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	snprintf(part->name, sizeof(part->name), UNFINISHED "%016llx", (unsigned long long)random);
	return 0;
}

static int make_part(struct store_part *part)
{
	int flags = O_NOFOLLOW | O_CLOEXEC;

	if (!part->is_directory)
		flags |= O_CREAT | O_EXCL | O_RDWR;
	else if (mkdirat(part->room_fd, part->name, 0755) < 0)
		return -errno;
	else
		flags |= O_DIRECTORY | O_RDONLY;
	part->fd = openat(part->room_fd, part->name, flags, 0600);
	if (part->fd < 0)
		return -errno;
	/* The umask is not the layer's. */
	return part->is_directory && fchmod(part->fd, 0755) < 0 ? -errno : 0;
}

int store_begin(const struct store *store, struct store_part *ret, const char *room,
		bool is_directory)
{
	struct store_part part = STORE_PART_EMPTY;
	int r;

	part.is_directory = is_directory;
	part.room_fd = open_room(store, room);
	if (part.room_fd < 0)
		return part.room_fd;
	/* A collector that came between may have taken it for a dead one's. */
	for (int i = 0; i < TRIES_MAX; i++) {
		r = name_part(&part);
		if (r >= 0)
			r = make_part(&part);
		if (r >= 0)
			r = fd_lock(part.fd, LOCK_SH);
		if (r >= 0 && !is_there(part.room_fd, part.name, part.fd))
			r = -ENOENT;
		if (r >= 0) {
			*ret = part;
			return 0;
		}
		fd_close(&part.fd);
		if (r != -ENOENT && r != -EEXIST)
			break;
	}
	store_part_done(&part);
	return r;
}

static int hold_other(struct store_part *part, const char *name)
{
	int fd = hold_in(part->room_fd, name);

	if (fd < 0)
		return fd;
	(void)dir_remove_all(part->room_fd, part->name);
	fd_close(&part->fd);
	part->fd = fd;
	part->name[0] = '\0';
	return 1;
}

int store_publish(struct store_part *part, const char *name)
{
	/* Another one may come, and be collected, meanwhile. */
	for (int i = 0; i < TRIES_MAX; i++) {
		int r;

		if (renameat2(part->room_fd, part->name, part->room_fd, name, RENAME_NOREPLACE) ==
		    0) {
			part->name[0] = '\0';
			return fsync(part->room_fd) < 0 ? -errno : 0;
		}
		if (errno != EEXIST)
			return -errno;
		r = hold_other(part, name);
		if (r != -ENOENT)
			return r;
	}
	return -EBUSY;
}

void store_part_done(struct store_part *part)
{
	if (part->name[0] != '\0' && part->room_fd >= 0)
		(void)dir_remove_all(part->room_fd, part->name);
	fd_close(&part->fd);
	fd_close(&part->room_fd);
	part->name[0] = '\0';
}

/* Whoever makes it has a lease, or waits for one and then sees that it is gone. */
static int sweep_one(int room_fd, const char *name, unsigned char type, void *context)
{
	autoclose int fd = -EBADF;

	(void)type;
	(void)context;
	if (text_after(name, UNFINISHED) == NULL || text_after(name, STORE_OUTGOING) != NULL)
		return 0;
	fd = openat(room_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || !is_there(room_fd, name, fd))
		return 0;
	return dir_remove_all(room_fd, name);
}

int store_sweep(const struct store *store)
{
	static const char *const rooms[] = { STORE_BLOBS, STORE_LAYERS };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rooms) && r >= 0; i++) {
		autoclose int room = open_room(store, rooms[i]);

		r = room < 0 ? room : dir_walk(room, sweep_one, NULL);
	}
	return r < 0 && r != -ENOENT
		       ? fail(r, "cannot remove what was left unfinished in '%s'", store->path)
		       : 0;
}
