#include "declare/key-parse.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/definition.h"
#include "format/health.h"
#include "format/imageref.h"

static int refuse(struct key_reader *reader, const char *why)
{
	reader->why = why;
	return -EINVAL;
}

static void *field_of(const struct key_reader *reader)
{
	return (char *)reader->definition + reader->key->offset;
}

/* Their index, or negative. */
static int word_of(struct key_reader *reader, const char *value)
{
	for (int i = 0; reader->key->words[i] != NULL; i++)
		if (text_equal(reader->key->words[i], value))
			return i;
	return refuse(reader, "this word is not known here");
}

int key_parse_word(struct key_reader *reader, const char *value)
{
	int word = word_of(reader, value);

	if (word >= 0)
		*(unsigned int *)field_of(reader) = (unsigned int)word;
	return word < 0 ? word : 0;
}

int key_check_word(struct key_reader *reader, const char *value)
{
	return MIN(word_of(reader, value), 0);
}

int key_check_span(struct key_reader *reader, const char *value)
{
	uint64_t us;

	return parse_seconds_us(&us, value, 1) < 0 ? refuse(reader, "not a time, as in '1min 30s'")
						   : 0;
}

int key_parse_bool(struct key_reader *reader, const char *value)
{
	return parse_bool(field_of(reader), value) < 0 ? refuse(reader, "not a boolean") : 0;
}

static int check_path(struct key_reader *reader, const char *value)
{
	if (!path_is_absolute(value))
		return refuse(reader, "the path is not absolute");
	return path_is_normal(value) ? 0 : refuse(reader, "the path has '.', '..' or '//' in it");
}

int key_parse_path(struct key_reader *reader, const char *value)
{
	int r = check_path(reader, value);

	if (r >= 0)
		*(const char **)field_of(reader) = arena_text(reader->arena, value);
	return r;
}

int key_parse_command(struct key_reader *reader, const char *value)
{
	struct text_list words = { 0 };

	if (text_split_quoted(reader->arena, &words, value) < 0)
		return refuse(reader, "the quotes are not balanced");
	*(const char **)field_of(reader) = arena_text(reader->arena, value);
	return 0;
}

/* As the runner will read it. */
int key_parse_health(struct key_reader *reader, const char *value)
{
	return health_set(reader->arena, &reader->definition->health, reader->key->name, value,
			  &reader->why);
}

/* ---- [X-Image] ---- */

int key_parse_template(struct key_reader *reader, const char *value)
{
	(void)reader;
	(void)value;
	return 0;
}

static int check_place(struct key_reader *reader, const char *ref)
{
	if (text_after(ref, "https://") || text_after(ref, "http://"))
		return 0;
	if (!path_is_absolute(ref))
		return refuse(reader, "neither an absolute path nor an URL");
	return check_path(reader, ref);
}

static int check_ref(struct key_reader *reader, enum image_source source, const char *ref)
{
	struct imageref image;

	switch (source) {
	case IMAGE_TAR:
	case IMAGE_RAW: return check_place(reader, ref);
	case IMAGE_OCI: return imageref_parse(&image, ref, &reader->why);
	case IMAGE_NIX:
		if (!text_after(ref, "/nix/store/"))
			return refuse(reader, "no path below /nix/store");
		return check_path(reader, ref);
	case IMAGE_SNAPSHOT:
		return name_is_machine(ref) ? 0 : refuse(reader, "not a machine's name");
	default: return check_path(reader, ref);
	}
}

int key_parse_source(struct key_reader *reader, const char *value)
{
	static const char *const kinds[IMAGE_SOURCES] = {
		[IMAGE_DIR] = "dir:",		[IMAGE_TAR] = "tar:",
		[IMAGE_RAW] = "raw:",		[IMAGE_OCI] = "oci:",
		[IMAGE_NIX] = "nix:",		[IMAGE_NIX_PROFILE] = "nix-profile:",
		[IMAGE_SNAPSHOT] = "snapshot:", [IMAGE_OCI_LAYOUT] = "oci-layout:",
	};
	struct definition_image *image = &reader->definition->image;

	for (enum image_source i = IMAGE_DIR; i < IMAGE_SOURCES; i++) {
		const char *ref = text_after(value, kinds[i]);
		int r;

		if (ref == NULL)
			continue;
		r = check_ref(reader, i, ref);
		if (r < 0)
			return r;
		image->source = i;
		image->source_text = arena_text(reader->arena, value);
		image->ref = image->source_text + strlen(kinds[i]);
		return 0;
	}
	return refuse(reader, "it begins with none of dir:, tar:, raw:, oci:, oci-layout:, nix:, "
			      "nix-profile:, snapshot:");
}

