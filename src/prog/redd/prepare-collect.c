#include "prog/redd/prepare-collect.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/path.h"
#include "base/text.h"
#include "image/store.h"
#include "io/dir.h"
#include "io/fd.h"
#include "prog/redd/prepare-nix.h"
#include "prog/redd/prepare.h"
#include "prog/redd/program.h"

struct collecting {
	struct prepare *prepare;
	const struct text_list *keep;
	const char *machine; /* whose roots; NULL: trees */
	const char *room;
	int removed;
};

/* The lock of a tree lies beside it, ".#HEX.mstack.lck", and goes with it. */
static const char *without_lock(struct arena *arena, const char *name)
{
	const char *whose = text_after(name, ".#");

	if (whose == NULL || !text_ends(whose, ".lck"))
		return name;
	return arena_text_n(arena, whose, strlen(whose) - strlen(".lck"));
}

static bool is_kept_root(const struct collecting *collecting, const char *name)
{
	const char *end = arena_format(collecting->prepare->arena, "/" STORE_ROOTS "/%s/%s",
				       collecting->machine, name);

	for (size_t i = 0; i < collecting->keep->count; i++)
		if (text_ends(collecting->keep->items[i], end))
			return true;
	return false;
}

/* By digest: "sha256:HEX", or what a root that stays is called. */
static bool is_kept_tree(const struct collecting *collecting, const char *name)
{
	const char *hex = arena_text_n(collecting->prepare->arena, name, strcspn(name, "."));

	for (size_t i = 0; i < collecting->keep->count; i++)
		if (strstr(collecting->keep->items[i], hex) != NULL)
			return true;
	return false;
}

static int collect_one(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct collecting *collecting = context;
	struct prepare *prepare = collecting->prepare;
	const char *whose;
	int r;

	(void)dir_fd;
	(void)type;
	whose = without_lock(prepare->arena, name);
	if (collecting->machine != NULL ? is_kept_root(collecting, whose)
					: is_kept_tree(collecting, whose))
		return 0;
	r = program_remove(prepare->arena, prepare->environment, collecting->room, name);
	collecting->removed += r >= 0 && whose == name;
	return r;
}

static int collect_roots(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct collecting *all = context, one = *all;
	autoclose int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (type != DT_DIR || fd < 0)
		return 0;
	one.machine = name;
	one.room = path_join(all->prepare->arena, all->room, name);
	r = dir_walk(fd, collect_one, &one);
	all->removed = one.removed;
	(void)unlinkat(dir_fd, name, AT_REMOVEDIR); /* if that was the last one */
	return r;
}

int prepare_collect(struct prepare *prepare, const struct text_list *keep)
{
	struct collecting collecting = {
		.prepare = prepare,
		.keep = keep,
		.room = path_join(prepare->arena, prepare->path, STORE_ROOTS),
	};
	int r = dir_walk(prepare->roots_fd, collect_roots, &collecting);

	collecting.room = path_join(prepare->arena, prepare->path, STORE_TREES);
	if (r >= 0)
		r = dir_walk(prepare->trees_fd, collect_one, &collecting);
	if (r >= 0)
		r = prepare_nix_collect(prepare);
	return r < 0 ? fail_in(r, "cannot remove roots that nobody needs") : collecting.removed;
}
