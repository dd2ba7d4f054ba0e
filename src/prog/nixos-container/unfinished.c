#include "prog/nixos-container/unfinished.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/text.h"
#include "prog/nixos-container/nixos-container.h"
#include "prog/nixos-container/remove.h"

#define MARK "create"
#define NOTE_ROOM 64

/* What cannot be looked at may be there: it is not taken back. */
static bool is_there(const char *path)
{
	return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

void unfinished_look(struct unfinished *ret, const struct nixos *container)
{
	*ret = (struct unfinished){
		.tree = is_there(container->root),
		.profiles = is_there(container->profiles),
		.gcroots = is_there(container->gcroots),
		.configuration = is_there(container->configuration),
	};
}

int unfinished_note(const struct context *context, int lock_fd, const struct unfinished *unfinished)
{
	const char *text = arena_format(context->arena, MARK "%s%s%s%s\n",
					unfinished->tree ? " tree" : "",
					unfinished->profiles ? " profiles" : "",
					unfinished->gcroots ? " gcroots" : "",
					unfinished->configuration ? " configuration" : "");
	ssize_t size = (ssize_t)strlen(text);

	return pwrite(lock_fd, text, (size_t)size, 0) == size
		       ? 0
		       : fail(-EIO, "cannot note that container '%s' is being made", context->name);
}

void unfinished_end(int lock_fd)
{
	if (ftruncate(lock_fd, 0) < 0)
		log_warning("cannot note that a container is made: %s, going on without",
			    strerror(errno));
}

/* 0: there is none. */
static int read_note(int lock_fd, struct unfinished *ret, const char *name)
{
	char text[NOTE_ROOM];
	ssize_t size = pread(lock_fd, text, sizeof(text) - 1, 0);

	if (size < 0)
		return fail(-errno, "cannot learn whether a 'create %s' was interrupted", name);
	text[size] = '\0';
	*ret = (struct unfinished){
		.tree = strstr(text, " tree") != NULL,
		.profiles = strstr(text, " profiles") != NULL,
		.gcroots = strstr(text, " gcroots") != NULL,
		.configuration = strstr(text, " configuration") != NULL,
	};
	return text_after(text, MARK) != NULL;
}

int unfinished_take_back(const struct context *context, const struct nixos *container,
			 const struct unfinished *unfinished)
{
	const struct remove_kept kept = { .profiles = unfinished->profiles,
					  .gcroots = unfinished->gcroots,
					  .configuration = unfinished->configuration };
	struct remove_hold hold CLEANUP(remove_let_go) = REMOVE_HOLD_EMPTY;
	int r = unfinished->tree ? 0 : remove_hold(context, &hold, container, "take back");

	if (r >= 0 && !unfinished->tree)
		r = remove_tree(context, container, &hold);
	return r < 0 ? r : remove_definition(context, container, &kept);
}

int unfinished_reap(const struct context *context, int lock_fd, const char *name)
{
	struct unfinished unfinished;
	struct nixos container;
	int r = read_note(lock_fd, &unfinished, name);

	if (r <= 0)
		return r;
	log_notice("taking back what an unfinished 'create %s' has made", name);
	r = nixos_find(context->arena, &container, name);
	if (r == -ENOENT)
		r = nixos_new(context->arena, &container, name);
	else if (r >= 0 && container.declared)
		r = 1; /* by somebody else, meanwhile */
	if (r == 0)
		r = unfinished_take_back(context, &container, &unfinished);
	if (r >= 0)
		unfinished_end(lock_fd);
	return r < 0 ? r : 0;
}
