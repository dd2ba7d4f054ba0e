#include "prog/nixos-container/build.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/nixos-child.h"
#include "declare/nixos-profile.h"
#include "declare/nixos-store.h"
#include "io/child.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/resolve.h"
#include "prog/nixos-container/nixos-container.h"

#define COPY_DIRECTORY "etc/nixos"
#define COPY_NAME "configuration.nix"
#define CONFIGURATION_MAX (1024 * 1024)
#define DEFAULT_NIXOS "<nixpkgs/nixos>"

static char *find_program(const struct context *context, const char *name)
{
	return child_find(context->arena, text_variable(context->program.environment, "PATH"),
			  name);
}

static int run(const struct context *context, struct text_list *command)
{
	struct child_request request = {
		.path = command->items[0],
		.arguments = command->items,
		.environment = (char *const *)context->program.environment,
		.stdio = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO },
		.timeout_us = CHILD_FOREVER,
	};
	int r, status;

	r = nixos_child_run(&status, &request);
	if (r == -EINTR)
		return fail_plain(r,
				  "cannot build the system of container '%s': '%s' was ended, as "
				  "somebody asked for that",
				  context->name, path_name(request.path));
	if (r < 0)
		return fail(r, "cannot run '%s'", request.path);
	if (status != 0)
		return fail_plain(-ECHILD, "cannot build the system of container '%s': '%s' failed",
				  context->name, path_name(request.path));
	return 0;
}

static int begin(const struct context *context, struct text_list *command, const char *program)
{
	char *path = find_program(context, program);

	if (path == NULL)
		return fail_plain(-ENOENT,
				  "cannot build the system of container '%s': there is no '%s' in "
				  "$PATH (try --system-path=, or installing nix)",
				  context->name, program);
	text_list_add(context->arena, command, path);
	return 0;
}

static void add(const struct context *context, struct text_list *command, const char *word)
{
	text_list_add(context->arena, command, arena_text(context->arena, word));
}

static void add_all(const struct context *context, struct text_list *command,
		    const struct text_list *words)
{
	for (size_t i = 0; i < words->count; i++)
		text_list_add(context->arena, command, words->items[i]);
}

static void add_nix_options(const struct context *context, struct text_list *command)
{
	add_all(context, command, &context->options.nix);
	add_all(context, command, &context->options.nix_pairs);
}

/* ---- a system that is there ---- */

