#include "base/arena.h"
#include "base/fail.h"
#include "base/path.h"
#include "machine/bind.h"
#include "machine/find.h"
#include "prog/machinectl/machinectl.h"

static int fail_target(const char *path)
{
	return fail_input("cannot use '%s' as a place in a machine: it is not absolute", path);
}

static int remove_bind(struct context *context, const struct text_list *words)
{
	const char *target = path_simplify(context->arena, words->items[1]);
	struct machine machine;
	int r;

	if (words->count > 2)
		return fail_input("cannot remove a bind by two paths (name its place in the "
				  "machine)");
	if (!path_is_absolute(target))
		return fail_target(target);
	r = machine_open_begun(context->arena, &machine, context->runtime, words->items[0]);
	return r < 0 ? r : bind_remove(context->arena, &machine, target);
}

int verb_bind(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct bind_request request = {
		.read_only = context->options.read_only,
		.make_target = context->options.mkdir,
	};
	struct machine machine;
	int r;

	if (context->options.remove)
		return remove_bind(context, words);
	request.target = path_simplify(context->arena, words->items[words->count - 1]);
	if (!path_is_absolute(request.target))
		return fail_target(request.target);
	r = host_path_absolute(context->arena, &request.source, words->items[1]);
	if (r >= 0)
		r = machine_open_begun(context->arena, &machine, context->runtime, words->items[0]);
	if (r < 0)
		return r;
	request.machine = &machine;
	return bind_add(context->arena, &request);
}
