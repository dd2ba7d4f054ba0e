#include "image/layers.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/path.h"
#include "image/growing.h"
#include "image/lock.h"
#include "image/mstack.h"
#include "io/dir.h"

static int refuse_digest(const char *digest)
{
	return fail_input("'%s' is no digest (sha256: and 64 digits in lower case)", digest);
}

int layer_find(const struct store *store, const char *digest)
{
	const char *name = store_digest_name(digest);
	int fd;

	if (name == NULL)
		return refuse_digest(digest);
	fd = store_hold(store, STORE_LAYERS, name);
	return fd < 0 && fd != -ENOENT
		       ? fail(fd, "cannot open the layer '%s' in '%s'", digest, store->path)
		       : fd;
}

char *layer_path(struct arena *arena, const struct store *store, const char *digest)
{
	const char *name = store_digest_name(digest);

	return name ? arena_format(arena, "%s/" STORE_LAYERS "/%s", store->path, name) : NULL;
}

int layer_begin(const struct store *store, struct store_part *ret)
{
	int r = store_begin(store, ret, STORE_LAYERS, true);

	return r < 0 ? fail(r, "cannot make a directory in the store '%s'", store->path) : 0;
}

int layer_commit(struct store_part *layer, const char *digest, bool synced)
{
	const char *name = store_digest_name(digest);
	int r;

	if (name == NULL)
		return refuse_digest(digest);
	if (!synced && syncfs(layer->fd) < 0)
		return fail(-errno, "cannot write the layer '%s' to disk", digest);
	r = store_publish(layer, name);
	return r < 0 ? fail(r, "cannot give the layer '%s' its name", digest) : 0;
}

/* ---- machines ---- */

static int list_layers(struct arena *arena, struct text_list *ret, const struct store *store,
		       const struct text_list *digests)
{
	for (size_t i = 0; i < digests->count; i++) {
		char *path = layer_path(arena, store, digests->items[i]);

		if (path == NULL)
			return refuse_digest(digests->items[i]);
		if (access(path, F_OK) < 0)
			return fail(-errno, "cannot find the layer '%s'", path);
		text_list_add(arena, ret, path);
	}
	return 0;
}

static int write_down(int directory_fd)
{
	autoclose int stack = openat(directory_fd, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclose int rw = -EBADF;

	if (stack < 0)
		return -errno;
	rw = openat(stack, "rw", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rw >= 0 && fsync(rw) < 0)
		return -errno;
	return fsync(stack) < 0 ? -errno : 0;
}

/* Whoever runs from the old one has its lock. */
static int replace(struct arena *arena, int workshop_fd, int pool_fd, const char *path,
		   const char *name)
{
	autoclose int old = openat(pool_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct lock lock = LOCK_EMPTY;
	int r;

	if (old < 0)
		return fail(-errno, "cannot open '%s', which is to be replaced", path);
	r = lock_take(arena, &lock, path, old, true, geteuid() == 0);
	if (r < 0)
		return r;
	r = renameat2(workshop_fd, "new", pool_fd, name, RENAME_EXCHANGE) < 0 ? -errno : 0;
	lock_release(&lock);
	return r < 0 ? fail(r, "cannot replace '%s'", path) : 0;
}

static int place(struct arena *arena, int workshop_fd, int pool_fd,
		 const struct layers_machine *machine)
{
	const char *name = arena_format(arena, "%s" MSTACK_SUFFIX, machine->name);
	const char *path = path_join(arena, machine->pool, name);
	int r;

	if (renameat2(workshop_fd, "new", pool_fd, name, RENAME_NOREPLACE) == 0)
		return 0;
	r = -errno;
	if (r != -EEXIST)
		return fail(r, "cannot make '%s'", path);
	if (machine->force)
		return replace(arena, workshop_fd, pool_fd, path, name);
	return fail_plain(r, "cannot make '%s': there is one already (remove it, or --force)",
			  path);
}

static int make(struct arena *arena, int workshop_fd, int pool_fd,
		const struct layers_machine *machine, const struct text_list *layers)
{
	autoclose int top = open(layers->items[layers->count - 1],
				 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = top < 0 ? -errno : 0;

	if (r >= 0)
		r = mstack_make(workshop_fd, "new", layers, top, machine->read_only);
	if (r >= 0)
		r = write_down(workshop_fd);
	if (r < 0)
		return fail(r, "cannot make machine '%s' in '%s'", machine->name, machine->pool);
	r = place(arena, workshop_fd, pool_fd, machine);
	if (r < 0)
		return r;
	return fsync(pool_fd) < 0 ? fail(-errno, "cannot write '%s' to disk", machine->pool) : 0;
}

int layers_machine(struct arena *arena, const struct store *store,
		   const struct layers_machine *machine)
{
	struct growing workshop = GROWING_EMPTY;
	struct text_list layers = { 0 };
	autoclose int pool = -EBADF;
	int r;

	if (!path_is_file_name(machine->name) || machine->name[0] == '.')
		return fail_input("'%s' is no name for a machine", machine->name);
	if (machine->digests->count == 0 || machine->digests->count > MSTACK_LAYERS_MAX)
		return fail_input("cannot make machine '%s' of %zu layers (1 to %d are possible)",
				  machine->name, machine->digests->count, MSTACK_LAYERS_MAX);
	r = list_layers(arena, &layers, store, machine->digests);
	if (r < 0)
		return r;
	r = dir_make_all(machine->pool, 0700);
	if (r < 0)
		return fail(r, "cannot make the directory '%s'", machine->pool);
	pool = open(machine->pool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (pool < 0)
		return fail(-errno, "cannot open '%s'", machine->pool);
	/* Made in there, and moved out: what is replaced goes with the rest. */
	r = growing_directory(arena, &workshop, pool, machine->name, false);
	if (r < 0)
		return fail(r, "cannot make a directory in '%s'", machine->pool);
	r = make(arena, workshop.fd, pool, machine, &layers);
	(void)growing_remove(&workshop);
	return r;
}
