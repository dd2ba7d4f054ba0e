#include "machine/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "io/fd.h"
#include "kernel/mount.h"
#include "machine/bind.h"

#define PLACE "/run/host/credentials"

struct credentials {
	const struct credentials_item *items;
	size_t count;
};

static int put(int directory, const struct credentials_item *item, const struct stat *like,
	       mode_t mode)
{
	autoclose int fd = openat(directory, item->id,
				  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

	if (fd < 0 || fchown(fd, like->st_uid, like->st_gid) < 0)
		return fail(-errno, "cannot make credential '%s'", item->id);
	if (fd_write_all(fd, item->data, item->size) < 0)
		return fail(-EIO, "cannot write credential '%s'", item->id);
	return 0;
}

/* As at the start (engine/apply-special): ramfs, whose it was, and readable for all where nobody in
 * there can become root. */
static int make(const void *context, const struct stat *like)
{
	const struct credentials *credentials = context;
	bool for_all = (like->st_mode & 0055) != 0;
	autoclose int tree = mount_create("ramfs", "ramfs", NULL, 0);
	int r = tree;

	if (r < 0)
		return fail(r, "cannot make a file system for credentials");
	for (size_t i = 0; i < credentials->count && r >= 0; i++)
		r = put(tree, &credentials->items[i], like, for_all ? 0444 : 0400);
	if (r < 0)
		return r;
	if (fchownat(tree, "", like->st_uid, like->st_gid, AT_EMPTY_PATH) < 0 ||
	    fchmodat(tree, ".", for_all ? 0555 : 0500, 0) < 0)
		return fail(-errno, "cannot make a directory of credentials");
	return take_fd(&tree);
}

int credentials_replace(struct arena *arena, const struct machine *machine,
			const struct credentials_item *items, size_t count)
{
	const struct credentials credentials = { items, count };

	return bind_replace(arena, machine, PLACE, make, &credentials);
}
