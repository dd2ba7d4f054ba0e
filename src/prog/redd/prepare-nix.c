#include "prog/redd/prepare-nix.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/definition.h"
#include "declare/generation.h"
#include "declare/nixos-arguments.h"
#include "declare/nixos-host.h"
#include "declare/nixos-profile.h"
#include "declare/nixos-store.h"
#include "declare/nixos.h"
#include "format/ini.h"
#include "image/skeleton.h"
#include "image/store.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "io/settings.h"
#include "prog/redd/prepare.h"
#include "prog/redd/sum.h"
#include "spec/settings.h"

#define ROOT "nix" /* in roots/NAME: no digest is called so */

/* Of names in the store, by nix's own rule: so nothing of a line needs an escape. */
#define NAME_LETTERS                                           \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" \
	"0123456789+-._?="

bool prepare_nix_is(const struct definition *definition)
{
	return definition->image.source == IMAGE_NIX ||
	       definition->image.source == IMAGE_NIX_PROFILE;
}

static bool is_store_path(const char *path)
{
	const char *name = path_name(path);

	return nixos_store_is_path(path) && strspn(name, NAME_LETTERS) == strlen(name);
}

int prepare_nix_check(const struct definition *definition)
{
	const struct definition_image *image = &definition->image;

	if (image->source == IMAGE_NIX && !is_store_path(image->ref))
		return fail_input("cannot use 'Source=%s' of machine '%s': a system is one path, "
				  "as in '" NIXOS_STORE_DIRECTORY "/HASH-nixos-system-…'",
				  image->source_text, definition->name);
	if (image->digest.text[0] != '\0')
		return fail_input("cannot use 'Digest=' of machine '%s': the path of a system "
				  "tells what it is (leave it out)",
				  definition->name);
	if (geteuid() != 0)
		return fail_plain(-EPERM,
				  "cannot use 'Source=%s' of machine '%s' without root: the "
				  "host's store is shown with other owners, and kept from nix's "
				  "collector",
				  image->source_text, definition->name);
	return 0;
}

/* ---- which system ---- */

/* What a profile led to when it was applied stays, until somebody asks. */
static bool must_look(const struct prepare *prepare, const struct definition *definition,
		      const struct generation_machine *older)
{
	if (definition->image.source == IMAGE_NIX || older == NULL ||
	    !text_equal(older->source, definition->image.source_text))
		return true;
	if (definition->image.update == UPDATE_NEVER)
		return false;
	return definition->image.update == UPDATE_DIGEST || prepare->update;
}

static int find_system(struct prepare *prepare, const char **ret,
		       const struct definition *definition, const struct generation_machine *older)
{
	const struct definition_image *image = &definition->image;
	struct text_list paths = { 0 };
	const char *path = image->ref;

	if (!must_look(prepare, definition, older))
		return prepare_nix_read(prepare->arena, ret, &paths, prepare->path, older->digest);
	if (image->source == IMAGE_NIX_PROFILE)
		path = nixos_profile_path(prepare->arena, image->ref);
	if (path == NULL || !is_store_path(path))
		return fail_plain(-ENOENT,
				  "cannot use 'Source=%s' of machine '%s': the profile leads to no "
				  "system in " NIXOS_STORE_DIRECTORY,
				  image->source_text, definition->name);
	*ret = path;
	return 0;
}

int prepare_nix_forecast(struct prepare *prepare, const char **ret,
			 const struct definition *definition,
			 const struct generation_machine *older)
{
	return must_look(prepare, definition, older) ? find_system(prepare, ret, definition, older)
						     : 0;
}

/* ---- kept from nix's collector ---- */

