#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/text.h"
#include "format/json-out.h"
#include "machine/watch.h"
#include "prog/machinectl/machinectl.h"

/* A machine that powers off is ended by its kernel's part with SIGINT, one that reboots with
 * SIGHUP: reboot(2) in a pid namespace. No other way leads to these two. */
static void add_end(struct json_out *json, const struct watch_event *event)
{
	if (!event->status_known)
		return;
	if (event->signal == 0) {
		json_out_text(json, "how", "exited");
		json_out_signed(json, "status", event->status);
	} else if (event->signal == SIGINT || event->signal == SIGHUP) {
		json_out_text(json, "how", "powered-off");
	} else {
		json_out_text(json, "how", "killed");
		json_out_text(json, "signal", parse_signal_name(event->signal));
	}
}

static void add_refusal(struct json_out *json, const struct refusal *refusal)
{
	const char *protocol = refusals_protocol(refusal->protocol);
	char address[IP_TEXT_ROOM];

	if (refusal->name[0] != '\0')
		json_out_text(json, "name", refusal->name);
	else if (protocol != NULL)
		json_out_text(json, "protocol", protocol);
	else
		json_out_unsigned(json, "protocol", refusal->protocol);
	if (refusal->address.family != 0)
		json_out_text(json, "address", ip_text(address, &refusal->address));
	if (refusal->port != 0)
		json_out_unsigned(json, "port", refusal->port);
}

static int print_event(struct context *context, const struct watch_event *event)
{
	autoarena struct arena arena = { 0 };
	struct json_out json;

	json_out_init(&json, &arena, false);
	json_out_begin_object(&json, NULL);
	json_out_unsigned(&json, "time", event->realtime_us);
	json_out_text(&json, "event", watch_kind_name(event->kind));
	json_out_text(&json, "machine", event->machine);
	if (event->leader > 0)
		json_out_signed(&json, "leader", event->leader);
	if (event->kind == WATCH_OOM)
		json_out_unsigned(&json, "count", event->count);
	if (event->kind == WATCH_REFUSED)
		add_refusal(&json, event->refusal);
	if (event->kind == WATCH_ENDED)
		add_end(&json, event);
	json_out_end_object(&json);
	return program_print(&context->program, json_out_done(&json));
}

/* Two descriptors a machine. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int verb_events(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct watch watch;
	int r;

	for (size_t i = 0; i < words->count; i++)
		if (!name_is_machine(words->items[i]))
			return fail_input("cannot watch machine '%s': this is no machine name",
					  text_printable(context->arena, words->items[i]));
	raise_limit();
	r = watch_open(&watch, context->runtime, words);
	while (r >= 0) {
		struct watch_event event;

		r = watch_next(&watch, &event, -1);
		if (r > 0)
			r = print_event(context, &event);
		else if (r == -EINTR)
			r = 0;
	}
	watch_done(&watch);
	return r;
}
