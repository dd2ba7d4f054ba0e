#include "prog/redd/converge-step.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/definition.h"
#include "declare/generation.h"
#include "declare/nixos-reload.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "machine/detach.h"
#include "machine/find.h"
#include "machine/health.h"
#include "machine/manager.h"
#include "machine/power.h"
#include "prog/redd/converge-live.h"
#include "prog/redd/converge.h"
#include "prog/redd/prepare-nix.h"
#include "prog/redd/program.h"

/* ---- which generation it runs from ---- */

#define MARKS "applied"

static unsigned int number_in(const char *text)
{
	uint32_t number;

	return text != NULL && parse_u32(&number, text) >= 0 ? number : 0;
}

/* "TAG NUMBER", or "TAG FROM TO" while it is being changed: for this run of the machine only.
 * *RET 0: there is none. */
static int read_mark(const struct converge *converge, const struct machine *machine,
		     unsigned int *ret, unsigned int *ret_changing)
{
	autoclose int dir = record_open_runtime(converge->runtime, MARKS);
	char line[64], tag[RECORD_TAG_ROOM + 1];
	const char *rest, *to;
	int r = dir < 0 ? dir : file_read_line(line, sizeof(line), dir, machine->name);

	*ret = *ret_changing = 0;
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return fail(r, "cannot read in '%s/" MARKS "' what machine '%s' is",
			    converge->runtime, machine->name);
	snprintf(tag, sizeof(tag), "%s ", machine->content.tag);
	rest = text_after(line, tag);
	to = rest != NULL ? strchr(rest, ' ') : NULL;
	if (to != NULL)
		*ret_changing = number_in(to + 1);
	*ret = number_in(to == NULL ? rest
				    : arena_text_n(converge->arena, rest, (size_t)(to - rest)));
	return 0;
}

int converge_step_from(const struct converge *converge, const struct machine *machine,
		       unsigned int *ret, unsigned int *ret_changing)
{
	int r = read_mark(converge, machine, ret, ret_changing);

	if (r >= 0 && *ret == 0)
		*ret = number_in(machine_note(machine, RECORD_GENERATION));
	return r;
}

static int write_mark(const struct converge *converge, const char *below, const char *name,
		      const char *text)
{
	const char *directory = path_join(converge->arena, converge->runtime, below);
	int r = dir_make_all(directory, 0755);
	autoclose int fd = -EBADF;

	if (r >= 0)
		r = fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r >= 0)
		r = file_replace(fd, name, text, strlen(text), 0644);
	return r < 0 ? fail(r, "cannot note in '%s' what machine '%s' is", directory, name) : 0;
}

static int note(const struct converge *converge, const struct machine *machine)
{
	return write_mark(converge, MARKS, machine->name,
			  arena_format(converge->arena, "%s %u\n", machine->content.tag,
				       converge->number));
}

/* Before anything is changed: who finds it like this knows that it may be some of both. If it was
 * some of two already, that is noted, and stays true to the end. */
static int note_change(const struct converge *converge, const struct converge_machine *one)
{
	if (one->changing != 0)
		return 0;
	return write_mark(converge, MARKS, one->name,
			  arena_format(converge->arena, "%s %u %u\n", one->machine->content.tag,
				       one->from, converge->number));
}

/* ---- what was stopped to be started again ---- */

int converge_step_is_owed(const struct converge *converge, const char *name)
{
	autoclose int dir = record_open_runtime(converge->runtime, MANAGER_OWED);
	int r = dir;

	if (r >= 0)
		r = faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 1;
	if (r == -ENOENT)
		return 0;
	return r < 0 ? fail(r, "cannot learn whether machine '%s' has to start again", name) : 1;
}

/* ---- starting and stopping ---- */

static int await_health(const struct converge *converge, const struct converge_machine *one)
{
	const struct health *health = &one->wanted->health;
	struct health_report report;
	int r;

	if (health->command.count == 0)
		return 0;
	r = health_await(converge->arena, &report, converge->runtime, one->name,
			 health_verdict_us(health));
	if (r >= 0 && report.state != HEALTH_WORKING)
		return fail_plain(-EIO, "cannot start machine '%s': it is not healthy ('%s')",
				  one->name, definition_value(one->wanted, "X-Health", "Command"));
	return r;
}

