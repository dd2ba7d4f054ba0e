/* redd-generator - units of systemd for what is declared in files of ours.
 *
 *     redd-generator NORMAL EARLY LATE
 *
 * systemd runs it at boot and whenever it looks at its units again, before any of them runs
 * (systemd.generator(7)). For each NixOS container it writes container@NAME.service into NORMAL;
 * one that the host's configuration has in /etc goes before it, and so does a machine of its name
 * that was applied. For each machine whose definition was applied it writes a drop-in of that unit,
 * with what the definition says of it. What cannot be read costs its own unit and no other's. A
 * user's systemd runs it as the user, for the user's machines.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/names.h"
#include "base/path.h"
#include "base/text.h"
#include "cli/program.h"
#include "declare/nixos-unit.h"
#include "declare/nixos.h"
#include "declare/unit.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "io/settings.h"
#include "machine/manager-kinds.h"

static int link_from(struct arena *arena, int directory, const char *wants, const char *unit,
		     const char *target)
{
	const char *link = arena_format(arena, "%s/%s", wants, unit);

	if (mkdirat(directory, wants, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (symlinkat(arena_format(arena, "../%s", target), directory, link) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

/* The target of old and that of distributions, whichever is started. */
static int link_at_boot(struct arena *arena, int directory, const char *unit, const char *target)
{
	int r;

	if (geteuid() != 0)
		return link_from(arena, directory, "default.target.wants", unit, target);
	r = link_from(arena, directory, "machines.target.wants", unit, target);
	return r < 0 ? r : link_from(arena, directory, "multi-user.target.wants", unit, target);
}

static int write_one(struct arena *arena, int directory, const char *name)
{
	static const struct nixos_unit_places places = { manager_program_directory,
							 manager_helper_directory };
	const char *unit = arena_format(arena, "container@%s.service", name);
	struct settings companion;
	struct nixos nixos;
	const char *text;
	int r = nixos_find(arena, &nixos, name);

	if (r >= 0)
		r = nixos_refuse_applied(arena, &nixos, "start");
	if (r >= 0)
		r = nixos_companion(arena, &companion, &nixos);
	if (r < 0)
		return r;
	text = nixos_unit_text(arena, &nixos, &companion, &places);
	r = file_replace(directory, unit, text, strlen(text), 0644);
	if (r >= 0 && nixos_unit_starts_at_boot(arena, &nixos, &companion))
		r = link_at_boot(arena, directory, unit, unit);
	return r < 0 ? fail(r, "cannot write the unit '%s'", unit) : 0;
}

/* ---- what was applied ---- */

static int write_drop_in(struct arena *arena, int directory, const char *unit, const char *text)
{
	const char *name = arena_format(arena, "%s.d", unit);
	autoclose int fd = -EBADF;

	if (mkdirat(directory, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : file_replace(fd, "50-redd.conf", text, strlen(text), 0644);
}

static int write_declared(struct arena *arena, int directory, const char *name)
{
	const char *const *environment = (const char *const *)environ;
	const char *unit = arena_format(arena, "container@%s.service", name), *text;
	struct settings settings;
	struct settings_part *file;
	int r = settings_read(arena, &settings, geteuid(), environment, name);

	if (r <= 0 || !settings.applied)
		return r < 0 ? fail(r, "cannot use '%s'", settings.blame) : 0;
	file = &settings.parts[0];
	text = unit_drop_in(arena, file->text, file->size, file->path, manager_program_directory);
	if (text != NULL)
		r = write_drop_in(arena, directory, unit, text);
	if (r >= 0 && unit_starts_at_boot(arena, file->text, file->size))
		r = link_at_boot(arena, directory, unit, "container@.service");
	return r < 0 ? fail(r, "cannot write the drop-in of '%s'", unit) : 0;
}

struct listing {
	struct arena *arena;
	struct text_list *names;
};

static int visit(int dir_fd, const char *file, unsigned char type, void *context)
{
	struct listing *listing = context;
	char *name = arena_text(listing->arena, file);

	(void)dir_fd;
	if (type != DT_REG || !text_ends(name, ".nspawn"))
		return 0;
	name[strlen(name) - strlen(".nspawn")] = '\0';
	if (name_is_machine(name))
		text_list_add(listing->arena, listing->names, name);
	return 0;
}

static int list_declared(struct arena *arena, struct text_list *ret)
{
	const char *state = settings_state(arena, geteuid(), getenv("HOME"));
	const char *path = state == NULL ? "" : path_join(arena, state, "current/files");
	autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct listing listing = { arena, ret };
	int r = fd < 0 ? -errno : dir_walk(fd, visit, &listing);

	return r == -ENOENT ? 0 : r < 0 ? fail(r, "cannot read '%s'", path) : 0;
}

/* ---- what cannot be seen yet ---- */

#define LATER "redd-declared.service"

/* Where /var is a file system of its own, systemd asks before it is mounted: it has to look again,
 * and to start what is wanted, once that is there. One command: the unit is gone then. */
static int write_later(struct arena *arena, int directory)
{
	const char *state = geteuid() == 0 ? settings_state(arena, 0, NULL) : NULL, *text;
	int r;

	if (state == NULL || access(state, F_OK) == 0 || errno != ENOENT)
		return 0;
	text = arena_format(arena,
			    "[Unit]\n"
			    "Description=Machines that were applied, where %s is mounted late\n"
			    "RequiresMountsFor=%s\n"
			    "ConditionPathExists=%s/current\n\n"
			    "[Service]\n"
			    "Type=oneshot\n"
			    "ExecStart=sh -c 'systemctl daemon-reload; "
			    "systemctl --no-block start machines.target'\n",
			    state, state, state);
	r = file_replace(directory, LATER, text, strlen(text), 0644);
	if (r >= 0)
		r = link_from(arena, directory, "multi-user.target.wants", LATER, LATER);
	return r < 0 ? fail(r, "cannot write the unit '" LATER "'") : 0;
}

/* ---- */

typedef int write_fn(struct arena *arena, int directory, const char *name);

/* The exit status that R means; its sentence is told. */
static int told(int r)
{
	if (r >= 0)
		return EXIT_SUCCESS;
	log_error("%s", fail_recorded()->text);
	fail_forget();
	return EXIT_FAILURE;
}

static int write_all(struct arena *arena, int directory, const struct text_list *names,
		     write_fn *write)
{
	int failed = EXIT_SUCCESS;

	for (size_t i = 0; i < names->count; i++) {
		int r = write(arena, directory, names->items[i]);

		failed |= told(r == -ENOENT ? 0 : r);
	}
	return failed;
}

static int run(struct arena *arena, int argc, char **argv)
{
	struct text_list names = { 0 }, declared = { 0 };
	autoclose int directory = -EBADF;
	int failed;

	if (argc != 4)
		return fail_input("cannot do that: this is for systemd (see systemd.generator(7))");
	directory = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return fail(-errno, "cannot open '%s'", argv[1]);
	/* What is wrong with one kind is none of the other's business. */
	failed = geteuid() == 0 ? told(nixos_list(arena, &names)) : 0;
	failed |= told(list_declared(arena, &declared));
	failed |= write_all(arena, directory, &names, write_one);
	failed |= write_all(arena, directory, &declared, write_declared);
	failed |= told(write_later(arena, directory));
	return failed;
}

int main(int argc, char **argv)
{
	autoarena struct arena arena = { 0 };

	umask(0022);
	return program_end(run(&arena, argc, argv));
}
