/* prog/redd/prepare-registry - images of registries, which call them by their manifests.
 *
 * The digest of a tree is that of what it holds and of how it is run. As which manifest it was
 * fetched last lies beside it (trees/HEX.manifest), so that a registry can be asked whether there
 * is another one by now. Speaking, but for what looks only.
 */
#pragma once
#include <stddef.h>

#define PREPARE_MANIFEST ".manifest"

struct arena;
struct definition;
struct prepare;
struct text_list;

/* What grows was just fetched as DEFINITION says: its manifest is noted beside it. As
 * prog/redd/prepare. */
int prepare_registry_note(struct prepare *prepare, const struct definition *definition);

/* The note of the tree that DIGEST names, in the store PATH; NULL: there is none. Quiet. */
const char *prepare_registry_noted(struct arena *arena, const char *path, const char *digest);

struct prepare_registry_answer {
	const char *reference;
	const char *manifest; /* NULL: not known */
	const char *why;      /* then; a sentence */
};

struct prepare_registry_answers {
	struct prepare_registry_answer *items;
	size_t count;
};

/* All at once, by importctl, for some seconds at most. Quiet: what is not known says why. */
void prepare_registry_ask(struct arena *arena, const char *const *environment,
			  struct prepare_registry_answers *ret, const struct text_list *references);

/* NULL: that was not asked. Quiet. */
const struct prepare_registry_answer *prepare_registry_find(
	const struct prepare_registry_answers *answers, const char *reference);