/* A condition that is not met is no failure: with systemd it is none either. It is what drift
 * shows, and each apply tries again. */
static int skip(const struct converge *converge, const struct converge_machine *one)
{
	log_notice("%s: skipped: %s", one->name, fail_recorded()->text);
	fail_forget();
	manager_forget_owed(converge->runtime, one->name);
	return 0;
}

typedef int manager_fn(struct arena *arena, const struct manager *manager, const char *name);

/* HOW: manager_start() or manager_restart(). */
static int start(const struct converge *converge, const struct converge_machine *one,
		 manager_fn *how)
{
	struct manager manager CLEANUP(manager_done) = { 0 };
	int r = manager_open(converge->arena, &manager, converge->runtime, converge->environment);

	if (r >= 0)
		r = how(converge->arena, &manager, one->name);
	if (r == -ECANCELED)
		return skip(converge, one);
	if (r >= 0)
		r = await_health(converge, one);
	if (r >= 0)
		manager_forget_owed(converge->runtime, one->name);
	return r;
}

/* Whoever runs it: the host's manager, our own supervisor, or nobody. */
static int stop(const struct converge *converge, const char *name, bool again)
{
	manager_fn *how = again ? manager_stop_alone : manager_stop;
	const struct manager alone = { .kind = MANAGER_NONE, .runtime = converge->runtime };
	struct manager manager CLEANUP(manager_done) = { 0 };
	struct machine machine;
	int r = manager_open(converge->arena, &manager, converge->runtime, converge->environment);

	if (r >= 0)
		r = how(converge->arena, &manager, name);
	if (r == -ENXIO)
		r = how(converge->arena, &alone, name);
	if (r != -ENXIO)
		return r;
	r = machine_open(converge->arena, &machine, converge->runtime, name);
	if (r == -ENXIO) {
		fail_forget();
		return 0;
	}
	return r < 0 ? r : power_stop(converge->arena, &machine, converge->environment);
}

/* Should it end before it has started again, or that fail, the next apply knows that it ran. */
static int stop_to_start(const struct converge *converge, const struct converge_machine *one)
{
	int r = write_mark(converge, MANAGER_OWED, one->name, "");

	return r < 0 ? r : stop(converge, one->name, true);
}

/* Should that be taken back, by whoever comes after an interrupted apply as well, it is known that
 * it ran. Else converge_run() forgets it. */
static int stop_for_good(const struct converge *converge, const char *name)
{
	int r = stop(converge, name, false);

	return r < 0 ? r : write_mark(converge, MANAGER_OWED, name, "");
}

/* One that ended by itself may have a supervisor that waits to start it again, as it was. */
static int start_stopped(const struct converge *converge, const struct converge_machine *one)
{
	int r = detach_is_ready(converge->runtime, one->name);

	r = r == -ENXIO ? 0 : stop(converge, one->name, true);
	return r < 0 ? r : start(converge, one, manager_start);
}

/* It may be stopped already, or run by somebody else. */
static int restart(const struct converge *converge, const struct converge_machine *one)
{
	int r = write_mark(converge, MANAGER_OWED, one->name, "");

	if (r >= 0)
		r = start(converge, one, manager_restart);
	if (r != -ENXIO)
		return r;
	r = stop(converge, one->name, true);
	return r < 0 ? r : start(converge, one, manager_start);
}

/* ---- the reload command ---- */

/* By a program of its own: who enters may have to run once more, and this one has begun. */
static int run_inside(const struct converge *converge, const char *name, const char *assigned,
		      const struct text_list *words)
{
	struct text_list arguments = { 0 };
	const char *first[] = { "machinectl", "--quiet", assigned, "exec", name, "--" };

	for (size_t i = 0; i < ARRAY_SIZE(first); i++)
		if (first[i] != NULL)
			text_list_add(converge->arena, &arguments,
				      arena_text(converge->arena, first[i]));
	for (size_t i = 0; i < words->count; i++)
		text_list_add(converge->arena, &arguments, words->items[i]);
	return program_run(converge->arena, converge->environment,
			   (const char *const *)arguments.items, 0, converge->quiet);
}

