#include "machine/visit.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "io/fd.h"
#include "machine/enter-shield.h"

#define END_MS 100 /* between the end of a machine's programs and of its PID 1 */

/* ---- who and where ---- */

static int open_host(struct visit *visit, const char **user)
{
	/* Not root, and nobody named: oneself. */
	if (*user == NULL && geteuid() != 0)
		*user = "";
	return enter_open_local(&visit->enter);
}

static int open_machine(struct visit *visit, const char *name)
{
	int r = machine_open_begun(visit->arena, &visit->machine, visit->runtime, name);

	if (r >= 0 && machine_is_paused(visit->arena, &visit->machine))
		log_notice("machine '%s' is paused, and so is who enters it until 'machinectl "
			   "resume %s'",
			   name, name);
	if (r >= 0)
		r = enter_open(visit->arena, &visit->enter, &visit->machine);
	return r < 0 ? r : enter_shield(&visit->enter, visit->arguments);
}

/* On the host nobody becomes somebody else by us: root may, and everybody is oneself. */
static int find_user(struct visit *visit, const char *user)
{
	struct guest_user *found = &visit->program.user;
	int r;

	if (visit->enter.local && geteuid() != 0 && text_empty(user))
		user = arena_format(visit->arena, "%u", (unsigned int)geteuid());
	r = guest_users_find(visit->arena, found, visit->enter.root_fd, user);
	if (r < 0)
		return r;
	if (visit->enter.local && geteuid() != 0 && found->uid != geteuid())
		return fail_plain(-EPERM,
				  "cannot become user '%s' on the local host: only root may (try "
				  "'su - %s')",
				  found->name, found->name);
	return 0;
}

int visit_open(struct visit *visit, const char *who, const char *user)
{
	const char *name = who == NULL ? "" : who;
	const char *at = strchr(name, '@');
	int r;

	if (at != NULL) {
		user = arena_text_n(visit->arena, name, (size_t)(at - name));
		name = at + 1;
	}
	r = session_check();
	if (r < 0)
		return r;
	if (text_empty(name) || text_equal(name, ".host"))
		r = open_host(visit, &user);
	else
		r = open_machine(visit, name);
	return r < 0 ? r : find_user(visit, user);
}

/* ---- environment ---- */

static void pass_variable(const struct visit *visit, struct text_list *list, const char *name)
{
	const char *value = text_variable(visit->environment, name);

	if (value != NULL)
		text_list_add(visit->arena, list, arena_format(visit->arena, "%s=%s", name, value));
}

/* Nothing of ours but what tells how the terminal is, and what was asked for (class S22). */
static void make_environment(struct visit *visit)
{
	struct text_list list = { 0 };

	if (session_has_pty(&visit->session)) {
		pass_variable(visit, &list, "TERM");
		pass_variable(visit, &list, "COLORTERM");
		pass_variable(visit, &list, "NO_COLOR");
	} else if (visit->greets) {
		text_list_add(visit->arena, &list, arena_text(visit->arena, "TERM=dumb"));
	}
	for (size_t i = 0; visit->assigned != NULL && i < visit->assigned->count; i++)
		text_list_add(visit->arena, &list, visit->assigned->items[i]);
	visit->program.environment = enter_environment(visit->arena, &visit->enter,
						       &visit->program.user, &list);
}

/* ---- the session ---- */

static const char *place(const struct visit *visit)
{
	return visit->enter.local ? "the local host"
				  : arena_format(visit->arena, "machine %s", visit->machine.name);
}

static bool is_told(const struct visit *visit)
{
	return visit->greets && session_has_pty(&visit->session) && !visit->quiet;
}

/* What kills a machine kills its programs first, and its PID 1 last, once we have reaped ours. */
static bool machine_has_ended(const struct visit *visit, const siginfo_t *info)
{
	struct pollfd leader = { .fd = visit->enter.pidfd, .events = POLLIN };

	return visit->enter.pidfd >= 0 && info->si_code != CLD_EXITED &&
	       info->si_status == SIGKILL && poll(&leader, 1, END_MS) > 0;
}

static void say_end(const struct visit *visit, const siginfo_t *info)
{
	const char *program = text_printable(visit->arena, visit->program.arguments[0]);
	const char *signal = parse_signal_name(info->si_status);

	if (machine_has_ended(visit, info))
		log_error("Machine %s terminated, and with it '%s'.", visit->machine.name, program);
	else if (is_told(visit))
		log_info("Connection to %s terminated.", place(visit));
	else if (info->si_code != CLD_EXITED && signal != NULL && !visit->quiet)
		log_notice("'%s' was ended by signal %s.", program, signal);
}

int visit_run(struct visit *visit)
{
	autoclose int pidfd = -EBADF;
	siginfo_t info = { 0 };
	pid_t pid;
	int r;

	r = session_open(&visit->session, &visit->enter, true);
	if (r < 0)
		return r;
	make_environment(visit);
	memcpy(visit->program.stdio, visit->session.stdio, sizeof(visit->program.stdio));
	visit->program.terminal = visit->session.terminal;
	r = enter_start(&visit->enter, &visit->program, &pid, &pidfd);
	if (r < 0)
		return r;
	if (is_told(visit))
		log_info("Connected to %s. Press ^] three times within 1s to exit session.",
			 place(visit));
	r = session_run(&visit->session, pidfd, &info);
	if (r < 0)
		return r;
	say_end(visit, &info);
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

/* The dash before its name tells a shell that it is a login's. */
void visit_use_shell(struct visit *visit)
{
	struct arena *arena = visit->arena;
	const char *shell = guest_users_shell(arena, visit->enter.root_fd, &visit->program.user);
	char **arguments = arena_take_array(arena, 2, sizeof(char *));

	arguments[0] = arena_format(arena, "-%s", path_name(shell));
	visit->program.user.shell = shell;
	visit->program.path = shell;
	visit->program.arguments = arguments;
}

void visit_done(struct visit *visit)
{
	session_done(&visit->session);
	enter_done(&visit->enter);
}
