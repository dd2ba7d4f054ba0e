#include "prog/redd/prepare-registry.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/text.h"
#include "declare/definition.h"
#include "format/digest.h"
#include "format/imageref.h"
#include "image/references.h"
#include "image/store.h"
#include "io/file.h"
#include "prog/redd/prepare-fetch.h"
#include "prog/redd/prepare-store.h"
#include "prog/redd/prepare.h"
#include "prog/redd/program.h"

/* ---- what was fetched ---- */

int prepare_registry_note(struct prepare *prepare, const struct definition *definition)
{
	struct arena *arena = prepare->arena;
	struct store store = STORE_EMPTY;
	struct reference found;
	struct imageref ref;
	const char *why;
	int r;

	if (imageref_parse(&ref, prepare_fetch_reference(prepare, definition), &why) < 0)
		return 0;
	r = store_open(arena, &store, prepare->scope, false);
	if (r >= 0)
		r = reference_read(arena, &found, &store, imageref_text(arena, &ref));
	store_done(&store);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = file_replace(prepare->trees_fd,
			 arena_format(arena, "%s" PREPARE_MANIFEST, prepare->growing),
			 found.manifest, strlen(found.manifest), 0644);
	return r < 0 ? fail(r, "cannot note in '%s' what was fetched", prepare->path) : 0;
}

const char *prepare_registry_noted(struct arena *arena, const char *path, const char *digest)
{
	const char *hex = prepare_store_hex(digest);
	char line[DIGEST_ROOM];
	struct digest manifest;

	if (hex == NULL ||
	    file_read_line(line, sizeof(line), AT_FDCWD,
			   arena_format(arena, "%s/" STORE_TREES "/%s" PREPARE_MANIFEST, path,
					hex)) < 0 ||
	    digest_parse(&manifest, line) < 0)
		return NULL;
	return arena_text(arena, manifest.text);
}

/* ---- what there is now ---- */

#define ASK_US (20 * UINT64_C(1000000)) /* it gives up earlier by itself */

/* "REFERENCE DIGEST PROBLEM", filled up with blanks; "-" is none. */
static void read_line(struct arena *arena, const struct prepare_registry_answers *answers,
		      const char *line)
{
	struct prepare_registry_answer *answer = NULL;
	size_t length = strcspn(line, " ");
	const char *rest = line + length;
	struct digest manifest;

	for (size_t i = 0; i < answers->count; i++)
		if (strlen(answers->items[i].reference) == length &&
		    strncmp(answers->items[i].reference, line, length) == 0)
			answer = &answers->items[i];
	if (answer == NULL)
		return;
	rest += strspn(rest, " ");
	length = strcspn(rest, " ");
	if (digest_parse(&manifest, arena_text_n(arena, rest, length)) >= 0) {
		answer->manifest = arena_text(arena, manifest.text);
		return;
	}
	rest += length;
	answer->why = arena_text(arena, rest + strspn(rest, " "));
}

void prepare_registry_ask(struct arena *arena, const char *const *environment,
			  struct prepare_registry_answers *ret, const struct text_list *references)
{
	struct text_list words = { 0 }, lines = { 0 };
	const char *text, *why = "it was not told";

	*ret = (struct prepare_registry_answers){ 0 };
	if (references->count == 0)
		return;
	text_list_add(arena, &words, arena_text(arena, "importctl"));
	text_list_add(arena, &words, arena_text(arena, "--no-legend"));
	text_list_add(arena, &words, arena_text(arena, "resolve-oci"));
	text_list_add(arena, &words, arena_text(arena, "--"));
	for (size_t i = 0; i < references->count; i++)
		text_list_add(arena, &words, references->items[i]);
	if (program_ask(arena, environment, (const char *const *)words.items, ASK_US, &text) < 0) {
		why = arena_text(arena, fail_recorded()->text);
		fail_forget();
		text = "";
	}
	ret->items = arena_take_array(arena, references->count, sizeof(*ret->items));
	ret->count = references->count;
	for (size_t i = 0; i < ret->count; i++)
		ret->items[i] = (struct prepare_registry_answer){
			.reference = references->items[i],
			.why = why,
		};
	text_split(arena, &lines, text, "\n");
	for (size_t i = 0; i < lines.count; i++)
		read_line(arena, ret, lines.items[i]);
}

const struct prepare_registry_answer *prepare_registry_find(
	const struct prepare_registry_answers *answers, const char *reference)
{
	for (size_t i = 0; i < answers->count; i++)
		if (text_equal(answers->items[i].reference, reference))
			return &answers->items[i];
	return NULL;
}
