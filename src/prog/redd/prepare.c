#include "prog/redd/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/definition.h"
#include "declare/generation.h"
#include "image/store.h"
#include "io/fd.h"
#include "prog/redd/prepare-digest.h"
#include "prog/redd/prepare-fetch.h"
#include "prog/redd/prepare-nix.h"
#include "prog/redd/prepare-registry.h"
#include "prog/redd/prepare-root.h"
#include "prog/redd/prepare-store.h"
#include "prog/redd/program.h"

static int clean_trees(struct prepare *prepare)
{
	return prepare_store_clean(prepare, prepare->trees_fd,
				   path_join(prepare->arena, prepare->path, STORE_TREES));
}

int prepare_open(struct prepare *prepare)
{
	uint64_t random;
	int r;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return fail(-EIO, "cannot make a name for what is fetched");
	prepare->growing = arena_format(prepare->arena, PREPARE_GROWING "-%016" PRIx64, random);
	prepare->trees_fd = prepare_store_room(
		path_join(prepare->arena, prepare->path, STORE_TREES));
	if (prepare->trees_fd < 0)
		return prepare->trees_fd;
	prepare->roots_fd = prepare_store_room(
		path_join(prepare->arena, prepare->path, STORE_ROOTS));
	if (prepare->roots_fd < 0)
		return prepare->roots_fd;
	r = clean_trees(prepare);
	return r < 0 ? r : prepare_nix_collect(prepare);
}