static int keep_from_nix(const char *system)
{
	const char *name = path_name(system);
	autoclose int fd = -EBADF;
	int r = dir_make_all(PREPARE_NIX_GCROOTS, 0755);

	if (r >= 0)
		r = fd = open(PREPARE_NIX_GCROOTS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r >= 0 && symlinkat(system, fd, name) < 0 && errno != EEXIST)
		r = -errno;
	if (r >= 0 && fsync(fd) < 0)
		r = -errno;
	return r < 0 ? fail(r, "cannot make '" PREPARE_NIX_GCROOTS "/%s'", name) : 0;
}

struct collecting {
	struct prepare *prepare;
	struct text_list systems; /* names in the store */
};

static int add_kept(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct collecting *collecting = context;
	struct arena *arena = collecting->prepare->arena;
	struct text_list paths = { 0 };
	const char *system, *digest;

	(void)dir_fd;
	(void)type;
	if (!text_ends(name, STORE_SYSTEM_SUFFIX))
		return 0;
	digest = arena_format(arena, "sha256:%.*s",
			      (int)(strlen(name) - strlen(STORE_SYSTEM_SUFFIX)), name);
	if (prepare_nix_read(arena, &system, &paths, collecting->prepare->path, digest) < 0)
		return -EBADMSG;
	text_list_add(arena, &collecting->systems, arena_text(arena, path_name(system)));
	return 0;
}