int build_check(const struct nixos *container, const char *path)
{
	struct stat st;

	if (path_is_absolute(path) && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	return fail_input("cannot use '%s' as the system of container '%s': no directory is there",
			  path, container->name);
}

char *build_place(struct arena *arena, const struct nixos *container)
{
	return arena_format(arena, NIXOS_PROFILES_DIRECTORY "/.#%s", container->name);
}

static const char *result_of(const struct context *context, const struct nixos *container)
{
	return path_join(context->arena, build_place(context->arena, container), "system");
}

static int remove_place(const struct context *context, const struct nixos *container)
{
	const char *place = build_place(context->arena, container);
	int r = dir_remove_all(AT_FDCWD, place);

	return r < 0 ? fail(r, "cannot remove '%s'", place) : 0;
}

/* What a build that was killed has left goes first. */
static int make_place(const struct context *context, const struct nixos *container)
{
	const char *place = build_place(context->arena, container);
	int r = remove_place(context, container);

	if (r >= 0 && mkdir(place, 0700) < 0)
		r = fail(-errno, "cannot make '%s'", place);
	return r;
}

/* The result is a root of the garbage collector until the profile is one. */
static int take_result(const struct context *context, const struct nixos *container)
{
	const char *result = result_of(context, container);
	const char *path = nixos_profile_path(context->arena, result);
	int r = path == NULL ? fail(-ENOENT, "cannot read the link '%s'", result)
			     : nixos_profile_set(context->arena, container->system, path);

	(void)remove_place(context, container);
	return r;
}

/* As nix has it: what a profile leads to is of the store, or no start would follow it. */
static int set_without_nix(const struct context *context, const struct nixos *container,
			   const char *path)
{
	char real[PATH_MAX];
	int r = build_check(container, path);

	if (r >= 0 && realpath(path, real) == NULL)
		r = fail(-errno, "cannot find '%s'", path);
	if (r < 0)
		return r;
	if (!nixos_store_is_path(real))
		return fail_input("cannot use '%s' as the system of container '%s': it is no path "
				  "of the store ('" NIXOS_STORE_DIRECTORY "/NAME')",
				  path, container->name);
	return nixos_profile_set(context->arena, container->system, real);
}

int build_set(const struct context *context, const struct nixos *container, const char *path)
{
	struct text_list command = { 0 };
	int r;

	if (find_program(context, "nix-env") == NULL)
		return set_without_nix(context, container, path);
	r = begin(context, &command, "nix-env");
	add(context, &command, "-p");
	add(context, &command, result_of(context, container));
	add(context, &command, "--set");
	add(context, &command, path);
	if (r >= 0)
		r = make_place(context, container);
	if (r >= 0)
		r = run(context, &command);
	return r < 0 ? r : take_result(context, container);
}

/* ---- a flake ---- */

static int build_flake(const struct context *context, const struct nixos *container,
		       const char *flake)
{
	struct text_list command = { 0 };
	int r = begin(context, &command, "nix");

	if (r < 0)
		return r;
	add(context, &command, "build");
	add(context, &command, "-o");
	add(context, &command, result_of(context, container));
	add_nix_options(context, &command);
	add(context, &command, "--");
	add(context, &command,
	    arena_format(context->arena,
			 "%s#nixosConfigurations.\"%s\".config.system.build.toplevel", flake,
			 context->options.attribute));
	r = make_place(context, container);
	if (r >= 0)
		r = run(context, &command);
	return r < 0 ? r : take_result(context, container);
}

/* ---- a configuration ---- */

/* A file's path as nix reads it: blanks and other characters are none of a bare path. */
static char *quoted(struct arena *arena, const char *path)
{
	char *text = arena_take(arena, 2 * strlen(path) + 3), *to = text;

	*to++ = '"';
	for (; *path != '\0'; path++) {
		if (strchr("\"\\$", *path) != NULL)
			*to++ = '\\';
		*to++ = *path;
	}
	*to = '"';
	return text;
}

static const char *copy_path(const struct context *context, const struct nixos *container)
{
	return arena_format(context->arena, "%s/" COPY_DIRECTORY "/" COPY_NAME, container->root);
}

/* The file is read at each build, so that whoever can change it can have anything evaluated. */
static int find_imported(const struct context *context, const struct nixos *container, char **ret)
{
	const char *file = context->options.config_file;
	char path[PATH_MAX], root[PATH_MAX];

	if (realpath(file, path) == NULL)
		return fail(-errno, "cannot find the configuration '%s'", file);
	if (path_is_below(path, container->root) ||
	    (realpath(container->root, root) != NULL && path_is_below(path, root)))
		return fail_plain(-EPERM,
				  "cannot build container '%s' of '%s': it lies in its tree, which "
				  "it may change itself (look at it, and copy it to elsewhere)",
				  context->name, file);
	*ret = arena_text(context->arena, path);
	return 0;
}

static int configuration(const struct context *context, const struct nixos *container, char **ret)
{
	const struct options *options = &context->options;
	struct arena *arena = context->arena;
	const char *what = options->config == NULL ? "" : options->config;
	char *path;
	int r;

	if (options->config_file != NULL) {
		r = find_imported(context, container, &path);
		if (r < 0)
			return r;
		what = arena_format(arena, "imports = [ %s ];", quoted(arena, path));
	}
	*ret = arena_format(arena,
			    "{ config, lib, pkgs, ... }:\n\n"
			    "with lib;\n\n"
			    "{ boot.isContainer = true;\n"
			    "  networking.hostName = mkDefault \"%s\";\n"
			    "  networking.useDHCP = false;\n"
			    "  %s\n"
			    "}\n",
			    context->name, what);
	return 0;
}

/* What the host builds of. It may evaluate what it says with the rights of root. */
static int write_own(const struct context *context, const struct nixos *container, const char *text)
{
	const char *directory = path_parent(context->arena, container->configuration);
	autoclose int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno
		       : file_replace(fd, path_name(container->configuration), text, strlen(text),
				      0600);

	return r < 0 ? fail(r, "cannot write '%s'", container->configuration) : 0;
}

/* A copy for who looks there, and for the guest's own tools. The tree may be a guest's, with links
 * in it. */
static int write_copy(const struct context *context, const struct nixos *container,
		      const char *text)
{
	autoclose int root = -EBADF, directory = -EBADF;
	int r = dir_make_all(container->root, 0755);

	if (r >= 0) {
		root = open(container->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
		r = root < 0 ? -errno : 0;
	}
	if (r >= 0)
		r = directory = resolve_make_dir(root, COPY_DIRECTORY, 0755, NULL);
	if (r >= 0) {
		fd_close(&directory);
		r = directory = resolve_open(root, COPY_DIRECTORY, O_RDONLY | O_DIRECTORY);
	}
	if (r >= 0)
		r = file_replace(directory, COPY_NAME, text, strlen(text), 0644);
	return r < 0 ? fail(r, "cannot write '%s'", copy_path(context, container)) : 0;
}

static int write_configuration(const struct context *context, const struct nixos *container)
{
	char *text;
	int r = configuration(context, container, &text);

	if (r >= 0)
		r = write_own(context, container, text);
	return r < 0 ? r : write_copy(context, container, text);
}

static int open_copy(const struct nixos *container)
{
	autoclose int root = open(container->root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return root < 0 ? -errno : resolve_open_file(root, COPY_DIRECTORY "/" COPY_NAME);
}

/* Who changes the copy, as the original wants it, learns that it is none but that. */
static void tell_differing(const struct context *context, const struct nixos *container)
{
	autoclose int fd = open_copy(container);
	char *own, *copy;
	size_t own_size, copy_size;

	if (fd < 0 || file_read(context->arena, &own, &own_size, AT_FDCWD, container->configuration,
				CONFIGURATION_MAX) < 0)
		return;
	if (file_read_fd(context->arena, &copy, &copy_size, fd, CONFIGURATION_MAX) < 0 ||
	    own_size != copy_size || memcmp(own, copy, own_size) != 0)
		log_notice("building '%s'; '%s' is another text, which counts for nothing",
			   container->configuration, copy_path(context, container));
}

static int build_configuration(const struct context *context, const struct nixos *container)
{
	const struct options *options = &context->options;
	struct arena *arena = context->arena;
	struct text_list command = { 0 };
	int r = begin(context, &command, "nix-env");

	if (r < 0)
		return r;
	add(context, &command, "-p");
	add(context, &command, result_of(context, container));
	add(context, &command, "-I");
	text_list_add(arena, &command,
		      arena_format(arena, "nixos-config=%s", container->configuration));
	add(context, &command, "-f");
	add(context, &command, options->nixos_path == NULL ? DEFAULT_NIXOS : options->nixos_path);
	add(context, &command, "--set");
	add(context, &command, "-A");
	add(context, &command, "system");
	add_nix_options(context, &command);
	r = make_place(context, container);
	if (r >= 0)
		r = run(context, &command);
	return r < 0 ? r : take_result(context, container);
}

static bool is_configured(const struct options *options)
{
	return !text_empty(options->config) || !text_empty(options->config_file);
}

/* ---- all of them ---- */

/* What is in the tree may be of whoever runs in there, and is not evaluated. */
static int check_own(const struct context *context, const struct nixos *container)
{
	int r = access(container->configuration, F_OK) < 0 ? -errno : 0;
	autoclose int copy = r == -ENOENT ? open_copy(container) : -EBADF;

	if (r == 0)
		return 0;
	if (copy >= 0)
		return fail_plain(
			r,
			"cannot build the system of container '%s': there is no '%s', and "
			"'%s' is the container's own to change, so that it is not built "
			"(look at it, and copy it to the former; or try --config=)",
			container->name, container->configuration, copy_path(context, container));
	return fail(r,
		    "cannot build the system of container '%s': it has no flake, and no '%s' (try "
		    "--config=, --flake= or 'switch %s PATH')",
		    container->name, container->configuration, container->name);
}

static int build_configured(const struct context *context, const struct nixos *container,
			    bool created)
{
	int r;

	/* Others' changes of the file stay unless there is something to replace them. */
	if (is_configured(&context->options) ||
	    (created && access(container->configuration, F_OK) < 0)) {
		r = write_configuration(context, container);
	} else {
		r = check_own(context, container);
		if (r >= 0)
			tell_differing(context, container);
	}
	return r < 0 ? r : build_configuration(context, container);
}

static int build_any(const struct context *context, const struct nixos *container, bool created)
{
	const struct options *options = &context->options;
	const char *flake = nixos_conf_value(&container->conf, NIXOS_CONF_FLAKE);

	if (options->flake != NULL)
		return build_flake(context, container, options->flake);
	if (options->system_path != NULL)
		return build_set(context, container, options->system_path);
	if (flake != NULL && options->config == NULL && options->config_file == NULL)
		return build_flake(context, container, flake);
	return build_configured(context, container, created);
}

int build(const struct context *context, const struct nixos *container, bool created)
{
	int r = build_any(context, container, created);
	struct failure why = *fail_recorded();

	if (r < 0) {
		(void)remove_place(context, container);
		fail_adopt(&why);
	}
	return r;
}

int build_make_places(const struct context *context, const struct nixos *container)
{
	const struct {
		const char *path;
		mode_t mode;
	} places[] = {
		{ path_parent(context->arena, NIXOS_PROFILES_DIRECTORY), 0755 },
		/* Users of the host stay away from what a guest's of the same number left there. */
		{ NIXOS_PROFILES_DIRECTORY, 0700 },
		{ container->profiles, 0755 },
		{ path_parent(context->arena, NIXOS_GCROOTS_DIRECTORY), 0755 },
		{ NIXOS_GCROOTS_DIRECTORY, 0755 },
		{ container->gcroots, 0755 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		int r = dir_make_all(places[i].path, places[i].mode);

		if (r < 0)
			return fail(r, "cannot make '%s'", places[i].path);
	}
	return 0;
}
