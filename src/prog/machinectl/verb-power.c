#include <signal.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "machine/power.h"
#include "prog/machinectl/look.h"
#include "prog/machinectl/machinectl.h"

typedef int power_fn(const struct context *context, const struct machine *machine);

/* Who wants something of the program waits until it runs. */
static int open_begun(const struct context *context, struct machine *ret, const char *name)
{
	return text_equal(name, MACHINE_HOST)
		       ? look_open(context, ret, name)
		       : machine_open_begun(context->arena, ret, context->runtime, name);
}

typedef int open_fn(const struct context *context, struct machine *ret, const char *name);

/* In order; the first failure ends it. */
static int each(const struct context *context, const struct text_list *words, open_fn *open,
		power_fn *act)
{
	for (size_t i = 0; i < words->count; i++) {
		struct machine machine;
		int r = open(context, &machine, words->items[i]);

		if (r >= 0)
			r = act(context, &machine);
		if (r < 0)
			return r;
	}
	return 0;
}

static int power_off(const struct context *context, const struct machine *machine)
{
	return power_ask(context->arena, machine, false);
}

static int reboot(const struct context *context, const struct machine *machine)
{
	return power_ask(context->arena, machine, true);
}

static int terminate(const struct context *context, const struct machine *machine)
{
	return power_terminate(context->arena, machine);
}

static int send_signal(const struct context *context, const struct machine *machine)
{
	static const enum power_whom whom[] = {
		[KILL_ALL] = POWER_ALL,
		[KILL_LEADER] = POWER_LEADER,
		[KILL_SUPERVISOR] = POWER_SUPERVISOR,
	};
	const struct options *options = &context->options;

	return power_signal(context->arena, machine, whom[options->kill_whom],
			    options->signal == 0 ? SIGTERM : options->signal);
}

int verb_poweroff(void *context, const struct text_list *words)
{
	return each(context, words, open_begun, power_off);
}

int verb_reboot(void *context, const struct text_list *words)
{
	return each(context, words, open_begun, reboot);
}

int verb_terminate(void *context, const struct text_list *words)
{
	return each(context, words, look_open, terminate);
}

int verb_kill(void *context, const struct text_list *words)
{
	return each(context, words, open_begun, send_signal);
}

/* All are looked up before the first is waited for: one that ends meanwhile was there. */
int verb_wait(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct machine *machines = arena_take_array(context->arena, words->count,
						    sizeof(*machines));
	int r = 0;

	for (size_t i = 0; i < words->count && r >= 0; i++)
		r = look_open(context, &machines[i], words->items[i]);
	for (size_t i = 0; i < words->count && r >= 0; i++)
		r = power_wait(context->arena, &machines[i]);
	return r < 0 ? r : 0;
}
