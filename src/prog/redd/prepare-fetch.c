#include "prog/redd/prepare-fetch.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "declare/definition.h"
#include "image/find.h"
#include "image/store.h"
#include "prog/redd/prepare-digest.h"
#include "prog/redd/prepare-store.h"
#include "prog/redd/prepare.h"

static const char *const verifies[] = {
	[VERIFY_SIGNATURE] = "signature",
	[VERIFY_CHECKSUM] = "checksum",
	[VERIFY_NO] = "no",
};

bool prepare_fetch_is_url(const char *text)
{
	return text_after(text, "https://") || text_after(text, "http://") ||
	       text_after(text, "file://");
}

static int fetch_by(struct prepare *prepare, const char *verb, const char *from, const char *verify)
{
	const char *root = arena_format(prepare->arena, "--image-root=%s/" STORE_TREES,
					prepare->path);
	const char *const arguments[] = { "importctl", "-m", "-N", "--quiet",
					  root,	       verb, from, prepare->growing,
					  verify,      NULL };

	return prepare_run(prepare, arguments);
}

static const char *verify_sum(struct prepare *prepare, const char *digest)
{
	const char *hex = prepare_store_hex(digest);

	return hex == NULL ? NULL : arena_format(prepare->arena, "--verify=%s", hex);
}

/* EARLY: what a file of this host was before; it has to be that still. */
static int fetch_file(struct prepare *prepare, const struct definition *definition, bool tar,
		      const char *early)
{
	const char *verify;

	if (!prepare_fetch_is_url(definition->image.ref))
		return fetch_by(prepare, tar ? "import-tar" : "import-raw", definition->image.ref,
				verify_sum(prepare, early));
	verify = verify_sum(prepare, prepare_digest_wanted(definition));
	if (verify == NULL && definition->image.verify != VERIFY_UNSET)
		verify = arena_format(prepare->arena, "--verify=%s",
				      verifies[definition->image.verify]);
	return fetch_by(prepare, tar ? "pull-tar" : "pull-raw", definition->image.ref, verify);
}

const char *prepare_fetch_reference(struct prepare *prepare, const struct definition *definition)
{
	const char *reference = definition->image.ref;

	if (prepare_digest_wanted(definition) != NULL && strchr(reference, '@') == NULL)
		reference = arena_format(prepare->arena, "%s@%s", reference,
					 prepare_digest_wanted(definition));
	return reference;
}

/* A machine's tree, as it is now. */
static int find_machine(struct prepare *prepare, struct found *ret, const char *name)
{
	int r = find_image(prepare->arena, ret, name, prepare->scope);

	if (r < 0)
		return fail_plain(
			r,
			"cannot find the image '%s' (Source=snapshot:%s; what is declared "
			"comes first: try 'redd apply --only=%s')",
			name, name, name);
	if (ret->kind == FIND_BLOCK)
		return fail_plain(-EOPNOTSUPP, "cannot take a snapshot of '%s': it is a device",
				  name);
	return 0;
}

static int fetch_layered(struct prepare *prepare, const char *name)
{
	const char *path = arena_format(prepare->arena, "%s/" STORE_TREES "/%s.tar", prepare->path,
					prepare->growing);
	const char *const arguments[] = { "importctl", "-m", "--quiet", "export-tar",
					  name,	       path, NULL };
	int r = prepare_run(prepare, arguments);

	if (r >= 0)
		r = fetch_by(prepare, "import-tar", path, NULL);
	(void)unlink(path);
	return r;
}

static int fetch_snapshot(struct prepare *prepare, const struct definition *definition)
{
	struct found found;
	int r = find_machine(prepare, &found, definition->image.ref);

	if (r < 0)
		return r;
	if (found.kind == FIND_MSTACK)
		return fetch_layered(prepare, definition->image.ref);
	return fetch_by(prepare, found.kind == FIND_DIRECTORY ? "import-fs" : "import-raw",
			found.path, NULL);
}

int prepare_fetch(struct prepare *prepare, const struct definition *definition, const char *early)
{
	switch (definition->image.source) {
	case IMAGE_DIR: return fetch_by(prepare, "import-fs", definition->image.ref, NULL);
	case IMAGE_TAR: return fetch_file(prepare, definition, true, early);
	case IMAGE_RAW: return fetch_file(prepare, definition, false, early);
	case IMAGE_OCI:
		return fetch_by(prepare, "pull-oci", prepare_fetch_reference(prepare, definition),
				NULL);
	case IMAGE_OCI_LAYOUT:
		return fetch_by(prepare, "import-oci",
				arena_format(prepare->arena, "oci:%s", definition->image.ref),
				verify_sum(prepare, prepare_digest_wanted(definition)));
	case IMAGE_SNAPSHOT: return fetch_snapshot(prepare, definition);
	default:
		return fail_plain(-EOPNOTSUPP, "cannot fetch 'Source=%s'",
				  definition->image.source_text);
	}
}
