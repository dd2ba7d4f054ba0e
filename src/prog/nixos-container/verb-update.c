/* The systems of a container: built, given, looked at, gone back to. One that runs switches at
 * once. */
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"
#include "declare/nixos-profile.h"
#include "io/child.h"
#include "io/fd.h"
#include "prog/nixos-container/build.h"
#include "prog/nixos-container/nixos-container.h"
#include "prog/nixos-container/power.h"

/* Who enters a container may begin anew as a program (machine/enter-shield), and so has to have
 * done nothing before: another process does that. */
static int reload_in_place(const struct context *context)
{
	const char *arguments[] = { context->program.arguments[0], "reload", "--strategy=reload",
				    context->name, NULL };
	struct child_request request = {
		.arguments = (char *const *)arguments,
		.environment = (char *const *)context->program.environment,
		.stdio = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO },
		.timeout_us = CHILD_FOREVER,
	};
	char own[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
	int r, status;

	if (length < 0)
		return fail(-errno, "cannot find this program");
	own[length] = '\0';
	request.path = own;
	log_info("reloading container...");
	r = child_run(&status, &request);
	if (r < 0)
		return fail(r, "cannot run '%s'", own);
	if (status != 0)
		return fail_plain(-ECHILD,
				  "cannot switch the running container '%s' to its system: its "
				  "switch-to-configuration failed (the system is that of the next "
				  "start)",
				  context->name);
	return 0;
}

static int reload(const struct context *context)
{
	int r = power_is_running(context, &context->container);

	if (r <= 0)
		return r;
	r = power_strategy(context);
	switch (r) {
	case POWER_RELOAD: return reload_in_place(context);
	case POWER_RESTART: log_info("restarting container..."); return power_restart(context);
	case POWER_NOTHING: log_info("the system is that of the next start"); return 0;
	default: return r;
	}
}

/* The conf says which system is started, whatever the profile says. */
static bool is_fixed(const struct context *context)
{
	return nixos_conf_value(&context->container.conf, NIXOS_CONF_SYSTEM_PATH) != NULL;
}

static int set_fixed(struct context *context, const char *path)
{
	int r = build_check(&context->container, path);

	if (r < 0)
		return r;
	context->container.conf.values[NIXOS_CONF_SYSTEM_PATH] = path;
	return nixos_write(context->arena, &context->container);
}

static int set_profile(const struct context *context, const char *path)
{
	int r = build_make_places(context, &context->container);

	return r < 0 ? r : build_set(context, &context->container, path);
}

static int refuse_fixed(const struct context *context, const char *verb)
{
	if (!is_fixed(context))
		return 0;
	return fail_plain(-EPERM,
			  "cannot %s container '%s': SYSTEM_PATH= of '%s' says which "
			  "system it has (change that)",
			  verb, context->name, context->container.conf_path);
}

static int change(struct context *context, int *ret_lock, const char *verb)
{
	int r = context_lock(context, ret_lock);

	if (r >= 0)
		r = power_refuse_stranger(context);
	if (r >= 0)
		r = refuse_fixed(context, verb);
	if (r >= 0)
		r = build_make_places(context, &context->container);
	return r;
}

int verb_update(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	autoclose int lock = -EBADF;
	int r = change(context, &lock, "update");

	(void)words;
	if (r >= 0)
		r = build(context, &context->container, false);
	return r < 0 ? r : reload(context);
}

int verb_switch(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	autoclose int lock = -EBADF;
	int r;

	if (words->count < 2)
		return fail_input("cannot switch container '%s' without a system (try 'switch %s "
				  "PATH')",
				  context->name, context->name);
	r = context_lock(context, &lock);
	if (r >= 0)
		r = power_refuse_stranger(context);
	if (r >= 0)
		r = is_fixed(context) ? set_fixed(context, words->items[1])
				      : set_profile(context, words->items[1]);
	return r < 0 ? r : reload(context);
}

int verb_rollback(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	autoclose int lock = -EBADF;
	uint32_t number = 0;
	const char *path;
	int r;

	if (words->count > 1 && (parse_u32(&number, words->items[1]) < 0 || number == 0))
		return fail_input("cannot roll back to '%s': that is no generation (try "
				  "'generations %s')",
				  words->items[1], context->name);
	r = change(context, &lock, "roll back");
	if (r >= 0)
		r = nixos_profile_roll_back(context->arena, &path, context->container.system,
					    number);
	if (r < 0)
		return r;
	log_info("system is %s", path);
	return reload(context);
}

int verb_generations(void *context_, const struct text_list *words)
{
	static const struct column columns[] = {
		{ "GENERATION", COLUMN_NUMBER, false, false },
		{ "MADE", COLUMN_TIME, false, false },
		{ "CURRENT", COLUMN_BOOL, false, false },
		{ "SYSTEM", COLUMN_TEXT, false, false },
	};
	struct context *context = context_;
	struct nixos_generation *items;
	struct table table;
	size_t count;
	int r;

	(void)words;
	r = nixos_profile_list(context->arena, &items, &count, context->container.system);
	if (r < 0)
		return r;
	table_init(&table, context->arena, columns, ARRAY_SIZE(columns));
	for (size_t i = 0; i < count; i++) {
		table_number(&table, items[i].number);
		table_number(&table, items[i].made_us);
		table_bool(&table, items[i].current);
		table_text(&table, items[i].path);
	}
	context->program.no_legend = false;
	return program_print_table(&context->program, &table, "generations");
}
