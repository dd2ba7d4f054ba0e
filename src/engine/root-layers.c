#include "engine/root-layers.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/path.h"
#include "base/text.h"
#include "engine/root.h"
#include "image/mstack.h"
#include "image/view.h"
#include "io/fd.h"

bool root_layers_is(const char *path)
{
	return text_ends(path, MSTACK_SUFFIX);
}

/* The top of the changes is the top of the tree. */
static int make_changes(struct arena *arena, const struct mstack *stack, int view_fd)
{
	autoclose int directory = -EBADF;
	struct stat st;

	directory = open(path_parent(arena, stack->upper), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0 || (mkdirat(directory, "work", 0700) < 0 && errno != EEXIST))
		return -errno;
	if (mkdirat(directory, "data", 0700) < 0)
		return errno == EEXIST ? 0 : -errno;
	if (fstat(view_fd, &st) < 0 || fchownat(directory, "data", st.st_uid, st.st_gid, 0) < 0 ||
	    fchmodat(directory, "data", st.st_mode & 07777, 0) < 0)
		return -errno;
	return 0;
}

int root_layers_open(struct arena *arena, struct root *root, bool make)
{
	struct mstack *stack = arena_new(arena, struct mstack);
	const char *path = root->facts.path;
	int r;

	r = mstack_read(arena, stack, path);
	if (r < 0)
		return r;
	if (stack->layers.count == 0)
		return fail_plain(-EBADMSG, "cannot run from '%s': it has no layers", path);
	root_layers_let_go(root);
	view_hold(root->rooms, stack);
	r = view_open(arena, stack, true);
	if (r < 0)
		return r;
	fd_close(&root->fd);
	root->fd = r;
	root->facts.layers = &stack->layers;
	if (stack->upper == NULL)
		return 0;
	root->facts.changes = path_parent(arena, stack->upper);
	r = make ? make_changes(arena, stack, root->fd) : 0;
	return r < 0 ? fail(r, "cannot make the directory for changes of '%s'", path) : 0;
}

void root_layers_let_go(struct root *root)
{
	for (size_t i = 0; i < VIEW_ROOMS_MAX; i++)
		fd_close(&root->rooms[i]);
}
