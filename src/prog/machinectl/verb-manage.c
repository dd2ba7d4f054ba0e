#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/names.h"
#include "base/text.h"
#include "image/find.h"
#include "machine/detach.h"
#include "machine/find.h"
#include "machine/jobs.h"
#include "machine/manager.h"
#include "prog/machinectl/machinectl.h"

static int check_name(const struct context *context, const char *name)
{
	if (!name_is_machine(name))
		return fail_input("cannot use '%s' as a machine's name (try letters, digits, '-' "
				  "and '.', 64 at most)",
				  text_printable(context->arena, name));
	return 0;
}

static int check_image(const struct context *context, const char *name)
{
	const struct find_scope scope = find_scope_of(geteuid(), context->program.environment);
	struct found found;
	int r = check_name(context, name);

	if (r < 0)
		return r;
	r = find_image(context->arena, &found, name, &scope);
	if (r == -ENOENT && manager_has_conf(context->arena, name))
		return 0;
	if (r == -ENOENT)
		return fail_plain(r, "Machine image '%s' does not exist.", name);
	return r < 0 ? fail(r, "cannot look for the image of machine '%s'", name) : 0;
}

static int open_manager(const struct context *context, struct manager *ret)
{
	return manager_open(context->arena, ret, context->runtime, context->program.environment);
}

static bool is_running(const struct context *context, const char *name)
{
	struct machine machine;
	int r = machine_open(context->arena, &machine, context->runtime, name);

	if (r < 0)
		fail_forget();
	return r >= 0;
}

/* ---- one machine ---- */

typedef int one_fn(const struct context *context, const struct manager *manager, const char *name);

static int start_one(const struct context *context, const struct manager *manager, const char *name)
{
	int r = check_image(context, name);

	if (r < 0)
		return r;
	if (manager->kind != MANAGER_SYSTEMD && is_running(context, name)) {
		if (!context->options.quiet)
			log_info("Machine '%s' is running already.", name);
		return 0;
	}
	r = manager_start(context->arena, manager, name);
	if (r >= 0)
		manager_forget_owed(context->runtime, name);
	if (r >= 0 && !context->options.quiet)
		log_info("Started machine '%s' by %s.", name, manager_name(manager));
	return r;
}

static int stop_one(const struct context *context, const struct manager *manager, const char *name)
{
	const struct manager alone = { .kind = MANAGER_NONE, .runtime = context->runtime };
	struct text_list names = { 0 };
	int r = check_name(context, name);

	if (r < 0)
		return r;
	r = manager_stop(context->arena, manager, name);
	if (r == -ENXIO) {
		manager = &alone;
		r = manager_stop(context->arena, manager, name);
	}
	if (r == -ENXIO) {
		/* Started by hand: nobody to ask but the machine itself. */
		text_list_add(context->arena, &names, arena_text(context->arena, name));
		r = verb_poweroff((void *)context, &names);
		if (r >= 0 && !context->options.quiet)
			log_info("Asked machine '%s' itself to power off: nobody else runs it.",
				 name);
		return r;
	}
	if (r >= 0 && !context->options.quiet)
		log_info("Stopped machine '%s' by %s.", name, manager_name(manager));
	return r;
}

static int enable_one(const struct context *context, const struct manager *manager,
		      const char *name, bool enable)
{
	struct text_list lines = { 0 };
	int r = enable ? check_image(context, name) : check_name(context, name);

	if (r < 0)
		return r;
	r = enable ? manager_enable(context->arena, manager, name, &lines)
		   : manager_disable(context->arena, manager, name, &lines);
	for (size_t i = 0; i < lines.count && !context->options.quiet; i++)
		log_info("%s", lines.items[i]);
	/* What is there no more can be disabled; what never was is a slip of the pen. */
	return r >= 0 && !enable && lines.count == 0 ? check_image(context, name) : r;
}

/* ---- many, each after those that it names ---- */

struct many {
	const struct context *context;
	one_fn *run;
};

static int one_of_many(void *context, const char *name, void *item)
{
	const struct many *many = context;
	struct manager manager;
	int r = open_manager(many->context, &manager);

	(void)item;
	return r < 0 ? r : many->run(many->context, &manager, name);
}

static int run_all(const struct context *context, struct jobs *jobs, one_fn *run)
{
	struct many many = { context, run };
	int r = jobs_run(jobs, one_of_many, &many);

	if (r < 0)
		return r;
	/* Each has said why. */
	return jobs->failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int each(const struct context *context, const struct text_list *words, one_fn *run)
{
	struct jobs jobs = { .count = words->count };
	struct manager manager CLEANUP(manager_done) = { 0 };

	if (words->count == 1) {
		int r = open_manager(context, &manager);

		return r < 0 ? r : run(context, &manager, words->items[0]);
	}
	jobs.items = arena_take_array(context->arena, jobs.count, sizeof(*jobs.items));
	for (size_t i = 0; i < jobs.count; i++)
		jobs.items[i] = (struct jobs_item){ .name = words->items[i], .pidfd = -EBADF };
	return run_all(context, &jobs, run);
}

/* What the boot service runs. */
static int start_enabled(const struct context *context)
{
	struct manager manager CLEANUP(manager_done) = { 0 };
	struct text_list names = { 0 };
	struct jobs jobs = { 0 };
	int r = open_manager(context, &manager);

	if (r >= 0)
		r = manager_list_enabled(context->arena, &manager, &names);
	if (r < 0)
		return r;
	jobs.count = names.count;
	jobs.items = arena_take_array(context->arena, jobs.count + 1, sizeof(*jobs.items));
	for (size_t i = 0; i < jobs.count; i++) {
		jobs.items[i] = (struct jobs_item){ .name = names.items[i], .pidfd = -EBADF };
		r = manager_list_after(context->arena, &manager, names.items[i],
				       &jobs.items[i].after);
		if (r < 0)
			return r;
	}
	return run_all(context, &jobs, start_one);
}

static int stop_supervised(const struct context *context)
{
	struct text_list names = { 0 };
	int r = detach_list(context->arena, &names, context->runtime);

	return r < 0 || names.count == 0 ? r : each(context, &names, stop_one);
}

/* ---- verbs ---- */

static int need_names(const struct context *context, const struct text_list *words,
		      const char *verb)
{
	if ((words->count == 0) == context->options.all)
		return 0;
	if (words->count > 0)
		return fail_input("cannot %s machines by name and with --all", verb);
	return fail_input("cannot run '%s' without a name (try '%s NAME...', or --all)", verb,
			  verb);
}

int verb_start(void *context_, const struct text_list *words)
{
	const struct context *context = context_;
	int r = need_names(context, words, "start");

	if (r < 0)
		return r;
	return context->options.all ? start_enabled(context) : each(context, words, start_one);
}

int verb_stop(void *context_, const struct text_list *words)
{
	const struct context *context = context_;
	int r = need_names(context, words, "stop");

	if (r < 0)
		return r;
	return context->options.all ? stop_supervised(context) : each(context, words, stop_one);
}

static int enable_all(const struct context *context, const struct text_list *words, bool enable)
{
	struct manager manager CLEANUP(manager_done) = { 0 };
	int r = open_manager(context, &manager);

	for (size_t i = 0; i < words->count && r >= 0; i++)
		r = enable_one(context, &manager, words->items[i], enable);
	if (r < 0 || !context->options.now)
		return r;
	return each(context, words, enable ? start_one : stop_one);
}

int verb_enable(void *context, const struct text_list *words)
{
	return enable_all(context, words, true);
}

int verb_disable(void *context, const struct text_list *words)
{
	return enable_all(context, words, false);
}
