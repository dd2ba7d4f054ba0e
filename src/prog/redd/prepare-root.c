#include "prog/redd/prepare-root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/definition.h"
#include "declare/generation.h"
#include "image/mstack.h"
#include "image/store.h"
#include "io/fd.h"
#include "prog/redd/prepare-store.h"
#include "prog/redd/prepare.h"

static int make_layered(struct prepare *prepare, int dir_fd, const char *tree, const char *form)
{
	struct text_list layers = { 0 };
	const char *name = arena_format(prepare->arena, "%s" MSTACK_SUFFIX, prepare->growing);
	autoclose int made = -EBADF;
	int r = 0;

	if (text_equal(form, MSTACK_SUFFIX))
		r = prepare_store_layers(prepare, &layers, tree);
	else
		text_list_add(prepare->arena, &layers, arena_text(prepare->arena, tree));
	if (r >= 0)
		r = mstack_make(dir_fd, name, &layers, -EBADF, true);
	if (r < 0)
		return r;
	made = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* What the changes look like, the first start tells. */
	if (made < 0 || mkdirat(made, "rw", 0700) < 0 || fsync(made) < 0)
		return -errno;
	return 0;
}

static int make_copy(struct prepare *prepare, const char *room, const char *tree, const char *form)
{
	const char *root = arena_format(prepare->arena, "--image-root=%s", room);
	const char *const arguments[] = { "importctl",
					  "-m",
					  "--quiet",
					  root,
					  text_equal(form, "") ? "import-fs" : "import-raw",
					  tree,
					  prepare->growing,
					  NULL };

	return prepare_run(prepare, arguments);
}

static int make_root(struct prepare *prepare, const struct definition *definition, const char *room,
		     const char *file, const char *hex, const char *form, bool layered)
{
	struct arena *arena = prepare->arena;
	const char *tree = arena_format(arena, "%s/" STORE_TREES "/%s%s", prepare->path, hex, form);
	autoclose int fd = prepare_store_room(room), kept = -EBADF;
	int r;

	if (fd < 0)
		return fd;
	if (faccessat(fd, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	r = prepare_store_clean(prepare, fd, room);
	if (r >= 0)
		r = layered ? make_layered(prepare, fd, tree, form)
			    : make_copy(prepare, room, tree, form);
	if (r >= 0) {
		kept = store_keep(arena, prepare->scope);
		r = kept == -ENOENT ? 0 : kept;
	}
	if (r >= 0) {
		r = renameat(fd,
			     arena_format(arena, "%s%s", prepare->growing,
					  layered ? MSTACK_SUFFIX : form),
			     fd, file) < 0 ||
				    fsync(fd) < 0
			    ? -errno
			    : 0;
	}
	return r < 0 ? fail_in(r, "cannot make the root of machine '%s'", definition->name) : 0;
}

int prepare_root_make(struct prepare *prepare, struct generation_machine *ret,
		      const struct definition *definition)
{
	struct arena *arena = prepare->arena;
	const char *hex = prepare_store_hex(ret->digest),
		   *form = prepare_store_form(arena, prepare->trees_fd, hex), *file;
	bool layered = text_equal(form, MSTACK_SUFFIX) ||
		       (definition->image.root == ROOT_OVERLAY && text_equal(form, ""));

	if (definition->image.root == ROOT_EPHEMERAL) {
		ret->file = arena_format(arena, "%s%s", definition->name, form);
		ret->target = arena_format(arena, "../../../" STORE_TREES "/%s%s", hex, form);
		return 0;
	}
	file = arena_format(arena, "%s%s", hex, layered ? MSTACK_SUFFIX : form);
	ret->file = arena_format(arena, "%s%s", definition->name, layered ? MSTACK_SUFFIX : form);
	ret->target = arena_format(arena, "../../../" STORE_ROOTS "/%s/%s", definition->name, file);
	return make_root(prepare, definition,
			 arena_format(arena, "%s/" STORE_ROOTS "/%s", prepare->path,
				      definition->name),
			 file, hex, form, layered);
}

int prepare_root_direct(struct prepare *prepare, struct generation_machine *ret,
			const struct definition *definition)
{
	bool raw = definition->image.source == IMAGE_RAW;

	if (access(definition->image.ref, F_OK) < 0)
		return fail(-errno, "cannot use 'Source=%s' of machine '%s'",
			    definition->image.source_text, definition->name);
	ret->digest = "";
	ret->file = arena_format(prepare->arena, "%s%s", definition->name, raw ? ".raw" : "");
	ret->target = definition->image.ref;
	return 0;
}

const char *prepare_root(struct arena *arena, const char *path,
			 const struct generation_machine *machine)
{
	const char *below = text_after(machine->target, "../../../");

	return below == NULL ? machine->target : path_join(arena, path, below);
}
