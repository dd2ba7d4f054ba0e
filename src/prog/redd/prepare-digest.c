#include "prog/redd/prepare-digest.h"

#include <errno.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/definition.h"
#include "image/mstack.h"
#include "image/store.h"
#include "io/file.h"
#include "io/settings.h"
#include "prog/redd/prepare-fetch.h"
#include "prog/redd/prepare-store.h"
#include "prog/redd/prepare.h"
#include "prog/redd/program.h"
#include "prog/redd/sum.h"

const char *prepare_digest_wanted(const struct definition *definition)
{
	return definition->image.digest.text[0] != '\0' ? definition->image.digest.text : NULL;
}

bool prepare_digest_is_asked(const struct definition *definition)
{
	return definition->image.source == IMAGE_OCI ||
	       definition->image.source == IMAGE_OCI_LAYOUT;
}

bool prepare_digest_differs(const struct definition *definition, const char *digest)
{
	return prepare_digest_wanted(definition) != NULL && !prepare_digest_is_asked(definition) &&
	       !text_equal(prepare_digest_wanted(definition), digest);
}

/* Layers have the names of what they hold. Two images of the same may be run in other ways. */
static int sum_layers(struct prepare *prepare, const char **ret, const char *path)
{
	struct text_list layers = { 0 };
	const char *words = "";
	char *says;
	size_t size;
	int r = prepare_store_layers(prepare, &layers, path);

	for (size_t i = 0; i < layers.count; i++)
		words = arena_format(prepare->arena, "%s%s\n", words, path_name(layers.items[i]));
	if (r < 0)
		return r;
	r = file_read(prepare->arena, &says, &size, prepare->trees_fd,
		      arena_format(prepare->arena, "%s.nspawn", prepare->growing),
		      SETTINGS_SIZE_MAX);
	if (r < 0 && r != -ENOENT)
		return fail(r, "cannot read how the image is run");
	return sum_text(prepare->arena, ret,
			r < 0 ? words : arena_format(prepare->arena, "%s%s", words, says));
}

int prepare_digest_grown(struct prepare *prepare, const char **ret, const char *form)
{
	const char *path = arena_format(prepare->arena, "%s/" STORE_TREES "/%s%s", prepare->path,
					prepare->growing, form);

	if (text_equal(form, MSTACK_SUFFIX))
		return sum_layers(prepare, ret, path);
	return text_equal(form, "") ? program_sum(prepare->arena, prepare->environment, ret, path)
				    : sum_file(prepare->arena, ret, path);
}

int prepare_digest_early(struct prepare *prepare, const char **ret,
			 const struct definition *definition)
{
	*ret = NULL;
	if (definition->image.source == IMAGE_TAR || definition->image.source == IMAGE_RAW) {
		if (!prepare_fetch_is_url(definition->image.ref))
			return sum_file(prepare->arena, ret, definition->image.ref);
		*ret = prepare_digest_wanted(definition);
	}
	if (definition->image.source == IMAGE_DIR)
		return sum_tree(prepare->arena, ret, definition->image.ref);
	return 0;
}