static int drop_root(int dir_fd, const char *name, unsigned char type, void *context)
{
	const struct collecting *collecting = context;

	if (type != DT_LNK || text_list_has(&collecting->systems, name))
		return 0;
	return unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int prepare_nix_collect(struct prepare *prepare)
{
	struct collecting collecting = { .prepare = prepare };
	autoclose int roots = open(PREPARE_NIX_GCROOTS,
				   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (geteuid() != 0 || (roots < 0 && errno == ENOENT))
		return 0;
	if (roots < 0)
		return fail(-errno, "cannot open '" PREPARE_NIX_GCROOTS "'");
	r = dir_walk(prepare->trees_fd, add_kept, &collecting);
	if (r == -EBADMSG) {
		log_warning("%s: nothing is given back to nix", fail_recorded()->text);
		fail_forget();
		return 0;
	}
	if (r >= 0)
		r = dir_walk(roots, drop_root, &collecting);
	return r < 0 ? fail(r, "cannot give back to nix what nobody needs") : 0;
}

/* ---- how it is shown ---- */

/* "--bind-ro=/nix/store" as the line of the same meaning. */
static void add_line(struct arena *arena, struct text_list *lines, const char *option)
{
	const char *name = text_after(option, "--");
	size_t length = strcspn(name, "=");
	bool ambiguous;
	const char *key = setting_by_option(name, length, &ambiguous)->key;
	const char *dot = strchr(key, '.');

	text_list_add(arena, lines,
		      arena_format(arena, "[%.*s]\n%s=%s\n", (int)(dot - key), key, dot + 1,
				   name + length + 1));
}

/* With user ids of its own, which the host's files are shown with. */
static bool is_shifted(const struct definition *definition)
{
	const struct spec *spec = definition->spec;

	return spec->userns == USERNS_UNSET || spec->userns == USERNS_PICK ||
	       (spec->userns == USERNS_FIXED && spec->uid_base > 0);
}

static int describe(struct prepare *prepare, const char **ret, const struct definition *definition,
		    const char *system)
{
	struct arena *arena = prepare->arena;
	struct text_list options = { 0 }, lines = { 0 };
	struct nixos_store store = { .daemon = definition->nix.daemon };
	struct nixos_host host;
	struct nixos nixos;
	const char *text = "[Exec]\nBoot=yes\n";
	int r = nixos_new(arena, &nixos, definition->name);

	if (r < 0)
		return r;
	nixos.conf.values[NIXOS_CONF_SYSTEM_PATH] = system;
	store.kind = definition->nix.store == NIX_STORE_CLOSURE ? NIXOS_STORE_CLOSURE
		     : definition->nix.store == NIX_STORE_FULL	? NIXOS_STORE_FULL
								: NIXOS_STORE_OFF;
	r = nixos_host_check_system(arena, &nixos);
	if (r >= 0)
		r = nixos_store_fill(arena, &store, &nixos, prepare->environment);
	if (r >= 0)
		r = nixos_host_look(arena, &host, &nixos);
	if (r >= 0 && (store.database || store.daemon))
		r = nixos_host_make_directories(&nixos);
	if (r >= 0)
		r = nixos_arguments_system(arena, &options, &nixos, &store, &host,
					   is_shifted(definition));
	for (size_t i = 0; i < options.count && r >= 0; i++)
		add_line(arena, &lines, options.items[i]);
	for (size_t i = 0; i < lines.count; i++)
		text = arena_format(arena, "%s%s", text, lines.items[i]);
	*ret = text;
	return r;
}

int prepare_nix_read(struct arena *arena, const char **ret_system, struct text_list *ret_paths,
		     const char *path, const char *digest)
{
	const char *hex = store_digest_name(digest), *system = NULL;
	struct ini_item item;
	struct ini ini;
	char *text;
	size_t size;
	int r;

	path = arena_format(arena, "%s/" STORE_TREES "/%s" STORE_SYSTEM_SUFFIX, path,
			    hex != NULL ? hex : "");
	r = file_read(arena, &text, &size, AT_FDCWD, path, SETTINGS_SIZE_MAX);
	if (r >= 0)
		r = ini_start(&ini, arena, text, size);
	if (r < 0)
		return fail(r, "cannot read how a system is shown ('%s')", path);
	while (ini_next(&ini, &item) > 0) {
		char *value;

		if (item.kind != INI_ASSIGNMENT)
			continue;
		value = arena_text_n(arena, item.value, strcspn(item.value, ":"));
		if (text_equal(item.key, "Init"))
			system = path_parent(arena, value);
		else if (text_equal(item.key, "BindReadOnly") && is_store_path(value))
			text_list_add(arena, ret_paths, value);
	}
	if (system == NULL)
		return fail_plain(-EBADMSG, "cannot use '%s': it names no system", path);
	*ret_system = system;
	return 0;
}

/* ---- */

static int make_trees(struct prepare *prepare, struct generation_machine *ret,
		      const struct definition *definition, const char *hex)
{
	struct arena *arena = prepare->arena;
	const char *place = definition->image.root == ROOT_EPHEMERAL
				    ? arena_format(arena, STORE_TREES "/%s", hex)
				    : arena_format(arena, STORE_ROOTS "/%s/" ROOT,
						   definition->name);
	const char *tree = path_join(arena, prepare->path, place);
	int r = dir_make_all(path_parent(arena, tree), 0700);

	ret->file = definition->name;
	ret->target = arena_format(arena, "../../../%s", place);
	if (r < 0)
		return fail(r, "cannot make '%s'", path_parent(arena, tree));
	/* What runs from it has made it whole. */
	return access(tree, F_OK) == 0 ? 0 : skeleton_make(tree, true);
}

int prepare_nix_image(struct prepare *prepare, struct generation_machine *ret,
		      const struct definition *definition, const struct generation_machine *older)
{
	const char *system, *text, *hex;
	int r = find_system(prepare, &system, definition, older);

	if (r >= 0)
		r = keep_from_nix(system);
	if (r >= 0)
		r = describe(prepare, &text, definition, system);
	if (r >= 0)
		r = sum_text(prepare->arena, &ret->digest, text);
	if (r < 0)
		return r;
	hex = store_digest_name(ret->digest);
	r = file_replace(prepare->trees_fd,
			 arena_format(prepare->arena, "%s" STORE_SYSTEM_SUFFIX, hex), text,
			 strlen(text), 0600);
	if (r < 0)
		return fail(r, "cannot write how the system of machine '%s' is shown",
			    definition->name);
	return make_trees(prepare, ret, definition, hex);
}