static int reload_by_command(const struct converge *converge, const struct converge_machine *one)
{
	struct text_list words = { 0 };
	int r = text_split_quoted(converge->arena, &words, one->wanted->reload.command);

	if (r < 0 || words.count == 0)
		return fail_input("cannot use the reload command of machine '%s': '%s'", one->name,
				  one->wanted->reload.command);
	r = run_inside(converge, one->name, NULL, &words);
	return r < 0 ? fail_in(r, "cannot reload machine '%s' by '%s'", one->name,
			       one->wanted->reload.command)
		     : 0;
}

/* What it consists of is shown first; then it switches by itself. */
static int reload_system(const struct converge *converge, const struct converge_machine *one)
{
	struct arena *arena = converge->arena;
	struct text_list paths = { 0 }, words = { 0 };
	const char *system;
	int r = prepare_nix_read(arena, &system, &paths, converge->generations->path, one->digest);

	if (r >= 0)
		r = nixos_reload_show(arena, one->machine, &paths);
	if (r < 0)
		return r;
	text_list_add(arena, &words, arena_format(arena, "%s/bin/switch-to-configuration", system));
	text_list_add(arena, &words, arena_text(arena, "test"));
	r = run_inside(converge, one->name, arena_format(arena, "--setenv=PATH=%s/sw/bin", system),
		       &words);
	return r < 0 ? fail_in(r, "cannot switch machine '%s' to '%s'", one->name, system) : 0;
}

static int reload(const struct converge *converge, const struct converge_machine *one)
{
	return one->wanted->reload.command != NULL ? reload_by_command(converge, one)
						   : reload_system(converge, one);
}

/* ---- */

static bool is_live(const struct converge_machine *one)
{
	return one->act == CONVERGE_LIVE ||
	       (one->act == CONVERGE_RELOAD && converge_live_can(&one->changes));
}

/* Addresses, ports, names of interfaces: who changes any may leave them to another one. */
static bool changes_network(const struct converge_machine *one)
{
	for (size_t i = 0; i < one->changes.count; i++)
		if (text_equal(one->changes.changes[i].section, "Network") ||
		    text_after(one->changes.changes[i].section, "X-Network") != NULL)
			return true;
	return one->had == NULL;
}

static bool stops_first(const struct converge_machine *one)
{
	return (one->act == CONVERGE_RESTART || one->act == CONVERGE_RECREATE) &&
	       changes_network(one);
}

bool converge_step_frees(const struct converge_machine *one)
{
	return stops_first(one) || (is_live(one) && converge_live_frees(&one->changes));
}

int converge_step_free(const struct converge *converge, const struct converge_machine *one)
{
	int r;

	if (stops_first(one))
		return stop_to_start(converge, one);
	r = note_change(converge, one);
	return r < 0 ? r
		     : converge_live_free(converge->arena, one->machine, one->had, one->wanted,
					  &one->changes);
}

static int live(const struct converge *converge, const struct converge_machine *one)
{
	return converge_live(converge->arena, one->machine,
			     one->had != NULL ? one->had : one->wanted, one->wanted, &one->changes,
			     one->limits);
}

int converge_step(const struct converge *converge, const struct converge_machine *one)
{
	int r = 0;

	switch (one->act) {
	case CONVERGE_NOTHING:
	case CONVERGE_DEFER: return 0;
	case CONVERGE_STOP: return stop_for_good(converge, one->name);
	case CONVERGE_START: return start_stopped(converge, one);
	case CONVERGE_RESTART:
	case CONVERGE_RECREATE: return restart(converge, one);
	case CONVERGE_RELOAD:
		r = note_change(converge, one);
		if (r >= 0 && converge_live_can(&one->changes))
			r = live(converge, one);
		if (r >= 0)
			r = reload(converge, one);
		break;
	case CONVERGE_LIVE:
		r = note_change(converge, one);
		if (r >= 0)
			r = live(converge, one);
		break;
	case CONVERGE_NOTE: break;
	}
	if (r >= 0 && converge->open && one->from == converge->number)
		r = await_health(converge, one);
	return r < 0 ? r : note(converge, one->machine);
}
