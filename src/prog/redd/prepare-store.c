#include "prog/redd/prepare-store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/text.h"
#include "image/mstack.h"
#include "image/store.h"
#include "io/dir.h"
#include "prog/redd/prepare.h"
#include "prog/redd/program.h"

/* How an image of each form is called in trees/ and roots/. */
static const char *const suffixes[] = { "", ".raw", MSTACK_SUFFIX };

const char *prepare_store_hex(const char *digest)
{
	return digest == NULL ? NULL : store_digest_name(digest);
}

const char *prepare_store_form(struct arena *arena, int dir_fd, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (faccessat(dir_fd, arena_format(arena, "%s%s", name, suffixes[i]), F_OK,
			      AT_SYMLINK_NOFOLLOW) == 0)
			return suffixes[i];
	return NULL;
}

int prepare_store_room(const char *path)
{
	int r = dir_make_all(path, 0700), fd;

	if (r < 0)
		return fail(r, "cannot make '%s'", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fail(-errno, "cannot open '%s'", path) : fd;
}

struct cleaning {
	struct prepare *prepare;
	const char *room; /* its path */
};

static int remove_growing(int dir_fd, const char *name, unsigned char type, void *context)
{
	const struct cleaning *cleaning = context;

	(void)dir_fd;
	(void)type;
	return text_after(name, PREPARE_GROWING) == NULL
		       ? 0
		       : program_remove(cleaning->prepare->arena, cleaning->prepare->environment,
					cleaning->room, name);
}

int prepare_store_clean(struct prepare *prepare, int dir_fd, const char *room)
{
	struct cleaning cleaning = { prepare, room };

	return dir_walk(dir_fd, remove_growing, &cleaning);
}

int prepare_store_layers(struct prepare *prepare, struct text_list *ret, const char *path)
{
	struct mstack stack;
	char real[PATH_MAX];
	int r = mstack_read(prepare->arena, &stack, path);

	for (size_t i = 0; r >= 0 && i < stack.layers.count; i++) {
		if (realpath(stack.layers.items[i], real) == NULL)
			return fail(-errno, "cannot find the layer '%s'", stack.layers.items[i]);
		text_list_add(prepare->arena, ret, arena_text(prepare->arena, real));
	}
	return r;
}