void prepare_look(struct prepare *prepare)
{
	prepare->trees_fd = open(path_join(prepare->arena, prepare->path, STORE_TREES),
				 O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void prepare_done(struct prepare *prepare)
{
	fd_close(&prepare->trees_fd);
	fd_close(&prepare->roots_fd);
}

/* ---- which one it is ---- */

static int refuse_other(const struct definition *definition, const char *digest)
{
	return fail_plain(-EBADMSG,
			  "cannot use the image of machine '%s': '%s' is '%s', and not '%s' as "
			  "Digest= says",
			  definition->name, definition->image.source_text, digest,
			  prepare_digest_wanted(definition));
}

static int name_beside(struct prepare *prepare, const char *hex, const char *suffix)
{
	struct arena *arena = prepare->arena;
	int fd = prepare->trees_fd;

	return renameat(fd, arena_format(arena, "%s%s", prepare->growing, suffix), fd,
			arena_format(arena, "%s%s", hex, suffix)) < 0 &&
			       errno != ENOENT
		       ? -errno
		       : 0;
}

static int give_name(struct prepare *prepare, const char *form, const char *hex)
{
	struct arena *arena = prepare->arena;
	const char *name = arena_format(arena, "%s%s", hex, form);
	/* A search for who holds layers would miss it under both names. */
	autoclose int kept = store_keep(arena, prepare->scope);

	if (kept < 0 && kept != -ENOENT)
		return kept;
	/* What an OCI image says of how it is run goes first: what has its name is whole. */
	if (name_beside(prepare, hex, ".nspawn") < 0 ||
	    name_beside(prepare, hex, PREPARE_MANIFEST) < 0 ||
	    renameat(prepare->trees_fd, arena_format(arena, "%s%s", prepare->growing, form),
		     prepare->trees_fd, name) < 0)
		return fail(-errno, "cannot give the image '%s/" STORE_TREES "/%s' its name",
			    prepare->path, name);
	return fsync(prepare->trees_fd) < 0 ? fail(-errno, "cannot write '%s'", prepare->path) : 0;
}

static int fetch_new(struct prepare *prepare, const char **ret, const struct definition *definition,
		     const char *early)
{
	const char *form, *digest = early;
	/* One that was there already is still called so, in another form maybe. */
	int r = clean_trees(prepare);

	if (r >= 0)
		r = prepare_fetch(prepare, definition, early);
	if (r >= 0 && definition->image.source == IMAGE_OCI)
		r = prepare_registry_note(prepare, definition);
	if (r < 0)
		return fail_in(r, "cannot fetch the image of machine '%s'", definition->name);
	form = prepare_store_form(prepare->arena, prepare->trees_fd, prepare->growing);
	if (form == NULL)
		return fail_plain(-EIO, "cannot find what was fetched of '%s'",
				  definition->image.source_text);
	/* The copy decides: a directory may change while it is read. */
	if (early == NULL || definition->image.source == IMAGE_DIR) {
		r = prepare_digest_grown(prepare, &digest, form);
		if (r < 0)
			return r;
	}
	if (prepare_digest_differs(definition, digest))
		return refuse_other(definition, digest);
	*ret = digest;
	/* The other one stays "growing", and goes. */
	if (prepare_store_form(prepare->arena, prepare->trees_fd, prepare_store_hex(digest)) !=
	    NULL)
		return name_beside(prepare, prepare_store_hex(digest), PREPARE_MANIFEST);
	prepare->fetched = true;
	return give_name(prepare, form, prepare_store_hex(digest));
}

/* Of an image that is asked for by its digest, another one may be. */
static bool asks_for_other(struct prepare *prepare, const struct definition *definition,
			   const struct generation_machine *older)
{
	struct definition_items items = { 0 };
	const char *had = NULL;

	definition_add_text(prepare->arena, &items, older->text, older->size, older->name);
	for (size_t i = 0; i < items.count; i++)
		if (text_equal(items.items[i].section, "X-Image") &&
		    text_equal(items.items[i].key, "Digest"))
			had = items.items[i].value;
	return !text_equal(had, prepare_digest_wanted(definition));
}

static bool must_look(struct prepare *prepare, const struct definition *definition,
		      const struct generation_machine *older)
{
	if (older == NULL || !text_equal(older->source, definition->image.source_text) ||
	    prepare_store_hex(older->digest) == NULL ||
	    prepare_store_form(prepare->arena, prepare->trees_fd,
			       prepare_store_hex(older->digest)) == NULL)
		return true;
	if (prepare_digest_is_asked(definition) && prepare_digest_wanted(definition) != NULL)
		return asks_for_other(prepare, definition, older);
	if (definition->image.update == UPDATE_NEVER)
		return false;
	return definition->image.update == UPDATE_DIGEST || prepare->update;
}

/* The digest of the tree that the store has then. */
static int settle(struct prepare *prepare, const char **ret, const struct definition *definition,
		  const struct generation_machine *older)
{
	const char *early;
	int r;

	if (!must_look(prepare, definition, older)) {
		*ret = older->digest;
		return prepare_digest_differs(definition, older->digest)
			       ? refuse_other(definition, *ret)
			       : 0;
	}
	r = prepare_digest_early(prepare, &early, definition);
	if (r < 0)
		return fail_in(r, "cannot look at the image of machine '%s'", definition->name);
	if (early != NULL && prepare_digest_differs(definition, early))
		return refuse_other(definition, early);
	if (early != NULL && prepare_store_form(prepare->arena, prepare->trees_fd,
						prepare_store_hex(early)) != NULL) {
		*ret = early;
		return 0;
	}
	return fetch_new(prepare, ret, definition, early);
}

const char *prepare_question(struct prepare *prepare, const struct definition *definition,
			     const struct generation_machine *older)
{
	if (definition->image.source != IMAGE_OCI || !must_look(prepare, definition, older))
		return NULL;
	return prepare_fetch_reference(prepare, definition);
}

static void forecast_registry(struct prepare *prepare, struct prepare_forecast *ret,
			      const struct generation_machine *older, const char *question)
{
	const char *had = prepare_registry_noted(prepare->arena, prepare->path, older->digest);
	const struct prepare_registry_answer *answer =
		prepare->answers != NULL ? prepare_registry_find(prepare->answers, question) : NULL;

	ret->known = false;
	if (answer == NULL || answer->manifest == NULL)
		ret->why = answer != NULL ? answer->why : NULL;
	else if (had == NULL)
		ret->why = "as what it was fetched was not noted then";
	else
		ret->known = true;
	if (ret->known && !text_equal(had, answer->manifest))
		ret->name = answer->manifest;
}

int prepare_forecast(struct prepare *prepare, struct prepare_forecast *ret,
		     const struct definition *definition, const struct generation_machine *older)
{
	const char *question;
	int r;

	*ret = (struct prepare_forecast){ .known = true };
	if (prepare_nix_is(definition))
		return prepare_nix_forecast(prepare, &ret->name, definition, older);
	if (definition->image.root == ROOT_DIRECT || !must_look(prepare, definition, older))
		return 0;
	question = prepare_question(prepare, definition, older);
	if (question != NULL) {
		forecast_registry(prepare, ret, older, question);
		return 0;
	}
	r = prepare_digest_early(prepare, &ret->name, definition);
	ret->known = ret->name != NULL;
	return r < 0 ? fail_in(r, "cannot look at the image of machine '%s'", definition->name) : 0;
}

/* ---- */

/* A signature is looked at where a file is downloaded; elsewhere, and where Digest= takes its
 * place, nobody would. */
static int check_signature(const struct definition *definition)
{
	const struct definition_image *image = &definition->image;

	if (image->verify != VERIFY_SIGNATURE)
		return 0;
	if ((image->source != IMAGE_TAR && image->source != IMAGE_RAW) ||
	    !prepare_fetch_is_url(image->ref))
		return fail_input("cannot use 'Verify=signature' of machine '%s': only a tar: or "
				  "raw: with an URL has a signature (give Digest=)",
				  definition->name);
	if (prepare_digest_wanted(definition) != NULL)
		return fail_input(
			"cannot use 'Verify=signature' of machine '%s' with Digest=, which "
			"takes its place (leave one of them out)",
			definition->name);
	return 0;
}

int prepare_check(const struct definition *definition)
{
	if (definition->image.source == IMAGE_UNSET)
		return fail_input("cannot make the root of machine '%s': give [X-Image] Source= in "
				  "'%s'",
				  definition->name, definition->path);
	if (definition->image.root == ROOT_DIRECT && definition->image.source != IMAGE_DIR &&
	    definition->image.source != IMAGE_RAW)
		return fail_input("cannot use 'Root=direct' of machine '%s': that is for "
				  "Source=dir: and Source=raw: of this host",
				  definition->name);
	if (prepare_nix_is(definition))
		return prepare_nix_check(definition);
	if (prepare_digest_wanted(definition) != NULL &&
	    prepare_store_hex(prepare_digest_wanted(definition)) == NULL)
		return fail_input("cannot use 'Digest=%s' of machine '%s': give a sha256:… one",
				  prepare_digest_wanted(definition), definition->name);
	return check_signature(definition);
}

int prepare_image(struct prepare *prepare, struct generation_machine *ret,
		  const struct definition *definition, const struct generation_machine *older)
{
	int r;

	ret->source = definition->image.source_text;
	if (prepare_nix_is(definition))
		return prepare_nix_image(prepare, ret, definition, older);
	if (definition->image.root == ROOT_DIRECT)
		return prepare_root_direct(prepare, ret, definition);
	r = settle(prepare, &ret->digest, definition, older);
	return r < 0 ? r : prepare_root_make(prepare, ret, definition);
}

int prepare_run(struct prepare *prepare, const char *const *arguments)
{
	return program_run(prepare->arena, prepare->environment, arguments, prepare->lock_fd,
			   prepare->quiet);
}