int key_parse_root(struct key_reader *reader, const char *value)
{
	reader->definition->image.root_given = true;
	return key_parse_word(reader, value);
}

/* What is not given is no word. */
int key_parse_verify(struct key_reader *reader, const char *value)
{
	int word = word_of(reader, value);

	if (word < 0)
		return word;
	reader->definition->image.verify = (enum image_verify)(VERIFY_SIGNATURE + word);
	return 0;
}

int key_parse_digest(struct key_reader *reader, const char *value)
{
	if (digest_parse(field_of(reader), value) < 0)
		return refuse(reader, "not a digest, as in 'sha256:' and 64 hexadecimal digits");
	return 0;
}

int key_parse_persist(struct key_reader *reader, const char *value)
{
	struct text_list *list = field_of(reader);
	int r = check_path(reader, value);

	if (r < 0)
		return r;
	if (text_equal(value, "/"))
		return refuse(reader, "the root itself is what comes from the image "
				      "(try Root=direct)");
	/* Of two binds inside each other the outer one would hide what the inner one keeps. */
	for (size_t i = 0; i < list->count; i++)
		if (path_is_below(value, list->items[i]) || path_is_below(list->items[i], value))
			return refuse(reader, "one of the directories is inside of another");
	text_list_add(reader->arena, list, arena_text(reader->arena, value));
	return 0;
}

/* ---- [X-Network] ---- */

int key_parse_names(struct key_reader *reader, const char *value)
{
	struct definition *definition = reader->definition;
	char name[NAME_MAX_LENGTH + 1];

	if (!name_further(name, value))
		return refuse(reader, "not a name for a machine");
	if (text_list_has(&definition->names, name))
		return 0;
	if (definition->names.count == SPEC_NAMES_MAX)
		return refuse(reader, "too many names");
	text_list_add(reader->arena, &definition->names, arena_text(reader->arena, name));
	return 0;
}

int key_parse_namespace(struct key_reader *reader, const char *value)
{
	int r = check_path(reader, value);

	if (r >= 0)
		reader->network->namespace_path = arena_text(reader->arena, value);
	return r;
}

/* ---- [X-Credential] ---- */

static int add_credential(struct key_reader *reader, enum credential_source source,
			  const char *value)
{
	struct definition *definition = reader->definition;
	const char *colon = strchr(value, ':');
	struct definition_credential credential = { .source = source }, *added;
	char *data;
	size_t size;
	int r = 0;

	if (colon == NULL)
		return refuse(reader, "no ':' follows the credential's name");
	credential.id = arena_text_n(reader->arena, value, (size_t)(colon - value));
	credential.value = arena_text(reader->arena, colon + 1);
	if (!name_is_credential(credential.id))
		return refuse(reader, "not a name for a credential");
	for (size_t i = 0; i < definition->credential_count; i++)
		if (text_equal(definition->credentials[i].id, credential.id))
			return refuse(reader, "this credential was given before");
	if (source != CREDENTIAL_SET)
		r = check_path(reader, credential.value);
	else if (text_unescape(reader->arena, &data, &size, credential.value) < 0)
		r = refuse(reader, "a backslash begins no known escape");
	if (r < 0)
		return r;
	added = list_grow(reader->arena, (void **)&definition->credentials,
			  &definition->credential_count, sizeof(*added));
	*added = credential;
	return 0;
}

int key_parse_set(struct key_reader *reader, const char *value)
{
	return add_credential(reader, CREDENTIAL_SET, value);
}

int key_parse_load(struct key_reader *reader, const char *value)
{
	return add_credential(reader, CREDENTIAL_LOAD, value);
}

int key_parse_load_encrypted(struct key_reader *reader, const char *value)
{
	return add_credential(reader, CREDENTIAL_LOAD_ENCRYPTED, value);
}
