#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/path.h"
#include "base/text.h"
#include "cli/progress.h"
#include "io/clock.h"
#include "io/fd.h"
#include "kernel/terminal.h"
#include "machine/copy.h"
#include "machine/find.h"
#include "prog/machinectl/machinectl.h"

static void show(void *context, const struct copy_progress *now)
{
	struct progress *progress = context;
	char room[PROGRESS_ROOM];
	const char *line = progress_line(progress, room, clock_monotonic_us(), now->bytes,
					 now->total, now->files);

	(void)fd_write_all(STDERR_FILENO, line, strlen(line));
}

int host_path_absolute(struct arena *arena, const char **ret, const char *path)
{
	char directory[4096];

	if (!path_is_absolute(path)) {
		if (getcwd(directory, sizeof(directory)) == NULL || directory[0] != '/')
			return fail(-ENOENT, "cannot find out where '%s' is", path);
		path = path_join(arena, directory, path);
	}
	*ret = path_simplify(arena, path);
	return 0;
}

/* "NAME/" as the target means: in that directory, under the source's name. */
static const char *full_target(struct arena *arena, const char *target, const char *source)
{
	const char *name = path_name(path_simplify(arena, source));

	return text_ends(target, "/") && path_is_file_name(name) ? path_join(arena, target, name)
								 : target;
}

static int copy(struct context *context, const struct text_list *words, bool out)
{
	const char *source = words->items[1], *target = words->items[words->count - 1];
	struct progress progress = { .started_us = clock_monotonic_us() };
	struct arena *arena = context->arena;
	bool bar = !context->options.quiet && terminal_is(STDERR_FILENO);
	struct copy_request request = {
		.out = out,
		.force = context->options.force,
		.keep_privileges = context->options.keep_privileges,
		.progress = bar ? show : NULL,
		.context = &progress,
	};
	struct machine machine;
	const char *end;
	int r;

	if (words->count == 3)
		target = full_target(arena, target, source);
	request.guest = path_simplify(arena, out ? source : target);
	if (!path_is_absolute(request.guest))
		return fail_input("cannot use '%s' as a path in a machine: it is not absolute",
				  request.guest);
	r = host_path_absolute(arena, &request.host, out ? target : source);
	if (r >= 0)
		r = machine_open_begun(arena, &machine, context->runtime, words->items[0]);
	if (r < 0)
		return r;
	request.machine = &machine;
	r = copy_run(arena, &request);
	end = progress_end(&progress);
	(void)fd_write_all(STDERR_FILENO, end, strlen(end));
	return r;
}

int verb_copy_to(void *context, const struct text_list *words)
{
	return copy(context, words, false);
}

int verb_copy_from(void *context, const struct text_list *words)
{
	return copy(context, words, true);
}
